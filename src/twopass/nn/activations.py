"""Activation functions, in plain NumPy.

Each takes an array of any shape and gives one of the same shape and dtype (integers become floats where the result is
not whole), and is meant to be differentiated. All are accurate to a few roundings over the whole line, both tails
included, without overflow: the exponential is only taken of ``-|x|``, spelled ``np.where(x > 0, -x, x)``, which unlike
``np.abs`` has a slope at 0, so that the derivatives at 0 are right.

At a kink the derivative is the one from the left: relu'(0) = 0, as in most of the literature.

A layer takes an activation by name, or any function of one array; `register` names your own, for saved models::

    Dense(300, activation="relu")
    Dense(300, activation=np.sin)
    Dense(300, activation=functools.partial(leaky_relu, slope=0.2))
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass import special
from twopass.nn.registry import REGISTRIES, Registry
from twopass.nn.types import Array

__all__ = [
    "elu",
    "gelu",
    "gelu_tanh",
    "get",
    "identity",
    "leaky_relu",
    "log_softmax",
    "mish",
    "names",
    "register",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "step",
    "tanh",
]

Activation = Callable[..., Any]
ACTIVATIONS: Registry[Activation] = Registry("activation")
REGISTRIES["activation"] = ACTIVATIONS


get = ACTIVATIONS.get
names = ACTIVATIONS.names
register = ACTIVATIONS.register


# --- linear pieces --------------------------------------------------------------------------------------------------


@ACTIVATIONS.named("identity")
def identity(x: Array) -> Array:
    """The input itself."""
    return x


@ACTIVATIONS.named("step")
def step(x: Array) -> Array:
    """The perceptron's threshold: 1 if x >= 0, else 0 [1]_.

    Its derivative is 0 everywhere, so gradient descent cannot train what comes before it.

    References
    ----------
    .. [1] W. S. McCulloch and W. Pitts, "A logical calculus of the ideas immanent in nervous activity", Bulletin of
       Mathematical Biophysics 5 (1943).

    Examples
    --------
    >>> step(np.array([-1.0, 0.0, 2.0]))
    array([0., 1., 1.])
    """
    return np.heaviside(x, 1)


@ACTIVATIONS.named("relu")
def relu(x: Array) -> Array:
    """The rectifier ``max(x, 0)``, with derivative 0 at 0 [1]_.

    References
    ----------
    .. [1] V. Nair and G. E. Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.

    Examples
    --------
    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    # np.maximum(x, 0) would split the derivative at the tie into 1/2 and 1/2. A NaN is not <= 0: it stays one.
    return np.where(x <= 0, 0, x)


@ACTIVATIONS.named("leaky_relu")
def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    """``x`` if x > 0, else ``slope * x``: a rectifier whose units cannot die [1]_.

    References
    ----------
    .. [1] A. L. Maas, A. Y. Hannun and A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models",
       ICML 2013.

    Examples
    --------
    >>> leaky_relu(np.array([-1.0, 0.0, 2.0]), slope=0.1)
    array([-0.1, 0. , 2. ])
    """
    return np.where(x > 0, x, slope * x)


# --- exponential linear units ---------------------------------------------------------------------------------------


@ACTIVATIONS.named("elu")
def elu(x: Array, alpha: float = 1.0) -> Array:
    """``x`` if x > 0, else ``alpha (exp(x) - 1)`` [1]_.

    References
    ----------
    .. [1] D.-A. Clevert, T. Unterthiner and S. Hochreiter, "Fast and accurate deep network learning by exponential
       linear units (ELUs)", ICLR 2016.

    Examples
    --------
    >>> elu(np.array([-1e4, -1.0, 2.0]))
    array([-1.        , -0.63212056,  2.        ])
    """
    positive = x > 0
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x)))


_SELU_ALPHA = 1.6732632423543772848
_SELU_SCALE = 1.0507009873554804934


@ACTIVATIONS.named("selu")
def selu(x: Array) -> Array:
    """``1.0507 elu(x, alpha=1.6733)``: keeps the mean 0 and the variance 1 from layer to layer [1]_.

    That holds for dense layers whose weights are initialised with ``"lecun_normal"`` (the default for this activation)
    and inputs that are standardised.

    References
    ----------
    .. [1] G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, "Self-normalizing neural networks", NeurIPS 2017,
       equation 14.

    Examples
    --------
    >>> selu(np.array([-1e4, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


# --- sigmoids -------------------------------------------------------------------------------------------------------


def _decay(x: Array) -> Array:
    """``exp(-|x|)``, with the derivative of ``exp(x)`` at 0."""
    return np.exp(np.where(x > 0, -x, x))


@ACTIVATIONS.named("sigmoid", "logistic")
def sigmoid(x: Array) -> Array:
    """The logistic function ``1 / (1 + exp(-x))``; also named ``"logistic"``.

    Examples
    --------
    >>> sigmoid(np.array([-1e4, -50.0, 0.0, 50.0]))
    array([0.00000000e+00, 1.92874985e-22, 5.00000000e-01, 1.00000000e+00])
    """
    decay = _decay(x)
    return np.where(x > 0, 1, decay) / (1 + decay)


@ACTIVATIONS.named("tanh")
def tanh(x: Array) -> Array:
    """The hyperbolic tangent ``2 sigmoid(2 x) - 1``.

    Examples
    --------
    >>> tanh(np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return np.tanh(x)


@ACTIVATIONS.named("softplus")
def softplus(x: Array) -> Array:
    """``log(1 + exp(x))``: a smooth rectifier, whose derivative is the logistic function [1]_.

    References
    ----------
    .. [1] C. Dugas, Y. Bengio, F. Bélisle, C. Nadeau and R. Garcia, "Incorporating second-order functional knowledge
       for better option pricing", NeurIPS 2000.

    Examples
    --------
    >>> softplus(np.array([-50.0, 0.0, 1e4]))
    array([1.92874985e-22, 6.93147181e-01, 1.00000000e+04])
    """
    return np.where(x > 0, x, 0) + np.log1p(_decay(x))


@ACTIVATIONS.named("silu", "swish")
def silu(x: Array) -> Array:
    """``x sigmoid(x)``; also named ``"swish"`` [1]_.

    References
    ----------
    .. [1] S. Elfwing, E. Uchibe and K. Doya, "Sigmoid-weighted linear units for neural network function approximation
       in reinforcement learning", Neural Networks 107 (2018).

    Examples
    --------
    >>> silu(np.array([0.0, 1.0]))
    array([0.        , 0.73105858])
    """
    return x * sigmoid(x)


@ACTIVATIONS.named("mish")
def mish(x: Array) -> Array:
    """``x tanh(softplus(x))`` [1]_.

    References
    ----------
    .. [1] D. Misra, "Mish: a self regularized non-monotonic activation function", BMVC 2020.

    Examples
    --------
    >>> mish(np.array([0.0, 1.0]))
    array([0.        , 0.86509839])
    """
    return x * np.tanh(softplus(x))


@ACTIVATIONS.named("gelu")
def gelu(x: Array) -> Array:
    """``x Φ(x)``, where Φ is the normal distribution function, computed from the error function [1]_.

    References
    ----------
    .. [1] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", arXiv 1606.08415.

    Examples
    --------
    >>> gelu(np.array([-10.0, 0.0, 1.0]))
    array([-7.61985302e-23, 0.0, 8.41344746e-01])
    """
    return x * (0.5 * special.erfc(x * -math.sqrt(0.5)))


@ACTIVATIONS.named("gelu_tanh")
def gelu_tanh(x: Array) -> Array:
    """``x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))``, which is within 5e-4 of `gelu` [1]_.

    References
    ----------
    .. [1] D. Hendrycks and K. Gimpel, "Gaussian error linear units (GELUs)", arXiv 1606.08415, section 2.

    Examples
    --------
    >>> gelu_tanh(np.array([0.0, 1.0]))
    array([0.        , 0.84119199])
    """
    # (1 + tanh(u)) / 2 = sigmoid(2 u), which unlike the left side is accurate where tanh(u) is near -1.
    return x * sigmoid(math.sqrt(8 / math.pi) * x * (1 + 0.044715 * (x * x)))


# --- over an axis ---------------------------------------------------------------------------------------------------


@ACTIVATIONS.named("softmax")
def softmax(x: Array, axis: int = -1) -> Array:
    """``exp(x) / sum(exp(x))`` along an axis: positive numbers that sum to 1.

    Networks that are trained with `softmax_cross_entropy` end in logits, without it.

    Examples
    --------
    >>> softmax(np.array([1e4, 1e4, -1e4]))
    array([0.5, 0.5, 0. ])
    """
    return special.softmax(x, axis)


@ACTIVATIONS.named("log_softmax")
def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x - log(sum(exp(x)))`` along an axis: the logarithm of `softmax`, finite where that is 0.

    Examples
    --------
    >>> log_softmax(np.array([1e4, -1e4]))
    array([     0., -20000.])
    """
    return special.log_softmax(x, axis)
