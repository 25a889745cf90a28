"""Methods of ufuncs."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees

X = np.array([[0.5, -1.5, 2.0, 0.25], [1.0, 3.0, -0.75, -2.0], [1.75, -0.5, 0.125, -3.0]])
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
BINARY = [u for u in vars(np).values() if isinstance(u, np.ufunc) and u.nin == 2 and u.nout == 1 and not u.signature]

CALLS = {
    "add.reduce": lambda x: (
        np.add.reduce(x),
        np.add.reduce(x, 1),
        np.add.reduce(x, axis=None, keepdims=True, initial=2.0, where=MASK),
        np.add.reduce(x, (0, 1), np.float64),
        np.add.reduce(x, initial=None),
    ),
    "multiply.reduce": lambda x: (np.multiply.reduce(x), np.multiply.reduce(x, (0, 1), where=MASK, initial=0.5)),
    "maximum.reduce": lambda x: (np.maximum.reduce(x), np.maximum.reduce(x, axis=1, initial=0.0, where=MASK)),
    "minimum.reduce": lambda x: (np.minimum.reduce(x, axis=None), np.fmin.reduce(x, 1), np.fmax.reduce(x, -1)),
    "logaddexp.reduce": lambda x: (
        np.logaddexp.reduce(x),
        np.logaddexp2.reduce(x, axis=1, keepdims=True),
        np.logaddexp.reduce(x, axis=1, initial=1.0, where=MASK),
        np.logaddexp.reduce(x[0]),
    ),
    "accumulate": lambda x: (
        np.add.accumulate(x),
        np.add.accumulate(x, 1, np.complex128),
        np.multiply.accumulate(x, axis=-1),
        np.maximum.accumulate(x),
        np.minimum.accumulate(x, axis=1),
        np.fmax.accumulate(x, 1),
        np.fmin.accumulate(x),
    ),
    "reduceat": lambda x: (
        np.add.reduceat(x, [0, 2]),
        np.add.reduceat(x, np.array([3, 1, 1, 0]), axis=1),
        np.add.reduceat(x[0], (1, 3)),
        np.add.reduceat(x, [1], -1, np.float64),
    ),
    "outer": lambda x: (
        np.multiply.outer(x, x[0]),
        np.add.outer(x[0], [1.0, 2.0]),
        np.subtract.outer(2.0, x),
        np.maximum.outer(x[0] + 0.1, x[1]),
        np.hypot.outer(x[0, 0], x[1, 1]),
        np.multiply.outer([1, 2], x, dtype=np.float32),
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], X)


def test_out_takes_the_result():
    def f(x):
        buffer = np.zeros_like(x[0])
        np.add.reduce(x * x, axis=0, out=buffer)
        np.multiply.accumulate(buffer, out=buffer)
        return buffer

    np.testing.assert_allclose(f(X), np.cumprod(np.sum(X * X, axis=0)))
    tp.check_grads(f, (X,))


@pytest.mark.parametrize("ufunc", [u for u in BINARY if "d" in "".join(t.split("->")[0] for t in u.types)])
def test_outer_of_every_ufunc(ufunc):
    a, b = np.array([0.3, 1.7]), np.array([0.6, 2.4, 1.1])
    if "dd->" not in "".join(ufunc.types):
        b = np.array([1, 2, 3])  # ldexp
    try:
        traced, _ = tp.vjp(lambda a: ufunc.outer(a, b), a)
    except tp.errors.UnsupportedOperatorError:
        with pytest.raises(tp.errors.UnsupportedOperatorError):
            tp.vjp(lambda a: ufunc(a[:, None], b), a)
        return
    np.testing.assert_array_equal(traced, ufunc.outer(a, b))


@pytest.mark.parametrize("ufunc", [np.logical_and, np.logical_or, np.logical_xor])
def test_truth_values_are_plain(ufunc):
    methods = (ufunc.reduce, ufunc.accumulate, lambda x: ufunc.reduceat(x, [0, 2]))
    seen = []
    tp.grad(lambda x: (seen.extend(method(x) for method in methods), np.sum(x))[1])(X)
    for found, method in zip(seen, methods, strict=True):
        np.testing.assert_array_equal(found, method(X))
        assert type(found) is np.ndarray


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.subtract.reduce(x),
        lambda x: np.power.accumulate(x),
        lambda x: np.multiply.reduceat(x, [0, 2]),
        lambda x: np.logaddexp.accumulate(x),
    ],
)
def test_other_methods_raise(call):
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"test_methods\.py"):
        tp.grad(lambda x: np.sum(call(x)))(X)


@pytest.mark.parametrize("ufunc", [np.matmul, np.sin])
def test_outer_needs_two_elements(ufunc):
    with pytest.raises((ValueError, TypeError)):
        tp.grad(lambda x: np.sum(ufunc.outer(x, x)))(X)


def test_sums_of_exponentials_at_infinity():
    f = np.logaddexp.reduce
    np.testing.assert_array_equal(tp.grad(f)(np.array([-np.inf, 0.0])), [0, 1])
    np.testing.assert_array_equal(tp.grad(f)(np.array([1e300, 1e300])), [0.5, 0.5])
    np.testing.assert_array_equal(tp.grad(f)(np.array([-np.inf, -np.inf])), [0.5, 0.5])
    np.testing.assert_array_equal(tp.grad(lambda x: f(x, initial=-np.inf))(np.array([2.0, 2.0])), [0.5, 0.5])
    np.testing.assert_array_equal(tp.grad(lambda x: f(x, initial=1e300))(np.array([1e300, 2.0])), [0.5, 0])
    np.testing.assert_array_equal(tp.hessian(f)(np.array([0.0, -1e5])), np.zeros((2, 2)))
    np.testing.assert_array_equal(tp.grad(f)(np.array([np.inf, 0.0])), [1, 0])
    np.testing.assert_allclose(tp.hessian(f)(np.array([0.0, 0.0])), [[0.25, -0.25], [-0.25, 0.25]])
    assert tp.grad(f)(np.zeros(3, np.float32)).dtype == np.float32


def test_segments_may_overlap_and_be_empty():
    indices = np.array([4, 0, 0, 3])
    matrix = np.stack([np.add.reduceat(row, indices) for row in np.eye(5)], axis=1)
    np.testing.assert_array_equal(tp.jacobian(lambda x: np.add.reduceat(x, indices))(np.arange(5.0)), matrix)
    np.testing.assert_array_equal(
        tp.jacobian(lambda x: np.add.reduceat(x, indices), mode="forward")(np.arange(5.0)), matrix
    )


def test_mutating_the_indices_between_the_passes():
    def f(x):
        indices = np.array([0, 2])
        sums = np.add.reduceat(x, indices)
        indices[:] = 1
        return sums[0]

    np.testing.assert_array_equal(tp.grad(f)(np.ones(4)), [1, 1, 0, 0])
