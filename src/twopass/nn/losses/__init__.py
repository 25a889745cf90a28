"""Losses: functions ``loss(prediction, target) -> number``, in plain NumPy.

All take ``sample_weight`` and ``reduction``, and those of classes take ``class_weight`` and logits. Parameters are set
with ``functools.partial(huber, delta=2.0)``. They keep the dtype of the prediction, and neither overflow nor lose the
small numbers for logits of any size.

Shapes and parameters are always checked; the values of targets where they are plain arrays, which they are outside of
differentiation and compilation. To check a data set once, call the loss on zeros of the network's output shape.
"""

from twopass.nn.losses.base import config, from_config, get, names, normaliser, register
from twopass.nn.losses.classification import binary_cross_entropy, focal, hinge, softmax_cross_entropy
from twopass.nn.losses.members import mean_prediction
from twopass.nn.losses.regression import (
    gaussian_nll,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    pinball,
    poisson,
)

__all__ = [
    "binary_cross_entropy",
    "config",
    "focal",
    "from_config",
    "gaussian_nll",
    "get",
    "hinge",
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_prediction",
    "mean_squared_error",
    "names",
    "normaliser",
    "pinball",
    "poisson",
    "register",
    "softmax_cross_entropy",
]
