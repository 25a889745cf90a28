"""Powers, where the exponent is 0 and varies."""

from __future__ import annotations

import numpy as np

import twopass as tp


def test_second_derivatives_at_a_zero_exponent():
    hessian = tp.hessian(lambda z: np.power(z[0], z[1]))(np.array([2.0, 0.0]))
    np.testing.assert_allclose(hessian, [[0, 0.5], [0.5, np.log(2) ** 2]])
    twice = tp.jacobian(tp.jacobian(lambda z: np.power(z[0], z[1])))(np.array([2.0, 0.0]))
    np.testing.assert_allclose(twice, hessian)


def test_a_constant_power_has_slope_zero_at_any_base():
    base = np.array([0.0, np.nan, 2.0])
    np.testing.assert_array_equal(tp.grad(lambda b: np.sum(np.power(b, np.zeros(3))))(base), np.zeros(3))
