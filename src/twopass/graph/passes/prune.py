"""What loops compute for nobody: results that are not read, operands that are not used, carries that never change.

(Elsewhere there is nothing to do: a graph is what its outputs reach.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twopass.graph.ir import Graph, Input, Node, pick
from twopass.graph.passes.rewriting import bodies, rewrite
from twopass.graph.scan import Loop, scan

__all__ = ["prune"]


def prune(graph: Graph) -> Graph:
    """Drop from each loop what it carries, collects and takes in vain."""
    while True:
        smaller = _pruned_once(graph)
        if smaller is graph:
            return graph
        graph = smaller  # what an outer loop does not ask for, an inner one need not give


def _pruned_once(graph: Graph) -> Graph:
    read: dict[int, set[int]] = {}
    _note_picks(graph, read)
    #: For each smaller loop, what its results are now: a number, or a node from outside.
    results: dict[int, dict[int, int | Node]] = {}

    def change(node: Node, original: Node) -> Node:
        if node.function is scan:
            node, found = _pruned_loop(node, read.get(id(original), set()))
            results[id(node)] = found
        elif node.function is pick and id(node.args[0]) in results:
            loop, number = node.args
            result = results[id(loop)].get(number, number)
            if isinstance(result, Node):
                return result
            return node if result == number else Node(pick, (loop, result), {}, node.type, pick, node.line)
        return node

    return rewrite(graph, change)


def _note_picks(graph: Graph, read: dict[int, set[int]]) -> None:
    """Which results of each loop are read."""
    for node in graph.nodes():
        if node.function is pick:
            read.setdefault(id(node.args[0]), set()).add(node.args[1])
        for _, body in bodies(node):
            _note_picks(body, read)


def _reached(body: Graph, outputs: Iterable[int]) -> set[int]:
    """Which inputs of a body some of its outputs depend on."""
    used = {id(node) for node in Graph((), tuple(body.outputs[number] for number in outputs)).nodes()}
    return {number for number, node in enumerate(body.inputs) if id(node) in used}


def _pruned_loop(node: Node, read: set[int]) -> tuple[Node, dict[int, int | Node]]:
    """A loop that gives what is read, and where that is among its results."""
    loop = Loop(**node.kwargs)
    body, first = loop.body, loop.n_consts
    still = [i for i in range(loop.n_carry) if body.outputs[i] is body.inputs[first + i]]
    needed = set(read).difference(still)
    while True:
        used = _reached(body, needed)
        more = {i for i in range(loop.n_carry) if first + i in used and i not in still} - needed
        if not more:
            break
        needed |= more
    carried = [i for i in range(loop.n_carry) if i in needed]
    collected = [i for i in range(loop.n_carry, len(body.outputs)) if i in needed]
    consts = [i for i in (*range(first), *(first + i for i in still)) if i in used]
    taken = [i for i in range(first + loop.n_carry, len(body.inputs)) if i in used]
    places = [*consts, *(first + i for i in carried), *taken]
    if len(places) == len(body.inputs) and len(carried) + len(collected) == len(body.outputs):
        return node, {}
    outputs = [*carried, *collected]
    smaller = loop._replace(body=_cut(body, places, outputs), n_consts=len(consts), n_carry=len(carried), stacks=0)
    operands = [node.args[i] for i in places] + list(node.args[len(body.inputs) :])
    made = replace(node, args=tuple(operands), kwargs=smaller._asdict(), type=tuple(node.type[i] for i in outputs))
    found: dict[int, int | Node] = {old: new for new, old in enumerate(outputs)}
    return made, {**found, **{i: node.args[first + i] for i in still}}


def _cut(body: Graph, inputs: Iterable[int], outputs: Iterable[int]) -> Graph:
    """A body with some of its inputs and outputs."""
    chosen: tuple[Input, ...] = tuple(body.inputs[i] for i in inputs)
    return Graph(chosen, tuple(body.outputs[i] for i in outputs))
