"""Comparison of functions on traced arrays with the same functions on plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp


def agrees(f: Any, *args: Any, order: int = 1, derivatives: bool = True) -> None:
    """Values, dtypes and kinds of result are NumPy's; derivatives are those that differences give."""
    plain = tp.tree.leaves(f(*(np.array(x) for x in args)))
    traced = tp.tree.leaves(tp.vjp(f, *args)[0])
    carried = tp.tree.leaves(tp.jvp(f, args, tuple(np.ones_like(x) for x in args))[0])
    for expected, *found in zip(plain, traced, carried, strict=True):
        for value in found:
            np.testing.assert_array_equal(value, expected)
            assert value.dtype == expected.dtype
            assert isinstance(value, np.ndarray) == isinstance(expected, np.ndarray)
    if derivatives:
        single = any(leaf.dtype in (np.float32, np.complex64) for leaf in plain)
        tolerance = 1e-3 if single else None
        tp.check_grads(f, args, order=order, rtol=tolerance, atol=tolerance)


def fails_alike(f: Any, x: Any) -> None:
    """NumPy raises an error for these arguments, and so do traced arrays."""
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever NumPy raises
        f(x.copy())
    with pytest.raises(expected.type):
        tp.grad(lambda x: (f(x), np.sum(x))[1])(x)
