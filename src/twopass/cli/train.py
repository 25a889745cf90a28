"""``twopass train``."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from twopass import data, optim
from twopass.cli import model
from twopass.cli.comparing import baselines, importances
from twopass.cli.config import read_config
from twopass.cli.display import notes
from twopass.cli.page import check_page, write_page
from twopass.cli.report import Outcome, show_columns, show_next, show_outcome, show_plan
from twopass.cli.settings import Settings, for_dataset, for_table
from twopass.cli.source import Choice, Samples, prepare_file, read_samples
from twopass.data.preparing import VALIDATION
from twopass.errors import ArgumentError, compose
from twopass.io import check_destination
from twopass.train import EarlyStopping, Progress, Trainer
from twopass.train.samples import Samples as Rows
from twopass.train.weights import class_weights

__all__ = ["train"]

_DATA = "Data"
_NETWORK = "Network"
_TRAINING = "Training"
_OUTPUT = "Output"
_FEWEST_STEPS = 10  # of one cycle
_MANY_CATEGORIES = 255  # more than are given an input each


def train(
    context: typer.Context,
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
        str,
        typer.Option(
            metavar="auto|none|SHARE|FILE",
            help="Share of the other rows to validate each epoch on, or a file of rows for that; "
            "auto: a tenth, but none of fewer than 2,000 rows.",
            rich_help_panel=_DATA,
        ),
    ] = "auto",
    embeddings: Annotated[
        str,
        typer.Option(
            metavar="auto|none|N",
            help="Learn a vector for each category of columns with more than N of them; auto: with more than 255.",
            rich_help_panel=_NETWORK,
        ),
    ] = "auto",
    hidden: Annotated[
        str | None,
        typer.Option(metavar="SIZES", help="Sizes of the hidden layers, or none.", rich_help_panel=_NETWORK),
    ] = None,
    activation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Activation of the hidden layers.", rich_help_panel=_NETWORK)
    ] = None,
    dropout: Annotated[
        float | None, typer.Option(metavar="RATE", help="Dropout after each hidden layer.", rich_help_panel=_NETWORK)
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Networks to train side by side; predictions are the mean of theirs.",
            rich_help_panel=_NETWORK,
        ),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Cross-entropy for classes, squared error for numbers.", rich_help_panel=_TRAINING
        ),
    ] = None,
    class_weight: Annotated[
        Literal["auto", "balanced", "none"],
        typer.Option(
            help="Whether rare classes count more; auto: when one has less than a fifth of its share.",
            rich_help_panel=_TRAINING,
        ),
    ] = "auto",
    optimizer: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_TRAINING)] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", help="Its highest value.", rich_help_panel=_TRAINING)
    ] = None,
    schedule: Annotated[
        Literal["one-cycle", "constant"] | None,
        typer.Option(help="How the learning rate changes.", rich_help_panel=_TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(metavar="RATE", min=0.0, help="How fast AdamW lets weights decay.", rich_help_panel=_TRAINING),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Passes over the rows.", rich_help_panel=_TRAINING)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows in a step.", rich_help_panel=_TRAINING)
    ] = None,
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
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=read_config,
            is_eager=True,
            help="A TOML file that sets options, such as epochs = 50; what is typed wins.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be done, and stop.", rich_help_panel=_OUTPUT)
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page about the model (.html).", rich_help_panel=_OUTPUT),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Where to save the model; by default SOURCE-model.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=_OUTPUT)
    ] = False,
) -> None:
    """Train a network, test it, and save it.

    Without arguments, it learns to read the handwritten digits that come with twopass. For a file, it finds out what
    each column is, prepares it, chooses the network and the training by the number of rows, and compares the result
    with simple predictions.

    \b
    Examples:
      twopass train
      twopass train mnist --hidden 300,100 --epochs 10
      twopass train houses.csv --target price
      twopass train houses.csv --target price --report houses.html
    """
    folder = out or Path(f"{Path(source).stem}-model")
    check_destination(folder)
    if report is not None:
        check_page(report)
    given = {
        "hidden": hidden,
        "activation": activation,
        "dropout": dropout,
        "members": members,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "epochs": epochs,
        "batch_size": batch_size,
        "early_stopping": early_stopping,
    }
    model.parse_sizes(hidden or "none")
    _check_share("--test", str(test))
    _check_share("--validation", validation)
    if early_stopping is not None and validation == "auto":
        validation = str(VALIDATION)  # which it waits for
    choice = Choice(source, target, task, drop or (), test, validation, seed, _embedded(embeddings))
    if dry_run and source not in data.DATASETS:
        rows, prepared = prepare_file(choice)
        show_columns(prepared)
        settings = _settings(for_table(len(prepared.parts[0])), given, choice.file or prepared.parts[1].size)
        show_plan(rows.name, prepared.encoder, settings, [len(part) for part in prepared.parts])
        return
    with _reading(source, quiet):
        samples = read_samples(choice)
    encoder, counts = samples.encoder, [len(part[1]) for part in (samples.train, samples.validation, samples.test)]
    settings = _settings(for_dataset() if samples.prepared is None else for_table(counts[0]), given, counts[1])
    fitted = model.Fitted(_trainer(encoder, settings, loss, counts[0], seed), encoder)
    weights = _class_weights(class_weight, samples)
    if not quiet:
        if samples.prepared is not None:
            show_columns(samples.prepared)
        show_plan(samples.name, encoder, settings, counts, weights)
    if dry_run:
        return
    callbacks = [] if settings.early_stopping is None else [EarlyStopping(patience=settings.early_stopping)]
    try:
        fitted.trainer.fit(
            *samples.train,
            settings.epochs,
            settings.batch_size,
            validation_data=_validation_data(samples, weights),
            class_weight=weights,
            callbacks=[*callbacks, *([] if quiet else [Progress(notes())])],
        )
    except KeyboardInterrupt:
        _keep_what_was_learned(fitted, folder)
        raise
    fitted.fill_vectors(samples.train[0])
    outcome = Outcome(fitted, samples, settings, fitted.report(*samples.test))
    if samples.prepared is not None and not (quiet and report is None):
        outcome = dataclasses.replace(
            outcome,
            baselines=baselines(samples, seed, None if weights is None else "balanced"),
            importances=importances(fitted, samples, seed),
        )
    # JSON has no NaN, which R2 of a single row is.
    fitted.save(folder, test={name: value if math.isfinite(value) else None for name, value in outcome.test.items()})
    if not quiet:
        show_outcome(outcome)
        show_next(folder, source)
    if report is not None:
        write_page(report, outcome, _typed(context))
        notes().print(f"The report is in {report}", soft_wrap=True, markup=False)


def _check_share(option: str, text: str) -> None:
    """Raise when a number is no share of the rows; what is no number is the name of a file."""
    try:
        share = float(text)
    except ValueError:
        return
    if not 0 < share < 1:
        what = f"{option} {text} is no share of the rows"
        raise ArgumentError(compose(what, instead="Write a number between 0 and 1, such as 0.1."))


def _embedded(text: str) -> int | None:
    """From how many categories on they are embedded; None for never."""
    if text == "none":
        return None
    if text != "auto" and not text.isdecimal():
        what = f"--embeddings {text!r} is not a number of categories"
        raise ArgumentError(compose(what, instead="Write auto, none, or a whole number, such as 16."))
    return _MANY_CATEGORIES if text == "auto" else int(text)


def _reading(source: str, quiet: bool) -> contextlib.AbstractContextManager[object]:
    """Show on a terminal that a file is being read."""
    if quiet or source in data.DATASETS:
        return contextlib.nullcontext()
    return notes().status(f"reading {source}")


def _validation_data(samples: Samples, weights: model.Array | None) -> tuple[Any, ...] | None:
    """What each epoch is validated on, if there is anything."""
    x, y = samples.validation
    if not len(y):
        return None
    return (x, y) if weights is None else (x, y, weights[y])


def _settings(defaults: Settings, given: dict[str, Any], validated: Any) -> Settings:
    """What is given, and defaults for the rest; whether there are rows to validate on decides, too."""
    if not validated:
        if given["early_stopping"] is not None:
            what = "--early-stopping waits for a better validation loss, and there are no rows to validate on"
            raise ArgumentError(compose(what, instead="Write --validation 0.1, or leave one of the two out."))
        defaults = dataclasses.replace(defaults, early_stopping=None)
    if given["optimizer"] is not None and not model.decays(given["optimizer"]):
        defaults = dataclasses.replace(defaults, weight_decay=None)  # it was that of another optimizer
    return dataclasses.replace(defaults, **{name: value for name, value in given.items() if value is not None})


def _trainer(encoder: data.Encoder, settings: Settings, loss: str | None, n_rows: int, seed: int) -> Trainer:
    steps = settings.epochs * -(-n_rows // settings.batch_size)
    rate: Any = settings.learning_rate
    if settings.schedule == "one-cycle" and steps >= _FEWEST_STEPS:
        rate = optim.schedules.one_cycle(settings.learning_rate, steps)
    return Trainer(
        model.make_network(
            encoder, model.parse_sizes(settings.hidden), settings.activation, settings.dropout, settings.members
        ),
        _loss(loss, model.LOSSES[encoder.task]),
        model.make_optimizer(settings.optimizer, rate, settings.weight_decay),
        metrics=("accuracy",) if encoder.task == "classification" else ("r2",),
        seed=seed,
    )


def _loss(name: str | None, known: Sequence[str]) -> str:
    if name is not None and name not in known:
        raise ArgumentError(compose(f"--loss {name!r} does not fit", instead=f"Choose from {', '.join(known)}."))
    return name or known[0]


def _class_weights(wanted: str, samples: Samples) -> model.Array | None:
    """How much each class counts; None for all the same."""
    target, y = samples.encoder.target, samples.train[1]
    if wanted == "none" or (samples.prepared is None and wanted == "auto"):
        return None
    if not isinstance(target, data.Category):
        if wanted == "balanced":
            what = f"--class-weight is for classes, and {target.name!r} is a number"
            raise ArgumentError(compose(what, instead="Leave it out, or add --task classification."))
        return None
    unbalanced = model.is_unbalanced(np.bincount(y, minlength=target.size))
    return class_weights(Rows(y, y), "balanced", target.size) if unbalanced or wanted == "balanced" else None


def _typed(context: typer.Context) -> list[str]:
    """The command that gives the same model, in words."""
    words = ["twopass", "train", str(context.params["source"])]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        if parameter.name in ("source", "config", "quiet", "report", "dry_run") or value in (None, False, (), []):
            continue
        if value == parameter.get_default(context) and parameter.name not in (context.default_map or {}):
            continue
        option = f"--{str(parameter.name).replace('_', '-')}"
        for part in value if isinstance(value, (list, tuple)) else [value]:
            words += [option, str(part)]
    return words


def _keep_what_was_learned(fitted: model.Fitted, folder: Path) -> None:
    """Save the model of an interrupted run, unless there is an older one in its place."""
    if fitted.trainer.epoch == 0:
        return
    if folder.exists() and any(folder.iterdir()):
        notes().print(f"{folder} keeps the model from before", soft_wrap=True, markup=False)
    else:
        fitted.save(folder)
        notes().print(f"{folder} has the model after epoch {fitted.trainer.epoch}", soft_wrap=True, markup=False)
