"""Normal form: one spelling for what NumPy can say in many ways.

After this pass

- elements move by ``transpose(a, axes)``, ``reshape(a, shape)``, ``broadcast_to(a, shape)``, ``getitem(a, slices)`` and
  ``concatenate(parts, axis)`` alone, all with static arguments that are spelled out;
- the operands of a ufunc are nodes of the dtypes that it computes with, ``astype(a, dtype)`` being the only conversion;
  their shapes may be smaller than the result's, as broadcasting has it;
- reductions are ``function(a, axis=tuple)`` without further arguments;
- products are ``einsum(subscripts, a, b)`` (see `twopass.graph.spellings.products`).

Whatever has no entry in `twopass.graph.spellings` stays the NumPy call that it is.
"""

from __future__ import annotations

import numpy as np

from twopass.graph.build import Builder
from twopass.graph.ir import Constant, Graph, Node
from twopass.graph.passes.rewriting import rewrite
from twopass.graph.spellings import SPELLINGS, operator_name
from twopass.graph.spellings.elements import ufunc_spelling

__all__ = ["normalize"]


def normalize(graph: Graph) -> Graph:
    """Bring all nodes into normal form."""
    return rewrite(graph, _normal)


def _normal(node: Node, _original: Node) -> Node:
    if isinstance(node, Constant):
        return node
    handler = SPELLINGS.get(operator_name(node.function))
    if handler is None and isinstance(node.function, np.ufunc):
        handler = ufunc_spelling
    if handler is None:
        return node
    try:
        spelled = handler(node, Builder(node.line))
    except KeyError:  # an argument that the normal form does not know
        return node
    if spelled is None:
        return node
    if spelled.type != node.type:
        raise AssertionError(f"the normal form of {operator_name(node.function)} has type {spelled.type}: {node}")
    return spelled
