"""Choosing between values: what is not chosen contributes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.core.array import Array

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0, 0.25])
MASK = X > 0.4

CALLS = {
    "where": lambda x: (np.where(MASK, x, x[0]), np.where(MASK, x, 1), np.where(MASK, [1.0, 2, 3, 4], x)),
    "where of scalars": lambda x: (np.where(True, x[0, 0], x[0, 1]), np.where(MASK, x[0, 0], 2.0)),
    "where by truth": lambda x: (np.where([1, 0, 2, 0], x, -x), np.where(1.5, x, 0), np.where("yes", x, 0)),
    "where of a traced condition": lambda x: (
        np.where(x, x * x, 5.0),
        np.where(x > 0.3, x, 0),
        np.where(x * MASK, 1, 2.0),
    ),
    "where with complex": lambda x: np.where(MASK, x, 1j * x),
    "select": lambda x: (np.select([x > 1, x > 0], [x, x * x]), np.select([MASK], [x], default=7.0)),
    "select of scalars": lambda x: np.select([MASK, ~MASK], [x[0, 0], 2], 0),
    "choose": lambda x: (np.choose(MASK + 0, [x, x[0]]), np.choose([0, 5, -1, 1], (x, 2.0), mode="clip")),
    "choose from the rows": lambda x: np.choose([2, 0, 1, 1], x),
    "choose one": lambda x: np.choose(1, [x[0, 0], x[0, 1]]),
    "piecewise": lambda x: np.piecewise(x, [x < 0, x >= 1], [np.negative, lambda v: v**3, 0.5]),
    "piecewise with arguments": lambda x: np.piecewise(x, [MASK], [lambda v, a, b: a * v + b, 1], 3.0, b=2.0),
    "piecewise of one condition": lambda x: (
        np.piecewise(x[0], MASK[0], [np.sin]),
        np.piecewise(x, [MASK], [2, np.sin]),
    ),
    "piecewise of a number": lambda x: np.piecewise(x[0, 0], [x[0, 0] < 0, x[0, 0] >= 0], [np.sin, np.cos]),
    "piecewise of nothing": lambda x: np.piecewise(x, [x > 99], [np.log]),
    "clip": lambda x: (np.clip(x, 0, 1), np.clip(x, None, 1.5), np.clip(x, 0.1, None), np.clip(x, x[0], x[2])),
    "clip by keyword": lambda x: (np.clip(a=x, a_min=0, a_max=x[1]), np.clip(x, a_min=[0, 1, 0, 1], a_max=None)),
    "clip by method": lambda x: (x.clip(0, 1), x.clip(0), x.clip(max=0.3), x.clip(min=0.3)),
    "clip with bounds in the wrong order": lambda x: (np.clip(x, 1.0, 0.0), np.clip(x, x[2], x[0])),
    "clip with a dtype": lambda x: np.clip(x, 0, 1, dtype=np.float32, casting="same_kind"),
    "clip of plain values": lambda x: (np.clip(np.linspace(-2, 3, 4), x[0], None), np.clip(0.5, x[0], 1)),
    "nan_to_num": lambda x: (np.nan_to_num(x), np.nan_to_num(x, nan=1.0), np.nan_to_num(x[0, 0])),
    "nan_to_num of complex": lambda x: np.nan_to_num(x + 1j * x[0]),
    "extract and compress": lambda x: (np.extract(MASK, x), np.compress([1, 0, 1], x, axis=0)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X, order=2 if "dtype" not in name else 1)


@pytest.mark.parametrize("name", [name for name in CALLS if "complex" not in name and "plain" not in name])
def test_single_precision_is_kept(name):
    x = X.astype(np.float32)
    plain, traced = (tp.tree.leaves(out) for out in (CALLS[name](x), tp.vjp(CALLS[name], x)[0]))
    for a, b in zip(plain, traced, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="np.clip has min= and max= since NumPy 2.1")
def test_clip_with_the_names_of_the_array_api():
    agrees(lambda x: (np.clip(x, min=0), np.clip(x, max=x[0]), np.clip(x, min=0, max=1), np.clip(x)), X)
    fails_alike(lambda x: np.clip(x, 0, 1, min=0), X)


WRONG = {
    "where of one branch": lambda x: np.where(MASK, x),
    "where shapes": lambda x: np.where(MASK, x, np.ones(3)),
    "select lengths": lambda x: np.select([MASK], [x, x]),
    "select of nothing": lambda x: np.select([], []),
    "select of numbers": lambda x: np.select([MASK + 0], [x]),
    "choose": lambda x: np.choose([0, 5], [x[0, :2], 1.0]),
    "choose mode": lambda x: np.choose([0], [x], mode="no such mode"),
    "piecewise": lambda x: np.piecewise(x, [MASK], [1, 2, 3]),
    "clip of one bound": lambda x: np.clip(x, 0),
    "clip shapes": lambda x: np.clip(x, np.ones(3), None),
    "clip casting": lambda x: np.clip(x, 0, 1, dtype=np.float32, casting="safe"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)


def test_where_of_a_condition_alone_gives_positions():
    def f(x):
        rows, columns = np.where(x > 0)
        same = np.where(x)
        assert type(rows) is type(same[0]) is np.ndarray
        return np.sum(x[rows, columns])

    np.testing.assert_array_equal(tp.grad(f)(X), X > 0)


def test_clip_with_where_names_the_alternative():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"np\.where"):
        tp.grad(lambda x: np.sum(np.clip(x, 0, 1, where=MASK)))(X)


def test_select_takes_the_first_true_condition():
    gradient = tp.grad(lambda x: np.sum(np.select([x > 0, x > -9], [x, 10 * x])))(V)
    np.testing.assert_array_equal(gradient, [1, 10, 1, 1])


# --- clip at and beyond its bounds ----------------------------------------------------------------------------------


def test_clip_at_its_bound_passes_one():
    x, low, high = np.array([0.0, 0.5, 1.0, -1.0, 2.0]), 0.0, 1.0
    for f in (lambda x, a, b: np.clip(x, a, b), lambda x, a, b: x.clip(a, b)):
        gradients = tp.grad(lambda *args, f=f: np.sum(f(*args)), (0, 1, 2))(x, low, high)
        np.testing.assert_array_equal(gradients[0], [1, 1, 1, 0, 0])
        assert gradients[1:] == (1.0, 1.0)


special = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, np.inf, -np.inf, np.nan])


@settings(max_examples=100, deadline=None)
@given(special, special, special)
def test_clip_passes_one_to_exactly_one_operand(x, low, high):
    with np.errstate(all="ignore"):
        (value, gradients) = tp.value_and_grad(lambda *args: np.clip(*args), (0, 1, 2))(x, low, high)
    np.testing.assert_array_equal(value, np.clip(x, low, high))
    assert sorted(gradients) == [0, 0, 1]
    if not np.isnan([x, low, high]).any():
        chosen = (x, low, high)[gradients.index(1)]
        assert chosen == value


def test_nan_to_num_passes_finite_elements_alone():
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    for keywords in ({}, {"nan": 3.0, "posinf": 1.0, "neginf": -1.0}):
        value, pullback = tp.vjp(lambda x, k=keywords: np.nan_to_num(x, **k), x)
        np.testing.assert_array_equal(value, np.nan_to_num(x, **keywords))
        np.testing.assert_array_equal(pullback(np.ones(4))[0], [1, 0, 0, 0])
    z = np.array([complex(np.nan, 2), complex(1, np.inf)])
    value, pullback = tp.vjp(np.nan_to_num, z)
    np.testing.assert_array_equal(value, np.nan_to_num(z))
    np.testing.assert_array_equal(pullback(np.array([1 + 1j, 1 + 1j]))[0], [1j, 1])
    single = np.array([np.inf, 1], np.float32)
    assert tp.vjp(np.nan_to_num, single)[0].dtype == np.float32


def test_nan_to_num_in_place():
    def f(x):
        a = x * 1.0
        view = a[1:]
        assert np.nan_to_num(view, copy=False) is view
        return np.sum(a**2)

    np.testing.assert_array_equal(tp.grad(f)(np.array([1.0, np.nan, 3.0])), [2, 0, 6])


# --- untaken branches -----------------------------------------------------------------------------------------------

#: At 0 the root and the logarithm have infinite slopes, and below it they are NaN; all these take 0 there.
UNTAKEN = {
    "where": lambda x, y: np.where(x > 0, y, 0),
    "where, the other way round": lambda x, y: np.where(x <= 0, 0.0, y),
    "select": lambda x, y: np.select([x > 0], [y]),
    "select, later": lambda x, y: np.select([x <= 0, x > 0], [0.0, y], 1.0),
    "choose": lambda x, y: np.choose((x > 0) + 0, [0.0, y]),
    "piecewise": lambda x, y: np.piecewise(y, [x > 0], [lambda v: v, 0]),
    "clip": lambda x, y: np.clip(np.nan_to_num(y, nan=-99, neginf=-99), 0, None),
    "nan_to_num": lambda x, y: np.nan_to_num(y, neginf=0.0),
    "extract": lambda x, y: np.extract(x > 0, y),
    "compress": lambda x, y: np.compress(x > 0, y),
    "mask": lambda x, y: y[x > 0],
    "masked assignment": lambda x, y: _assigned(x, y),
    "out and where": lambda x, y: np.multiply(y, 1.0, out=np.zeros_like(y), where=x > 0),
    "copyto": lambda x, y: _copied(x, y),
    "putmask": lambda x, y: _put(x, y),
    "through other operators": lambda x, y: np.where(x > 0, (2 * y.reshape(3, 1).T)[0] / 2, 0),
}


def _assigned(x, y):
    y = y * 1.0
    y[x <= 0] = 0
    return y


def _copied(x, y):
    out = np.zeros_like(y)
    np.copyto(out, y, where=x > 0)
    return out


def _put(x, y):
    y = y * 1.0
    np.putmask(y, x <= 0, 0.0)
    return y


@pytest.mark.parametrize("name", UNTAKEN)
@pytest.mark.parametrize(
    ("function", "slope", "curvature"),
    [
        (np.sqrt, 0.25, -1 / 32),
        (lambda x: np.log(x) * 2, 0.5, -1 / 8),
        (lambda x: x / np.where(x == 0, 0 * x, x), 0.0, 0.0),
    ],
    ids=["sqrt", "log", "0 / 0"],
)
def test_untaken_branches(name, function, slope, curvature):
    x = np.array([4.0, 0.0, -1.0])

    def f(x):
        return np.sum(UNTAKEN[name](x, function(x)))

    if name in ("nan_to_num", "clip") and slope != 0.5:
        return  # the root of 0 is a number, and so is -1 / -1: nothing is replaced there
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tp.grad(f)(x), [slope, 0, 0])
        np.testing.assert_array_equal([tp.jvp(f, (x,), (unit,))[1] for unit in np.eye(3)], [slope, 0, 0])
        np.testing.assert_array_equal(tp.hessian(f)(x), np.diag([curvature, 0, 0]))
        reverse = [tp.grad(lambda x, i=i: tp.grad(f)(x)[i])(x) for i in range(3)]
        forward = [tp.jvp(lambda x, u=u: tp.jvp(f, (x,), (u,))[1], (x,), (u,))[1] for u in np.eye(3)]
    np.testing.assert_array_equal(reverse, np.diag([curvature, 0, 0]))
    np.testing.assert_array_equal(forward, [curvature, 0, 0])


def test_a_value_that_is_used_both_ways_counts():
    """Absent from one use is not absent from the other."""
    x = np.array([4.0, 0.0])

    def f(x):
        y = np.sqrt(x)
        return np.sum(np.where(x > 0, y, 0)) + np.sum(y[1:])

    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tp.grad(f)(x), [0.25, np.inf])


def test_traced_operands_where_there_is_no_derivative():
    def f(x):
        taken = np.where(x, x, 0)  # the truth of x: constant between its jumps
        assert type(taken) is Array
        return np.sum(taken)

    np.testing.assert_array_equal(tp.grad(f)(np.array([1.0, 0.0])), [1, 0])
    with pytest.raises(tp.errors.DifferentiationError):
        tp.grad(lambda x: np.sum(np.choose(x, [1.0, 2.0])))(np.array([1.0, 0.0]))
