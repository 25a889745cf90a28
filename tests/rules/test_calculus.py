"""Differences, slopes and integrals of samples."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

X = np.array([[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, -2.0], [1.75, -0.5, 0.125, -3.0]])
UNEVEN = np.array([0.0, 0.5, 2.0, 2.25])

CALLS = {
    "diff": lambda x: (np.diff(x), np.diff(x, 2, 0), np.diff(a=x, n=3, axis=1), np.diff(x, n=0), np.diff(x, 5)),
    "diff with ends": lambda x: (np.diff(x, prepend=0, append=x[:, :2]), np.diff(x, axis=0, append=x[0, 0])),
    "diff with integer ends": lambda x: np.diff(x[0], prepend=[1, 2], append=3),
    "diff of plain data": lambda x: np.diff([1, 2, 4], append=x[0]),
    "ediff1d": lambda x: (np.ediff1d(x), np.ediff1d(x, x[0, 0], x[1]), np.ediff1d(x[0], to_begin=[1, 2])),
    "ediff1d of little": lambda x: (np.ediff1d(x[0, 0]), np.ediff1d(x[:0]), np.ediff1d(x[0, :1], to_end=7)),
    "gradient": lambda x: (*np.gradient(x), np.gradient(x, axis=1), np.gradient(x[0]), np.gradient(x[0, :2])),
    "gradient with one distance": lambda x: (*np.gradient(x, 2), *np.gradient(x, 0.25, edge_order=2)),
    "gradient with distances": lambda x: (*np.gradient(x, 0.5, 2, axis=(1, 0)), *np.gradient(x, 2, UNEVEN)),
    "gradient at coordinates": lambda x: (
        np.gradient(x, UNEVEN, axis=-1),
        np.gradient(x, UNEVEN, axis=1, edge_order=2),
        np.gradient(x, [0.0, 1.0, 3.0], axis=(0,), edge_order=2),
    ),
    "gradient at even coordinates": lambda x: (
        np.gradient(x, np.arange(4), axis=1),
        np.gradient(x, np.arange(4) * 0.5, axis=1, edge_order=2),
    ),
    "trapezoid": lambda x: (np.trapezoid(x), np.trapezoid(x, axis=0), np.trapezoid(y=x[0], dx=0.5)),
    "trapezoid at points": lambda x: (
        np.trapezoid(x, UNEVEN),
        np.trapezoid(x, x=[0, 1, 3], axis=0),
        np.trapezoid(x, np.abs(x), axis=0),
        np.trapezoid([1.0, 2.0, 5.0], x[:, 0]),
        np.trapezoid(x[0], dx=x[1, 1]),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


@pytest.mark.parametrize("name", CALLS)
def test_single_precision(name):
    agrees(CALLS[name], X.astype(np.float32), derivatives=False)


def test_derivatives_in_the_coordinates():
    """Also where they are even, and NumPy's own formula does not see them move apart."""
    for x in (np.array([0.0, 1.0, 2.0, 3.0]), UNEVEN):
        for order in (1, 2):
            f = functools.partial(np.gradient, edge_order=order)
            tp.check_grads(f, (X[0], x), order=2)
            np.testing.assert_allclose(tp.vjp(lambda x: f(X[0], x), x)[0], f(X[0], x), rtol=1e-14)  # noqa: B023
    tp.check_grads(lambda f, h: np.gradient(f, h, axis=0), (X, 0.5))
    tp.check_grads(lambda h: np.gradient(X, h, UNEVEN), (0.5,))


WRONG = {
    "negative order": lambda x: np.diff(x, -1),
    "no axis": lambda x: np.diff(x[0, 0]),
    "unknown axis": lambda x: np.diff(x, axis=2),
    "too few samples": lambda x: np.gradient(x[:1]),
    "too few samples for parabolas": lambda x: np.gradient(x[:2], axis=0, edge_order=2),
    "edge order": lambda x: np.gradient(x, edge_order=3),
    "number of distances": lambda x: np.gradient(x, 1.0, 1.0, 1.0),
    "shape of coordinates": lambda x: np.gradient(x, [0.0, 1.0], axis=0),
    "shape of ends": lambda x: np.diff(x, prepend=np.ones((2, 2))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], X)
