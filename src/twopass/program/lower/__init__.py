"""Lowering: from a graph in normal form to the program that a machine runs."""

from __future__ import annotations

from twopass.graph.ir import Graph, Input
from twopass.program.ir import Buffer, Program
from twopass.program.layout import Layout
from twopass.program.lower.block import Block
from twopass.program.lower.memory import Memory, Target
from twopass.program.lower.place import place
from twopass.program.lower.scan import staying
from twopass.program.lower.storage import Storage, contiguous
from twopass.program.machine import Machine

__all__ = ["lower"]


def lower(graph: Graph, machine: Machine, state: int = 0) -> Program:
    """The program of a graph.

    Parameters
    ----------
    graph : Graph
        In the normal form that the passes leave.
    machine : Machine
        What layouts and blocks are chosen for.
    state : int
        How many inputs, the first ones, the outputs of the same numbers take the place of. What of them a loop carries
        on, stays where the loop works on it: it is updated in place, in the layout that suits the program.

    Returns
    -------
    Program
        Its inputs and outputs are arrays in C order, in the order of the graph's, but for those in `Program.layouts`.
    """
    memory = Memory(machine)
    inputs: dict[Input, Buffer] = {}
    bindings: dict[Input, Storage] = {}
    targets: list[Target | None] = []
    stays = staying(graph, state)
    for node in graph.inputs:
        name = node.name or f"in{len(inputs)}"
        if node not in stays:
            inputs[node] = Buffer(name, node.dtype, node.size, "input")
            bindings[node] = Storage(inputs[node], node.shape, contiguous(node.shape))
    for number, output in enumerate(graph.outputs):
        if number < state and graph.inputs[number] in stays:
            targets.append(None)
            continue
        buffer = Buffer(f"out{number}", output.dtype, output.size, "output")
        targets.append(Target(Storage(buffer, output.shape, contiguous(output.shape))))
    block = Block(graph, bindings, targets, memory, stays=stays)
    layouts = {}
    for node in stays:
        found = block.storage(node)
        inputs[node] = found.buffer
        layouts[found.buffer] = Layout(found.shape, found.strides, found.buffer.size, found.panels)
    outputs = [
        inputs[graph.inputs[number]] if target is None else target.storage.buffer
        for number, target in enumerate(targets)
    ]
    offsets, arena = place(block.statements)
    given = tuple(inputs[node] for node in graph.inputs)
    return Program(given, tuple(outputs), tuple(block.statements), offsets, arena, layouts)
