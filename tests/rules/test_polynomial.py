"""Polynomials at their edges; the laws of `test_conformance.py` hold for each function."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

P = np.array([1.5, -0.5, 2.0, 0.7])
Q = np.array([0.8, -1.2])


def test_polyval():
    x = np.array([[0.3, -1.0], [0.0, 2.0]])
    agrees(np.polyval, P, x, order=2)
    agrees(lambda p: np.polyval(p, 2), P)
    agrees(lambda x: np.polyval([1, 0, 3], x), x)
    agrees(lambda p: np.polyval(p, x.astype(np.float32)), P.astype(np.float32))
    agrees(lambda x: np.polyval(np.zeros(0), x) + 0 * x, x)
    np.testing.assert_allclose(tp.elementwise_grad(lambda x: np.polyval(P, x))(x), np.polyval(np.polyder(P), x))


def test_sums_of_polynomials_of_different_length():
    for function in (np.polyadd, np.polysub):
        agrees(function, P, Q)
        agrees(function, Q, P)
        agrees(lambda q: function(q, 2.0), Q)  # noqa: B023 - used at once
        agrees(lambda q: function([1, 2, 3], q), Q)  # noqa: B023


def test_products_and_quotients():
    agrees(np.polymul, P, Q, order=2)
    agrees(np.polydiv, P, Q, order=2)
    agrees(np.polydiv, Q, P)
    agrees(np.polydiv, P, np.array(2.0))
    # A division without a remainder: NumPy leaves the zeros of the remainder out.
    agrees(lambda q: np.polydiv(np.convolve(P, q), q)[0], Q)
    assert np.polydiv(np.convolve(P, Q), Q)[1].shape == (1,)


def test_what_stays_of_a_product_depends_on_leading_zeros():
    product = lambda p: np.polymul(p, Q)  # noqa: E731
    p = np.array([0.0, 0.0, 1.0, 2.0])
    assert product(p).shape == (3,)
    jacobian = tp.jacobian(product)(p)
    np.testing.assert_array_equal(jacobian, tp.jacobian(lambda p: np.convolve(p, Q)[2:])(p))
    assert jacobian[0, 1] == Q[1]


def test_integrals_and_derivatives():
    agrees(np.polyint, P)
    agrees(lambda p, k: np.polyint(p, 3, k), P, np.array([0.1, 0.2, 0.3]))
    agrees(lambda p: np.polyint(p, m=2, k=1.5), P)
    agrees(np.polyder, P)
    agrees(lambda p: np.polyder(p, 9), P)
    agrees(lambda p: np.polyder(np.polyint(p, 2), 2), P)
    fails_alike(lambda p: np.polyint(p, -1), P)
    fails_alike(lambda p: np.polyint(p, 3, [1, 2]), P)
    fails_alike(lambda p: np.polyder(p, -1), P)


def test_polynomial_objects_hold_traced_coefficients():
    def f(p):
        q = np.poly1d(p)
        return (q * q + 2 * q - np.poly1d([1.0, 1.0])).deriv()(0.5) + q.integ()(p[0])

    agrees(f, P)
    agrees(lambda p: np.polymul(np.poly1d(Q), p).coeffs, P)
    agrees(lambda p: np.polydiv(p, np.poly1d(Q))[0].coeffs, P)
    # Functions that see nothing but such objects do not see that they are traced.
    with pytest.raises(tp.errors.DetachedError):
        tp.grad(lambda p: np.polymul(np.poly1d(p), np.poly1d(Q)).coeffs[0])(P)


def test_a_traced_constant_of_a_plain_polynomial_raises():
    with pytest.raises(tp.errors.DetachedError):
        tp.grad(lambda k: np.polyint([1.0, 2.0], k=k)[-1])(0.5)


def test_compiled_products_have_an_unknown_length():
    with pytest.raises(tp.errors.CaptureError, match=r"shape .* depends on values"):
        tp.compile(lambda p: np.polymul(p, Q))(P)
    with pytest.raises(tp.errors.CaptureError, match=r"shape .* depends on values"):
        tp.compile(lambda p: np.polydiv(p, Q)[1])(P)
