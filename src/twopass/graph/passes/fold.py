"""Constant folding: what is computed from constants alone is computed now."""

from __future__ import annotations

import numpy as np

from twopass.graph.build import Builder
from twopass.graph.ir import Constant, Graph, Input, Node, Type, pick, substitute
from twopass.graph.passes.rewriting import bodies, rewrite

__all__ = ["LIMIT", "fold"]

#: Bytes that a folded constant may have.
LIMIT = 1 << 20


def fold(graph: Graph) -> Graph:
    """Replace calls whose operands are all constants by their results, unless those are large.

    A `broadcast_to` stays: it says that elements are equal.
    """
    return rewrite(graph, _folded)


def _folded(node: Node, _original: Node) -> Node:
    if isinstance(node, (Input, Constant)) or node.function in (np.broadcast_to, pick) or bodies(node):
        return node
    operands = node.operands
    if not isinstance(node.type, Type) or not all(isinstance(operand, Constant) for operand in operands):
        return node
    if node.size * node.dtype.itemsize > LIMIT:
        return node
    args, kwargs = substitute(node.args, _value), substitute(dict(node.kwargs), _value)
    with np.errstate(all="ignore"):
        value = node.call(*args, **kwargs)
    return Builder(node.line).constant(np.array(value))


def _value(node: Node) -> object:
    assert isinstance(node, Constant)
    return node.value
