"""Columns of categories, which an estimator numbers by itself and embeds.

Each has its categories in the order of sorting, numbered from 0, then a number for whatever is *other*, and one for
missing values. Other are categories that a fit has not met, and those that it has met once. For what comes once in a
thousand samples is, to a network, as new as what will come for the first time in the next thousand; it is from those
that one learns what to make of new ones. (I. J. Good, "The population frequencies of species and the estimation of
population parameters", Biometrika 40 (1953): the share of samples that will be new is that of what came once.)
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_X_y, validate_data

from twopass import nn
from twopass.errors import ArgumentError, DataError, compose
from twopass.foreign import as_numpy
from twopass.nn.types import Array
from twopass.sklearn.rows import is_sparse
from twopass.train.inputs import as_numbers, column, column_names

__all__ = ["RARE", "Categories", "Encoded", "checked", "found_in"]

#: The kinds of columns of data frames that hold categories, as the names of their types begin.
_KINDS = ("categor", "enum", "dictionary", "object", "str", "utf8", "large_string", "large_utf8")
#: In the place of targets, scikit-learn's word for: there are none to check.
_NONE = "no_validation"
#: Categories that come less often than this in a fit are other ones.
RARE = 2


class Encoded(np.ndarray[Any, np.dtype[Any]]):
    """A table whose categories are numbers already."""


def checked(estimator: Any, X: Any, y: Any = _NONE, *, reset: bool = False, rare: int = RARE, **how: Any) -> Any:
    """Inputs (and targets) of an estimator as arrays, as scikit-learn's `validate_data` checks them.

    Parameters
    ----------
    estimator : BaseMLP
        If its `categorical_features` says so, columns of categories become their numbers.
    X : array-like, data frame or sparse matrix of shape (n_samples, n_features)
        Inputs.
    y : array-like, optional
        Targets.
    reset : bool
        Whether these are the first samples, which decide about names and categories.
    rare : int
        Categories that come less often in the first samples are other ones.
    **how
        For scikit-learn.
    """
    given = {} if isinstance(y, str) and y == _NONE else {"y": y}
    wanted = _may_hold_categories(X, estimator.categorical_features) if reset else _embeds(estimator)
    if reset:
        estimator.is_categorical_ = None
        estimator.__dict__.pop("categories_", None)
    if not wanted or isinstance(X, Encoded):
        return _plain(estimator, X, reset=reset, **given, **how)
    if is_sparse(X):
        what = "a sparse matrix has no columns of categories"
        instead = "Pass X.toarray(), a data frame, or categorical_features=None."
        raise ArgumentError(compose(what, instead=instead))
    if column_names(X) is None:
        rows = _as_table(X)
        if rows.ndim != 2 or 0 in rows.shape:
            return _plain(estimator, X, reset=reset, **given, **how)  # which says what is wrong
        X = rows
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if reset:
        mask = found_in(X, estimator.categorical_features, getattr(estimator, "feature_names_in_", None))
        if not mask.any():
            return _plain(estimator, X, reset=reset, **given, **how)
        categories = Categories.learned(X, np.flatnonzero(mask), rare)
        estimator.is_categorical_, estimator.categories_ = mask, list(categories.known)
    else:
        categories = Categories.of(estimator)
    encoded = categories.encode(X)
    how.setdefault("dtype", (np.float64, np.float32))
    if not given:
        return check_array(encoded, estimator=estimator, **how).view(Encoded)
    X, y = check_X_y(encoded, y, estimator=estimator, **how)
    return X.view(Encoded), y


def _plain(estimator: Any, X: Any, **how: Any) -> Any:
    """As `checked`, for a table of numbers."""
    try:
        return validate_data(estimator, X, accept_sparse=["csr", "csc"], **how)
    except ValueError as error:
        if "could not convert string" in str(error) and estimator.categorical_features is None:
            error.add_note('For columns of text write categorical_features="from_dtype", or name them.')
        raise


def _may_hold_categories(X: Any, given: Any) -> bool:
    """Whether the parameter names columns; by their types, if these are columns with types."""
    return column_names(X) is not None if isinstance(given, str) else given is not None


def _embeds(estimator: Any) -> bool:
    return getattr(estimator, "is_categorical_", None) is not None


def found_in(X: Any, given: Any, names: Sequence[str] | None) -> Array:
    """Which columns hold categories.

    Parameters
    ----------
    X : array-like or data frame of shape (n_samples, n_features)
        Inputs.
    given : "from_dtype", or array-like of bool, int or str
        The parameter `categorical_features`.
    names : sequence of str, optional
        The names of the columns.

    Returns
    -------
    bool array of shape (n_features,)

    Raises
    ------
    ArgumentError
        When the parameter names no columns of X.
    """
    count = len(X.column_names) if hasattr(X, "column_names") else np.shape(X)[1]
    if isinstance(given, str):
        return np.array([_kind(column(X, number)).startswith(_KINDS) for number in range(count)])
    chosen = np.atleast_1d(np.asarray(given))
    mask = np.zeros(count, bool)
    if chosen.size == 0:
        return mask
    if chosen.dtype.kind == "b" and chosen.shape == (count,):
        return chosen.copy()
    if chosen.dtype.kind in "iu" and chosen.ndim == 1:
        if chosen.min() < 0 or chosen.max() >= count:
            what = f"categorical_features are positions from 0 to {count - 1}, not {chosen.tolist()}"
            raise ArgumentError(compose(what))
        mask[chosen] = True
        return mask
    if chosen.dtype.kind in "UOT" and chosen.ndim == 1 and all(isinstance(name, str) for name in chosen.tolist()):
        if names is None:
            what = "categorical_features are names, and X has none"
            raise ArgumentError(compose(what, instead="Pass a data frame, or the positions of the columns."))
        missing = [name for name in chosen.tolist() if name not in names]
        if missing:
            raise ArgumentError(compose(f"categorical_features names {missing[0]!r}, which is no column of X"))
        return np.isin(np.asarray(names, object), chosen)
    what = f"categorical_features must be names, positions or a mask of {count} columns, not {given!r}"
    raise ArgumentError(compose(what, instead='Write "from_dtype" for the columns of a data frame that hold text.'))


def _kind(values: Any) -> str:
    """The name of the type of a column of a data frame."""
    return str(getattr(values, "dtype", None) or getattr(values, "type", "")).lower()


@dataclasses.dataclass(frozen=True, eq=False)
class Categories:
    """The categories of a table's columns.

    Parameters
    ----------
    columns : sequence of int
        Their positions.
    known : sequence of array
        Sorted: text (of dtype object) or numbers.
    """

    columns: Sequence[int]
    known: Sequence[Array]

    @classmethod
    def of(cls, estimator: Any) -> Categories:
        """Those of a fitted estimator."""
        return cls(np.flatnonzero(estimator.is_categorical_).tolist(), estimator.categories_)

    @classmethod
    def learned(cls, X: Any, columns: Any, rare: int) -> Categories:
        """Those that come at least `rare` times."""
        positions = [int(position) for position in columns]
        return cls(positions, [_learned(*_values(*_column(X, position)), rare) for position in positions])

    @property
    def sizes(self) -> list[int]:
        """How many numbers each column may hold: with other ones and missing values."""
        return [len(known) + 2 for known in self.known]

    def table(self, units: Sequence[int]) -> nn.EmbeddedColumns:
        """The layer that embeds them."""
        embeddings = tuple(nn.Embedding(size, own) for size, own in zip(self.sizes, units, strict=True))
        return nn.EmbeddedColumns(tuple(self.columns), embeddings)

    def encode(self, X: Any) -> Encoded:
        """A table in which the categories are their numbers.

        Raises
        ------
        DataError
            For a column that cannot be read, or holds text where it held numbers; naming it.
        """
        places = {position: number for number, position in enumerate(self.columns)}
        names = column_names(X)
        rows = None if names is not None else _as_table(X)
        count = rows.shape[1] if rows is not None else len(names or ())
        others = [position for position in range(count) if position not in places]
        if rows is not None and rows.dtype.kind in "biuf":
            numbers = [rows[:, others]]
        else:
            source = X if rows is None else rows
            numbers = [as_numbers(*_column(source, position))[:, np.newaxis] for position in others]
        single = bool(numbers) and all(part.dtype in (np.float32, np.float16) for part in numbers)
        length = len(rows) if rows is not None else X.shape[0]
        made = np.empty((length, count), np.float32 if single else np.float64)
        if others:
            made[:, others] = np.concatenate(numbers, axis=1)
        for position, number in places.items():
            values, place = _column(X if rows is None else rows, position)
            made[:, position] = _numbered(*_values(values, place), self.known[number], place)
        return made.view(Encoded)

    def counts(self, X: Encoded) -> list[Array]:
        """How often each number of each column comes in an encoded table."""
        return [
            np.bincount(np.asarray(X[:, position], np.int64), minlength=size)
            for position, size in zip(self.columns, self.sizes, strict=True)
        ]


def _as_table(X: Any) -> Array:
    array = as_numpy(X, "X")
    if array.dtype.kind in "biuf":
        return array
    return np.asarray(X if isinstance(X, (list, tuple)) else array, object)  # NumPy makes all of a list text


def _column(X: Any, position: int) -> tuple[Any, str]:
    """A column, and how messages call it."""
    names = column_names(X)
    if names is None:
        rows = X if isinstance(X, np.ndarray) else _as_table(X)
        return rows[:, position], f"column {position} of X"
    return column(X, position), f"column {names[position]!r} of X"


def _values(values: Any, place: str) -> tuple[Array, Array]:
    """A column as text (of dtype object) or numbers, and which of them are missing."""
    array = as_numpy(values, place)
    if array.dtype.kind in "biu":
        return array.astype(np.int64) if array.dtype.kind == "b" else array, np.zeros(len(array), bool)
    if array.dtype.kind == "f":
        if np.isinf(array).any():
            what = f"{place} holds an infinity in row {int(np.argmax(np.isinf(array)))}"
            raise DataError(compose(what, instead="Leave it missing: NaN is a category of its own."))
        return array, np.isnan(array)
    if array.dtype.kind not in "OUT":
        what = f"{place} is of dtype {array.dtype}, which is neither text nor numbers"
        raise DataError(compose(what, instead="Turn it into text or numbers first."))
    array = array.astype(object)
    listed = array.tolist()
    missing = np.fromiter((_is_missing(value) for value in listed), bool, len(listed))
    kinds = {isinstance(value, str) for value, gone in zip(listed, missing, strict=True) if not gone}
    if kinds == {True}:
        return array, missing
    numbers = [0 if gone else value for value, gone in zip(listed, missing, strict=True)]
    wrong = next((value for value in numbers if not isinstance(value, Real)), None)
    if wrong is not None:
        what = f"{place} holds {wrong!r} among its categories"
        if isinstance(wrong, str):
            what = f"{place} mixes text, as {wrong!r}, with numbers"
        raise DataError(compose(what, instead="Categories are text or numbers: write column.astype(str)."))
    made = np.array(numbers)
    return made.astype(np.int64) if made.dtype.kind == "b" or not made.size else made, missing


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value


def _learned(values: Array, missing: Array, rare: int) -> Array:
    """The categories that come often enough, sorted."""
    if values.dtype == object:
        counted = Counter(values[~missing].tolist())
        return np.array(sorted(str(value) for value, count in counted.items() if count >= rare), object)
    known, counts = np.unique(values[~missing], return_counts=True)
    return known[counts >= rare]


def _numbered(values: Array, missing: Array, known: Array, place: str) -> Array:
    """The numbers of a column's categories."""
    other = len(known)
    if values.dtype == object:
        if known.dtype != object and len(known):
            what = f"{place} holds text, and numbers were learned from"
            raise DataError(compose(what, instead="Pass the column as it was given to fit."))
        numbers = {value: number for number, value in enumerate(known.tolist())}
        found = np.fromiter((numbers.get(value, other) for value in values.tolist()), np.int64, len(values))
    elif known.dtype == object:
        if len(known) and not missing.all():
            what = f"{place} holds numbers, and text was learned from"
            raise DataError(compose(what, instead="Pass the column as it was given to fit: column.astype(str)."))
        found = np.full(len(values), other)
    else:
        found = np.minimum(np.searchsorted(known, values), max(other - 1, 0))
        found = np.where(known[found] == values, found, other) if other else np.zeros(len(values), np.int64)
    return np.where(missing, other + 1, found)
