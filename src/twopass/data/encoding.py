"""From the columns of a table to the numbers that a network sees, and back; the part of a model that is not weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from twopass.data.dataset import Dataset, Task
from twopass.data.features import Flag, Group, Moment, Quantity
from twopass.data.tables import Array, Table
from twopass.data.targets import Category, Number, Target, infer_classes, infer_task
from twopass.data.vocabulary import Vocabulary
from twopass.errors import DataError, ModelError, compose

__all__ = ["Column", "Encoder", "LeftOut"]

#: A text feature with more different values than this is a name, a date or a remark, not a category.
_MOST_CATEGORIES = 100


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
