"""Scans: the body of a loop as statements that are repeated, with what is carried on staying in one place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from twopass.graph.ir import Graph, Input, Node, Type, pick
from twopass.graph.scan import scan
from twopass.program.ir import Panels, Repeat
from twopass.program.lower.layout import carried_panels
from twopass.program.lower.memory import Memory, Target
from twopass.program.lower.storage import Storage

if TYPE_CHECKING:
    from twopass.program.lower.block import Block

__all__ = ["lower_scan", "staying"]


def staying(graph: Graph, state: int) -> list[Input]:
    """The inputs, of the first ones, that a loop starts from and nobody else reads, and whose output is its result."""
    uses = Counter(operand for node in graph.nodes() for operand in node.operands)
    uses.update(graph.outputs)
    found = []
    for old, new in zip(graph.inputs[:state], graph.outputs[:state], strict=True):
        if new.function is not pick or new.args[0].function is not scan:
            continue
        loop, number = new.args
        carried = number < loop.kwargs["n_carry"] and loop.operands[loop.kwargs["n_consts"] + number] is old
        if carried and uses[old] == 1 and uses[new] == 1:
            found.append(old)
    return found


def lower_scan(block: Block, node: Node) -> tuple[Storage, ...]:
    """Emit a scan; where its results are."""
    body: Graph = node.kwargs["body"]
    n_consts, n_carry = node.kwargs["n_consts"], node.kwargs["n_carry"]
    length, reverse = node.kwargs["length"], node.kwargs["reverse"]
    operands, memory = list(node.operands), block.memory
    limit = block.storage(operands.pop()).argument() if node.kwargs.get("limited") else None
    consts, carry, xs = operands[:n_consts], operands[n_consts : n_consts + n_carry], operands[n_consts + n_carry :]
    inputs = body.inputs
    bindings: dict[Input, Storage] = {}
    for inner, outer in zip(inputs[:n_consts], consts, strict=True):
        bindings[inner] = _given(block, outer, 0)
    panels = carried_panels(body, inputs[n_consts : n_consts + n_carry], body.outputs[:n_carry], memory.machine)
    places = []
    for number, (inner, outer) in enumerate(zip(inputs[n_consts : n_consts + n_carry], carry, strict=True)):
        place = _carried(memory, inner.type, panels.get(number))
        if outer in block.stays:
            place = block.stay(outer, place)
        else:
            block.copy(block.storage(outer), place, "begin")
        bindings[inner] = place
        places.append(place)
    for inner, outer in zip(inputs[n_consts + n_carry :], xs, strict=True):
        bindings[inner] = _row(_given(block, outer, 1), block.level, length, reverse)
    stacked = [block.result(node, number) for number in range(n_carry, len(node.type))]
    targets = [Target(place, inner) for place, inner in zip(places, inputs[n_consts:], strict=False)]
    targets += [Target(_row(whole, block.level, length, reverse)) for whole in stacked]
    if length:
        constants = dict(zip(inputs[:n_consts], consts, strict=True))
        repeated = block.inside(body, bindings, targets, constants)  # which may put something before the loop
        block.statements.append(Repeat(length, repeated, limit))
    return (*places, *stacked)


def _given(block: Block, node: Node, first: int) -> Storage:
    """A value that the body reads, with the order in memory that it expects: C order, from axis `first` on."""
    storage = block.storage(node)
    strides = [s for n, s in zip(storage.shape[first:], storage.strides[first:], strict=True) if n > 1]
    expected = storage.panels is not None or not strides or strides[-1] in (0, 1)
    return storage if expected else block.copied(node, storage)


def _carried(memory: Memory, type: Type, panels: Panels | None) -> Storage:
    """Memory of something carried on."""
    if panels is None:
        return memory.padded(type.shape, type.dtype)
    return Storage(memory.buffer(type.dtype, panels.size, "w"), type.shape, (0, 0), panels=panels)


def _row(whole: Storage, level: int, length: int, reverse: bool) -> Storage:
    """What one iteration sees of an array whose first axis is the iteration."""
    if reverse and length:
        last = [length - 1] + [0] * (len(whole.shape) - 1)
        whole = whole.sliced(last, [-1] + [1] * (len(whole.shape) - 1), whole.shape)
    return whole.row(level)
