"""Singular values and vectors, above all where singular values are equal or 0."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import fails_alike

RNG = np.random.default_rng(7)
SHAPES = {"square": (3, 3), "tall": (4, 3), "wide": (3, 5)}
KINDS = pytest.mark.parametrize("kind", ["real", "complex"])
EACH_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def draw(shape, kind):
    return RNG.normal(size=shape) + (1j * RNG.normal(size=shape) if kind == "complex" else 0)


def with_singular_values(s, shape, kind):
    u, v = (np.linalg.qr(draw((n, n), kind))[0] for n in shape)
    return (u[:, :3] * np.array(s)) @ np.conj(v[:, :3].T)


def cubed(weights):
    """A weighted sum of the elements of ``a @ a^H @ a + a``, by singular values and by products."""

    def by_decomposition(a, full=False):
        u, s, vh = np.linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        return np.real(np.sum(weights * ((u[..., :, :k] * (s**3 + s)[..., None, :]) @ vh[..., :k, :])))

    def by_products(a):
        return np.real(np.sum(weights * (a @ np.conj(a.mT) @ a + a)))

    return by_decomposition, by_products


SPECTRA = {
    "distinct": [3.0, 2.0, 1.0],
    "a pair": [2.0, 2.0, 1.0],
    "all equal": [2.0, 2.0, 2.0],
    "one is 0": [2.0, 1.0, 0.0],
    "two are 0": [2.0, 0.0, 0.0],
    "zero": [0.0, 0.0, 0.0],
    "a pair and 0": [2.0, 2.0, 0.0],
    "1e-11 apart": [2.0 + 1e-11, 2.0, 1.0],
    "almost 0": [2.0, 1e-12, 1e-12],
}


@pytest.mark.parametrize("name", SPECTRA)
@EACH_SHAPE
@KINDS
def test_functions_of_a_matrix(name, shape, kind):
    f, g = cubed(draw(shape, kind))
    for a in (with_singular_values(SPECTRA[name], shape, kind), np.eye(*shape) + 0 * draw(shape, kind)):
        for full in (False, True):
            np.testing.assert_allclose(tp.grad(lambda a: f(a, full))(a), tp.grad(g)(a), atol=1e-8)  # noqa: B023
    stack = np.stack([with_singular_values(s, shape, kind) for s in SPECTRA.values()])
    if name == "distinct":
        np.testing.assert_allclose(tp.grad(f)(stack), tp.grad(g)(stack), atol=1e-8)


@EACH_SHAPE
@KINDS
def test_forward_mode(shape, kind):
    f, g = cubed(draw(shape, kind))
    direction = draw(shape, kind)
    for s in SPECTRA.values():
        a = with_singular_values(s, shape, kind)
        for full in (False, True):
            rate = tp.jvp(lambda a: f(a, full), (a,), (direction,))[1]  # noqa: B023
            assert rate == pytest.approx(tp.jvp(g, (a,), (direction,))[1], rel=1e-5, abs=1e-5)
    if shape[0] != shape[1]:
        further = tp.jvp(lambda a: np.linalg.svd(a)[0 if shape[0] > shape[1] else 2][-1, -1], (a,), (direction,))[1]
        assert (kind == "real" and shape == (4, 3)) or np.isnan(further)


@EACH_SHAPE
@KINDS
def test_the_polar_factor_and_projectors(shape, kind):
    for s in ([3.0, 2.0, 1.0], [2.0, 2.0, 2.0], [2.0, 2.0, 1.0]):
        a, direction = with_singular_values(s, shape, kind), draw(shape, kind)
        weights = draw(shape, kind)

        def polar(a):
            u, _, vh = np.linalg.svd(a, full_matrices=False)
            return np.real(np.sum(weights * (u @ vh)))  # noqa: B023

        def null_spaces(a):
            u, s, vh = np.linalg.svd(a)
            rest = (u[:, len(s) :], np.conj(vh[len(s) :].T))
            return sum(np.real(np.sum((x @ np.conj(x.T))[0] * np.arange(len(x)))) for x in rest)

        for f in (polar, null_spaces):
            expected = tp.finite_difference(lambda t: f(a + t * direction), step=1e-4)(0.0)  # noqa: B023
            found = tp.grad(lambda t: f(a + t * direction))(0.0)  # noqa: B023
            assert found == pytest.approx(float(expected), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4), (9, 3), (3, 9)], ids=str)
def test_phases_are_lapacks(shape):
    """Raw complex vectors have the derivative of what NumPy gives."""
    for kind in ("real", "complex"):
        a, direction = draw(shape, kind), draw(shape, kind)
        rates = tp.jvp(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), (a,), (direction,))[1]
        above, below = (np.linalg.svd(a + h * direction, full_matrices=False) for h in (1e-7, -1e-7))
        for rate, more, less in zip(rates, above, below, strict=True):
            np.testing.assert_allclose(rate, (more - less) / 2e-7, rtol=1e-4, atol=1e-6)


@EACH_SHAPE
@KINDS
def test_second_order(shape, kind):
    direction = draw(shape, kind)
    for s in SPECTRA.values():
        a = with_singular_values(s, shape, kind)

        def by_values(a):
            return np.sum(np.linalg.svdvals(a) ** 4) + np.sum(np.linalg.svd(a)[1] ** 2)

        def by_products(a):
            gram = a @ np.conj(a.mT)
            return np.real(np.trace(gram @ gram) + np.trace(gram))

        np.testing.assert_allclose(
            tp.hvp(by_values, (a,), (direction,))[0], tp.hvp(by_products, (a,), (direction,))[0], atol=1e-6
        )
        second = [
            tp.grad(lambda a, f=f: np.sum(np.real(np.conj(direction) * tp.grad(f)(a))))(a)
            for f in (by_values, by_products)
        ]
        np.testing.assert_allclose(*second, atol=1e-6)
    tp.check_grads(cubed(draw(shape, kind))[0], (draw(shape, kind),), order=2)


def test_what_depends_on_the_basis_raises():
    cases = {
        "equal values": (np.eye(3), lambda u, vh: u[0, 0]),
        "values that are 0": (np.diag([1.0, 0.0, 0.0]), lambda u, vh: u[1, 1] ** 2),
        "a column of 0": (np.zeros((3, 1)), lambda u, vh: u[0, 0]),
        "a pair of 0": (np.zeros((2, 2)), lambda u, vh: np.sum(u @ vh)),
        "a null space": (np.eye(4, 2) * [[2.0, 1.0]], lambda u, vh: np.sum(u**3)),
        "its elements": (np.eye(5, 2) * [[2.0, 1.0]], lambda u, vh: u[3, 4]),
        "on the right": (np.eye(2, 4) * [[2.0], [1.0]], lambda u, vh: vh[3, 3]),
    }
    for a, f in cases.values():
        with pytest.raises(tp.errors.GaugeError, match=r"linalg\.svd"):
            tp.grad(lambda a: f(*np.linalg.svd(a)[::2]))(a)  # noqa: B023


def test_single_precision():
    f, g = cubed(np.ones((3, 3), np.float32))
    a = with_singular_values([2.0, 2.0, 0.0], (3, 3), "real").astype(np.float32)
    assert tp.grad(f)(a).dtype == np.float32
    np.testing.assert_allclose(tp.grad(f)(a), tp.grad(g)(a), atol=1e-3)


@pytest.mark.parametrize("w", [[3.0, -2.0, 1.0], [2.0, 2.0, -1.0], [-2.0, 0.5, 0.0]], ids=str)
def test_hermitian(w):
    q = np.linalg.qr(draw((3, 3), "complex"))[0]
    a, weights = (q * np.array(w)) @ np.conj(q.T), draw((3, 3), "complex")

    def f(a):
        u, s, vh = np.linalg.svd(a, hermitian=True)
        assert type(np.linalg.svd(a, hermitian=True)) is type(np.linalg.svd(q))
        return np.real(np.sum(weights * ((u * s) @ vh)))

    def g(a):
        lower = np.tril(a, -1)
        return np.real(np.sum(weights * (lower + np.conj(lower.T) + np.diag(np.real(np.diagonal(a))))))

    np.testing.assert_allclose(tp.grad(f)(a), tp.grad(g)(a), atol=1e-12)
    values = tp.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False, hermitian=True) ** 2))(a)
    np.testing.assert_allclose(values, tp.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a), atol=1e-12)


def test_a_hermitian_matrix_with_an_eigenvalue_that_is_exactly_0():
    """NumPy gives a row of zeros in the place of a vector, which jumps."""
    a = np.diag([2.0, 1.0, 0.0])
    gradient = tp.grad(lambda a: np.sum((lambda u, s, vh: (u * s) @ vh)(*np.linalg.svd(a, hermitian=True))))(a)
    assert np.isnan(gradient[2, 2])
    second = tp.hessian(lambda a: np.sum(np.linalg.svd(a, compute_uv=False, hermitian=True) ** 2))(a)
    expected = tp.hessian(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(a)
    np.testing.assert_allclose(second, expected, atol=1e-12)


def test_compiled_code():
    f, g = cubed(np.ones((3, 3)))
    gradient = tp.compile(tp.grad(f))
    a = with_singular_values([3.0, 2.0, 1.0], (3, 3), "real")
    np.testing.assert_allclose(gradient(a), tp.grad(g)(a), atol=1e-12)
    assert np.any(np.isnan(gradient(np.eye(3))))
    further = tp.compile(tp.grad(lambda a: np.linalg.svd(a)[0][3, 3]))
    assert not np.all(np.isfinite(further(RNG.normal(size=(4, 2)))))


WRONG = {"svd of vectors": lambda a: np.linalg.svd(a[0]), "svdvals of vectors": lambda a: np.linalg.svdvals(a[0])}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], np.eye(3))
