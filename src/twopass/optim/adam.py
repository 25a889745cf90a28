"""Steps from moving averages of the gradient and of its square: Adam and its relatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass.checks import Fraction, NonNegative, Positive
from twopass.optim.optimizer import Optimizer
from twopass.optim.specification import LearningRate

__all__ = ["Adam", "AdamW", "NAdam", "RAdam"]


@dataclasses.dataclass(frozen=True)
class _Moments(Optimizer, abstract=True):
    """Moving averages ``m`` of g and ``v`` of g², whose bias to zero is corrected by 1 - beta1^t and 1 - beta2^t."""

    learning_rate: LearningRate = 1e-3
    beta1: Fraction = 0.9
    beta2: Fraction = 0.999
    epsilon: Positive = 1e-8

    @property
    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def corrections(self, counters: dict[str, Any]) -> tuple[Any, Any]:
        """``1 - beta1**t`` and ``1 - beta2**t`` for step number t, the first being 1."""
        return 1.0 - self.beta1 ** counters["step"], 1.0 - self.beta2 ** counters["step"]

    def step(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, Any]:
        """Step size and epsilon, both times the root of the second correction.

        So the root of the second moment need not be divided by it, which would cost a division for each parameter.
        """
        correction1, correction2 = self.corrections(counters)
        root = np.sqrt(correction2)
        return rate / correction1 * root, self.epsilon * root

    def moments(self, gradient: Any, first: Any, second: Any) -> tuple[Any, Any]:
        """The averages after one more gradient."""
        return (
            self.beta1 * first + (1.0 - self.beta1) * gradient,
            self.beta2 * second + (1.0 - self.beta2) * gradient * gradient,
        )


@dataclasses.dataclass(frozen=True)
class Adam(_Moments):
    """Adaptive moment estimation.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - learning_rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    beta1, beta2 : float
        In [0, 1): weights of the past in the two moving averages.
    epsilon : float
        Above 0; added to the root, after the bias correction.

    Notes
    -----
    Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), algorithm 1. PyTorch's ``Adam``. (TensorFlow's
    adds epsilon before the correction: "epsilon hat" of the paper's section 2.) For an L2 penalty put `weight_decay`
    before it in a `chain`; see `AdamW` for why not to.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.Adam(0.001), {"w": np.array([1.0, 1.0])}
    >>> optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)[0]
    {'w': array([-0.001,  0.001])}
    """

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return self.step(rate, counters)

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        step_size, epsilon = coefficients
        first, second = self.moments(gradient, *slots)
        return -step_size * first / (np.sqrt(second) + epsilon), first, second


@dataclasses.dataclass(frozen=True)
class AdamW(_Moments):
    """Adam with weight decay that does not pass through the moments.

    ::

        p = p - learning_rate * (weight_decay * p + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon))

    with the moments m and v of `Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    beta1, beta2 : float
        In [0, 1): weights of the past in the two moving averages.
    epsilon : float
        Above 0; added to the root, after the bias correction.
    weight_decay : float
        Share of a parameter that a learning rate of 1 would remove at each step.

    Notes
    -----
    Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2, with the schedule multiplier and
    the learning rate in one number. PyTorch's ``AdamW``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.AdamW(0.001, weight_decay=0.5), {"w": np.array([1.0, 1.0])}
    >>> optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)[0]
    {'w': array([-0.0015,  0.0005])}
    """

    weight_decay: NonNegative = 0.01

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return *self.step(rate, counters), rate * self.weight_decay

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        step_size, epsilon, decay = coefficients
        first, second = self.moments(gradient, *slots)
        adaptive = step_size * first / (np.sqrt(second) + epsilon)
        return -(decay * param + adaptive), first, second


@dataclasses.dataclass(frozen=True)
class NAdam(_Moments):
    """Adam with Nesterov's momentum.

    ::

        mu(t) = beta1 * (1 - 0.96^(t * momentum_decay) / 2)
        M(t) = mu(1) * ... * mu(t)
        m' = mu(t + 1) * m / (1 - M(t + 1)) + (1 - mu(t)) * g / (1 - M(t))
        p = p - learning_rate * m' / (sqrt(v / (1 - beta2^t)) + epsilon)

    with the moments m and v of `Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    beta1, beta2 : float
        In [0, 1): weights of the past in the two moving averages.
    epsilon : float
        Above 0; added to the root, after the bias correction.
    momentum_decay : float
        How fast the momentum mu(t) rises from beta1 / 2 to beta1.

    Notes
    -----
    Dozat, Incorporating Nesterov Momentum into Adam (2016), algorithm 2, with the momentum schedule of its
    predecessor technical report. PyTorch's ``NAdam``, which keeps M in float32 by default.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.NAdam(0.001), {"w": np.array([1.0, 1.0])}
    >>> updates, state = optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)
    >>> np.round(updates["w"], 5), np.round(state["momentum_product"], 5)
    (array([-0.00106,  0.00106]), np.float64(0.45007))
    """

    learning_rate: LearningRate = 2e-3
    momentum_decay: NonNegative = 4e-3

    def counters(self) -> dict[str, Any]:
        return {**super().counters(), "momentum_product": np.ones((), np.float64)}

    def advance(self, counters: dict[str, Any]) -> dict[str, Any]:
        moved = super().advance(counters)
        product = counters["momentum_product"] * self._momentum(moved["step"])
        return {**moved, "momentum_product": np.reshape(product, ())}

    def _momentum(self, step: Any) -> Any:
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (step * self.momentum_decay))

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        step, product = counters["step"], counters["momentum_product"]
        momentum, following = self._momentum(step), self._momentum(step + 1)
        root = np.sqrt(self.corrections(counters)[1])  # as in `step`
        return (
            rate * (1.0 - momentum) / (1.0 - product) * root,
            rate * following / (1.0 - product * following) * root,
            self.epsilon * root,
        )

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        gradient_share, moment_share, epsilon = coefficients
        first, second = self.moments(gradient, *slots)
        direction = gradient_share * gradient + moment_share * first
        return -direction / (np.sqrt(second) + epsilon), first, second


@dataclasses.dataclass(frozen=True)
class RAdam(_Moments):
    """Adam whose first steps, where the second moment is unreliable, are momentum steps.

    ::

        rho_inf = 2 / (1 - beta2) - 1
        rho(t) = rho_inf - 2 * t * beta2^t / (1 - beta2^t)
        r(t) = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        p = p - learning_rate * (m / (1 - beta1^t)) * r / ((sqrt(v) + epsilon) / sqrt(1 - beta2^t))     if rho > 5
        p = p - learning_rate * (m / (1 - beta1^t))                                                     otherwise

    with the moments m and v of `Adam`.

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    beta1, beta2 : float
        In [0, 1): weights of the past in the two moving averages.
    epsilon : float
        Above 0; added to the root, before the bias correction.

    Notes
    -----
    Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2020), algorithm 2, with the threshold 5
    of its published code (the text has 4) and no epsilon in the text. PyTorch's ``RAdam``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.RAdam(0.001), {"w": np.array([1.0, 1.0])}
    >>> optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)[0]
    {'w': array([-0.005 ,  0.0001])}
    """

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        correction1, correction2 = self.corrections(counters)
        limit = 2.0 / (1.0 - self.beta2) - 1.0
        length = limit - 2.0 * counters["step"] * (1.0 - correction2) / correction2
        # Up to the threshold the rectification is not used, and its formula may divide by zero.
        safe, top = np.maximum(length, 5.0), max(limit, 5.0)
        rectification = np.sqrt((safe - 4.0) * (safe - 2.0) * top / ((top - 4.0) * (top - 2.0) * safe))
        return rate / correction1, rectification * np.sqrt(correction2), length > 5.0

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        step_size, rectification, reliable = coefficients
        first, second = self.moments(gradient, *slots)
        adaptive = rectification / (np.sqrt(second) + self.epsilon)
        return -step_size * first * np.where(reliable > 0, adaptive, 1.0), first, second
