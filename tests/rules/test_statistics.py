"""Means, variances and covariances."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

X = np.array([[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, -2.0], [1.75, -0.5, 0.125, -3.0]])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
NAN = np.where(MASK, X, np.nan)
W = np.array([0.5, 1.0, 2.0, 0.25])

CALLS = {
    "mean": lambda x: (np.mean(x), x.mean(0), x.mean(axis=(1, 0), keepdims=True), np.mean(a=x, axis=-1)),
    "mean with everything": lambda x: np.mean(x, axis=1, dtype=np.float64, keepdims=True, where=MASK),
    "mean in another dtype": lambda x: (np.mean(x, dtype=np.float32), np.mean(x, 0, np.complex128)),
    "mean of a scalar": lambda x: (np.mean(x[0, 0]), np.mean(x, axis=())),
    "average": lambda x: (np.average(x), np.average(x, 1), np.average(x, axis=(0, 1), keepdims=True)),
    "average by weights": lambda x: (
        np.average(x, weights=np.abs(x)),
        np.average(x, axis=1, weights=W),
        np.average(x, axis=-1, weights=x[0] + 3, keepdims=True),
        np.average([[1, 2, 3]], axis=1, weights=x[:, 0] + 3),
        np.average(x[None], axis=(2, 0), weights=W[:, None]),
    ),
    "average and sum of weights": lambda x: (
        *np.average(x, returned=True),
        *np.average(x, 1, [1, 2, 0, 1], True),
        *np.average(x, axis=1, weights=W, returned=True, keepdims=True),
    ),
    "var": lambda x: (np.var(x), x.var(0), x.var(axis=(1, 0), keepdims=True), np.var(a=x, axis=-1)),
    "var with everything": lambda x: (
        np.var(x, axis=1, dtype=np.float64, ddof=1, keepdims=True, where=MASK),
        np.var(x, 1, None, None, 1, True),
        np.var(x, axis=1, correction=0.5, where=MASK),
    ),
    "var about a mean": lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)),
    "var about any value": lambda x: (np.var(x, mean=x[0, 0]), np.var(X, axis=1, mean=x[:, :1], where=MASK)),
    "std": lambda x: (np.std(x), x.std(0), x.std(axis=(1, 0), keepdims=True, ddof=1), np.std(x, where=MASK)),
    "cov": lambda x: (
        np.cov(x),
        np.cov(x[0]),
        np.cov(x, x[0] * 2),
        np.cov(x, rowvar=False),
        np.cov(x[:, :3], x, False),
    ),
    "cov with freedom": lambda x: (
        np.cov(x, bias=True),
        np.cov(x, ddof=0),
        np.cov(m=x, y=None, ddof=2),
        np.cov(x, dtype=np.float32),
    ),
    "cov by weights": lambda x: (
        np.cov(x, fweights=[1, 2, 1, 3]),
        np.cov(x, aweights=W),
        np.cov(x, fweights=[1, 2, 1, 3], aweights=W),
        np.cov(x, aweights=W, ddof=0),
        np.cov(x, aweights=x[0] ** 2 + 1),
        np.cov(X, aweights=x[0] ** 2 + 1),
    ),
    "corrcoef": lambda x: (np.corrcoef(x), np.corrcoef(x, x[1] ** 2), np.corrcoef(x, rowvar=False), np.corrcoef(x[0])),
}
CALLS_WITH_NAN = {
    "nanmean": lambda x: (np.nanmean(x), np.nanmean(x, 0), np.nanmean(x, axis=1, where=MASK[0], keepdims=True)),
    "nanvar": lambda x: (np.nanvar(x), np.nanvar(x, 0, ddof=1), np.nanvar(x, axis=1, where=MASK[0], keepdims=True)),
    "nanvar about a mean": lambda x: np.nanvar(x, axis=1, mean=np.nanmean(x, axis=1, keepdims=True), correction=1),
    "nanstd": lambda x: (np.nanstd(x), np.nanstd(x, (0, 1), keepdims=True), np.nanstd(x, 1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


@pytest.mark.parametrize("name", CALLS_WITH_NAN)
def test_values_and_derivatives_with_nan(name):
    agrees(CALLS_WITH_NAN[name], NAN, derivatives=False)

    def embedded(values):
        """The same statistics of values that stand between NaNs."""
        full = np.full_like(X, np.nan, shape=X.shape) + np.zeros(X.shape, like=values)
        full[MASK] = values
        return CALLS_WITH_NAN[name](full)

    tp.check_grads(embedded, (X[MASK],), order=2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, np.complex128])
def test_dtypes_are_kept(dtype):
    x = X.astype(dtype)
    for function in (np.mean, np.var, np.std, np.average, np.nanmean, np.nanvar, np.nanstd):
        agrees(lambda x: (function(x), function(x, axis=0)), x, derivatives=False)  # noqa: B023
        assert tp.vjp(function, x)[1](np.ones((), np.real(x).dtype))[0].dtype == dtype
    for function in (np.mean, np.var, np.std, np.nanmean, np.nanvar):
        agrees(lambda x: function(x, axis=1, where=MASK), x, derivatives=False)  # noqa: B023


def test_complex_statistics():
    z = X[:2] + 1j * X[1:]
    agrees(lambda z: (np.mean(z, 0), np.var(z, 1), np.std(z), np.nanvar(z), np.nanstd(z, axis=0)), z)
    agrees(lambda z: (np.average(z, axis=1, weights=W), np.cov(z)), z)
    tp.check_grads(np.corrcoef, (z,))


def test_the_standard_deviation_of_a_constant_has_gradient_zero():
    for x in (np.ones(4), np.full(3, 1 + 2j), np.ones(1), np.float64(2.0)):
        for function in (np.std, np.nanstd):
            np.testing.assert_array_equal(tp.grad(function)(x), np.zeros_like(x))
            np.testing.assert_array_equal(tp.jvp(function, (x,), (np.ones_like(x),))[1], 0)
    rows = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 4.0]])
    gradient = tp.grad(lambda x: np.sum(np.std(x, axis=1)))(rows)
    assert not gradient[0].any() and gradient[1].all()
    np.testing.assert_array_equal(tp.hessian(np.std)(np.ones(2)), np.zeros((2, 2)))


def test_a_mean_that_is_a_function_of_the_data_counts_in_the_second_derivative():
    def spelled(x):
        return np.var(x, mean=np.mean(x))

    np.testing.assert_allclose(tp.hessian(spelled)(X[0]), tp.hessian(np.var)(X[0]), atol=1e-15)


def test_too_few_degrees_of_freedom():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for ddof in (1, 2, 3):
            agrees(lambda x: (np.var(x, ddof=ddof), np.nanvar(x, ddof=ddof)), X[0, :2], derivatives=False)  # noqa: B023
            agrees(lambda x: np.cov(x, ddof=ddof), X[:, :2], derivatives=False)  # noqa: B023


WRONG = {
    "two names of one parameter": lambda x: np.var(x, ddof=1, correction=1),
    "weights that sum to zero": lambda x: np.average(x, axis=0, weights=[1, -1, 0]),
    "weights without an axis": lambda x: np.average(x, weights=W),
    "weights of another shape": lambda x: np.average(x, axis=0, weights=W),
    "unknown axis": lambda x: np.average(x, axis=2, weights=W),
    "too many dimensions": lambda x: np.cov(x[None]),
    "fractional frequencies": lambda x: np.cov(x, fweights=W),
    "negative frequencies": lambda x: np.cov(x, fweights=[1, -1, 2, 1]),
    "negative weights": lambda x: np.cov(x, aweights=-W),
    "number of weights": lambda x: np.cov(x, aweights=W[:2]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], X)


def test_a_variance_is_differentiated_in_single_precision():
    gradient = tp.grad(lambda x: np.sum(np.var(x, axis=1)))(X.astype(np.float32))
    np.testing.assert_allclose(gradient, 2 * (X - X.mean(1, keepdims=True)) / 4, rtol=1e-5)
    assert gradient.dtype == np.float32
