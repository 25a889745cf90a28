"""Functions applied along axes."""

from __future__ import annotations

import numpy as np
import pytest

from rules.against import agrees, fails_alike

X = np.cos(np.arange(24.0)).reshape(2, 3, 4)

CALLS = {
    "a number for each vector": lambda x: [np.apply_along_axis(np.sum, axis, x) for axis in (0, 1, -1)],
    "a vector for each": lambda x: [np.apply_along_axis(lambda v: np.cumsum(v)[:2], axis, x) for axis in (0, 1, 2)],
    "a matrix for each": lambda x: np.apply_along_axis(lambda v: v[:, None] * v[:2], 1, x),
    "positions": lambda x: x[..., 0] * np.apply_along_axis(np.argmax, -1, x),
    "of a vector": lambda x: np.apply_along_axis(lambda v, a, b: a * v + b, 0, x[0, 0], 2.0, b=1.0),
    "over axes": lambda x: (np.apply_over_axes(np.sum, x, (0, 2)), np.apply_over_axes(np.mean, x, -1)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X, order=2)


WRONG = {
    "axis": lambda x: np.apply_along_axis(np.sum, 3, x),
    "nothing to apply to": lambda x: np.apply_along_axis(np.sum, 0, x[:, :0]),
    "results of different shapes": lambda x: np.apply_along_axis(lambda v: v[v > 0], 0, x),
    "too many axes": lambda x: np.apply_over_axes(lambda a, axis: a[None], x, 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_fail_as_in_numpy(name):
    fails_alike(WRONG[name], X)
