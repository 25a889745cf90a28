"""Tables from files: named columns of numbers or text, read from CSV or NPZ."""

from __future__ import annotations

import csv
import dataclasses
import difflib
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from twopass.errors import DataError, compose

__all__ = ["Table", "read_table"]

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

    Examples
    --------
    >>> table = Table({"size": np.array([1.0, 2.0]), "colour": np.array(["red", "blue"])}, source="toys.csv")
    >>> table
    Table('toys.csv', 2 rows: size, colour)
    """

    columns: dict[str, Array]
    source: str
    places: Array | None = None

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
        present = values[~self._missing(name)]
        return 2 * sum(map(_is_number, present.tolist())) > len(present)

    def numbers(self, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return a column as finite float64 numbers.

        Raises
        ------
        DataError
            When a value is text, missing or infinite; the message names its row.
        """
        values = self.column(name)
        self._refuse(name, self._missing(name), "has no value", "Fill in the values, or remove the rows or the column.")
        try:
            numbers = values.astype(np.float64)
        except ValueError:
            not_numbers = np.array([not _is_number(value) for value in values.tolist()])
            instead = "Correct it, or drop the column."
            self._refuse(name, not_numbers, "holds {value!r} where a number is needed", instead)
            raise
        self._refuse(name, ~np.isfinite(numbers), "holds {value}, which is not finite", "Correct it, or drop the row.")
        return numbers

    def texts(self, name: str) -> np.ndarray[Any, np.dtype[np.str_]]:
        """Return a column as text, none of it missing; numbers are written as briefly as possible.

        Raises
        ------
        DataError
            When a value is missing; the message names its row.
        """
        values = self.column(name)
        self._refuse(name, self._missing(name), "has no value", "Fill in the values, or remove the rows or the column.")
        return values if values.dtype.kind == "U" else np.array([f"{value:.15g}" for value in values.tolist()], np.str_)

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

    def place(self, row: int) -> str:
        """Where a row stands in the file."""
        return f"{self.source}, {'row' if self.places is None else 'line'} {self._places()[row]}"

    def _places(self) -> Array:
        return np.arange(len(self)) if self.places is None else self.places

    def _missing(self, name: str) -> Mask:
        values = self.column(name)
        return np.isin(values, _MISSING) if values.dtype.kind == "U" else np.isnan(values)

    def _refuse(self, name: str, bad: Mask, problem: str, instead: str) -> None:
        if bad.any():
            row, count = int(np.argmax(bad)), int(bad.sum())
            what = f"column {name!r} {problem.format(value=self.columns[name][row].item())}"
            why = f"So do {count - 1} more rows." if count > 1 else ""
            raise DataError(compose(what, where=self.place(row), why=why, instead=instead))


def read_table(path: str | os.PathLike[str]) -> Table:
    r"""Read a table from a file.

    ``.csv``, ``.tsv`` and ``.txt`` files have a header and one row a line, in UTF-8; the separator is whichever of
    comma, semicolon and tab the header holds most of.

    ``.npz`` files hold arrays of numbers or text: ``x`` of shape (n_rows, n_features) becomes the columns ``x0``,
    ``x1``, ...; a one-dimensional array becomes a column under its own name. Pickled objects are refused.

    Raises
    ------
    DataError
        When the file is missing, of another kind, damaged or empty, or a row has too many or too few values.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "toys.csv")
    ...     _ = path.write_text("size,colour\n1,red\n2.5,blue\n")
    ...     read_table(path).numbers("size")
    array([1. , 2.5])
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".txt": _read_csv, ".npz": _read_npz}
    reader = readers.get(path.suffix.lower())
    try:
        if reader is None or not path.is_file():
            path.stat()
            instead = f"The kinds of file are {', '.join(readers)}."
            raise DataError(compose("this is not a table", where=str(path), instead=instead))
        table = reader(path)
    except FileNotFoundError as error:
        raise DataError(compose("there is no such file", where=str(path))) from error
    except OSError as error:
        raise DataError(compose(f"the file cannot be read: {error.strerror or error}", where=str(path))) from error
    if len(table) == 0:
        raise DataError(compose("the file holds no rows", where=str(path)))
    return table


def _read_csv(path: Path) -> Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first_line = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=first_line.count), strict=True)
            lines = [(reader.line_num, [value.strip() for value in row]) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        instead = "Save it as CSV in UTF-8."
        raise DataError(compose(f"this is not a CSV file: {error}", where=str(path), instead=instead)) from error
    if not lines:
        return Table({}, path.name)
    (_, header), *rows = lines
    _check_header(header, path)
    for line, row in rows:
        if len(row) != len(header):
            what = f"the row has {len(row)} values where the header has {len(header)} names"
            raise DataError(compose(what, where=f"{path.name}, line {line}"))
    columns = zip(*(row for _, row in rows), strict=True)
    arrays = {name: np.array(values) for name, values in zip(header, columns, strict=bool(rows))}
    return Table(arrays, path.name, places=np.array([line for line, _ in rows]))


def _check_header(header: list[str], path: Path) -> None:
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        what = f"the header names {', '.join(map(repr, repeated))} more than once"
        raise DataError(compose(what, where=str(path), instead="Give every column a name of its own."))
    if all(map(_is_number, header)):
        what = "the first line holds numbers where the names of the columns are expected"
        raise DataError(compose(what, where=str(path), instead="Put a header line on top, such as a,b,y."))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_npz(path: Path) -> Table:
    try:
        with zipfile.ZipFile(path):  # np.load takes other kinds of file too
            pass
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(compose(f"this is not an NPZ file of plain arrays: {error}", where=str(path))) from error
    columns: dict[str, Array] = {}
    for name, array in arrays.items():
        columns.update(_columns_of(name, array, path))
    if len({len(values) for values in columns.values()}) > 1:
        why = f"There are {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}."
        raise DataError(compose("the arrays differ in their number of rows", where=str(path), why=why))
    return Table(columns, path.name)


def _columns_of(name: str, array: Array, path: Path) -> dict[str, Array]:
    """The columns that an array of an NPZ file stands for."""
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufU":
        what = f"the array {name!r} has the shape {array.shape} and dtype {array.dtype}"
        instead = (
            "Store numbers or text, with one row per sample: x of shape (n_rows, n_features), y of shape (n_rows,)."
        )
        raise DataError(compose(what, where=str(path), instead=instead))
    values = array if array.dtype.kind == "U" else array.astype(np.float64)
    return {name: values} if array.ndim == 1 else {f"{name}{j}": column for j, column in enumerate(values.T)}
