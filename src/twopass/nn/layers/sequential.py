"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.layer import Container, Layer
from twopass.nn.random import fold_in
from twopass.nn.types import Array, Key, Params, Shape
from twopass.nn.validation import check_shape

__all__ = ["Sequential"]


@dataclass(frozen=True, init=False)
class Sequential(Container):
    """Layers one after the other: each gets the output of the one before.

    Parameters
    ----------
    *layers : Layer
        Any number of layers, `Sequential` ones included.
    frozen : bool, default False
        Whether training leaves the parameters and statistics of all layers as they are.

    Raises
    ------
    ArgumentError
        When an argument is no layer.

    Notes
    -----
    Parameters: a list with one entry for each layer, ``{}`` for a layer without parameters. In training, layer i gets
    the key ``fold_in(key, i)``.

    Examples
    --------
    >>> import numpy as np
    >>> from twopass import nn
    >>> net = nn.Sequential(nn.Dense(300, activation="relu"), nn.Dropout(0.2), nn.Dense(10))
    >>> params = net.init(42, input_shape=(784,))
    >>> net(params, np.zeros((5, 784), np.float32)).shape
    (5, 10)
    """

    layers: tuple[Layer, ...]

    def __init__(self, *layers: Layer, frozen: bool = False) -> None:
        for layer in layers:
            if not isinstance(layer, Layer):
                instead = "Write the layers as separate arguments, nn.Sequential(nn.Dense(3), nn.Dense(1)); "
                instead += "nn.Activation(function) makes a layer of a function."
                raise ArgumentError(compose(f"Sequential takes layers, got {layer!r}", instead=instead))
        self._set(frozen=frozen)
        self._set(layers=tuple(self._freeze(dict(enumerate(layers))).values()))

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        return cls(*fields.pop("layers"), **fields)

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.layers))}{', frozen=True' if self.frozen else ''})"

    def _assemble(self, values: dict[Any, Any]) -> list[Any]:
        return list(values.values())

    def children(self) -> Mapping[int, Layer]:
        """The layers, by position."""
        return dict(enumerate(self.layers))

    def _shapes(self, input_shape: Shape) -> list[Shape]:
        """The shapes between the layers, from the input to the output."""
        shapes = [check_shape(input_shape)]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

    def child_inputs(self, input_shape: Shape) -> dict[Any, Shape]:
        """What comes out of one layer goes into the next."""
        return dict(enumerate(self._shapes(input_shape)[:-1]))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the last layer's output."""
        return self._shapes(input_shape)[-1]

    def check_values(self, x: Any) -> None:
        """The first layer gets the input; see `Layer.check_values`."""
        for layer in self.layers[:1]:
            layer.check_values(x)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        if len(params) != len(self.layers):
            what = f"a Sequential of {len(self.layers)} layers got parameters of {len(params)}"
            raise ShapeError(compose(what, instead="Make them with params = net.init(seed, input_shape)."))
        kept = []
        for index, layer in enumerate(self.layers):
            own_key = None if key is None else fold_in(key, index)
            x, own = layer.apply(params[index], x, training=training, key=own_key)
            kept.append(own)
        return x, kept
