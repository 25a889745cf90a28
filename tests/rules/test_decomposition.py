"""Cholesky's decomposition, eigenvalues of symmetric matrices, singular values."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.rules import decomposition

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 3))
Z = X + 1j * RNG.normal(size=(3, 3))
STACK = RNG.normal(size=(2, 3, 3)) + 6 * np.eye(3)


@pytest.mark.parametrize("x", [X, Z], ids=["real", "complex"])
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(x, upper):
    """The matrix need not be symmetric: one triangle counts."""
    agrees(lambda a: np.linalg.cholesky(a, upper=upper), 0.3 * x + 4 * np.eye(3), order=2)
    tp.check_grads(lambda a: np.linalg.cholesky(a @ np.conj(a.mT), upper=upper), (x + np.eye(3),), order=2)
    agrees(lambda a: np.linalg.cholesky(0.1 * a + STACK, upper=upper), x)


@pytest.mark.parametrize("upper", [False, True])
def test_the_other_triangle_does_not_count(upper):
    a = 0.3 * X + 4 * np.eye(3)
    counts = np.triu(np.ones((3, 3))) if upper else np.tril(np.ones((3, 3)))
    letter = "U" if upper else "L"
    for f in (lambda a: np.linalg.cholesky(a, upper=upper), lambda a: np.linalg.eigvalsh(a, letter)[:2]):
        gradient = tp.grad(lambda a: np.sum(f(a)))(a)  # noqa: B023
        np.testing.assert_array_equal(gradient != 0, counts.astype(bool))


def test_results_are_numpys():
    def f(a):
        for g in (np.linalg.eigh, np.linalg.svd):
            assert type(g(a)) is type(g(X))
            assert g(a)._fields == g(X)._fields
        return np.sum(np.linalg.eigh(a).eigenvalues)

    np.testing.assert_allclose(tp.grad(f)(X), np.eye(3), atol=1e-14)


@pytest.mark.parametrize("x", [X, Z], ids=["real", "complex"])
def test_functions_that_do_not_depend_on_the_basis(x):
    """The logarithm of the determinant by eigenvalues, the exponential by eigenvectors, the polar factor by svd."""
    h = x + np.conj(x.T)

    def exponential(a):
        w, v = np.linalg.eigh(a)
        return (v * np.exp(w)) @ np.conj(v.mT)

    def polar(a):
        u, _, vh = np.linalg.svd(a, full_matrices=False)
        return u @ vh

    tp.check_grads(exponential, (h,), order=2)
    tp.check_grads(lambda a: np.sum(np.log(np.abs(np.linalg.eigvalsh(a)))), (h,), order=2)
    for a in (x, x[:2], x[:, :2]):
        tp.check_grads(polar, (a,), order=2)


def test_equal_eigenvalues():
    """Symmetric functions have their derivatives; what depends on the basis has none."""
    a = np.diag([2.0, 2.0, 5.0])
    np.testing.assert_allclose(tp.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3))(a), 3 * a @ a, atol=1e-13)
    np.testing.assert_allclose(tp.grad(lambda a: np.linalg.eigvalsh(a)[0])(a), np.diag([0.5, 0.5, 0]), atol=1e-13)
    rate = tp.jvp(lambda a: np.linalg.eigvalsh(a), (a,), (np.diag([1.0, 3.0, 0.0]),))[1]
    np.testing.assert_allclose(rate, [2, 2, 0], atol=1e-13)
    simple = tp.grad(lambda a: np.sum(np.linalg.eigh(a)[1][:, 2] ** 2 * [1.0, 2.0, 3.0]))(a + 0.0)
    assert np.all(np.isfinite(simple))
    turned = np.linalg.qr(X)[0]
    for f in (np.linalg.eigh, np.linalg.svd):
        gradient = tp.grad(lambda a: np.sum(f(a)[-1 if f is np.linalg.svd else 1] ** 3))(turned @ a @ turned.T)  # noqa: B023
        assert not np.all(np.isfinite(gradient))


def test_equal_and_vanishing_singular_values():
    np.testing.assert_allclose(tp.grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.eye(3)), np.eye(3), atol=1e-14)
    np.testing.assert_array_equal(tp.grad(lambda a: np.sum(np.linalg.svdvals(a)))(np.zeros((2, 3))), 0)
    rank_one = np.outer([1.0, 2.0], [3.0, 4.0, 5.0])
    expected = rank_one / np.linalg.norm(rank_one)
    np.testing.assert_allclose(tp.grad(lambda a: np.sum(np.linalg.svdvals(a)))(rank_one), expected, atol=1e-14)


def test_what_has_no_derivative_says_what_to_write():
    for x, options, advice in ((X[:2], {}, "full_matrices=False"), (X, {"hermitian": True}, "eigh")):
        with pytest.raises(tp.errors.UnsupportedOperatorError, match=advice):
            tp.grad(lambda a: np.sum(np.linalg.svd(a, **options)[0]))(x)  # noqa: B023


def test_unknown_phases_of_complex_vectors_are_refused():
    u, _, vh = np.linalg.svd(Z)
    assert decomposition._right_is_fixed(u, vh)
    with pytest.raises(tp.errors.UnsupportedOperatorError, match="phases"):
        decomposition._right_is_fixed(u * 1j**0.5, vh * 1j**0.5)


WRONG = {
    "cholesky of an indefinite matrix": lambda a: np.linalg.cholesky(-a @ a.mT),
    "eigh of rectangles": lambda a: np.linalg.eigh(a[:2]),
    "triangle": lambda a: np.linalg.eigh(a, "M"),
    "svd of vectors": lambda a: np.linalg.svd(a[0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], X)
