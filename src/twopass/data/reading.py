"""Tables from files and from data frames."""

from __future__ import annotations

import csv
import difflib
import importlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from twopass.data.tables import Array, Table, is_number
from twopass.errors import DataError, MissingLibraryError, compose

__all__ = ["check_header", "csv_rows", "from_frame", "library", "read_table"]

_SURROGATE = re.compile("[\udc80-\udcff]")


def read_table(path: str | os.PathLike[str]) -> Table:
    r"""Read a table from a file.

    ``.csv``, ``.tsv`` and ``.txt`` files have a header and one row a line, in UTF-8; the separator is whichever of
    comma, semicolon and tab the header holds most of.

    ``.npz`` files hold arrays of numbers or text: ``x`` of shape (n_rows, n_features) becomes the columns ``x0``,
    ``x1``, ...; a one-dimensional array becomes a column under its own name. Pickled objects are refused.

    ``.parquet`` files need ``pip install 'twopass[table]'``; see `from_frame`.

    Raises
    ------
    DataError
        When the file is missing, of another kind, damaged or empty, or a row has too many or too few values.
    MissingLibraryError
        When the kind of file needs a library that is not installed.

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
    readers = {
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".txt": _read_csv,
        ".npz": _read_npz,
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    try:
        if reader is None or not path.is_file():
            path.stat()
            instead = f"The kinds of file are {', '.join(readers)}."
            raise DataError(compose("this is not a table", where=str(path), instead=instead))
        table = reader(path)
    except FileNotFoundError as error:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent) if path.parent.is_dir() else [], n=1)
        instead = f"Did you mean {near[0]!r}?" if near else "Check its name and folder."
        raise DataError(compose("there is no such file", where=str(path), instead=instead)) from error
    except OSError as error:
        raise DataError(compose(f"the file cannot be read: {error.strerror or error}", where=str(path))) from error
    if len(table) == 0:
        instead = "Put a header line on top, such as a,b,y, and a row of values on each line below."
        raise DataError(compose("the file holds no rows", where=str(path), instead=instead))
    return table


def _read_csv(path: Path) -> Table:
    lines = list(csv_rows(path))
    if not lines:
        return Table({}, path.name)
    (_, header), *rows = lines
    check_header(header, path)
    columns = zip(*(row for _, row in rows), strict=True)
    arrays = {name: np.array(values) for name, values in zip(header, columns, strict=bool(rows))}
    return Table(arrays, path.name, places=np.array([line for line, _ in rows]), unit="line")


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line and the values of each row of a CSV file, the header first, all of one length.

    Raises
    ------
    DataError
        When a row has too many or too few values, or a line is not CSV in UTF-8; the message names the line.
    """
    line, width = 0, 0
    try:
        # Bytes that are not UTF-8 become surrogates, so that the line that they are in can be named.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            first_line = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=first_line.count)
            reader = csv.reader(_checked(file, path.name), delimiter=delimiter, strict=True)
            for row in reader:
                if not row:
                    line = reader.line_num
                    continue
                width = width or len(row)
                if len(row) != width:
                    what = f"the row has {len(row)} values where the header has {width} names"
                    quote = f"Put a value that holds a {delimiter!r} in double quotes, or correct the row."
                    fill = "Leave an empty field for a missing value."
                    instead = quote if len(row) > width else fill
                    raise DataError(compose(what, where=f"{path.name}, line {reader.line_num}", instead=instead))
                yield reader.line_num, [value.strip() for value in row]
                line = reader.line_num
    except csv.Error as error:
        what = f"this is not CSV: {error}"
        instead = "Check the double quotes there, or save the table as CSV again."
        raise DataError(compose(what, where=f"{path.name}, line {line + 1}", instead=instead)) from error


def _checked(lines: Iterable[str], name: str) -> Iterator[str]:
    """Lines of a file, unless they hold what no text does."""
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            what = "the line holds a NUL byte"
            instead = "Save the table as CSV in UTF-8 (this may be UTF-16, or no text at all)."
            raise DataError(compose(what, where=f"{name}, line {number}", instead=instead))
        if not line.isascii() and (bad := _SURROGATE.search(line)):
            what = f"the line holds the byte 0x{ord(bad[0]) - 0xDC00:02x}, which is not UTF-8"
            instead = f"Save the table in UTF-8, such as by: iconv -f latin1 -t utf-8 {name}"
            raise DataError(compose(what, where=f"{name}, line {number}", instead=instead))
        yield line


def check_header(header: list[str], path: Path) -> None:
    """Raise unless a header has a name of its own for each column."""
    if not header:
        raise DataError(
            compose("the file is empty", where=str(path), instead="Put a header line on top, such as a,b,y.")
        )
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        what = f"the header names {', '.join(map(repr, repeated))} more than once"
        raise DataError(compose(what, where=str(path), instead="Give every column a name of its own."))
    if all(map(is_number, header)):
        what = "the first line holds numbers where the names of the columns are expected"
        raise DataError(compose(what, where=str(path), instead="Put a header line on top, such as a,b,y."))


def _read_npz(path: Path) -> Table:
    import zipfile  # here, because it is slow to import

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


def from_frame(frame: Any, source: str = "the table") -> Table:
    """Take over a data frame of pandas, Polars, PyArrow or another library that narwhals knows.

    Numbers and booleans become columns of numbers, everything else becomes text; what is null is missing.

    Parameters
    ----------
    frame : data frame
    source : str
        What to call it in error messages.

    Raises
    ------
    DataError
        When it is not a data frame, or a column is of a nested type.
    MissingLibraryError
        When narwhals is not installed.

    Examples
    --------
    >>> import polars
    >>> from_frame(polars.DataFrame({"size": [1, None], "colour": ["red", "blue"]})).columns
    {'size': array([ 1., nan]), 'colour': array(['red', 'blue'], dtype='<U4')}
    """
    narwhals = library("narwhals", "data frames")
    try:
        native = narwhals.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(compose(f"a {type(frame).__name__} is not a data frame in memory", why=f"{error}.")) from error
    columns = {}
    for series in native.iter_columns():
        if series.dtype.is_nested():
            raise DataError(compose(f"column {series.name!r} is of the type {series.dtype}", where=source))
        if series.dtype.is_numeric() or series.dtype == narwhals.Boolean:
            columns[series.name] = np.array(series.cast(narwhals.Float64).to_list(), np.float64)
        else:
            columns[series.name] = np.array(series.cast(narwhals.String).fill_null("").to_list(), np.str_)
    return Table(columns, source)


def _read_parquet(path: Path) -> Table:
    polars = library("polars", "Parquet files")
    try:
        frame = polars.read_parquet(path)
    except polars.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(compose(f"this is not a Parquet file: {reason}", where=str(path))) from error
    return from_frame(frame, path.name)


def library(name: str, purpose: str) -> ModuleType:
    """An optional library."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        what = f"{name} is not installed, and {purpose} need it"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[table]'.")) from error
