"""The trainer's arguments, checked."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import nn, optim
from twopass.errors import ArgumentError, compose

__all__ = ["as_count", "as_dtype", "as_metrics", "as_net", "as_optimizer", "as_seed", "as_validation", "takes"]


def as_net(net: Any) -> nn.Layer:
    """A network."""
    if not isinstance(net, nn.Layer):
        what = f"the network must be a layer, not {net!r}"
        raise ArgumentError(compose(what, instead="Write nn.Sequential(nn.Dense(300), nn.Dense(10))."))
    return net


def as_optimizer(optimizer: Any) -> optim.Transformation:
    """An optimizer."""
    if not isinstance(optimizer, optim.Transformation):
        what = f"the optimizer must be a transformation of twopass.optim, not {optimizer!r}"
        raise ArgumentError(compose(what, instead="Write optimizer=optim.Adam(1e-3)."))
    return optimizer


def as_metrics(metrics: Any) -> tuple[nn.metrics.Metric, ...]:
    """Fresh metrics, with names of their own."""
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        what = f"metrics must be a sequence, not {metrics!r}"
        raise ArgumentError(compose(what, instead='Write metrics=["accuracy"].'))
    made = tuple(nn.metrics.get(metric) for metric in metrics)
    names = ["loss", *(metric.name for metric in made)]
    if len(set(names)) < len(names):
        raise ArgumentError(compose(f"two quantities have one name: {', '.join(names)}"))
    return made


def as_seed(seed: Any) -> int:
    """A seed; a drawn one for None."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    number = _whole(seed)
    if number is None or number < 0:
        raise ArgumentError(compose(f"seed must be a whole number from 0, not {seed!r}", instead="Write seed=42."))
    return number


def as_count(name: str, value: Any) -> int:
    """A whole number from 1."""
    number = _whole(value)
    if number is None or number < 1:
        raise ArgumentError(compose(f"{name} must be a whole number from 1, not {value!r}"))
    return number


def as_validation(data: Any, fraction: float | None) -> tuple[Any, ...]:
    """Validation data: inputs, targets, and perhaps weights."""
    if fraction is not None:
        raise ArgumentError(compose("both validation_data and validation_split are given", instead="Pass one."))
    if not isinstance(data, tuple) or len(data) not in (2, 3):
        what = f"validation_data must be a tuple (x, y) or (x, y, sample_weight), not a {type(data).__name__}"
        raise ArgumentError(compose(what))
    return data


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """float32 or float64."""
    for known in (np.dtype(np.float32), np.dtype(np.float64)):
        if dtype in (known, known.name, known.type):
            return known
    raise ArgumentError(compose(f"dtype must be 'float32' or 'float64', not {dtype!r}"))


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _whole(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None
