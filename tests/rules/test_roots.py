"""Polynomials and their roots."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import fails_alike

P = np.array([1.0, -2.5, 0.3, 4.0, -1.0])


@pytest.mark.parametrize("p", [P, P + 1j * P[::-1], P.astype(np.float32)], ids=["real", "complex", "single"])
def test_roots(p):
    tp.check_grads(np.roots, (p,), order=1 if p.dtype == np.float32 else 2)
    np.testing.assert_array_equal(tp.vjp(np.roots, p)[0], np.roots(p))


def test_a_root_at_zero_depends_on_the_last_coefficient():
    """NumPy strips zeros from the end: they are roots at 0, which move all the same."""
    gradient = tp.grad(lambda p: np.sum(np.roots(p) * [1.0, 10.0]))(np.array([1.0, -2.0, 0.0]))  # roots 2 and 0
    np.testing.assert_allclose(gradient, [-2 * 1.0, -1.0, (-1 + 10) / 2])
    gradient = tp.grad(lambda p: np.sum(np.roots(p)))(np.array([0.0, 1.0, -2.0]))  # the other root is at infinity
    np.testing.assert_allclose(gradient, [-4, -2, -1])


@pytest.mark.parametrize(
    "p", [[1.0, -2.0, 1.0], [1.0, 0.0, 0.0], [1.0, -3.0, 3.0, -1.0], [1.0, 2.0, 1.0, 0.0]], ids=str
)
def test_a_repeated_root_raises(p):
    with pytest.raises(tp.errors.DifferentiationError, match=r"(?s)np.roots.*repeated"):
        tp.grad(lambda p: np.sum(np.abs(np.roots(p)) ** 2))(np.array(p))


def test_no_roots():
    assert tp.grad(lambda p: np.sum(p) + np.sum(np.roots(p)))(np.array([3.0])) == 1


def test_poly_of_roots():
    tp.check_grads(np.poly, (P,), order=2)
    tp.check_grads(np.poly, (P + 1j,), order=2)
    tp.check_grads(lambda t: np.poly(np.stack([t + 1j, t - 1j])), (0.3,), order=2)  # conjugate roots: real
    scaled = tp.jacobian(lambda p: np.poly(np.sort(np.real(np.roots(p)))))(P[:3]) @ P[:3]
    np.testing.assert_allclose(scaled, 0, atol=1e-12)


MATRICES = {
    "any": np.random.default_rng(1).normal(size=(4, 4)),
    "equal eigenvalues": np.diag([2.0, 2.0, 3.0]),
    "a Jordan block": np.array([[1.0, 1.0], [0.0, 1.0]]),
    "singular": np.outer([1.0, 2.0], [3.0, 4.0]),
    "complex": np.random.default_rng(1).normal(size=(3, 3)) + 1j * np.eye(3),
}


@pytest.mark.parametrize("name", MATRICES)
def test_poly_of_a_matrix(name):
    """Coefficients are smooth, where eigenvalues are equal, too."""

    def by_determinants(a):
        return np.stack([np.linalg.det(z * np.eye(len(a)) - a) for z in range(len(a) + 1)])

    def by_poly(a):
        return np.vander(np.arange(len(a) + 1.0), len(a) + 1) @ np.poly(a)

    a = MATRICES[name]
    tangent = np.cos(np.arange(a.size)).reshape(a.shape).astype(a.dtype)
    for order in (1, 2):
        found, expected = by_poly, by_determinants
        for _ in range(order):
            found, expected = (lambda a, f=f: tp.jvp(f, (a,), (tangent,))[1] for f in (found, expected))
        np.testing.assert_allclose(found(a), expected(a), atol=1e-10)
    cotangent = np.arange(len(a) + 1.0).astype(a.dtype)
    pulled = [tp.vjp(f, a)[1](cotangent)[0] for f in (by_poly, by_determinants)]
    np.testing.assert_allclose(*pulled, atol=1e-10)


WRONG = {"roots of matrices": lambda a: np.roots(a), "poly of rectangles": lambda a: np.poly(a[:2])}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], np.eye(3))
