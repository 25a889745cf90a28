"""What ``twopass train`` prints before and after the training."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from twopass import nn
from twopass.cli import model
from twopass.cli.display import notes, results, show_curves, show_fields, table
from twopass.cli.settings import Settings
from twopass.cli.source import Samples
from twopass.data import Category, Encoder, Flag, Group, Moment, Number, Prepared, Quantity, Vocabulary

__all__ = ["Outcome", "column_rows", "number", "rows_told", "show_columns", "show_next", "show_outcome", "show_plan"]

_SHOWN_IMPORTANCES = 12
_KINDS: dict[type, str] = {
    Number: "number",
    Category: "category",
    Quantity: "number",
    Group: "category",
    Vocabulary: "category",
    Flag: "yes or no",
    Moment: "date",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What has come of a training.

    Parameters
    ----------
    fitted : Fitted
        The network.
    samples : Samples
        What it has learned from.
    settings : Settings
        How.
    test : dict of str to float
        How good it is.
    baselines : dict of str to dict of str to float
        How good simple predictions are.
    importances : dict of str to float
        What each column contributes.
    """

    fitted: model.Fitted
    samples: Samples
    settings: Settings
    test: dict[str, float]
    baselines: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    importances: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def harm(self) -> str:
        """What the importances are measured in."""
        return "loss added" if self.fitted.encoder.task == "classification" else "R2 lost"


def column_rows(prepared: Prepared) -> list[tuple[str, str, str, str]]:
    """Each column: its name, what it is, how much is missing, and what is done to it."""
    features = {feature.name: feature for feature in prepared.encoder.features}
    left_out = {column.name: column.why for column in prepared.encoder.left_out}
    rows = []
    for name, survey in prepared.survey.columns.items():
        missing = f"{survey.missing / survey.rows:.1%}" if survey.missing else ""
        if name in features:
            feature = features[name]
            rows.append((name, _KINDS[type(feature)], missing, feature.describe()))
        elif name == prepared.encoder.target.name:
            rows.append((name, "target", missing, prepared.encoder.task))
        else:
            rows.append((name, "left out", missing, left_out[name]))
    return rows


def show_columns(prepared: Prepared) -> None:
    """Print what is done to each column; on standard error, what somebody should know."""
    console = results()
    console.print(table(("column", "kind", "missing", "what is done"), column_rows(prepared), right=("missing",)))
    console.print()
    for remark in prepared.remarks:
        notes().print(f"note: {remark}", soft_wrap=True, markup=False)


def show_plan(
    name: str, encoder: Encoder, settings: Settings, counts: Sequence[int], weights: model.Array | None = None
) -> None:
    """Print what is learned from, and with what."""
    sizes = [encoder.n_inputs, *model.parse_sizes(settings.hidden), encoder.target.size]
    network = model.make_network(encoder, sizes[1:-1], settings.activation, settings.dropout, settings.members)
    whole, *_ = nn.summary_rows(network, (encoder.n_inputs,))
    epochs = f"{settings.epochs} epoch{'s' if settings.epochs > 1 else ''}"
    layers = " -> ".join(map(str, sizes))
    if settings.members > 1:
        layers = f"{settings.members} x ({layers})"
    training = f"{epochs}, batches of {settings.batch_size}, {settings.optimizer}, "
    training += f"{settings.learning_rate:g} {settings.schedule}"
    if settings.weight_decay is not None:
        training += f", weight decay {settings.weight_decay:g}"
    fields = {
        "data": f"{name}: {rows_told(counts)}",
        "target": f"{encoder.target.name} ({encoder.task})",
        "network": f"{layers}, {whole.parameters:,} parameters",
        "training": training,
    }
    if weights is not None:
        fields["classes"] = f"unbalanced; weighted by {', '.join(f'{weight:.3g}' for weight in weights)}"
    show_fields(results(), fields)


def rows_told(counts: Sequence[int]) -> str:
    """How many rows there are to train, to validate and to test on, in words.

    Examples
    --------
    >>> rows_told([1000, 100, 200]), rows_told([100, 0, 20])
    ('1,000 rows to train on, 100 to validate, 200 to test', '100 rows to train on, 20 to test')
    """
    n_train, n_validation, n_test = counts
    validated = f"{n_validation:,} to validate, " if n_validation else ""
    return f"{n_train:,} rows to train on, {validated}{n_test:,} to test"


def show_outcome(outcome: Outcome) -> None:
    """Draw the learning curves, and print how long it took and how good the model is."""
    history = outcome.fitted.trainer.history
    seconds = math.fsum(history["seconds"])
    epochs = len(history["seconds"])
    console = results()
    console.print()
    show_curves(console, _pictures(history))
    console.print()
    speed = epochs * len(outcome.samples.train[1]) / seconds
    show_fields(
        console,
        {
            "training": f"{epochs} epochs in {seconds:.2f} s, {speed:,.0f} samples/s",
            "test": ", ".join(f"{name} {value:.4f}" for name, value in outcome.test.items()),
        },
    )
    if outcome.baselines:
        _show_baselines(outcome)
    if outcome.importances:
        _show_importances(outcome)


def _show_baselines(outcome: Outcome) -> None:
    console = results()
    names = [name for name in outcome.test if name != "loss"]
    rows = [(who, *(number(found[name]) for name in names)) for who, found in outcome.baselines.items()]
    rows.append(("this network", *(number(outcome.test[name]) for name in names)))
    console.print()
    console.print(table(("on the test rows", *names), rows, right=names))
    if importlib.util.find_spec("sklearn") is None:
        notes().print(
            "note: a linear model to compare with needs pip install 'twopass[sklearn]'", soft_wrap=True, markup=False
        )


def number(value: float) -> str:
    """A measure as it is printed."""
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def _show_importances(outcome: Outcome) -> None:
    console = results()
    shown = list(outcome.importances.items())[:_SHOWN_IMPORTANCES]
    largest = max([value for _, value in shown] + [1e-12])
    rows = [(name, f"{value:.4f}", "#" * round(24 * max(value, 0.0) / largest)) for name, value in shown]
    console.print()
    console.print(table(("without the column", outcome.harm, ""), rows, right=(outcome.harm,)))
    if len(outcome.importances) > len(shown):
        console.print(f"... and {len(outcome.importances) - len(shown)} columns that matter less", soft_wrap=True)


def _pictures(history: Mapping[str, Sequence[float]]) -> list[dict[str, Sequence[float]]]:
    """The losses together, and each metric."""
    losses = [name for name in ("loss", "val_loss") if name in history]
    metrics = [name for name in history if name not in (*losses, "learning_rate", "seconds")]
    return [{name: history[name] for name in names} for names in (losses, *([name] for name in metrics))]


def show_next(folder: Path, source: str) -> None:
    """Print where the model is, and what to type next."""
    model, rows = shlex.quote(str(folder)), shlex.quote(source)
    lines = [f"twopass evaluate {model} {rows}", f"twopass predict {model} {rows} --out predictions.csv"]
    console = results()
    console.print(f"\nSaved in {folder}. Next:", soft_wrap=True, markup=False)
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
