"""Files of any length, read some rows at a time and as often as needed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from twopass.data.reading import check_header, csv_rows, from_frame, library, read_table
from twopass.data.tables import Array, Table
from twopass.errors import DataError, compose

__all__ = ["TableFile"]

#: Values of a chunk: what one column of text takes in memory then stays small beside the data.
_CHUNK = 1 << 20
#: A file that is smaller, in bytes, is read once and kept.
_SMALL = 1 << 23


class TableFile:
    r"""A table in a file, or in memory, of which some rows are in memory at a time.

    Iterating gives tables of consecutive rows, and can be repeated. In those of a CSV file, a column is of numbers
    where all values of these rows are.

    Parameters
    ----------
    source : path or Table
        A file as `read_table` takes it.
    chunk : int
        How many values a table holds about.

    Attributes
    ----------
    name : str
        What error messages call it.
    columns : list of str
        The names of the columns.

    Raises
    ------
    DataError, MissingLibraryError
        As `read_table`; also while it is iterated.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "toys.csv")
    ...     _ = path.write_text("size,colour\n1,red\n2.5,blue\n3,red\n")
    ...     list(TableFile(path, chunk=4))
    [Table('toys.csv', 2 rows: size, colour), Table('toys.csv', 1 rows: size, colour)]
    """

    def __init__(self, source: str | os.PathLike[str] | Table, chunk: int = _CHUNK) -> None:
        self.chunk = chunk
        self._table = source if isinstance(source, Table) else None
        self.path = Path("" if isinstance(source, Table) else source)
        if self._table is None and not self._is_streamed():
            self._table = read_table(self.path)
        self.name = self.path.name if self._table is None else self._table.source
        self.columns: list[str] = list(self._table.columns) if self._table is not None else self._names()

    def _is_streamed(self) -> bool:
        kind = self.path.suffix.lower()
        if kind not in (".csv", ".tsv", ".txt", ".parquet") or not self.path.is_file():
            return False
        return kind == ".parquet" or self.chunk < _CHUNK or self.path.stat().st_size > _SMALL

    def _names(self) -> list[str]:
        if self.path.suffix.lower() == ".parquet":
            return list(self._scanned().collect_schema().names())
        _, header = next(csv_rows(self.path), (0, []))
        check_header(header, self.path)
        return header

    def __iter__(self) -> Iterator[Table]:
        count = max(1, self.chunk // max(1, len(self.columns)))
        if self._table is not None:
            for start in range(0, len(self._table), count):
                whole = len(self._table) <= count
                yield self._table if whole else self._table.rows(np.arange(start, min(start + count, len(self._table))))
        elif self.path.suffix.lower() == ".parquet":
            yield from self._parquet(count)
        else:
            yield from self._csv(count)

    def _csv(self, count: int) -> Iterator[Table]:
        rows = csv_rows(self.path)
        next(rows)
        while part := list(islice(rows, count)):
            values = zip(*(row for _, row in part), strict=True)
            columns = {name: _as_column(texts) for name, texts in zip(self.columns, values, strict=True)}
            yield Table(columns, self.name, places=np.array([line for line, _ in part]), unit="line")

    def _parquet(self, count: int) -> Iterator[Table]:
        frame, start = self._scanned(), 0
        while True:
            part = from_frame(frame.slice(start, count).collect(), self.name)
            if not len(part):
                return
            yield Table(part.columns, self.name, places=np.arange(start, start + len(part)))
            start += len(part)

    def _scanned(self) -> Any:
        polars = library("polars", "Parquet files")
        try:
            frame = polars.scan_parquet(self.path)
            frame.collect_schema()
        except (polars.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(compose(f"this is not a Parquet file: {reason}", where=str(self.path))) from error
        return frame


def _as_column(texts: Iterable[str]) -> Array:
    """A column of a CSV file: numbers where all of it is numbers or missing, else text."""
    texts = list(texts)
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts)
