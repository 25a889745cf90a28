"""Shapes, axes, dtypes, repetition, padding, and arrays made like others."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.core.array import Array

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0])

CALLS = {
    "reshape by method": lambda x: (x.reshape(4, 3), x.reshape((2, 6)), x.reshape(-1, order="F")),
    "reshape with copy": lambda x: x.reshape(12, copy=True),
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
    "meshgrid": lambda x: np.meshgrid(x[0], x[:, 0], [1.0, 2.0], indexing="ij", sparse=True),
    "meshgrid of scalars": lambda x: np.meshgrid(x[0, 0], x[1]),
    "linspace": lambda x: (np.linspace(0, x), np.linspace(x[0], x[1], 7, axis=1), np.linspace(x[0, 0], x[0, 0], 3)),
    "linspace with step": lambda x: np.linspace(x[0], 3, 4, endpoint=False, retstep=True),
    "linspace as single": lambda x: np.linspace(x[0], 2.0, 4, dtype=np.float32),
    "logspace": lambda x: (np.logspace(x[0], 1.0, 4), np.logspace(0.0, x[1], 3, base=2, endpoint=False)),
    "vander": lambda x: (np.vander(x[0]), np.vander(x[0], 2), np.vander(x[0], 5, True), np.vander(x[0], 1)),
    "windows": lambda x: (
        np.lib.stride_tricks.sliding_window_view(x, (2, 2)),
        np.lib.stride_tricks.sliding_window_view(x, 3, axis=-1),
        np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(1, 1)),
    ),
    "full_like": lambda x: (np.full_like(x, x[0, 0]), np.full_like(x, x[0], np.float32), np.full_like(x, 2, shape=2)),
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


WRONG = {
    "reshape": lambda x: np.reshape(x, (5, 5)),
    "reshape without copy": lambda x: np.reshape(x.T, -1, copy=False),
    "squeeze": lambda x: np.squeeze(x, 0),
    "transpose": lambda x: np.transpose(x, (0, 0)),
    "moveaxis": lambda x: np.moveaxis(x, 0, 5),
    "matrix_transpose": lambda x: np.matrix_transpose(x[0]),
    "fliplr": lambda x: np.fliplr(x[0]),
    "rot90": lambda x: np.rot90(x, axes=(0, 0)),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2)),
    "vander": np.vander,
    "linspace": lambda x: np.linspace(x, 1.0, -1),
    "trim_zeros": lambda x: np.trim_zeros(x, "x"),
    "pad": lambda x: np.pad(x, 1, "no such mode"),
    "pad width": lambda x: np.pad(x, (1, 2, 3)),
    "pad keyword": lambda x: np.pad(x, 1, "edge", constant_values=1),
    "pad statistics": lambda x: np.pad(x, 1, "mean", end_values=1),
    "pad an empty axis": lambda x: np.pad(x[:0], 1, "reflect"),
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


# --- making arrays --------------------------------------------------------------------------------------------------

CREATED = {
    "zeros": lambda x: np.zeros((2, 3), like=x),
    "ones": lambda x: np.ones(3, np.float32, like=x),
    "empty": lambda x: np.empty(0, like=x),
    "full": lambda x: np.full(3, 2.5, like=x),
    "eye": lambda x: np.eye(3, 2, k=1, like=x),
    "identity": lambda x: np.identity(2, like=x),
    "tri": lambda x: np.tri(3, like=x),
    "arange": lambda x: np.arange(3.0, like=x),
    "fromfunction": lambda x: np.fromfunction(lambda i: i * 2.0, (3,), like=x),
    "fromiter": lambda x: np.fromiter(iter([1.0, 2.0]), float, like=x),
    "frombuffer": lambda x: np.frombuffer(bytes(16), like=x),
    "fromstring": lambda x: np.fromstring("1 2", sep=" ", like=x),
    "array": lambda x: np.array([1.0, 2.0], like=x),
    "asarray": lambda x: np.asarray([1.0, 2.0], np.float32, like=x),
    "asanyarray": lambda x: np.asanyarray([1.0], like=x),
    "ascontiguousarray": lambda x: np.ascontiguousarray(1.0, like=x),
    "asfortranarray": lambda x: np.asfortranarray([[1.0]], like=x),
    "zeros_like": lambda x: np.zeros_like(x, shape=(2, 2)),
    "ones_like": lambda x: np.ones_like(x, np.complex64),
    "full_like": lambda x: np.full_like(x, 3),
}


@pytest.mark.parametrize("name", CREATED)
def test_created_arrays_are_traced_constants(name):
    made, plain = [], CREATED[name](V)

    def f(x):
        made.append(CREATED[name](x))
        buffer = made[-1]
        if buffer.size:
            buffer[...] = x[0] * 2
        return np.real(np.sum(buffer))

    gradient = tp.grad(f)(V)
    assert type(made[0]) is Array and made[0].shape == plain.shape and made[0].dtype == plain.dtype
    np.testing.assert_array_equal(gradient, [2 * plain.size, 0, 0])
    out, _ = tp.vjp(CREATED[name], V)
    np.testing.assert_array_equal(out, plain)


def test_created_arrays_of_integers_are_plain():
    def f(x):
        places = np.zeros(2, int, like=x)
        places[1] = 2
        mask = np.zeros_like(x, dtype=bool)
        assert type(places) is type(mask) is np.ndarray
        return np.sum(x[places] * 3) + np.sum(x[mask])

    np.testing.assert_array_equal(tp.grad(f)(V), [3, 0, 3])


def test_arrays_of_traced_values():
    def f(x):
        a = np.array([[x[0], 1.0], [x[1] * x[2], x[0]]], like=x)
        b = np.asarray((x[1], 2), dtype=np.float32, like=x)
        assert np.asarray(x, like=x) is x and np.array(x, like=x) is not x
        assert b.dtype == np.float32
        return np.sum(a**2) + np.sum(b)

    tp.check_grads(f, (V,), rtol=1e-3, atol=1e-3)


def test_a_full_array_of_traced_values_names_the_alternative():
    with pytest.raises(tp.errors.DetachedError, match=r"np\.zeros_like"):
        tp.grad(lambda x: np.sum(np.full(3, x)))(1.0)


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
        return np.sum(x)

    tp.grad(f)(V)


# --- padding --------------------------------------------------------------------------------------------------------

MODES = [
    ("constant", {}),
    ("constant", {"constant_values": ((1.0, 2.0), (3.0, np.inf))}),
    ("empty", {}),
    ("edge", {}),
    ("linear_ramp", {"end_values": ((1.0, 2.0), (0.5, 3.0))}),
    ("maximum", {}),
    ("minimum", {"stat_length": 2}),
    ("mean", {"stat_length": ((1, 2), (3, 9))}),
    ("median", {}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(MODES),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=2),
)
def test_pad_is_numpys(how, shape, widths):
    mode, keywords = how
    x = np.cos(np.arange(1.0, 1 + np.prod(shape))).reshape(shape)
    expected = np.pad(x, widths, mode, **keywords)
    found, pullback = tp.vjp(lambda x: np.pad(x, widths, mode, **keywords), x)
    if mode == "empty":
        found = expected = expected[tuple(slice(b, b + n) for (b, _), n in zip(widths, shape, strict=True))]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    # The map is affine, but for the statistics that choose elements: those are piecewise so.
    direction = np.sin(np.arange(1.0, 1 + x.size)).reshape(shape) * 1e-6
    if mode != "empty" and not keywords.get("constant_values"):
        moved = np.pad(x + direction, widths, mode, **keywords) - np.pad(x - direction, widths, mode, **keywords)
        weights = np.cos(np.arange(moved.size)).reshape(moved.shape)
        slope = np.sum(weights * moved) / 2
        assert np.sum(pullback(weights)[0] * direction) == pytest.approx(slope, rel=1e-6, abs=1e-12)


def test_pad_spellings():
    agrees(lambda x: np.pad(array=x, pad_width=((1, 0), (2, 3)), mode="constant", constant_values=4), X)
    agrees(lambda x: (np.pad(x, (1,)), np.pad(x, ((1,), (2,))), np.pad(x, np.array([2, 1]), "edge")), X)
    agrees(lambda x: np.pad(x, 2, constant_values=((x[0, 0], 1.0), (x[1, 1], x[2, 2]))), X)


def test_pad_by_axis():
    try:
        np.pad(X, {-1: (1, 2)})
    except TypeError:
        pytest.skip("this NumPy has no dictionary of widths")
    agrees(lambda x: (np.pad(x, {-1: (1, 2)}), np.pad(x, {0: 1}, "wrap")), X)


def test_pad_with_a_function():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"np\.concatenate"):
        tp.grad(lambda x: np.sum(np.pad(x, 1, lambda *_: None)))(X)


def test_windows_convolve():
    kernel = np.array([1.0, -2.0, 0.5])

    def convolved(x):
        return np.lib.stride_tricks.sliding_window_view(x, 3) @ kernel[::-1]

    _, pullback = tp.vjp(convolved, X[0])
    np.testing.assert_allclose(pullback(np.array([1.0, 10.0]))[0], np.convolve([1.0, 10.0], kernel[::-1]))
    with pytest.raises(ValueError, match="read-only"):
        tp.grad(lambda x: np.lib.stride_tricks.sliding_window_view(x, 2).fill(0))(X[0])
