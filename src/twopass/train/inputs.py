"""What users pass as samples, as arrays: lists, arrays of other libraries, data frames with named columns."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from twopass.errors import DataError, compose
from twopass.foreign import as_numpy, speaks_dlpack

__all__ = ["as_array", "as_numbers", "check_feature_names", "column", "column_names", "feature_names"]

Array = np.ndarray[Any, np.dtype[Any]]


def column_names(values: Any) -> list[Any] | None:
    """The names of the columns of a data frame (pandas, Polars, PyArrow, ...); None for anything else.

    Raises
    ------
    DataError
        For a lazy frame, which holds no values yet.
    """
    if isinstance(values, (np.ndarray, list, tuple)) or speaks_dlpack(values):
        return None
    if hasattr(values, "collect_schema") and hasattr(values, "collect"):
        what = f"a {type(values).__name__} holds no values yet"
        raise DataError(compose(what, instead="Pass what its collect() gives."))
    names = getattr(values, "column_names", None)  # PyArrow's `columns` are the columns themselves
    if names is None:
        names = getattr(values, "columns", None)
    return None if names is None or callable(names) else list(names)


def feature_names(values: Any) -> list[str] | None:
    """The names of a data frame's columns if all of them are text; None for anything else."""
    names = column_names(values)
    return names if names and all(isinstance(name, str) for name in names) else None


def check_feature_names(found: Sequence[str] | None, known: Sequence[str] | None) -> None:
    """Raise unless the columns of a data frame are those that a network was trained on, in that order.

    Arrays without names are not looked at.

    Raises
    ------
    DataError
        Naming the columns that are missing, unknown, or in another order.

    Examples
    --------
    >>> check_feature_names(["width", "height"], ["width", "height"])
    >>> check_feature_names(["height", "width"], ["width", "height"])
    Traceback (most recent call last):
    twopass.errors.DataError: the columns are not in the order that the network was trained on ...
    """
    if found is None or known is None or list(found) == list(known):
        return
    instead = "Pass those columns in that order: x[trainer.feature_names]."
    missing = [name for name in known if name not in found]
    unknown = [name for name in found if name not in known]
    if missing:
        near = difflib.get_close_matches(missing[0], unknown, n=1)
        what = f"x has no {_columns(missing)}, which the network was trained on"
        instead = f"It needs the {_columns(known)}, in this order."
        raise DataError(
            compose(what, why=f"There is {near[0]!r}, which it does not know." if near else "", instead=instead)
        )
    what = "the columns are not in the order that the network was trained on"
    if unknown:
        what = f"x has the {_columns(unknown)}, which the network was not trained on"
    raise DataError(compose(what, why=f"That was the {_columns(known)}.", instead=instead))


def _columns(names: Sequence[str], most: int = 8) -> str:
    listed = ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"column{'s' if len(names) > 1 else ''} {listed}"


def as_array(values: Any, name: str) -> Array:
    """Samples as an ndarray: of real numbers, or of what the caller will refuse.

    Raises
    ------
    DataError
        For a column of a data frame that is text, has missing values or no numbers, naming column and row; and as
        `as_numpy`.

    Examples
    --------
    >>> import polars
    >>> as_array(polars.DataFrame({"width": [1, 2], "height": [0.5, 1.5]}), "x")
    array([[1. , 0.5],
           [2. , 1.5]])
    """
    names = column_names(values)
    if names is None:
        array = as_numpy(values, name)
        is_series = array.dtype == object and array.ndim == 1 and not isinstance(values, (np.ndarray, list, tuple))
        return as_numbers(array, name) if is_series else array
    columns = [column(values, number) for number in range(len(names))]
    if not columns or columns[0] is None:
        return as_numpy(values, name)
    return np.stack(
        [as_numbers(column, f"column {label!r} of {name}") for column, label in zip(columns, names, strict=True)],
        axis=1,
    )


def column(frame: Any, number: int) -> Any:
    """A column by its position, for names may come twice; None for a kind of frame that is not known."""
    if hasattr(frame, "iloc"):
        return frame.iloc[:, number]  # pandas, and what looks like it
    if hasattr(frame, "to_series"):
        return frame.to_series(number)  # Polars
    return frame.column(number) if hasattr(frame, "column") else None  # PyArrow


def as_numbers(column: Any, place: str) -> Array:
    """A column of a frame, or a series, as numbers."""
    array = as_numpy(column, place)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind != "O":
        what = f"{place} is of dtype {array.dtype}, and not of numbers"
        raise DataError(compose(what, instead=f"Turn it into numbers. {_ENCODE}"))
    values = array.tolist()
    row = next((row for row, value in enumerate(values) if not isinstance(value, Real)), None)
    if row is None:
        return array.astype(np.float64)  # of a type that could have held missing values
    if values[row] is None or type(values[row]).__name__ in ("NAType", "NaTType"):
        raise DataError(compose(f"{place} has no value in row {row}", instead="Remove the row, or fill it in."))
    what = f"{place} holds {values[row]!r} in row {row}, where a number is needed"
    raise DataError(compose(what, instead=f"Number the classes: np.unique(column, return_inverse=True)[1]. {_ENCODE}"))


#: What does it for a whole table.
_ENCODE = "For whole tables, twopass.data.from_frame and twopass.data.Encoder do that."
