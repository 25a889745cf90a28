from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.nn.losses import mean_prediction

OUTPUTS = 3 * np.random.default_rng(0).standard_normal((6, 5, 4))


def logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


#: For each kind of prediction, a loss, and what is meant by a prediction.
MEANINGS: dict[str, tuple[Any, Any]] = {
    "probabilities": ("softmax_cross_entropy", nn.softmax),
    "smoothed": (functools.partial(nn.softmax_cross_entropy, label_smoothing=0.1), nn.softmax),
    "answers": ("binary_cross_entropy", logistic),
    "focal": (functools.partial(nn.focal, gamma=1.0), logistic),
    "rates": ("poisson", np.exp),
    "plain rates": (functools.partial(nn.poisson, log_input=False), lambda x: x),
    "numbers": ("mean_squared_error", lambda x: x),
    "quantiles": (functools.partial(nn.pinball, quantile=(0.1, 0.2, 0.5, 0.9)), lambda x: x),
    "margins": ("hinge", lambda x: x),
    "own": (lambda prediction, target: np.mean(prediction - target), lambda x: x),
}


@pytest.mark.parametrize("kind", MEANINGS)
def test_the_mean_is_that_of_what_is_meant(kind: str) -> None:
    loss, meaning = MEANINGS[kind]
    mean = mean_prediction(loss, OUTPUTS)
    np.testing.assert_allclose(meaning(mean), np.mean(meaning(OUTPUTS), axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(mean_prediction(loss, np.moveaxis(OUTPUTS, 1, 0), axis=0), mean)


def test_normal_distributions_become_the_moments_of_their_mixture() -> None:
    mean, log_variance = np.split(OUTPUTS, 2, axis=-1)
    together = mean_prediction("gaussian_nll", OUTPUTS)
    np.testing.assert_allclose(together[:, :2], mean.mean(axis=1), rtol=1e-12)
    second_moment = np.mean(mean**2 + np.exp(log_variance), axis=1)
    np.testing.assert_allclose(np.exp(together[:, 2:]), second_moment - mean.mean(axis=1) ** 2, rtol=1e-10)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy", "focal", "poisson", "gaussian_nll"])
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_logits_of_any_size(loss: str, size: float) -> None:
    for dtype in (np.float32, np.float64):
        mean = mean_prediction(loss, (size * OUTPUTS).astype(dtype))
        assert mean.dtype == dtype
        assert np.isfinite(mean).all()


def test_one_member_is_its_own_mean() -> None:
    for loss in ("softmax_cross_entropy", "binary_cross_entropy", "poisson", "mean_squared_error", "gaussian_nll"):
        alone, together = OUTPUTS[:, 0], mean_prediction(loss, OUTPUTS[:, :1])
        if loss == "softmax_cross_entropy":
            alone, together = nn.softmax(alone), nn.softmax(together)
        np.testing.assert_allclose(together, alone, rtol=1e-12)
