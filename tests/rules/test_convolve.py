"""Convolution and correlation of sequences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from rules.against import agrees, fails_alike

A = np.array([0.5, -1.0, 2.0, 3.0, -0.25])
V = np.array([1.0, -2.0, 0.5])
CALLS = {
    "convolve": lambda a: (np.convolve(a, V), np.convolve(V, a, "same"), np.convolve(v=V, a=a, mode="valid")),
    "correlate": lambda a: (np.correlate(a, V), np.correlate(V, a, "same"), np.correlate(v=V, a=a, mode="full")),
    "with itself": lambda a: (np.convolve(a, a), np.correlate(a, a, "same")),
    "lists and scalars": lambda a: (np.convolve(a, [1, 2]), np.convolve(a[0], V), np.convolve(2.0, a)),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_and_derivatives(name):
    agrees(CALLS[name], A, order=2)


@given(
    st.sampled_from([np.convolve, np.correlate]),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from(["full", "same", "valid"]),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_any_lengths_in_any_mode(function, n, m, mode, is_complex):
    """Against the matrix of the map, which has the images of the unit vectors as columns."""
    rng = np.random.default_rng(n * 7 + m)
    a, v = rng.normal(size=n) + 1j * is_complex * rng.normal(size=n), rng.normal(size=m) + 1j * is_complex
    a, v = (a, v) if is_complex else (a.real, v.real)
    y, pullback = tp.vjp(lambda a, v: function(a, v, mode), a, v)
    np.testing.assert_allclose(y, function(a, v, mode))
    ct = rng.normal(size=y.shape) + 1j * is_complex * rng.normal(size=y.shape)
    ct = ct if is_complex else ct.real
    in_a, in_v = pullback(ct)
    first = np.stack([function(e, v, mode) for e in np.eye(n)], axis=1)
    np.testing.assert_allclose(in_a, np.conj(first).T @ ct, atol=1e-12)
    second = np.stack([function(a, e, mode) for e in np.eye(m)], axis=1)
    adjoint = np.conj(second).T @ ct
    # Correlation conjugates its second operand.
    np.testing.assert_allclose(in_v, adjoint if function is np.convolve else np.conj(adjoint), atol=1e-12)


def test_a_valid_convolution_of_long_sequences_costs_no_full_one():
    a, v = np.linspace(-1, 1, 100_001), np.linspace(0, 2, 100_000)
    gradient = tp.grad(lambda a: np.sum(np.convolve(a, v, "valid")))(a)
    np.testing.assert_allclose(gradient, np.append(0, v)[::-1] + np.append(v, 0)[::-1])
    gradient = tp.grad(lambda v: np.sum(np.convolve(a, v, "valid")))(v)
    np.testing.assert_allclose(gradient, (a[1:] + a[:-1])[::-1], atol=1e-12)


def test_wrong_arguments_raise_as_in_numpy():
    fails_alike(lambda a: np.convolve(a, V, "whole"), A)
    fails_alike(lambda a: np.convolve(a, V[:0]), A)
    fails_alike(lambda a: np.correlate(a[None], V), A)
