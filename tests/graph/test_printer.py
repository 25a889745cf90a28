"""The printer: graphs read as formulas do."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from graph.golden_files import check
from twopass import nn, optim
from twopass.graph.capture import capture
from twopass.graph.passes import run
from twopass.train.parameters import Partition
from twopass.train.step import make_step

A, V = np.ones((3, 4)), np.ones(4)


def line_of(f, *args):
    """The formula of a function's only result."""
    text = str(run(capture(f, args)[0]))
    (line,) = [line for line in text.split("\n") if line.startswith("t1 = ")]
    return line.removeprefix("t1 = ").split("  #")[0].rstrip()


FORMULAS = [
    (lambda a, b: a + b * (a - b) - (a - (b - a)), "a + b * (a - b) - (a - (b - a))"),
    (lambda a, b: a / (b * a) / b * (a / b), "a / (b * a) / b * (a / b)"),
    (lambda a, b: -((a**b) ** -b), "-(a**b)**(-b)"),
    (lambda a, b: (a > b) & ~(a == b) | (a <= b), "(a > b) & ~(a == b) | (a <= b)"),
    (lambda a, b: np.exp(a) ** 2 % np.tanh(b), "exp(a)**2 % tanh(b)"),
    (lambda a, b: a @ b.T, "a @ b.T"),
    (lambda a, b: a.T @ b, "a.T @ b"),
    (lambda a, b: (a.T @ b).T + 1, "b.T @ a + 1.0"),
    (lambda a, b: 2 * (a @ b.T), "2.0 * (a @ b.T)"),
    (lambda a, b: (a + b) @ (a - b).T, "(a + b) @ (a - b).T"),
    (lambda a, b: a @ b[0], "a @ reshape(b[:1, :], (4,))"),
    (lambda a, b: np.sum(a, axis=1)[:, None] * np.max(b), "sum(a, axis=1)[:, None] * max(b)"),
    (lambda a, b: np.sum(a.reshape(3, 2, 2), axis=(0, 2)), "sum(reshape(a, (3, 2, 2)), axis=(0, 2))"),
    (lambda a, b: a[1:, ::2] + b.astype(np.float32)[1:, :2], "a[1:3, :4:2] + float64(float32(b)[1:3, :2])"),
    (lambda a, b: np.concatenate([a, b], axis=1), "concatenate([a, b], 1)"),
    (lambda a, b: np.sort(a + b, axis=0), "sort(a + b, axis=0)"),
    (lambda a, b: np.where(a > 0, a, 0.1 * b), "where(a > 0.0, a, 0.1 * b)"),
]


@pytest.mark.parametrize(("f", "formula"), FORMULAS, ids=[formula for _, formula in FORMULAS])
def test_formulas(f, formula):
    assert line_of(f, A, A) == formula


def test_what_is_used_twice_has_a_name():
    def f(v):
        u = np.tanh(v)
        return u * u, np.exp(u)

    lines = str(run(capture(f, (V,))[0])).split("\n")
    assert [line.split("  #")[0].rstrip() for line in lines] == [
        "v: float64[4]",
        "t1 = tanh(v)",
        "t2 = t1 * t1",
        "t3 = exp(t1)",
        "return t2, t3",
    ]
    assert lines[1].endswith("# float64[4]")


def test_long_formulas_are_broken():
    def f(v):
        for _ in range(40):
            v = np.sin(v) + 0.125
        return v

    lines = str(run(capture(f, (V,))[0])).split("\n")
    assert len(lines) > 5 and max(map(len, lines)) < 120


def test_a_training_step():
    net = nn.Sequential(nn.Dense(5, activation="relu"), nn.Dense(3))
    params, optimizer = net.init(0, (4,)), optim.SGD(0.1, momentum=0.9)
    partition = Partition.of(net, params)
    step = make_step(net, nn.softmax_cross_entropy, optimizer, partition)
    state = optimizer.init(partition.split(params)[0])
    args = (params, state, np.ones((2, 4), np.float32), np.array([0, 2]), None, np.uint64(0))
    check("printer-step", str(run(capture(step, args)[0])))


def test_a_recurrent_network():
    def loss(W, U, xs):
        def step(h, x):
            h = np.tanh(W @ h + U @ x)
            return h, h

        h, hs = tp.scan(step, np.zeros(3), xs)
        return np.sum(h) + np.mean(hs**2)

    args = (np.eye(3), np.ones((3, 2)), np.ones((6, 2)))
    check("printer-scan", str(run(capture(tp.grad(loss), args)[0])))


def test_names_of_inputs_are_unique():
    graph, _ = capture(lambda a, a_b, c: a["b"] + a_b + c["x y"], ({"b": V}, V, {"x y": V}))
    assert str(graph).split("\n")[:3] == ["a_b: float64[4]", "a_b_2: float64[4]", "c_x_y: float64[4]"]
