"""Joining, splitting, inserting and deleting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.core.array import Array

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
S = X.astype(np.float32)

JOINS = {
    "concatenate": lambda x: np.concatenate([x, np.ones((1, 4)), x[:0], [[1, 2, 3, 4]], x[:2] * 2]),
    "concatenate along the last axis": lambda x: np.concatenate((x, x[:, :1]), axis=-1),
    "concatenate everything": lambda x: np.concatenate([x, x[0, 0], 2.0, [3, [4]][0]], axis=None),
    "concatenate the rows of an array": lambda x: np.concatenate(x),
    "concatenate nothing else": lambda x: np.concatenate([x]),
    "concatenate as complex": lambda x: np.concatenate([x, x], dtype=complex),
    "concatenate with complex": lambda x: np.concatenate([x, 1j * x]),
    "concat": lambda x: np.concat([x, x]),
    "stack": lambda x: (np.stack([x, x * 2, np.ones((3, 4))]), np.stack((x, x), axis=-1), np.stack([x, x], 1)),
    "stack of scalars": lambda x: np.stack([x[0, 0], 1, x[1, 1], np.float32(2)]),
    "stack of the rows": lambda x: np.stack(x, axis=1),
    "vstack": lambda x: (np.vstack([x[0], x, [1, 2, 3, 4]]), np.vstack((x[0, 0], 1.0)), np.vstack(x)),
    "hstack": lambda x: (np.hstack([x, x[:, :2]]), np.hstack([x[0], 1.0, x[0, 0], [2, 3]]), np.hstack(x)),
    "dstack": lambda x: (np.dstack([x, x]), np.dstack([x[0], x[1]]), np.dstack([x[0, 0], 1.0])),
    "column_stack": lambda x: (np.column_stack([x[:, 0], x, np.zeros(3)]), np.column_stack([x[0, 0], 2.0])),
    "block": lambda x: (np.block([[x, x[:, :1]], [np.zeros((1, 5))]]), np.block([x[0], 1, x[0, 0]]), np.block(x)),
    "block of three axes": lambda x: np.block([[[x]], [[x]]]),
    "append": lambda x: (np.append(x, x[0, 0]), np.append(x, [[1, 2, 3, 4]], axis=0), np.append([1.0], x)),
    "list operands": lambda x: np.concatenate([[x[0, 0], 1.0], x[0], [2.0, x[1, 1] * 2]]),
}


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("x", [X, S], ids=["double", "single"])
def test_joins(name, x):
    agrees(JOINS[name], x)


def test_dtype_and_casting():
    def f(x):
        y = np.concatenate([x, x], dtype=np.float32, casting="same_kind")
        assert y.dtype == np.float32
        return np.sum(y)

    gradient = tp.grad(f)(X)
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, 2)


WRONG = {
    "shapes": lambda x: np.concatenate([x, x[:, :2]]),
    "axis": lambda x: np.concatenate([x, x], axis=2),
    "scalars": lambda x: np.concatenate([x[0, 0], x[0, 1]]),
    "casting": lambda x: np.concatenate([x, x], dtype=np.float32, casting="safe"),
    "dtype and out": lambda x: np.concatenate([x, x], out=np.zeros((2, 2))),
    "stack of shapes": lambda x: np.stack([x, x[0]]),
    "stack axis": lambda x: np.stack([x, x], axis=4),
    "vstack": lambda x: np.vstack([x, x[:, :1]]),
    "block of unequal depth": lambda x: np.block([[x], x]),
    "block of tuples": lambda x: np.block([(x, x)]),
    "block of nothing": lambda x: np.block([[x], []]),
    "split": lambda x: np.split(x, 2),
    "vsplit": lambda x: np.vsplit(x[0], 2),
    "hsplit": lambda x: np.hsplit(x[0, 0], 1),
    "dsplit": lambda x: np.dsplit(x, 2),
    "no parts": lambda x: np.array_split(x, 0),
    "insert": lambda x: np.insert(x, 99, 1.0),
    "insert shapes": lambda x: np.insert(x, [0, 1], np.ones(3), axis=1),
    "delete": lambda x: np.delete(x, 99, axis=0),
    "delete by a mask": lambda x: np.delete(x, np.array([True, False]), axis=0),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    if name == "dtype and out":
        with pytest.raises(tp.errors.DetachedError, match="out="):
            tp.grad(lambda x: np.sum(WRONG[name](x)))(X)
        return
    fails_alike(WRONG[name], X)


def test_out_by_position_and_keyword():
    def f(x):
        a, b = np.zeros_like(x, shape=(6, 4)), np.zeros_like(x, shape=(2, 3, 4))
        assert np.concatenate([x, x], 0, out=a) is a
        np.stack([x, 2 * x], out=b)
        return np.sum(a**2) + np.sum(b**2)

    np.testing.assert_allclose(tp.grad(f)(X), 14 * X)


def test_many_operands_cost_linear_time():
    n = 5_000
    x = np.arange(1.0, n + 1)
    np.testing.assert_array_equal(tp.grad(lambda x: np.sum(np.stack([v * v for v in x])))(x), 2 * x)
    pieces = tp.grad(lambda x: np.sum(np.concatenate([x[i : i + 1] for i in range(n)]) ** 2))
    np.testing.assert_array_equal(pieces(x), 2 * x)


SPLITS = {
    "array_split": lambda x: np.array_split(x, 5),
    "array_split at places": lambda x: np.array_split(x, [1, -1, 9], axis=1),
    "split": lambda x: np.split(x, 2, axis=1),
    "split at places": lambda x: np.split(x, np.array([0, 2]), axis=-1),
    "hsplit": lambda x: np.hsplit(x, 2) + np.hsplit(x[0], [1]),
    "vsplit": lambda x: np.vsplit(x, 3),
    "dsplit": lambda x: np.dsplit(x[..., None], 1),
}


@pytest.mark.parametrize("name", SPLITS)
def test_splits(name):
    assert type(SPLITS[name](X)) is list
    agrees(SPLITS[name], X)


@pytest.mark.skipif(not hasattr(np, "unstack"), reason="new in NumPy 2.1")
def test_unstack():
    agrees(lambda x: (np.unstack(x), np.unstack(x, axis=-1)), X)
    fails_alike(lambda x: np.unstack(x[0, 0]), X)
    fails_alike(lambda x: np.unstack(x, axis=2), X)


places = st.one_of(
    st.integers(-4, 4),
    st.lists(st.integers(-4, 4), max_size=4),
    st.builds(slice, st.integers(-4, 4), st.integers(-4, 4), st.sampled_from([None, 1, 2, -1])),
    st.lists(st.booleans(), min_size=4, max_size=4).map(np.array),
)


@settings(max_examples=80, deadline=None)
@given(places, st.sampled_from([(), (1,), "count"]), st.sampled_from([None, 0, 1, -1]))
def test_insert_is_numpys(obj, kind, axis):
    x = np.cos(np.arange(16.0)).reshape(4, 4)
    if axis is None:
        x = x[0]
    count = np.arange(4)[obj].size if isinstance(obj, (slice, np.ndarray)) else np.size(obj)
    shape = (count,) if kind == "count" and (axis in (None, -1, 1)) and not isinstance(obj, int) else ()
    values = np.sin(np.arange(1.0, 1 + np.prod(shape, dtype=int))).reshape(shape)
    try:
        expected = np.insert(x, obj, values, axis)
    except FutureWarning:
        return  # masks had another meaning before NumPy 2.3
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)):
            tp.vjp(lambda x, v: np.insert(x, obj, v, axis), x, values)
        return
    found, pullback = tp.vjp(lambda x, v: np.insert(x, obj, v, axis), x, values)
    np.testing.assert_array_equal(found, expected)
    weights = np.cos(1.0 + np.arange(expected.size)).reshape(expected.shape)
    a, b = pullback(weights)
    assert np.sum(a * x) + np.sum(b * values) == pytest.approx(np.sum(weights * expected))


@settings(max_examples=40, deadline=None)
@given(places, st.sampled_from([None, 0, 1]))
def test_delete_is_numpys(obj, axis):
    x = np.cos(np.arange(16.0)).reshape(4, 4)
    x = x[0] if axis is None else x
    try:
        expected = np.delete(x, obj, axis)
    except (IndexError, ValueError) as error:
        with pytest.raises(type(error)):
            tp.vjp(lambda x: np.delete(x, obj, axis), x)
        return
    found, pullback = tp.vjp(lambda x: np.delete(x, obj, axis), x)
    np.testing.assert_array_equal(found, expected)
    weights = np.cos(1.0 + np.arange(expected.size)).reshape(expected.shape)
    assert np.sum(pullback(weights)[0] * x) == pytest.approx(np.sum(weights * expected))


def test_insert_into_a_plain_array():
    agrees(lambda x: (np.insert(np.zeros((2, 4)), 1, x[0], axis=0), np.insert(np.arange(3.0), [0, 2], x[0, 0])), X)


def test_deleted_and_cut_off_elements_contribute_nothing():
    x = np.array([4.0, 0.0, 1.0])
    with np.errstate(divide="ignore"):
        for f in (
            lambda x: np.sum(np.delete(np.sqrt(x), 1)),
            lambda x: np.sum(np.split(np.sqrt(x), [1])[0]) + x[2] / 2,
            lambda x: np.sum(np.concatenate([np.sqrt(x)[:1], np.sqrt(x)[2:]])),
        ):
            np.testing.assert_array_equal(tp.grad(f)(x), [0.25, 0, 0.5])


def test_results_are_traced():
    def f(x):
        assert all(type(part) is Array for part in np.split(x, 2, axis=1))
        return np.sum(np.concatenate([np.ones(3), x[:, 0]]))

    assert np.sum(tp.grad(f)(X)) == 3
