"""Targets as users have them: columns of names and numbers, of which some may be unknown."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._missing import is_pandas_na

from twopass.errors import ArgumentError, DataError, compose
from twopass.nn.types import Array
from twopass.sklearn.classes import stacked
from twopass.train.inputs import column_names

__all__ = ["Column", "Targets", "framed", "per_target", "read_targets"]

#: Whole numbers with more different values than this are no classes, unless the user says so.
_MOST_CLASSES = 20
_FRAMES = ("pandas", "polars", "pyarrow")


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """One target.

    Parameters
    ----------
    name : str or int
        What it is called.
    values : array of shape (n_samples,)
        Numbers, bools or texts; anything where it is unknown.
    known : array of bool, of shape (n_samples,)
        Where it has a value.
    """

    name: Any
    values: Array
    known: Array

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers."""
        return self.values.dtype.kind in "iuf"

    @property
    def is_mostly_different(self) -> bool:
        """Whether it has so many different values that they can hardly be classes."""
        count = len(set(self.values[self.known].tolist()))
        return bool(count > _MOST_CLASSES and 2 * count > np.count_nonzero(self.known))

    def infer_task(self) -> str:
        """What predicting it is, by the rule of `MLPMultiTask`."""
        values = self.values[self.known]
        if not self.is_numeric:
            return "classification"
        different = np.unique(values)
        few = len(different) <= _MOST_CLASSES and 2 * len(different) <= len(values)
        return "classification" if few and (different == np.round(different)).all() else "regression"


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """All targets.

    Parameters
    ----------
    columns : list of Column
        One for each target.
    container : {"vector", "matrix", "pandas", "polars", "pyarrow"}
        What they came in.
    """

    columns: list[Column]
    container: str

    def __len__(self) -> int:
        return len(self.columns[0].values)

    @property
    def names(self) -> list[Any]:
        """What they are called."""
        return [column.name for column in self.columns]


def read_targets(y: Any) -> Targets:
    """The columns of what a user gives as y: a vector, a matrix, or a data frame.

    Raises
    ------
    DataError
        For what has no columns, or one that holds dates, infinities or other things.

    Examples
    --------
    >>> targets = read_targets([["red", 1.5], ["blue", None]])
    >>> targets.names, [column.known.tolist() for column in targets.columns]
    (['y0', 'y1'], [[True, True], [True, False]])
    """
    if y is None:
        raise DataError("This estimator requires y to be passed, but the target y is None.")
    names = column_names(y)
    if names is not None:
        library = type(y).__module__.partition(".")[0]
        container = library if library in _FRAMES else "matrix"
        names = [name if isinstance(name, (str, int)) else str(name) for name in names]
        arrays = [np.asarray(y[name]) for name in column_names(y) or ()]
    else:
        array = _as_array(y)
        container = "vector" if array.ndim == 1 else "matrix"
        arrays = [array] if array.ndim == 1 else list(array.T)
        name = getattr(y, "name", None)  # of a column of a data frame
        names = [name] if array.ndim == 1 and isinstance(name, str) else [f"y{place}" for place in range(len(arrays))]
    if not arrays:
        raise DataError(compose("y has no columns", instead="Pass one for each target."))
    return Targets([_column(name, values) for name, values in zip(names, arrays, strict=True)], container)


def _as_array(y: Any) -> Array:
    array = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if array.dtype.kind in "US" and not isinstance(y, np.ndarray):
        array = np.asarray(y, dtype=object)  # a list of rows whose numbers became text
    if array.ndim not in (1, 2):
        what = f"y has the shape {array.shape}"
        raise DataError(compose(what, instead="Pass a column for each target: the shape (n_samples, n_targets)."))
    return array


def _column(name: Any, values: Array) -> Column:
    if values.ndim != 1:
        raise DataError(compose(f"y has several columns with the name {name!r}", instead="Give each its own name."))
    if values.dtype.kind in "OT":
        return _column_of_objects(name, values)
    if values.dtype.kind not in "biufUS":
        what = f"target {name!r} has dtype {values.dtype}"
        raise DataError(compose(what, instead="Make it a number or text; of a date, for example, the days since one."))
    if values.dtype.kind != "f":
        return Column(name, values, np.ones(len(values), dtype=bool))
    if np.isinf(values).any():
        what = f"Input y contains infinity or a value too large for {values.dtype!r}, in target {name!r}"
        raise DataError(compose(what, instead="Leave unknown targets out with NaN."))
    return Column(name, values, ~np.isnan(values))


def _column_of_objects(name: Any, values: Array) -> Column:
    """A column of Python's objects: numbers, if they all are; None, NaN and pandas.NA are unknown."""
    plain = [value.item() if isinstance(value, np.generic) else value for value in values.tolist()]
    values = np.fromiter(plain, object, len(plain))
    known = np.array([not _is_missing(value) for value in values], dtype=bool)
    if known.any() and all(isinstance(value, Real) for value in values[known]):
        numbers = np.array(values[known].tolist())
        filled = np.zeros(len(values), numbers.dtype)
        filled[known] = numbers
        column = _column(name, filled)
        return Column(name, column.values, known & column.known)
    return Column(name, values, known)


def _is_missing(value: Any) -> bool:
    return value is None or is_pandas_na(value) or (isinstance(value, Real) and bool(value != value))


def per_target(parameter: str, given: Any, names: Sequence[Any], default: Any) -> list[Any]:
    """A parameter for each target: given once for all, in a sequence, or in a mapping by names or positions.

    Raises
    ------
    ArgumentError
        When a sequence has another length, or a mapping an unknown name.

    Examples
    --------
    >>> per_target("task_weight", {"price": 2.0}, ["colour", "price"], 1.0)
    [1.0, 2.0]
    """
    if given is None or isinstance(given, str) or callable(given):
        return [default if given is None else given] * len(names)
    if not isinstance(given, Mapping):
        if len(given) != len(names):
            what = f"{parameter} has {len(given)} entries, and there are {len(names)} targets"
            raise ArgumentError(compose(what, instead="Give one for each, or a mapping by the names of the targets."))
        return list(given)
    found = [default] * len(names)
    for key, value in given.items():
        place = names.index(key) if key in names else key
        if not isinstance(place, int) or not 0 <= place < len(names):
            what = f"{parameter} names the target {key!r}, and there are {', '.join(map(repr, names))}"
            raise ArgumentError(compose(what, instead="Write one of these names, or a position."))
        found[place] = value
    return found


def framed(names: Sequence[Any], columns: Sequence[Array], container: str, index: Any = None) -> Any:
    """Columns in a container of the kind that `read_targets` has seen."""
    if container == "vector":
        return columns[0]
    if container == "matrix":
        return stacked(columns)
    library: Any = importlib.import_module(container)
    # Of Python's objects the libraries find out what they are, texts above all.
    own = [column if column.dtype.kind in "iufb" else column.tolist() for column in columns]
    if container == "pandas":
        frame = library.DataFrame(dict(enumerate(own)), index=index)
        frame.columns = list(names)
        return frame
    make = library.DataFrame if container == "polars" else library.table
    return make(dict(zip(names, own, strict=True)))
