"""Products of matrices."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(7)
A, B, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
STACK = RNG.normal(size=(2, 4, 3))

CALLS = {
    "operators": lambda a: (a @ B, B @ a, a @ V, V[:3] @ a, a[0] @ V, a @ STACK, STACK @ a),
    "matmul": lambda a: (np.matmul(a, B.tolist()), np.matmul(a[0], STACK), np.matmul(STACK, a[:, 0])),
    "elsewhere": lambda a: (
        np.matmul(a, B, axes=[(1, 0), (1, 0), (0, 1)]),
        np.matmul(a, V[:3], axes=[(1, 0), 0, 0]),
        np.matmul(STACK, a, axes=[(0, 2), (-2, -1), (2, 1)]),
    ),
    "in place": lambda a: np.matmul(a, B, out=np.zeros_like(a[:, :3])),
    "linalg": lambda a: (np.linalg.matmul(a, B), np.linalg.matrix_power(a @ B, 3), np.linalg.matrix_power(B @ a, 0)),
    "powers": lambda a: tuple(np.linalg.matrix_power(a[:, :3], n) for n in (1, 2, 3, 4, 7, np.int64(10))),
    "vecdot": lambda a: (np.vecdot(a, V), np.vecdot(a[0], V), np.vecdot(B, a, axes=[0, 1, ()])),
    "vecdot with axis": lambda a: (np.vecdot(a, A, axis=0), np.vecdot(a[:, None], A, axis=-1, keepdims=True)),
    "linalg.vecdot": lambda a: (np.linalg.vecdot(a, V), np.linalg.vecdot(A, a, axis=0)),
    "multi_dot": lambda a: (
        np.linalg.multi_dot([a, B]),
        np.linalg.multi_dot((V[:3], a, B, a, V)),
        np.linalg.multi_dot([a, B, A, B]),
        np.linalg.multi_dot([a[0], B, a]),
        np.linalg.multi_dot([A, B, a[:, :1], a[:1]]),
    ),
}
if hasattr(np, "matvec"):
    CALLS["matvec"] = lambda a: (np.matvec(a, V), np.matvec(a, STACK[..., 0]), np.matvec(B, a, axes=[(0, 1), 0, 0]))
    CALLS["vecmat"] = lambda a: (
        np.vecmat(V[:3], a),
        np.vecmat(a[:, None], STACK),
        np.vecmat(a[:, 0], A, axes=[0, (0, 1), 0]),
    )


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], A)


@pytest.mark.parametrize("name", CALLS)
def test_complex_operands(name):
    z = A + 1j * np.roll(A, 1)
    out = CALLS[name](z)
    for found, expected in zip(tp.tree.leaves(tp.vjp(CALLS[name], z)[0]), tp.tree.leaves(out), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-14)
    tp.check_grads(CALLS[name], (z,))


def test_the_first_vector_is_conjugated():
    a, b = V + 1j * V[::-1], V[::-1] - 2j * V
    conjugating = [np.vecdot, np.linalg.vecdot, np.vdot]
    if hasattr(np, "vecmat"):
        conjugating.append(lambda a, b: np.vecmat(a, b[:, None])[0])
    for product in conjugating:
        np.testing.assert_allclose(tp.grad(lambda a: np.real(product(a, b)))(a), b)  # noqa: B023
        np.testing.assert_allclose(tp.grad(lambda b: np.real(product(a, b)))(b), a)  # noqa: B023
    if hasattr(np, "matvec"):
        np.testing.assert_allclose(tp.grad(lambda b: np.real(np.matvec(a[None], b)[0]))(b), np.conj(a))


lengths = st.integers(1, 3)


@st.composite
def operands(draw):
    """Two operands that matmul takes, with any batch axes that broadcast."""
    n, k, m = draw(lengths), draw(lengths), draw(lengths)
    first = (k,) if draw(st.integers(0, 3)) == 0 else (n, k)
    second = (k,) if draw(st.integers(0, 3)) == 0 else (k, m)
    batch = draw(st.lists(lengths, max_size=3))

    def stretched(core):
        if len(core) == 1:
            return core
        some = [1 if draw(st.booleans()) else length for length in batch]
        return (*some[draw(st.integers(0, len(batch))) :], *core)

    rng = np.random.default_rng(draw(st.integers(0, 9)))
    return rng.normal(size=stretched(first)), rng.normal(size=stretched(second))


@given(operands())
@settings(max_examples=80, deadline=None)
def test_any_shapes_that_broadcast(pair):
    """The gradients are those of the sum of products that defines the matrix product."""
    a, b = pair
    y, pullback = tp.vjp(np.matmul, a, b)
    ct = np.random.default_rng(0).normal(size=np.shape(y))
    rows, columns = "" if a.ndim == 1 else "i", "" if b.ndim == 1 else "j"
    letters = f"...{rows}k,...k{columns}->...{rows}{columns}"
    _, expected = tp.vjp(lambda a, b: np.einsum(letters, a, b), a, b)
    for found, reference in zip(pullback(ct), expected(ct), strict=True):
        np.testing.assert_allclose(found, reference, atol=1e-12)
    tangents = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
    _, pushed = tp.jvp(np.matmul, (a, b), tangents)
    paired = sum(np.sum(g * t) for g, t in zip(pullback(ct), tangents, strict=True))
    assert np.sum(ct * pushed) == pytest.approx(paired, abs=1e-10)


@pytest.mark.parametrize("order", ["shared matrix", "shared stack"])
def test_the_gradient_of_a_shared_weight_is_one_product(order):
    """Not one matrix for each example, summed afterwards."""
    x, w = RNG.normal(size=(300, 20, 64)), RNG.normal(size=(64, 64))
    f = (lambda w: np.matmul(x, w)) if order == "shared matrix" else (lambda w: np.matmul(w, np.swapaxes(x, 1, 2)))
    y, pullback = tp.vjp(f, w)
    ct = np.ones_like(y)
    tracemalloc.start()
    (gradient,) = pullback(ct)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * x.nbytes + w.nbytes  # the outer products together take 3.2 times as much as x
    total = np.sum(x, axis=(0, 1))
    expected = np.broadcast_to(total[:, None] if order == "shared matrix" else total, w.shape)
    np.testing.assert_allclose(gradient, expected, atol=1e-9)


def test_inverse_powers():
    agrees(lambda a: np.linalg.matrix_power(a[:, :3] + 5 * np.eye(3), -2), A)


def test_powers_of_stacks():
    agrees(lambda a: np.linalg.matrix_power(a, 5), STACK[:, :3])


def test_a_chain_is_multiplied_in_the_best_order():
    """So that the intermediate products are those that NumPy makes."""
    u, v = RNG.normal(size=(2000, 1)), RNG.normal(size=(1, 2000))
    tracemalloc.start()
    gradient = tp.grad(lambda u: np.sum(np.linalg.multi_dot([v, u, v, u])))(u)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6  # u @ v alone takes 3.2e7 bytes
    np.testing.assert_allclose(gradient, 2 * (v @ u) * v.T)


WRONG = {
    "scalars": lambda a: np.matmul(a, 2.0),
    "sizes": lambda a: a @ a,
    "powers of rectangles": lambda a: np.linalg.matrix_power(a, 2),
    "powers of vectors": lambda a: np.linalg.matrix_power(a[0], 2),
    "fractional powers": lambda a: np.linalg.matrix_power(a[:, :3], 0.5),
    "a chain of one": lambda a: np.linalg.multi_dot([a]),
    "a chain with a stack": lambda a: np.linalg.multi_dot([a, STACK, a]),
    "a chain with an inner vector": lambda a: np.linalg.multi_dot([a, V, a]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], A)


def test_mutating_an_operand_between_the_passes():
    def f(a):
        b = B.copy()
        y = a @ b
        b[:] = 0
        return np.sum(y)

    np.testing.assert_allclose(tp.grad(f)(A), np.broadcast_to(B.sum(1), A.shape))


def test_single_precision_is_kept():
    a, b = A.astype(np.float32), STACK.astype(np.float32)
    out, pullback = tp.vjp(lambda a, b: a @ b, a, b)
    assert out.dtype == np.float32 and all(g.dtype == np.float32 for g in pullback(np.ones_like(out)))
