"""Einstein sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(5)
A, B, V = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 3)), RNG.normal(size=4)
T = RNG.normal(size=(2, 3, 4))

CALLS = {
    "implicit": lambda a: (np.einsum("ij,jk", a, B), np.einsum("ba", a), np.einsum("i,j", a[0], V), np.einsum("ij", a)),
    "explicit": lambda a: (np.einsum("ij,jk->ki", a, B), np.einsum("ij->", a), np.einsum("ij,kl->jl", a, B)),
    "spaces": lambda a: (np.einsum(" i j , j k -> i k ", a, B), np.einsum("i j", a)),
    "ellipses": lambda a: (
        np.einsum("...j,j->...", T * a, V),
        np.einsum("...ij,...j", T, a[0]),
        np.einsum("i...->...i", a),
        np.einsum("...,...->...", T, a),
        np.einsum("...j,...k->...jk", a, a),
        np.einsum("i...,i...", a, A),
    ),
    "diagonals": lambda a: (
        np.einsum("ii", a[:, :3]),
        np.einsum("ii->i", a[:, 1:]),
        np.einsum("iji->j", T[:, :, :2] * a[0, 0]),
    ),
    "diagonals of products": lambda a: (
        np.einsum("ii,ij->j", a[:, :3], a),
        np.einsum("jj,ij,j->i", B[:3], a[:, :3], a[:, 0]),
    ),
    "stretched": lambda a: (
        np.einsum("ij,ij->ij", a[:1], A),
        np.einsum("ij,ij->j", a, A[:, :1]),
        np.einsum("ij,ij,ij", a[:, :1], a[:1], A),
        np.einsum("ij,jk", a[:, :1], B),
    ),
    "many": lambda a: (
        np.einsum("ij,jk,kl,lm->im", a, B, A, B),
        np.einsum("ij,ij,ij->i", a, a, A),
        np.einsum("ijk,jl,km->ilm", T, a, B, optimize=True),
        np.einsum("ij,jk,kl->il", a, B, a, optimize="greedy"),
        np.einsum("ij,jk,kl->il", a, B, a, optimize=["einsum_path", (1, 2), (0, 1)]),
        np.einsum("ij,jk,kl->il", a, B, a, optimize=np.einsum_path("ij,jk,kl->il", a, B, a)[0]),
    ),
    "scalars": lambda a: (np.einsum(",", a[0, 0], 2.0), np.einsum("ij,->ij", a, a[0, 0]), np.einsum("", a[0, 0])),
    "numbered axes": lambda a: (
        np.einsum(a, [0, 1], B, [1, 2]),
        np.einsum(a, [5, 3], [3, 5]),
        np.einsum(a, (0, 1), V, (1,), ()),
        np.einsum(a, [40, 2]),
        np.einsum(T, [..., 0, 1], a, [0, 1], [...]),
        np.einsum(a[:, :3], [0, 0]),
    ),
    "keywords": lambda a: (
        np.einsum("ij->ji", a, order="F"),
        np.einsum("ij,j", a, V, dtype=np.complex128, casting="safe"),
    ),
    "with lists": lambda a: np.einsum("ij,j->i", a, [1, 2, 3, 4]),
    "with out": lambda a: np.einsum("ij,jk->ik", a, B, out=np.zeros_like(a[:, :3])),
    "lonely axes": lambda a: (np.einsum("ij,k->i", a, V), np.einsum("ij,kl->", a, B)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], A, order=2 if name in ("many", "diagonals of products") else 1)


@pytest.mark.parametrize("name", CALLS)
def test_complex_operands(name):
    tp.check_grads(CALLS[name], (A + 1j * np.roll(A, 1),))


@st.composite
def sums(draw):
    """Subscripts with any repetition, summation and broadcasting, and operands for them."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "ijkl"}
    terms = draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    kept = draw(st.permutations(draw(st.lists(st.sampled_from(used), unique=True)) if used else []))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    operands = []
    for term in terms:
        # A letter that stands once in an operand may be stretched there.
        shape = [1 if term.count(x) == 1 and draw(st.integers(0, 4)) == 0 else sizes[x] for x in term]
        operands.append(rng.normal(size=shape))
    return ",".join(terms) + "->" + "".join(kept), operands


@given(sums(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_sum(drawn, optimize):
    """The derivative in an operand, against the images of random tangents: the map is linear in each operand."""
    subscripts, operands = drawn

    def f(*operands):
        return np.einsum(subscripts, *operands, optimize=optimize)

    y, pullback = tp.vjp(f, *operands)
    np.testing.assert_array_equal(y, f(*operands))
    ct = RNG.normal(size=np.shape(y))
    tangents = [RNG.normal(size=x.shape) for x in operands]
    images = [f(*operands[:i], t, *operands[i + 1 :]) for i, t in enumerate(tangents)]
    np.testing.assert_allclose(tp.jvp(f, tuple(operands), tuple(tangents))[1], sum(images), atol=1e-10)
    for g, t, image in zip(pullback(ct), tangents, images, strict=True):
        assert np.sum(g * t) == pytest.approx(np.sum(ct * image), abs=1e-9)


def test_a_view_passes_changes_on():
    def f(a):
        b = a * 2
        np.einsum("ii->i", b)[:] = 7.0
        np.einsum("ij->ji", b)[2, 0] = 0.0
        return np.sum(b * b)

    x = A[:, :3]
    expected = 8 * x * (1 - np.eye(3))
    expected[0, 2] = 0
    np.testing.assert_allclose(tp.grad(f)(x), expected)


def test_the_transposes_are_products_of_matrices():
    """A sum without optimize= runs in C loops; its gradients need not."""
    a, b = RNG.normal(size=(400, 400)), RNG.normal(size=(400, 400))
    gradient = tp.grad(lambda a: np.sum(np.einsum("ij,jk->ik", a, b)))(a)
    np.testing.assert_allclose(gradient, np.broadcast_to(b.sum(1), (400, 400)), atol=1e-10)


def test_paths_are_plain():
    seen = []
    tp.grad(lambda a: (seen.append(np.einsum_path("ij,jk,kl", a, B, a)), np.sum(a))[1])(A)
    assert seen[0][0] == np.einsum_path("ij,jk,kl", A, B, A)[0]


WRONG = {
    "sizes": lambda a: np.einsum("ij,ij", a, B),
    "count of operands": lambda a: np.einsum("ij,jk", a),
    "count of axes": lambda a: np.einsum("ijk", a),
    "unknown output": lambda a: np.einsum("ij->k", a),
    "repeated output": lambda a: np.einsum("ij->ii", a),
    "bad character": lambda a: np.einsum("i1", a),
    "unknown keyword": lambda a: np.einsum("ij", a, speed=9),
    "axis number": lambda a: np.einsum(a, [0, 60]),
    "axis that is no number": lambda a: np.einsum(a, [0, 1.5]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_raise_as_in_numpy(name):
    fails_alike(WRONG[name], A)


def test_mutating_the_numbers_of_axes_between_the_passes():
    def f(a):
        axes = [0, 1]
        y = np.einsum(a, axes, [1])
        axes[:] = [1, 0]
        return y[0]

    np.testing.assert_array_equal(tp.grad(f)(A), np.eye(4)[[0, 0, 0]])


def test_single_precision_is_kept():
    out, pullback = tp.vjp(lambda a: np.einsum("ij,ij->i", a, a), A.astype(np.float32))
    assert out.dtype == np.float32 and pullback(np.ones_like(out))[0].dtype == np.float32
