"""Where a NaN or an infinity came from: what `NotFiniteError` says when a training step has failed."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass import tree
from twopass.api import debug, grad
from twopass.errors import NotFiniteError
from twopass.nn import Layer, Sequential
from twopass.nn.random import fold_in
from twopass.train.parameters import Partition, first_not_finite, place
from twopass.train.samples import Batch
from twopass.train.step import Loss, make_objective

__all__ = ["fault"]


@np.errstate(all="ignore")
def fault(net: Layer, loss: Loss, params: Any, batch: Batch, key: Any) -> str:
    """What became non-finite first, in the order of computation, in a step from these parameters.

    Returns
    -------
    str
        The parameters, the output of a layer, the loss, the gradient of a parameter, or else the update; and the
        operation that made it so, as `twopass.debug` finds it.
    """
    sentence = f"The first thing that was not finite is {_culprit(net, loss, params, batch, key)}."
    partition = Partition.of(net, params)
    trainable, rest = partition.split(params)
    try:
        with debug(inf=True):
            grad(make_objective(net, loss, partition), has_aux=True)(trainable, rest, *batch, key)
    except NotFiniteError as error:
        return f"{sentence} There, {error}"
    return sentence


def _culprit(net: Layer, loss: Loss, params: Any, batch: Batch, key: Any) -> str:
    """The quantity of a training step that is not finite first."""
    name = first_not_finite(params)
    if name is not None:
        return f"the parameter {name}"
    x, y, weight = batch
    layer = _faulty_layer(net, params, x, key, ())
    if layer is not None:
        return layer
    partition = Partition.of(net, params)
    objective = make_objective(net, loss, partition)
    trainable, rest = partition.split(params)
    value, (data_loss, refreshed) = objective(trainable, rest, x, y, weight, key)
    if not np.isfinite(data_loss):
        return "the loss, from a finite output of the network"
    if not np.isfinite(value):
        return "the penalty on the parameters"
    if first_not_finite(refreshed):
        return "the running statistics of a layer"
    gradient = grad(objective, has_aux=True)(trainable, rest, x, y, weight, key)[0]
    # The backward pass meets the last layer first.
    for path, leaf in reversed(tree.flatten_with_paths(gradient)):
        if not np.isfinite(leaf).all():
            return f"the gradient of {place(path)}"
    return "the update of the parameters, from finite gradients"


def _faulty_layer(net: Layer, params: Any, x: Any, key: Any, path: tuple[Any, ...]) -> str | None:
    """The first layer, in the order of computation, whose output is not finite."""
    if not isinstance(net, Sequential):
        output = net.apply(params, x, training=True, key=key)[0]
        return f"the output of {_layer_name(net, path)}" if first_not_finite(output) else None
    for index, layer in net.children().items():
        own_key = fold_in(key, index)
        found = _faulty_layer(layer, params[index], x, own_key, (*path, index))
        if found is not None:
            return found
        x = layer.apply(params[index], x, training=True, key=own_key)[0]
    return None


def _layer_name(net: Layer, path: tuple[Any, ...]) -> str:
    return f"layer {'.'.join(map(str, path))}, {net!r}" if path else repr(net)
