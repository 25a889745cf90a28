"""Which axis becomes the vector axis, and how many lanes vectors have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twopass.backends.llvm.loops.nest import Nest
from twopass.backends.llvm.target import Target
from twopass.program.scalar import OPERATORS, REDUCTIONS

__all__ = ["Choice", "choose", "work_of"]

#: What it costs to combine the lanes of a vector, in additions.
_FOLD = 10
#: Up to how many positions of rows are gathered.
_GATHERED = 4
#: Most rows of what is transposed in registers.
_SQUARE = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """How a nest is vectorised: see `frame.Code`."""

    vector: int | None
    cross: int | None
    lanes: int
    masked: bool


def work_of(operators: Iterable[str]) -> float:
    """Arithmetic of instructions, in additions."""
    tables = (OPERATORS.get(operator) or REDUCTIONS.get(operator) for operator in operators)
    return sum(1 if table is None else table.work for table in tables)


def choose(pieces: Sequence[Nest], target: Target, *, inner: bool) -> list[Choice]:
    """The choice for each piece of a kernel, which has inner axes or not.

    Pieces of a reduction share their accumulators, which are then along inner axes and have equal lanes.
    """
    if not inner or len(pieces) == 1:
        return [_choice(nest, *_axes(nest, target, inner), target) for nest in pieces]
    vectors = [_vector_axis(nest, inner_only=True) for nest in pieces]
    longest = max(1 if v is None else nest.axes[v].length for nest, v in zip(pieces, vectors, strict=True))
    return [_choice(nest, v, None, target, longest) for nest, v in zip(pieces, vectors, strict=True)]


def _choice(nest: Nest, vector: int | None, cross: int | None, target: Target, longest: int = 0) -> Choice:
    """The choice of these axes; vectors need not be longer than the axes."""
    if vector is not None and not longest:
        longest = nest.axes[vector].length
        if cross is not None and not nest.axes[cross].inner:
            longest = min(longest, nest.axes[cross].length)
    lanes = min(_lanes(nest, target), 1 << max(0, longest - 1).bit_length())
    if cross is not None:
        lanes = min(lanes, _SQUARE)
    small = vector is not None and any(place.dtype.itemsize < 4 for place in nest.places if place.strides[vector])
    masked = target.has_masks and (target.vector_bytes >= 64 or not small)
    return Choice(vector, cross, lanes, masked) if lanes > 1 else Choice(None, None, 1, masked)


def _lanes(nest: Nest, target: Target) -> int:
    """Lanes of whole vectors: of the widest float; other types take as many registers as they need."""
    dtypes = [*(place.dtype for place in nest.places), *(instruction.dtype for instruction in nest.body)]
    floats = [dtype for dtype in dtypes if dtype.kind == "f"]
    return target.vector_bytes // max(dtype.itemsize for dtype in floats or dtypes)


def _axes(nest: Nest, target: Target, inner: bool) -> tuple[int | None, int | None]:
    """The vector axis, and the cross axis if there is one."""
    vector = _vector_axis(nest)
    if vector is None:
        return None, None
    if inner:
        turned = vector if _crosses_rows(nest, vector) else _turned(nest, vector, target)
        if turned is None:
            return vector, None
        # A few positions are gathered as fast as they are transposed, with less code.
        rows = next(a for a, axis in enumerate(nest.axes) if axis.inner)
        return turned, rows if nest.axes[rows].length > _GATHERED else None
    cross = _cross_axis(nest, vector)
    return (cross, vector) if cross is not None and nest.axes[cross].task else (vector, cross)


def _vector_axis(nest: Nest, *, inner_only: bool = False) -> int | None:
    """The axis along which the most operands are contiguous, and the fewest have other strides; of equals the longest.

    What is there for each point of the inner axes counts more than what is there for each row.
    """

    def merit(a: int) -> tuple[int, int]:
        gain = 0
        for place in nest.places:
            many = any(stride for stride, axis in zip(place.strides, nest.axes, strict=True) if axis.inner)
            weight = 4 if many else 1
            gain += weight * (1 if place.strides[a] == 1 else -1 if place.strides[a] else 0)
        return gain, nest.axes[a].length

    return max((a for a, axis in enumerate(nest.axes) if axis.inner or not inner_only), key=merit, default=None)


def _cross_axis(nest: Nest, vector: int) -> int | None:
    """The axis along which operands are contiguous that are not along the vector axis, if there are any."""
    odd = [place for place in nest.places if place.strides[vector] not in (0, 1)]
    counts = {a: sum(place.strides[a] == 1 for place in odd) for a in range(len(nest.axes)) if a != vector}
    best = max(counts, key=lambda a: counts[a], default=None)
    return best if best is not None and counts[best] else None


def _crosses_rows(nest: Nest, vector: int) -> bool:
    """Whether the vector axis is an outer one, and operands are contiguous along the only inner one."""
    inner = [a for a, axis in enumerate(nest.axes) if axis.inner]
    if len(inner) != 1 or vector in inner:
        return False
    return any(place.strides[inner[0]] == 1 and place.strides[vector] not in (0, 1) for place in nest.places)


def _turned(nest: Nest, vector: int, target: Target) -> int | None:
    """An outer axis that is a better vector axis than the only inner one, because rows are short.

    Then rows are transposed, so that each lane has one of its own, and no lanes have to be combined.
    """
    outer = [a for a, axis in enumerate(nest.axes) if not axis.inner]
    length, lanes = nest.axes[vector].length, _lanes(nest, target)
    if not nest.axes[vector].inner or len(nest.axes) != len(outer) + 1 or not outer or length > 2 * lanes:
        return None
    axis = outer[-1]
    if nest.axes[axis].length < lanes or lanes < 2:
        return None
    work = work_of(instruction.operator for instruction in nest.body)
    reductions = sum(instruction.operator in REDUCTIONS for instruction in nest.body)
    crossing = sum(place.strides[vector] == 1 and place.strides[axis] not in (0, 1) for place in nest.places)
    vectors = -(-length // lanes)
    along = reductions * _FOLD + work * vectors
    across = crossing * math.log2(lanes) * vectors + work * length / lanes
    return axis if across < along else None
