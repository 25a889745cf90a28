"""``twopass train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from twopass import data
from twopass.cli import model
from twopass.cli.display import notes
from twopass.cli.report import show_next, show_outcome, show_plan
from twopass.cli.source import read_samples
from twopass.errors import ArgumentError, compose
from twopass.io import check_destination
from twopass.train import EarlyStopping, Progress, Trainer

__all__ = ["train"]

_DATA = "Data"
_NETWORK = "Network"
_TRAINING = "Training"


def train(
    source: Annotated[
        str,
        typer.Argument(metavar="[SOURCE]", help="A data set (see: twopass datasets) or a CSV, Parquet or NPZ file."),
    ] = "digits",
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of the file to predict.", rich_help_panel=_DATA),
    ] = None,
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(
            help="What the column is; by default a class if it is text, or at most 20 whole numbers that recur.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column to leave out; may be repeated.", rich_help_panel=_DATA),
    ] = None,
    test: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of a file's rows to hold out for the test.", rich_help_panel=_DATA),
    ] = 0.2,
    validation: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the other rows to validate each epoch on.", rich_help_panel=_DATA),
    ] = 0.1,
    hidden: Annotated[
        str, typer.Option(metavar="SIZES", help="Sizes of the hidden layers, or none.", rich_help_panel=_NETWORK)
    ] = "128,128",
    activation: Annotated[
        str, typer.Option(metavar="NAME", help="Activation of the hidden layers.", rich_help_panel=_NETWORK)
    ] = "relu",
    dropout: Annotated[
        float, typer.Option(metavar="RATE", help="Dropout after each hidden layer.", rich_help_panel=_NETWORK)
    ] = 0.0,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Cross-entropy for classes, squared error for numbers.", rich_help_panel=_TRAINING
        ),
    ] = None,
    optimizer: Annotated[str, typer.Option(metavar="NAME", rich_help_panel=_TRAINING)] = "adam",
    learning_rate: Annotated[float, typer.Option(metavar="RATE", rich_help_panel=_TRAINING)] = 0.001,
    epochs: Annotated[
        int, typer.Option(metavar="N", min=1, help="Passes over the rows.", rich_help_panel=_TRAINING)
    ] = 30,
    batch_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Rows in a step.", rich_help_panel=_TRAINING)
    ] = 32,
    early_stopping: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="EPOCHS",
            help="Stop after this many epochs without a better validation loss, and keep the best.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The same seed gives the same model.", rich_help_panel=_TRAINING)
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to save the model; by default SOURCE-model.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Train a network, test it, and save it.

    Without arguments, it learns to read the handwritten digits that come with twopass.

    \b
    Examples:
      twopass train
      twopass train mnist --hidden 300,100 --epochs 10
      twopass train houses.csv --target price --early-stopping 5
    """
    folder = out or Path(f"{Path(source).stem}-model")
    check_destination(folder)
    sizes = model.parse_sizes(hidden)
    samples = read_samples(source, target=target, task=task, drop=drop or (), test=test, seed=seed)
    encoder = samples.encoder
    classification = encoder.task == "classification"
    trainer = Trainer(
        model.make_network(encoder, sizes, activation, dropout),
        _loss(loss, model.LOSSES[encoder.task]),
        model.make_optimizer(optimizer, learning_rate),
        metrics=("accuracy",) if classification else ("r2",),
        seed=seed,
    )
    x, y, *held_out = data.split(samples.x_train, samples.y_train, validation, seed=seed, stratify=classification)
    fitted = model.Fitted(trainer, encoder)
    if not quiet:
        show_plan(samples, fitted, len(x), len(held_out[0]))
    callbacks = [] if early_stopping is None else [EarlyStopping(patience=early_stopping)]
    try:
        trainer.fit(
            x,
            y,
            epochs,
            batch_size,
            validation_data=tuple(held_out),
            callbacks=[*callbacks, *([] if quiet else [Progress(notes())])],
        )
    except KeyboardInterrupt:
        _keep_what_was_learned(fitted, folder)
        raise
    fitted.save(folder)
    if not quiet:
        show_outcome(samples, fitted, len(x))
        show_next(folder, source)


def _loss(name: str | None, known: Sequence[str]) -> str:
    if name is not None and name not in known:
        raise ArgumentError(compose(f"--loss {name!r} does not fit", instead=f"Choose from {', '.join(known)}."))
    return name or known[0]


def _keep_what_was_learned(fitted: model.Fitted, folder: Path) -> None:
    """Save the model of an interrupted run, unless there is an older one in its place."""
    if fitted.trainer.epoch == 0:
        return
    if folder.exists() and any(folder.iterdir()):
        notes().print(f"{folder} keeps the model from before", soft_wrap=True, markup=False)
    else:
        fitted.save(folder)
        notes().print(f"{folder} has the model after epoch {fitted.trainer.epoch}", soft_wrap=True, markup=False)
