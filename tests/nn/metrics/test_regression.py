from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.metrics

from twopass.errors import ShapeError
from twopass.nn import metrics

RNG = np.random.default_rng(0)
T = RNG.standard_normal((60, 3)) * [1, 5, 0.1]
Y = T + RNG.standard_normal((60, 3))
WEIGHT = RNG.random(60)
REFERENCES = {
    "mae": sklearn.metrics.mean_absolute_error,
    "mse": sklearn.metrics.mean_squared_error,
    "rmse": sklearn.metrics.root_mean_squared_error,
    "r2": sklearn.metrics.r2_score,
}


def value(name: str, prediction: Any, target: Any, weight: Any = None) -> float:
    metric = metrics.get(name)
    metric.update(prediction, target, weight)
    return metric.result()


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", REFERENCES)
def test_against_scikit_learn(name: str, weight: Any) -> None:
    for y, t in ((Y, T), (Y[:, 0], T[:, 0]), (Y[:, :1], T[:, 0]), (Y[:, 0], T[:, :1])):
        expected = REFERENCES[name](t.reshape(60, -1), y.reshape(60, -1), sample_weight=weight)
        assert value(name, y, t, weight) == pytest.approx(expected)


def test_r2_of_constant_targets() -> None:
    constant = np.full(5, 3.0)
    assert value("r2", constant, constant) == sklearn.metrics.r2_score(constant, constant) == 1
    assert value("r2", constant + 1, constant) == sklearn.metrics.r2_score(constant, constant + 1) == 0


def test_r2_does_not_cancel() -> None:
    """The variance is 1e-16 of the squared mean: sums of squares would lose it."""
    target = 1e8 + RNG.standard_normal(1000)
    prediction = target + 0.1 * RNG.standard_normal(1000)
    metric = metrics.R2()
    for rows in np.split(np.arange(1000), 10):
        metric.update(prediction[rows], target[rows])
    assert metric.result() == pytest.approx(sklearn.metrics.r2_score(target, prediction), rel=1e-6)


def test_shapes_never_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"prediction has the shape \(60, 3\) and the target \(60,\)"):
        value("mse", Y, T[:, 0])
