"""Solutions, inverses and determinants."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(11)
A = RNG.normal(size=(3, 3)) + 2 * np.eye(3)
B, STACK = RNG.normal(size=(3, 2)), RNG.normal(size=(2, 3, 3)) + 2 * np.eye(3)

CALLS = {
    "solve": lambda a: (np.linalg.solve(a, B), np.linalg.solve(a, B[:, 0]), np.linalg.solve(STACK, a)),
    "solve with lists": lambda a: (np.linalg.solve(a, [1, 2, 3]), np.linalg.solve(A.tolist(), b=a)),
    "solve with integers": lambda a: np.linalg.solve(np.array([[2, 0, 1], [0, 1, 0], [1, 0, 3]]), a),
    "stacks": lambda a: (np.linalg.solve(a, STACK), np.linalg.solve(STACK, a[:, 0]), np.linalg.solve(a * STACK, a)),
    "inv": lambda a: (np.linalg.inv(a), np.linalg.inv(a * STACK)),
    "matrix_power": lambda a: (np.linalg.matrix_power(a, -1), np.linalg.matrix_power(a * STACK, -3)),
    "det": lambda a: (np.linalg.det(a), np.linalg.det(a * STACK), np.linalg.det(a[:0, :0])),
    "slogdet": lambda a: (np.linalg.slogdet(a)[1], np.linalg.slogdet(a * STACK).logabsdet),
    "tensors": lambda a: (
        np.linalg.tensorsolve(a * STACK[0], a[0]),
        np.linalg.tensorinv(a, ind=1),
    ),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["real", "complex", "single"])
def test_values_and_derivatives(name, kind):
    x = {"real": A, "complex": A + 0.3j * A.T, "single": A.astype(np.float32)}[kind]
    agrees(CALLS[name], x, order=1 if kind == "single" else 2)


def test_the_result_of_slogdet_is_numpys():
    def f(a):
        result = np.linalg.slogdet(a)
        assert type(result) is type(np.linalg.slogdet(A))
        return result.logabsdet * result.sign

    np.testing.assert_allclose(tp.grad(f)(A), np.linalg.inv(A).T * np.sign(np.linalg.det(A)))


SINGULAR = {
    "zero": np.zeros((2, 2)),
    "a simple zero": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
    "a row of zeros": np.array([[1.0, 2.0], [0.0, 0.0]]),
    "rank one of three": np.outer([1.0, 2.0, 3.0], [3.0, 1.0, 2.0]),
    "diagonal": np.diag([2.0, 0.0, 3.0, 0.0]),
    "complex": np.outer([1.0, 2j, 3.0], [3.0, 1j, 2.0]) + np.diag([0, 1.0, 0]),
}


def expansion(a):
    """The determinant by Laplace's expansion: a polynomial, which knows nothing of singular matrices."""
    if len(a) == 1:
        return a[0, 0]
    minors = [a[1:][:, np.delete(np.arange(len(a)), i)] for i in range(len(a))]
    return sum((-1) ** i * a[0, i] * expansion(minor) for i, minor in enumerate(minors))


@pytest.mark.parametrize("name", SINGULAR)
def test_the_determinant_of_a_singular_matrix(name):
    a = SINGULAR[name]
    tangent = RNG.normal(size=a.shape).astype(a.dtype)
    real = [lambda a, f=f: np.real(f(a)) for f in (np.linalg.det, expansion)]
    first = [tp.grad(f)(a) for f in real]
    np.testing.assert_allclose(*first, atol=1e-13)
    second = [tp.hvp(f, (a,), (tangent,)) for f in real]
    np.testing.assert_allclose(*tp.tree.leaves(second), atol=1e-12)
    twice = [tp.jvp(lambda a, f=f: tp.jvp(f, (a,), (tangent,))[1], (a,), (tangent,))[1] for f in real]
    np.testing.assert_allclose(*twice, atol=1e-12)


@pytest.mark.parametrize("name", SINGULAR)
def test_the_same_in_compiled_code_and_in_a_batch(name):
    a = SINGULAR[name]
    tangent = RNG.normal(size=a.shape).astype(a.dtype)

    def second(a):
        return tp.hvp(lambda a: np.real(np.linalg.det(a)), (a,), (tangent,))[0]

    np.testing.assert_allclose(tp.compile(second, backend="numpy")(a), second(a), atol=1e-12)
    np.testing.assert_allclose(tp.vmap(second)(np.stack([a + tangent, a]))[1], second(a), atol=1e-12)


def test_third_derivative_of_a_determinant_near_a_singular_matrix():
    """The formula has lost its digits there."""
    third = tp.grad(tp.grad(tp.grad(lambda t: np.linalg.det(np.ones((3, 3)) + t * A))))
    assert np.isnan(third(0.0)) and np.isnan(tp.compile(third, backend="numpy")(0.0))
    small = tp.grad(tp.grad(tp.grad(lambda t: np.linalg.det(np.ones((2, 2)) + t * A[:2, :2]))))
    assert small(0.0) == 0.0


def test_third_derivative_of_a_determinant():
    direction = RNG.normal(size=A.shape)

    def along(f):
        g = lambda t: f(A + t * direction)  # noqa: E731
        return tp.grad(tp.grad(tp.grad(g)))(0.3)

    assert along(np.linalg.det) == pytest.approx(6 * np.linalg.det(direction))


def test_a_singular_matrix_raises():
    for f in (np.linalg.inv, lambda a: np.linalg.solve(a, B)):
        fails_alike(f, np.zeros((3, 3)))
    with pytest.raises(np.linalg.LinAlgError):
        tp.grad(lambda a: np.linalg.slogdet(a)[1])(np.zeros((2, 2)))


WRONG = {
    "solve of rectangles": lambda a: np.linalg.solve(a[:2], B),
    "sizes": lambda a: np.linalg.solve(a, B[:2]),
    "inv of rectangles": lambda a: np.linalg.inv(a[:2]),
    "det of vectors": lambda a: np.linalg.det(a[0]),
    "tensorinv": lambda a: np.linalg.tensorinv(a, ind=0),
    "tensorsolve": lambda a: np.linalg.tensorsolve(a[:2], B[:2, 0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], A)


def test_the_rank_is_refused():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"linalg\.matrix_rank.*stop_gradient"):
        tp.grad(lambda a: np.sum(a * np.linalg.matrix_rank(a)))(A)
    gradient = tp.grad(lambda a: np.sum(a * np.linalg.matrix_rank(tp.stop_gradient(a))))(A)
    np.testing.assert_array_equal(gradient, np.full((3, 3), 3.0))
