"""Rewriting a graph for kernels: products that are better sums, sums that are better cut."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from twopass.graph.ir import Graph, Input, Node, Type, substitute
from twopass.program.lower.classify import Einsum, einsum_of, is_reduction

__all__ = ["prepare"]

#: Above this many elements a sum of all is cut into partial sums, which are tasks for several threads.
_LONG = 1 << 15
#: Elements of a partial sum, at most.
_PART = 1 << 12


def prepare(graph: Graph) -> Graph:
    """The graph with some nodes expanded into others that make better kernels."""
    made: dict[int, Node] = {}
    for node in graph.nodes():
        fresh = node if isinstance(node, Input) else _rebuilt(node, made)
        einsum = einsum_of(fresh)
        if einsum is not None and len(einsum.summed) > 1:
            fresh = _joined_sums(fresh, einsum)
            einsum = einsum_of(fresh)
        if einsum is not None:
            fresh = _expanded_product(fresh, einsum)
        elif is_reduction(fresh):
            fresh = _cut(fresh)
        made[id(node)] = fresh
    return Graph(graph.inputs, tuple(made[id(node)] for node in graph.outputs))


def _rebuilt(node: Node, made: dict[int, Node]) -> Node:
    """The node on the rewritten operands; itself if none was."""
    if all(made[id(operand)] is operand for operand in node.operands):
        return node

    def replacement(old: Node) -> Node:
        return made[id(old)]

    args, kwargs = substitute(node.args, replacement), substitute(dict(node.kwargs), replacement)
    return Node(node.function, args, kwargs, node.type, node.call, node.line)


def _node(like: Node, function: Callable[..., object], *args: object, shape: tuple[int, ...], **kwargs: object) -> Node:
    return Node(function, args, kwargs, Type(shape, like.dtype), function, like.line)


def _expanded_product(node: Node, einsum: Einsum) -> Node:
    """Outer products as broadcast products; products with a vector, and short ones, as sums of products."""
    own_left, own_right = einsum.own(einsum.left), einsum.own(einsum.right)
    lengths = dict(zip(einsum.left, node.args[1].shape, strict=True))
    lengths |= dict(zip(einsum.right, node.args[2].shape, strict=True))
    summed = einsum.summed
    length = math.prod(lengths[c] for c in summed)
    narrow = min(math.prod(lengths[c] for c in own) for own in (own_left, own_right)) == 1
    along = summed[-1:] == [einsum.left[-1]] == [einsum.right[-1]]
    vector = narrow and (along or not (own_left or own_right) or 0 in lengths.values())
    if length > 1 and not vector:
        return node
    axes = einsum.result + "".join(summed)
    shape = tuple(lengths[c] for c in axes)
    left = _spread(node, node.args[1], einsum.left, axes)
    right = _spread(node, node.args[2], einsum.right, axes)
    product = _node(node, np.multiply, left, right, shape=shape)
    if not summed:
        return product
    axis = tuple(range(len(einsum.result), len(axes)))
    return _cut(_node(node, np.sum, product, shape=node.shape, axis=axis))


def _joined_sums(node: Node, einsum: Einsum) -> Node:
    """A product summed over several axes, with these joined to one."""
    summed = "".join(einsum.summed)
    operands, sides = [], []
    for operand, letters in zip(node.args[1:], (einsum.left, einsum.right), strict=True):
        turned, own = operand, letters
        if summed not in letters:
            own = "".join(c for c in letters if c not in summed) + summed
            order = tuple(letters.index(c) for c in own)
            turned = _node(operand, np.transpose, operand, shape=tuple(operand.shape[a] for a in order), axes=order)
        first = own.index(summed)
        joined = math.prod(turned.shape[first : first + len(summed)])
        shape = (*turned.shape[:first], joined, *turned.shape[first + len(summed) :])
        operands.append(_node(operand, np.reshape, turned, shape, shape=shape))
        sides.append(own.replace(summed, summed[0]))
    return _node(node, np.einsum, f"{sides[0]},{sides[1]}->{einsum.result}", *operands, shape=node.shape)


def _spread(node: Node, operand: Node, letters: str, axes: str) -> Node:
    """An operand with its axes in the order of `axes`, and length 1 for those that it lacks."""
    order = sorted(range(len(letters)), key=lambda axis: axes.index(letters[axis]))
    turned = operand
    if order != list(range(len(order))):
        turned = _node(node, np.transpose, operand, shape=tuple(operand.shape[a] for a in order), axes=tuple(order))
    lengths = dict(zip(letters, operand.shape, strict=True))
    shape = tuple(lengths.get(c, 1) for c in axes)
    return turned if shape == turned.shape else _node(node, np.reshape, turned, shape, shape=shape)


def _cut(node: Node) -> Node:
    """A long sum (or product, or extreme) of all elements as one of partial ones; see `_LONG`."""
    operand = node.args[0]
    if node.shape != () or operand.size < _LONG:
        return node
    flat = operand
    if operand.ndim > 1:
        # The last axes are one part each, if their length is fit. Otherwise all is taken in a row, which takes a copy
        # of what is computed for it, or is in panels.
        part = math.prod(operand.shape[1:])
        if _PART // 64 <= part <= 4 * _PART:
            partial = _node(node, node.function, operand, shape=operand.shape[:1], axis=tuple(range(1, operand.ndim)))
            return _node(node, node.function, partial, shape=(), axis=(0,))
        flat = _node(operand, np.reshape, operand, (operand.size,), shape=(operand.size,))
    part = max((d for d in range(1, _PART + 1) if flat.size % d == 0), default=1)
    if part < _PART // 16:
        return node
    rows = _node(operand, np.reshape, flat, (flat.size // part, part), shape=(flat.size // part, part))
    partial = _node(node, node.function, rows, shape=(flat.size // part,), axis=(1,))
    return _node(node, node.function, partial, shape=(), axis=(0,))
