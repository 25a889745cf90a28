"""Lowering: from a graph in normal form to the program that a machine runs."""

from __future__ import annotations

from twopass.graph.ir import Graph, Input
from twopass.program.ir import Buffer, Program
from twopass.program.lower.block import Block
from twopass.program.lower.memory import Memory, Target
from twopass.program.lower.place import place
from twopass.program.lower.storage import Storage, contiguous
from twopass.program.machine import Machine

__all__ = ["lower"]


def lower(graph: Graph, machine: Machine) -> Program:
    """The program of a graph.

    Parameters
    ----------
    graph : Graph
        In the normal form that the passes leave.
    machine : Machine
        What layouts and blocks are chosen for.

    Returns
    -------
    Program
        Its inputs and outputs are arrays in C order, in the order of the graph's.
    """
    memory = Memory(machine)
    inputs: list[Buffer] = []
    outputs: list[Buffer] = []
    bindings: dict[Input, Storage] = {}
    targets: list[Target] = []
    for node in graph.inputs:
        buffer = Buffer(node.name or f"in{len(inputs)}", node.dtype, node.size, "input")
        inputs.append(buffer)
        bindings[node] = Storage(buffer, node.shape, contiguous(node.shape))
    for number, output in enumerate(graph.outputs):
        buffer = Buffer(f"out{number}", output.dtype, output.size, "output")
        outputs.append(buffer)
        targets.append(Target(Storage(buffer, output.shape, contiguous(output.shape))))
    block = Block(graph, bindings, targets, memory)
    offsets, arena = place(block.statements)
    return Program(tuple(inputs), tuple(outputs), tuple(block.statements), offsets, arena)
