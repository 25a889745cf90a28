"""Sums of exponentials, beside SciPy's and at their edges."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special

import twopass as tp
from twopass import special

RNG = np.random.default_rng(11)
A = RNG.normal(size=(3, 4, 2)) * 3
B = RNG.normal(size=(3, 4, 2))
INF = np.inf


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_values_are_scipys(axis, keepdims):
    keywords = {"axis": axis, "keepdims": keepdims}
    for a in (A, A + 1j * B, A.astype(np.float32), (A * 3).astype(int)):
        expected = scipy.special.logsumexp(a, **keywords)
        found = special.logsumexp(a, **keywords)
        np.testing.assert_allclose(found, expected, rtol=1e-6 if a.dtype == np.float32 else 1e-14)
        assert found.dtype == expected.dtype and found.shape == expected.shape
    for a, b, sign in itertools.product((A, A + 1j * B), (np.abs(B), B[0, 0]), (False, True)):
        with np.errstate(invalid="ignore"):
            expected = scipy.special.logsumexp(a, b=b, return_sign=sign, **keywords)
        found = special.logsumexp(a, b=b, return_sign=sign, **keywords)
        for one, other in zip(tp.tree.leaves(found), tp.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-14)
    for name in ("softmax", "log_softmax"):
        expected = getattr(scipy.special, name)(A, axis=axis)
        np.testing.assert_allclose(getattr(special, name)(A, axis=axis), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([-INF, -INF], None),
        ([INF, 1.0], None),
        ([INF, INF], None),
        ([-INF, 2.0], None),
        ([np.nan, 2.0], None),
        ([1000.0, 1000.0], None),
        ([0.0, -50.0], None),
        ([-INF, -INF], [1.0, -1.0]),
        ([INF, 1.0], [0.0, 2.0]),
        ([INF, 1.0], [2.0, 1.0]),
        ([1.0, 1.0], [1.0, -1.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([5000.0, 2.0], [0.0, 3.0]),
        ([1.0, 2.0], [1.0, -1.0]),
    ],
)
def test_edges_are_scipys(a, b):
    a, b = np.array(a), None if b is None else np.array(b)
    with np.errstate(all="ignore"):
        expected = scipy.special.logsumexp(a, b=b), *scipy.special.logsumexp(a, b=b, return_sign=True)
    found = special.logsumexp(a, b=b), *special.logsumexp(a, b=b, return_sign=True)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    tp.vjp(lambda a: special.logsumexp(a, b=b), a)


def test_the_gradient_is_the_softmax():
    gradient = tp.grad(lambda a: np.sum(special.logsumexp(a, axis=1)))(A)
    np.testing.assert_allclose(gradient, special.softmax(A, axis=1), rtol=1e-13)
    tp.check_grads(lambda a: special.logsumexp(a, axis=(0, 2)), (A,))
    tp.check_grads(lambda a, b: special.logsumexp(a, axis=1, b=b, return_sign=True)[0], (A, B))
    tp.check_grads(lambda a: special.logsumexp(a, axis=1), (A + 1j * B,))
    tp.check_grads(lambda a: special.logsumexp(a, axis=1, keepdims=True), (A.astype(np.float32),), rtol=1e-3, atol=1e-3)
    for function in (special.softmax, special.log_softmax):
        tp.check_grads(lambda a: function(a, axis=(0, 1)), (A,))  # noqa: B023 - used at once


def test_the_sum_of_nothing():
    assert special.logsumexp(np.zeros(0)) == -INF
    assert special.logsumexp(np.zeros((2, 0)), axis=1, b=np.zeros((2, 0))).shape == (2,)


def test_ties_to_second_order():
    hessian = tp.hessian(special.logsumexp)(np.zeros(2))
    np.testing.assert_allclose(hessian, [[0.25, -0.25], [-0.25, 0.25]])


def test_equal_infinities_share():
    gradient = tp.grad(special.logsumexp)
    np.testing.assert_array_equal(gradient(np.array([-INF, -INF])), [0.5, 0.5])
    np.testing.assert_array_equal(gradient(np.array([INF, 1.0, INF])), [0.5, 0, 0.5])
    np.testing.assert_array_equal(gradient(np.array([-INF, 1.0])), [0, 1])


def test_a_weight_of_zero_has_the_exponential_as_its_derivative():
    gradient = tp.grad(lambda b: special.logsumexp(np.array([0.0, 1.0]), b=b))(np.array([1.0, 0.0]))
    np.testing.assert_allclose(gradient, [1.0, np.e])


def test_small_sums_keep_their_digits():
    assert special.logsumexp(np.array([0.0, -50.0])) == pytest.approx(np.exp(-50), rel=1e-14)


def test_scipys_own_functions_name_these():
    for name in ("logsumexp", "softmax", "log_softmax"):
        with pytest.raises(tp.errors.DetachedError, match=rf"Write twopass\.special\.{name}") as caught:
            tp.grad(lambda a: np.sum(getattr(scipy.special, name)(a)))(A)  # noqa: B023
        assert __file__ in str(caught.value)
