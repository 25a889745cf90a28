"""Pseudo-inverses, least squares and fitted polynomials."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import fails_alike

RNG = np.random.default_rng(9)
SHAPES = {"square": (3, 3), "tall": (5, 3), "wide": (3, 5)}
KINDS = pytest.mark.parametrize("kind", ["real", "complex"])
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def draw(shape, kind="real"):
    return RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if kind == "complex" else 0)


@EACH_SHAPE
@KINDS
def test_pinv(shape, kind):
    tp.check_grads(np.linalg.pinv, (draw(shape, kind),), order=2)
    tp.check_grads(np.linalg.pinv, (np.eye(*shape) + 0 * draw(shape, kind),), order=2)  # equal singular values
    tp.check_grads(np.linalg.pinv, (draw((2, *shape), kind),), order=1)


@EACH_SHAPE
def test_pinv_that_cuts_off(shape):
    """With a large rcond, the small singular values stay cut off as the matrix changes, if they are 0, too."""
    for small in (0.1, 0.0):
        u, v = (np.linalg.qr(draw((n, n)))[0] for n in shape)
        a = (u[:, :3] * np.array([2.0, 2.0, small])) @ v[:, :3].T
        tp.check_grads(lambda a: np.linalg.pinv(a, 0.3), (a,), order=1)
        tp.check_grads(lambda a: np.linalg.pinv(a, rtol=0.3), (a,), order=1)


@KINDS
def test_pinv_of_a_hermitian_matrix(kind):
    q = np.linalg.qr(draw((3, 3), kind))[0]
    for w in ([2.0, -1.0, 0.5], [2.0, 2.0, -1.0]):
        a = (q * np.array(w)) @ np.conj(q.T)
        tp.check_grads(lambda a: np.linalg.pinv(a, hermitian=True), (a,), order=1)
    tp.check_grads(
        lambda a: np.linalg.pinv(a, 0.3, hermitian=True), ((q * np.array([2.0, 0, 1])) @ np.conj(q.T),), order=1
    )


def test_lower_rank_has_no_derivative():
    for a in (np.zeros((2, 2)), np.outer([1.0, 2.0, 3.0], [1.0, 2.0]), np.diag([1.0, 0.0])):
        for f in (
            np.linalg.pinv,
            lambda a: np.linalg.lstsq(a, np.ones(len(a)))[0],
            lambda a: np.linalg.pinv(a, rtol=None),
        ):
            with pytest.raises(tp.errors.DifferentiationError, match=r"(?s)pinv.*rank.*rcond"):
                tp.grad(lambda a: np.sum(f(a)))(a)  # noqa: B023
        assert np.all(np.isnan(tp.compile(tp.grad(lambda a: np.sum(np.linalg.pinv(a))))(a)))


@EACH_SHAPE
@KINDS
def test_lstsq(shape, kind):
    a, b = draw(shape, kind), draw((shape[0], 2), kind)
    for rhs in (b, b[:, 0]):
        out = tp.vjp(np.linalg.lstsq, a, rhs)[0]
        for found, expected in zip(out, np.linalg.lstsq(a, rhs), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-12)
            assert np.shape(found) == np.shape(expected)
        tp.check_grads(lambda a, b: [np.linalg.lstsq(a, b)[k] for k in (0, 1, 3)], (a, rhs), order=2)
    tp.check_grads(lambda b: np.linalg.lstsq(a, b)[0], (b,), order=2)
    low = np.array(a)
    low[:, 0] = 1e-9 * low[:, 1]
    tp.check_grads(lambda a: np.linalg.lstsq(a, b, rcond=1e-3)[0], (low,), order=1)


def test_lstsq_where_singular_values_are_equal():
    for a in (np.eye(3), np.eye(4, 2), np.eye(2, 4)):
        tp.check_grads(lambda a: np.linalg.lstsq(a, np.arange(1.0, len(a) + 1))[0], (a,), order=2)


def test_lstsq_compiled():
    a, b = draw((5, 3)), draw(5)

    def f(a, b):
        x, residuals, _, s = np.linalg.lstsq(a, b)
        return np.sum(x**2) + residuals[0] + np.sum(s)

    np.testing.assert_allclose(tp.compile(tp.grad(f))(a, b), tp.grad(f)(a, b), atol=1e-12)


def test_polyfit():
    x, y, w = np.linspace(-1, 1, 6) + 0.1 * draw(6), draw((6, 2)), RNG.uniform(0.5, 2, 6)
    tp.check_grads(lambda x, y: np.polyfit(x, y, 2), (x, y), order=2)
    tp.check_grads(lambda x, y, w: np.polyfit(x, y[:, 0], 2, w=w), (x, y, w), order=2)
    for cov in (True, "unscaled"):
        for values in (y, y[:, 0]):

            def f(x, y, w, cov=cov):
                return tuple(np.polyfit(x, y, 1, w=w, cov=cov))

            tp.check_grads(f, (x, values, w), order=1)
            for found, expected in zip(tp.vjp(f, x, values, w)[0], f(x, values, w), strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-10)
    tp.check_grads(lambda x, y: [np.polyfit(x, y, 2, full=True)[k] for k in (0, 1, 3)], (x, y), order=1)


def test_a_polynomial_through_too_few_points():
    with pytest.raises(tp.errors.DifferentiationError, match="rank"):
        tp.grad(lambda x: np.sum(np.polyfit(x, np.ones(3), 1)))(np.ones(3))
    with pytest.warns(np.exceptions.RankWarning):
        tp.grad(lambda x: np.sum(np.polyfit(x, x, 1, rcond=0.1)))(np.array([1.0, 1.01, 1.02]))


WRONG = {
    "lstsq of sizes": lambda a: np.linalg.lstsq(a, a[:2]),
    "lstsq of stacks": lambda a: np.linalg.lstsq(a[None], a),
    "both cutoffs": lambda a: np.linalg.pinv(a, 0.1, rtol=0.1),
    "polyfit of matrices": lambda a: np.polyfit(a, a, 1),
    "degree": lambda a: np.polyfit(a[0], a[0], -1),
    "weights": lambda a: np.polyfit(a[0], a[0], 1, w=a),
    "sizes": lambda a: np.polyfit(a[0], a[0, :2], 1),
    "too few for a covariance": lambda a: np.polyfit(a[0], a[0], 2, cov=True),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], RNG.normal(size=(3, 3)))
