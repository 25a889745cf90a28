"""Losses for targets that are numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.checks import OpenFraction, Positive, check
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.losses.base import weighted
from twopass.nn.losses.reduction import as_array, as_floats, check_values, match, reduce
from twopass.nn.losses.weights import element_weights
from twopass.nn.types import Array

__all__ = [
    "gaussian_nll",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_squared_error",
    "pinball",
    "poisson",
]


def _finish(losses: Array, sample_weight: Any, reduction: str) -> Array:
    return reduce(losses, element_weights(losses, sample_weight, None, losses), reduction)


@weighted(element_weights)
def mean_squared_error(prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Array:
    """``l = (prediction - target)²``: fits the mean.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        What the network gives.
    target : array of the same shape
        What it should give.
    sample_weight : array of shape (n_samples,), optional
        How much each sample counts.
    reduction : {"mean", "sum", "none"}, default "mean"
        ``sum(w l) / sum(w)`` over all elements, ``sum(w l)``, or ``w l``.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.

    Examples
    --------
    >>> float(mean_squared_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    prediction, target = match(prediction, target)
    return _finish(np.square(prediction - target), sample_weight, reduction)


@weighted(element_weights)
def mean_absolute_error(prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Array:
    """``l = |prediction - target|``: fits the median. The derivative at 0 is 0.

    Parameters
    ----------
    prediction, target, sample_weight, reduction
        As for `mean_squared_error`.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.

    Examples
    --------
    >>> float(mean_absolute_error(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    prediction, target = match(prediction, target)
    return _finish(np.abs(prediction - target), sample_weight, reduction)


@weighted(element_weights)
def huber(
    prediction: Array, target: Any, *, delta: float = 1.0, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """``l = e²/2`` if |e| <= delta, else ``delta (|e| - delta/2)``, where e is prediction - target [1]_.

    Parameters
    ----------
    prediction, target, sample_weight, reduction
        As for `mean_squared_error`.
    delta : float, default 1.0
        Positive: the size of an error, in units of the target, above which it counts as an outlier.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    ArgumentError
        When delta is not a positive number.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964).

    Examples
    --------
    >>> huber(np.array([0.5, 10.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.125, 9.5  ])
    """
    delta = check("huber: delta", delta, Positive)
    prediction, target = match(prediction, target)
    error = np.abs(prediction - target)
    quadratic = np.minimum(error, delta)
    return _finish(quadratic * (error - 0.5 * quadratic), sample_weight, reduction)


@weighted(element_weights)
def log_cosh(prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Array:
    """``l = log(cosh(prediction - target))``: e²/2 near 0, |e| - log(2) far away, smooth between [1]_.

    Parameters
    ----------
    prediction, target, sample_weight, reduction
        As for `mean_squared_error`.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.

    References
    ----------
    .. [1] P. J. Green, "Bayesian reconstructions from emission tomography data using a modified EM algorithm", IEEE
       Transactions on Medical Imaging 9 (1990).

    Examples
    --------
    >>> log_cosh(np.array([1e-9, 1e4]), np.array([0.0, 0.0]), reduction="none")
    array([5.00000000e-19, 9.99930685e+03])
    """
    prediction, target = match(prediction, target)
    error = prediction - target
    size = np.abs(error)
    # The formula for large errors would lose all digits of small ones, and cosh of large ones would overflow.
    near = size < 1
    close = 0.5 * np.log1p(np.square(np.sinh(np.where(near, error, 0))))
    far = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    return _finish(np.where(near, close, far), sample_weight, reduction)


@weighted(element_weights)
def poisson(
    prediction: Array, target: Any, *, log_input: bool = True, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """``l = rate - target log(rate)``: the Poisson log-likelihood, without the term ``log(target!)``.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        The logarithm of the rate, or the rate itself.
    target : array of the same shape
        Counts: at least 0.
    log_input : bool, default True
        Whether the prediction is ``log(rate)``. Above 88 in float32, or 709 in float64, the rate is infinite.
    sample_weight, reduction
        As for `mean_squared_error`.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    ArgumentError
        When a target is negative, or, without `log_input`, a rate.

    Examples
    --------
    >>> poisson(np.log([2.0, 2.0]), np.array([0, 2]), reduction="none")
    array([2.        , 0.61370564])
    """
    prediction, target = match(prediction, target)
    check_values(target, lambda t: t >= 0, "counts, at least 0", "Pass the counts themselves.")
    if log_input:
        losses = np.exp(prediction) - target * prediction
    else:
        if type(prediction) is np.ndarray and (prediction < 0).any():
            what = f"poisson got a negative rate, {prediction.min()}"
            raise ArgumentError(compose(what, instead='Use log_input=True, or end in Activation("softplus").'))
        losses = prediction - target * np.log(np.where(target > 0, prediction, 1))
    return _finish(losses, sample_weight, reduction)


@weighted(element_weights)
def gaussian_nll(prediction: Array, target: Any, *, sample_weight: Any = None, reduction: str = "mean") -> Array:
    """``l = (log(2π) + v + (target - m)² exp(-v)) / 2``: the negative log-likelihood of a normal distribution [1]_.

    The network predicts the mean m and the logarithm v of the variance.

    Parameters
    ----------
    prediction : array of shape (n_samples, 2 * n_outputs)
        First the means of all outputs, then the log-variances of all outputs: end in ``Dense(2 * n_outputs)``.
    target : array of shape (n_samples, n_outputs), or (n_samples,) for one output
        What was observed.
    sample_weight, reduction
        As for `mean_squared_error`.

    Raises
    ------
    ShapeError
        When the prediction does not have two columns for each of the target.

    References
    ----------
    .. [1] D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution",
       ICNN 1994.

    Examples
    --------
    >>> gaussian_nll(np.array([[0.0, 0.0]]), np.array([0.0]), reduction="none")
    array([0.91893853])
    """
    prediction = as_floats(prediction)
    outputs, rest = divmod(prediction.shape[-1] if prediction.ndim == 2 else 1, 2)
    if rest:
        what = f"gaussian_nll needs a mean and a log-variance for each output, got the shape {prediction.shape}"
        raise ShapeError(compose(what, instead="End the network in Dense(2 * n_outputs)."))
    mean, target = match(prediction[:, :outputs], target)
    log_variance = np.reshape(prediction[:, outputs:], mean.shape)
    losses = 0.5 * (math.log(2 * math.pi) + log_variance + np.square(target - mean) * np.exp(-log_variance))
    return _finish(losses, sample_weight, reduction)


@weighted(element_weights)
def pinball(
    prediction: Array, target: Any, *, quantile: Any = 0.5, sample_weight: Any = None, reduction: str = "mean"
) -> Array:
    """``l = q e`` if e >= 0, else ``(q - 1) e``, where e is target - prediction: fits the q-quantile [1]_.

    The derivative at 0 is the mean of those on both sides, so that ``quantile=0.5`` is half the absolute error there
    too.

    Parameters
    ----------
    prediction : array of shape (n_samples,) or (n_samples, n_outputs)
        The quantile of each output. For several quantiles (n_samples, n_quantiles).
    target : array of the same shape, or (n_samples,) for several quantiles
        What was observed.
    quantile : float or sequence of float, default 0.5
        In (0, 1). For several quantiles, l is the mean of theirs.
    sample_weight, reduction
        As for `mean_squared_error`.

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    ArgumentError
        When a quantile is not in (0, 1).

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978).

    Examples
    --------
    >>> pinball(np.array([[0.0, 0.0]]), np.array([10.0]), quantile=(0.1, 0.9), reduction="none")
    array([5.])
    """
    if isinstance(quantile, (list, tuple, np.ndarray)):
        levels = [check("pinball: quantile", level, OpenFraction) for level in quantile]
        return _finish(_pinball_of_several(as_floats(prediction), as_array(target), levels), sample_weight, reduction)
    level = check("pinball: quantile", quantile, OpenFraction)
    prediction, target = match(prediction, target)
    return _finish(_tilted(target - prediction, level), sample_weight, reduction)


def _tilted(error: Array, level: Any) -> Array:
    return 0.5 * np.abs(error) + (level - 0.5) * error


def _pinball_of_several(prediction: Array, target: Array, levels: list[float]) -> Array:
    if prediction.ndim != 2 or prediction.shape[1] != len(levels):
        what = f"pinball has {len(levels)} quantiles, and the prediction has the shape {prediction.shape}"
        raise ShapeError(compose(what, instead=f"End the network in Dense({len(levels)})."))
    columns = [match(prediction[:, index], target) for index in range(len(levels))]
    terms = [_tilted(observed - column, level) for (column, observed), level in zip(columns, levels, strict=True)]
    return sum(terms[1:], terms[0]) / len(levels)
