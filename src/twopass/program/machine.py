"""What a program must know of the machine that it will run on, to choose layouts and blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Machine", "halves_rows"]


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
    """

    name: str = "generic"
    vector_bytes: int = 16
    tile_vectors: int = 2

    def lanes(self, dtype: np.dtype[np.generic]) -> int:
        """Elements in a vector."""
        return self.vector_bytes // dtype.itemsize

    def padded(self, length: int, dtype: np.dtype[np.generic]) -> int:
        """A length, rounded up to whole vectors."""
        lanes = self.lanes(dtype)
        return -(-length // lanes) * lanes

    def panels(self, columns: int, dtype: np.dtype[np.generic]) -> tuple[int, ...]:
        """Widths of the panels for so many columns: as equal as whole vectors allow, none wider than a tile.

        Narrower ones come last, are spread among the others, or both sides of a middle one are alike: whichever gives
        two threads the most equal shares. (They share the middle panel where `halves_rows` says so.)

        Examples
        --------
        >>> avx512, f4 = Machine(vector_bytes=64, tile_vectors=3), np.dtype(np.float32)
        >>> avx512.panels(300, f4), avx512.panels(256, f4)
        ((48, 48, 48, 16, 48, 48, 48), (32, 48, 48, 32, 48, 48))
        """
        lanes = self.lanes(dtype)
        vectors = -(-columns // lanes)
        count = -(-vectors // self.tile_vectors)
        base, extra = divmod(vectors, count)
        wide, narrow = lanes * (base + 1), lanes * base
        last = (wide,) * extra + (narrow,) * (count - extra)
        spread = tuple(wide if (i + 1) * extra // count > i * extra // count else narrow for i in range(count))
        found = [last, spread]
        for middle in range(1, self.tile_vectors + 1) if count > 2 else ():
            side, odd = divmod(vectors - middle, 2)
            if not odd:
                parts = _equal(side, self.tile_vectors)
                found.append(tuple(lanes * width for width in (*parts, middle, *reversed(parts))))
        return min(found, key=lambda widths: (_larger_half(widths), len(widths)))


def halves_rows(widths: tuple[int, ...]) -> bool:
    """Whether two threads have equal shares if each takes one half of the rows of the middle panel."""
    return len(widths) > 2 and len(widths) % 2 == 1 and widths == widths[::-1]


def _equal(total: int, most: int) -> tuple[int, ...]:
    """A number as a sum of numbers up to `most`, as equal as may be, the larger ones first."""
    count = -(-total // most)
    base, extra = divmod(total, count)
    return (base + 1,) * extra + (base,) * (count - extra)


def _larger_half(widths: tuple[int, ...]) -> int:
    """What the busier of two threads has to do, if panels are shared in order."""
    if halves_rows(widths):
        return -(-sum(widths) // 2)
    first = sum(widths[: len(widths) // 2])
    return max(first, sum(widths) - first)
