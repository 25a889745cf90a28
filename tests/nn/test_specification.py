from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ArgumentError, ModelError
from twopass.nn.specification import decode, encode


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


def test_a_layer_must_be_a_dataclass() -> None:
    class Bare(nn.Layer):
        pass

    with pytest.raises(ModelError, match=r"Bare is no dataclass.*@dataclass\(frozen=True\)"):
        Bare().config()


def test_class_names_are_taken_once() -> None:
    with pytest.raises(ArgumentError, match=r"class name Dense is taken by twopass\.nn\.layers\.dense"):
        type("Dense", (nn.Layer,), {})


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
    message = r"has no name to save it under.*register.*tp\.Trainer\.load\(folder, net=\.\.\.\)"
    with pytest.raises(ModelError, match=message):
        nn.Dense(2, activation=function).config()


def test_a_function_that_the_user_names() -> None:
    def cube(x: Any) -> Any:
        return x * x * x

    nn.activations.register("cube of tests", cube)
    layer = nn.Dense(2, activation=cube)
    assert layer.config()["activation"] == "cube of tests"
    assert through_json(layer) == layer


def test_values() -> None:
    written = json.dumps(encode((None, True, np.int8(3), np.float64(0.5), "x", (1, [2]), np.float32([[1.5]]))))
    *plain, array = decode(json.loads(written))
    assert plain == [None, True, 3, 0.5, "x", [1, [2]]]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1.5]])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class": "Dens", "units": 3}, "no class of layers named 'Dens'.*Did you mean 'Dense'.*Import the module"),
        ({"class": "Dense", "size": 3}, r"\['size'\] do not make a Dense"),
        ({"class": "Dense"}, "do not make a Dense"),
        ({"units": 3}, "a dict with the key 'class'"),
        ("Dense", "a dict with the key 'class'"),
        ({"class": "Dense", "units": {"what": 1}}, r"\['what'\] are not the keys"),
        ({"class": ["Dense"]}, "a dict with the key 'class'"),
    ],
)
def test_damaged_configurations(config: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        nn.from_config(config)


def test_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(nn.Dense(3)) == "Dense(3)"
    assert repr(nn.Dense(3, use_bias=False, frozen=True)) == "Dense(3, use_bias=False, frozen=True)"
