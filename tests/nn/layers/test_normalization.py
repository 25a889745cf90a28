from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)


class TestBatchNorm:
    def test_normalises_by_the_batch(self) -> None:
        layer, x = nn.BatchNorm(epsilon=0.01), 3 + 2 * RNG.standard_normal((8, 5, 3))
        params = layer.init(0, (5, 3), np.float64)
        params |= {"scale": np.array([1.0, 2.0, 3.0]), "shift": np.array([0.0, 1.0, 2.0])}
        y, _ = layer.apply(params, x, training=True)
        mean, variance = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
        np.testing.assert_allclose(y, params["scale"] * (x - mean) / np.sqrt(variance + 0.01) + params["shift"])

    def test_running_statistics(self) -> None:
        """As in Keras: an exponential average of the means and of the variances with divisor n."""
        layer, x = nn.BatchNorm(momentum=0.9), RNG.standard_normal((3, 16, 4)) + 5
        params = layer.init(0, (4,), np.float64)
        mean, variance = np.zeros(4), np.ones(4)
        for batch in x:
            _, params = layer.apply(params, batch, training=True)
            mean = 0.9 * mean + 0.1 * batch.mean(axis=0)
            variance = 0.9 * variance + 0.1 * batch.var(axis=0)
        np.testing.assert_allclose(params["mean"], mean)
        np.testing.assert_allclose(params["variance"], variance)
        expected = (x[0] - mean) / np.sqrt(variance + 1e-3)
        np.testing.assert_allclose(layer(params, x[0]), expected)

    def test_one_number_for_each_feature_takes_the_running_statistics(self) -> None:
        layer, x = nn.BatchNorm(), np.full((1, 2), 5.0)
        params = layer.init(0, (2,), np.float64)
        y, kept = layer.apply(params, x, training=True)
        np.testing.assert_array_equal(y, layer(params, x))
        assert kept is params

    def test_constant_features_do_not_divide_by_zero(self) -> None:
        layer = nn.BatchNorm()
        y, _ = layer.apply(layer.init(0, (2,)), np.full((4, 2), 7, np.float32), training=True)
        np.testing.assert_array_equal(y, 0)

    def test_large_means_do_not_cancel(self) -> None:
        layer, x = nn.BatchNorm(epsilon=1e-12), (1e3 + RNG.standard_normal((64, 2))).astype(np.float32)
        y, _ = layer.apply(layer.init(0, (2,)), x, training=True)
        np.testing.assert_allclose(y.std(axis=0), 1, rtol=1e-3)


class TestLayerNorm:
    def test_formula(self) -> None:
        layer, x = nn.LayerNorm(epsilon=0.1), RNG.standard_normal((4, 3, 6))
        params = {"scale": RNG.random(6), "shift": RNG.random(6)}
        normal = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 0.1)
        np.testing.assert_allclose(layer(params, x), normal * params["scale"] + params["shift"])

    def test_training_makes_no_difference(self) -> None:
        layer, x = nn.LayerNorm(), RNG.standard_normal((4, 6))
        params = layer.init(0, (6,), np.float64)
        np.testing.assert_array_equal(layer.apply(params, x, training=True)[0], layer(params, x))


@pytest.mark.parametrize("layer", [nn.BatchNorm(), nn.LayerNorm()])
def test_shapes(layer: nn.Layer) -> None:
    with pytest.raises(ShapeError, match="at least one axis"):
        layer.init(0, ())
    with pytest.raises(ShapeError, match=r"3 features, and x has the shape \(5, 4\)"):
        layer(layer.init(0, (3,)), np.zeros((5, 4), np.float32))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.BatchNorm(momentum=1.0),
        lambda: nn.BatchNorm(momentum=-0.1),
        lambda: nn.BatchNorm(epsilon=0),
        lambda: nn.LayerNorm(epsilon=-1e-5),
    ],
)
def test_bad_parameters(make: Any) -> None:
    with pytest.raises(ArgumentError, match="must be a number in"):
        make()
