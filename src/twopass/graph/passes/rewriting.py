"""What the passes share: going through a graph from its inputs to its outputs, replacing nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from twopass.graph.ir import Constant, Graph, Input, Node, substitute

__all__ = ["Pass", "Rewrite", "bodies", "count_uses", "rewrite", "with_operands"]

#: A pass gives a graph that computes the same.
Pass = Callable[[Graph], Graph]
#: What to put in the place of a node, whose operands have been replaced already; the node itself to keep it. It also
#: gets the node as it was.
Rewrite = Callable[[Node, Node], Node]


def rewrite(graph: Graph, change: Rewrite) -> Graph:
    """A graph with each node replaced; so are the nodes of the graphs among the arguments (bodies of loops)."""
    done: dict[int, Node] = {}

    def replacement(node: Node) -> Node:
        return done[id(node)]

    def inner(body: Graph) -> Graph:
        return rewrite(body, change)

    for node in graph.nodes():
        if isinstance(node, Input):
            done[id(node)] = node
        elif isinstance(node, Constant):
            done[id(node)] = change(node, node)
        else:
            done[id(node)] = change(with_operands(node, replacement, inner), node)
    if all(done[id(output)] is output for output in graph.outputs):
        return graph
    return Graph(graph.inputs, tuple(done[id(output)] for output in graph.outputs))


def with_operands(
    node: Node, replacement: Callable[[Node], Node], inner: Callable[[Graph], Graph] = lambda body: body
) -> Node:
    """A node with other operands; the node itself if they are the same."""
    args, kwargs = node.args, node.kwargs
    changed = False
    for operand in node.operands:
        if replacement(operand) is not operand:
            changed = True
            break
    if changed:
        args = substitute(args, replacement)
        kwargs = substitute(dict(kwargs), replacement) if kwargs else kwargs
    for key, body in bodies(node) if kwargs else ():
        made = inner(body)
        if made is not body:
            changed, kwargs = True, {**kwargs, key: made}
    return Node(node.function, args, kwargs, node.type, node.call, node.line) if changed else node


def count_uses(graph: Graph) -> Counter[int]:
    """How often each node is read, by identity; also in the bodies of loops."""
    uses = Counter(id(output) for output in graph.outputs)
    for node in graph.nodes():
        uses.update(id(operand) for operand in node.operands)
        for _, body in bodies(node):
            uses.update(count_uses(body))
    return uses


def bodies(node: Node) -> list[tuple[str, Graph]]:
    """The graphs among the keyword arguments of a node."""
    found: list[tuple[str, Any]] = [(key, value) for key, value in node.kwargs.items() if isinstance(value, Graph)]
    return found
