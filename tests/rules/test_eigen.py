"""Eigenvalues and eigenvectors of symmetric matrices and of square ones in general, above all where they are equal."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import fails_alike

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 3))
Z = X + 1j * RNG.normal(size=(3, 3))
WEIGHTS = RNG.normal(size=(3, 3))
KINDS = pytest.mark.parametrize("kind", ["real", "complex"])


def unitary(kind):
    return np.linalg.qr(X if kind == "real" else Z)[0]


def with_eigenvalues(w, kind):
    q = unitary(kind)
    return (q * np.array(w)) @ np.conj(q.T)


def of_matrix(f, decompose=np.linalg.eigh):
    """A matrix function by eigenvalues, and a weighted sum of its elements."""

    def weighted(a):
        w, v = decompose(a)
        inverse = np.linalg.inv(v) if decompose is np.linalg.eig else np.conj(v.mT)
        return np.sum(WEIGHTS * np.real((v * f(w)[..., None, :]) @ inverse))

    return weighted


def symmetric(a, lower=True):
    triangle = np.tril(a, -1) if lower else np.triu(a, 1)
    return triangle + np.conj(triangle.mT) + np.eye(a.shape[-1]) * np.real(a)


def cubed(a):
    """The same as ``of_matrix(lambda w: w**3 + w)``, without eigenvalues."""
    return np.sum(WEIGHTS * np.real(a @ a @ a + a))


#: Eigenvalues, equal and nearly so in every way.
SPECTRA = {
    "distinct": [1.0, 2.0, 4.0],
    "a pair": [2.0, 2.0, 5.0],
    "all equal": [2.0, 2.0, 2.0],
    "zero": [0.0, 0.0, 0.0],
    "a zero pair": [0.0, 0.0, 1.0],
    "opposite": [-1.0, 1.0, 1.0],
    "1e-15 apart": [1.0, 1.0 + 1e-15, 3.0],
    "1e-12 apart": [1.0, 1.0 + 1e-12, 3.0],
    "1e-9 apart": [1.0, 1.0 + 1e-9, 3.0],
    "1e-7 apart": [1.0, 1.0 + 1e-7, 3.0],
    "three close": [1.0, 1.0 + 1e-10, 1.0 - 1e-11],
}


@pytest.mark.parametrize("name", SPECTRA)
@KINDS
def test_functions_of_a_symmetric_matrix(name, kind):
    for a in (
        with_eigenvalues(SPECTRA[name], kind),
        np.diag(SPECTRA[name]).astype(complex if kind != "real" else float),
    ):
        expected = tp.grad(lambda a: cubed(symmetric(a)))(a)
        np.testing.assert_allclose(tp.grad(of_matrix(lambda w: w**3 + w))(a), expected, atol=2e-7)
        values = tp.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 3))(a)
        trace = tp.grad(lambda a: np.real(np.trace(symmetric(a) @ symmetric(a) @ symmetric(a))))(a)
        np.testing.assert_allclose(values, trace, atol=1e-12)


@KINDS
def test_the_other_triangle(kind):
    a = with_eigenvalues([2.0, 2.0, 5.0], kind) + np.tril(X, -1)
    expected = tp.grad(lambda a: cubed(symmetric(a, lower=False)))(a)
    gradient = tp.grad(of_matrix(lambda w: w**3 + w, functools.partial(np.linalg.eigh, UPLO="U")))(a)
    np.testing.assert_allclose(gradient, expected, atol=1e-11)
    np.testing.assert_array_equal(np.tril(tp.grad(lambda a: np.sum(np.linalg.eigvalsh(a, "U") ** 2))(a), -1), 0)


@KINDS
def test_the_projector_on_a_cluster(kind):
    """It does not change as the basis of the cluster turns."""
    for w in ([1.0, 1.0, 3.0], [1.0, 1.0 + 1e-11, 3.0], [1.0, 1.5, 3.0]):
        a = with_eigenvalues(w, kind)

        def projector(a):
            v = np.linalg.eigh(a)[1][:, :2]
            return np.sum(WEIGHTS * np.real(v @ np.conj(v.T)))

        reference = tp.finite_difference(lambda t: projector(a + t * X), step=1e-4)(0.0)  # noqa: B023
        along = tp.grad(lambda t: projector(a + t * X))(0.0)  # noqa: B023
        assert along == pytest.approx(float(reference), abs=1e-6)


@KINDS
def test_matrices_in_stacks(kind):
    stack = np.stack([with_eigenvalues(SPECTRA[name], kind) for name in ("distinct", "a pair", "zero")])
    gradient = tp.grad(of_matrix(lambda w: w**3 + w))(stack)
    one_by_one = np.stack([tp.grad(of_matrix(lambda w: w**3 + w))(a) for a in stack])
    np.testing.assert_allclose(gradient, one_by_one, atol=1e-12)


def test_single_precision():
    a = np.diag([2.0, 2.0, 5.0]).astype(np.float32)
    gradient = tp.grad(of_matrix(lambda w: w**3 + w))(a)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, tp.grad(lambda a: cubed(symmetric(a)))(a.astype(float)), rtol=1e-5)


def test_top_vectors_of_a_matrix_of_low_rank():
    """The vectors that are not used belong to equal values, which does not matter."""
    data = RNG.normal(size=(6, 2)) @ RNG.normal(size=(2, 5))

    def whitened(x):
        w, v = np.linalg.eigh(x.T @ x)
        return np.sum(np.abs(x @ (v[:, -2:] / np.sqrt(w[-2:]))) ** 3)

    tp.check_grads(whitened, (data,), order=1, modes=("reverse",), rtol=1e-5, atol=1e-5)


def nearly_block_diagonal():
    return np.array([[1, 1e-14j, 0], [-1e-14j, 2, 1e-14], [0, 1e-14, 3.0]])


def test_a_nearly_block_diagonal_matrix():
    """The component that LAPACK makes real is 1e-14: to divide by it would magnify rounding errors."""
    for a in (nearly_block_diagonal(), np.diag([1.0, 2.0, 3.0]) + 0j):
        expected = tp.grad(lambda a: cubed(symmetric(a)))(a)
        np.testing.assert_allclose(tp.grad(of_matrix(lambda w: w**3 + w))(a), expected, atol=1e-12)
        tp.check_grads(of_matrix(lambda w: w**3 + w), (a,), order=2)
        with pytest.raises(tp.errors.GaugeError, match=r"(?s)phases.*linalg.eigh.*np.abs"):
            tp.grad(lambda a: np.real(np.linalg.eigh(a)[1][1, 1]))(a)


@pytest.mark.parametrize("triangle", ["L", "U"])
def test_phases_are_lapacks(triangle):
    """Where they are determined, raw complex vectors have a derivative, too."""
    tp.check_grads(lambda a: np.linalg.eigh(a, triangle)[1], (Z,), order=2)


DEPENDENT = {
    "an element": lambda v: v[0, 0],
    "an element squared": lambda v: v[0, 0] ** 2,
    "the sum": lambda v: np.sum(v),
    "cubes": lambda v: np.sum(v**3),
    "one of two vectors": lambda v: np.sum(WEIGHTS * np.outer(v[:, 0], v[:, 0])),
}


@pytest.mark.parametrize("name", DEPENDENT)
@pytest.mark.parametrize("decompose", [np.linalg.eigh, np.linalg.svd])
@pytest.mark.parametrize("turned", [False, True])
def test_what_depends_on_the_basis_raises(name, decompose, turned):
    a = with_eigenvalues([2.0, 2.0, 2.0], "real") if turned else 2 * np.eye(3)
    vectors = (lambda a: decompose(a)[1]) if decompose is np.linalg.eigh else (lambda a: decompose(a)[0])
    with pytest.raises(tp.errors.GaugeError, match=rf"(?s)linalg.{decompose.__name__}.*equal values \(2, 2, 2\)"):
        tp.grad(lambda a: DEPENDENT[name](vectors(a)))(a)


@pytest.mark.parametrize("name", SPECTRA)
@KINDS
def test_forward_mode(name, kind):
    w, direction = SPECTRA[name], symmetric(X if kind == "real" else Z)
    for a in (with_eigenvalues(w, kind), np.diag(w).astype(direction.dtype)):
        rate = tp.jvp(of_matrix(lambda w: w**3 + w), (a,), (direction,))[1]
        assert rate == pytest.approx(tp.jvp(cubed, (a,), (direction,))[1], rel=1e-5)


def test_forward_mode_gives_nan_for_what_depends_on_the_basis():
    """Also where that is stationary by chance, as the sum of fourth powers is at the identity."""
    direction = np.ones((3, 3))
    for f in DEPENDENT.values():
        assert np.isnan(tp.jvp(lambda a: f(np.linalg.eigh(a)[1]), (np.eye(3),), (direction,))[1])  # noqa: B023
    assert np.isnan(tp.jvp(lambda a: np.sum(np.linalg.eigh(a)[1] ** 4), (np.eye(3),), (direction,))[1])
    for a in (nearly_block_diagonal(), np.diag([1.0, 2.0, 3.0]) + 0j):
        rates = tp.jvp(lambda a: np.linalg.eigh(a)[1], (a,), (direction + 0j,))[1]
        assert np.all(np.isnan(np.diagonal(rates)[1:]))  # phases that are not determined
    assert tp.jacobian(of_matrix(np.exp), mode="forward")(np.eye(3)).shape == (3, 3)


@KINDS
def test_second_order(kind):
    for w in SPECTRA.values():
        a = with_eigenvalues(w, kind)
        direction = symmetric(X)

        def by_values(a):
            return np.sum(np.linalg.eigvalsh(a) ** 4)

        def by_products(a):
            square = symmetric(a) @ symmetric(a)
            return np.real(np.trace(square @ square))

        for f in (by_values, lambda a: np.sum(np.linalg.eigh(a)[0] ** 4)):
            (found,) = tp.hvp(f, (a,), (direction.astype(a.dtype),))
            (expected,) = tp.hvp(by_products, (a,), (direction.astype(a.dtype),))
            np.testing.assert_allclose(found, expected, atol=1e-6)
            twice = tp.grad(lambda a, f=f: np.real(np.sum(tp.grad(f)(a) * direction)))(a)  # noqa: B023
            expected = tp.grad(lambda a: np.real(np.sum(tp.grad(by_products)(a) * direction)))(a)  # noqa: B023
            np.testing.assert_allclose(twice, expected, atol=1e-6)


def test_derivatives_of_higher_order_are_nan_at_equal_values():
    """They would need more than the slopes that the infinitesimals carry along."""
    third = tp.grad(tp.grad(tp.grad(lambda t: np.sum(np.linalg.eigvalsh(t * np.eye(3)) ** 4))))
    assert np.isnan(third(2.0))
    second = tp.hessian(of_matrix(np.exp))(2 * np.eye(3))
    assert np.all(np.isnan(second[np.tril_indices(3)]).any(axis=(1, 2)))
    a = with_eigenvalues([1.0, 2.0, 4.0], "real")
    tp.check_grads(of_matrix(np.exp), (a,), order=2)


def test_compiled_code_gives_nan():
    gradient = tp.compile(tp.grad(of_matrix(np.exp)))
    assert np.all(np.isnan(gradient(np.eye(3))))
    a = np.diag([1.0, 2.0, 3.0])
    np.testing.assert_allclose(gradient(a), tp.grad(of_matrix(np.exp))(a))
    # The eigenvalues alone divide by nothing.
    values = tp.compile(tp.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2)))
    np.testing.assert_allclose(values(np.eye(3)), 2 * np.eye(3))


def test_infinitesimals_do_not_get_out():
    inside = {}

    def f(a):
        w, v = np.linalg.eigh(a)
        inside["w"] = tp.stop_gradient(w)
        buffer = np.zeros_like(a)
        buffer[0] = w
        buffer[1:] += np.exp(w)
        chosen = w if w[0] > 0 else -w
        return np.sum(buffer) + np.max(chosen), (w, v, [w[0] + 1, {"v": v @ v.T}])

    gradient, aux = tp.grad(f, has_aux=True)(np.eye(3))
    np.testing.assert_allclose(gradient, np.eye(3) * (1 + 2 * np.e + 1 / 3))
    out, tangent = tp.jvp(lambda a: f(a)[1], (np.eye(3),), (np.eye(3),))
    for leaf in tp.tree.leaves([gradient, aux, inside, out, tangent, tp.vjp(lambda a: f(a)[1], np.eye(3))[0]]):
        assert isinstance(leaf, (np.ndarray, np.generic))
    assert tp.value_and_grad(lambda a: np.sum(np.linalg.eigvalsh(a)))(np.eye(3))[0] == 3.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 1.0 + 1e-13, 1.5]), min_size=3, max_size=3), st.booleans())
def test_any_eigenvalues(w, is_complex):
    a = with_eigenvalues(w, "complex" if is_complex else "real")
    expected = tp.grad(lambda a: cubed(symmetric(a)))(a)
    np.testing.assert_allclose(tp.grad(of_matrix(lambda w: w**3 + w))(a), expected, atol=1e-6)


# --- matrices in general --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [[1.0, 2.0, 4.0], [2.0, 2.0, 5.0], [0.0, 0.0, 1.0], [1.0, 1.0 + 1e-11, 3.0]])
@KINDS
def test_functions_of_a_matrix(w, kind):
    v = X if kind == "real" else Z
    a = (v * np.array(w)) @ np.linalg.inv(v)
    expected = tp.grad(cubed)(a)
    np.testing.assert_allclose(tp.grad(of_matrix(lambda w: w**3 + w, np.linalg.eig))(a), expected, rtol=1e-6, atol=1e-6)
    powers = tp.grad(lambda a: np.real(np.sum(np.linalg.eigvals(a) ** 3)))(a)
    np.testing.assert_allclose(powers, 3 * np.conj(a @ a).T, rtol=1e-6, atol=1e-8)


def test_vectors_are_scaled_as_lapack_does():
    for a in (X, Z, X - X.T + np.diag([1.0, 2.0, 4.0])):
        tp.check_grads(lambda a: tuple(np.linalg.eig(a)), (a,), order=2)
        tp.check_grads(np.linalg.eigvals, (a,), order=2)
    with pytest.raises(tp.errors.GaugeError, match="phases"):  # two components of one size: either may be made real
        tp.grad(lambda a: np.real(np.linalg.eig(a)[1][0, 0]))(np.array([[0.0, 1.0], [-1.0, 0.0]]))


DEFECTIVE = {
    "a Jordan block": np.array([[1.0, 1.0], [0.0, 1.0]]),
    "a turned one": X[:2, :2] @ np.array([[1.0, 1.0], [0.0, 1.0]]) @ np.linalg.inv(X[:2, :2]),
    "a block of three": np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]),
    "almost": np.array([[1.0, 1.0], [1e-14, 1.0]]),
}


@pytest.mark.parametrize("name", DEFECTIVE)
def test_a_matrix_without_enough_eigenvectors_raises(name):
    for f in (lambda a: np.sum(np.abs(np.linalg.eigvals(a))), lambda a: np.sum(np.abs(np.linalg.eig(a)[1]))):
        with pytest.raises(tp.errors.DifferentiationError, match=r"(?s)linalg.eig.*np.trace"):
            tp.grad(f)(DEFECTIVE[name])
    assert np.any(np.isnan(tp.jvp(np.linalg.eigvals, (DEFECTIVE[name],), (np.ones_like(DEFECTIVE[name]),))[1]))


def test_compiled_eigenvalues_that_become_complex_raise():
    compiled = tp.compile(np.linalg.eigvals)
    np.testing.assert_allclose(compiled(np.array([[2.0, 0.0], [0.0, 3.0]])), [2, 3])
    with pytest.raises(tp.errors.CaptureError, match="complex"):
        compiled(np.array([[2.0, 1.0], [-1.0, 3.0]]))


def test_results_are_numpys():
    def f(a):
        for g in (np.linalg.eigh, np.linalg.eig):
            assert type(g(a)) is type(g(X))
        return np.sum(np.linalg.eigh(a).eigenvalues)

    np.testing.assert_allclose(tp.grad(f)(X), np.eye(3), atol=1e-14)


WRONG = {
    "eigh of rectangles": lambda a: np.linalg.eigh(a[:2]),
    "triangle": lambda a: np.linalg.eigh(a, "M"),
    "eigvalsh of vectors": lambda a: np.linalg.eigvalsh(a[0]),
    "eig of rectangles": lambda a: np.linalg.eig(a[:2]),
    "eigvals of vectors": lambda a: np.linalg.eigvals(a[0]),
    "eig of NaN": lambda a: np.linalg.eig(a * np.nan),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], X)


def test_empty_matrices():
    for f in (np.linalg.eigh, np.linalg.eig, np.linalg.svd):
        gradient = tp.grad(lambda a: np.sum(a) + np.sum(np.real(f(a[:0, :0])[1])))(X)  # noqa: B023
        np.testing.assert_array_equal(gradient, 1)
