from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special

import twopass as tp
from twopass.special import erf, erfc

X = np.concatenate([np.linspace(-30, 30, 20_001), np.geomspace(1e-300, 1, 500), -np.geomspace(1e-300, 1, 500)])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values(dtype: type) -> None:
    x = X.astype(dtype)
    eps = np.finfo(dtype).eps
    for ours, reference in ((erf, scipy.special.erf), (erfc, scipy.special.erfc)):
        y = ours(x)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, reference(x.astype(np.float64)), rtol=0, atol=4.5 * eps)


def test_error_stays_below_1e_minus_15() -> None:
    assert np.max(np.abs(erf(X) - scipy.special.erf(X))) < 1e-15


def test_erf_is_relatively_accurate_near_zero() -> None:
    x = np.geomspace(1e-300, 0.6, 3000)
    np.testing.assert_allclose(erf(x), scipy.special.erf(x), rtol=1e-15)
    np.testing.assert_allclose(erf(-x), -erf(x), rtol=1e-15)


def test_erfc_is_relatively_accurate_in_its_tail() -> None:
    x = np.linspace(0, 26, 3000)
    # exp(-x²) amplifies the rounding of x².
    assert np.max(np.abs(erfc(x) / scipy.special.erfc(x) - 1) / (1 + x * x)) < 1e-15


def test_far_away() -> None:
    x = np.array([-1e4, 1e4], np.float32)
    np.testing.assert_array_equal(erf(x), [-1, 1])
    np.testing.assert_array_equal(erfc(x), [2, 0])


def test_derivative() -> None:
    x = np.array([-1e4, -6.0, -1.0, -0.5, -1e-9, 0.0, 0.1, 0.5, 3.0, 1e4])
    expected = 2 / math.sqrt(math.pi) * np.exp(-(x**2))
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(erf(x)))(x), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(tp.grad(lambda x: np.sum(erfc(x)))(x), -expected, rtol=1e-13, atol=1e-15)
