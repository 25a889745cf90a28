"""Running sums, products and extremes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

X = np.array([[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, -2.0], [1.75, -0.5, 0.125, -3.0]])
NAN = np.where(X == 3.0, np.nan, X)

CALLS = {
    "cumsum": lambda x: (np.cumsum(x), np.cumsum(x, 0), np.cumsum(a=x, axis=-1), x.cumsum(), x.cumsum(1)),
    "cumprod": lambda x: (np.cumprod(x), np.cumprod(x, 0), np.cumprod(a=x, axis=-1), x.cumprod(), x.cumprod(1)),
    "scalars": lambda x: (np.cumsum(x[0, 0]), np.cumprod(x[0, 0]), np.cumsum(x[0, 0], axis=0)),
    "nothing": lambda x: (np.cumsum(x[:0]), np.cumprod(x[:, :0], axis=1), np.cumprod(x[:0], axis=0)),
    "another dtype": lambda x: (np.cumsum(x, dtype=np.complex128), np.cumprod(x, 1, np.float32)),
    "fortran order": lambda x: (np.cumsum(x.T), np.cumprod(x.T, 0)),
}
if hasattr(np, "cumulative_sum"):
    CALLS["array API"] = lambda x: (
        np.cumulative_sum(x[0]),
        np.cumulative_prod(x, axis=-1, include_initial=True),
        np.cumulative_sum(x, axis=0, include_initial=True, dtype=np.float32),
        np.cumulative_prod(x[0, 0]),
    )


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


def test_nan_counts_as_the_identity():
    agrees(lambda x: (np.nancumsum(x), np.nancumprod(x, axis=1)), NAN, derivatives=False)
    gradient = tp.grad(lambda x: np.sum(np.nancumprod(x, axis=1)) + np.sum(np.nancumsum(x)))(NAN)
    assert gradient[1, 1] == 0 and np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64])
def test_dtypes_are_kept(dtype):
    for function in (np.cumsum, np.cumprod, np.nancumsum, np.nancumprod):
        agrees(lambda x: function(x, axis=1), X.astype(dtype), derivatives=False)  # noqa: B023
        _, pullback = tp.vjp(function, X.astype(dtype))
        assert pullback(np.ones(12, dtype))[0].dtype == dtype


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="np.cumulative_sum came with NumPy 2.1")
def test_the_array_api_wants_an_axis():
    fails_alike(np.cumulative_sum, X)
    fails_alike(lambda x: np.cumulative_prod(x, axis=2), X)


# --- zeros ----------------------------------------------------------------------------------------------------------


def jacobian_of_cumprod(x):
    n = len(x)
    return [[np.prod(np.delete(x[: k + 1], j)) if j <= k else 0.0 for j in range(n)] for k in range(n)]


@given(st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.0, 0.5, 3.0]), min_size=1, max_size=9))
@settings(max_examples=50, deadline=None)
def test_running_products_with_any_number_of_zeros(values):
    x = np.array(values)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(tp.jacobian(np.cumprod, mode=mode)(x), jacobian_of_cumprod(x))
    weights = np.arange(1.0, len(x) + 1)
    hessian = tp.hessian(lambda x: np.sum(weights * np.cumprod(x)))(x)
    step = 1e-3
    for j in range(len(x)):  # the gradient is linear in each element
        moved = x.copy()
        moved[j] += step
        change = (weights @ jacobian_of_cumprod(moved) - weights @ jacobian_of_cumprod(x)) / step
        np.testing.assert_allclose(hessian[j], change, atol=1e-9)


def test_long_running_products_take_linear_time():
    x = np.full(200_000, 1.00001)
    x[100] = 0
    gradient = tp.grad(lambda x: np.cumprod(x)[-1] + np.cumprod(x)[50])(x)
    np.testing.assert_allclose(gradient[100], 1.00001**199_999, rtol=1e-9)
    np.testing.assert_allclose(gradient[:51], 1.00001**50)


# --- ties in running extremes ---------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from([-1.0, 0.0, 2.0]), min_size=1, max_size=8),
    st.sampled_from([np.maximum, np.minimum, np.fmax, np.fmin]),
)
@settings(max_examples=50, deadline=None)
def test_equal_running_extremes_share_equally(values, ufunc):
    x = np.array(values)
    y = ufunc.accumulate(x)
    expected = np.zeros((len(x), len(x)))
    for k in range(len(x)):
        winners = np.flatnonzero(x[: k + 1] == y[k])
        expected[k, winners] = 1 / len(winners)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(tp.jacobian(ufunc.accumulate, mode=mode)(x), expected)


def test_running_extremes_over_nan():
    x = np.array([1.0, np.nan, 3.0, 2.0])
    np.testing.assert_array_equal(tp.jacobian(np.fmax.accumulate)(x), np.eye(4)[[0, 0, 2, 2]])
    np.testing.assert_array_equal(tp.jacobian(np.maximum.accumulate)(x), np.diag([1.0, 0, 0, 0]))
