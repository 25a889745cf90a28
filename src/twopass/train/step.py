"""The training step as one function: forward pass, loss, backward pass, update, constraints, statistics.

``step`` is pure: it takes everything that it needs and changes none of it. So NumPy runs it as it is (`eager`), and it
is captured and compiled as it is (`native`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twopass import optim
from twopass.api import value_and_grad, vmap
from twopass.nn import Ensemble, Layer
from twopass.train.parameters import Partition, Tree, read_only

__all__ = ["Loss", "Step", "make_gradient", "make_objective", "make_step"]

Loss = Callable[..., Any]
#: ``step(params, optimizer_state, x, y, sample_weight, key) -> (params, optimizer_state, loss)``
Step = Callable[[Tree, Tree, Any, Any, Any, Any], tuple[Tree, Tree, Any]]


def make_objective(net: Layer, loss: Loss, partition: Partition) -> Callable[..., tuple[Any, tuple[Any, list[Any]]]]:
    """The function that training descends: mean loss of a batch plus penalties.

    A loss can have it otherwise: with a method ``objective(prediction, target, sample_weight, params)``, which gives
    the number that is descended and the one that is reported. It sees the parameters, so a penalty can depend on the
    batch.

    Of an `nn.Ensemble`, the loss is that of each member; the objective is their sum, and the loss their mean.

    Returns
    -------
    callable
        ``objective(trainable, rest, x, y, sample_weight, key)`` gives ``(objective, (loss, refreshed rest))``.
    """
    measure = _measure_of_members(net, loss) if isinstance(net, Ensemble) else _measure(net, loss)

    def objective(trainable: Tree, rest: list[Any], x: Any, y: Any, weight: Any, key: Any) -> Any:
        params = partition.join(trainable, rest)
        prediction, refreshed = net.apply(params, x, training=True, key=key)
        descended, value = measure(prediction, params, y, weight)
        return descended, (value, partition.rest(refreshed))

    return objective


#: ``measure(prediction, params, target, sample_weight)`` gives the number to descend and the one to report.
Measure = Callable[[Any, Tree, Any, Any], tuple[Any, Any]]


def _measure(net: Layer, loss: Loss) -> Measure:
    """What is made of a network's predictions."""
    own = getattr(loss, "objective", None)

    def measure(prediction: Any, params: Tree, y: Any, weight: Any) -> tuple[Any, Any]:
        if own is not None:
            descended, value = own(prediction, y, weight, params)
            return descended, value
        value = loss(prediction, y) if weight is None else loss(prediction, y, sample_weight=weight)
        return value + net.penalty(params), value

    return measure


def _measure_of_members(net: Ensemble, loss: Loss) -> Measure:
    """The same of an ensemble: the sum is descended, so that each member goes its own way, and the mean reported."""
    one = _measure(net.net, loss)

    def measure(prediction: Any, params: Tree, y: Any, weight: Any) -> tuple[Any, Any]:
        of_each = vmap(lambda prediction, params: one(prediction, params, y, weight), in_axes=(1, 0))
        descended, values = of_each(prediction, params)
        return np.sum(descended), np.mean(values)

    return measure


def make_gradient(net: Layer, loss: Loss, partition: Partition, of_inputs: bool = False) -> Callable[..., Any]:
    """The objective and its gradient: ``((objective, (loss, refreshed rest)), gradient)``, for optimizers of others.

    With `of_inputs` the gradient is a pair: that of the parameters, and that of x.
    """
    argnums = (0, 2) if of_inputs else 0
    return value_and_grad(make_objective(net, loss, partition), argnums=argnums, has_aux=True)


def make_step(net: Layer, loss: Loss, optimizer: optim.Transformation, partition: Partition) -> Step:
    """Make the function that trains on one batch.

    Parameters
    ----------
    net : Layer
        The network.
    loss : callable
        ``loss(prediction, target)``, also with ``sample_weight=`` if weights are passed.
    optimizer : Transformation
        Turns gradients into updates.
    partition : Partition
        Which parameters are trainable.

    Returns
    -------
    callable
        ``step(params, optimizer_state, x, y, sample_weight, key)`` gives the next parameters, the next state of the
        optimizer, and the mean loss of the batch (without penalties, before the update). The arrays of the new
        parameters are read-only, which spares the engine a defensive copy in the next step.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> net, optimizer = tp.nn.Dense(1), tp.optim.SGD(0.1)
    >>> params = net.init(0, (2,))
    >>> partition = Partition.of(net, params)
    >>> step = make_step(net, tp.nn.mean_squared_error, optimizer, partition)
    >>> state = optimizer.init(partition.split(params)[0])
    >>> x, y, losses = np.eye(2, dtype=np.float32), np.ones((2, 1), np.float32), []
    >>> for number in range(3):
    ...     params, state, loss = step(params, state, x, y, None, number)
    ...     losses.append(float(loss))
    >>> losses[0] > losses[1] > losses[2]
    True
    """
    differentiate = make_gradient(net, loss, partition)

    def step(params: Tree, state: Tree, x: Any, y: Any, weight: Any, key: Any) -> tuple[Tree, Tree, Any]:
        trainable, rest = partition.split(params)
        (_, (value, rest)), grads = differentiate(trainable, rest, x, y, weight, key)
        updates, state = optimizer.update(grads, state, trainable)
        params = partition.join(optim.apply_updates(trainable, updates), rest)
        return read_only(net.constrain(params)), state, value

    return step
