"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twopass.checks import Fraction
from twopass.errors import ArgumentError, compose
from twopass.nn.layer import Layer
from twopass.nn.random import uniform
from twopass.nn.types import Array, Key, Params, Shape
from twopass.nn.validation import check_shape

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Layer):
    """Set each number to 0 with probability `rate` in training, and leave all as they are in prediction [1]_.

    The numbers that are kept are divided by ``1 - rate`` ("inverted" dropout), so that the expected value is the same
    in both. Which are dropped is a function of `key` and their positions alone (`twopass.nn.random`).

    Parameters
    ----------
    rate : float
        In [0, 1).

    Raises
    ------
    ArgumentError
        When the rate is not in [0, 1), or there is no key in training.

    References
    ----------
    .. [1] N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever and R. Salakhutdinov, "Dropout: a simple way to
       prevent neural networks from overfitting", JMLR 15 (2014).

    Examples
    --------
    >>> layer, x = Dropout(0.5), np.ones((1, 6), np.float32)
    >>> layer.apply({}, x, training=True, key=42)[0]
    array([[2., 0., 0., 0., 0., 2.]], dtype=float32)
    >>> layer({}, x)
    array([[1., 1., 1., 1., 1., 1.]], dtype=float32)
    """

    rate: Fraction

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return check_shape(input_shape)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        if not training or self.rate == 0:
            return x, params
        if key is None:
            what = "Dropout needs a key in training"
            why = "It says which numbers are dropped; take another one at each step."
            raise ArgumentError(compose(what, why=why, instead="Write net.apply(params, x, training=True, key=step)."))
        # float32 numbers for float64 networks too: the mask does not depend on the precision.
        kept = uniform(key, x.shape, np.float32) >= self.rate
        return np.where(kept, x * (1 / (1 - self.rate)), 0), params
