"""How arrays lie in memory, where that is the program's to choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Layout", "Panels"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Panels:
    """A matrix as column panels, one after the other: each is contiguous, row by row.

    Attributes
    ----------
    rows : int
        Rows of the matrix.
    widths : tuple of int
        Columns of each panel, in elements. Their sum may be more than the columns of the matrix: the rest is padding,
        which may hold anything.
    """

    rows: int
    widths: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements, with the padding."""
        return self.rows * sum(self.widths)

    def start(self, panel: int) -> int:
        """Where a panel starts."""
        return self.rows * sum(self.widths[:panel])


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of an array's elements in a buffer.

    Attributes
    ----------
    shape : tuple of int
        Of the array.
    strides : tuple of int
        In elements; with `panels` they mean nothing.
    size : int
        Elements of the buffer, with padding.
    panels : Panels or None
        For a matrix in column panels.

    Examples
    --------
    >>> layout = Layout((2, 3), (0, 0), 8, Panels(2, (2, 2)))
    >>> buffer = np.zeros(8, int)
    >>> layout.pack(np.arange(6).reshape(2, 3), buffer)
    >>> buffer
    array([0, 1, 3, 4, 2, 0, 5, 0])
    >>> layout.unpack(buffer)
    array([[0, 1, 2],
           [3, 4, 5]])
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    panels: Panels | None = None

    def pack(self, array: Array, buffer: Array) -> None:
        """Write an array to a flat buffer."""
        for part, place in self._parts(buffer):
            place[...] = array[part]

    def unpack(self, buffer: Array) -> Array:
        """The array, copied from a flat buffer, in C order."""
        array = np.empty(self.shape, buffer.dtype)
        for part, place in self._parts(buffer):
            array[part] = place
        return array

    def _parts(self, buffer: Array) -> Iterator[tuple[Any, Array]]:
        """Parts of the array, and where each is in a buffer."""
        if self.panels is None:
            strides = [stride * buffer.itemsize for stride in self.strides]
            yield ..., np.lib.stride_tricks.as_strided(buffer, self.shape, strides)
            return
        rows, columns = self.shape
        first = 0
        for number, width in enumerate(self.panels.widths):
            start = self.panels.start(number)
            own = min(width, columns - first)
            panel = buffer[start : start + rows * width].reshape(rows, width)
            yield np.s_[:, first : first + own], panel[:, :own]
            first += width
