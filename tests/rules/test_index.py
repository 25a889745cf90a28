"""Indexing, writing in place, gathering, diagonals."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0, 0.25])
MASK = X > 0.4

# --- getitem --------------------------------------------------------------------------------------------------------

INDICES = {
    "integer": 1,
    "numpy integer": np.int64(-1),
    "pair": (1, -1),
    "slices": (slice(None, None, -2), slice(1, 3)),
    "ellipsis": (..., 0),
    "newaxis": (None, 0, ..., None),
    "nothing": (),
    "list": [2, 0, 0],
    "array": np.array([[0, 2], [1, 1]]),
    "zero-dimensional array": np.array(1),
    "array and slice": (np.array([2, 0]), slice(1, None)),
    "slice and array": (slice(None), np.array([3, 3, 0])),
    "arrays that broadcast": (np.array([[0], [2]]), np.array([1, 1, 3])),
    "arrays with something between": (np.array([0, 1]), None, np.array([1, 1])),
    "mask": MASK,
    "mask of rows": np.array([True, False, True]),
    "mask and integer": (np.array([True, False, True]), 1),
    "mask and array": (np.array([True, False, True]), np.array([1, 0])),
    "slice and mask": (slice(None), np.array([True, False, False, True])),
    "list of booleans": [True, False, True],
    "true": True,
    "false": (False,),
    "numpy bool": np.True_,
    "empty": [],
    "ix_": np.ix_([0, 2], [1, 3]),
    "boolean ix_": np.ix_(np.array([True, False, True]), [1]),
}


@pytest.mark.parametrize("name", INDICES)
def test_getitem(name):
    agrees(lambda x: x[INDICES[name]] * 2, X, order=2)
    agrees(lambda x: operator.getitem(x, INDICES[name]), X)


@pytest.mark.parametrize("index", [3, (0, 4), (0, 0, 0), [5], np.ones((2, 2), bool), 1.5, "a", (..., ...)], ids=str)
def test_wrong_indices_fail_as_in_numpy(index):
    fails_alike(lambda x: x[index], X)


def test_an_index_that_changes_afterwards():
    places, mask, mixed = np.array([0, 2]), np.array([True, False, True]), [np.array([1, 1]), slice(0, 2)]

    def f(x):
        y = np.sum(x[places]) + 10 * np.sum(x[mask]) + 100 * np.sum(x[tuple(mixed)])
        buffer = np.zeros_like(x)
        buffer[places] = 1000 * x[:2]
        places[:], mask[:], mixed[0][:] = 1, False, 0
        return y + np.sum(buffer)

    expected = np.zeros((3, 4))
    expected[[0, 2]] += 1
    expected[[0, 2]] += 10
    expected[1, :2] += 200
    expected[:2] += 1000
    np.testing.assert_array_equal(tp.grad(f)(X), expected)


def test_an_array_is_iterated_over_its_rows():
    agrees(lambda x: [row * k for k, row in enumerate(x)], X)
    agrees(lambda x: [v * v for v in x[0]], X)


# --- setitem --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INDICES)
@pytest.mark.parametrize("kind", ["scalar", "array", "plain"])
def test_setitem(name, kind):
    index = INDICES[name]

    def f(x, y):
        a = x * 1.0
        a[index] = {"scalar": y[0], "array": np.sin(x[index]) * y[1], "plain": 2.5}[kind]
        return a

    agrees(f, X, V, order=2)


def test_the_last_of_several_values_for_one_place_wins():
    def f(x, v):
        x = x * 1.0
        x[[1, 0, 1]] = v[:3]
        return x

    agrees(f, V, V[::-1].copy(), order=2)
    _, pullback = tp.vjp(f, V, V)
    a, b = pullback(np.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(a, [0, 0, 3, 4])
    np.testing.assert_array_equal(b, [0, 1, 2, 0])


def test_values_are_broadcast_and_cast():
    def f(x, v):
        a = np.zeros_like(x, dtype=np.float32)
        a[...] = v
        a[:, 1:3] = [[v[0]], [1], [v[1]]]
        a[0] = np.float64(0.1)
        a[1, :2] = (v[3], 2)
        return a.astype(float)

    agrees(f, X.astype(np.float32), V.astype(np.float32))


@pytest.mark.parametrize(
    ("index", "value"), [(5, 1.0), (0, np.ones(3)), (MASK, np.ones(2)), ((0, 0, 0), 1.0), (0, "a"), (0, 1j)], ids=str
)
def test_wrong_assignments_fail_as_in_numpy(index, value):
    fails_alike(lambda x: operator.setitem(x, index, value), X)


def test_a_complex_value_in_a_real_array_warns():
    def f(x):
        a = x * 1.0
        a[0] = x[1] * (2 + 1j)
        return np.sum(a)

    with pytest.warns(np.exceptions.ComplexWarning):
        gradient = tp.grad(f)(V)
    np.testing.assert_array_equal(gradient, [0, 3, 1, 1])


def test_integer_arrays_take_no_traced_values():
    def f(x):
        np.zeros(3, int)[0] = x[0]

    with pytest.raises((TypeError, ValueError)):
        tp.grad(f)(V)


# --- functions that write in place ----------------------------------------------------------------------------------


def _put(a, v):
    np.put(a, [0, -1, 5], v[:2])
    np.put(a, [99, 13], v[2], mode="clip")
    np.put(a, [14], v[3], mode="wrap")
    a.put([7], 3.0)


def _place(a, v):
    np.place(a, MASK, v[:3])


def _putmask(a, v):
    np.putmask(a, MASK, v[:3])
    np.putmask(a, ~MASK[:1] & (np.arange(3) > 1)[:, None], np.arange(12.0).reshape(3, 4))


def _copyto(a, v):
    np.copyto(a[:2], v)
    np.copyto(a, 7.0, where=MASK)
    np.copyto(dst=a[0], src=v * 2, casting="safe", where=[True, False, True, False])


def _put_along_axis(a, v):
    np.put_along_axis(a, np.array([[0], [3], [1]]), v[0], 1)
    np.put_along_axis(a, np.array([[0, 1, 2, 2]]), v[None] * 2, axis=0)


def _fill_diagonal(a, v):
    np.fill_diagonal(a, v[0])
    np.fill_diagonal(a[:, 1:], [1.0, v[1], 2.0])


def _add_at(a, v):
    np.add.at(a, [0, 0, 2], v)
    np.add.at(a, (np.array([1, 1]), np.array([2, 2])), v[:2])
    np.subtract.at(a, (slice(None), [0, 0]), 0.5)
    np.add.at(a.T, 1, v[:3])


IN_PLACE = [_put, _place, _putmask, _copyto, _put_along_axis, _fill_diagonal, _add_at]


@pytest.mark.parametrize("change", IN_PLACE)
def test_in_place_functions(change):
    def f(x, v):
        a, b = x * 2.0, np.zeros_like(x)
        assert change(a, v) is None
        change(b, v)
        return a, b

    agrees(f, X, V, order=2)


@pytest.mark.parametrize("change", IN_PLACE)
def test_in_place_functions_refuse_plain_arrays(change):
    with pytest.raises(tp.errors.DetachedError, match=r"tp\.zeros\(n\) or np\.zeros_like\(x, shape=n\)"):
        tp.grad(lambda v: change(np.zeros((3, 4)), v))(V)


def test_tall_matrices_wrap_their_diagonal():
    def f(x):
        a, b = np.zeros_like(x, shape=(7, 2)), np.zeros_like(x, shape=(7, 2))
        np.fill_diagonal(a, x[0, 0], wrap=True)
        np.fill_diagonal(b, x[0, 0])
        c = np.zeros_like(x, shape=(2, 2, 2))
        np.fill_diagonal(c, x[0, :2])
        return a, b, c

    agrees(f, X)


WRONG = {
    "put": lambda x: np.put(x, [12], 1.0),
    "place": lambda x: np.place(x, [True, False], 1.0),
    "copyto": lambda x: np.copyto(x, 1j * np.ones((3, 4))),
    "copyto shape": lambda x: np.copyto(x, np.ones(3)),
    "fill_diagonal of a vector": lambda x: np.fill_diagonal(x[0], 1.0),
    "fill_diagonal of a box": lambda x: np.fill_diagonal(x[None], 1.0),
    "add.at": lambda x: np.add.at(x, [7], 1.0),
    "take": lambda x: np.take(x, 12),
    "take axis": lambda x: np.take(x, 0, axis=2),
    "take mode": lambda x: np.take(x, 0, mode="no such mode"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([0, 1]), 0),
    "compress": lambda x: np.compress([0, 0, 0, 1], x, axis=0),
    "diag": lambda x: np.diag(x[None]),
    "diagonal": lambda x: np.diagonal(x[0]),
    "ix_": lambda x: np.ix_(x),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)


def test_other_ufuncs_at_places_are_refused():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"multiply\.at"):
        tp.grad(lambda x: np.multiply.at(x, [0], 2.0))(V)


def test_bincount():
    places = np.array([3, 0, 3, 1])
    agrees(lambda v: (np.bincount(places, v), np.bincount(places, weights=v * v, minlength=6)), V, order=2)
    assert tp.vjp(lambda v: np.bincount(places, v), V.astype(np.float32))[0].dtype == np.float64
    fails_alike(lambda x: np.bincount(places, x[0, :2]), X)
    fails_alike(lambda x: np.bincount(-places, x[0]), X)


# --- gathering ------------------------------------------------------------------------------------------------------

GATHERS = {
    "take": lambda x: (np.take(x, 5), np.take(x, [[0, 1], [5, 5]]), x.take([1, 1], 0), np.take(x, 1, axis=1)),
    "take modes": lambda x: (np.take(x, [-13, 17], mode="wrap"), np.take(x, [-3, 7], axis=1, mode="clip")),
    "take by keyword": lambda x: np.take(a=x, indices=[0], axis=-1),
    "take by booleans": lambda x: np.take(x, np.array([True, False])),
    "take_along_axis": lambda x: (np.take_along_axis(x, np.argsort(-x, axis=0), 0), np.take_along_axis(x, MASK + 0, 1)),
    "take_along_axis flat": lambda x: np.take_along_axis(x, np.array([3, 3, 0]), axis=None),
    "compress": lambda x: (np.compress([1, 0, 1], x, 0), x.compress([False, True]), np.compress(MASK[0], x, axis=-1)),
    "extract": lambda x: (np.extract(MASK, x), np.extract(x > 0, x), np.extract([0, 1], x)),
    "diagonal": lambda x: (x.diagonal(), np.diagonal(x, -1), np.diagonal(x[None], 1, axis1=2, axis2=1)),
    "diag": lambda x: (np.diag(x), np.diag(x, 2), np.diag(x[0]), np.diag(v=x[0], k=-1), np.diagflat(x, 1)),
    "triangles": lambda x: (np.tril(x), np.triu(x, 1), np.tril(x[0]), np.triu(x[None], k=-1)),
    "ix_": lambda x: np.ix_(x[0], [1, 2]),
}


@pytest.mark.parametrize("name", GATHERS)
def test_gathers(name):
    agrees(GATHERS[name], X, order=2)


def test_gathers_keep_single_precision():
    for name, f in GATHERS.items():
        for leaf in tp.tree.leaves(tp.vjp(f, X.astype(np.float32))[0]):
            assert name == "ix_" or leaf.dtype == np.float32


# --- what is not read contributes nothing ----------------------------------------------------------------------------

SQUARES = np.array([[4.0, 0.0], [0.0, 1.0]])
UNREAD = {
    "diagonal": lambda x: np.diagonal(x),
    "diag": lambda x: np.diag(x),
    "row of a triangle": lambda x: np.tril(x)[1, 1:] + np.triu(x)[0, :1],
    "take": lambda x: np.take(x, [0, 3]),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([[0], [1]]), 1),
    "extract": lambda x: np.extract(np.eye(2), x),
    "compress": lambda x: np.compress([1, 0, 0, 1], x),
    "overwritten": lambda x: _overwritten(x),
    "put": lambda x: _put_zeros(x),
    "split": lambda x: np.concatenate([np.hsplit(x, 2)[0][:1], np.hsplit(x, 2)[1][1:]]),
    "duplicates": lambda x: np.array([1.0, 1.0]) * x[[0, 1], [0, 1]],
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(np.ravel(x), 2)[[0, 2], [0, 1]],
    "resized": lambda x: np.resize(np.ravel(x)[::3], 2),
}


def _overwritten(x):
    x = x * 1.0
    x[[0, 1, 0], [1, 0, 1]] = 0.0
    return x


def _put_zeros(x):
    x = x * 1.0
    np.put(x, [1, 2], 0.0)
    return x


@pytest.mark.parametrize("name", UNREAD)
def test_unread_elements_contribute_nothing(name):
    def f(x):
        return np.sum(UNREAD[name](np.sqrt(x)))

    expected = np.array([[0.25, 0.0], [0.0, 0.5]])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(tp.grad(f)(SQUARES), expected)
        for place in np.ndindex(2, 2):
            unit = np.zeros((2, 2))
            unit[place] = 1
            assert tp.jvp(f, (SQUARES,), (unit,))[1] == expected[place]
        hessian = tp.hessian(f)(SQUARES).reshape(4, 4)
    np.testing.assert_array_equal(hessian, np.diag([-1 / 32, 0, 0, -1 / 4]))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-5, 4), min_size=1, max_size=8), st.integers(0, 1), st.sampled_from(["raise", "wrap", "clip"])
)
def test_take_is_numpys(places, axis, mode):
    x = np.cos(np.arange(25.0)).reshape(5, 5)
    found, pullback = tp.vjp(lambda x: np.take(x, places, axis, mode=mode), x)
    expected = np.take(x, places, axis, mode=mode)
    np.testing.assert_array_equal(found, expected)
    weights = np.sin(np.arange(expected.size)).reshape(expected.shape)
    assert np.sum(pullback(weights)[0] * x) == pytest.approx(np.sum(weights * expected))
