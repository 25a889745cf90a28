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


PIECES = {
    # where: (function, matrix, derivative)
    "order 1 at a zero": (lambda x: np.linalg.norm(x, 1), [3.0, 0.0], [1, 0]),
    "order inf at a tie": (lambda x: np.linalg.norm(x, np.inf), [2.0, -2.0, 1.0], [0.5, -0.5, 0]),
    "order -inf at a tie": (lambda x: np.linalg.norm(x, -np.inf), [2.0, -2.0, 3.0], [0.5, -0.5, 0]),
    "order 1/2 at a zero": (lambda x: np.linalg.norm(x, 0.5), [4.0, 0.0], [1, 0]),
    "order -1 at a zero": (lambda x: np.linalg.norm(x, -1), [4.0, 0.0], [0, 0]),
    "columns of equal sums": (lambda x: np.linalg.norm(x, 1), [[1.0, 2.0], [3.0, -2.0]], [[0.5, 0.5], [0.5, -0.5]]),
    "spectral norm of the identity": (lambda x: np.linalg.norm(x, 2), np.eye(2), np.eye(2) / 2),
    "nuclear norm of the identity": (lambda x: np.linalg.norm(x, "nuc"), np.eye(2), np.eye(2)),
    "nuclear norm of lower rank": (lambda x: np.linalg.norm(x, "nuc"), [[3.0, 4.0], [0, 0]], [[0.6, 0.8], [0, 0]]),
    "least singular value that is 0": (lambda x: np.linalg.norm(x, -2), [[3.0, 4.0], [0, 0]], np.zeros((2, 2))),
}


@pytest.mark.parametrize("name", PIECES)
def test_the_derivative_at_a_kink(name):
    f, x, expected = PIECES[name]
    np.testing.assert_allclose(tp.grad(f)(np.array(x)), expected, atol=1e-14)


def test_the_condition_number_of_a_singular_matrix_has_no_derivative():
    for a in (np.zeros((2, 2)), np.diag([1.0, 0.0]), np.outer([1.0, 2.0], [3.0, 4.0])):
        for order in (None, 1, -1, "fro", np.inf):
            value, gradient = tp.value_and_grad(lambda a: np.linalg.cond(a, order))(a)  # noqa: B023
            assert value == np.linalg.cond(a, order)
            assert np.all(np.isnan(gradient))
    # In a stack, it does not spoil the others.
    stack = np.stack([np.diag([1.0, 0.0]), np.diag([3.0, 2.0])])
    for order in (None, 1):
        _, pullback = tp.vjp(lambda a: np.linalg.cond(a, order), stack)  # noqa: B023
        np.testing.assert_allclose(pullback(np.array([0.0, 1.0]))[0][1], np.diag([0.5, -0.75]))


@pytest.mark.parametrize("x", [A, A + 1j * np.cos(A[::-1]), A.astype(np.float32)], ids=["real", "complex", "single"])
def test_derivatives(x):
    for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf):
        tp.check_grads(lambda a: np.linalg.norm(a, order), (x,), order=1 if x.dtype == np.float32 else 2)  # noqa: B023
    tp.check_grads(lambda a: np.linalg.cond(a[:, :3], 2), (x,), order=1)
    tp.check_grads(lambda a: np.linalg.cond(a[:, :3], "fro"), (x,), order=1)


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
