from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
Y, T, W = RNG.standard_normal(50), RNG.standard_normal(50), RNG.random(50)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (nn.mean_squared_error, sklearn.metrics.mean_squared_error),
        (nn.mean_absolute_error, sklearn.metrics.mean_absolute_error),
        (functools.partial(nn.pinball, quantile=0.8), functools.partial(sklearn.metrics.mean_pinball_loss, alpha=0.8)),
    ],
)
def test_against_scikit_learn(loss: Any, reference: Any) -> None:
    assert loss(Y, T) == pytest.approx(reference(T, Y))
    assert loss(Y, T, sample_weight=W) == pytest.approx(reference(T, Y, sample_weight=W))


def test_a_column_and_a_vector_are_paired() -> None:
    for loss in (nn.mean_squared_error, nn.huber, nn.poisson, nn.pinball, nn.binary_cross_entropy):
        target = (T > 0).astype(float)
        expected = loss(Y, target)
        assert loss(Y[:, None], target) == loss(Y, target[:, None]) == loss(Y[:, None], target[:, None]) == expected


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"prediction has the shape \(50, 2\) and the target \(50,\)"):
        nn.mean_squared_error(np.zeros((50, 2)), T)
    with pytest.raises(ShapeError, match=r"\(50,\) and the target \(1, 50\)"):
        nn.mean_squared_error(Y, T[None])


def test_target_takes_the_dtype_of_the_prediction() -> None:
    assert nn.mean_squared_error(Y.astype(np.float32), T).dtype == np.float32
    assert nn.mean_squared_error(np.array([1, 2]), np.array([0.5, 2.0])) == 0.125


class TestHuber:
    def test_meets_the_square_and_the_line(self) -> None:
        e = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
        expected = np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5)
        np.testing.assert_allclose(nn.huber(e, np.zeros(7), reduction="none"), expected)
        gradient = tp.grad(lambda e: nn.huber(e, np.zeros(7), reduction="sum"))(e)
        np.testing.assert_allclose(gradient, np.clip(e, -1, 1))

    def test_delta(self) -> None:
        assert nn.huber(np.array([10.0]), np.array([0.0]), delta=4.0) == 32
        with pytest.raises(ArgumentError, match="huber: delta must be a number in"):
            nn.huber(Y, T, delta=0)


class TestLogCosh:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_small_and_large_errors(self, dtype: Any) -> None:
        e = np.array([0, 1e-6, -1e-6, 0.1, -0.999, 0.999, 1, 1.001, -5, 80, -1e4], dtype)
        wide = e.astype(np.longdouble)
        expected = np.where(np.abs(e) < 300, np.log(np.cosh(np.minimum(np.abs(wide), 300))), np.abs(wide) - np.log(2))
        expected[1:3] = wide[1:3] ** 2 / 2 - wide[1:3] ** 4 / 12
        got = nn.log_cosh(e, np.zeros_like(e), reduction="none")
        np.testing.assert_allclose(got, expected.astype(np.float64), rtol=8 * np.finfo(dtype).eps)
        gradient = tp.grad(lambda e: nn.log_cosh(e, np.zeros_like(e), reduction="sum"))(e)
        np.testing.assert_allclose(gradient, np.tanh(e.astype(np.float64)), rtol=16 * np.finfo(dtype).eps)

    def test_curvature_at_zero(self) -> None:
        curvature = tp.grad(tp.grad(lambda e: nn.log_cosh(e, np.float64(0), reduction="sum")))(np.float64(0.0))
        assert curvature == pytest.approx(1)


class TestPoisson:
    def test_is_the_log_likelihood(self) -> None:
        counts, rate = np.array([0, 1, 5]), np.array([0.5, 2.0, 3.0])
        expected = -scipy.stats.poisson.logpmf(counts, rate) - scipy.special.gammaln(counts + 1)
        np.testing.assert_allclose(nn.poisson(np.log(rate), counts, reduction="none"), expected)
        np.testing.assert_allclose(nn.poisson(rate, counts, log_input=False, reduction="none"), expected)

    def test_rate_zero_predicts_no_count(self) -> None:
        prediction = np.array([0.0, 2.0])
        value, gradient = tp.value_and_grad(lambda p: nn.poisson(p, np.array([0, 2]), log_input=False))(prediction)
        assert value == pytest.approx((2 - 2 * np.log(2)) / 2)
        np.testing.assert_allclose(gradient, [0.5, 0])

    def test_bad_values(self) -> None:
        with pytest.raises(ArgumentError, match=r"must be counts, at least 0, got -1\.0"):
            nn.poisson(np.zeros(2), np.array([0, -1]))
        with pytest.raises(ArgumentError, match=r"negative rate, -0\.5"):
            nn.poisson(np.array([1.0, -0.5]), np.array([0, 1]), log_input=False)


class TestGaussian:
    def test_is_the_log_likelihood(self) -> None:
        mean, log_variance, target = RNG.standard_normal((3, 9, 2))
        prediction = np.concatenate([mean, log_variance], axis=1)
        expected = -scipy.stats.norm.logpdf(target, mean, np.exp(log_variance / 2))
        np.testing.assert_allclose(nn.gaussian_nll(prediction, target, reduction="none"), expected)

    @pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 6)])
    def test_layout(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ShapeError):
            nn.gaussian_nll(np.zeros(shape), np.zeros((5, 2)))

    def test_one_output(self) -> None:
        prediction = RNG.standard_normal((5, 2))
        assert nn.gaussian_nll(prediction, T[:5]) == nn.gaussian_nll(prediction, T[:5, None])


class TestPinball:
    def test_median_is_half_the_absolute_error(self) -> None:
        y = np.append(Y, 0.0)
        t = np.append(T, 0.0)
        assert nn.pinball(y, t) == pytest.approx(nn.mean_absolute_error(y, t) / 2)
        gradients = [tp.grad(lambda p, loss=loss: loss(p, t))(y) for loss in (nn.pinball, nn.mean_absolute_error)]
        np.testing.assert_allclose(gradients[0], gradients[1] / 2)

    def test_several_quantiles(self) -> None:
        prediction = RNG.standard_normal((50, 3))
        levels = (0.1, 0.5, 0.9)
        each = [nn.pinball(prediction[:, i], T, quantile=level) for i, level in enumerate(levels)]
        assert nn.pinball(prediction, T, quantile=levels) == pytest.approx(np.mean(each))
        assert nn.pinball(prediction, T[:, None], quantile=np.array(levels)) == pytest.approx(np.mean(each))

    def test_the_minimum_is_the_quantile(self) -> None:
        candidates = np.linspace(-2, 2, 401)
        losses = [nn.pinball(np.full(50, c), T, quantile=0.9) for c in candidates]
        assert np.mean(candidates[np.argmin(losses)] >= T) == pytest.approx(0.9, abs=0.03)

    def test_bad_values(self) -> None:
        for bad in (0, 1, (0.5, 1.5), "0.5"):
            with pytest.raises(ArgumentError, match=r"quantile must be a number in \(0, 1\)"):
                nn.pinball(np.zeros((50, 2)), T, quantile=bad)
        with pytest.raises(ShapeError, match=r"pinball has 3 quantiles.*Dense\(3\)"):
            nn.pinball(np.zeros((50, 2)), T, quantile=(0.1, 0.5, 0.9))
