"""What can be predicted, a number or a category, and how a network sees it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from twopass.data.dataset import Task
from twopass.data.features import as_labels
from twopass.data.tables import Array, Table
from twopass.errors import DataError, compose

__all__ = ["Category", "Number", "Target", "infer_classes", "infer_task"]

#: A numeric target with more different values than this is a quantity, not a class.
_MOST_INFERRED_CLASSES = 20
#: Inputs are at most this many standard deviations from the mean: a stray value then neither dominates the training nor
#: is extrapolated from.
_FURTHEST = 10.0


@dataclasses.dataclass(frozen=True)
class Number:
    """A column of numbers, seen as ``(value - mean) / scale``.

    Parameters
    ----------
    name : str
        Of the column.
    mean, scale : float
        What is subtracted, and what it is divided by then.
    limit : float, optional
        How far from 0 an input can be; what is further counts as that far. Targets are not limited.

    Examples
    --------
    >>> table = Table({"size": np.array([1.0, 5.0])}, "toys.csv")
    >>> size = Number("size").standardised(table)
    >>> size
    Number(name='size', mean=3.0, scale=2.0, limit=10.0)
    >>> size.encode(table).tolist(), size.decode(np.array([-1.0, 1.0])).tolist()
    ([-1.0, 1.0], [1.0, 5.0])
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    limit: float | None = None
    task: ClassVar[Task] = "regression"

    @property
    def size(self) -> int:
        """How many inputs or outputs of a network it takes."""
        return 1

    def describe(self) -> str:
        """What is done to the column."""
        return f"centred on {self.mean:.4g}, scaled by {self.scale:.4g}"

    def standardised(self, table: Table) -> Number:
        """Return the column with the mean and the standard deviation that it has in a table, and a limit of 10."""
        values = table.numbers(self.name)
        return Number(self.name, mean=float(values.mean()), scale=float(values.std()) or 1.0, limit=_FURTHEST)

    def encode(self, table: Table) -> Array:
        """Return the column's scaled values as float32, shape (n_rows,)."""
        return ((table.numbers(self.name) - self.mean) / self.scale).astype(np.float32)

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network, shape (n_rows, 1)."""
        values = self.encode(table)[:, None]
        return values if self.limit is None else np.clip(values, -self.limit, self.limit)

    def decode(self, outputs: Array) -> Array:
        """Return the values that a network's outputs, shape (n_rows,) or (n_rows, 1), stand for."""
        return outputs.reshape(len(outputs)).astype(np.float64) * self.scale + self.mean


@dataclasses.dataclass(frozen=True)
class Category:
    """A column of text (or of numbers that name classes), seen as an index into its values.

    Examples
    --------
    >>> table = Table({"colour": np.array(["red", "blue", "red"])}, "toys.csv")
    >>> colour = Category.of(table, "colour")
    >>> colour.encode(table).tolist(), colour.inputs(table).tolist()
    ([1, 0, 1], [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> colour.decode(np.array([[2.5, -1.0]])).tolist()
    ['blue']
    """

    name: str
    values: tuple[str, ...]
    task: ClassVar[Task] = "classification"

    @classmethod
    def of(cls, table: Table, name: str) -> Category:
        """Return the category that a column of a table is, its values in order."""
        table.texts(name)  # for what it says when a value is missing
        values = np.unique(as_labels(table, name)[0]).tolist()
        return cls(name, tuple(sorted(values, key=float) if _all_numbers(values) else values))

    @property
    def size(self) -> int:
        """How many inputs or outputs of a network it takes."""
        return len(self.values)

    def describe(self) -> str:
        """What is done to the column."""
        return f"one input for each of {self.size} categories"

    def standardised(self, table: Table) -> Category:
        """Return itself: there is nothing to scale."""
        return self

    def encode(self, table: Table) -> Array:
        """Return the index of each row's value as int64, shape (n_rows,).

        Raises
        ------
        DataError
            When a value is none of the category's; the message names its row.
        """
        table.texts(self.name)  # for what it says when a value is missing
        texts, _ = as_labels(table, self.name)
        order = np.argsort(self.values)
        found = np.searchsorted(self.values, texts, sorter=order)
        index = order[np.minimum(found, len(order) - 1)]
        unknown = np.array(self.values)[index] != texts
        if unknown.any():
            row = int(np.argmax(unknown))
            listed = ", ".join(self.values[:12]) + (" ..." if len(self.values) > 12 else "")
            what = f"column {self.name!r} holds {str(texts[row])!r}, which the model has not seen"
            raise DataError(compose(what, where=table.place(row), instead=f"The known values are {listed}."))
        return index.astype(np.int64)

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network: one per value, 1 for the row's and 0 for the others."""
        return np.eye(self.size, dtype=np.float32)[self.encode(table)]

    def decode(self, outputs: Array) -> Array:
        """Return the value with the largest of a network's outputs, shape (n_rows, n_values), in each row."""
        values: Array = np.array(self.values)[outputs.argmax(axis=1)]
        return values


Target = Number | Category


def infer_task(table: Table, target: str) -> Task:
    """Tell what predicting a column is: a classification or a regression.

    A classification when the column is text, or holds at most 20 different whole numbers, each of them twice on
    average; else a regression.

    Examples
    --------
    >>> table = Table({"stars": np.array([1.0, 2, 2, 1]), "price": np.array([9.5, 7, 3, 4])}, "toys.csv")
    >>> infer_task(table, "stars"), infer_task(table, "price")
    ('classification', 'regression')
    """
    if not table.is_numeric(target):
        return "classification"
    numbers = table.numbers(target)
    different = np.unique(numbers)
    few = len(different) <= _MOST_INFERRED_CLASSES and 2 * len(different) <= len(numbers)
    return "classification" if few and (different == np.round(different)).all() else "regression"


def infer_classes(table: Table, target: str) -> Category:
    """The classes of a target."""
    classes = Category.of(table, target)
    if classes.size < 2:
        what = f"column {target!r} holds one class only, {classes.values[0]!r}"
        raise DataError(compose(what, where=table.source, instead="Choose a target that varies."))
    if 2 * classes.size > len(table) and classes.size > _MOST_INFERRED_CLASSES:
        what = f"column {target!r} holds {classes.size} different values in {len(table)} rows, which are not classes"
        raise DataError(compose(what, where=table.source, instead="Choose another target or a regression."))
    return classes


def _all_numbers(values: list[str]) -> bool:
    try:
        np.array(values).astype(np.float64)
    except ValueError:
        return False
    return True
