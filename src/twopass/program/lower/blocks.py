"""Into which blocks of columns and rows a contraction is cut: what a thread's task is."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

from twopass.program.machine import halves_rows

__all__ = ["Size", "blocks_of", "halves"]

#: Multiplications below which a contraction is not cut for several threads.
_WORTH_SHARING = 1 << 19
#: The same, for one that is cut in halves which nobody has to wait for.
_WORTH_HALVING = 1 << 15
#: A vector times a matrix of so few columns is one task.
_LONG_ROW = 768
#: Numbers of a matrix that two threads read faster than one, when it is multiplied by a vector.
_LARGE_MATRIX = 1 << 17
#: A multiple of the lanes of all vectors of all targets.
_LANES = 16
#: Blocks of columns that are enough to share.
_ENOUGH = 3
#: A multiple of the rows of most tiles (8, 12, 6, 4), so that few kinds of tiles are needed.
_ROWS = 24


class Size(NamedTuple):
    """The lengths of a contraction's axes."""

    batch: tuple[int, ...]
    m: int
    n: int
    k: int


def blocks_of(
    size: Size, columns: tuple[int, ...], given: tuple[bool, bool], lanes: int | None
) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    """Blocks of columns and of rows, and whether tasks go by rows; with `lanes`, columns need not be these."""
    batch, m, n, k = size
    work = m * n * k
    if lanes and m == 1 and not batch and n <= _LONG_ROW:
        # Rows of the matrix go by, one after the other: whole ones, or halves of them for two threads.
        row = -(-n // lanes) * lanes
        return halves(row) if work >= _LARGE_MATRIX else (row,), (1,), False
    few = len(columns) < _ENOUGH and work >= _WORTH_HALVING and not batch
    if given[1] and not batch and work >= _WORTH_SHARING and m >= (128 if few else max(256, 2 * n)):
        # Few columns would make unequal shares; and a few rows stay in the cache while all columns go by.
        return columns, _even_blocks(m), True
    # The halves are those of the other operand's samples: products that follow each other need not wait then.
    if few and given[1] and not given[0]:
        return columns, halves(m), True
    if few and work < _WORTH_SHARING:
        if len(columns) == 1 and not any(given):
            return columns, halves(m), True
        if given[0] and not given[1] and lanes and n % lanes == 0:
            columns = halves(n)
    if halves_rows(columns) and work >= _WORTH_SHARING and m % 2 == 0 and not batch:
        return columns, (m // 2, m // 2), False
    stacked = math.prod(batch)
    return columns, _row_blocks(m, len(columns) * stacked, work * stacked), False


def halves(length: int) -> tuple[int, ...]:
    """Two parts, of whole vectors of any target; one if there is too little."""
    half = -(-length // 2)
    half = -(-half // _LANES) * _LANES
    return (half, length - half) if half < length else (length,)


def _even_blocks(m: int) -> tuple[int, ...]:
    """An even number of blocks of about 64 rows, as equal as multiples of 8 can be, and so are any shares of them."""
    eights, rest = divmod(m, 8)
    count = 2 * max(1, round(eights / 16))
    edges = [8 * (eights * number // count) for number in range(count + 1)]
    edges[-1] += rest
    return tuple(stop - start for start, stop in itertools.pairwise(edges))


def _row_blocks(m: int, columns: int, work: int) -> tuple[int, ...]:
    """Blocks of rows: one, unless the work is worth sharing and there are too few blocks of columns to share it."""
    if work < _WORTH_SHARING or columns >= _ENOUGH:
        return (m,)
    pieces = max(1, min(8 // max(columns, 1), m // _ROWS))
    size = -(-m // pieces)
    size = -(-size // _ROWS) * _ROWS
    full, rest = divmod(m, size)
    return (size,) * full + ((rest,) if rest else ())
