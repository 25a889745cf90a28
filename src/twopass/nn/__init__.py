"""Layers, activations, initializers, losses, metrics: networks in plain NumPy.

A layer is a specification; its parameters are a plain tree of arrays (`twopass.nn.layer`). Nothing here knows about
differentiation: the engine differentiates the NumPy code as it would the user's own.
"""

from twopass.nn import activations, initializers, losses, metrics, random
from twopass.nn.activations import (
    elu,
    gelu,
    gelu_tanh,
    identity,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    step,
    tanh,
)
from twopass.nn.layer import Layer
from twopass.nn.layers import (
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    EmbeddedColumns,
    Embedding,
    Ensemble,
    Flatten,
    Graph,
    LayerNorm,
    Residual,
    Sequential,
)
from twopass.nn.losses import (
    binary_cross_entropy,
    focal,
    gaussian_nll,
    hinge,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    pinball,
    poisson,
    softmax_cross_entropy,
)
from twopass.nn.penalties import L1, L1L2, L2, Constraint, MaxNorm, Penalty
from twopass.nn.specification import from_config
from twopass.nn.summary import Summary, SummaryRow, summary_rows

#: Synonyms, under the names that other libraries use.
logistic = sigmoid
swish = silu

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "Activation",
    "BatchNorm",
    "Constraint",
    "Dense",
    "Dropout",
    "EmbeddedColumns",
    "Embedding",
    "Ensemble",
    "Flatten",
    "Graph",
    "Layer",
    "LayerNorm",
    "MaxNorm",
    "Penalty",
    "Residual",
    "Sequential",
    "Summary",
    "SummaryRow",
    "activations",
    "binary_cross_entropy",
    "elu",
    "focal",
    "from_config",
    "gaussian_nll",
    "gelu",
    "gelu_tanh",
    "hinge",
    "huber",
    "identity",
    "initializers",
    "leaky_relu",
    "log_cosh",
    "log_softmax",
    "logistic",
    "losses",
    "mean_absolute_error",
    "mean_squared_error",
    "metrics",
    "mish",
    "pinball",
    "poisson",
    "random",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "step",
    "summary_rows",
    "swish",
    "tanh",
]
