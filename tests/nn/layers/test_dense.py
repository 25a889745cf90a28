from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ArgumentError, ShapeError


def test_formula() -> None:
    layer = nn.Dense(3, activation="tanh")
    params = {"weight": np.arange(6.0).reshape(2, 3), "bias": np.array([1.0, 2.0, 3.0])}
    x = np.array([[0.1, -0.2], [0.3, 0.0]])
    np.testing.assert_allclose(layer(params, x), np.tanh(x @ params["weight"] + params["bias"]))


def test_parameters() -> None:
    params = nn.Dense(3).init(0, (2,))
    assert {name: array.shape for name, array in params.items()} == {"weight": (2, 3), "bias": (3,)}
    np.testing.assert_array_equal(params["bias"], 0)
    assert list(nn.Dense(3, use_bias=False).init(0, (2,))) == ["weight"]


def test_weights_differ_from_biases() -> None:
    params = nn.Dense(2, weight_initializer="lecun_normal", bias_initializer="lecun_normal").init(0, (1,))
    assert not np.array_equal(params["weight"][0], params["bias"])


def test_acts_on_the_last_axis() -> None:
    layer = nn.Dense(3)
    params, x = layer.init(0, (5, 4, 2)), np.random.default_rng(0).random((7, 5, 4, 2), np.float32)
    np.testing.assert_allclose(layer(params, x)[2, 3, 1], layer(params, x[2, 3, 1]), rtol=1e-5)


def test_constraint_and_penalty_leave_the_bias_alone() -> None:
    layer = nn.Dense(2, weight_penalty=nn.L2(1.0), weight_constraint=nn.MaxNorm(1.0))
    params = {"weight": np.array([[3.0, 0.1], [4.0, 0.1]]), "bias": np.array([9.0, 9.0])}
    assert layer.penalty(params) == pytest.approx(25.02)
    constrained = layer.constrain(params)
    np.testing.assert_allclose(constrained["weight"], [[0.6, 0.1], [0.8, 0.1]])
    assert constrained["bias"] is params["bias"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(0), r"Dense: units must be a whole number in \[1, inf\), not 0"),
        (lambda: nn.Dense(2.5), "units must be a whole number"),
        (lambda: nn.Dense(True), "units must be a whole number"),
        (lambda: nn.Dense(3, activation="tahn"), "no activation named 'tahn'.*Did you mean 'tanh'"),
        (lambda: nn.Dense(3, weight_penalty=1e-4), r"must be a Penalty or None.*weight_penalty=tp\.nn\.L2"),
        (lambda: nn.Dense(3, weight_constraint=nn.L2(1)), "must be a Constraint or None"),
        (lambda: nn.Dense(3, bias_initializer=np.array([np.inf])), "not all finite"),
    ],
)
def test_bad_parameters(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_integers_of_numpy_are_integers() -> None:
    assert nn.Dense(np.int64(3)) == nn.Dense(3)
    assert type(nn.Dense(np.int64(3)).units) is int


def test_wrong_features() -> None:
    layer = nn.Dense(10)
    message = r"Dense\(10\) has a weight of shape \(4, 10\), and x has the shape \(32, 5\).*must have 4 features"
    with pytest.raises(ShapeError, match=message):
        layer(layer.init(0, (4,)), np.zeros((32, 5), np.float32))


@pytest.mark.parametrize("shape", [784, None, (2.5,), (-1,), ()])
def test_bad_input_shapes(shape: Any) -> None:
    with pytest.raises(ShapeError):
        nn.Dense(10).init(0, shape)
