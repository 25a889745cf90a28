"""The interpreter: a graph's meaning is what NumPy computes when its calls are made one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Graph, Input, Node, substitute

__all__ = ["evaluate", "steps"]


def evaluate(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """Compute the outputs of a graph.

    Every node is a NumPy call, so the values may be whatever NumPy takes, traced arrays included: a graph can be
    differentiated, or captured into another one.

    Parameters
    ----------
    graph : Graph
        What to compute.
    values : sequence
        One for each input.
    """
    wanted = {id(output) for output in graph.outputs}
    found = {id(node): value for node, value in steps(graph, values) if id(node) in wanted}
    return [found[id(output)] for output in graph.outputs]


def steps(graph: Graph, values: Sequence[Any]) -> Iterator[tuple[Node, Any]]:
    """Compute a graph node by node; what no later node reads is let go."""
    nodes = graph.nodes()
    uses = Counter(id(operand) for node in nodes for operand in node.operands)
    known: dict[int, Any] = {id(node): value for node, value in zip(graph.inputs, values, strict=True)}
    for node in nodes:
        if not isinstance(node, Input):
            with np.errstate(all="ignore"):
                known[id(node)] = _compute(node, known)
        yield node, known[id(node)]
        for operand in node.operands:
            uses[id(operand)] -= 1
            if not uses[id(operand)]:
                known.pop(id(operand), None)
        if not uses[id(node)]:
            known.pop(id(node), None)


def _compute(node: Node, known: dict[int, Any]) -> Any:
    if isinstance(node, Constant):
        return node.value

    def value(operand: Node) -> Any:
        return known[id(operand)]

    return node.call(*substitute(node.args, value), **substitute(dict(node.kwargs), value))
