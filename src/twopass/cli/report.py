"""What ``twopass train`` prints before and after the training."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from twopass import nn
from twopass.cli.display import results, show_curves, show_fields
from twopass.cli.model import Fitted
from twopass.cli.source import Samples

__all__ = ["show_next", "show_outcome", "show_plan"]


def show_plan(samples: Samples, fitted: Fitted, n_train: int, n_validation: int) -> None:
    """Print what is learned from, and with what."""
    trainer = fitted.trainer.init(samples.x_train.shape[1:])
    rows = f"{n_train:,} rows to train on, {n_validation:,} to validate, {len(samples.x_test):,} to test"
    whole, *layers = nn.summary_rows(trainer.net, trainer.input_shape)
    sizes = [*trainer.input_shape, *(layer.output_shape[-1] for layer in layers if layer.parameters)]
    show_fields(
        results(),
        {
            "data": f"{samples.name}: {rows}",
            "target": f"{fitted.encoder.target.name} ({fitted.encoder.task})",
            "network": f"{' -> '.join(map(str, sizes))}, {whole.parameters:,} parameters",
        },
    )


def show_outcome(samples: Samples, fitted: Fitted, n_train: int) -> None:
    """Draw the learning curves, and print how long it took and how good the model is."""
    history = fitted.trainer.history
    seconds = math.fsum(history["seconds"])
    epochs = len(history["seconds"])
    console = results()
    console.print()
    show_curves(console, _pictures(history))
    report = fitted.report(samples.x_test, samples.y_test)
    console.print()
    show_fields(
        console,
        {
            "training": f"{epochs} epochs in {seconds:.2f} s, {epochs * n_train / seconds:,.0f} samples/s",
            "test": ", ".join(f"{name} {value:.4f}" for name, value in report.items()),
        },
    )


def _pictures(history: Mapping[str, Sequence[float]]) -> list[dict[str, Sequence[float]]]:
    """The losses together, and each metric."""
    metrics = [name for name in history if name not in ("loss", "val_loss", "learning_rate", "seconds")]
    return [{name: history[name] for name in names} for names in (("loss", "val_loss"), *((name,) for name in metrics))]


def show_next(folder: Path, source: str) -> None:
    """Print where the model is, and what to type next."""
    model, rows = shlex.quote(str(folder)), shlex.quote(source)
    lines = [f"twopass evaluate {model} {rows}", f"twopass predict {model} {rows} --out predictions.csv"]
    console = results()
    console.print(f"\nSaved in {folder}. Next:", soft_wrap=True, markup=False)
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
