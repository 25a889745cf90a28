"""What all losses share: matching the shapes, and going from the losses of the elements to one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.types import Array

__all__ = ["REDUCTIONS", "as_array", "as_floats", "cast", "check_values", "match", "reduce"]

REDUCTIONS = ("mean", "sum", "none")


def as_array(values: Any) -> Array:
    """Lists and numbers as arrays; arrays, traced ones included, as they are."""
    return values if hasattr(values, "shape") else np.asarray(values)


def as_floats(prediction: Any) -> Array:
    """A prediction as an array of floats, in the precision that it has; complex ones stay, for complex steps."""
    prediction = as_array(prediction)
    return prediction if prediction.dtype.kind in "fc" else prediction.astype(np.float64)


def match(prediction: Array, target: Any) -> tuple[Array, Array]:
    """Prediction and target with one shape, the target in the prediction's dtype.

    A network with one output gives the shape ``(n, 1)``, and a table's column is ``(n,)``: that one difference is
    removed. Everything else raises, for NumPy would broadcast those two to ``(n, n)``, and train on garbage.

    Raises
    ------
    ShapeError
        When the shapes differ.
    """
    prediction, target = as_floats(prediction), as_array(target)
    if prediction.shape == (*target.shape, 1) and target.ndim == 1:
        prediction = np.reshape(prediction, target.shape)
    elif target.shape == (*prediction.shape, 1) and prediction.ndim == 1:
        target = np.reshape(target, prediction.shape)
    elif prediction.shape != target.shape:
        what = f"the prediction has the shape {prediction.shape} and the target {target.shape}"
        why = "Each output needs its own target."
        instead = (
            f"Give the last layer as many units as the target has columns, or reshape the target to {prediction.shape}."
        )
        raise ShapeError(compose(what, why=why, instead=instead))
    return prediction, cast(target, prediction)


def cast(values: Array, like: Array) -> Array:
    """Values in the dtype of an array, so that they do not change the precision of the computation.

    Complex ones stay: a cast would drop the imaginary part, in which a complex step has put the derivative.
    """
    return values if values.dtype == like.dtype or values.dtype.kind == "c" else values.astype(like.dtype)


def check_values(target: Array, is_valid: Any, what: str, instead: str) -> None:
    """Check the values of a target, if it is a plain array: traced ones have no values to look at.

    Raises
    ------
    ArgumentError
        With `what` the target must be, the first value that is not, and what to write `instead`.
    """
    if type(target) is np.ndarray:
        wrong = target[~is_valid(target)]
        if wrong.size:
            raise ArgumentError(compose(f"the target must be {what}, got {wrong.flat[0]}", instead=instead))


def reduce(losses: Array, weight: Array | None, reduction: str) -> Array:
    """The losses of the elements as one number.

    Parameters
    ----------
    losses : array
        One loss for each element.
    weight : array of the same shape, optional
        The weight of each.
    reduction : {"mean", "sum", "none"}
        ``sum(w l) / sum(w)`` (0 if all weights are), ``sum(w l)``, or ``w l``.

    Raises
    ------
    ArgumentError
        For another reduction.
    ShapeError
        For the mean of no losses.
    """
    if reduction not in REDUCTIONS:
        raise ArgumentError(compose(f"reduction must be one of {REDUCTIONS}, got {reduction!r}"))
    if reduction == "mean" and losses.size == 0:
        raise ShapeError(compose("the mean loss of no samples is not defined", instead="Pass at least one sample."))
    weighted = losses if weight is None else losses * weight
    if reduction == "none":
        return weighted
    if reduction == "sum":
        return np.sum(weighted)
    if weight is None:
        return np.mean(weighted)
    total = np.sum(weight)
    return np.sum(weighted) / np.where(total == 0, 1, total)
