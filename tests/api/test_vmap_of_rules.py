"""Batches of functions with rules, checkpoints and solvers: the same as one example after the other."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp

XS = np.array([[0.4, -1.3], [1.2, 0.7], [-0.5, 2.0]])
W = np.array([[0.5, -1.2], [0.3, 0.8]])


def checkpointed(x, w):
    layer = tp.checkpoint(lambda x: np.tanh(x @ w) * w[0])
    return np.sum(tp.checkpoint(layer)(layer(x)) ** 2)


def cubic(x, a, w):
    return x**3 + x - a @ w


def newton(a, w):
    b = np.asarray(a @ w, float)
    x = np.zeros(len(b))
    while np.max(np.abs(x**3 + x - b)) > 1e-13:
        x = x - (x**3 + x - b) / (3 * x**2 + 1)
    return x


def root(x, w):
    return np.sum(tp.implicit_root(cubic, newton)(x, w) ** 2)


def root_by_products(x, w):
    def linear_solve(matvec, b):
        return np.linalg.solve(np.stack([matvec(e) for e in np.eye(len(b))], axis=1), b)

    return np.sum(tp.implicit_root(cubic, newton, linear_solve=linear_solve)(x, w) ** 2)


def fixed(x, w):
    return np.sum(tp.fixed_point(lambda y, x, w: 0.3 * np.tanh(y @ w) + x, np.zeros(2), x, w) ** 2)


def power_rule(x, w):
    def vjp(x, n, name):
        return x**n, lambda ct: (ct * n * x ** (n - 1), None, None)

    power = tp.custom_rule(lambda x, n, name: x**n, vjp=vjp)
    return np.sum(power(x @ w, 3, name="cube"))


@pytest.mark.parametrize("f", [checkpointed, root, root_by_products, fixed, power_rule])
def test_batches(f):
    np.testing.assert_allclose(tp.vmap(f, (0, None))(XS, W), [f(x, W) for x in XS], rtol=1e-12)
    gradient = tp.grad(f, argnums=(0, 1))
    expected = [np.stack(parts) for parts in zip(*[gradient(x, W) for x in XS], strict=True)]
    for found, each in zip(tp.vmap(gradient, (0, None))(XS, W), expected, strict=True):
        np.testing.assert_allclose(found, each, rtol=1e-10, atol=1e-10)
    of_batch = tp.grad(lambda xs, w: np.sum(tp.vmap(f, (0, None))(xs, w)), argnums=(0, 1))(XS, W)
    np.testing.assert_allclose(of_batch[0], expected[0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(of_batch[1], np.sum(expected[1], axis=0), rtol=1e-10, atol=1e-10)
    tangents = np.cos(XS)
    pushed = tp.vmap(lambda x, t: tp.jvp(lambda x: f(x, W), (x,), (t,))[1])(XS, tangents)
    np.testing.assert_allclose(pushed, np.sum(expected[0] * tangents, axis=1), rtol=1e-10, atol=1e-10)
    hessians = tp.vmap(tp.hessian(f), (0, None))(XS, W)
    np.testing.assert_allclose(hessians, [tp.hessian(f)(x, W) for x in XS], rtol=1e-8, atol=1e-8)
