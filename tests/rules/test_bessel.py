"""The modified Bessel function of the Kaiser window."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees
from twopass.rules.bessel import i1


def test_i1_to_the_last_digits():
    special = pytest.importorskip("scipy.special", reason="SciPy is not installed")
    x = np.concatenate([np.linspace(-700, 700, 2000), np.geomspace(1e-300, 40, 500)])
    np.testing.assert_allclose(i1(x), special.i1(x), rtol=4e-15)


def test_derivatives_of_i0_at_zero():
    assert [tp.grad(np.i0)(0.0), tp.grad(tp.grad(np.i0))(0.0)] == [0, 0.5]
    agrees(np.i0, np.array([-40.0, -8.0, -0.5, 0.0, 1.0, 8.0, 29.9, 30.1]))


def test_a_kaiser_window_differentiates_in_its_shape():
    def window(beta):
        n = np.arange(-4.0, 5.0) / 4
        return np.i0(beta * np.sqrt(1 - n * n)) / np.i0(beta)

    np.testing.assert_allclose(window(3.0), np.kaiser(9, 3.0), rtol=1e-14)
    tp.check_grads(window, (3.0,), modes=("forward",))
