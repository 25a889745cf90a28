"""The columns of a table as an array of numbers, for programs that have no tables: exported models take such an array.

A number is what it is; a category is the index of its value; yes is 1 and no is 0; a date is the days since 1970. NaN
is a missing value. What an encoder then does to each column is spelled here once more, as functions of such arrays in
plain NumPy, which can be exported; tests compare them to the encoder's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass.data import Encoder
from twopass.errors import ArgumentError, compose

__all__ = ["described", "preprocessing", "summary"]

Array = np.ndarray[Any, np.dtype[Any]]
Inputs = Callable[[Array], Array]

#: Where `Moment` bends, how far the long tails of `Quantity` go, and the lengths of the phases of a `Moment` in days.
_REACH = 3.0
_LONGEST = 30.0
_PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}


def preprocessing(encoder: Encoder) -> Inputs | None:
    """What an encoder does, as a function of an array of shape (n_rows, n_columns); None where it does nothing.

    Raises
    ------
    ArgumentError
        When a column is of a kind that has no such function.
    """
    columns: Sequence[Any] = encoder.features
    if all(_kind(column) == "Number" and _is_plain(column) for column in columns):
        return None
    parts: list[tuple[Inputs, int, int]] = []
    start = 0
    while start < len(columns):
        stop = start + 1
        while _kind(columns[start]) == "Number" and stop < len(columns) and _kind(columns[stop]) == "Number":
            stop += 1  # numbers that lie together are scaled together
        if _kind(columns[start]) not in _INPUTS:
            what = f"the column {columns[start].name!r} is of a kind that cannot be exported: {_kind(columns[start])}"
            raise ArgumentError(compose(what, instead="Leave it out when training: --drop COLUMN."))
        parts.append((_INPUTS[_kind(columns[start])](columns[start:stop]), start, stop))
        start = stop

    def inputs(x: Array) -> Array:
        made = [part(x[:, first:last]) for part, first, last in parts]
        return np.concatenate(made, axis=1)

    return inputs


def _kind(column: Any) -> str:
    return type(column).__name__


def _is_plain(column: Any) -> bool:
    return bool(column.mean == 0 and column.scale == 1 and column.limit is None)


# --- what is done to a column -----------------------------------------------------------------------------------------


def _numbers(columns: Sequence[Any]) -> Inputs:
    mean, scale = (np.array([getattr(column, name) for column in columns]) for name in ("mean", "scale"))
    limit = np.array([np.inf if column.limit is None else column.limit for column in columns], np.float32)
    return lambda x: np.clip(((x - mean) / scale).astype(np.float32), -limit, limit)


def _category(columns: Sequence[Any]) -> Inputs:
    places = np.arange(float(columns[0].size))
    return lambda x: (x == places).astype(np.float32)


def _quantity(columns: Sequence[Any]) -> Inputs:
    (column,) = columns

    def inputs(x: Array) -> Array:
        missing = np.isnan(x)
        value = np.where(missing, column.center, x)
        parts = [_bent(value, column, column.reach)]
        if column.deviation is not None:
            away = _LONGEST * column.deviation
            near = np.clip(value, column.center - away, column.center + away)
            parts.append((near - column.center) / column.deviation)
        if column.edges:
            low, high = np.array(column.edges[:-1]), np.array(column.edges[1:])
            parts.append((np.clip(value, low, high) - low) / (high - low))
        return _joined(parts, missing, column)

    return inputs


def _bent(value: Array, column: Any, reach: float) -> Array:
    z = np.clip((value - column.center) / column.scale, -1e150, 1e150)
    bent: Array = z / np.hypot(1.0, z / reach)
    return bent


def _group(columns: Sequence[Any]) -> Inputs:
    (column,) = columns
    count = len(column.known)

    def inputs(x: Array) -> Array:
        missing = np.isnan(x)
        parts = [x == np.arange(float(count))]
        if column.rare:
            parts.append(~(missing | np.any(parts[0], axis=1, keepdims=True)))
        return _joined(parts, missing, column)

    return inputs


def _vocabulary(columns: Sequence[Any]) -> Inputs:
    (column,) = columns
    others = len(column.known)

    def inputs(x: Array) -> Array:
        number = np.where((x > -0.5) & (x < others - 0.5), x, others)
        return np.where(np.isnan(x), others + 1, number).astype(np.float32)

    return inputs


def _flag(columns: Sequence[Any]) -> Inputs:
    (column,) = columns
    return lambda x: _joined([np.where(x == 1, 1.0, np.where(x == 0, -1.0, 0.0))], np.isnan(x), column)


def _moment(columns: Sequence[Any]) -> Inputs:
    (column,) = columns

    def inputs(x: Array) -> Array:
        missing = np.isnan(x)
        parts = [_bent(np.where(missing, column.center, x), column, _REACH)]
        for phase in column.phases:
            angle = 2 * np.pi * (np.where(missing, 0.0, x) / _PERIODS[phase] % 1.0)
            parts += [np.where(missing, 0.0, wave) for wave in (np.sin(angle), np.cos(angle))]
        return _joined(parts, missing, column)

    return inputs


def _joined(parts: list[Array], missing: Array, column: Any) -> Array:
    """The inputs of a column, and whether its value is missing if there is an input that tells."""
    parts = [*parts, missing] if column.indicator else parts
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


#: By the kind of a column.
_INPUTS: dict[str, Callable[[Sequence[Any]], Inputs]] = {
    "Number": _numbers,
    "Category": _category,
    "Quantity": _quantity,
    "Group": _group,
    "Vocabulary": _vocabulary,
    "Flag": _flag,
    "Moment": _moment,
}


# --- what is told of a column -----------------------------------------------------------------------------------------


def described(column: Any) -> dict[str, Any]:
    """A column as JSON can hold it: its name, its kind, and the values that a category has, in the order of indices."""
    values = getattr(column, "values", getattr(column, "known", None))
    return {"name": column.name, "kind": _kind(column).lower()} | ({} if values is None else {"values": list(values)})


def summary(column: Any) -> str:
    """A column's name, and how its values are numbers."""
    values = described(column).get("values")
    if values is not None:
        listed = [f"{number} is {value}" for number, value in enumerate(values)]
        return f"{column.name} ({', '.join(listed + ['others are rare'] * getattr(column, 'rare', False))})"
    notes = {"Flag": " (1 is yes, 0 is no)", "Moment": " (days since 1970)"}
    return f"{column.name}{notes.get(_kind(column), '')}"
