"""Sorting, positions and sets."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike
from twopass.core.array import Array

X = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
V = np.array([0.5, -1.0, 2.0, 0.25])

SORTS = {
    "sort": lambda x: (np.sort(-x), np.sort(-x, axis=0), np.sort(-x, axis=None), np.sort(-x, kind="stable")),
    "sort_complex": lambda x: np.sort_complex(-x),
    "partition": lambda x: (np.partition(-x, 2), np.partition(-x, (0, 1), axis=0), np.partition(-x, 5, axis=None)),
}


@pytest.mark.parametrize("name", SORTS)
def test_sorts(name):
    agrees(SORTS[name], X, order=2)
    agrees(SORTS[name], X.astype(np.float32))


@pytest.mark.skipif("descending" not in inspect.signature(np.sort).parameters, reason="new in NumPy 2.5")
def test_sorting_in_descending_order():
    agrees(lambda x: (np.sort(x, descending=True), np.sort(x, axis=0, descending=True)), X, order=2)


WRONG = {
    "sort": lambda x: np.sort(x[0, 0]),
    "sort axis": lambda x: np.sort(x, axis=2),
    "partition": lambda x: np.partition(x, 4),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)


def test_sorting_in_place():
    def f(x):
        a, b = -x, -x.T
        a.sort()
        b.partition(1, axis=0)
        assert a is not x
        return a, b

    agrees(f, X, order=2)


# --- ties -----------------------------------------------------------------------------------------------------------

TIED = np.array([[1.0, 0.0, 1.0, 1.0], [2.0, 2.0, 0.0, 2.0]])
FUNCTIONS = {
    "sort": np.sort,
    "stable sort": lambda x: np.sort(x, kind="stable"),
    "partition": lambda x: np.partition(x, 2, axis=1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ties_share_equally_in_both_modes(name):
    f = FUNCTIONS[name]
    weights = np.array([[1.0, 2.0, 4.0, 8.0], [1.0, 2.0, 4.0, 8.0]])
    values, pullback = tp.vjp(f, TIED)
    np.testing.assert_array_equal(values, f(TIED))
    (ct,) = pullback(weights)
    if name != "partition":
        np.testing.assert_allclose(ct, [[14 / 3, 1, 14 / 3, 14 / 3], [14 / 3, 14 / 3, 1, 14 / 3]])
    order = [3, 0, 2, 1]
    np.testing.assert_allclose(tp.vjp(f, TIED[:, order])[1](weights)[0], ct[:, order])
    tangent = np.cos(np.arange(8.0)).reshape(2, 4)
    assert np.sum(tp.jvp(f, (TIED,), (tangent,))[1] * weights) == pytest.approx(np.sum(ct * tangent))


def test_ties_along_other_axes_and_of_everything():
    for axis in (0, 1, None):
        _, pullback = tp.vjp(lambda x, axis=axis: np.sort(x, axis=axis), np.ones((2, 3), np.float32))
        weights = np.arange(6.0).reshape((6,) if axis is None else (2, 3))
        (ct,) = pullback(weights)
        assert ct.dtype == np.float32
        np.testing.assert_allclose(ct, np.broadcast_to(weights.mean(axis, keepdims=axis is not None), (2, 3)))


def test_nan_is_sorted_to_the_end():
    x = np.array([np.nan, 1.0, np.nan, 0.0])
    _, pullback = tp.vjp(np.sort, x)
    np.testing.assert_array_equal(pullback(np.array([1.0, 2.0, 3.0, 4.0]))[0], [3, 2, 4, 1])


# --- positions and sets ---------------------------------------------------------------------------------------------

CONSTANTS = {
    "nonzero": lambda x: np.nonzero(x),
    "nonzero by method": lambda x: (x > 0).nonzero(),
    "flatnonzero": lambda x: np.flatnonzero(x > 0),
    "argwhere": lambda x: np.argwhere(x),
    "argsort": lambda x: (np.argsort(x, axis=0), x.argsort()),
    "argpartition": lambda x: np.argpartition(x, 1),
    "lexsort": lambda x: np.lexsort((x[0], x[1])),
    "searchsorted": lambda x: (np.searchsorted(x[0], 0.3), np.searchsorted([0.0, 1.0], x), x[0].searchsorted(x[0, 1])),
    "digitize": lambda x: np.digitize(x, [0.0, 1.0]),
    "isin": lambda x: np.isin(x, [2.0]),
    "triangles": lambda x: (np.tril_indices_from(x), np.triu_indices_from(x, 1), np.diag_indices_from(x[:, :3])),
}


@pytest.mark.parametrize("name", CONSTANTS)
def test_positions_are_plain(name):
    def f(x):
        for found, expected in zip(tp.tree.leaves(CONSTANTS[name](x)), tp.tree.leaves(CONSTANTS[name](X)), strict=True):
            assert not isinstance(found, Array)
            np.testing.assert_array_equal(found, expected)
        return np.sum(x)

    np.testing.assert_array_equal(tp.grad(f)(X), 1)


@pytest.mark.parametrize("function", [np.unique, np.union1d, np.unique_values])
def test_sets_name_the_alternative(function):
    with pytest.raises(tp.errors.UnsupportedOperatorError, match="return_index=True"):
        tp.grad(lambda x: function(*(x, x)[: 2 if function is np.union1d else 1]))(V)
    places = np.unique(V, return_index=True)[1]
    np.testing.assert_array_equal(tp.grad(lambda x: np.sum(np.ravel(x)[places]))(V), 1)
