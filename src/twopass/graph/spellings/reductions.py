"""Reductions over axes.

In normal form these are ``function(a, axis=tuple)``, in the dtype of the operand, with the axes counted from the first
and in order; a mask, an initial value and kept axes are other nodes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from twopass.graph.build import Builder, identity_of, static
from twopass.graph.ir import Node
from twopass.graph.spellings.table import as_node, bind, spelling

_JOIN = {np.sum: np.add, np.prod: np.multiply, np.max: np.maximum, np.min: np.minimum}


def _axes(axis: Any, a: Node) -> tuple[int, ...]:
    axis = static(axis)
    if axis is None:
        return tuple(range(a.ndim))
    # A number without axes counts as a vector.
    return tuple(number for number in normalize_axis_tuple(axis, max(a.ndim, 1)) if number < a.ndim)


def _masked(a: Node, where: Any, instead: Any, builder: Builder) -> Node:
    """The operand with the elements that a mask leaves out replaced."""
    if where is True:
        return a
    mask = builder.nonzero(as_node(where, builder))
    return builder.broadcast_to(builder.where(mask, a, builder.constant(instead, a.dtype)), a.shape)


@spelling("sum", "prod", "max", "min", "amax", "amin")
def _reduction(node: Node, builder: Builder) -> Node | None:
    function = {np.amax: np.max, np.amin: np.min}.get(node.function, node.function)
    if function in (np.sum, np.prod):
        names: dict[str, Any] = {"axis": None, "dtype": None, "out": None, "keepdims": False}
    else:
        names = {"axis": None, "out": None, "keepdims": False}
    given = bind(node, "a", **names, initial=None, where=True)
    if node.dtype == np.float16 or (node.dtype.kind == "c" and function in (np.max, np.min)):
        return None  # NumPy has ways of its own for these
    a = builder.astype(as_node(given["a"], builder), node.dtype)
    initial = given["initial"]
    start = identity_of(function, node.dtype)
    axes = _axes(given["axis"], a)
    if function in (np.max, np.min) and initial is None and any(a.shape[axis] == 0 for axis in axes):
        return None
    reduced = builder.reduce(function, _masked(a, given["where"], start, builder), axes, bool(given["keepdims"]))
    if initial is None or (not isinstance(initial, Node) and initial == start):
        return reduced
    return builder.call(_JOIN[function], reduced, as_node(initial, builder, node.dtype))


@spelling("mean")
def _mean(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", axis=None, dtype=None, out=None, keepdims=False, where=True)
    if node.dtype not in (np.float32, np.float64):
        return None
    a = as_node(given["a"], builder)
    if a.dtype == np.float16:
        return None
    a, axes, keep = builder.astype(a, node.dtype), _axes(given["axis"], a), bool(given["keepdims"])
    total = builder.reduce(np.sum, _masked(a, given["where"], 0, builder), axes, keep)
    if given["where"] is True:
        count = builder.constant(math.prod(a.shape[axis] for axis in axes), node.dtype)
    else:
        mask = builder.broadcast_to(builder.nonzero(as_node(given["where"], builder)), a.shape)
        count = builder.reduce(np.sum, builder.astype(mask, node.dtype), axes, keep)
    return builder.call(np.true_divide, total, count)


@spelling("any", "all")
def _truth(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", axis=None, out=None, keepdims=False, where=True)
    a = builder.nonzero(as_node(given["a"], builder))
    a = _masked(a, given["where"], node.function is np.all, builder)
    return builder.reduce(node.function, a, _axes(given["axis"], a), bool(given["keepdims"]))


@spelling("count_nonzero")
def _count_nonzero(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", axis=None, keepdims=False)
    a = builder.astype(builder.nonzero(as_node(given["a"], builder)), node.dtype)
    return builder.reduce(np.sum, a, _axes(given["axis"], a), bool(given["keepdims"]))


@spelling("argmax", "argmin")
def _place_of_extreme(node: Node, builder: Builder) -> Node | None:
    """``function(a, axis=int)``."""
    given = bind(node, "a", axis=None, out=None, keepdims=False)
    a, axis = as_node(given["a"], builder), static(given["axis"])
    if axis is None:
        a, axis = builder.reshape(a, (a.size,)), 0
    axis = normalize_axis_index(axis, max(a.ndim, 1))
    a = a if a.ndim else builder.reshape(a, (1,))
    shape = a.shape[:axis] + a.shape[axis + 1 :]
    place = builder.node(node.function, (a,), {"axis": axis}, node.type._replace(shape=shape))
    return builder.reshape(place, node.shape)
