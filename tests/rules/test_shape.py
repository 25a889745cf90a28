"""Shapes, axes, dtypes and repetition."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])

CALLS = {
    "reshape by method": lambda x: (x.reshape(4, 3), x.reshape((2, 6)), x.reshape(-1, order="F")),
    "ravel by method": lambda x: (x.ravel(), x.ravel("F"), x.flatten(), x.flatten("F"), x[0].ravel("K")),
    "transpose by method": lambda x: (x.T, x.mT, x.transpose(), x.transpose(1, 0), x.transpose((1, 0))),
    "squeeze by method": lambda x: (x[None].squeeze(), x[None].squeeze(0), x.swapaxes(0, 1)),
    "axes by keyword": lambda x: (np.transpose(a=x, axes=(1, 0)), np.swapaxes(a=x, axis1=0, axis2=1)),
    "moveaxis of lists": lambda x: np.moveaxis(x[None], [0, 1], [-1, 0]),
    "atleast": lambda x: (np.atleast_1d(x[0, 0]), np.atleast_2d(x, 1.0), np.atleast_3d(x[0], x, x[0, 0])),
    "broadcast": lambda x: (np.broadcast_to(x, (2, 3, 4)), np.broadcast_arrays(x, x[0], 1.0, [[2.0]])),
    "flips": lambda x: (np.flip(x), np.flip(x, (0, 1)), np.flipud(x), np.fliplr(x), x[::-1]),
    "rotations": lambda x: (*(np.rot90(x, k) for k in range(-5, 6)), np.rot90(x, axes=(1, 0))),
    "roll": lambda x: (np.roll(x, 5), np.roll(x, (1, 2), (1, 1)), np.roll(x, -1, -2)),
    "repeat by method": lambda x: (x.repeat(2), x.repeat([1, 0, 2], axis=0), np.repeat(x, repeats=0)),
    "tile": lambda x: (np.tile(x, 2), np.tile(x, (2, 1, 3)), np.tile(x[0], [2, 2]), np.tile(x, 1)),
    "resize": lambda x: (np.resize(x, 20), np.resize(x, (2, 2)), np.resize(x, 0), np.resize(x[:0], 3)),
    "copies": lambda x: (x.copy(), x.copy("F"), np.copy(x, order="C"), x.astype(np.float64)),
    "to complex": lambda x: (x.astype(np.complex128), x.astype("complex64")),
    "to single": lambda x: x.astype(np.float32).astype(np.float64),
    "windows": lambda x: (
        np.lib.stride_tricks.sliding_window_view(x, (2, 2)),
        np.lib.stride_tricks.sliding_window_view(x, 3, axis=-1),
        np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 1)),
    ),
    "trim_zeros": lambda x: (np.trim_zeros(x[0] * [0, 1, 0, 0]), np.trim_zeros(x[0] * [0, 1, 1, 0], "b")),
    "trim_zeros of zeros": lambda x: np.trim_zeros(x[0] * 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    with np.errstate(all="ignore"):
        agrees(CALLS[name], X if name != "to single" else X.astype(np.float32))


@pytest.mark.skipif("axis" not in inspect.signature(np.trim_zeros).parameters, reason="new in NumPy 2.2")
def test_trim_zeros_of_a_matrix():
    mask = np.array([[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    agrees(lambda x: (np.trim_zeros(x * mask), np.trim_zeros(x * mask, "f", axis=1)), X)
    agrees(lambda x: np.trim_zeros(x * mask, axis=()), X)
    fails_alike(lambda x: np.trim_zeros(x, "x"), X)


@pytest.mark.skipif("copy" not in inspect.signature(np.reshape).parameters, reason="new in NumPy 2.1")
def test_reshape_with_copy():
    def f(x):
        y = x * 1.0
        for copied in (np.reshape(y, 12, copy=True), y.reshape(12, copy=True)):
            copied *= 2
        shared = y.reshape(4, 3, copy=False)
        shared += 1
        return y, copied

    agrees(f, X)
    fails_alike(lambda x: np.reshape(x.T, -1, copy=False), X)
    fails_alike(lambda x: x.T.reshape(-1, copy=False), X)


WRONG = {
    "reshape": lambda x: np.reshape(x, (5, 5)),
    "squeeze": lambda x: np.squeeze(x, 0),
    "transpose": lambda x: np.transpose(x, (0, 0)),
    "moveaxis": lambda x: np.moveaxis(x, 0, 5),
    "matrix_transpose": lambda x: np.matrix_transpose(x[0]),
    "fliplr": lambda x: np.fliplr(x[0]),
    "rot90": lambda x: np.rot90(x, axes=(0, 0)),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2)),
    "casting": lambda x: x.astype(np.float32, casting="safe"),
    "imag": lambda x: setattr(x, "imag", 1.0),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)


@pytest.mark.parametrize("order", ["A", "K"])
def test_the_order_in_memory_is_not_a_matter_of_values(order):
    for function in (lambda x: np.ravel(x, order=order), lambda x: x.flatten(order)):
        with pytest.raises(tp.errors.UnsupportedOperatorError, match=r'order=".*order="F"'):
            tp.grad(lambda x, function=function: np.sum(function(x)))(X)
    assert np.all(tp.grad(lambda x: np.sum(np.ravel(x[0], order)))(X)[0] == 1)


# --- dtypes ---------------------------------------------------------------------------------------------------------


def test_a_complex_array_made_real_warns_once_and_keeps_the_real_derivative():
    z = np.array([1 + 2j, 3 - 1j])
    with pytest.warns(np.exceptions.ComplexWarning) as seen:
        _, pullback = tp.vjp(lambda z: z.astype(float) ** 2, z)
    assert len(seen) == 1
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2, 6])
    with pytest.warns(np.exceptions.ComplexWarning) as seen:
        _, tangent = tp.jvp(lambda z: z.astype(float) ** 2, (z,), (np.array([1j, 1 + 1j]),))
    assert len(seen) == 1
    np.testing.assert_array_equal(tangent, [0, 6])


def test_integers_and_booleans_are_constants():
    def f(x):
        whole, positive = x.astype(int), x.astype(bool)
        assert type(whole) is type(positive) is np.ndarray
        return np.sum(x * whole * positive)

    np.testing.assert_array_equal(tp.grad(f)(V * 3), (V * 3).astype(int))
    assert tp.grad(tp.grad(lambda x: x * x.astype(int)))(2.5) == 0


@pytest.mark.parametrize("dtype", [object, str, "S3"])
def test_dtypes_that_are_not_numbers_raise(dtype):
    with pytest.raises(tp.errors.UnsupportedOperatorError, match="derivative would be lost"):
        tp.grad(lambda x: x.astype(dtype))(V)


def test_astype_without_copy():
    def f(x):
        assert x.astype(np.float64, copy=False) is x
        return np.sum(x.astype(np.float32, copy=False))

    assert tp.grad(f)(V).dtype == np.float64


def test_questions_have_plain_answers():
    def f(x):
        assert np.shape(x) == (3,) and np.ndim(x) == 1 and np.size(x) == 3
        assert np.result_type(x, np.float32) == np.float64 and np.common_type(x) is np.float64
        assert np.min_scalar_type(x) == np.float64
        assert np.shares_memory(x, x[1:]) and np.may_share_memory(x, x)
        assert not np.shares_memory(x, x.copy())
        view = x[1:]
        view *= 2
        assert np.shares_memory(view, x)
        assert np.iterable(x) and not np.isscalar(x)
        assert np.array2string(x) == np.array_str(x) == "[ 0.5 -2.   4. ]" and "4." in np.array_repr(x)
        return np.sum(x)

    tp.grad(f)(V)


def test_windows_convolve():
    kernel = np.array([1.0, -2.0, 0.5])

    def convolved(x):
        return np.lib.stride_tricks.sliding_window_view(x, 3) @ kernel[::-1]

    _, pullback = tp.vjp(convolved, X[0])
    np.testing.assert_allclose(pullback(np.array([1.0, 10.0]))[0], np.convolve([1.0, 10.0], kernel[::-1]))
    with pytest.raises(ValueError, match="read-only"):
        tp.grad(lambda x: np.lib.stride_tricks.sliding_window_view(x, 2).fill(0))(X[0])
