"""Layers that shift and scale their input to mean 0 and variance 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.checks import Fraction, Positive
from twopass.errors import ShapeError, compose
from twopass.nn.layer import Layer
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.nn.validation import check_shape
from twopass.pullbacks import with_pullback

__all__ = ["BatchNorm", "LayerNorm"]


class _Normalization(Layer, abstract=True):
    """What both have: one scale and one shift for each feature of the last axis."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        shape = check_shape(input_shape)
        if not shape:
            what = f"{type(self).__name__} needs samples with at least one axis, got single numbers"
            raise ShapeError(compose(what, instead="Write x[:, np.newaxis] to make each a vector of length 1."))
        return shape

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make scale and shift, which change nothing at first; see `Layer.init`."""
        features = self.output_shape(input_shape)[-1]
        return {"scale": np.ones(features, dtype), "shift": np.zeros(features, dtype)}

    def _check(self, params: Params, x: Array) -> None:
        features = params["scale"].shape[0]
        if x.ndim == 0 or x.shape[-1] != features:
            what = f"{self!r} has the parameters of {features} features, and x has the shape {x.shape}"
            raise ShapeError(compose(what, instead="Make the parameters with init(seed, x.shape[1:])."))


def _moments(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean, and variance with divisor n, along some axes, which are kept with length 1."""
    mean = np.mean(x, axis=axes, keepdims=True)
    return mean, np.mean(np.square(x - mean), axis=axes, keepdims=True)


def _pulled_by_batch(x: Array, scale: Array, shift: Array, *, epsilon: float) -> tuple[Array, Any]:
    """The result, and the pullback: Ioffe and Szegedy (2015), section 3, the six equations as one.

    The rules of the steps of `_normalize_by_batch` would give the same, but pass over the batch once more: none of them
    knows that the mean of ``x - mean`` is 0.
    """
    axes = tuple(range(x.ndim - 1))
    mean, variance = _moments(x, axes)
    deviation = np.sqrt(variance + epsilon)
    standard = (x - mean) / deviation

    def pullback(cotangent: Array) -> tuple[Array, Array, Array]:
        level, slope = np.mean(cotangent, axis=axes), np.mean(cotangent * standard, axis=axes)
        count = math.prod(x.shape[:-1])
        return (cotangent - level - standard * slope) * (scale / deviation), count * slope, count * level

    return standard * scale + shift, pullback


@with_pullback(_pulled_by_batch)
def _normalize_by_batch(x: Array, scale: Array, shift: Array, *, epsilon: float) -> Array:
    """Normalise by the statistics of the batch."""
    mean, variance = _moments(x, tuple(range(x.ndim - 1)))
    return (x - mean) / np.sqrt(variance + epsilon) * scale + shift


@dataclass(frozen=True)
class BatchNorm(_Normalization):
    """Batch normalisation [1]_: ``y = scale (x - mean) / √(variance + epsilon) + shift``, for each feature.

    A feature is an index of the last axis; mean and variance go over all other axes. In training they are the batch's,
    and the running statistics move towards them: ``running = momentum · running + (1 - momentum) · batch``. Prediction
    takes the running statistics.

    Parameters
    ----------
    momentum : float, default 0.99
        In [0, 1): how much of the running statistics a step keeps.
    epsilon : float, default 1e-3
        Positive: keeps the divisor away from 0.
    frozen : bool, default False
        Whether training too takes the running statistics and leaves all as it is.

    Raises
    ------
    ArgumentError
        When a parameter is outside its interval.

    Notes
    -----
    Parameters: ``{"scale", "shift", "mean", "variance"}``, each of shape ``(features,)``. The statistics are among
    them but not trainable: `apply` returns them refreshed.

    The formulas and defaults are those of Keras 3's ``BatchNormalization``: the variance has the divisor n, in the
    running statistics too. PyTorch's ``BatchNorm1d`` divides by n - 1 there, and its ``momentum`` is 1 minus this one.

    A batch with one number for each feature says nothing of their spread (all would become 0): it is normalised by the
    running statistics, which stay as they are.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
       covariate shift", ICML 2015, algorithm 1.

    Examples
    --------
    >>> layer = BatchNorm(momentum=0.9, epsilon=1e-12)
    >>> params = layer.init(0, (1,))
    >>> y, params = layer.apply(params, np.float32([[1], [3]]), training=True)
    >>> y
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> params["mean"], params["variance"]
    (array([0.2], dtype=float32), array([1.], dtype=float32))
    """

    momentum: Fraction = 0.99
    epsilon: Positive = 1e-3

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make scale, shift and statistics, which change nothing at first; see `Layer.init`."""
        params = super().init(seed, input_shape, dtype)
        return {**params, "mean": np.zeros_like(params["shift"]), "variance": np.ones_like(params["scale"])}

    def trainable(self, params: Params) -> Any:
        """Scale and shift, unless frozen."""
        return {name: not self.frozen and name in ("scale", "shift") for name in params}

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        self._check(params, x)
        scale, shift = params["scale"], params["shift"]
        if not training or self.frozen or math.prod(x.shape[:-1]) <= 1:
            return (x - params["mean"]) * (scale / np.sqrt(params["variance"] + self.epsilon)) + shift, params
        mean, variance = _moments(x, tuple(range(x.ndim - 1)))
        moved = {"mean": self._moved(params["mean"], mean), "variance": self._moved(params["variance"], variance)}
        return _normalize_by_batch(x, scale, shift, epsilon=self.epsilon), {**params, **moved}

    def _moved(self, running: Array, batch: Array) -> Array:
        return self.momentum * running + (1 - self.momentum) * np.reshape(batch, running.shape)


@dataclass(frozen=True)
class LayerNorm(_Normalization):
    """Layer normalisation [1]_: ``y = scale (x - mean) / √(variance + epsilon) + shift``, for each sample.

    Mean and variance (with divisor n) go over the last axis, in training and prediction alike.

    Parameters
    ----------
    epsilon : float, default 1e-5
        Positive: keeps the divisor away from 0. The default and the formula are those of PyTorch's ``LayerNorm``.

    Raises
    ------
    ArgumentError
        When epsilon is not a positive number.

    Notes
    -----
    Parameters: ``{"scale", "shift"}``, each of shape ``(features,)``.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", arXiv 1607.06450, equation 3.

    Examples
    --------
    >>> layer = LayerNorm(epsilon=1e-12)
    >>> layer(layer.init(0, (2,)), np.float32([[1, 3], [10, 30]]))
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    epsilon: Positive = 1e-5

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        self._check(params, x)
        mean, variance = _moments(x, (-1,))
        return (x - mean) / np.sqrt(variance + self.epsilon) * params["scale"] + params["shift"], params
