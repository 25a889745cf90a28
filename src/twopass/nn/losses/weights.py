"""The weight of each element in a loss: from the weights of the samples and of the classes.

Each kind of loss has one function of the target, the sample weights, the class weights, and an array whose dtype the
result has. It gives None where all weights are 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.losses.reduction import as_array, cast
from twopass.nn.types import Array

__all__ = ["binary_weights", "categorical_weights", "class_weights", "element_count", "element_weights"]


def _checked(name: str, weight: Any) -> Array:
    """Weights as an array; if they are plain, none may be negative or infinite."""
    weight = as_array(weight)
    numeric = weight.dtype.kind in "biufc"  # complex in complex steps
    if not numeric or (type(weight) is np.ndarray and not (np.isfinite(weight) & (weight >= 0)).all()):
        what = f"{name} must be an array of finite numbers that are not negative"
        raise ArgumentError(compose(what, instead="Leave samples or classes out with the weight 0."))
    return weight


def _sample_weights(sample_weight: Any, shape: tuple[int, ...], like: Array) -> Array | None:
    """Sample weights in the shape of the losses; given for each sample, or for each element."""
    if sample_weight is None:
        return None
    weight = _checked("sample_weight", sample_weight)
    if weight.shape not in (shape, shape[:1]):
        what = f"sample_weight has the shape {weight.shape} and the losses have {shape}"
        raise ShapeError(compose(what, instead=f"Give it the shape {shape[:1]}, a weight for each sample."))
    column = np.reshape(weight, (*weight.shape, *(1,) * (len(shape) - weight.ndim)))
    return np.broadcast_to(cast(column, like), shape)


def class_weights(class_weight: Any, classes: int, like: Array) -> Array:
    """The weights of the classes as an array.

    Raises
    ------
    ShapeError
        When there are more or fewer than classes.
    ArgumentError
        When one is negative or not finite.
    """
    weight = _checked("class_weight", class_weight)
    if weight.shape != (classes,):
        what = f"class_weight has the shape {weight.shape}, there are {classes} classes"
        raise ShapeError(compose(what, instead="Give a list with one weight for each class."))
    return cast(weight, like)


def _product(a: Array | None, b: Array) -> Array:
    return b if a is None else a * b


def element_weights(target: Array, sample_weight: Any, class_weight: Any, like: Array) -> Array | None:
    """Losses with one element for each number of the target."""
    return _sample_weights(sample_weight, target.shape, like)


def binary_weights(target: Array, sample_weight: Any, class_weight: Any, like: Array) -> Array | None:
    """Losses with one element for each target from 0 to 1, which weighs the two classes."""
    weight = _sample_weights(sample_weight, target.shape, like)
    if class_weight is None:
        return weight
    negative, positive = class_weights(class_weight, 2, like)
    return _product(weight, negative + (positive - negative) * cast(target, like))


def categorical_weights(target: Array, sample_weight: Any, class_weight: Any, like: Array) -> Array | None:
    """Losses with one element for each integer target, or for each distribution (float) along the last axis."""
    is_soft = target.dtype.kind == "f"
    weight = _sample_weights(sample_weight, target.shape[:-1] if is_soft else target.shape, like)
    if class_weight is None:
        return weight
    if is_soft:
        return _product(weight, cast(target, like) @ class_weights(class_weight, target.shape[-1], like))
    by_class = class_weights(class_weight, len(class_weight), like)
    # A sum over the classes, because NumPy would not tell the engine that a traced array is an index of a plain one.
    is_class = target[..., np.newaxis] == np.arange(len(by_class))
    return _product(weight, np.sum(np.where(is_class, by_class, 0), axis=-1))


def element_count(target: Array, weigh: Any) -> int:
    """How many elements the losses have that `weigh` belongs to."""
    is_soft = weigh is categorical_weights and target.dtype.kind == "f"
    return math.prod(target.shape[:-1] if is_soft else target.shape)
