"""What a program must know of the machine that it will run on, to choose layouts and blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Machine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """A target, as far as layouts depend on it.

    Attributes
    ----------
    name : str
        For `explain`.
    vector_bytes : int
        Bytes of a vector register.
    tile_vectors : int
        Widest tile of a contraction's result, in vectors of columns.
    tile_rows : tuple of int
        The most rows of a tile that is 1, 2, ... vectors wide.
    """

    name: str = "generic"
    vector_bytes: int = 16
    tile_vectors: int = 2
    tile_rows: tuple[int, ...] = (8, 4)

    def lanes(self, dtype: np.dtype[np.generic]) -> int:
        """Elements in a vector."""
        return self.vector_bytes // dtype.itemsize

    def padded(self, length: int, dtype: np.dtype[np.generic]) -> int:
        """A length, rounded up to whole vectors."""
        lanes = self.lanes(dtype)
        return -(-length // lanes) * lanes

    def panels(self, columns: int, dtype: np.dtype[np.generic]) -> tuple[int, ...]:
        """Widths of the panels for so many columns: as equal as whole vectors allow, none wider than a tile.

        Examples
        --------
        >>> Machine(vector_bytes=64, tile_vectors=3).panels(300, np.dtype(np.float32))
        (48, 48, 48, 48, 48, 32, 32)
        """
        lanes = self.lanes(dtype)
        vectors = -(-columns // lanes)
        count = -(-vectors // self.tile_vectors)
        base, extra = divmod(vectors, count)
        return (lanes * (base + 1),) * extra + (lanes * base,) * (count - extra)
