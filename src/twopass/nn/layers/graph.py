"""Networks of any form, written as a function."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, ModelError, ShapeError, compose
from twopass.nn.layer import Container, Layer
from twopass.nn.random import fold_in
from twopass.nn.types import Array, Config, Key, Params, Shape
from twopass.nn.validation import check_shape

__all__ = ["Graph"]

Forward = Callable[[Any, Any], Any]

#: How many samples are looked at together for values that a layer cannot take.
_ROWS = 1024


@dataclass(frozen=True, init=False)
class Graph(Container):
    """A network of any form: named layers, and the function that connects them.

    The function gets an object that has the layers as attributes, and the input. There each layer is a function of its
    input alone: parameters, statistics and the keys of dropout are handled. Between the layers stands any NumPy code.

    Parameters
    ----------
    forward : callable
        ``forward(net, x) -> y``. The same for all values of `x`: it is called with zeros to find the shapes.
    **layers : Layer
        The layers, by name. A layer that is called twice has the same parameters both times; ``net.name.params`` are
        its parameters.
    frozen : bool, default False
        Whether training leaves the parameters and statistics of all layers as they are.

    Raises
    ------
    ArgumentError
        When an argument is no layer, or a layer is never called.
    ModelError
        From `config`: a function cannot be written into a model file.

    Notes
    -----
    Parameters: a dict with one entry for each layer. In training, the i-th call of a layer gets the key
    ``fold_in(key, i)``.

    Several inputs are a tuple, and `input_shape` then is a tuple of shapes; several outputs likewise.

    Examples
    --------
    A dense layer with a way around it, and an autoencoder that decodes with the transposed weights of its encoder:

    >>> from twopass import nn
    >>> def forward(net, x):
    ...     h = net.hidden(x)
    ...     return net.out(h) + x
    >>> net = nn.Graph(forward, hidden=nn.Dense(8, activation="relu"), out=nn.Dense(4))
    >>> params = net.init(0, input_shape=(4,))
    >>> net(params, np.ones((5, 4), np.float32)).shape
    (5, 4)

    >>> def tied(net, x):
    ...     return net.encode(x) @ net.encode.params["weight"].T
    >>> nn.Graph(tied, encode=nn.Dense(2)).output_shape((4,))
    (4,)
    """

    forward: Forward
    layers: tuple[tuple[str, Layer], ...]

    def __init__(self, forward: Forward, /, *, frozen: bool = False, **layers: Layer) -> None:
        if not callable(forward) or isinstance(forward, Layer):
            what = f"Graph takes a function forward(net, x) first, got {forward!r}"
            raise ArgumentError(compose(what, instead="Write nn.Graph(forward, a=nn.Dense(3), b=nn.Dense(1))."))
        for name, layer in layers.items():
            if not isinstance(layer, Layer):
                what = f"Graph: {name} must be a layer, got {layer!r}"
                raise ArgumentError(compose(what, instead="Use functions inside of forward; they need no layer."))
            if name.startswith("_"):
                raise ArgumentError(compose(f"Graph: the layer name {name!r} begins with an underscore"))
        self._set(forward=forward, frozen=frozen)
        self._set(layers=tuple(self._freeze(layers).items()))

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Graph:
        return cls(fields["forward"], frozen=fields["frozen"], **dict(fields["layers"]))

    def __repr__(self) -> str:
        layers = "".join(f", {name}={layer!r}" for name, layer in self.layers)
        function = getattr(self.forward, "__name__", self.forward)
        return f"Graph({function}{layers}{', frozen=True' if self.frozen else ''})"

    def config(self) -> Config:
        """Raise, because the function cannot be written into a model file."""
        what = "a Graph cannot be written into a model file, because its forward function is code"
        instead = (
            "The parameters can: save them, and give the network again when loading: tp.Trainer.load(folder, net=net)."
        )
        raise ModelError(compose(what, instead=instead))

    def children(self) -> Mapping[str, Layer]:
        """The layers, by name."""
        return dict(self.layers)

    def child_inputs(self, input_shape: Shape) -> dict[str, Shape]:
        """What each layer gets at its first call, found by running `forward` on zeros."""
        return self._explore(input_shape)[0]

    def output_shape(self, input_shape: Shape) -> Shape:
        """What `forward` gives, found by running it on zeros."""
        return self._explore(input_shape)[1]

    def _explore(self, input_shape: Shape) -> tuple[dict[str, Shape], Shape]:
        """The layers' input shapes, and the output's."""
        net = _Explorer(self.children())
        # The zeros stand for numbers that are not there: what a division by one gives is of no interest.
        with np.errstate(all="ignore"):
            y = self.forward(net, _zeros(input_shape))
        unused = [name for name in self.children() if name not in net._inputs]
        if unused:
            what = f"forward never calls {', '.join(f'net.{name}' for name in unused)}"
            why = "A layer gets its shape from what it is called with."
            raise ArgumentError(compose(what, why=why, instead="Call it or leave it out of the Graph."))
        return net._inputs, _sample_shape(y)

    def check_values(self, x: Any) -> None:
        """Each layer gets what `forward` makes of the input for it; the outputs of layers are zeros."""
        if not any(map(_looks_at_values, self.children().values())):
            return
        for start in range(0, len(tree.leaves(x)[0]), _ROWS):
            stop = start + _ROWS
            try:
                self._check(tree.map(operator.itemgetter(slice(start, stop)), x))
            except ArgumentError:
                self._check(tree.map(operator.itemgetter(slice(stop)), x))  # which counts the rows from the first one
                raise

    def _check(self, x: Any) -> None:
        with np.errstate(all="ignore"):
            self.forward(_Checker(self.children()), x)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        children = self.children()
        if set(params) != set(children):
            what = f"a Graph of the layers {', '.join(children)} got parameters of {', '.join(map(str, params))}"
            raise ShapeError(compose(what, instead="Make them with params = net.init(seed, input_shape)."))
        net = _Runner(children, params, training, key)
        return self.forward(net, x), net._params


def _sample_shape(x: Any) -> Shape:
    """The shape of one sample; of several arrays, their shapes."""
    return tuple(map(_sample_shape, x)) if isinstance(x, tuple) else x.shape[1:]


def _zeros(shape: Shape, count: int = 1) -> Any:
    """Some samples of zeros, the inverse of `_sample_shape`."""
    if isinstance(shape, tuple) and any(isinstance(part, tuple) for part in shape):
        return tuple(_zeros(part, count) for part in shape)
    return np.zeros((count, *check_shape(shape)), np.float32)


def _looks_at_values(layer: Layer) -> bool:
    """Whether a layer, or one inside of it, cannot take all numbers."""
    children = layer.children()
    if children:
        return any(map(_looks_at_values, children.values()))
    return type(layer).check_values is not Layer.check_values


class _Bound:
    """A layer of a Graph as its forward function sees it: a function of the input."""

    def __init__(self, net: _Net, name: str) -> None:
        self._net = net
        self._name = name

    def __call__(self, x: Array) -> Array:
        return self._net._call(self._name, x)

    @property
    def params(self) -> Params:
        """The parameters of the layer."""
        return self._net._params_of(self._name)


class _Net:
    """What a forward function gets: the layers as attributes."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        self._layers = layers

    def __getattr__(self, name: str) -> _Bound:
        if name in self._layers:
            return _Bound(self, name)
        what = f"this Graph has no layer {name!r}, it has {', '.join(self._layers)}"
        raise AttributeError(compose(what, instead=f"Write nn.Graph(forward, ..., {name}=...)."))

    def _call(self, name: str, x: Array) -> Array:
        raise NotImplementedError

    def _params_of(self, name: str) -> Params:
        raise NotImplementedError


class _Runner(_Net):
    """The layers with parameters: computes, and keeps the refreshed statistics."""

    def __init__(self, layers: Mapping[str, Layer], params: Params, training: bool, key: Key | None) -> None:
        super().__init__(layers)
        self._params = dict(params)
        self._training = training
        self._key = key
        self._calls = 0

    def _call(self, name: str, x: Array) -> Array:
        key = None if self._key is None else fold_in(self._key, self._calls)
        self._calls += 1
        y, self._params[name] = self._layers[name].apply(self._params[name], x, training=self._training, key=key)
        return y

    def _params_of(self, name: str) -> Params:
        return self._params[name]


class _Explorer(_Net):
    """The layers without parameters: zeros go in, zeros of the right shape come out."""

    def __init__(self, layers: Mapping[str, Layer]) -> None:
        super().__init__(layers)
        self._inputs: dict[str, Shape] = {}

    def _call(self, name: str, x: Array) -> Array:
        shape = _sample_shape(x)
        self._inputs.setdefault(name, shape)
        return _zeros(self._layers[name].output_shape(shape))

    def _params_of(self, name: str) -> Params:
        if name not in self._inputs:
            what = f"net.{name}.params is asked for before net.{name} is called"
            raise ArgumentError(compose(what, why="Their shapes follow from what it is called with."))
        return self._layers[name].init(0, self._inputs[name])


class _Checker(_Explorer):
    """The layers without parameters: each looks at what goes in, and zeros come out."""

    def _call(self, name: str, x: Array) -> Array:
        shape, layer = _sample_shape(x), self._layers[name]
        self._inputs.setdefault(name, shape)
        layer.check_values(x)
        return _zeros(layer.output_shape(shape), len(tree.leaves(x)[0]))
