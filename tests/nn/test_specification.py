from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ModelError


@dataclass(frozen=True)
class Halve(nn.Layer):
    """A layer of a user."""

    times: int = 1

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def apply(self, params: Any, x: Any, *, training: bool = False, key: Any = None) -> Any:
        return x * 0.5**self.times, params


def through_json(layer: nn.Layer) -> Any:
    return nn.from_config(json.loads(json.dumps(layer.config())))


def test_own_layer() -> None:
    net = nn.Sequential(Halve(2), nn.Dense(1))
    assert through_json(net) == net
    assert net.layers[0]({}, 8.0) == 2.0


def test_functions_are_written_by_name() -> None:
    layer = nn.Dense(2, activation=nn.swish)
    assert layer.config()["activation"] == "silu"
    assert through_json(layer) == layer == nn.Dense(2, activation="swish")


def test_functions_with_parameters() -> None:
    layer = nn.Dense(2, activation=functools.partial(nn.leaky_relu, slope=0.25))
    assert layer.config()["activation"] == {"activation": "leaky_relu", "parameters": {"slope": 0.25}}
    again = through_json(layer)
    assert again.config() == layer.config()
    np.testing.assert_array_equal(again.activation(np.array([-4.0])), [-1])


@pytest.mark.parametrize("function", [lambda x: x, functools.partial(lambda x: x), functools.partial(nn.elu, 1.0)])
def test_functions_without_a_name(function: Any) -> None:
    message = r"Dense: activation is .* no name to save it under.*register.*tp\.Trainer\.load\(folder, net=\.\.\.\)"
    with pytest.raises(ModelError, match=message):
        nn.Dense(2, activation=function).config()


def test_a_function_that_the_user_names() -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    nn.activations.register("cube of tests", cube)
    layer = nn.Dense(2, activation=cube)
    assert layer.config()["activation"] == "cube of tests"
    assert through_json(layer) == layer


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class": "Dens", "units": 3}, "no class of layers named 'Dens'.*Did you mean 'Dense'"),
        ({"class": "Sequential"}, "do not make a Sequential"),
        ({"class": "Dense", "units": 3, "activation": "rely"}, "do not make a Dense.*Did you mean 'relu'"),
        ("Dense", "a configuration of layers is a dict with the key 'class'"),
    ],
)
def test_damaged_configurations(config: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        nn.from_config(config)


@pytest.mark.parametrize("layer", [nn.Dense, nn.Sequential])
def test_whether_a_layer_is_frozen_is_checked(layer: Any) -> None:
    with pytest.raises(ValueError, match="frozen must be True or False, not 'no'"):
        layer(*[3] * (layer is nn.Dense), frozen="no")
