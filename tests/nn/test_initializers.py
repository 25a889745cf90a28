from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ArgumentError, ShapeError
from twopass.nn import initializers
from twopass.nn.initializers import Constant, Given, Orthogonal, VarianceScaling, make

SHAPE = (400, 100)
SEED = np.random.SeedSequence(3)
#: name: (variance, half-width of the interval or None for the normal distribution)
RANDOM = {
    "glorot_normal": (1 / 250, None),
    "glorot_uniform": (1 / 250, math.sqrt(6 / 500)),
    "he_normal": (2 / 400, None),
    "he_uniform": (2 / 400, math.sqrt(6 / 400)),
    "lecun_normal": (1 / 400, None),
    "lecun_uniform": (1 / 400, math.sqrt(3 / 400)),
    "orthogonal": (1 / 400, None),
}


@pytest.mark.parametrize("name", initializers.names())
def test_laws(name: str) -> None:
    single, double = (make(name, SEED, (6, 4), dtype) for dtype in (np.float32, np.float64))
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    assert single.shape == double.shape == (6, 4)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    np.testing.assert_array_equal(single, make(name, SEED, (6, 4), np.float32))
    is_random = name in RANDOM
    assert is_random == (name not in ("zeros", "ones"))
    assert is_random == (not np.array_equal(single, make(name, np.random.SeedSequence(4), (6, 4), np.float32)))


@pytest.mark.parametrize("name", RANDOM)
def test_distribution(name: str) -> None:
    variance, limit = RANDOM[name]
    values = make(name, SEED, SHAPE, np.float64)
    assert values.var() == pytest.approx(variance, rel=0.03)
    assert abs(values.mean()) < 4 * math.sqrt(variance / values.size)
    if limit is None:
        assert np.mean(values**4) / variance**2 == pytest.approx(3, rel=0.1)
    else:
        assert 0.99 * limit < np.abs(values).max() <= limit


def test_more_axes_count_as_inputs() -> None:
    values = make("lecun_normal", SEED, (5, 80, 50), np.float64)
    assert values.var() == pytest.approx(1 / 400, rel=0.05)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_orthogonal(shape: tuple[int, int]) -> None:
    w = Orthogonal(gain=2.0)(np.random.default_rng(0), shape, np.float64)
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(product, 4 * np.eye(min(shape)), atol=1e-12)
    with pytest.raises(ShapeError, match="two axes"):
        Orthogonal()(np.random.default_rng(0), (3,), np.float64)


def test_orthogonal_is_uniform_over_rotations() -> None:
    """Without the signs of R, the first number of Q would be negative always."""
    corners = [Orthogonal()(np.random.default_rng(seed), (3, 3), np.float64)[0, 0] for seed in range(200)]
    assert 70 < np.sum(np.array(corners) > 0) < 130


class TestAuto:
    @pytest.mark.parametrize(
        ("activation", "name"),
        [
            *((name, "he_normal") for name in ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "mish")),
            ("swish", "he_normal"),
            (nn.relu, "he_normal"),
            ("selu", "lecun_normal"),
            *((name, "glorot_uniform") for name in ("tanh", "sigmoid", "softmax", None, np.sin)),
        ],
    )
    def test_suits_the_activation(self, activation: Any, name: str) -> None:
        auto = nn.Dense(4, activation=activation)
        named = nn.Dense(4, activation=activation, weight_initializer=name)
        np.testing.assert_array_equal(auto.init(0, (3,))["weight"], named.init(0, (3,))["weight"])

    @pytest.mark.parametrize("activation", ["relu", "selu", "tanh"])
    def test_signals_neither_vanish_nor_explode(self, activation: str) -> None:
        net = nn.Sequential(*(nn.Dense(256, activation=activation) for _ in range(20)))
        x = np.random.default_rng(0).standard_normal((64, 256))
        size = np.sqrt(np.mean(np.square(net(net.init(0, (256,), np.float64), x))))
        assert 0.1 < size < 3


class TestGiven:
    def test_values(self) -> None:
        values = np.arange(6.0).reshape(2, 3)
        layer = nn.Dense(3, weight_initializer=values, bias_initializer=[1, 2, 3])
        values[0, 0] = 99
        params = layer.init(0, (2,))
        np.testing.assert_array_equal(params["weight"], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(params["bias"], np.float32([1, 2, 3]))
        params["weight"][0, 0] = 7
        assert layer.init(0, (2,))["weight"][0, 0] == 0

    def test_equality(self) -> None:
        assert Given(np.eye(2)) == Given(np.eye(2)) != Given(np.ones((2, 2)))
        assert hash(Given(np.eye(2))) == hash(Given(np.eye(2)))

    def test_wrong_shape(self) -> None:
        with pytest.raises(ShapeError, match=r"shape \(2, 2\), the parameter has \(3, 2\)"):
            nn.Dense(2, weight_initializer=np.eye(2)).init(0, (3,))

    def test_not_finite(self) -> None:
        with pytest.raises(ArgumentError, match="not all finite"):
            Given(np.array([np.nan]))


def test_own_function() -> None:
    layer = nn.Dense(2, weight_initializer=lambda generator, shape, dtype: generator.random(shape) + 5)
    weight = layer.init(0, (3,))["weight"]
    assert weight.dtype == np.float32
    assert (weight >= 5).all()
    with pytest.raises(ShapeError, match=r"gave the shape \(7,\)"):
        nn.Dense(2, weight_initializer=lambda generator, shape, dtype: np.ones(7)).init(0, (3,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(np.inf), "value must be a number in"),
        (lambda: VarianceScaling(scale=0), "scale must be a number in"),
        (lambda: VarianceScaling(mode="fan_in"), "mode must be one of"),
        (lambda: VarianceScaling(distribution="cauchy"), "distribution must be one of"),
        (lambda: Orthogonal(gain=-1), "gain must be a number in"),
        (lambda: nn.Dense(3, weight_initializer="he_norml"), "Did you mean 'he_normal'"),
        (lambda: nn.Dense(3, weight_initializer=3), "3 is no initializer"),
    ],
)
def test_bad_parameters(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_registered_by_the_user() -> None:
    initializers.register("tenths of tests", Constant(0.1))
    layer = nn.Dense(2, bias_initializer="tenths of tests")
    np.testing.assert_array_equal(layer.init(0, (1,))["bias"], np.float32([0.1, 0.1]))
    assert initializers.canonical(initializers.get("tenths of tests")) == "tenths of tests"
