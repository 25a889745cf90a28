"""The functions of ``np.emath``, and complex functions on their branch cuts."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees

X = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])


@pytest.mark.parametrize("name", ["sqrt", "log", "log2", "log10", "arccos", "arcsin", "arctanh"])
def test_real_and_complex_results(name):
    function = getattr(np.emath, name)
    agrees(lambda x: np.real(function(x)) + 2 * np.imag(function(x)), X)
    agrees(function, np.array([0.3, 0.6]))
    agrees(function, np.array([-0.3, 1.6]) + 0.5j)
    assert tp.vjp(function, np.array([0.5, 0.7]))[0].dtype == np.float64
    agrees(lambda x: np.real(function(x)) + 2 * np.imag(function(x)), np.float64(-1.5))


def test_powers_and_logarithms():
    agrees(lambda x: np.imag(np.emath.power(x, 1.5)), X)
    agrees(lambda x: np.emath.power(x, -2), X)
    agrees(lambda x: np.emath.power(2.0, x), X)
    agrees(lambda x: np.imag(np.emath.logn(2, x)), X)
    agrees(np.emath.logn, np.array(3.0), np.abs(X))


def test_compiled_functions_have_an_unknown_dtype():
    with pytest.raises(tp.errors.CaptureError, match=r"dtype .* depends on values"):
        tp.compile(np.emath.sqrt)(X)
    with pytest.raises(tp.errors.CaptureError):
        tp.compile(tp.grad(lambda x: np.sum(np.abs(np.emath.sqrt(x)))))(X)


@pytest.mark.parametrize(
    ("function", "points"),
    [
        (np.arcsin, [1.5 + 0j, complex(1.5, -0.0), -1.5 + 0j, complex(-1.5, -0.0)]),
        (np.arccos, [1.5 + 0j, complex(1.5, -0.0), -1.5 + 0j, complex(-1.5, -0.0)]),
        (np.arcsinh, [1.5j, complex(-0.0, 1.5), complex(0.0, -1.5), complex(-0.0, -1.5)]),
    ],
)
def test_on_a_branch_cut(function, points):
    for z in np.array(points):
        along = 1j if function is np.arcsinh else 1.0
        # Along the cut, on the side of the signed zero.
        step = 1e-6 * z.imag if function is np.arcsinh else 1e-6 * z.real
        moved = [complex(z.real, z.imag + h) if along == 1j else complex(z.real + h, z.imag) for h in (step, -step)]
        expected = np.subtract(*function(np.array(moved))) / (2 * step)
        found = tp.jvp(function, (z,), (np.complex128(along),))[1]
        np.testing.assert_allclose(found, expected, rtol=1e-8)
