"""Nodes and graphs: records that do not change, in an order that can be computed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twopass.graph.ir import Constant, Graph, Input, Node, Type, nodes_in, substitute

FLOATS = Type((2, 3), np.dtype(float))


def call(function, *operands):
    return Node(function, operands, {}, FLOATS, function)


def test_types_and_nodes():
    x = Input.of(FLOATS, "x")
    assert str(x.type) == "float64[2, 3]" and (x.shape, x.dtype, x.ndim, x.size) == ((2, 3), np.float64, 2, 6)
    constant = Constant.of(np.arange(3, dtype=np.int8))
    assert constant.type == Type((3,), np.dtype(np.int8))
    with pytest.raises(dataclasses.FrozenInstanceError):
        x.type = FLOATS  # type: ignore[misc]
    with pytest.raises(AssertionError):
        x.call()


def test_operands_are_found_everywhere():
    x, y, z = (Input.of(FLOATS, name) for name in "xyz")
    node = Node(np.concatenate, ([x, (y, 3)], slice(z, None)), {"a": [{"b": x}]}, FLOATS, np.concatenate)
    assert node.operands == (x, y, z, x)
    replaced = substitute(node.args[0], lambda operand: operand.name)
    assert replaced == ["x", ("y", 3)]


def test_order_of_computation():
    x = Input.of(FLOATS, "x")
    a = call(np.sin, x)
    b = call(np.add, a, x)
    c = call(np.multiply, b, a)
    unused = Input.of(FLOATS, "unused")
    graph = Graph((x, unused), (c, a))
    assert graph.nodes() == list(graph) == [x, unused, a, b, c]
    assert nodes_in([b]) == [x, a, b]


def test_deep_graphs():
    node: Node = Input.of(FLOATS, "x")
    for _ in range(50_000):
        node = call(np.sin, node)
    assert len(nodes_in([node])) == 50_001
