"""Tables: named columns of numbers or text."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from twopass.errors import DataError, compose

__all__ = ["Array", "Table", "is_number"]

#: How files spell "no value here".
_MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none")

Array = np.ndarray[Any, np.dtype[Any]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Named columns of equal length.

    Parameters
    ----------
    columns : dict of str to ndarray, shape (n_rows,)
        Each of numbers (float64) or of text (as a CSV file has it, which may spell numbers).
    source : str
        The file's name, for error messages.
    places : ndarray of int, shape (n_rows,), optional
        What people call each row, for error messages: its line in the file.
    unit : {"row", "line"}
        What the places count.

    Examples
    --------
    >>> table = Table({"size": np.array([1.0, 2.0]), "colour": np.array(["red", "blue"])}, source="toys.csv")
    >>> table
    Table('toys.csv', 2 rows: size, colour)
    """

    columns: dict[str, Array]
    source: str
    places: Array | None = None
    unit: str = "row"

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __repr__(self) -> str:
        return f"Table({self.source!r}, {len(self)} rows: {', '.join(self.columns)})"

    def column(self, name: str) -> Array:
        """Return a column as it is stored.

        Raises
        ------
        DataError
            When there is no such column; the message names the ones there are.
        """
        if name not in self.columns:
            names = list(self.columns)
            close = difflib.get_close_matches(name, names, n=1)
            guess = f"Did you mean {close[0]!r}? " if close else ""
            listed = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
            what = f"there is no column {name!r}"
            raise DataError(compose(what, where=self.source, instead=f"{guess}The columns are {listed}."))
        return self.columns[name]

    def is_numeric(self, name: str) -> bool:
        """Whether more than half of a column's values, not counting the missing ones, are numbers."""
        values = self.column(name)
        if values.dtype.kind != "U":
            return True
        present = values[~self.missing(name)]
        return 2 * sum(map(is_number, present.tolist())) > len(present)

    def numbers(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a column as finite float64 numbers.

        Raises
        ------
        DataError
            When a value is text, missing or infinite; the message names its row.
        """
        values = self.column(name)
        self.refuse(name, self.missing(name), "has no value", "Fill in the values, or remove the rows or the column.")
        try:
            numbers = values.astype(np.float64)
        except ValueError:
            self._refuse_text(name)
            raise
        self.refuse(name, ~np.isfinite(numbers), "holds {value}, which is not finite", "Correct it, or drop the row.")
        return numbers

    def values(self, name: str) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Mask]:
        """Return a column as float64 numbers, NaN where there is no value, and which rows these are.

        Raises
        ------
        DataError
            When a value is text or infinite; the message names its row.
        """
        values, missing = self.column(name), self.missing(name)
        if values.dtype.kind == "U" and missing.any():
            values = np.where(missing, "nan", values)
        try:
            numbers = values.astype(np.float64)
        except ValueError:
            self._refuse_text(name, missing)
            raise
        infinite = np.isinf(numbers)
        self.refuse(name, infinite, "holds {value}, which is not finite", "Correct it, or empty the field.")
        return numbers, missing

    def texts(self, name: str) -> np.ndarray[Any, np.dtype[np.str_]]:
        """Return a column as text, none of it missing; numbers are written as briefly as possible.

        Raises
        ------
        DataError
            When a value is missing; the message names its row.
        """
        values = self.column(name)
        self.refuse(name, self.missing(name), "has no value", "Fill in the values, or remove the rows or the column.")
        return values if values.dtype.kind == "U" else _spelled(values)

    def without(self, names: Iterable[str]) -> Table:
        """Return the table without some of its columns.

        Raises
        ------
        DataError
            When there is no such column.
        """
        columns = dict(self.columns)
        for name in names:
            self.column(name)
            columns.pop(name, None)
        return dataclasses.replace(self, columns=columns)

    def rows(self, index: Array) -> Table:
        """Return some of the rows, by their positions or by a mask."""
        columns = {name: values[index] for name, values in self.columns.items()}
        return dataclasses.replace(self, columns=columns, places=self._places()[index])

    @classmethod
    def joined(cls, parts: Sequence[Table]) -> Table:
        """Return the rows of several tables of one file below one another.

        A column that is text in one of them is text; its numbers are then written as briefly as possible.
        """
        first = parts[0]
        if len(parts) == 1:
            return first
        columns = {}
        for name in first.columns:
            arrays = [part.columns[name] for part in parts]
            if len({array.dtype.kind == "U" for array in arrays}) > 1:
                arrays = [array if array.dtype.kind == "U" else _spelled(array) for array in arrays]
            columns[name] = np.concatenate(arrays)
        places = None if first.places is None else np.concatenate([part._places() for part in parts])
        return cls(columns, first.source, places, first.unit)

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"{self.source}, {self.unit} {self._places()[row]}"

    def _places(self) -> Array:
        return np.arange(len(self)) if self.places is None else self.places

    def _refuse_text(self, name: str, allowed: Mask | None = None) -> None:
        texts = np.array([not is_number(value) for value in self.columns[name].tolist()])
        bad = texts if allowed is None else texts & ~allowed
        self.refuse(name, bad, "holds {value!r} where a number is needed", "Correct it, or choose another column.")

    def missing(self, name: str) -> Mask:
        """Which rows have no value in a column."""
        values = self.column(name)
        return np.isin(values, _MISSING) if values.dtype.kind == "U" else np.isnan(values)

    def refuse(self, name: str, bad: Mask, problem: str, instead: str) -> None:
        """Raise when some rows of a column are bad; the message names the first, whose ``{value}`` it shows."""
        if bad.any():
            row, count = int(np.argmax(bad)), int(bad.sum())
            what = f"column {name!r} {problem.format(value=self.columns[name][row].item())}"
            why = f"{count} rows are like this." if count > 1 else ""
            raise DataError(compose(what, where=self.place(row), why=why, instead=instead))


def _spelled(values: Array) -> Array:
    """Numbers as text; what is missing is empty."""
    return np.array(["" if value != value else f"{value:.15g}" for value in values.tolist()], np.str_)


def is_number(text: str) -> bool:
    """Whether a text spells a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
