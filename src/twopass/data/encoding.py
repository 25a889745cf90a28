"""From the columns of a table to the numbers that a network sees, and back; the part of a model that is not weights."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from twopass.data.dataset import Dataset, Task
from twopass.data.features import Flag, Group, Moment, Quantity, as_labels
from twopass.data.tables import Array, Table
from twopass.data.vocabulary import Vocabulary
from twopass.errors import DataError, ModelError, compose

__all__ = ["Category", "Column", "Encoder", "LeftOut", "Number", "Target", "infer_classes", "infer_task"]

#: A numeric target with more different values than this is a quantity, not a class.
_MOST_INFERRED_CLASSES = 20
#: Inputs are at most this many standard deviations from the mean: a stray value then neither dominates the training nor
#: is extrapolated from.
_FURTHEST = 10.0
#: A text feature with more different values than this is a name, a date or a remark, not a category.
_MOST_CATEGORIES = 100


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
Column = Target | Quantity | Group | Vocabulary | Flag | Moment
_KINDS: dict[str, type[Column]] = {
    "number": Number,
    "category": Category,
    "quantity": Quantity,
    "group": Group,
    "vocabulary": Vocabulary,
    "flag": Flag,
    "moment": Moment,
}


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """A column that a model does not use, and why."""

    name: str
    why: str


@dataclasses.dataclass(frozen=True)
class Encoder:
    """How the columns of a table become a network's inputs and targets, and its outputs predictions.

    Parameters
    ----------
    features : tuple of Number, Category, Quantity, Group, Vocabulary, Flag or Moment
        The columns that the inputs are made of, in the order of the inputs.
    target : Number or Category
        The column that is predicted.
    left_out : tuple of LeftOut
        The columns of the training table that are not used.

    Examples
    --------
    >>> table = Table({"size": np.array([1.0, 5.0]), "colour": np.array(["red", "blue"])}, "toys.csv")
    >>> encoder = Encoder.fit(table, target="colour").standardised(table)
    >>> encoder.task, encoder.inputs(table).tolist(), encoder.target.encode(table).tolist()
    ('classification', [[-1.0], [1.0]], [1, 0])
    """

    features: tuple[Column, ...]
    target: Target
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def fit(cls, table: Table, target: str, task: Task | None = None) -> Encoder:
        """Find out what each column of a table is; nothing is scaled yet.

        Parameters
        ----------
        table : Table
        target : str
            The name of the column to predict; all others are features: numbers where most values are numbers, else
            categories.
        task : {"classification", "regression"}, optional
            What the target is; see `infer_task` for the default.

        Raises
        ------
        DataError
            When a column is missing, or is neither numbers nor categories.
        """
        column: Target = Number(target)
        if (task or infer_task(table, target)) == "classification":
            column = infer_classes(table, target)
        features = tuple(_feature(table, name) for name in table.columns if name != target)
        if not features:
            what = f"there is nothing to predict {target!r} from"
            raise DataError(compose(what, where=table.source, why="It is the only column."))
        return cls(features, column)

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Encoder:
        """Return the encoder of a data set's own arrays; nothing is scaled yet."""
        features = tuple(Number(name) for name in dataset.feature_names)
        name = dataset.target_name
        return cls(features, Category(name, dataset.target_names) if dataset.task == "classification" else Number(name))

    def standardised(self, table: Table) -> Encoder:
        """Return the encoder that scales each column of numbers to mean 0 and standard deviation 1 in a table.

        Inputs are then limited to 10 standard deviations.
        """
        features = tuple(
            feature.standardised(table) if isinstance(feature, Number) else feature for feature in self.features
        )
        return Encoder(features, self.target.standardised(table), self.left_out)

    @property
    def task(self) -> Task:
        """Whether the target is a class or a number."""
        return self.target.task

    @property
    def n_inputs(self) -> int:
        """How many inputs the network has."""
        return sum(feature.size for feature in self.features)

    def inputs(self, table: Table) -> Array:
        """Return a network's inputs as float32, shape (n_rows, n_inputs); columns are found by name.

        Raises
        ------
        DataError
            When a column is missing, or holds what cannot be encoded.
        """
        x = np.empty((len(table), self.n_inputs), np.float32)
        start = 0
        for feature in self.features:
            x[:, start : start + feature.size] = feature.inputs(table)
            start += feature.size
        return x

    def config(self) -> dict[str, Any]:
        """Return the encoder as JSON can hold it; `from_config` is the way back."""
        return {
            "features": [_describe(feature) for feature in self.features],
            "target": _describe(self.target),
            "left_out": [dataclasses.asdict(column) for column in self.left_out],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Encoder:
        """Return the encoder that `config` described.

        Raises
        ------
        ModelError
            When the description is not one.
        """
        try:
            target = _from_description(config["target"])
            if not isinstance(target, Number | Category):
                raise TypeError(f"a target is no {type(target).__name__}")
            features = tuple(map(_from_description, config["features"]))
            return cls(features, target, tuple(LeftOut(**column) for column in config.get("left_out", ())))
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(compose("the description of the columns is damaged", why=f"{error!r}.")) from error


def _describe(column: Column) -> dict[str, Any]:
    kind = next(kind for kind, made in _KINDS.items() if isinstance(column, made))
    return {"kind": kind, **dataclasses.asdict(column)}


def _from_description(description: dict[str, Any]) -> Column:
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in description.items()}
    return _KINDS[fields.pop("kind")](**fields)


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


def _feature(table: Table, name: str) -> Column:
    """What a feature column is."""
    if table.is_numeric(name):
        table.numbers(name)
        return Number(name)
    category = Category.of(table, name)
    if category.size > _MOST_CATEGORIES:
        what = f"column {name!r} holds {category.size} different texts, too many for a category"
        raise DataError(compose(what, where=table.source, instead="Drop the column, or group its values."))
    return category


def _all_numbers(values: list[str]) -> bool:
    try:
        np.array(values).astype(np.float64)
    except ValueError:
        return False
    return True
