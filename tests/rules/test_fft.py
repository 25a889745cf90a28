"""Discrete Fourier transforms at their edges; the laws of `test_conformance.py` hold for each."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(4)
REAL = RNG.normal(size=(3, 4))
COMPLEX = REAL + 1j * RNG.normal(size=(3, 4))
ONE_AXIS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
SEVERAL_AXES = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")
TAKES_REAL_ONLY = {"rfft", "ihfft", "rfft2", "rfftn"}


def matrix(f, x):
    """The Jacobian of a linear function, by applying it to unit vectors."""
    units = np.eye(x.size).reshape(-1, *x.shape)
    return np.stack([np.ravel(f(unit)) for unit in units], axis=-1)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", ONE_AXIS)
def test_every_length_and_norm(name, n, norm):
    transform = getattr(np.fft, name)
    x = REAL if name in TAKES_REAL_ONLY else COMPLEX
    for axis in (0, -1):
        agrees(lambda x: transform(x, n, axis, norm), x)  # noqa: B023 - used at once
        agrees(lambda x: transform(x, n=n, axis=axis, norm=norm), REAL)  # noqa: B023


@pytest.mark.parametrize("name", SEVERAL_AXES)
def test_several_axes(name):
    transform = getattr(np.fft, name)
    x = REAL if name in TAKES_REAL_ONLY else COMPLEX
    agrees(transform, x)
    agrees(lambda x: transform(x, (2, 5), (1, 0), "ortho"), x)
    agrees(lambda x: transform(x, s=(-1, 6), axes=(0, 1)), x)
    agrees(lambda x: transform(x, axes=(1,), norm="forward"), x)


def test_an_axis_may_be_transformed_twice():
    agrees(lambda x: np.fft.fftn(x, axes=(0, 0)), COMPLEX)


def test_the_gradient_of_the_spectrum_is_that_of_the_signal():
    """Parseval: half the energy of the orthonormal spectrum has the signal as its gradient."""
    energy = tp.grad(lambda x: 0.5 * np.sum(np.abs(np.fft.fft(x, axis=0, norm="ortho")) ** 2))
    np.testing.assert_allclose(energy(REAL), REAL, atol=1e-14)
    np.testing.assert_allclose(energy(COMPLEX), COMPLEX, atol=1e-14)


def test_bins_that_stand_for_themselves_have_real_cotangents():
    weights = np.arange(1.0, 7.0)
    for n, m in ((6, 4), (5, 3)):
        bins = RNG.normal(size=m) + 1j * RNG.normal(size=m)
        gradient = tp.grad(lambda c: np.sum(weights[:n] * np.fft.irfft(c, n)))(bins)  # noqa: B023
        assert gradient[0].imag == 0 and gradient[1].imag != 0
        assert (gradient[-1].imag == 0) == (n % 2 == 0)


def test_jacobians_are_the_matrices():
    x = REAL[0]
    for name in ("fft", "rfft", "ihfft"):
        transform = getattr(np.fft, name)
        # A real function of the parts, because the Jacobian of a complex function of real numbers is complex.
        parts = lambda x: np.concatenate([np.real(transform(x)), np.imag(transform(x))])  # noqa: B023, E731
        for mode in ("forward", "reverse"):
            np.testing.assert_allclose(tp.jacobian(parts, mode=mode)(x), matrix(parts, x), atol=1e-15)


def test_single_precision_stays():
    x = REAL.astype(np.float32)
    assert tp.grad(lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2))(x).dtype == np.float32
    z = COMPLEX.astype(np.complex64)
    assert tp.grad(lambda z: np.sum(np.fft.irfft(z) ** 2))(z).dtype == np.complex64


def test_shifts_and_frequencies():
    for shift in (np.fft.fftshift, np.fft.ifftshift):
        agrees(shift, REAL)
        agrees(lambda x: shift(x, axes=0), REAL)  # noqa: B023
        agrees(lambda x: shift(x, (0, 1)), RNG.normal(size=(5, 3)))  # noqa: B023
    agrees(lambda d: np.fft.fftfreq(5, d), np.float64(0.5))
    agrees(lambda d: np.fft.rfftfreq(6, d), np.float64(0.5))


def test_out_and_lists():
    def f(x):
        buffer = np.zeros(4, dtype=complex, like=x)
        np.fft.fft(x, out=buffer)
        return np.real(buffer)

    agrees(f, REAL[0])
    agrees(lambda x: np.fft.fft(np.stack([x[0], x[1]])), REAL)


def test_numpys_errors():
    fails_alike(lambda x: np.fft.fft(x, 0), REAL)
    fails_alike(lambda x: np.fft.rfft(x, norm="other"), REAL)
    fails_alike(lambda x: np.fft.fftn(x, (2, 2), (0,)), REAL)
    fails_alike(lambda x: np.fft.hfft(x, norm="other"), REAL)
    fails_alike(np.fft.rfft, COMPLEX)


def test_a_convolution_through_the_spectrum():
    kernel = np.array([0.5, 0.25, 0.25])

    def through_the_spectrum(x):
        return np.fft.irfft(np.fft.rfft(x, 6) * np.fft.rfft(kernel, 6), 6)

    x = REAL[0]
    np.testing.assert_allclose(
        tp.jacobian(through_the_spectrum)(x), tp.jacobian(lambda x: np.convolve(x, kernel))(x), atol=1e-15
    )
