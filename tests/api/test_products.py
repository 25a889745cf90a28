"""Jacobians send all their unit vectors through the function as a batch."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from twopass.api import products

X = np.linspace(0.1, 0.9, 12)


def f(x):
    return np.concatenate([np.cumsum(np.sin(x)), x[:2] * x[2:4]])


def expected(x):
    table = np.zeros((14, 12))
    table[:12] = np.tri(12) * np.cos(x)
    for i in range(2):
        table[12 + i, i], table[12 + i, 2 + i] = x[2 + i], x[i]
    return table


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize(("few", "largest"), [(5, 1 << 20), (100, 1 << 20), (0, 1)])
def test_one_by_one_at_once_and_in_parts(monkeypatch, mode, few, largest):
    monkeypatch.setattr(products, "FEW", few)
    monkeypatch.setattr(products, "LARGEST", largest)
    np.testing.assert_allclose(tp.jacobian(f, mode=mode)(X), expected(X), rtol=1e-14)
    long = np.linspace(0, 1, 70)
    np.testing.assert_allclose(tp.jacobian(np.sin, mode=mode)(long), np.diag(np.cos(long)), rtol=1e-14)


@pytest.mark.parametrize(("mode", "runs"), [("forward", 2), ("reverse", 1)])
def test_the_function_runs_as_often_for_many_as_for_few(mode, runs):
    for size in (8, 80):
        calls = []

        def counted(x, calls=calls):
            calls.append(x)
            return np.sin(x) * x[0]

        tp.jacobian(counted, mode=mode)(np.linspace(0, 1, size))
        assert len(calls) == runs


def test_auto_takes_what_is_fewer():
    seen = []

    def counted(x):
        seen.append(len(x))
        return np.outer(x, np.ones(9))

    tp.jacobian(counted)(np.ones(2))
    assert len(seen) == 3  # for the shapes, and for each of two inputs
    seen.clear()
    tp.jacobian(lambda x: np.sum(counted(x), axis=1)[:1])(np.ones(2))
    assert len(seen) == 1


def test_compiled_jacobians_do_not_grow_with_their_size():
    def nodes(size):
        compiled = tp.compile(tp.jacobian(lambda x: np.tanh(x) * x[::-1]))
        x = np.linspace(0, 1, size)
        np.testing.assert_allclose(compiled(x), tp.jacobian(lambda x: np.tanh(x) * x[::-1])(x), rtol=1e-12, atol=1e-15)
        return len(compiled.graph.nodes())

    assert nodes(8) == nodes(40)


def test_empty_jacobians():
    assert tp.jacobian(np.sin)(np.zeros(0)).shape == (0, 0)
    assert tp.jacobian(lambda x: x[:0])(np.zeros(3)).shape == (0, 3)
    assert tp.jacobian(lambda x: np.zeros(2) + np.sum(x))(np.zeros(0)).shape == (2, 0)
