"""Layers without parameters: a change of shape, a function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.nn import activations
from twopass.nn.layer import Layer
from twopass.nn.types import Array, Key, Params, Shape
from twopass.nn.validation import check_shape

__all__ = ["Activation", "Flatten"]


@dataclass(frozen=True)
class Flatten(Layer):
    """Make each sample a vector: ``(n_samples, a, b, ...) -> (n_samples, a * b * ...)``, in C order.

    Examples
    --------
    >>> Flatten()({}, np.zeros((5, 28, 28))).shape
    (5, 784)
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(a, b, ...) -> (a * b * ...,)``."""
        return (math.prod(check_shape(input_shape)),)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        return np.reshape(x, (x.shape[0], *self.output_shape(x.shape[1:]))), params


@dataclass(frozen=True)
class Activation(Layer):
    """A function of the numbers, as a layer of its own: for example after `BatchNorm`.

    Parameters
    ----------
    function : str or callable
        Name of one of `twopass.nn.activations`, or any function of one array that keeps its shape.

    Raises
    ------
    ArgumentError
        For an unknown name.

    Examples
    --------
    >>> Activation("relu")({}, np.array([-1.0, 2.0]))
    array([0., 2.])
    """

    function: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(function=activations.ACTIVATIONS.canonical(self.function))

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return check_shape(input_shape)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        return activations.get(self.function)(x), params
