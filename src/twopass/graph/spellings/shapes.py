"""Moving elements: shapes, orders of axes, repetitions, joining.

In normal form these are ``transpose(a, axes)``, ``reshape(a, shape)``, ``broadcast_to(a, shape)``, basic indexing, and
``concatenate(parts, axis)`` of parts of one dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from twopass.graph.build import Builder, static
from twopass.graph.ir import Node
from twopass.graph.spellings.table import as_node, bind, resolvable, spelling

__all__ = ["diagonal", "flip", "padded"]

# --- shapes and orders of axes ----------------------------------------------------------------------------------------


@spelling("reshape", "ravel", "squeeze", "expand_dims", "flatten")
def _reshape(node: Node, builder: Builder) -> Node | None:
    a, order = as_node(node.args[0], builder), "C"
    if node.function in (np.reshape, np.ravel):
        names: dict[str, Any] = {"shape": None, "order": "C"} if node.function is np.reshape else {"order": "C"}
        order = bind(node, "a", **names, copy=None)["order"] or "C"
    if order.upper() == "F" or (order.upper() != "C" and a.ndim > 1):
        turned = builder.reshape(_reversed(a, builder), node.shape[::-1])
        return _reversed(turned, builder) if order.upper() == "F" else None
    return builder.reshape(a, node.shape)


def _reversed(a: Node, builder: Builder) -> Node:
    return builder.transpose(a, range(a.ndim)[::-1])


@spelling("transpose")
def _transpose(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", axes=None)
    a, axes = as_node(given["a"], builder), static(given["axes"])
    return _reversed(a, builder) if axes is None else builder.transpose(a, normalize_axis_tuple(axes, a.ndim))


@spelling("broadcast_to")
def _broadcast_to(node: Node, builder: Builder) -> Node | None:
    return builder.broadcast_to(as_node(node.args[0], builder), node.shape)


@spelling("zeros_like", "empty_like")
def _zeros_like(node: Node, builder: Builder) -> Node | None:
    return builder.full(node.shape, 0, node.dtype)


@spelling("ones_like")
def _ones_like(node: Node, builder: Builder) -> Node | None:
    return builder.full(node.shape, 1, node.dtype)


# --- diagonals --------------------------------------------------------------------------------------------------------


def diagonal(a: Node, builder: Builder, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Node:
    """``np.diagonal``: in a matrix read row by row, the elements of a diagonal are at equal distances."""
    axis1, axis2 = normalize_axis_tuple((axis1, axis2), a.ndim)
    rest = [axis for axis in range(a.ndim) if axis not in (axis1, axis2)]
    shape = [a.shape[axis] for axis in rest]
    rows, columns = a.shape[axis1], a.shape[axis2]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    start = offset if offset >= 0 else -offset * columns
    flat = builder.reshape(builder.transpose(a, [*rest, axis1, axis2]), [*shape, rows * columns])
    if not count:
        return builder.full([*shape, 0], 0, a.dtype)
    return builder.slices(flat, [0] * len(rest) + [start], [*shape, count], [1] * len(rest) + [columns + 1])


@spelling("diagonal")
def _diagonal(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", offset=0, axis1=0, axis2=1)
    a = as_node(given.pop("a"), builder)
    return diagonal(a, builder, **{name: static(value) for name, value in given.items()})


# --- joining ----------------------------------------------------------------------------------------------------------


def _parts(values: Sequence[Any], node: Node, builder: Builder) -> list[Node] | None:
    dtype = np.result_type(*(resolvable(value) for value in values))
    return [as_node(value, builder, dtype) for value in values] if dtype == node.dtype else None


@spelling("concatenate")
def _concatenate(node: Node, builder: Builder) -> Node | None:
    if isinstance(node.args[0], (list, tuple)):
        values, axis = node.args[0], node.args[1] if len(node.args) > 1 else node.kwargs.get("axis", 0)
    else:
        values, axis = node.args, node.kwargs["axis"]  # our own, of separate operands
    parts = _parts(values, node, builder)
    if parts is None or axis is None:
        return None
    return builder.concatenate(parts, normalize_axis_index(static(axis), node.ndim))


@spelling("stack")
def _stack(node: Node, builder: Builder) -> Node | None:
    parts = _parts(node.args, node, builder)
    if parts is None:
        return None
    axis = normalize_axis_index(static(node.kwargs["axis"]), node.ndim)
    return builder.concatenate([builder.insert_axes(part, [axis]) for part in parts], axis)


# --- repeating, shifting, padding -------------------------------------------------------------------------------------


def flip(a: Node, axis: int, builder: Builder) -> Node:
    """The elements of an axis in reverse order."""
    starts, steps = [0] * a.ndim, [1] * a.ndim
    starts[axis], steps[axis] = a.shape[axis] - 1, -1
    return builder.slices(a, starts, a.shape, steps) if a.shape[axis] else a


@spelling("roll")
def _roll(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", "shift", axis=None)
    a, shift, axis = as_node(given["a"], builder), static(given["shift"]), static(given["axis"])
    if isinstance(given["shift"], Node) and not np.isscalar(shift) and not isinstance(shift, (list, tuple)):
        return None
    if axis is None:
        if not isinstance(shift, int):
            shift = int(np.sum(shift))
        return builder.reshape(_rolled(builder.reshape(a, (a.size,)), shift, 0, builder), a.shape)
    for n, place in zip(*map(np.ravel, np.broadcast_arrays(shift, axis)), strict=True):
        a = _rolled(a, int(n), normalize_axis_index(int(place), a.ndim), builder)
    return a


def _rolled(a: Node, shift: int, axis: int, builder: Builder) -> Node:
    length = a.shape[axis]
    split = -shift % length if length else 0
    return builder.concatenate([builder.cut(a, axis, split, length), builder.cut(a, axis, 0, split)], axis)


@spelling("repeat")
def _repeat(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", "repeats", axis=None)
    a, repeats, axis = as_node(given["a"], builder), np.ravel(static(given["repeats"])), static(given["axis"])
    if axis is None or a.ndim == 0:
        a, axis = builder.reshape(a, (a.size,)), axis or 0
    axis = normalize_axis_index(axis, a.ndim)
    if repeats.dtype.kind not in "iu" or repeats.size != 1:
        return None
    wide = builder.insert_axes(a, [axis + 1])
    shape = [*a.shape[: axis + 1], int(repeats[0]), *a.shape[axis + 1 :]]
    return builder.reshape(builder.broadcast_to(wide, shape), node.shape)


@spelling("tile")
def _tile(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "A", "reps")
    a = as_node(given["A"], builder)
    reps = [int(n) for n in np.atleast_1d(np.asarray(static(given["reps"]), np.intp))]
    ndim = max(a.ndim, len(reps))
    reps = [1] * (ndim - len(reps)) + reps
    lengths = [1] * (ndim - a.ndim) + list(a.shape)
    apart = builder.reshape(a, [n for length in lengths for n in (1, length)])
    shape = [n for pair in zip(reps, lengths, strict=True) for n in pair]
    return builder.reshape(builder.broadcast_to(apart, shape), node.shape)


def padded(a: Node, widths: Sequence[tuple[int, int]], builder: Builder) -> Node:
    """An array with zeros around it."""
    for axis, (before, after) in enumerate(widths):
        borders = []
        for width in (before, after):
            shape = (*a.shape[:axis], width, *a.shape[axis + 1 :])
            borders.append(builder.full(shape, 0, a.dtype))
        a = builder.concatenate([borders[0], a, borders[1]], axis)
    return a


@spelling("pad_zeros")
def _pad_zeros(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", "widths")
    return padded(as_node(given["a"], builder), [tuple(width) for width in static(given["widths"])], builder)
