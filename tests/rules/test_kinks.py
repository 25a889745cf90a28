"""The written policy of docs/kinks.md, row by row, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp

ONE = np.array([2.0, 2.0, 2.0, 1.0])
ROWS = {
    "relu": (lambda x: np.where(x > 0, x, 0), [0.0, -1.0, 1.0], [0, 0, 1]),
    "abs": (np.abs, [0.0, -1.0], [0, -1]),
    "fabs": (np.fabs, [0.0, -1.0], [0, -1]),
    "maximum": (lambda x: np.maximum(x, 1.0), [1.0, 2.0], [0.5, 1]),
    "maximum, other order": (lambda x: np.maximum(1.0, x), [1.0, 2.0], [0.5, 1]),
    "minimum": (lambda x: np.minimum(1.0, x), [1.0, 2.0], [0.5, 0]),
    "fmax": (lambda x: np.fmax(x, 1.0), [1.0, 2.0], [0.5, 1]),
    "fmin": (lambda x: np.fmin(x, 1.0), [1.0, 2.0], [0.5, 0]),
    "max": (np.max, ONE, [1 / 3, 1 / 3, 1 / 3, 0]),
    "max method": (lambda x: x.max(), ONE, [1 / 3, 1 / 3, 1 / 3, 0]),
    "maximum.reduce": (np.maximum.reduce, ONE, [1 / 3, 1 / 3, 1 / 3, 0]),
    "max over axes": (lambda x: np.max(x.reshape(2, 2), axis=(0, 1)), ONE, [1 / 3, 1 / 3, 1 / 3, 0]),
    "min": (np.min, -ONE, [1 / 3, 1 / 3, 1 / 3, 0]),
    "hypot": (lambda x: np.hypot(x, 0.0), [0.0], [0]),
    "std": (np.std, [3.0, 3.0, 3.0], [0, 0, 0]),
    "clip": (lambda x: np.clip(x, -1, 1), [-1.0, 1.0, 2.0, 0.5], [1, 1, 0, 1]),
    "sign": (np.sign, [0.0, 1.0], [0, 0]),
    "round": (np.round, [0.5, 1.2], [0, 0]),
    "zero to the power": (lambda p: 0.0**p, [1.0, 2.0], [0, 0]),
    "power zero at zero": (lambda x: x ** np.zeros(2), [0.0, 1.0], [0, 0]),
    "median of equals": (np.median, [1.0, 1.0, 1.0], [1 / 3, 1 / 3, 1 / 3]),
}


@pytest.mark.parametrize("row", ROWS)
def test_policy(row):
    f, x, expected = ROWS[row]
    x = np.asarray(x)
    gradient = tp.grad(lambda x: np.sum(f(x)))(x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-15)
    columns = [tp.jvp(lambda x: np.sum(f(x)), (x,), (unit,))[1] for unit in np.eye(len(x))]
    np.testing.assert_allclose(columns, expected, rtol=1e-15)


def test_complex_abs_at_zero():
    assert tp.grad(lambda z: np.abs(z))(0j) == 0
