"""SOURCE on the command line: the name of a data set, or a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twopass import data
from twopass.cli.display import download_progress
from twopass.data import Dataset, Encoder, Table
from twopass.data.dataset import Task
from twopass.errors import ArgumentError, DataError, compose, unknown_name

__all__ = ["Samples", "read_rows", "read_samples"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Samples:
    """Rows to train and to test on, as a network sees them, and how they came about.

    Parameters
    ----------
    name : str
        Of the data set or the file.
    x_train, y_train, x_test, y_test : ndarray
        Inputs (n_samples, n_inputs) and targets (n_samples,).
    encoder : Encoder
        From columns to inputs and from outputs to predictions.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    encoder: Encoder


def read_samples(
    source: str, *, target: str | None, task: Task | None, drop: Sequence[str], test: float, seed: int
) -> Samples:
    """Read what a model is trained on.

    The columns of files, and of data sets that are not images, are scaled to mean 0 and standard deviation 1 over the
    training rows.

    Parameters
    ----------
    source : str
    target, task, drop
        For files: the column to predict, what it is, and the columns to leave out.
    test : float
        For files: the share of the rows to hold out for testing.
    seed : int
        For files: which rows.

    Raises
    ------
    ArgumentError, DataError
        When there is no such source, or the options do not fit it.
    """
    if source in data.DATASETS:
        if target is not None or task is not None or drop:
            what = f"--target, --task and --drop are for files, and {source!r} is a data set"
            raise ArgumentError(compose(what, why="Its target is fixed.", instead=f"Type: twopass train {source}"))
        return _from_dataset(_load(source))
    table = _read_file(source)
    if target is None:
        instead = f"Add --target COLUMN; the columns are {', '.join(table.columns)}."
        raise ArgumentError(compose(f"nothing says which column of {table.source} to predict", instead=instead))
    return _from_table(table.without(drop), target, task, test, seed)


def read_rows(source: str) -> Table:
    """Read what a model is used on: a file's rows, or a data set's test rows.

    Raises
    ------
    ArgumentError, DataError
        When there is no such source, or it cannot be read.
    """
    return _load(source).table("test") if source in data.DATASETS else _read_file(source)


def _load(name: str) -> Dataset:
    with download_progress() as progress:
        return data.load(name, progress=progress)


def _read_file(source: str) -> Table:
    if not Path(source).suffix and not Path(source).exists():
        raise DataError(unknown_name("data set or file", source, data.DATASETS))
    return data.read_table(source)


def _from_dataset(dataset: Dataset) -> Samples:
    encoder = Encoder.of_dataset(dataset)
    if dataset.image_shape is not None:  # pixels are in [0, 1] already
        return Samples(dataset.name, dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test, encoder)
    train = dataset.table("train")
    return _encoded(dataset.name, encoder.standardised(train), train, dataset.table("test"))


def _from_table(table: Table, target: str, task: Task | None, test: float, seed: int) -> Samples:
    encoder = Encoder.fit(table, target, task)
    index = np.arange(len(table))
    classes = encoder.target.encode(table)
    train, _, held, _ = data.split(index, classes, test, seed=seed, stratify=encoder.task == "classification")
    return _encoded(table.source, encoder.standardised(table.rows(train)), table.rows(train), table.rows(held))


def _encoded(name: str, encoder: Encoder, train: Table, test: Table) -> Samples:
    return Samples(
        name,
        encoder.inputs(train),
        encoder.target.encode(train),
        encoder.inputs(test),
        encoder.target.encode(test),
        encoder,
    )
