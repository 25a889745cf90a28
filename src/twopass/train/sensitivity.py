"""How the output of a network depends on its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.api import grad
from twopass.train.samples import Array

__all__ = ["input_gradients"]


def input_gradients(function: Callable[[Any], Any], x: Array) -> Array:
    """The derivative of each output of a sample with respect to each number of its input.

    Parameters
    ----------
    function : callable
        Gives outputs of shape (n_samples, n_outputs); each sample's depend on that sample alone, as those of a network
        in prediction do. So one backward pass for each output is enough for all samples.
    x : array of shape (n_samples, ...)
        Inputs.

    Returns
    -------
    array of shape (n_samples, n_outputs, ...)

    Examples
    --------
    >>> input_gradients(lambda x: np.stack([x[:, 0] * x[:, 1], x[:, 0] ** 2], axis=1), np.array([[2.0, 3.0]]))
    array([[[3., 2.],
            [4., 0.]]])
    """
    count = function(x[:1]).shape[1]
    return np.stack([grad(lambda x, k=k: np.sum(function(x)[:, k]))(x) for k in range(count)], axis=1)
