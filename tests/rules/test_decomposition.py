"""Cholesky's and QR decompositions."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 3))
Z = X + 1j * RNG.normal(size=(3, 3))
STACK = RNG.normal(size=(2, 3, 3)) + 6 * np.eye(3)
KINDS = pytest.mark.parametrize("x", [X, Z, X.astype(np.float32)], ids=["real", "complex", "single"])


@KINDS
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky(x, upper):
    """The matrix need not be symmetric: one triangle counts."""
    order, unit = (1 if x.dtype == np.float32 else 2), np.eye(3, dtype=x.dtype)
    agrees(lambda a: np.linalg.cholesky(a, upper=upper), x / 4 + 4 * unit, order=order)
    tp.check_grads(lambda a: np.linalg.cholesky(a @ np.conj(a.mT) + unit, upper=upper), (x,), order=order)
    agrees(lambda a: np.linalg.cholesky(a / 8 + STACK.astype(x.dtype), upper=upper), x)


@pytest.mark.parametrize("upper", [False, True])
def test_the_other_triangle_does_not_count(upper):
    gradient = tp.grad(lambda a: np.sum(np.linalg.cholesky(a, upper=upper)))(0.3 * X + 4 * np.eye(3))
    counts = np.triu(np.ones((3, 3))) if upper else np.tril(np.ones((3, 3)))
    np.testing.assert_array_equal(gradient != 0, counts.astype(bool))


SHAPES = {"square": (3, 3), "tall": (4, 2), "wide": (2, 4), "stack": (2, 4, 3), "column": (3, 1), "one": (1, 1)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_qr(shape, mode, kind):
    """NumPy's own q and r, signs, phases and further columns included."""
    x = RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if kind == "complex" else 0)

    def f(a):
        return np.linalg.qr(a, mode) if mode == "r" else tuple(np.linalg.qr(a, mode))

    for found, expected in zip(tp.tree.leaves(tp.vjp(f, x)[0]), tp.tree.leaves(f(x)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-13)
    tp.check_grads(f, (x,))


def test_results_are_numpys():
    def f(a):
        assert type(np.linalg.qr(a)) is type(np.linalg.qr(X))
        return np.sum(np.linalg.qr(a).R)

    assert tp.grad(f)(X).shape == (3, 3)


def test_qr_in_single_precision():
    x = X[:, :2].astype(np.float32)
    gradient = tp.grad(lambda a: np.sum(np.linalg.qr(a, "complete")[0]))(x)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(
        gradient, tp.grad(lambda a: np.sum(np.linalg.qr(a, "complete")[0]))(x.astype(float)), atol=1e-4
    )


def test_dependent_columns_have_no_qr_derivative():
    for a in (np.zeros((3, 2)), np.outer([1.0, 2.0, 3.0], [1.0, 2.0]), np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 1.0]])):
        with pytest.raises(tp.errors.GaugeError, match=r"(?s)qr.*svd"):
            tp.grad(lambda a: np.sum(np.linalg.qr(a)[1]))(a)
        compiled = tp.compile(tp.grad(lambda a: np.sum(np.linalg.qr(a)[1])))
        assert not np.all(np.isfinite(compiled(a)))


def test_further_columns_that_jump():
    """Below the diagonal of the first column there are zeros only: LAPACK does not reflect it."""
    a = np.array([[1.0], [0.0], [0.0]])
    with pytest.raises(tp.errors.GaugeError, match="mode='reduced'"):
        tp.grad(lambda a: np.sum(np.linalg.qr(a, "complete")[0]))(a)
    np.testing.assert_allclose(tp.grad(lambda a: np.sum(np.linalg.qr(a)[0]))(a), [[0], [1], [1]])


def test_raw_qr_is_refused():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match="raw"):
        tp.grad(lambda a: np.sum(np.linalg.qr(a, "raw")[0]))(X)


WRONG = {
    "cholesky of an indefinite matrix": lambda a: np.linalg.cholesky(-a @ a.mT),
    "cholesky of rectangles": lambda a: np.linalg.cholesky(a[:2]),
    "qr of vectors": lambda a: np.linalg.qr(a[0]),
    "mode": lambda a: np.linalg.qr(a, "economy"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], X)
