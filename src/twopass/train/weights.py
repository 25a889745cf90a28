"""Class weights: how much the samples of each class count in the training loss."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, compose
from twopass.train.arguments import takes
from twopass.train.samples import Array, Samples

__all__ = ["class_weights", "weighted_loss"]


def weighted_loss(loss: Callable[..., Any], class_weight: Any, samples: Samples, n_outputs: int) -> Callable[..., Any]:
    """A loss with class weights; see `class_weights`.

    Raises
    ------
    ArgumentError
        When the loss is not one of classes, or the weights are not right.
    """
    if not takes(loss, "class_weight"):
        what = "the loss takes no class_weight"
        raise ArgumentError(compose(what, instead="Use a loss of classes, or pass sample_weight=weights[y]."))
    return functools.partial(loss, class_weight=class_weights(samples, class_weight, max(2, n_outputs)))


def class_weights(samples: Samples, class_weight: Any, count: int) -> Array:
    """One weight for each of `count` classes, from a mapping, a sequence, or ``"balanced"``.

    Balanced weights are ``n_samples / (n_classes * count of the class)`` (King and Zeng, Logistic Regression in Rare
    Events Data, 2001), so that all classes count the same.

    Raises
    ------
    ArgumentError
        When the targets are no classes, or a class has no weight.
    """
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            what = f"class_weight must be 'balanced' or one weight for each class, not {class_weight!r}"
            raise ArgumentError(compose(what))
        frequency = np.bincount(_classes(samples), minlength=count)
        return np.where(frequency > 0, len(samples) / (count * np.maximum(frequency, 1)), 0.0)
    if hasattr(class_weight, "keys"):
        if set(class_weight) - set(range(count)):
            what = f"class_weight names {sorted(set(class_weight) - set(range(count)), key=str)}"
            raise ArgumentError(compose(what, why=f"The classes are 0 to {count - 1}."))
        return np.array([float(class_weight.get(number, 1.0)) for number in range(count)])
    weight = np.asarray(class_weight, np.float64)
    if weight.shape != (count,):
        what = f"class_weight has the shape {weight.shape}, and there are {count} classes"
        raise ArgumentError(compose(what, instead="Pass one weight for each class, or {class: weight}."))
    return weight


def _classes(samples: Samples) -> Array:
    """The class of each sample."""
    y = samples.y if samples.rows is None else samples.y[samples.rows]
    classes: Array = y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1).astype(np.int64)
    return classes
