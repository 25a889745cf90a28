"""What several networks predict together, in the form in which a loss takes predictions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.nn.activations import log_softmax, softplus
from twopass.nn.losses.base import Loss, get
from twopass.nn.losses.classification import binary_cross_entropy, focal, softmax_cross_entropy
from twopass.nn.losses.regression import gaussian_nll, poisson
from twopass.nn.types import Array

__all__ = ["mean_prediction"]


def mean_prediction(loss: str | Loss, outputs: Array, axis: int = 1) -> Array:
    """The mean of what the members of an ensemble predict, as one prediction that a loss takes.

    For numbers this is the mean of the outputs. Where a loss takes another form of what is meant, the mean is that of
    what is meant: of the probabilities, for logits; of the rates, for logarithms of rates; and for means with
    log-variances the mean and log-variance of the mixture, ``log(mean(exp(v) + (m - mean(m))²))`` [1]_.

    Parameters
    ----------
    loss : str or callable
        The loss that the members were trained with.
    outputs : array of shape (n_samples, n_members, ...)
        What `nn.Ensemble` gives.
    axis : int, default 1
        The axis of the members.

    Returns
    -------
    array of shape (n_samples, ...)

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using
       deep ensembles", NeurIPS 2017, section 2.4.

    Examples
    --------
    >>> mean_prediction("mean_squared_error", np.array([[[1.0], [2.0]]]))
    array([[1.5]])
    >>> logits = mean_prediction("binary_cross_entropy", np.array([[-1e4, 1e4, 1e4, 1e4]]))
    >>> 1 / (1 + np.exp(-logits))
    array([0.75])
    """
    function = get(loss)
    keywords = function.keywords if isinstance(function, functools.partial) else {}
    plain = function.func if isinstance(function, functools.partial) else function
    mean: Callable[[Array, int], Array] = _MEANS.get(plain, np.mean)
    if plain is poisson and not keywords.get("log_input", True):
        mean = np.mean
    return mean(outputs, axis)


def _log_mean_exp(x: Array, axis: int) -> Array:
    largest = np.max(x, axis=axis, keepdims=True)
    return np.squeeze(largest + np.log(np.mean(np.exp(x - largest), axis=axis, keepdims=True)), axis)


def _of_logits(x: Array, axis: int) -> Array:
    return _log_mean_exp(log_softmax(x), axis)


def _of_binary_logits(x: Array, axis: int) -> Array:
    return _log_mean_exp(-softplus(-x), axis) - _log_mean_exp(-softplus(x), axis)


def _of_normals(x: Array, axis: int) -> Array:
    mean, log_variance = np.split(x, 2, axis=-1)
    center = np.mean(mean, axis=axis, keepdims=True)
    spread = _log_mean_exp(log_variance, axis)
    between = np.mean(np.square(mean - center), axis=axis)
    # From the larger exponential, so that variances of any size keep their digits.
    return np.concatenate([np.squeeze(center, axis), spread + np.log1p(between * np.exp(-spread))], axis=-1)


#: For each loss whose predictions are not what is meant, how the mean of those is written.
_MEANS: dict[Any, Callable[[Array, int], Array]] = {
    softmax_cross_entropy: _of_logits,
    binary_cross_entropy: _of_binary_logits,
    focal: _of_binary_logits,
    poisson: _log_mean_exp,
    gaussian_nll: _of_normals,
}
