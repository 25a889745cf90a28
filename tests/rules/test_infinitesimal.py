"""Dual numbers below all traces."""

from __future__ import annotations

import numpy as np

import twopass as tp
from twopass.rules.infinitesimal import EPSILON, GAUGE, infinitesimal, perturb, slope_in, standard


def test_slopes_are_carried_along():
    x = perturb(np.array([2.0, 3.0]), EPSILON, lambda x: np.ones_like(x))
    y = np.exp(x)[0] * x[1]
    np.testing.assert_allclose(standard(y), 3 * np.exp(2))
    np.testing.assert_allclose(slope_in(y, EPSILON), 4 * np.exp(2))
    assert slope_in(y, GAUGE) is None
    assert perturb(3.0, EPSILON, lambda x: None) == 3.0


def test_two_infinitesimals_and_a_trace_above_them():
    seen = {}

    def f(x):
        x = perturb(perturb(x, EPSILON, lambda _: np.float64(1.0)), GAUGE, lambda _: np.float64(10.0))
        seen["y"] = x**3
        return x**3 + x

    assert tp.value_and_grad(f)(2.0) == (10.0, 13.0)
    assert slope_in(seen["y"], EPSILON) == 12
    assert slope_in(seen["y"], GAUGE) == 120
    twice = perturb(perturb(1.0, EPSILON, lambda _: 2.0), EPSILON, lambda _: 3.0)
    assert slope_in(twice, EPSILON) == 5
    assert slope_in(infinitesimal(np.float32(2), EPSILON), EPSILON) == 2
    assert standard(infinitesimal(np.float32(2), EPSILON)).dtype == np.float32


def test_nothing_of_them_gets_out():
    def f(x):
        return perturb(x, EPSILON, np.ones_like) * np.array([1.0, 2.0])

    x, t = np.array([1.0, 3.0]), np.array([1.0, 1.0])
    for leaf in (*tp.jvp(f, (x,), (t,)), tp.vjp(f, x)[0], *tp.vjp(f, x)[1](t), tp.jacobian(f)(x)):
        assert type(leaf) is np.ndarray
