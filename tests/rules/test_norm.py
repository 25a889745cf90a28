"""Norms of vectors and of matrices."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import fails_alike

A = np.random.default_rng(3).normal(size=(3, 4))
NORMS = {
    "vectors": (lambda a: np.linalg.norm(a[0]), np.zeros((2, 3))),
    "rows": (lambda a: np.sum(np.linalg.norm(a, axis=1)), np.zeros((2, 3))),
    "Frobenius": (np.linalg.norm, np.zeros((2, 3))),
    "matrix_norm": (np.linalg.matrix_norm, np.zeros((2, 3))),
    "vector_norm": (np.linalg.vector_norm, np.zeros((2, 3))),
    "order 3": (lambda a: np.linalg.norm(np.ravel(a), 3), np.zeros((2, 3))),
    "complex": (np.linalg.norm, np.zeros((2, 3), complex)),
}
NORMS |= {
    str(order): (lambda a, order=order: np.linalg.norm(a, order), np.zeros((2, 3)))
    for order in ("nuc", 1, 2, -1, -2, np.inf, -np.inf)
}


@pytest.mark.parametrize("name", NORMS)
def test_the_subgradient_at_zero_is_zero(name):
    f, x = NORMS[name]
    np.testing.assert_array_equal(tp.grad(f)(x), 0)
    assert tp.jvp(f, (x,), (np.ones_like(x),))[1] == 0


def test_a_row_of_zeros_does_not_spoil_the_others():
    a = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(tp.grad(lambda a: np.sum(np.linalg.norm(a, axis=-1)))(a), a / 5)


def test_single_precision_is_kept():
    for order in (None, 1, 2, 3, np.inf, 0.5):
        gradient = tp.grad(lambda x: np.linalg.norm(x, order))(A[0].astype(np.float32))  # noqa: B023
        assert gradient.dtype == np.float32


def test_the_count_of_nonzero_elements_is_constant():
    np.testing.assert_array_equal(tp.grad(lambda x: np.sum(x) * np.linalg.norm(x, 0))(A[0]), 4)


WRONG = {
    "order of vectors": lambda a: np.linalg.norm(a[0], "fro"),
    "order of matrices": lambda a: np.linalg.norm(a, 3),
    "word": lambda a: np.linalg.norm(a, "max"),
    "three axes": lambda a: np.linalg.norm(a[None], 2),
    "duplicate axes": lambda a: np.linalg.norm(a, axis=(0, -2)),
    "empty": lambda a: np.linalg.cond(a[:0]),
    "cond of rectangles": lambda a: np.linalg.cond(a, 1),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], A)
