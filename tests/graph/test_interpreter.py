"""The interpreter: graphs are NumPy code, for plain arrays, for traced and for captured ones."""

from __future__ import annotations

import gc
import weakref

import numpy as np

import twopass as tp
from twopass.graph.capture import capture
from twopass.graph.interpreter import evaluate, steps
from twopass.graph.ir import Graph, Node, Type
from twopass.graph.passes import run

X = np.linspace(-1, 1, 12).reshape(3, 4)


def f(x):
    y = np.concatenate([x[1:], np.tanh(x @ x.T) @ x])
    y[0] = np.where(y[1] > 0, y[1] ** 2, 0)
    return np.sum(np.sort(y, axis=0) * y)


def test_a_graph_can_be_differentiated():
    graph, _ = capture(f, (X,))
    for g in (graph, run(graph)):
        gradient = tp.grad(lambda x, g=g: evaluate(g, [x])[0])(X)
        np.testing.assert_allclose(gradient, tp.grad(f)(X), rtol=1e-12)
        tangent = tp.jvp(lambda x, g=g: evaluate(g, [x])[0], (X,), (X,))[1]
        np.testing.assert_allclose(tangent, tp.jvp(f, (X,), (X,))[1], rtol=1e-12)


def test_a_graph_can_be_captured():
    graph = run(capture(f, (X,))[0])
    again, _ = capture(lambda x: evaluate(graph, [x])[0], (X,))
    assert len(again.nodes()) == len(graph.nodes())
    np.testing.assert_allclose(evaluate(again, [X])[0], f(X), rtol=1e-12)


def test_outputs_may_be_inputs_constants_and_each_other():
    graph, _ = capture(lambda x: (x, np.ones(2), x, x + 1), (X,))
    found = evaluate(Graph(graph.inputs, (*graph.outputs, graph.outputs[-1])), [X])
    assert found[0] is found[2] and found[3] is found[4]
    np.testing.assert_array_equal(found[1], 1)


def test_values_are_let_go():
    alive = []

    class Noted(np.ndarray):
        pass

    def noted(x):
        made = (x + 1).view(Noted)
        alive.append(weakref.ref(made))
        gc.collect()
        assert sum(ref() is not None for ref in alive) <= 2
        return made

    graph, _ = capture(lambda x: x, (X,))
    node = graph.inputs[0]
    for _ in range(10):
        node = Node(noted, (node,), {}, Type((3, 4), np.dtype(float)), noted)
    evaluate(Graph(graph.inputs, (node,)), [X])


def test_the_steps_can_be_watched():
    graph, _ = capture(lambda x: np.exp(x).sum(), (X,))
    names = [getattr(node, "name", "") or node.function.__name__ for node, _ in steps(graph, [X])]
    assert names == ["x", "exp", "sum"]
