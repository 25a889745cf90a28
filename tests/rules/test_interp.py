"""Linear interpolation, its kinks at the samples and its ends."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

XP = np.array([0.0, 1.0, 3.0, 4.0])
FP = np.array([1.0, 3.0, 2.0, 2.5])
SLOPES = np.diff(FP) / np.diff(XP)
X = np.array([0.5, 2.2, 3.7, -1.0, 6.0])


def slope_at(x, **keywords):
    return tp.grad(lambda x: np.interp(x, XP, FP, **keywords))(x)


def test_in_all_three():
    agrees(np.interp, X, XP, FP)
    agrees(lambda x, xp: np.interp(x, xp, FP), X[:3], XP, order=2)
    agrees(lambda x, fp: np.interp(x, XP, fp), X, FP.astype(np.complex128))
    agrees(lambda fp: np.interp(2, XP, fp), FP)
    agrees(lambda fp: np.interp(np.zeros((0, 2)), XP, fp), FP)
    agrees(lambda x: np.interp(x, [0, 1, 3], [5, 6, 2]), np.array([[0.25, 2.5]]))
    agrees(lambda x: np.interp(x, XP, FP), X.astype(np.float32))


def test_an_inner_sample_has_the_mean_of_both_slopes():
    assert slope_at(1.0) == (SLOPES[0] + SLOPES[1]) / 2
    assert slope_at(3.0) == (SLOPES[1] + SLOPES[2]) / 2
    in_xp = tp.grad(lambda xp: np.interp(1.0, xp, FP))(XP)
    np.testing.assert_allclose(in_xp, [0, -(SLOPES[0] + SLOPES[1]) / 2, 0, 0], atol=1e-15)
    np.testing.assert_array_equal(tp.grad(lambda fp: np.interp(1.0, XP, fp))(FP), [0, 1, 0, 0])


def test_the_ends_have_the_slope_inside_and_beyond_it_is_zero():
    assert slope_at(0.0) == slope_at(0.0, left=-9.0) == SLOPES[0]
    assert slope_at(4.0) == slope_at(4.0, right=-9.0) == SLOPES[2]
    assert slope_at(-1e-9) == slope_at(4.1) == 0
    np.testing.assert_array_equal(tp.grad(lambda fp: np.interp(9.0, XP, fp))(FP), [0, 0, 0, 1])
    np.testing.assert_array_equal(tp.grad(lambda xp: np.interp(9.0, xp, FP))(XP), np.zeros(4))


def test_values_beyond_the_ends():
    agrees(lambda x, left, right: np.interp(x, XP, FP, left, right), X, np.array(-2.0), np.array(0.5))
    agrees(lambda fp: np.interp(X, XP, fp, left=0.0), FP)


def test_a_jump_has_the_slope_of_a_side_that_has_one():
    xp, fp = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0.0, 1.0, 5.0, 7.0])
    assert tp.grad(lambda x: np.interp(x, xp, fp))(1.0) == 2
    np.testing.assert_array_equal(tp.grad(lambda fp: np.interp(1.0, xp, fp))(fp), [0, 0, 1, 0])
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
    for xp in (np.array([0.0, 0.0, 0.7, 2.0]), np.array([0.0, 0.7, 2.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.0])):
        agrees(lambda fp: np.interp(x, xp, fp), fp)  # noqa: B023 - used at once


def test_periodic():
    f = lambda x, xp, fp: np.interp(x, xp, fp, period=4.5)  # noqa: E731
    agrees(f, np.array([-0.3, 0.5, 4.3, 7.7]), np.array([3.0, 0.2, 5.7, 8.1]), FP)
    assert slope_at(4.5, period=4.5) == pytest.approx((SLOPES[0] + (FP[0] - FP[3]) / 0.5) / 2)


def test_one_sample():
    agrees(lambda x, fp: np.interp(x, [1.0], fp), X, FP[:1])
    agrees(lambda fp: np.interp(X, [1.0], fp, left=0.0, right=2.0), FP[:1])


def test_numpys_errors():
    fails_alike(lambda x: np.interp(x, XP, FP[:2]), X)
    fails_alike(lambda x: np.interp(x, XP[None], FP[None]), X)
    fails_alike(lambda x: np.interp(x, [], []), X)
    fails_alike(lambda x: np.interp(x, XP, FP, period=0), X)
    fails_alike(lambda x: np.interp(x, XP, FP), X + 1j)
