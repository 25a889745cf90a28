"""Losses by name, and what training asks of any loss."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from twopass.nn.losses.reduction import as_array
from twopass.nn.losses.weights import element_count
from twopass.nn.registry import REGISTRIES, Registry
from twopass.nn.specification import FAMILY

__all__ = ["LOSSES", "config", "from_config", "get", "names", "normaliser", "register", "weight_sum", "weighted"]

Loss = Callable[..., Any]
F = TypeVar("F", bound=Loss)

LOSSES: Registry[Loss] = Registry("loss")
REGISTRIES["loss"] = LOSSES

#: For each loss that takes sample weights, the function of `twopass.nn.losses.weights` that gives its weights.
_WEIGHTS: dict[Loss, Callable[..., Any]] = {}


def weighted(weigh: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator that registers a loss under its name, with the function that gives the weights of its elements."""

    def add(loss: F) -> F:
        LOSSES.register(loss.__name__, loss)
        _WEIGHTS[loss] = weigh
        return loss

    return add


get = LOSSES.get
names = LOSSES.names
register = LOSSES.register


def normaliser(loss: str | Loss, target: Any, sample_weight: Any = None) -> float:
    """What the mean loss of a batch was divided by: the sum of the weights of its elements.

    The loss of an epoch is exact, whatever the sizes and weights of the batches, as ``sum(n * l) / sum(n)`` over the
    mean losses ``l`` of its batches and their normalisers ``n``.

    Parameters
    ----------
    loss : str or callable
        A loss; class weights are found in a ``functools.partial``.
    target : array
        The targets of the batch.
    sample_weight : array, optional
        The weights of its samples.

    Returns
    -------
    float
        For a loss of the user's own, which takes no weights, the number of samples.

    Examples
    --------
    >>> normaliser("mean_squared_error", np.zeros(3), sample_weight=[1, 0, 0.5])
    1.5
    >>> from twopass import nn
    >>> loss = functools.partial(nn.softmax_cross_entropy, class_weight=[1.0, 10.0])
    >>> normaliser(loss, np.array([0, 0, 1]))
    12.0
    """
    return float(weight_sum(loss, target, sample_weight))


def weight_sum(loss: str | Loss, target: Any, sample_weight: Any = None) -> Any:
    """What `normaliser` gives, as it comes: of arrays that are being captured, an array that is captured."""
    function = get(loss)
    keywords = function.keywords if isinstance(function, functools.partial) else {}
    weigh = _WEIGHTS.get(function.func if isinstance(function, functools.partial) else function)
    target = as_array(target)
    if weigh is None:
        return len(target)
    weights = weigh(target, sample_weight, keywords.get("class_weight"), np.empty(0))
    return element_count(target, weigh) if weights is None else np.sum(weights)


def config(loss: str | Loss) -> Any:
    """A loss as JSON can hold it: its name, with parameters if it is a ``functools.partial``.

    Raises
    ------
    ModelError
        For a function without a registered name.

    Examples
    --------
    >>> from twopass import nn
    >>> config(functools.partial(nn.huber, delta=2.0))
    {'loss': 'huber', 'parameters': {'delta': 2.0}}
    """
    return FAMILY.encode(get(loss), "the loss")


def from_config(data: Any) -> Loss:
    """The loss that `config` wrote.

    Raises
    ------
    ArgumentError, ModelError
        For a loss that does not exist.

    Examples
    --------
    >>> from_config("huber") is get("huber")
    True
    """
    return get(FAMILY.decode(data))
