"""What the nodes of a graph are to a machine."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from twopass.graph.ir import Constant, Input, Node, astype
from twopass.program.lower.storage import IndexMap, is_trivial_reshape
from twopass.program.scalar import BY_FUNCTION, DTYPES, result_dtype

__all__ = [
    "REDUCTIONS",
    "Einsum",
    "Scalar",
    "affine",
    "argument",
    "axes_of",
    "einsum_of",
    "is_leaf",
    "is_reduction",
    "is_view",
    "map_through",
    "native",
    "scalar_of",
    "slices",
    "source",
    "takes_copy",
]

REDUCTIONS = {
    np.sum: "add.reduce",
    np.prod: "multiply.reduce",
    np.max: "maximum.reduce",
    np.min: "minimum.reduce",
    np.any: "maximum.reduce",  # of truth values
    np.all: "minimum.reduce",
}


def native(dtype: Any) -> bool:
    """Whether kernels compute with elements of a type."""
    return np.dtype(dtype) in DTYPES


def is_leaf(node: Node) -> bool:
    """Whether a node has no operands to compute it from."""
    return isinstance(node, (Input, Constant))


def slices(node: Node) -> tuple[list[int], list[int]] | None:
    """Starts and steps of basic indexing in its normal form: one slice for each axis."""
    index = node.args[1]
    if not isinstance(index, tuple) or len(index) != node.args[0].ndim:
        return None
    if not all(isinstance(item, slice) and isinstance(item.start, int) for item in index):
        return None
    return [item.start for item in index], [1 if item.step is None else item.step for item in index]


def is_view(node: Node) -> bool:
    """Whether the result's elements are the operand's, found at other indices."""
    if node.function in (np.transpose, np.reshape, np.broadcast_to):
        return isinstance(node.args[0], Node)
    return node.function is operator.getitem and isinstance(node.args[0], Node) and slices(node) is not None


def takes_copy(node: Node) -> bool:
    """Whether a view is a reshape that only an array which is contiguous can be given."""
    return node.function is np.reshape and not is_trivial_reshape(node.args[0].shape, node.shape)


def map_through(view: Node, index: IndexMap, rank: int) -> IndexMap:
    """Which element of a view's operand an element of the view is; for views that take no copy."""
    operand = view.args[0]
    if view.function is np.transpose:
        return index.transposed(axes_of(view))
    if view.function is np.reshape:
        return index.reshaped(operand.shape, view.shape, rank)
    if view.function is np.broadcast_to:
        return index.broadcast(operand.shape, view.shape, rank)
    found = slices(view)
    assert found is not None
    return index.sliced(*found)


def source(node: Node) -> Node:
    """What a view, or a view of a view, is a view of."""
    while is_view(node):
        node = node.args[0]
    return node


class Scalar(NamedTuple):
    """The operator that an elementwise node is, and the dtypes that it takes its operands in."""

    name: str
    operands: tuple[Any, ...]
    dtypes: tuple[np.dtype[Any], ...]


def scalar_of(node: Node) -> Scalar | None:
    """The operator by which a kernel computes an element of a node; None if no kernel does."""
    if is_leaf(node) or not hasattr(node.type, "shape") or not native(node.dtype):
        return None
    if node.function is astype:
        operand = node.args[0]
        return Scalar("astype", (operand,), (_dtype(operand),)) if native(_dtype(operand)) else None
    name = BY_FUNCTION.get(node.function)
    if name is None or node.kwargs or not all(_is_number(operand) for operand in node.args):
        return None
    dtypes = _resolved(node)
    if dtypes is None or result_dtype(name, dtypes) != node.dtype:
        return None
    return Scalar(name, node.args, dtypes)


def _is_number(operand: Any) -> bool:
    if isinstance(operand, Node):
        return hasattr(operand.type, "shape") and native(operand.dtype)
    return isinstance(operand, (bool, int, float, np.generic)) and native(_dtype(operand))


def _dtype(operand: Any) -> np.dtype[Any]:
    return operand.dtype if isinstance(operand, Node) else np.result_type(operand)


def _resolved(node: Node) -> tuple[np.dtype[Any], ...] | None:
    """The dtypes that NumPy converts the operands of a function to before it computes."""
    if node.function is np.where:
        return (np.dtype(bool), node.dtype, node.dtype) if len(node.args) == 3 else None
    # Python's numbers are "weak": they take the dtype of the other operands.
    kinds = [type(operand) if type(operand) in (int, float) else _dtype(operand) for operand in node.args]
    try:
        resolved = node.function.resolve_dtypes((*kinds, *(None,) * node.function.nout))  # type: ignore[attr-defined]
    except (TypeError, AttributeError):
        return None
    return tuple(resolved[: len(node.args)])


def argument(node: Node, place: int, name: str) -> Any:
    """An argument, however it was passed."""
    return node.args[place] if len(node.args) > place else node.kwargs[name]


def axes_of(node: Node) -> tuple[int, ...]:
    """The axes of a transpose or a reduction."""
    axes = argument(node, 1, "axes" if node.function is np.transpose else "axis")
    return tuple(axes)


def is_reduction(node: Node) -> bool:
    """Whether a node is a sum, product or extreme over some axes, in its normal form."""
    if node.function not in REDUCTIONS or not isinstance(node.args[0], Node):
        return False
    operand, keywords = node.args[0], dict(node.kwargs)
    axis = node.args[1] if len(node.args) > 1 else keywords.pop("axis", None)
    if keywords.pop("keepdims", False) or keywords or len(node.args) > 2 or not isinstance(axis, tuple):
        return False
    if node.function in (np.max, np.min) and 0 in operand.shape:
        return False  # NumPy has something to say about it
    return native(node.dtype) and native(operand.dtype) and len(axis) > 0


@dataclass(frozen=True)
class Einsum:
    """A contraction of two operands: letters of their axes, and of the result's."""

    left: str
    right: str
    result: str

    @property
    def summed(self) -> list[str]:
        """Axes of both operands and not of the result."""
        return [c for c in self.left if c in self.right and c not in self.result]

    def own(self, side: str) -> list[str]:
        """Axes that only one operand and the result have."""
        other = self.right if side == self.left else self.left
        return [c for c in self.result if c in side and c not in other]


def einsum_of(node: Node) -> Einsum | None:
    """The contraction that a node is; None if it is none that kernels do."""
    if node.function is not np.einsum or len(node.args) != 3 or not isinstance(node.args[0], str) or node.kwargs:
        return None
    if not all(isinstance(operand, Node) for operand in node.args[1:]) or node.dtype not in (np.float32, np.float64):
        return None
    operands, arrow, result = node.args[0].replace(" ", "").partition("->")
    sides = operands.split(",")
    if not arrow or len(sides) != 2 or any(len(set(side)) != len(side) for side in (*sides, result)):
        return None
    left, right = sides
    alone = [c for c in left + right if (c in left) != (c in right) and c not in result]
    if alone or any(operand.dtype != node.dtype for operand in node.args[1:]):
        return None
    return Einsum(left, right, result)


def affine(value: Any) -> tuple[int, tuple[int, ...]] | None:
    """Start and strides of an integer array whose elements are affine in their positions, modulo its width.

    Examples
    --------
    >>> affine(np.arange(6).reshape(2, 3)), affine(np.array([0, 1, 3]))
    ((0, (3, 1)), None)
    """
    if value.dtype.kind not in "iu" or value.size == 0:
        return None
    words = value.astype(np.uint64) if value.dtype.kind == "u" else value.astype(np.int64).view(np.uint64)
    start = int(words[(0,) * value.ndim])
    strides = []
    made = np.full(value.shape, start, np.uint64)
    for axis, length in enumerate(value.shape):
        one = tuple(int(i == axis) for i in range(value.ndim))
        step = (int(words[one]) - start) % 2**64 if length > 1 else 0
        along = np.arange(length, dtype=np.uint64) * np.uint64(step)
        made += along.reshape([-1 if i == axis else 1 for i in range(value.ndim)])
        strides.append(step)
    if not np.array_equal(made, words):
        return None
    return start, tuple(strides)
