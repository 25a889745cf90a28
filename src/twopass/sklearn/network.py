"""The network of an estimator, and how its parameters become the lists that scikit-learn's users know."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass import nn, tree
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.train.parameters import read_only

__all__ = ["Architecture", "Decayed", "activate", "frozen"]


@dataclasses.dataclass(frozen=True)
class Decayed(nn.Layer):
    """A network beside the strength of its L2 penalty, which is a number of the parameters but never trained.

    So it is data to the compiled training step: a search over strengths compiles once.
    """

    net: nn.Layer

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        return {"alpha": np.zeros((), dtype), "net": self.net.init(seed, input_shape, dtype)}

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.net.output_shape(input_shape)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        y, own = self.net.apply(params["net"], x, training=training, key=key)
        return y, {"alpha": params["alpha"], "net": own}

    def trainable(self, params: Params) -> Any:
        return {"alpha": False, "net": self.net.trainable(params["net"])}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What the layers are.

    Parameters
    ----------
    units : tuple of int
        Of each layer, the inputs first and the outputs last.
    activations : tuple of str or callable
        One for each hidden layer.
    dropout : tuple of float
        The rate after each hidden layer.
    batch_norm : bool
        Whether to normalise before each activation.
    """

    units: tuple[int, ...]
    activations: tuple[Any, ...]
    dropout: tuple[float, ...]
    batch_norm: bool

    @functools.cached_property
    def net(self) -> nn.Sequential:
        """The layers; what they give has no activation."""
        layers: list[nn.Layer] = []
        for units, activation, rate in zip(self.units[1:-1], self.activations, self.dropout, strict=True):
            layers.append(nn.Dense(units, activation=None if self.batch_norm else activation))
            if self.batch_norm:
                layers += [nn.BatchNorm(), nn.Activation(activation)]
            if rate:
                layers.append(nn.Dropout(rate))
        return nn.Sequential(*layers, nn.Dense(self.units[-1]))

    @property
    def is_random(self) -> bool:
        """Whether a step needs random numbers."""
        return any(self.dropout)

    def draw(self, random_state: Any, dtype: np.dtype[Any]) -> tuple[list[Array], list[Array]]:
        """Initial weights and biases: uniform, with the bound of Glorot and Bengio (2010), eq. 16.

        The numbers are taken in scikit-learn's order, and the bound is its: smaller by the root of 3 for the logistic
        function. So the same `random_state` starts from the same network.
        """
        coefs, intercepts = [], []
        for index, (inputs, outputs) in enumerate(zip(self.units[:-1], self.units[1:], strict=True)):
            activation = self.activations[min(index, len(self.activations) - 1)] if self.activations else "identity"
            bound = np.sqrt((2.0 if activation in ("logistic", "sigmoid") else 6.0) / (inputs + outputs))
            coefs.append(random_state.uniform(-bound, bound, (inputs, outputs)).astype(dtype, copy=False))
            intercepts.append(random_state.uniform(-bound, bound, outputs).astype(dtype, copy=False))
        return coefs, intercepts

    def initial_norms(self, dtype: np.dtype[Any]) -> list[dict[str, Array]]:
        """Scale, shift and statistics of the normalisations, which change nothing at first."""
        if not self.batch_norm:
            return []
        return [nn.BatchNorm().init(0, (units,), dtype) for units in self.units[1:-1]]

    def params(self, coefs: Sequence[Any], intercepts: Sequence[Any], norms: Sequence[Any]) -> list[Any]:
        """The tree of the network's parameters."""
        dense, normalising = iter(zip(coefs, intercepts, strict=True)), iter(norms)
        made: list[Any] = []
        for layer in self.net.layers:
            if isinstance(layer, nn.Dense):
                weight, bias = next(dense)
                made.append({"weight": weight, "bias": bias})
            else:
                made.append(dict(next(normalising)) if isinstance(layer, nn.BatchNorm) else {})
        return made

    def lists(self, params: list[Any]) -> tuple[list[Array], list[Array], list[dict[str, Array]]]:
        """Weights, biases and normalisations of a tree: copies, which the user may change."""
        layers = list(zip(self.net.layers, tree.map(np.array, params), strict=True))
        dense = [own for layer, own in layers if isinstance(layer, nn.Dense)]
        norms = [own for layer, own in layers if isinstance(layer, nn.BatchNorm)]
        return [own["weight"] for own in dense], [own["bias"] for own in dense], norms

    def hidden(self, params: list[Any], x: Array) -> list[Array]:
        """The output of each hidden layer, after its activation, in prediction."""
        found: list[Array] = []
        for layer, own in zip(self.net.layers[:-1], params[:-1], strict=True):
            x = layer(own, x)
            if isinstance(layer, nn.Dense):
                found.append(x)
            elif not isinstance(layer, nn.Dropout):
                found[-1] = x
        return found


def activate(name: str, outputs: Any) -> Any:
    """The activation of the output layer."""
    match name:
        case "softmax":
            return nn.softmax(outputs)
        case "logistic":
            return nn.sigmoid(outputs)
        case "exp":
            return np.exp(outputs)
        case _:
            return outputs


def frozen(params: Any, dtype: np.dtype[Any]) -> Any:
    """A copy of parameters, in one dtype, that nobody writes to."""
    return read_only(tree.map(lambda leaf: np.array(leaf, dtype, order="C"), params))
