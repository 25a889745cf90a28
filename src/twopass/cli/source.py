"""SOURCE on the command line: the name of a data set, or a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from twopass import data
from twopass.cli.display import download_progress, notes
from twopass.data import Dataset, Encoder, Prepared, TableFile
from twopass.data.dataset import Task
from twopass.data.preparing import VALIDATION
from twopass.errors import ArgumentError, DataError, compose, unknown_name

__all__ = ["Choice", "Samples", "encode", "open_rows", "prepare_file", "read_samples"]

Array = np.ndarray[Any, np.dtype[Any]]
Part = tuple[Array, Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Rows to train, to validate and to test on, as a network sees them, and how they came about.

    Parameters
    ----------
    name : str
        Of the data set or the file.
    train, validation, test : tuple of ndarray
        Inputs (n_samples, n_inputs) and targets (n_samples,); there may be none to validate on.
    encoder : Encoder
        From columns to inputs and from outputs to predictions.
    prepared : Prepared, optional
        For a file: what is known of its columns.
    """

    name: str
    train: Part
    validation: Part
    test: Part
    encoder: Encoder
    prepared: Prepared | None = None


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is read, and how its rows are split.

    Parameters
    ----------
    source : str
        The name of a data set, or a file.
    target, task, drop
        For files: the column to predict, what it is, and the columns to leave out.
    test : float
        For files: the share of the rows to hold out for testing.
    validation : str
        The share of the other rows to validate on; "none", or "auto", which is none for small tables and a tenth else;
        or a file of rows to validate on.
    seed : int
        Which rows.
    embed : int, optional
        For files: a vector is learned for each category of columns with more of them than this.
    """

    source: str
    target: str | None = None
    task: Task | None = None
    drop: Sequence[str] = ()
    test: float = 0.2
    validation: str = "auto"
    seed: int = 0
    embed: int | None = None

    @property
    def share(self) -> float | Literal["auto"] | None:
        """The share of the rows to validate on; None for none of them."""
        if self.validation == "auto":
            return "auto"
        try:
            return float(self.validation)
        except ValueError:
            return None

    @property
    def file(self) -> str | None:
        """The file of rows to validate on, if there is one."""
        return self.validation if self.share is None and self.validation != "none" else None


def read_samples(choice: Choice) -> Samples:
    """Read what a model is trained on.

    The columns of data sets that are not images are scaled to mean 0 and standard deviation 1 over the training rows;
    those of files are prepared as `twopass.data.prepare` decides.

    Raises
    ------
    ArgumentError, DataError
        When there is no such source, or the options do not fit it.
    """
    if choice.source in data.DATASETS:
        return _from_dataset(choice)
    rows, prepared = prepare_file(choice)
    train, validation, test = prepared.arrays(rows)
    if choice.file is not None:
        validation = encode(prepared.encoder, open_rows(choice.file))
    return Samples(rows.name, train, validation, test, prepared.encoder, prepared)


def prepare_file(choice: Choice) -> tuple[TableFile, Prepared]:
    """Decide what is done to the columns of a file.

    Raises
    ------
    ArgumentError, DataError
        When there is no such file, or it cannot be learned from.
    """
    rows = open_rows(choice.source)
    if choice.target is None:
        instead = f"Add --target COLUMN; the columns are {', '.join(rows.columns)}."
        raise ArgumentError(compose(f"nothing says which column of {rows.name} to predict", instead=instead))
    if choice.file is not None:
        open_rows(choice.file)  # for what it says when there is no such file
    prepared = data.prepare(
        rows,
        choice.target,
        task=choice.task,
        drop=choice.drop,
        test=choice.test,
        validation=choice.share,
        seed=choice.seed,
        embed=choice.embed,
    )
    return rows, prepared


def open_rows(source: str) -> TableFile:
    """Open what a model is used on: a file's rows, or a data set's test rows.

    Raises
    ------
    ArgumentError, DataError
        When there is no such source, or it cannot be read.
    """
    if source in data.DATASETS:
        return TableFile(_load(source).table("test"))
    if not Path(source).suffix and not Path(source).exists():
        raise DataError(unknown_name("data set or file", source, data.DATASETS))
    return TableFile(source)


def _load(name: str) -> Dataset:
    with download_progress() as progress:
        return data.load(name, progress=progress)


def _from_dataset(choice: Choice) -> Samples:
    if choice.target is not None or choice.task is not None or choice.drop:
        what = f"--target, --task and --drop are for files, and {choice.source!r} is a data set"
        why = "Its target is fixed."
        raise ArgumentError(compose(what, why=why, instead=f"Type: twopass train {choice.source}"))
    if choice.file is not None:
        what = f"--validation {choice.validation!r} is no share of the rows"
        raise ArgumentError(compose(what, instead="Write a number between 0 and 1, such as 0.1."))
    dataset = _load(choice.source)
    encoder = Encoder.of_dataset(dataset)
    train, test = (dataset.x_train, dataset.y_train), (dataset.x_test, dataset.y_test)
    if dataset.image_shape is None:  # pixels are in [0, 1] already
        encoder = encoder.standardised(dataset.table("train"))
        train, test = (encode(encoder, TableFile(dataset.table(part))) for part in ("train", "test"))
    if choice.share is None:
        return Samples(dataset.name, train, (train[0][:0], train[1][:0]), test, encoder)
    share = VALIDATION if choice.share == "auto" else choice.share
    x, y, *held = data.split(*train, share, seed=choice.seed, stratify=encoder.task == "classification")
    return Samples(dataset.name, (x, y), (held[0], held[1]), test, encoder)


def encode(encoder: Encoder, rows: TableFile) -> Part:
    """The inputs and the targets of the rows of a file, but for those without a target, whose number is printed.

    Raises
    ------
    DataError
        When a column is missing, or a row holds what cannot be encoded.
    """
    parts, unknown, name = [], 0, encoder.target.name
    for chunk in rows:
        missing = chunk.missing(name)
        unknown += int(missing.sum())
        table = chunk.rows(np.flatnonzero(~missing)) if missing.any() else chunk
        parts.append((encoder.inputs(table), encoder.target.encode(table)))
    if not sum(len(y) for _, y in parts):
        what = f"no row has a value in {name!r}" if unknown else "the file holds no rows"
        raise DataError(compose(what, where=rows.name, instead="Give rows whose target is known."))
    if unknown:
        have = "1 row has" if unknown == 1 else f"{unknown:,} rows have"
        notes().print(f"note: {have} no value in {name!r}; left out", soft_wrap=True, markup=False)
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
