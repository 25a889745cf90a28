"""Layout: transposes around a contraction become other subscripts, which cost nothing."""

from __future__ import annotations

import numpy as np

from twopass.graph.build import Builder, labels_of
from twopass.graph.ir import Graph, Node
from twopass.graph.passes.rewriting import count_uses, rewrite

__all__ = ["contract"]


def contract(graph: Graph) -> Graph:
    """Fold transposes of the operands, and of the results that nothing else reads, into the subscripts."""
    uses = count_uses(graph)

    def contracted(node: Node, original: Node) -> Node:
        if node.function is np.einsum:
            return _operands(node)
        if node.function is np.transpose and node.args[0].function is np.einsum:
            return _result(node) if uses[id(original.args[0])] == 1 else node
        return node

    return rewrite(graph, contracted)


def _operands(node: Node) -> Node:
    subscripts, *operands = node.args
    if len(operands) != 2:
        return node
    terms, output = labels_of(subscripts)
    for number, operand in enumerate(operands):
        if operand.function is np.transpose:
            inner, axes = operand.args
            letters = dict(zip(axes, terms[number], strict=True))
            terms[number] = "".join(letters[axis] for axis in range(inner.ndim))
            operands[number] = inner
    return Builder(node.line).einsum(f"{terms[0]},{terms[1]}->{output}", *operands)


def _result(node: Node) -> Node:
    product, axes = node.args
    subscripts, *operands = product.args
    if len(operands) != 2:
        return node
    terms, output = labels_of(subscripts)
    turned = "".join(output[axis] for axis in axes)
    return Builder(product.line).einsum(f"{terms[0]},{terms[1]}->{turned}", *operands)
