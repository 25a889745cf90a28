"""A column of many categories, of which a network learns a vector for each."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from twopass.data.features import Mask, as_labels
from twopass.data.tables import Array, Table

__all__ = ["Vocabulary"]


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
        """Length of the vectors: the fourth root of the number of categories, rounded up.

        The rule of the TensorFlow Team, "Introducing TensorFlow feature columns", Google Developers Blog, 2017.
        """
        return math.ceil(math.sqrt(math.sqrt(len(self.known))))

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
        labels, missing = as_labels(table, self.name)
        different, index = np.unique(labels, return_inverse=True)
        seen = {*self.known, *self.others}
        strange = np.array([label not in seen for label in different.tolist()], bool)[index]
        return np.where(missing, not self.indicator, strange)

    def describe(self) -> str:
        """What is done to the column."""
        rare = f", {len(self.others)} rare ones together" if self.others else ""
        return f"a vector of {self.units} for each of {len(self.known):,} categories{rare}"
