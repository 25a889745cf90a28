"""Medians and quantiles."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees

X = np.array([[0.5, -1.5, 2.0, 0.25, 4.0], [1.0, 3.0, -0.75, -2.0, 0.0], [1.75, -0.5, 0.125, -3.0, 5.0]])
NAN = np.where(np.arange(15).reshape(3, 5) % 4 == 1, np.nan, X)
METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen"),
    *("weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)

CALLS = {
    "median": lambda x: (np.median(x), np.median(x, 0), np.median(a=x, axis=-1), np.median(x, (1, 0), keepdims=True)),
    "median of little": lambda x: (np.median(x[0, 0]), np.median(x[:1, 0]), np.median(x[:, :2], axis=1)),
    "quantile": lambda x: (np.quantile(x, 0.3), np.quantile(x, [0.2, 1.0], axis=1), np.quantile(a=x, q=0.0, axis=-2)),
    "quantiles in a table": lambda x: np.quantile(x, np.array([[0.1, 0.9], [0.4, 0.5]]), axis=1),
    "percentile": lambda x: (np.percentile(x, 30, 1), np.percentile(x, [20, 99], (0, 1), keepdims=True)),
    "weighted": lambda x: (
        np.quantile(x, 0.4, axis=1, weights=[1.0, 0.5, 2.0, 1.0, 0.0], method="inverted_cdf"),
        np.percentile(x, [10, 60], weights=np.abs(X), method="inverted_cdf"),
    ),
    **{method: lambda x, m=method: np.quantile(x, [0.0, 0.15, 0.5, 0.83], axis=1, method=m) for method in METHODS},
}
CALLS_WITH_NAN = {
    "median": lambda x: (np.median(x, 0), np.median(x)),
    "quantile": lambda x: (np.quantile(x, 0.2, axis=0), np.percentile(x, [5, 50], axis=0)),
    "nanmedian": lambda x: (np.nanmedian(x), np.nanmedian(x, 0), np.nanmedian(x, 1, keepdims=True)),
    "nanquantile": lambda x: (np.nanquantile(x, 0.3), np.nanquantile(x, [0.2, 0.9], axis=1, method="hazen")),
    "nanpercentile": lambda x: (np.nanpercentile(x, 30, 0), np.nanpercentile(x, [20, 90], (0, 1), keepdims=True)),
    "nanquantile of a table": lambda x: np.nanquantile(x, np.array([[0.1, 0.9], [0.4, 0.5]]), axis=0),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", CALLS)
def test_dtypes_are_kept(name, dtype):
    agrees(CALLS[name], X.astype(dtype), derivatives=False)
    out, pullback = tp.vjp(CALLS["quantile"], X.astype(dtype))
    assert pullback(tuple(np.ones_like(y) for y in out))[0].dtype == dtype


@pytest.mark.parametrize("name", CALLS_WITH_NAN)
def test_values_and_derivatives_with_nan(name):
    agrees(CALLS_WITH_NAN[name], NAN, derivatives=False)

    def embedded(values):
        full = np.full_like(X, np.nan) + np.zeros(X.shape, like=values)
        full[~np.isnan(NAN)] = values
        return [np.where(np.isnan(leaf), 0, leaf) for leaf in CALLS_WITH_NAN[name](full)]

    tp.check_grads(embedded, (X[~np.isnan(NAN)],))


def test_rows_of_nan_have_no_derivative():
    x = np.array([[np.nan, np.nan], [1.0, 2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gradient = tp.grad(lambda x: np.sum(np.nanmedian(x, axis=1)))(x)
    np.testing.assert_array_equal(gradient, [[0, 0], [0.5, 0.5]])


@given(
    st.lists(st.sampled_from([-1.0, 0.0, -0.0, 2.0, 5.0]), min_size=1, max_size=7),
    st.floats(0, 1),
    st.sampled_from(METHODS),
)
@settings(max_examples=60, deadline=None)
def test_equal_elements_share_equally(values, q, method):
    x = np.array(values)
    gradient = tp.grad(lambda x: np.quantile(x, q, method=method))(x)
    assert np.sum(gradient) == pytest.approx(1) and (gradient >= 0).all()
    for value in values:
        assert np.ptp(gradient[x == value]) < 1e-15
    # Nudging all equal elements together moves the quantile as the sum of their shares says.
    for value in set(values):
        moved = np.quantile(np.where(x == value, x + 1e-6, x), q, method=method) - np.quantile(x, q, method=method)
        assert moved / 1e-6 == pytest.approx(np.sum(gradient[x == value]), abs=1e-6)
    tangent = np.arange(1.0, len(x) + 1)
    pushed = tp.jvp(lambda x: np.quantile(x, q, method=method), (x,), (tangent,))[1]
    assert pushed == pytest.approx(np.dot(gradient, tangent))


def test_complex_medians():
    z = X[0] + 1j * X[1]
    agrees(lambda z: (np.median(z), np.median(z[:4])), z)


def test_levels_and_weights_must_be_plain():
    for f in (
        lambda x: np.quantile(x, np.abs(x[0, 1]) / 2),
        lambda x: np.percentile(x, q=np.abs(x[0, 1])),
        lambda x: np.quantile(x, 0.4, weights=np.abs(x), method="inverted_cdf"),
    ):
        with pytest.raises(tp.errors.UnsupportedOperatorError, match="stop_gradient"):
            tp.grad(f)(X)


def test_mutating_the_levels_between_the_passes():
    def f(x):
        q = np.array([0.0, 1.0])
        ends = np.quantile(x, q)
        q[:] = 0.5
        return np.sum(ends)

    np.testing.assert_array_equal(tp.grad(f)(np.array([3.0, 1.0, 2.0])), [1, 1, 0])


def test_second_derivatives_through_a_quantile():
    tp.check_grads(lambda x: np.sum(np.median(x**3, axis=0) * np.quantile(x * x, 0.4, axis=0)), (X,), order=2)
