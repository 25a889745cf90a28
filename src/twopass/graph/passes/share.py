"""Common subexpressions: the same call of the same operands is made once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Graph, Input, Node
from twopass.graph.passes.rewriting import rewrite

__all__ = ["share"]

#: Constants of up to so many bytes are compared by value.
_SMALL = 1 << 16


def share(graph: Graph) -> Graph:
    """Replace each call by an equal earlier one."""
    known: dict[Hashable, Node] = {}

    def first(node: Node, _original: Node) -> Node:
        return known.setdefault(_key(node, _Names()), node)

    return rewrite(graph, first)


class _Names:
    """What tells operands apart: themselves, but within the body of a loop their place in it."""

    def __init__(self, body: Graph | None = None) -> None:
        self.places = {} if body is None else {id(node): place for place, node in enumerate(body.nodes())}

    def of(self, node: Node) -> Hashable:
        """The name of an operand."""
        place = self.places.get(id(node))
        return ("node", id(node)) if place is None else ("place", place)


def _key(node: Node, names: _Names) -> Hashable:
    if isinstance(node, Constant):
        if node.value.nbytes <= _SMALL:
            return ("constant", node.shape, node.dtype.str, node.value.tobytes())
        return ("constant", id(node.value))
    if isinstance(node, Input):
        return names.of(node)
    keywords = _frozen(dict(node.kwargs), names) if node.kwargs else None
    return (node.function, node.call, _frozen(node.args, names), keywords, node.type)


def _frozen(value: Any, names: _Names) -> Hashable:
    """An argument as something that can be compared; numbers by their bits."""
    if isinstance(value, Node):
        return names.of(value)
    if isinstance(value, Graph):
        inner = _Names(value)
        return ("graph", *(_key(node, inner) for node in value.nodes()), *(inner.of(node) for node in value.outputs))
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, *(_frozen(item, names) for item in value))
    if isinstance(value, dict):
        return ("dict", *((key, _frozen(item, names)) for key, item in value.items()))
    if isinstance(value, slice):
        return ("slice", value.start, value.stop, value.step)
    if isinstance(value, (float, complex)):
        return (type(value).__name__, np.asarray(value).tobytes())
    return (type(value).__name__, value if isinstance(value, Hashable) else id(value))
