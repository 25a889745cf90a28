"""What the columns of a table are to a network: quantities, categories, yes or no, dates.

Each is a dataclass of numbers and text, which JSON holds, with one method that does all the work: ``inputs``. Missing
values never stop it: they become the value in the middle, and an input of their own where the training rows had some.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Set
from typing import Any

import numpy as np

from twopass.data.tables import Array, Table, is_number

__all__ = ["Flag", "Group", "Moment", "Quantity", "as_days", "as_labels", "is_date", "is_flag", "unknown_labels"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

#: How far an input goes at most, if nothing else is said.
_REACH = 3.0
#: How far an input in standard deviations goes at most.
_LONGEST = 30.0
_NO = ("false", "no", "n", "f", "off", "0")
_YES = ("true", "yes", "y", "t", "on", "1")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?")
_DAY = 86_400.0  # seconds
_PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}  # days


@dataclasses.dataclass(frozen=True)
class Quantity:
    """A column of numbers.

    Seen as ``z / sqrt(1 + (z / reach)²)`` of ``z = (value - center) / scale``, which is z near 0 and never further from
    it than `reach`, whatever the value. Where tails are long, also as ``(value - center) / deviation``, from -30 to 30,
    because what is limited cannot be proportional to anything. And as its place between `edges`: one input for each
    interval, 0 below it, 1 above it, and linear within.

    Holzmüller, Grinsztajn and Steinwart, Better by Default (2024), section 3, robust scaling and smooth clipping; and
    Gorishniy, Rubachev and Babenko, On Embeddings for Numerical Features (2022), eq. 1, piecewise linear encoding.

    Parameters
    ----------
    name : str
        Of the column.
    center, scale : float
        Its median and its interquartile range, or its mean and its standard deviation.
    deviation : float, optional
        Its standard deviation, if it has long tails.
    edges : tuple of float
        Increasing; of its quantiles, or empty.
    indicator : bool
        Whether there is an input that tells that the value is missing.
    reach : float
        How far the first input goes at most.

    Examples
    --------
    >>> table = Table({"size": np.array([1.0, np.nan, 5.0, 1e300])}, "toys.csv")
    >>> Quantity("size", center=1.0, scale=2.0, indicator=True).inputs(table).round(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.66, 0.0], [3.0, 0.0]]
    """

    name: str
    center: float
    scale: float
    deviation: float | None = None
    edges: tuple[float, ...] = ()
    indicator: bool = False
    reach: float = _REACH

    @property
    def size(self) -> int:
        """How many inputs of a network it takes."""
        return 1 + (self.deviation is not None) + max(0, len(self.edges) - 1) + self.indicator

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network, float32 of shape (n_rows, size)."""
        values, missing = table.values(self.name)
        values = np.where(missing, self.center, values)
        x = np.empty((len(table), self.size), np.float32)
        x[:, 0] = _clipped(values, self.center, self.scale, self.reach)
        first = 1
        if self.deviation is not None:
            away = _LONGEST * self.deviation
            x[:, 1] = (np.clip(values, self.center - away, self.center + away) - self.center) / self.deviation
            first = 2
        for index in range(len(self.edges) - 1):
            low, high = self.edges[index : index + 2]
            x[:, first + index] = (np.clip(values, low, high) - low) / (high - low)
        if self.indicator:
            x[:, -1] = missing
        return x

    def unknown(self, table: Table) -> Mask:
        """Which rows have what the training rows had not: no value."""
        missing = table.missing(self.name)
        return np.zeros_like(missing) if self.indicator else missing

    def describe(self) -> str:
        """What is done to the column."""
        bins = f", {len(self.edges) - 1} intervals" if self.edges else ""
        tails = ", long tails" if self.deviation is not None else ""
        return f"centred on {self.center:.4g}, scaled by {self.scale:.4g}{tails}{bins}"


@dataclasses.dataclass(frozen=True)
class Group:
    """A column of categories: one input for each known one, and one for all that are rare.

    A category that the training rows had not is seen as a rare one, or, when there are no rare ones, as none.

    Parameters
    ----------
    name : str
        Of the column.
    known : tuple of str
        The categories that have an input, the most frequent first, numbers as briefly as possible.
    rare : bool
        Whether the others share one.
    indicator : bool
        Whether there is an input that tells that the value is missing.

    Examples
    --------
    >>> table = Table({"colour": np.array(["red", "blue", "mauve", ""])}, "toys.csv")
    >>> Group("colour", ("blue", "red"), rare=True).inputs(table).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    name: str
    known: tuple[str, ...]
    rare: bool = False
    indicator: bool = False
    #: Rare categories of the training rows, which are therefore not unknown.
    others: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many inputs of a network it takes."""
        return len(self.known) + self.rare + self.indicator

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network, float32 of shape (n_rows, size)."""
        labels, missing = as_labels(table, self.name)
        x = np.zeros((len(table), self.size), np.float32)
        different, index = np.unique(labels, return_inverse=True)
        place = {label: position for position, label in enumerate(self.known)}
        columns = np.array([place.get(label, len(self.known) if self.rare else -1) for label in different.tolist()])
        column = np.where(missing, self.size - 1 if self.indicator else -1, columns[index] if len(index) else index)
        rows = np.flatnonzero(column >= 0)
        x[rows, column[rows]] = 1.0
        return x

    def unknown(self, table: Table) -> Mask:
        """Which rows have what the training rows had not: another category, or none."""
        return unknown_labels(table, self.name, {*self.known, *self.others}, self.indicator)

    def describe(self) -> str:
        """What is done to the column."""
        rare = f", {len(self.others)} rare ones together" if self.rare else ""
        return f"one input for each of {len(self.known)} categories{rare}"


@dataclasses.dataclass(frozen=True)
class Flag:
    """A column of yes and no, true and false, or 1 and 0: 1 and -1, and 0 where it is missing.

    Examples
    --------
    >>> Flag("sold").inputs(Table({"sold": np.array(["yes", "No", ""])}, "toys.csv")).tolist()
    [[1.0], [-1.0], [0.0]]
    """

    name: str
    indicator: bool = False

    @property
    def size(self) -> int:
        """How many inputs of a network it takes."""
        return 1 + self.indicator

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network, float32 of shape (n_rows, size)."""
        labels, missing = _lower(table, self.name)
        x = np.zeros((len(table), self.size), np.float32)
        x[:, 0] = np.isin(labels, _YES).astype(np.float32) - np.isin(labels, _NO)
        if self.indicator:
            x[:, 1] = missing
        return x

    def unknown(self, table: Table) -> Mask:
        """Which rows have what the training rows had not: something else, or no value."""
        labels, missing = _lower(table, self.name)
        return np.where(missing, not self.indicator, ~np.isin(labels, _YES + _NO))

    def describe(self) -> str:
        """What is done to the column."""
        return "yes is 1, no is -1"


@dataclasses.dataclass(frozen=True)
class Moment:
    """A column of dates, or dates with times, in ISO 8601: the time that has elapsed, as a quantity, and its phases.

    A phase is the sine and the cosine of the angle that the moment is at in a year, a week, a day.

    Parameters
    ----------
    name : str
        Of the column.
    center, scale : float
        Median and interquartile range, in days since 1970.
    phases : tuple of str
        Some of year, week and day.
    indicator : bool
        Whether there is an input that tells that the value is missing.

    Examples
    --------
    >>> table = Table({"day": np.array(["1970-01-01", "1970-01-08", ""])}, "toys.csv")
    >>> Moment("day", center=0.0, scale=7.0, phases=("week",)).inputs(table).round(2).tolist()
    [[0.0, 0.0, 1.0], [0.95, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    name: str
    center: float
    scale: float
    phases: tuple[str, ...] = ()
    indicator: bool = False

    @property
    def size(self) -> int:
        """How many inputs of a network it takes."""
        return 1 + 2 * len(self.phases) + self.indicator

    def inputs(self, table: Table) -> Array:
        """Return the column as inputs of a network, float32 of shape (n_rows, size).

        Raises
        ------
        DataError
            When a value is no date; the message names its row.
        """
        days, missing = as_days(table, self.name)
        x = np.zeros((len(table), self.size), np.float32)
        x[:, 0] = _clipped(np.where(missing, self.center, days), self.center, self.scale)
        for index, phase in enumerate(self.phases):
            angle = 2 * np.pi * (days[~missing] / _PERIODS[phase] % 1.0)
            x[~missing, 1 + 2 * index], x[~missing, 2 + 2 * index] = np.sin(angle), np.cos(angle)
        if self.indicator:
            x[:, -1] = missing
        return x

    def unknown(self, table: Table) -> Mask:
        """Which rows have what the training rows had not: no value."""
        missing = table.missing(self.name)
        return np.zeros_like(missing) if self.indicator else missing

    def describe(self) -> str:
        """What is done to the column."""
        phases = f", and its place in the {', '.join(self.phases)}" if self.phases else ""
        return f"time since {np.datetime64(0, 's') + np.timedelta64(int(self.center * _DAY), 's')}{phases}"


def _clipped(values: Floats, center: float, scale: float, reach: float = _REACH) -> Floats:
    """Scaled values, smoothly limited; `hypot` because the square of 1e300 is no number."""
    with np.errstate(over="ignore"):
        z = np.clip((values - center) / scale, -1e150, 1e150)
    clipped: Floats = z / np.hypot(1.0, z / reach)
    return clipped


def unknown_labels(table: Table, name: str, seen: Set[str], indicator: bool) -> Mask:
    """Which rows of a column of categories have one that was not seen, or none although none was missing."""
    labels, missing = as_labels(table, name)
    different, index = np.unique(labels, return_inverse=True)
    strange = np.array([label not in seen for label in different.tolist()], bool)[index]
    return np.where(missing, not indicator, strange)


def as_labels(table: Table, name: str) -> tuple[np.ndarray[Any, np.dtype[np.str_]], Mask]:
    """A column as text, in which numbers are written as briefly as possible, and which rows have no value."""
    values, missing = table.column(name), table.missing(name)
    if values.dtype.kind != "U":
        return Table({name: np.where(missing, 0.0, values)}, table.source).texts(name), missing
    different, index = np.unique(values, return_inverse=True)
    brief = [f"{float(text):.15g}" if is_number(text) else text for text in different.tolist()]
    return np.array(brief, np.str_)[index] if len(brief) else values, missing


def _lower(table: Table, name: str) -> tuple[np.ndarray[Any, np.dtype[np.str_]], Mask]:
    labels, missing = as_labels(table, name)
    return np.char.lower(labels), missing


def is_flag(texts: Array) -> bool:
    """Whether all texts say yes or no."""
    return bool(np.isin(np.char.lower(texts), _YES + _NO).all())


def is_date(text: str) -> bool:
    """Whether a text is a date, or a date and a time, in ISO 8601."""
    return _DATE.fullmatch(text) is not None and _seconds(text) is not None


def _seconds(text: str) -> float | None:
    """Seconds since 1970, in universal time where the text names its zone; None for what is no date."""
    zone = re.search(r"[+-]\d\d:?\d\d$", text[10:])
    plain = text.removesuffix("Z") if zone is None else text[: 10 + zone.start()]
    try:
        seconds = float(np.datetime64(plain, "us").astype(np.int64)) / 1e6
    except ValueError:
        return None
    if zone is None:
        return seconds
    digits = zone[0][1:].replace(":", "")
    offset = 3600 * int(digits[:2]) + 60 * int(digits[2:])
    return seconds - offset if zone[0][0] == "+" else seconds + offset


def as_days(table: Table, name: str) -> tuple[Floats, Mask]:
    """A column of dates as days since 1970, NaN where there is none, and which rows these are.

    Raises
    ------
    DataError
        When a value is no date; the message names its row.
    """
    values, missing = table.column(name), table.missing(name)
    if values.dtype.kind != "U":
        table.refuse(name, ~missing, "holds {value} where a date is needed", "Write dates as 2026-01-31.")
        return np.full(len(table), np.nan), missing
    different, index = np.unique(values, return_inverse=True)
    days = np.array([_days(text) for text in different.tolist()], np.float64)[index]
    bad = np.isnan(days) & ~missing
    table.refuse(name, bad, "holds {value!r} where a date is needed", "Write dates as 2026-01-31 or 2026-01-31T13:45.")
    return np.where(missing, np.nan, days), missing


def _days(text: str) -> float:
    seconds = _seconds(text) if _DATE.fullmatch(text) else None
    return np.nan if seconds is None else seconds / _DAY
