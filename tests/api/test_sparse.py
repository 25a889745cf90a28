"""Sparse Jacobians and Hessians are the dense ones, from few products; a pattern that is too small is noticed."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp

RNG = np.random.default_rng(0)


class Counted:
    """A function that counts its calls."""

    def __init__(self, f):
        self.f = f
        self.calls = 0

    def __call__(self, *args):
        self.calls += 1
        return self.f(*args)


def banded(n, width):
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= width


#: A tridiagonal pattern of a thousand rows.
BAND = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(1000, 1000))


def flow(u):
    """A reaction and diffusion between neighbours."""
    left, right = np.append(0.0, u[:-1]), np.append(u[1:], 0.0)
    return left - 2 * u + right + u**2


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def check(sparse, dense, *args, tolerance=1e-12):
    found = sparse(*args)
    assert isinstance(found, scipy.sparse.csr_array) and found.has_canonical_format
    expected = dense(*args)
    np.testing.assert_allclose(found.toarray(), expected, rtol=tolerance, atol=tolerance)
    return found


# --- Jacobians --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparsity", ["detect", banded(12, 1), scipy.sparse.csc_matrix(banded(12, 1))])
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_tridiagonal(sparsity, mode):
    of_flow = tp.jacobian(flow, mode=mode, sparsity=sparsity)
    check(of_flow, tp.jacobian(flow), RNG.normal(size=12))
    assert of_flow.compression.count == 3


def test_a_banded_jacobian_of_a_thousand_variables_takes_one_run():
    counted = Counted(flow)
    of_flow = tp.jacobian(counted, sparsity=BAND)
    x = RNG.normal(size=1000)
    found = of_flow(x)
    assert of_flow.compression.count == 3 and counted.calls == 1
    np.testing.assert_array_equal(found.diagonal(), 2 * x - 2)
    np.testing.assert_array_equal(found.diagonal(1), np.ones(999))
    of_flow(x)
    assert counted.calls == 2


def test_rows_are_taken_where_they_need_fewer_colors():
    def few(x):
        return np.stack([np.sum(x[::2] ** 3), np.sum(np.sin(x[1::2]))])

    of_few = tp.jacobian(few, sparsity="detect")
    check(of_few, tp.jacobian(few), RNG.normal(size=20))
    assert of_few.compression.mode == "reverse" and of_few.compression.count == 1

    def many(x):
        return np.concatenate([x[0] * np.arange(9.0), np.exp(x[1]) * np.ones(4)])

    of_many = tp.jacobian(many, sparsity="detect")
    check(of_many, tp.jacobian(many), RNG.normal(size=2))
    assert of_many.compression.mode == "forward" and of_many.compression.count == 1


def test_blocks_and_empty_rows():
    def f(x):
        pairs = np.reshape(x, (-1, 3))
        return np.ravel(np.stack([np.prod(pairs, axis=1), np.zeros(len(pairs)), pairs[:, 0] * pairs[:, 2]], axis=1))

    of_f = tp.jacobian(f, sparsity="detect")
    found = check(of_f, tp.jacobian(f), RNG.normal(size=12))
    assert of_f.compression.count == 2 and of_f.compression.mode == "reverse"
    assert (np.diff(found.indptr)[1::3] == 0).all()


def test_trees_and_several_arguments():
    def f(p, scale):
        return {"a": p["u"] ** 2 * scale, "b": [np.sum(p["v"], axis=1)]}

    args = {"u": RNG.normal(size=3), "v": RNG.normal(size=(2, 2))}, 2.0
    found = tp.jacobian(f, argnums=(0, 1), sparsity="detect")(*args).toarray()
    expected = np.zeros((5, 8))
    expected[:3, :3], expected[:3, 7] = np.diag(4 * args[0]["u"]), args[0]["u"] ** 2
    expected[3, 3:5] = expected[4, 5:7] = 1
    np.testing.assert_allclose(found, expected)
    assert tp.jacobian(f, sparsity="detect")(*args).shape == (5, 7)


def test_a_pattern_is_detected_anew_when_other_arguments_change_it():
    def f(x, table):
        return np.sin(table @ x)

    of_f = tp.jacobian(f, sparsity="detect")
    x = RNG.normal(size=4)
    for table in (np.eye(4), np.tri(4), np.eye(4)[::-1], np.ones((2, 4))):
        check(of_f, tp.jacobian(f), x, table)


def test_single_precision():
    x = RNG.normal(size=9).astype(np.float32)
    check(tp.jacobian(flow, sparsity=banded(9, 1)), tp.jacobian(flow), x, tolerance=1e-6)
    assert tp.jacobian(np.sin, sparsity=np.eye(9))(x).dtype == np.float32


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 7), st.integers(1, 7), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_random_patterns(rows, columns, density, seed):
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random((rows, columns)) < density, rng.normal(size=(rows, columns)), 0.0)

    def f(x):
        return np.sin(weights @ x)

    x = rng.normal(size=columns)
    for mode in ("auto", "forward", "reverse"):
        for sparsity in (weights, "detect"):
            found = check(tp.jacobian(f, mode=mode, sparsity=sparsity), tp.jacobian(f), x, tolerance=1e-10)
            assert found.nnz == np.count_nonzero(weights)


# --- Hessians ---------------------------------------------------------------------------------------------------------


def test_rosenbrock_of_a_thousand_variables():
    counted = Counted(rosenbrock)
    of_it = tp.hessian(counted, sparsity=scipy.sparse.triu(BAND))
    x = RNG.normal(size=1000)
    found = of_it(x)
    assert of_it.compression.count == 3 and counted.calls == 1
    assert found.nnz == 2998
    diagonal = 1200 * x**2 - 400 * np.append(x[1:], 0) + 2
    diagonal[1:] += 200
    diagonal[0] = 1200 * x[0] ** 2 - 400 * x[1] + 2
    diagonal[-1] = 200
    np.testing.assert_allclose(found.diagonal(), diagonal, rtol=1e-12)
    np.testing.assert_allclose(found.diagonal(1), -400 * x[:-1], rtol=1e-12)
    detected = tp.hessian(rosenbrock, sparsity="detect")
    np.testing.assert_array_equal(detected(x).toarray(), found.toarray())


def test_an_arrowhead_takes_two_products():
    def f(x):
        return np.sum(x**4) + x[0] * np.sum(np.sin(x[1:]))

    of_f = tp.hessian(f, sparsity="detect")
    check(of_f, tp.hessian(f), RNG.normal(size=30))
    assert of_f.compression.count == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_random_hessians(size, density, seed):
    rng = np.random.default_rng(seed)
    pairs = np.triu(np.where(rng.random((size, size)) < density, rng.normal(size=(size, size)), 0.0))

    def f(x):
        return np.sum(pairs * np.sin(x[:, None]) * np.cos(2 * x))

    x = rng.normal(size=size)
    for sparsity in (pairs + np.eye(size), (pairs + np.eye(size)).T, np.ones((size, size))):
        check(tp.hessian(f, sparsity=sparsity), tp.hessian(f), x, tolerance=1e-10)


def test_hessians_are_differentiated_through_products_and_reductions():
    weights = RNG.normal(size=(4, 6)) * (RNG.random((4, 6)) < 0.4)

    def f(x):
        return np.sum(np.tanh(weights @ x) ** 2) + np.max(x[:2]) ** 2

    check(tp.hessian(f, sparsity="detect"), tp.hessian(f), RNG.normal(size=6))


# --- what is wrong is noticed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_pattern_that_is_too_small_raises(mode):
    x = RNG.normal(size=8)
    for place in [(0, 1), (7, 6), (3, 3)]:
        pattern = banded(8, 1)
        pattern[place] = False
        with pytest.raises(tp.errors.ArgumentError, match=r"outside of sparsity, in (row|column)"):
            tp.jacobian(flow, mode=mode, sparsity=pattern)(x)
    with pytest.raises(tp.errors.ArgumentError, match="outside of sparsity"):
        tp.jacobian(flow, mode=mode, sparsity=np.zeros((8, 8)))(x)


def test_a_hessian_with_a_pattern_that_is_too_small_raises():
    x = RNG.normal(size=6)
    with pytest.raises(tp.errors.ArgumentError, match="outside of sparsity"):
        tp.hessian(rosenbrock, sparsity=np.eye(6))(x)
    pattern = banded(6, 1)
    pattern[4, 5] = pattern[5, 4] = False
    with pytest.raises(tp.errors.ArgumentError, match="outside of sparsity"):
        tp.hessian(rosenbrock, sparsity=pattern)(x)


def test_a_small_element_outside_of_the_pattern_is_noticed():
    def f(x):
        return np.stack([1e6 * x[0] + x[1], x[1]])

    with pytest.raises(tp.errors.ArgumentError, match="row 0"):
        tp.jacobian(f, sparsity=np.eye(2))(np.ones(2))


def test_a_pattern_that_is_too_large_is_right():
    check(tp.jacobian(flow, sparsity=np.ones((5, 5))), tp.jacobian(flow), RNG.normal(size=5))


def test_derivatives_that_are_not_finite_are_passed_on():
    found = tp.jacobian(np.sqrt, sparsity=np.eye(3))(np.array([1.0, 0.0, 4.0])).toarray()
    np.testing.assert_array_equal(found.diagonal(), [0.5, np.inf, 0.25])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tp.jacobian(flow, sparsity=np.ones(3)), tp.errors.ArgumentError, r"no matrix.*\(3,\)"),
        (lambda: tp.jacobian(flow, sparsity="guess"), tp.errors.ArgumentError, "unknown sparsity 'guess'"),
        (lambda: tp.jacobian(flow, mode="both", sparsity="detect"), tp.errors.ArgumentError, "unknown mode"),
        (lambda: tp.jacobian(flow, sparsity=np.eye(3))(np.ones(4)), tp.errors.ShapeError, "4 inputs"),
        (lambda: tp.jacobian(flow, sparsity=np.ones((3, 4)))(np.ones(4)), tp.errors.ShapeError, "4 outputs"),
        (
            lambda: tp.jacobian(flow, mode="reverse", sparsity=np.ones((3, 4)))(np.ones(4)),
            tp.errors.ShapeError,
            "4 outputs",
        ),
        (lambda: tp.hessian(rosenbrock, sparsity=np.ones((3, 4))), tp.errors.ShapeError, "a row and a column"),
        (
            lambda: tp.jacobian(flow, sparsity=np.eye(2))(np.ones(2, complex)),
            tp.errors.ArgumentError,
            "real values",
        ),
        (
            lambda: tp.vmap(tp.jacobian(flow, sparsity=banded(3, 1)))(np.ones((2, 3))),
            tp.errors.ArgumentError,
            "cannot be differentiated, batched or compiled",
        ),
        (
            lambda: tp.jacobian(lambda x: x if x[0] > 0 else -x, sparsity="detect")(np.ones(2)),
            tp.errors.CaptureError,
            'sparsity="detect" does not know',
        ),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
