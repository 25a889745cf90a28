"""Quotients that are limits, and what decompositions leave open."""

from __future__ import annotations

import numpy as np

from twopass.core.rule import invoke
from twopass.rules import gauge
from twopass.rules.infinitesimal import EPSILON, GAUGE, perturb, slope_in, standard

ONE = np.ones((1, 1))


def dual(value, slope):
    return perturb(np.array([value]), EPSILON, lambda _: np.array([slope]))


def quotient(numerator, denominator):
    return standard(invoke(gauge.quotient, numerator, denominator, ONE, ONE, False))


def test_a_quotient_of_zeros_is_one_of_slopes():
    np.testing.assert_array_equal(
        quotient(dual([3.0, 0.0, 0.0], [1.0, 6.0, 0.0]), dual([2.0, 0.0, 0.0], 2.0)), [[1.5, 3, 0]]
    )
    assert np.isnan(quotient(dual([1.0], [1.0]), dual([0.0], [1.0])))  # infinite
    assert np.isnan(quotient(np.zeros((1, 1)), np.zeros((1, 1))))  # nobody knows
    assert np.isnan(quotient(dual([0.0], [np.nan]), dual([0.0], [1.0])))


def test_close_values_are_told_apart():
    assert type(gauge.told_apart(np.array([1.0, 2.0]))) is np.ndarray
    slopes = slope_in(gauge.told_apart(np.array([1.0, 1.0 + 1e-12, 5.0, 7.0, 7.0])), EPSILON)
    np.testing.assert_array_equal(slopes, [-0.5, 0.5, 0, -0.5, 0.5])
    chain = slope_in(gauge.told_apart(1 + 1e-8 * np.arange(4)), EPSILON)  # the first and the last are not close
    assert len(set(chain)) == 4
    vanishing = slope_in(gauge.told_apart(np.array([2.0, 0.0]), signed=False), EPSILON)
    assert vanishing[1] > 0


def test_equal_pairs_turn():
    v = np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0]
    equal = gauge.equal_pairs(np.array([1.0, 1.0, 2.0]))
    rotation = v.T @ slope_in(gauge.loosened(v, equal), GAUGE)
    np.testing.assert_allclose(rotation, -rotation.T, atol=1e-14)
    np.testing.assert_array_equal(np.abs(rotation) > 1e-10, equal)
    assert gauge.equal_pairs(np.array([1.0, 2.0])) is None
    assert gauge.loosened(v, None) is v
