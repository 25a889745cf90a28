"""Products with a single column: dot products, along which the vectors lie.

If the result has one column, a vector of columns has one lane to use. Where both operands are contiguous along k, a row
of the result is computed as a vector of partial sums, number i of which adds up every k that is i modulo the vector's
length; they are then added in halves. (For a matrix with contiguous columns a vector of rows is the better choice: that
is the same product with its operands exchanged, and left to lowering.)
"""

from __future__ import annotations

from collections.abc import Sequence

from twopass.backends.llvm.builder import Function, Value, literal, scalar_type
from twopass.backends.llvm.contractions.tiles import Piece, first_lanes, opaque
from twopass.backends.llvm.target import Target
from twopass.program.ir import Contraction

__all__ = ["along_k", "dots", "most_rows"]


def along_k(kernel: Contraction, target: Target) -> bool:
    """Whether a kernel is computed as dot products."""
    left, right = kernel.left, kernel.right
    contiguous = left.panels is None and left.strides[-1] == 1 and right.panels is None and right.strides[-2] == 1
    return kernel.n == 1 and contiguous and kernel.k >= target.lanes(kernel.dtype)


def most_rows(target: Target) -> int:
    """How many rows share what is loaded of the column."""
    return target.registers // 4


def dots(f: Function, target: Target, kernel: Contraction, rows: int, left: Value, right: Value) -> list[Value]:
    """The product of the column at `right` and each of the rows from `left` on."""
    type, lanes, stride = scalar_type(kernel.dtype), target.lanes(kernel.dtype), kernel.left.strides[-2]
    wide = type.wide(lanes)
    chains = max(1, min(-(-target.chains // rows), kernel.k // lanes))
    sums = [literal(0, wide)] * (chains * rows)

    def steps(left: Value, right: Value, count: int, sums: Sequence[Value]) -> list[Value]:
        sums = list(sums)
        for u in range(count):
            column = f.load(f.element(right, type, u * lanes), wide)
            for row in range(rows):
                part = f.load(f.element(left, type, row * stride + u * lanes), wide)
                sums[u % chains * rows + row] = f.fma(part, column, sums[u % chains * rows + row])
        return sums

    def body(_: Value, left: Value, right: Value, *sums: Value) -> list[Value]:
        step = chains * lanes
        moved = [opaque(f, f.element(pointer, type, step)) for pointer in (left, right)]
        return [*moved, *steps(left, right, chains, sums)]

    vectors = kernel.k // lanes
    whole = vectors // chains * chains
    if whole > chains:
        left, right, *sums = f.loop(whole, body, [left, right, *sums], step=chains)
        vectors -= whole
    sums = steps(left, right, vectors, sums)
    left, right = (f.element(pointer, type, vectors * lanes) for pointer in (left, right))
    while len(sums) > rows:
        sums = [*(f.fadd(a, b) for a, b in zip(sums[:rows], sums[rows : 2 * rows], strict=True)), *sums[2 * rows :]]
    return _rest(f, target, kernel, left, right, sums)


def _rest(
    f: Function, target: Target, kernel: Contraction, left: Value, right: Value, sums: list[Value]
) -> list[Value]:
    """Add the last products, less than a vector of them, and the lanes of each row's sum."""
    type, lanes, stride = scalar_type(kernel.dtype), target.lanes(kernel.dtype), kernel.left.strides[-2]
    rest = kernel.k % lanes
    rows = [f.element(left, type, row * stride) for row in range(len(sums))]
    if rest and target.has_masks:
        mask, wide = first_lanes(Piece(0, lanes, rest)), type.wide(lanes)
        column = f.load_masked(right, wide, mask)
        sums = [f.fma(f.load_masked(row, wide, mask), column, a) for row, a in zip(rows, sums, strict=True)]
    totals = [_total(f, a) for a in sums]
    if rest and not target.has_masks:
        for k in range(rest):
            b = f.load(f.element(right, type, k), type)
            totals = [
                f.fma(f.load(f.element(row, type, k), type), b, total) for row, total in zip(rows, totals, strict=True)
            ]
    return totals


def _total(f: Function, vector: Value) -> Value:
    """The sum of the lanes, by halves."""
    while (half := vector.type.lanes // 2) > 1:
        low, high = (f.shuffle(vector, vector, range(start, start + half)) for start in (0, half))
        vector = f.fadd(low, high)
    return f.fadd(f.extract(vector, 0), f.extract(vector, 1))
