"""A column of many categories, of which a network learns a vector for each."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from twopass.data.features import Mask, as_labels, unknown_labels
from twopass.data.tables import Array, Table

__all__ = ["Vocabulary", "automatic_size"]


def automatic_size(n_categories: int) -> int:
    """Length of the vectors of so many categories, if none is given: the fourth root of their number, rounded up.

    The rule of the TensorFlow Team, "Introducing TensorFlow feature columns", Google Developers Blog, 20 November 2017.

    Examples
    --------
    >>> [automatic_size(n) for n in (2, 7, 100, 4000)]
    [2, 2, 4, 8]
    """
    return math.ceil(math.sqrt(math.sqrt(max(n_categories, 1))))


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """A column of many categories: one input, the number of the category, which the network embeds.

    The numbers after those of the known categories are that of all others, rare ones and new ones, and that of a
    missing value.

    Parameters
    ----------
    name : str
        Of the column.
    known : tuple of str
        The categories that have a number, the most frequent first, numbers as briefly as possible.
    indicator : bool
        Whether the training rows have missing values.
    others : tuple of str
        Rare categories of the training rows, which are therefore not unknown.

    Examples
    --------
    >>> table = Table({"shop": np.array(["A17", "B2", "C9", ""])}, "toys.csv")
    >>> Vocabulary("shop", ("B2", "A17")).inputs(table).tolist()
    [[1.0], [0.0], [2.0], [3.0]]
    """

    name: str
    known: tuple[str, ...]
    indicator: bool = False
    others: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many inputs of a network it takes."""
        return 1

    @property
    def n_categories(self) -> int:
        """How many numbers there are."""
        return len(self.known) + 2

    @property
    def units(self) -> int:
        """Length of the vectors; see `automatic_size`."""
        return automatic_size(len(self.known))

    @property
    def rare(self) -> bool:
        """Whether others share a number: they always do."""
        return True

    def inputs(self, table: Table) -> Array:
        """Return the numbers of the categories, float32 of shape (n_rows, 1)."""
        labels, missing = as_labels(table, self.name)
        different, index = np.unique(labels, return_inverse=True)
        place = {label: position for position, label in enumerate(self.known)}
        numbers = np.array([place.get(label, len(self.known)) for label in different.tolist()], np.float32)
        found = np.where(missing, np.float32(len(self.known) + 1), numbers[index])
        return found.astype(np.float32)[:, np.newaxis]

    def unknown(self, table: Table) -> Mask:
        """Which rows have what the training rows had not: another category, or none."""
        return unknown_labels(table, self.name, {*self.known, *self.others}, self.indicator)

    def describe(self) -> str:
        """What is done to the column."""
        rare = f", {len(self.others)} rare ones together" if self.others else ""
        return f"a vector of {self.units} for each of {len(self.known):,} categories{rare}"
