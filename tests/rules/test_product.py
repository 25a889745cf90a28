"""Products of vectors and tensors."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(3)
A, B, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
T = RNG.normal(size=(2, 3, 4))

CALLS = {
    "dot": lambda a: (np.dot(a, B), np.dot(B, a), a.dot(V), np.dot(V[:3], a), np.dot(a[0], V), np.dot(b=B, a=a)),
    "dot with scalars": lambda a: (np.dot(a, 2.0), np.dot(3, a[0]), np.dot(a[0, 0], a), np.dot(a[0, 0], 1.5)),
    "dot of tensors": lambda a: (
        np.dot(T, a.T),
        np.dot(a, T.transpose(0, 2, 1)),
        np.dot(T, V),
        np.dot(T, T.mT * a[0, 0]),
    ),
    "dot with out": lambda a: np.dot(a, a.T, np.zeros_like(a[:, :3])),
    "vdot": lambda a: (
        np.vdot(a, A),
        np.vdot(V, a[0]),
        np.vdot(a[0, 0], a[0, 1]),
        np.vdot(a, B),
        np.vdot([1, 2, 3], a[:, 0]),
    ),
    "inner": lambda a: (np.inner(a, V), np.inner(a, A), np.inner(T, a), np.inner(a[0], [1, 2, 3, 4]), np.inner(a, 2.0)),
    "outer": lambda a: (np.outer(a, V), np.outer(2.0, a), np.outer(a=[1, 2], b=a[0]), np.linalg.outer(V, a[0])),
    "tensordot": lambda a: (
        np.tensordot(a, A),
        np.tensordot(a, B, 1),
        np.tensordot(a, V, axes=0),
        np.tensordot(T, a, ([1, 2], [0, 1])),
        np.tensordot(T, a, (-1, 1)),
        np.tensordot(a, T, axes=[(1, 0), (2, -2)]),
        np.tensordot(T, a, axes=((), ())),
        np.linalg.tensordot(a, T, axes=((0,), (1,))),
    ),
    "kron": lambda a: (np.kron(a, B), np.kron(V, a), np.kron(a, T), np.kron(2.0, a), np.kron([[1, 2]], a[0])),
    "cross": lambda a: (
        np.cross(a, V[:3], axisa=0),
        np.cross(a.T, B),
        np.cross(a, A, axis=0),
        np.cross(a, T, 0, 1, 0),
        np.cross([1, 2, 3], a[:, 0]),
        np.linalg.cross(a, A, axis=0),
        np.linalg.cross(a[:, 0], B),
    ),
    "trace": lambda a: (
        *(np.trace(a), np.trace(a, 1), a.trace(offset=-2), np.trace(a, 9), np.trace(a, dtype=np.float32)),
        *(np.trace(T * a, 1, 2, 0), np.linalg.trace(T * a), np.linalg.trace(a, offset=1, dtype=np.complex128)),
    ),
    "linalg views": lambda a: (
        *(np.linalg.diagonal(a), np.linalg.diagonal(T * a, offset=-1)),
        *(np.linalg.matrix_transpose(a), np.linalg.matrix_transpose(T * a)),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], A)


@pytest.mark.parametrize("name", CALLS)
def test_complex_operands(name):
    z = A + 1j * np.roll(A, 1)
    if name == "trace":
        return agrees(np.trace, z)
    out = CALLS[name](z)
    for found, expected in zip(tp.tree.leaves(tp.vjp(CALLS[name], z)[0]), tp.tree.leaves(out), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    tp.check_grads(CALLS[name], (z,))
    return None


@pytest.mark.parametrize("name", CALLS)
def test_single_precision_is_kept(name):
    agrees(CALLS[name], A.astype(np.float32), derivatives=False)
    out, pullback = tp.vjp(CALLS[name], A.astype(np.float32))
    assert pullback(tp.tree.map(np.ones_like, out))[0].dtype == np.float32


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) >= "2.5.0", reason="NumPy 2.5 has no products of plane vectors")
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")
def test_cross_products_of_plane_vectors():
    agrees(lambda a: (np.cross(a[:, :2], V[:2]), np.cross(a[:, :2], A[:, :3]), np.cross(B, a[0, :2])), A)


def test_second_derivatives_of_tensor_products():
    tp.check_grads(lambda a, t: np.dot(a, np.swapaxes(t, 1, 2)) * np.dot(t, V), (A[:2], T[:, :2]), order=2)
    tp.check_grads(lambda a: np.tensordot(a * a, np.kron(a, a)[:4, :3], 1), (A,), order=2)


WRONG = {
    "sizes in dot": lambda a: np.dot(a, a),
    "sizes in inner": lambda a: np.inner(a, V[:3]),
    "sizes in vdot": lambda a: np.vdot(a, V),
    "sizes in tensordot": lambda a: np.tensordot(a, B),
    "counts in tensordot": lambda a: np.tensordot(a, B, ([0, 1], [0])),
    "axes in tensordot": lambda a: np.tensordot(a, B, (2, 0)),
    "repeated axes in tensordot": lambda a: np.tensordot(a, a, ([0, 0], [0, 0])),
    "outer of matrices": lambda a: np.linalg.outer(a, a),
    "cross of long vectors": lambda a: np.cross(a, a),
    "cross of plane vectors": lambda a: np.linalg.cross(a[:, :2], a[:, :2]),
    "trace of a vector": lambda a: np.trace(a[0]),
    "transpose of a vector": lambda a: np.linalg.matrix_transpose(a[0]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], A)


def test_a_transposed_matrix_is_a_view():
    def f(a):
        b = a * 2
        np.linalg.matrix_transpose(b)[0] = 7.0
        return np.sum(b * b)

    expected = 8 * A
    expected[:, 0] = 0
    np.testing.assert_allclose(tp.grad(f)(A), expected)
