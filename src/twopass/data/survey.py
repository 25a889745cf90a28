"""What all rows of a table tell about its columns, found in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from twopass.data.tables import Array, Table, is_number
from twopass.errors import DataError, compose

__all__ = ["ColumnSurvey", "Survey"]

#: Rows of the sample that quantiles and categories are taken from.
_SAMPLE = 100_000


@dataclasses.dataclass
class ColumnSurvey:
    """What is known of one column.

    Parameters
    ----------
    name : str
        Of the column.
    rows, missing, numbers : int
        How many rows there are, how many have no value, and how many a number.
    low, high : float
        The smallest and the largest number.
    far : str
        Where the number of largest magnitude stands.
    text : tuple of str, optional
        The first value that is no number, and where it stands.
    infinite : str, optional
        Where the first infinity stands.
    """

    name: str
    rows: int = 0
    missing: int = 0
    numbers: int = 0
    low: float = np.inf
    high: float = -np.inf
    far: str = ""
    text: tuple[str, str] | None = None
    infinite: str | None = None

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return self.rows - self.missing

    @property
    def is_numeric(self) -> bool:
        """Whether more than half of the values are numbers."""
        return 2 * self.numbers > self.present

    def add(self, table: Table) -> None:
        """Look at some rows more."""
        values, missing = table.column(self.name), table.missing(self.name)
        self.rows += len(values)
        self.missing += int(missing.sum())
        if values.dtype.kind == "U":
            different, index = np.unique(values, return_inverse=True)
            spelled = np.array([is_number(text) for text in different.tolist()], bool)
            numeric = spelled[index] & ~missing
            strange = ~numeric & ~missing
            if self.text is None and strange.any():
                row = int(np.argmax(strange))
                self.text = str(values[row]), table.place(row)
            numbers = np.where(spelled, different, "nan").astype(np.float64)[index]
        else:
            numeric, numbers = ~missing, values
        self.numbers += int(numeric.sum())
        if numeric.any():
            self._add_numbers(np.where(numeric, numbers, np.nan), table)

    def _add_numbers(self, numbers: Array, table: Table) -> None:
        infinite = np.isinf(numbers)
        if self.infinite is None and infinite.any():
            self.infinite = table.place(int(np.argmax(infinite)))
        numbers = np.where(infinite, np.nan, numbers)
        if np.isnan(numbers).all():
            return
        row = int(np.nanargmax(np.abs(numbers)))
        if not self.far or abs(numbers[row]) > max(abs(self.low), abs(self.high)):
            self.far = table.place(row)
        self.low, self.high = min(self.low, float(np.nanmin(numbers))), max(self.high, float(np.nanmax(numbers)))


@dataclasses.dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a table.

    Parameters
    ----------
    name : str
        Of the file.
    columns : dict of str to ColumnSurvey
        Each column's survey.
    target : Table
        The column to predict, of all rows.
    sample : Table
        Up to 100,000 rows, drawn at random, in their order.
    sampled : ndarray of int
        Which rows these are.
    """

    name: str
    columns: dict[str, ColumnSurvey]
    target: Table
    sample: Table
    sampled: Array

    def __len__(self) -> int:
        return len(self.target)

    @classmethod
    def of(cls, chunks: Iterable[Table], target: str, *, size: int = _SAMPLE) -> Survey:
        """Read all rows once.

        Raises
        ------
        DataError
            When there are no rows, no such target, or the chunks cannot be read.
        """
        columns: dict[str, ColumnSurvey] = {}
        rng, count, name = np.random.default_rng(0), 0, ""
        targets: list[Table] = []
        kept: list[tuple[Array, Array, Table]] = []  # random keys, row numbers, rows
        for chunk in chunks:
            name = chunk.source
            values = chunk.column(target)
            columns = columns or {column: ColumnSurvey(column) for column in chunk.columns}
            for survey in columns.values():
                survey.add(chunk)
            targets.append(dataclasses.replace(chunk, columns={target: values}))
            kept.append((rng.random(len(chunk)), np.arange(count, count + len(chunk)), chunk))
            count += len(chunk)
            if sum(len(rows) for *_, rows in kept) > 2 * size:
                kept = [_smallest(kept, size)]
        if not count:
            raise DataError(compose("the file holds no rows", where=name or None, instead="Add rows below the header."))
        _, index, sample = _smallest(kept, size) if count > size else _all(kept)
        order = np.argsort(index)
        in_order = count <= size
        return cls(name, columns, Table.joined(targets), sample if in_order else sample.rows(order), index[order])


def _all(kept: list[tuple[Array, Array, Table]]) -> tuple[Array, Array, Table]:
    keys, index, tables = zip(*kept, strict=True)
    return np.concatenate(keys), np.concatenate(index), Table.joined(tables)


def _smallest(kept: list[tuple[Array, Array, Table]], size: int) -> tuple[Array, Array, Table]:
    """The rows with the smallest keys: a random sample of all that have been seen."""
    keys = np.concatenate([part[0] for part in kept])
    limit = np.partition(keys, size - 1)[size - 1]
    thinned = []
    for part, index, rows in kept:
        chosen = np.flatnonzero(part <= limit)
        thinned.append((part[chosen], index[chosen], rows.rows(chosen)))
    return _all(thinned)
