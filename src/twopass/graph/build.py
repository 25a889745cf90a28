"""Making nodes of the few kinds that graphs in normal form are made of.

Each function gives the simplest node that has the value: none where an operand has it already.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass.core.operators import astype as _astype
from twopass.graph.ir import Constant, Input, Node, Type

__all__ = [
    "REDUCTIONS",
    "Builder",
    "axes_of",
    "has_dtype",
    "identity_of",
    "is_scalar_constant",
    "labels_of",
    "scalar_of",
    "static",
]

#: Reductions in normal form: ``function(a, axis=tuple)``.
REDUCTIONS = frozenset({np.sum, np.prod, np.max, np.min, np.any, np.all})


def static(value: Any) -> Any:
    """An argument that is no array to the function: constants as numbers and lists."""
    if isinstance(value, Constant):
        return value.value.tolist() if value.ndim else value.value.item()
    if isinstance(value, (list, tuple)):
        return type(value)([static(item) for item in value])
    return value


def scalar_of(node: Any) -> Any:
    """The number of which all elements of a node are known to be equal; None if that is not known."""
    while isinstance(node, Node) and node.function in (np.broadcast_to, np.reshape):
        node = node.args[0]
    if isinstance(node, Constant) and node.size == 1:
        return node.value.reshape(())[()]
    return None


def is_scalar_constant(node: Any, number: Any) -> bool:
    """Whether all elements of a node are known to be this number, with the sign of a zero."""
    value = scalar_of(node)
    if value is None or value != number:
        return False
    return value != 0 or value.dtype.kind not in "fc" or bool(np.signbit(value.real) == np.signbit(number))


def has_dtype(node: Node, dtype: np.dtype[Any]) -> bool:
    """Whether a node is an array of a dtype; Python numbers have none until they are converted."""
    return node.dtype == dtype and not (isinstance(node, Input) and node.weak)


def identity_of(function: Any, dtype: np.dtype[Any]) -> Any:
    """What a reduction gives for no elements."""
    if function in (np.sum, np.any):
        return dtype.type(0)
    if function in (np.prod, np.all):
        return dtype.type(1)
    low = function is np.max
    if dtype.kind == "f":
        return dtype.type(-np.inf if low else np.inf)
    if dtype.kind == "b":
        return np.bool_(not low)
    info = np.iinfo(dtype)
    return dtype.type(info.min if low else info.max)


def axes_of(node: Node) -> tuple[int, ...] | None:
    """The axes of a reduction in normal form; None for any other node."""
    axes = node.kwargs.get("axis")
    if node.function not in REDUCTIONS or len(node.args) != 1 or len(node.kwargs) != 1 or not isinstance(axes, tuple):
        return None
    return axes if all(axis >= 0 for axis in axes) and node.ndim == node.args[0].ndim - len(axes) else None


def labels_of(subscripts: str) -> tuple[list[str], str]:
    """The axes of the operands and of the result of a contraction in normal form."""
    inputs, output = subscripts.split("->")
    return inputs.split(","), output


class Builder:
    """Makes nodes that belong to one line of the user's code."""

    def __init__(self, line: str = "") -> None:
        self.line = line

    def node(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], type: Any, call: Any = None) -> Node:
        """Any node."""
        return Node(function, args, kwargs, type, call or function, self.line)

    def constant(self, value: Any, dtype: Any = None) -> Node:
        """A constant; the array must belong to nobody else."""
        return Constant.of(np.asarray(value, dtype))

    def full(self, shape: Sequence[int], value: Any, dtype: Any) -> Node:
        """An array of equal elements."""
        return self.broadcast_to(self.constant(value, dtype), shape)

    # --- structure ------------------------------------------------------------------------------------------------

    def transpose(self, a: Node, axes: Sequence[int]) -> Node:
        """``np.transpose`` with all axes."""
        axes = tuple(int(axis) for axis in axes)
        if a.function is np.transpose:
            return self.transpose(a.args[0], [a.args[1][axis] for axis in axes])
        if axes == tuple(range(a.ndim)):
            return a
        shape = tuple(a.shape[axis] for axis in axes)
        if all(n == 1 for n in a.shape) or _keeps_order(a.shape, axes):
            return self.reshape(a, shape)
        return self.node(np.transpose, (a, axes), {}, Type(shape, a.dtype))

    def reshape(self, a: Node, shape: Sequence[int]) -> Node:
        """``np.reshape`` in C order."""
        shape = tuple(int(n) for n in shape)
        if a.shape == shape:
            return a
        if a.function is np.reshape:
            return self.reshape(a.args[0], shape)
        if isinstance(a, Constant):
            return self.constant(a.value.reshape(shape))
        if a.function is np.broadcast_to and a.args[0].size == 1:
            return self.broadcast_to(self.reshape(a.args[0], ()), shape)
        return self.node(np.reshape, (a, shape), {}, Type(shape, a.dtype))

    def broadcast_to(self, a: Node, shape: Sequence[int]) -> Node:
        """``np.broadcast_to``."""
        shape = tuple(int(n) for n in shape)
        if a.shape == shape:
            return a
        if a.function is np.broadcast_to:
            return self.broadcast_to(a.args[0], shape)
        if isinstance(a, Constant) and a.size == 1:
            a = self.reshape(a, ())
        return self.node(np.broadcast_to, (a, shape), {}, Type(shape, a.dtype))

    def insert_axes(self, a: Node, places: Sequence[int]) -> Node:
        """`a` with axes of length 1, at these places of the result."""
        rest = iter(a.shape)
        ndim = a.ndim + len(places)
        return self.reshape(a, [1 if axis in places else next(rest) for axis in range(ndim)])

    def slices(self, a: Node, starts: Sequence[int], counts: Sequence[int], steps: Sequence[int]) -> Node:
        """Basic indexing, with start, number of elements and step for each axis."""
        parts = []
        for start, count, step in zip(starts, counts, steps, strict=True):
            stop = start + count * step
            parts.append(slice(start, None if stop < 0 else stop, step))
        whole = [slice(0, n, 1) for n in a.shape]
        if parts == whole:
            return a
        return self.node(operator.getitem, (a, tuple(parts)), {}, Type(tuple(counts), a.dtype))

    def cut(self, a: Node, axis: int, start: int, stop: int) -> Node:
        """A range of an axis."""
        starts, counts = [0] * a.ndim, list(a.shape)
        starts[axis], counts[axis] = start, stop - start
        return self.slices(a, starts, counts, [1] * a.ndim)

    def concatenate(self, parts: Sequence[Node], axis: int) -> Node:
        """``np.concatenate`` of operands of one dtype."""
        parts = [part for part in parts if part.shape[axis]] or list(parts[:1])
        if len(parts) == 1:
            return parts[0]
        shape = list(parts[0].shape)
        shape[axis] = sum(part.shape[axis] for part in parts)
        return self.node(np.concatenate, (parts, axis), {}, Type(tuple(shape), parts[0].dtype))

    # --- elements -------------------------------------------------------------------------------------------------

    def astype(self, a: Node, dtype: Any) -> Node:
        """``a.astype(dtype)``."""
        dtype = np.dtype(dtype)
        if has_dtype(a, dtype):
            return a
        if isinstance(a, Constant) and a.size == 1:
            with np.errstate(all="ignore"):
                return self.constant(a.value.astype(dtype))
        return self.node(_astype, (a, dtype), {}, Type(a.shape, dtype))

    def call(self, ufunc: np.ufunc, *operands: Node) -> Node:
        """A ufunc of operands that may have smaller shapes; they get the dtypes that the ufunc computes with."""
        loop = ufunc.resolve_dtypes((*(operand.dtype for operand in operands), None))
        cast = tuple(self.astype(operand, dtype) for operand, dtype in zip(operands, loop[:-1], strict=True))
        shape = np.broadcast_shapes(*(operand.shape for operand in cast))
        return self.node(ufunc, cast, {}, Type(shape, loop[-1]))

    def where(self, condition: Node, x: Node, y: Node) -> Node:
        """``np.where`` of a boolean condition and two branches of one dtype."""
        shape = np.broadcast_shapes(condition.shape, x.shape, y.shape)
        return self.node(np.where, (condition, x, y), {}, Type(shape, x.dtype))

    def nonzero(self, a: Node) -> Node:
        """Truth of each element."""
        return a if a.dtype.kind == "b" else self.call(np.not_equal, a, self.constant(0, a.dtype))

    # --- reductions and products ----------------------------------------------------------------------------------

    def reduce(self, function: Any, a: Node, axes: Sequence[int], keepdims: bool = False) -> Node:
        """A reduction over some axes, in the dtype of the operand."""
        axes = tuple(sorted(axes))
        shape = tuple(n for axis, n in enumerate(a.shape) if axis not in axes)
        if all(a.shape[axis] == 1 for axis in axes):
            reduced = self.reshape(a, shape)
        else:
            reduced = self.node(function, (a,), {"axis": axes}, Type(shape, a.dtype))
        return self.insert_axes(reduced, axes) if keepdims else reduced

    def einsum(self, subscripts: str, a: Node, b: Node) -> Node:
        """A contraction in normal form: no letter twice in one operand, none in one operand alone, equal lengths."""
        (left, right), output = labels_of(subscripts)
        sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
        shape = tuple(sizes[letter] for letter in output)
        return self.node(np.einsum, (subscripts, a, b), {}, Type(shape, a.dtype))


def _keeps_order(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether a permutation moves nothing but axes of length 1."""
    long = [axis for axis in axes if shape[axis] != 1]
    return long == sorted(long)
