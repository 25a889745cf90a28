"""Which of the matrices that a loop carries on are kept as column panels, in which products read them fastest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twopass.graph.ir import Graph, Node, nodes_in
from twopass.program.ir import Panels
from twopass.program.lower.classify import einsum_of, is_reduction, is_view, scalar_of
from twopass.program.machine import Machine

__all__ = ["carried_panels"]


def carried_panels(body: Graph, inputs: Sequence[Node], outputs: Sequence[Node], machine: Machine) -> dict[int, Panels]:
    """For each carried value (by its number) that is best kept in panels: the panels.

    That takes a matrix which products read as it is (not a view of it), and which is otherwise only read where it is
    replaced, element by element, by what begins with a product of its own shape: the weights of a layer, and the
    moments that an optimizer keeps of them.
    """
    users: dict[Node, list[Node]] = {}
    for node in body.nodes():
        for operand in node.operands:
            users.setdefault(operand, []).append(node)
    found: dict[int, Panels] = {}
    for number, (old, new) in enumerate(zip(inputs, outputs, strict=True)):
        if old.ndim != 2 or old.dtype not in (np.float32, np.float64) or outputs.count(new) != 1:
            continue
        if old.shape[1] > machine.lanes(old.dtype) and _updated_by_product(new) and _read_by_tiles(old, users):
            found[number] = Panels(old.shape[0], machine.panels(old.shape[1], old.dtype))
    return found


def _updated_by_product(new: Node) -> bool:
    """Whether a value is computed in one kernel, element by element, from a product of its shape."""
    stack, together, product = [new], {new}, None
    while stack:
        node = stack.pop()
        if einsum_of(node) is not None:
            product = node
            continue
        if scalar_of(node) is not None:
            fresh = {operand for operand in node.operands if operand.shape == new.shape} - together
            together |= fresh
            stack.extend(fresh)
    if product is None:
        return False
    # What else goes in must not have to wait for the product: a norm of the gradient, for instance.
    beside = {operand for node in together - {product} for operand in node.operands} - together
    return product not in nodes_in(tuple(beside))


def _read_by_tiles(old: Node, users: dict[Node, list[Node]]) -> bool:
    """Whether products, and what is computed element by element in its shape, are all that read a value."""
    for user in users.get(old, ()):
        if einsum_of(user) is not None:
            if user.args[1:].count(old) != 1:
                return False
        elif scalar_of(user) is None or user.shape != old.shape or is_view(user) or is_reduction(user):
            return False
    return True
