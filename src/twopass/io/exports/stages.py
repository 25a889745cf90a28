"""What is exported: a chain of plain NumPy functions, from the preprocessing over the layers to the predictions.

A trainer or a model folder becomes such a chain; each link has a name and its formula, for the comments of the C file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from twopass import nn, tree
from twopass.errors import ArgumentError, ModelError, compose
from twopass.io.model import load_model
from twopass.io.tensors import pack, unpack

__all__ = ["Chain", "Stage", "chain_of"]

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[[Any], Any]


class Stage(NamedTuple):
    """One link of the chain.

    Parameters
    ----------
    title : str
        What it is, for comments.
    function : callable
        From parameters and the value before to the value after, with the rows along the first axis of each array.
    params : tree of read-only arrays
        Its parameters.
    formulas : tuple of str
        What it computes, for comments.
    place : str
        Which of the layers it is, for the names of its parameters.
    """

    title: str
    function: Callable[[Any, Any], Any]
    params: Any = ()
    formulas: tuple[str, ...] = ()
    place: str = ""

    def named(self) -> dict[str, Array]:
        """The parameters by names for a file."""
        prefix = f"layer_{self.place}" if self.place else "layer"
        return {name.replace(".", "_"): leaf for name, leaf in pack(self.params, prefix).items()}


class Chain(NamedTuple):
    """Stages in order, and what goes in.

    Parameters
    ----------
    stages : tuple of Stage
        Each takes what the one before gives.
    input_shape : tuple
        Shape of one row, or a tuple of shapes for a network with several inputs.
    dtype : dtype
        Of the inputs.
    """

    stages: tuple[Stage, ...]
    input_shape: Any
    dtype: np.dtype[Any]


def chain_of(
    model: Any,
    *,
    before: Function | None = None,
    after: Function | None = None,
    input_shape: Sequence[int] | None = None,
    input_dtype: Any = None,
) -> Chain:
    """The chain of a trainer or model folder.

    Parameters
    ----------
    model : Trainer, or path of a model folder
        What has a network ``net``, its ``params``, the ``input_shape`` and the ``dtype``.
    before, after : callable, optional
        Plain NumPy functions around the network: the preprocessing, and what makes predictions of its outputs.
    input_shape, input_dtype : optional
        Of what `before` takes, if that differs from what the network takes.

    Raises
    ------
    ArgumentError
        When it is no model, or one without parameters.
    ModelError
        When the folder holds none, or one whose network is code.
    """
    net, params, shape, dtype = _parts(model)
    stages = list(_layers(net, params, dtype))
    if before is not None:
        stages.insert(0, Stage("preprocessing", _without_params(before)))
    if after is not None:
        stages.append(Stage("from the network's outputs to predictions", _without_params(after)))
    return Chain(
        tuple(stages),
        shape if input_shape is None else tuple(input_shape),
        np.dtype(dtype if input_dtype is None else input_dtype),
    )


def _parts(model: Any) -> tuple[nn.Layer, Any, Any, np.dtype[Any]]:
    """Network, parameters, input shape and dtype of a model."""
    if isinstance(model, (str, os.PathLike)):
        return _read(model)
    try:
        net, params, shape, dtype = model.net, model.params, model.input_shape, model.dtype
    except AttributeError:
        what = f"a {type(model).__name__} cannot be exported"
        raise ArgumentError(compose(what, instead="Pass a tp.Trainer, or the folder that one was saved to.")) from None
    return net, params, shape, np.dtype(dtype)


def _read(folder: str | os.PathLike[str]) -> tuple[nn.Layer, Any, Any, np.dtype[Any]]:
    """The same of a model folder."""
    tensors, config = load_model(folder)
    if config.get("net") is None:
        what = "the model was saved without its network, because that is code"
        instead = "Export the trainer instead: tp.Trainer.load(folder, net=...)."
        raise ModelError(compose(what, where=os.fspath(folder), instead=instead))
    try:
        net, dtype = nn.from_config(config["net"]), np.dtype(config["dtype"])
        shape = _as_shape(config["input_shape"])
        params = unpack(tensors, net.init(0, shape, dtype), "params")
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(compose("the model is damaged", where=os.fspath(folder), why=f"{error!r}.")) from error
    return net, params, shape, dtype


def _as_shape(shape: Any) -> Any:
    """Tuples, which JSON has written as lists."""
    return tuple(map(_as_shape, shape)) if isinstance(shape, list) else shape


# --- layers -----------------------------------------------------------------------------------------------------------


def _layers(net: nn.Layer, params: Any, dtype: np.dtype[Any], place: str = "") -> Iterator[Stage]:
    """The layers of a network in order: those of a Sequential one by one, any other network as a whole."""
    if type(net) is nn.Sequential:
        for number, layer in net.children().items():
            yield from _layers(layer, params[number], dtype, f"{place}.{number}" if place else str(number))
        return
    own = tree.map(lambda leaf: _fixed(leaf, dtype), params)
    described = re.sub(r" at 0x[0-9a-f]+", "", repr(net))  # of functions without a name: the same file every time
    title = f"layer {place}: {described}" if place else described
    yield Stage(title, net, own, tuple(_formulas(net)), place)


def _without_params(function: Function) -> Callable[[Any, Any], Any]:
    return lambda _, x: function(x)


def _fixed(leaf: Any, dtype: np.dtype[Any]) -> Array:
    """A read-only copy of a parameter, which a capture keeps as it is."""
    array = np.array(leaf, dtype if np.asarray(leaf).dtype.kind == "f" else None)
    array.flags.writeable = False
    return array


def _formulas(layer: nn.Layer) -> Iterator[str]:
    """The formulas of a layer and its activation, as their documentation states them."""
    yield from _stated(type(layer))
    for name in ("activation", "function"):
        function = getattr(layer, name, None)
        if function is not None:
            function = nn.activations.get(function)
            named = getattr(function, "func", function)
            for formula in _stated(named):
                yield f"{getattr(named, '__name__', name)}(x) = {formula}"


def _stated(thing: Any) -> list[str]:
    """The first formula in a docstring's first line."""
    return re.findall("``(.+?)``", (thing.__doc__ or "").partition("\n")[0])[:1]
