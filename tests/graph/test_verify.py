"""The verifier finds every kind of broken graph, and names the node."""

from __future__ import annotations

import operator
from dataclasses import replace

import numpy as np
import pytest

import twopass as tp
from twopass.core.operators import astype
from twopass.graph.build import Builder
from twopass.graph.capture import capture
from twopass.graph.ir import Constant, Graph, Input, Node, Type, pick
from twopass.graph.passes import run
from twopass.graph.scan import scan
from twopass.graph.verify import verify, verify_values

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
X = Input.of(Type((3, 4), F64), "x")
Y = Input.of(Type((3, 4), F32), "y")
M = Input.of(Type((3, 4), np.dtype(bool)), "m")


def node(function, args, shape, dtype=F64, **kwargs):
    return Node(function, args, kwargs, Type(shape, dtype), function, "model.py:7")


def graph(output):
    return Graph((X, Y, M), (output,))


BROKEN = {
    "mixed dtypes": node(np.add, (X, Y), (3, 4)),
    "a number as an operand": node(np.add, (X, 1.0), (3, 4)),
    "another shape": node(np.negative, (X,), (4, 3)),
    "another dtype": node(np.negative, (X,), (3, 4), F32),
    "no permutation": node(np.transpose, (X, (0, 0)), (3, 4)),
    "reshape": node(np.reshape, (X, (3, 5)), (3, 5)),
    "broadcast": node(np.broadcast_to, (X, (2, 3, 4)), (3, 4)),
    "conversion": node(astype, (X, F32), (3, 4)),
    "where": node(np.where, (M, X, Y), (3, 4)),
    "axes": node(np.sum, (X,), (3,), axis=(-1,)),
    "kept axes": node(np.sum, (X,), (3, 1), axis=(1,), keepdims=True),
    "contraction": node(np.einsum, ("ab,ac->bc", X, X), (4, 3)),
    "a letter of one operand": node(np.einsum, ("ab,ac->c", X, X), (4,)),
    "join": node(np.concatenate, ([X, Y], 0), (6, 4)),
    "slice": node(operator.getitem, (X, (slice(0, 2, 1), slice(None))), (2, 4)),
}


@pytest.mark.parametrize("output", BROKEN.values(), ids=BROKEN)
def test_what_is_not_in_normal_form(output):
    with pytest.raises(AssertionError, match=r"the node \w+\(.*model\.py:7"):
        verify(graph(output), normal=True)


def test_what_no_graph_may_be():
    with pytest.raises(AssertionError, match="an input of another graph"):
        verify(Graph((X,), (Y,)))
    with pytest.raises(AssertionError, match="holds something else"):
        verify(graph(replace(Constant.of(np.ones(2)), value=np.ones(3))))
    several = Node(np.linalg.qr, (X,), {}, (Type((3, 3), F64), Type((3, 4), F64)), np.linalg.qr)
    with pytest.raises(AssertionError, match="several results as one"):
        verify(graph(node(np.negative, (several,), (3, 3))))
    with pytest.raises(AssertionError, match="does not belong"):
        verify(graph(Node(pick, (several, 0), {}, Type((3, 4), F64), pick)))
    verify(graph(Node(pick, (several, 1), {}, Type((3, 4), F64), pick)))


def test_values():
    values = [np.ones((3, 4)), np.ones((3, 4), np.float32), np.ones((3, 4), bool)]
    verify_values(graph(node(np.add, (X, X), (3, 4))), values)
    with pytest.raises(AssertionError, match=r"computes float64\[3, 4\], not float32\[3, 4\]"):
        verify_values(graph(node(np.add, (X, X), (3, 4), F32)), values)


def broken_loops():
    made, _ = capture(lambda v: tp.scan(lambda c, x: (c + x, c), 0.0, v), (np.ones(4),))
    (loop,) = [n for n in run(made) if n.function is scan]
    length = replace(loop, kwargs={**loop.kwargs, "length": 5})
    operands = replace(loop, args=loop.args[:1])
    types = replace(loop, type=loop.type[::-1])
    body = loop.kwargs["body"]
    carry = replace(
        loop, kwargs={**loop.kwargs, "body": Graph(body.inputs, (Builder().constant(1.0, F32), body.inputs[0]))}
    )
    return made.inputs, {"length": length, "operands": operands, "types": types, "carry": carry}


@pytest.mark.parametrize("name", ["length", "operands", "types", "carry"])
def test_loops(name):
    inputs, loops = broken_loops()
    loop = loops[name]
    with pytest.raises(AssertionError, match="the node scan"):
        verify(Graph(inputs, (Node(pick, (loop, 0), {}, loop.type[0], pick),)))
