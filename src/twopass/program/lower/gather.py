"""Rows of a table: indexing with an array of integers, where these are known to be in range.

NumPy raises an error for an index out of range, and a kernel cannot. So indexing is native where the index says of
itself that it is in range: it was clipped (``np.take(..., mode="clip")``), is a remainder, or a constant.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Node
from twopass.program.lower.classify import is_view, native

__all__ = ["Gather", "gather_of"]


@dataclass(frozen=True)
class Gather:
    """Indexing of one axis.

    Attributes
    ----------
    table, index : Node
        What is indexed, and the integers.
    axis : int
        Which axis of the table.
    """

    table: Node
    index: Node
    axis: int


def gather_of(node: Node) -> Gather | None:
    """The indexing that a kernel can do, which a node is; None if it is none."""
    if node.function is not operator.getitem or not isinstance(node.args[0], Node) or not native(node.args[0].dtype):
        return None
    table, parts = node.args
    if not isinstance(parts, tuple) or len(parts) != table.ndim:
        return None
    chosen = [axis for axis, part in enumerate(parts) if isinstance(part, Node)]
    if len(chosen) != 1 or not all(_is_whole(part, n) for part, n in zip(parts, table.shape, strict=True)):
        return None
    (axis,) = chosen
    index = parts[axis]
    if index.dtype.kind not in "iu" or not native(index.dtype) or 0 in node.shape:
        return None
    bounds = _bounds(index)
    if bounds is None or bounds[0] < 0 or bounds[1] >= table.shape[axis]:
        return None
    return Gather(table, index, axis)


def _is_whole(part: Any, length: int) -> bool:
    return isinstance(part, Node) or (isinstance(part, slice) and part.indices(length) == (0, length, 1))


def _bounds(index: Node) -> tuple[float, float] | None:
    """Numbers that the elements of an integer array cannot be below or above."""
    low, high = -np.inf, np.inf
    while is_view(index):
        index = index.args[0]
    if isinstance(index, Constant):
        return (int(index.value.min()), int(index.value.max())) if index.size else None
    if index.function not in (np.minimum, np.maximum, np.remainder, np.clip):
        return (0, high) if index.dtype.kind == "u" else (low, high)
    first, *others = index.args
    known = _bounds(first) if isinstance(first, Node) else (first, first)
    limits = [_bounds(other) if isinstance(other, Node) else (other, other) for other in others]
    if known is None or any(limit is None for limit in limits):
        return None
    (low, high), limit = known, limits[0]
    assert limit is not None
    if index.function is np.minimum:
        return min(low, limit[0]), min(high, limit[1])
    if index.function is np.maximum:
        return max(low, limit[0]), max(high, limit[1])
    if index.function is np.remainder:
        return (0, limit[1] - 1) if limit[0] > 0 else (-np.inf, np.inf)
    top = limits[1]
    assert top is not None
    return min(max(low, limit[0]), top[0]), min(max(high, limit[1]), top[1])
