"""The interpreter: a graph's meaning is what NumPy computes when its calls are made one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Graph, Input, Node, substitute

__all__ = ["evaluate"]


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
    nodes = graph.nodes()
    uses = Counter(id(operand) for node in nodes for operand in node.operands)
    uses.update(id(output) for output in graph.outputs)
    known: dict[int, Any] = {id(node): value for node, value in zip(graph.inputs, values, strict=True)}
    with np.errstate(all="ignore"):
        for node in nodes:
            if not isinstance(node, Input):
                known[id(node)] = _compute(node, known)
                _forget(node, uses, known)
    return [known[id(output)] for output in graph.outputs]


def _compute(node: Node, known: dict[int, Any]) -> Any:
    if isinstance(node, Constant):
        return node.value

    def value(operand: Node) -> Any:
        return known[id(operand)]

    return node.call(*substitute(node.args, value), **substitute(dict(node.kwargs), value))


def _forget(node: Node, uses: Counter[int], known: dict[int, Any]) -> None:
    """Let go of the values that no later node reads."""
    for operand in node.operands:
        uses[id(operand)] -= 1
        if not uses[id(operand)]:
            known.pop(id(operand), None)
