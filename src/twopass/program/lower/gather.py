"""Rows of a table: indexing with an array of integers, and its transpose, where these are known to be in range.

NumPy raises an error for an index out of range, and a kernel cannot. So indexing is native where the index says of
itself that it is in range: it was clipped (``np.take(..., mode="clip")``), is a remainder, or a constant.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Node, scatter
from twopass.program.lower.classify import is_view, native

__all__ = ["Gather", "Rows", "gather_of", "rows_of", "rows_shape"]


@dataclass(frozen=True)
class Gather:
    """Indexing of one axis.

    Attributes
    ----------
    table, index : Node
        What is indexed, and the integers.
    axis : int
        Which axis of the table.
    own : bool
        Whether each position of the axis before has integers of its own: the first axis of the index is that axis.
    """

    table: Node
    index: Node
    axis: int
    own: bool = False


def gather_of(node: Node) -> Gather | None:
    """The indexing that a kernel can do, which a node is; None if it is none."""
    if node.function is not operator.getitem or not isinstance(node.args[0], Node) or not native(node.args[0].dtype):
        return None
    table, parts = node.args
    if not isinstance(parts, tuple) or len(parts) != table.ndim:
        return None
    found = _indexed(parts, table.shape)
    return None if found is None or 0 in node.shape else Gather(table, *found)


@dataclass(frozen=True)
class Rows:
    """Rows that are added up in a table of zeros: the transpose of a `Gather`.

    Attributes
    ----------
    values, index : Node
        The rows, ``(*stack, *index.shape, *row)``, and the integers.
    stack : tuple of int
        The axes of the table before the one that is indexed: so many tables.
    own : bool
        Whether each of the tables has integers of its own, ``(*stack, ...)``.
    """

    values: Node
    index: Node
    stack: tuple[int, ...]
    own: bool

    @property
    def count(self) -> int:
        """How many rows are added to each table."""
        return math.prod(self.index.shape[len(self.stack) if self.own else 0 :])


def rows_of(node: Node) -> Rows | None:
    """The sum of rows that a kernel can do, which a node is; None if it is none."""
    if node.function is not scatter or not native(node.dtype) or node.dtype.kind != "f":
        return None
    values, shape = node.args[0], rows_shape(node)
    if shape is None or not isinstance(values, Node) or values.dtype != node.dtype or values.shape != shape:
        return None
    found = _indexed(node.kwargs["index"], node.shape)
    assert found is not None
    index, axis, own = found
    return Rows(values, index, node.shape[:axis], own)


def rows_shape(node: Node) -> tuple[int, ...] | None:
    """The shape of the rows that a scatter adds to a table; None if its index names no rows, or there are none."""
    parts = node.kwargs["index"]
    found = _indexed(parts, node.shape) if len(parts) == node.ndim else None
    if found is None:
        return None
    index, axis, own = found
    shape = (*(() if own else node.shape[:axis]), *index.shape, *node.shape[axis + 1 :])
    return None if 0 in shape or 0 in node.shape else shape


def _indexed(parts: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Node, int, bool] | None:
    """The integers of an index that names rows, their axis, and whether those of the axis before have their own."""
    chosen = [axis for axis, part in enumerate(parts) if isinstance(part, Node)]
    if not chosen or not all(_is_whole(part, n) for part, n in zip(parts, shape, strict=True)):
        return None
    axis = chosen[-1]
    index, own = parts[axis], len(chosen) > 1
    if own and (chosen != [0, 1] or not _counts(parts[0], index.shape) or index.shape[:1] != shape[:1]):
        return None
    return (index, axis, own) if _is_inside(index, shape[axis]) else None


def _counts(part: Node, shape: tuple[int, ...]) -> bool:
    """Whether a part of an index is the position on the first axis of a shape."""
    if not isinstance(part, Constant) or part.shape != (*shape[:1], *(1,) * (len(shape) - 1)):
        return False
    return np.array_equal(np.ravel(part.value), np.arange(part.size))


def _is_inside(index: Node, length: int) -> bool:
    """Whether integers are known to be positions on an axis, counted from its start."""
    if index.dtype.kind not in "iu" or not native(index.dtype):
        return False
    bounds = _bounds(index)
    return bounds is not None and bounds[0] >= 0 and bounds[1] < length


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
