"""The verifier: what must hold in every graph, and in every graph in normal form.

It runs between the passes in tests. A graph that breaks a rule is a mistake of this package, never of the user: it
raises an AssertionError that names the node.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from twopass.core.operators import astype
from twopass.errors import name_of
from twopass.graph.build import REDUCTIONS, axes_of, labels_of
from twopass.graph.interpreter import steps
from twopass.graph.ir import Constant, Graph, Input, Node, Type, pick
from twopass.graph.passes.rewriting import bodies
from twopass.graph.scan import Loop, scan

__all__ = ["verify", "verify_values"]


def verify(graph: Graph, *, normal: bool = False) -> None:
    """Check the structure of a graph; with `normal`, that it is in normal form too."""
    known = {id(node) for node in graph.inputs}
    for node in graph.nodes():
        _verify_node(node, known)
        if normal and not isinstance(node, (Input, Constant)):
            _verify_normal(node)
        for _, body in bodies(node):
            verify(body, normal=normal)
        if node.function is scan:
            _verify_loop(node)


def verify_values(graph: Graph, values: Sequence[Any]) -> None:
    """Check that what each node computes has the node's type."""
    for node, value in steps(graph, values):
        types = [node.type] if isinstance(node.type, Type) else node.type
        found = [value] if isinstance(node.type, Type) else list(value)
        for type, one in zip(types, found, strict=True):
            if np.shape(one) != type.shape or np.asarray(one).dtype != type.dtype:
                _wrong(node, f"computes {np.asarray(one).dtype}{list(np.shape(one))}, not {type}")


def _wrong(node: Node, what: str) -> NoReturn:
    name = getattr(node, "name", "") or name_of(node.function)
    operands = ", ".join(str(operand.type) for operand in node.operands)
    raise AssertionError(f"the node {name}({operands}) -> {node.type} {what} ({node.line or 'no line'})")


def _verify_node(node: Node, known: set[int]) -> None:
    types = [node.type] if isinstance(node.type, Type) else node.type
    if not all(isinstance(type, Type) and all(n >= 0 for n in type.shape) for type in types):
        _wrong(node, "has no proper type")
    if isinstance(node, Input):
        if id(node) not in known:
            _wrong(node, "is an input of another graph")
    elif isinstance(node, Constant):
        if (node.value.shape, node.value.dtype) != (node.shape, node.dtype):
            _wrong(node, "holds something else")
    elif node.function is pick:
        whole, number = node.args
        if isinstance(whole.type, Type) or whole.type[number] != node.type:
            _wrong(node, "does not belong to what it picks from")
    elif any(not isinstance(operand.type, Type) for operand in node.operands):
        _wrong(node, "reads several results as one")


def _verify_loop(node: Node) -> None:
    loop = Loop(**node.kwargs)
    body, operands = loop.body, list(node.args)
    if loop.limited and operands.pop().shape != ():
        _wrong(node, "has a limit that is no number")
    if len(operands) != len(body.inputs):
        _wrong(node, f"has {len(operands)} operands, and its body {len(body.inputs)}")
    stop = loop.n_consts + loop.n_carry
    for number, (inner, outer) in enumerate(zip(body.inputs, operands, strict=True)):
        expected = outer.type if number < stop else Type(outer.shape[1:], outer.dtype)
        if inner.type != expected or (number >= stop and outer.shape[0] != loop.length):
            _wrong(node, f"has an operand {outer.type} for {inner.type}")
    made = [output.type for output in body.outputs[: loop.n_carry]]
    made += [Type((loop.length, *output.shape), output.dtype) for output in body.outputs[loop.n_carry :]]
    if tuple(made) != tuple(node.type):
        _wrong(node, "gives something else than its body")
    for inner, output in zip(body.inputs[loop.n_consts : stop], body.outputs, strict=False):
        if inner.type != output.type:
            _wrong(node, f"carries {inner.type} in and {output.type} out")


# --- normal form ------------------------------------------------------------------------------------------------------


def _verify_normal(node: Node) -> None:
    function, args = node.function, node.args
    if isinstance(function, np.ufunc) and function.signature is None and function.nout == 1 and not node.kwargs:
        _verify_elementwise(node, function)
    elif function is np.transpose:
        if sorted(args[1]) != list(range(node.ndim)) or node.shape != tuple(args[0].shape[axis] for axis in args[1]):
            _wrong(node, "is not a permutation of all axes")
    elif function in (np.reshape, np.broadcast_to):
        if args[1] != node.shape or node.dtype != args[0].dtype:
            _wrong(node, "has another shape or dtype than it says")
        if function is np.reshape and node.size != args[0].size:
            _wrong(node, "changes the number of elements")
    elif function is astype:
        if node.shape != args[0].shape or node.dtype != args[1]:
            _wrong(node, "is no conversion to that")
    elif function is np.where:
        condition, x, y = args
        if condition.dtype != bool or not x.dtype == y.dtype == node.dtype:
            _wrong(node, "chooses between different dtypes, or by something else than a mask")
        _verify_broadcasting(node)
    elif function in REDUCTIONS and node.dtype.kind != "c" and node.dtype != np.float16:
        axes = axes_of(node)
        kept = tuple(n for axis, n in enumerate(args[0].shape) if axis not in (axes or ()))
        if axes is None or node.type != Type(kept, args[0].dtype):
            _wrong(node, "is no reduction in normal form")
    elif function is np.einsum and len(args) == 3:
        _verify_contraction(node)
    elif function is np.concatenate:
        parts, axis = args
        if any(part.dtype != node.dtype for part in parts) or sum(p.shape[axis] for p in parts) != node.shape[axis]:
            _wrong(node, "joins what does not fit")
    elif function is operator.getitem and all(isinstance(part, slice) for part in args[1]):
        lengths = [len(range(*part.indices(n))) for part, n in zip(args[1], args[0].shape, strict=True)]
        if node.type != Type(tuple(lengths), args[0].dtype) or any(part.start is None for part in args[1]):
            _wrong(node, "is no basic index in normal form")


def _verify_elementwise(node: Node, ufunc: np.ufunc) -> None:
    if not all(isinstance(arg, Node) for arg in node.args):
        _wrong(node, "has an operand that is no node")
    dtypes = tuple(arg.dtype for arg in node.args)
    if ufunc.resolve_dtypes((*dtypes, None)) != (*dtypes, node.dtype):
        _wrong(node, "does not compute with the dtypes of its operands")
    _verify_broadcasting(node)


def _verify_broadcasting(node: Node) -> None:
    if np.broadcast_shapes(*(arg.shape for arg in node.args)) != node.shape:
        _wrong(node, "has another shape than its operands together")


def _verify_contraction(node: Node) -> None:
    subscripts, *operands = node.args
    terms, output = labels_of(subscripts)
    sizes = dict(zip("".join(terms), operands[0].shape + operands[1].shape, strict=True))
    for term, operand in zip(terms, operands, strict=True):
        if len(set(term)) != len(term) or operand.shape != tuple(sizes[letter] for letter in term):
            _wrong(node, f"has operands that do not fit to {subscripts}")
        if operand.dtype != node.dtype:
            _wrong(node, "has operands of another dtype")
    alone = {letter for letter in sizes if not all(letter in term for term in terms) and letter not in output}
    if alone or node.shape != tuple(sizes[letter] for letter in output):
        _wrong(node, f"is no contraction in normal form: {subscripts}")
