"""Every number of both passes through a fully connected network, for one instance.

Nothing here knows the derivative of a layer or of a loss. A zero is added to the net input of every unit, and the
engine differentiates the error with regard to the weights and to those zeros: what comes back for a zero is the
**error signal** of its unit, whatever the activations and the loss. It is the delta of Rumelhart, Hinton and Williams
(1985) with the opposite sign: theirs points downhill.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from twopass import nn
from twopass.api import value_and_grad
from twopass.errors import ArgumentError, ShapeError, compose

__all__ = ["Passes", "Units", "passes"]

NDArray = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Units:
    """A layer of units: its numbers in the forward pass and, if there was a target, in the backward pass.

    Attributes
    ----------
    layer : Dense or None
        The layer that computes the units; None for the input.
    activation : array of shape (n_units,)
        What the units send to the next layer.
    net_input : array of shape (n_units,)
        What they receive, ``x @ weight + bias``; for the input, its activation.
    error_signal : array of shape (n_units,) or None
        Derivative of the error with regard to `net_input`.
    weight, bias : arrays of shape (n_inputs, n_units) and (n_units,), or None
        Parameters of the connections that lead here; None for the input, and for the bias of a layer without.
    weight_gradient : array of shape (n_inputs, n_units) or None
        Derivative of the error with regard to `weight`. That for `bias` is `error_signal`.
    """

    layer: nn.Dense | None
    activation: NDArray
    net_input: NDArray
    error_signal: NDArray | None
    weight: NDArray | None = None
    bias: NDArray | None = None
    weight_gradient: NDArray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Passes:
    """Both passes through a network.

    Attributes
    ----------
    units : tuple of Units
        The input, then what each `Dense` computes.
    error : float or None
        Value of the loss function, without the penalties of the layers.
    """

    units: tuple[Units, ...]
    error: float | None


def passes(net: nn.Layer, params: Any, x: Any, y: Any = None, loss: str | Callable[..., Any] | None = None) -> Passes:
    """Run the forward pass, and with a target the backward pass, and keep every number.

    Parameters
    ----------
    net : Dense or Sequential
        `Dense` layers, and layers without connections between them, which belong to the units before.
    params : tree of arrays
        Parameters of `net`.
    x : array of shape (n_features,)
        One instance.
    y : number or array, optional
        Its target, as `loss` takes it for one instance.
    loss : str or callable, optional
        A loss function or its name; needed with a target.

    Raises
    ------
    ArgumentError
        For a container other than `Sequential`, or when only one of `y` and `loss` is given.
    ShapeError
        For more than one instance, or units that are not in a row.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(2, activation="sigmoid"), tp.nn.Dense(1))
    >>> both = passes(net, net.init(0, (3,)), np.ones(3), 1.0, "mean_squared_error")
    >>> [units.activation.shape for units in both.units]
    [(3,), (2,), (1,)]
    """
    if (y is None) != (loss is None):
        missing = "loss" if loss is None else "y"
        what = f"the backward pass needs a target and a loss, but {missing} is None"
        raise ArgumentError(compose(what, instead='Write for example y=1.0, loss="mean_squared_error".'))
    layers, weights = zip(*_layers(net, params), strict=True)
    dense = [own for layer, own in zip(layers, weights, strict=True) if isinstance(layer, nn.Dense)]
    if not dense:
        raise ArgumentError(compose(f"{net!r} has no connections", instead="Pass a network of Dense layers."))
    x = np.asarray(x, dtype=np.result_type(*(own["weight"] for own in dense)))
    zeros = [np.zeros_like(x), *(np.zeros_like(own["weight"][0]) for own in dense)]
    if loss is None:
        return Passes(_units(layers, weights, _forward(layers, weights, x, zeros)), None)
    measure, target = nn.losses.get(loss), np.asarray(y)[np.newaxis]

    def error(weights: Any, zeros: Any) -> tuple[Any, _Signals]:
        signals = _forward(layers, weights, x, zeros)
        return measure(signals[-1][1], target), signals

    (value, signals), (gradient, deltas) = value_and_grad(error, argnums=(0, 1), has_aux=True)(weights, zeros)
    return Passes(_units(layers, weights, signals, gradient, deltas), float(value))


def _layers(layer: nn.Layer, params: Any) -> Iterator[tuple[nn.Layer, Any]]:
    """Each layer with its parameters, in order."""
    if isinstance(layer, nn.Sequential):
        for name, child in layer.children().items():
            yield from _layers(child, params[name])
    elif layer.children():
        what = f"{layer!r} is not a row of layers"
        raise ArgumentError(compose(what, instead="Pass a Dense layer, or a Sequential of Dense layers."))
    else:
        yield layer, params


#: Net input and activation, of the input and of each dense layer, as arrays of shape (1, n_units).
_Signals = list[tuple[Any, Any]]


def _forward(layers: Sequence[nn.Layer], weights: Sequence[Any], x: Any, zeros: Sequence[Any]) -> _Signals:
    """The forward pass, with `zeros` added to the input and to the net inputs."""
    signals = []
    net_input = activation = (x + zeros[0])[np.newaxis]
    for layer, own in zip(layers, weights, strict=True):
        if not isinstance(layer, nn.Dense):
            activation = layer(own, activation)
            continue
        if activation.ndim != 2:
            what = f"{layer!r} got an instance of shape {activation.shape[1:]}, and units are drawn in a row"
            raise ShapeError(compose(what, instead="Pass one instance, x[0], and put nn.Flatten() before Dense."))
        signals.append((net_input, activation))
        net_input = dataclasses.replace(layer, activation=None)(own, activation) + zeros[len(signals)]
        activation = net_input if layer.activation is None else nn.activations.get(layer.activation)(net_input)
    return [*signals, (net_input, activation)]


def _units(
    layers: Sequence[nn.Layer], weights: Sequence[Any], signals: _Signals, gradient: Any = None, deltas: Any = None
) -> tuple[Units, ...]:
    """What the passes found, layer by layer."""
    connected = [(layer, place) for place, layer in enumerate(layers) if isinstance(layer, nn.Dense)]
    found = []
    for number, (net_input, activation) in enumerate(signals):
        layer, place = connected[number - 1] if number else (None, None)
        own = {} if place is None else weights[place]
        found.append(
            Units(
                layer=layer,
                activation=activation[0],
                net_input=np.ravel(net_input),
                error_signal=None if deltas is None else np.ravel(deltas[number]),
                weight=own.get("weight"),
                bias=own.get("bias"),
                weight_gradient=None if gradient is None or place is None else gradient[place]["weight"],
            )
        )
    return tuple(found)
