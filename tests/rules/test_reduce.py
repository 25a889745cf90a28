"""Sums, products and extremes over axes."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import twopass as tp
from rules.against import agrees

X = np.array([[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, -2.0], [1.75, -0.5, 0.125, -3.0]])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
NAN = np.where(MASK, X, np.nan)
DEEP = np.linspace(0.3, 2.0, 24).reshape(2, 3, 4)[:, ::-1, [2, 0, 3, 1]]

CALLS = {
    "sum by method": lambda x: (x.sum(), x.sum(0), x.sum(axis=-1, keepdims=True), x.sum((0, 1))),
    "sum with everything": lambda x: np.sum(x, axis=1, keepdims=True, initial=2.5, where=MASK, dtype=np.float64),
    "sum by position": lambda x: np.sum(x, 0, None, None, True, -1.0, MASK),
    "sum of a list of places": lambda x: (
        np.sum(x, axis=1, where=[True, False, True, True]),
        np.mean(x, 1, where=[True, False, True, True]),
    ),
    "sum of nothing": lambda x: (np.sum(x[:0]), np.sum(x[:, :0], axis=1), np.sum(x, axis=())),
    "sum by name": lambda x: (np.sum(a=x), np.sum(a=x, axis=1), np.sum(axis=0, a=x)),
    "sum of a scalar": lambda x: (np.sum(x[0, 0]), np.sum(x[0, 0], axis=()), np.sum(x[0, 0], keepdims=True)),
    "sum in another dtype": lambda x: (np.sum(x, dtype=np.float32), np.sum(x, 0, np.complex128)),
    "prod by method": lambda x: (x.prod(), x.prod(0), x.prod(axis=(-1, 0), keepdims=True)),
    "prod with everything": lambda x: np.prod(x, axis=0, keepdims=True, initial=2.5, where=MASK, dtype=np.float64),
    "prod of nothing": lambda x: (np.prod(x[:0]), np.prod(x[:, :0], axis=1), np.prod(x, axis=())),
    "max by method": lambda x: (x.max(), x.max(0), x.max(axis=-1, keepdims=True), x.min((0, 1))),
    "max with everything": lambda x: np.max(x, axis=0, keepdims=True, initial=0.0, where=MASK),
    "max by position": lambda x: np.max(x, 1, None, False, 0.0, MASK),
    "min with everything": lambda x: np.min(x, axis=(0, 1), initial=9.0, where=MASK),
    "aliases": lambda x: (np.amax(x, 1), np.amin(a=x, axis=(0, 1), keepdims=True), np.amax(x, initial=0.0)),
    "ptp": lambda x: (np.ptp(x), np.ptp(x, 1), np.ptp(x, axis=(0, 1), keepdims=True)),
}
CALLS_WITH_NAN = {
    "nansum": lambda x: (np.nansum(x), np.nansum(x, 0), np.nansum(x, axis=1, where=MASK[0], initial=1.0)),
    "nanprod": lambda x: (np.nanprod(x), np.nanprod(x, axis=(0, 1), keepdims=True), np.nanprod(x, 1, initial=2.0)),
    "nanmax": lambda x: (np.nanmax(x), np.nanmax(x, 0), np.nanmax(x, axis=1, where=MASK[0], initial=-9.0)),
    "nanmin": lambda x: (np.nanmin(x), np.nanmin(x, (0, 1), keepdims=True), np.nanmin(x, 1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


@pytest.mark.parametrize("name", CALLS_WITH_NAN)
def test_values_and_derivatives_with_nan(name):
    agrees(CALLS_WITH_NAN[name], NAN, derivatives=False)
    # NaN contributes nothing, and the rest as if it were not there.
    gradient = tp.grad(lambda x: sum(np.sum(leaf) for leaf in CALLS_WITH_NAN[name](x)))(NAN)
    assert np.isfinite(gradient).all() and not gradient[~MASK].any() and gradient[MASK].any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex64, np.complex128])
@pytest.mark.parametrize("function", [np.sum, np.prod, np.max, np.min, np.ptp, np.nansum, np.nanprod, np.nanmax])
def test_dtypes_are_kept(function, dtype):
    x = X.astype(dtype)
    agrees(lambda x: (function(x), function(x, axis=0)), x, derivatives=False)
    _, pullback = tp.vjp(lambda x: function(x, axis=0), x)
    assert pullback(np.ones(4, dtype))[0].dtype == dtype


def test_out_takes_the_result():
    def f(x):
        buffer = np.zeros_like(x[0])
        np.sum(x, axis=0, out=buffer)
        return buffer * np.max(x, 0, np.empty_like(x[0]))

    np.testing.assert_array_equal(f(X), X.sum(0) * X.max(0))
    tp.check_grads(f, (X,))


def test_results_of_integer_dtype_are_constants():
    x = np.array([1.5, 2.5])
    for reduction in (np.sum, np.prod, np.mean):
        whole = reduction(x, dtype=np.int64)
        np.testing.assert_array_equal(tp.grad(lambda x: np.sum(x * reduction(x, dtype=np.int64)))(x), [whole, whole])  # noqa: B023


@pytest.mark.parametrize("function", [np.sum, np.prod, np.max, np.min, np.nansum, np.nanprod, np.nanmax, np.nanmin])
def test_a_traced_initial_raises(function):
    for call in (lambda x: function(x, initial=x[0]), lambda x: function(X[0], initial=x[0])):
        with pytest.raises((tp.errors.DifferentiationError, ValueError)):
            tp.grad(call)(X[0])


# --- zeros in products ----------------------------------------------------------------------------------------------


def products_without(x, *left_out):
    return math.prod(v for i, v in enumerate(x) if i not in left_out)


@given(st.lists(st.sampled_from([0.0, 0.0, 1.0, -2.0, 0.5, 3.0]), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_products_with_any_number_of_zeros(values):
    x = np.array(values)
    n = len(x)
    np.testing.assert_allclose(tp.grad(np.prod)(x), [products_without(x, i) for i in range(n)])
    np.testing.assert_allclose(tp.jacobian(np.prod, mode="forward")(x), [products_without(x, i) for i in range(n)])
    expected = [[0 if i == j else products_without(x, i, j) for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(tp.hessian(np.prod)(x), expected)


def test_the_third_derivative_of_a_product_of_zeros():
    third = tp.jacobian(tp.hessian(np.prod))(np.zeros(3))
    assert third[0, 1, 2] == third[2, 0, 1] == 1.0 and third[0, 0, 1] == 0.0


def test_zeros_over_several_axes():
    x = X.copy()
    x[0, 1] = x[2, 3] = 0
    tp.check_grads(lambda x: np.prod(x, axis=(1, 0)), (x,))
    tp.check_grads(lambda x: np.prod(x, axis=1, where=MASK, initial=2.0), (x,))


def test_a_product_whose_value_overflows_has_the_right_gradient():
    x = np.array([1e200, 1e200, 1e-200])
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(tp.grad(np.prod)(x), [1.0, 1.0, np.inf])


# --- ties -----------------------------------------------------------------------------------------------------------


@given(
    arrays.arrays(np.float64, st.tuples(*[st.integers(1, 3)] * 3), elements=st.sampled_from([-1.0, 0.0, 2.0])),
    st.sampled_from([None, 0, -1, (0, 2), (0, 1, 2), ()]),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_equal_extremes_share_equally(x, axis, keepdims):
    for function in (np.max, np.min, np.amax, np.nanmin):
        f = functools.partial(function, axis=axis, keepdims=keepdims)
        gradient = tp.grad(lambda x: np.sum(f(x)))(x)  # noqa: B023
        winners = x == function(x, axis=axis, keepdims=True)
        np.testing.assert_allclose(gradient, winners / winners.sum(axis=axis, keepdims=True))
        tangent = np.linspace(-1, 1, x.size).reshape(x.shape)
        _, pushed = tp.jvp(f, (x,), (tangent,))
        assert np.sum(pushed) == pytest.approx(np.sum(gradient * tangent))


def test_a_tie_with_initial_or_under_a_mask():
    x = np.array([2.0, 1.0, 2.0])
    np.testing.assert_allclose(tp.grad(lambda x: np.max(x, initial=2.0))(x), [1 / 3, 0, 1 / 3])
    np.testing.assert_allclose(tp.grad(lambda x: np.max(x, initial=3.0))(x), [0, 0, 0])
    gradient = tp.grad(lambda x: np.max(x, initial=0.0, where=np.array([True, True, False])))(x)
    np.testing.assert_allclose(gradient, [1, 0, 0])


def test_nan_has_no_extreme():
    x = np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(tp.grad(np.max)(x), [0, 0, 0])
    np.testing.assert_array_equal(tp.grad(np.nanmax)(x), [0, 0, 1])


# --- what `where` leaves out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reduction",
    [
        lambda x, keep: np.sum(np.sqrt(x), where=keep),
        lambda x, keep: np.mean(np.sqrt(x), where=keep),
        lambda x, keep: np.prod(np.sqrt(x), where=keep),
        lambda x, keep: np.max(np.sqrt(x), where=keep, initial=0.0),
        lambda x, keep: np.sum(np.sqrt(x), None, None, None, False, 0, keep),
        lambda x, keep: np.nansum(np.sqrt(x) / keep, where=keep),
        lambda x, keep: np.var(np.sqrt(x), where=keep),
        lambda x, keep: np.std(np.sqrt(x), where=keep),
    ],
)
def test_elements_left_out_contribute_nothing(reduction):
    x = np.array([4.0, 0.0, 1.0, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        gradient = tp.grad(reduction)(x, x > 0)
        short = tp.grad(lambda x: reduction(x, np.ones(2, dtype=bool)))(x[[0, 2]])
    np.testing.assert_allclose(gradient, [short[0], 0, short[1], 0])


def test_a_reduction_whose_result_is_not_selected_contributes_nothing():
    def f(x):
        return np.sum(np.where(np.array([True, False]), np.sum(np.sqrt(x), axis=1), 0.0))

    np.testing.assert_array_equal(tp.grad(f)(np.array([[4.0, 1.0], [0.0, 0.0]])), [[0.25, 0.5], [0, 0]])


# --- aliasing, constants --------------------------------------------------------------------------------------------


def test_mutating_a_mask_between_the_passes():
    def f(x):
        mask = np.array([True, False, True])
        total = np.sum(x, where=mask) + np.prod(x, where=mask) + np.max(x, where=mask, initial=0.0)
        mask[:] = False
        return total

    np.testing.assert_array_equal(tp.grad(f)(np.array([2.0, 5.0, 3.0])), [1 + 3, 0, 1 + 2 + 1])


@pytest.mark.parametrize("function", [np.any, np.all, np.count_nonzero, np.argmax, np.argmin, np.nanargmax])
def test_counts_and_places_are_plain(function):
    seen = []
    gradient = tp.grad(lambda x: (seen.append(function(x, axis=0)), np.sum(x[0] * seen[0]))[1])(X)
    np.testing.assert_array_equal(seen[0], function(X, axis=0))
    assert type(seen[0]) is np.ndarray
    np.testing.assert_array_equal(gradient[0], seen[0].astype(float))


def test_hessian_of_reductions_of_products():
    tp.check_grads(lambda x: np.prod(np.sum(x * x, axis=1)) * np.max(x), (DEEP[0],), order=2)
