"""Steps along the gradient, or its sign, with momentum: SGD and Lion."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass.checks import Fraction, NonNegative
from twopass.errors import ArgumentError, compose
from twopass.optim.optimizer import Optimizer
from twopass.optim.specification import LearningRate

__all__ = ["SGD", "Lion"]


@dataclasses.dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum or Nesterov's momentum.

    ::

        g = gradient + weight_decay * p
        v = momentum * v + g
        p = p - learning_rate * v                      (nesterov: g + momentum * v in the place of v)

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    momentum : float
        In [0, 1); 0 keeps no velocity.
    nesterov : bool
        Look ahead along the velocity; needs momentum.
    weight_decay : float
        Coefficient of an L2 penalty's gradient.

    Notes
    -----
    Robbins and Monro, A Stochastic Approximation Method (1951); Polyak, Some Methods of Speeding Up the Convergence
    of Iteration Methods (1964); Nesterov's momentum in the form of Sutskever et al., On the Importance of
    Initialization and Momentum in Deep Learning (2013), eqs. 3 and 4, with the change of variables that evaluates the
    gradient at the parameters. PyTorch's ``SGD`` with ``dampening=0``, whose velocity excludes the learning rate.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.SGD(0.1, momentum=0.9), {"w": np.array([1.0])}
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     updates, state = optimizer.update({"w": np.array([1.0])}, state, params)
    ...     params = tp.optim.apply_updates(params, updates)
    >>> params
    {'w': array([0.71])}
    """

    learning_rate: LearningRate
    momentum: Fraction = 0.0
    nesterov: bool = False
    weight_decay: NonNegative = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ArgumentError(compose("SGD: nesterov needs a momentum above 0", instead="Write momentum=0.9."))

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return (rate,)

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        (rate,) = coefficients
        if self.weight_decay:
            gradient = gradient + self.weight_decay * param
        if not self.momentum:
            return (-rate * gradient,)
        velocity = self.momentum * slots[0] + gradient
        direction = gradient + self.momentum * velocity if self.nesterov else velocity
        return -rate * direction, velocity


@dataclasses.dataclass(frozen=True)
class Lion(Optimizer):
    """Evolved sign momentum: every parameter moves by the learning rate, up or down.

    ::

        c = beta1 * m + (1 - beta1) * g
        p = p - learning_rate * (sign(c) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule; 3 to 10 times smaller than Adam's.
    beta1, beta2 : float
        In [0, 1): weights of the past in the direction, and in the momentum.
    weight_decay : float
        Decoupled from the gradient; 3 to 10 times larger than AdamW's.

    Notes
    -----
    Chen et al., Symbolic Discovery of Optimization Algorithms (2023), algorithm 2. Optax's ``lion``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.Lion(0.01), {"w": np.array([1.0, 1.0])}
    >>> optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)[0]
    {'w': array([-0.01,  0.01])}
    """

    learning_rate: LearningRate = 1e-4
    beta1: Fraction = 0.9
    beta2: Fraction = 0.99
    weight_decay: NonNegative = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",)

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return (rate,)

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        (rate,), (momentum,) = coefficients, slots
        direction = np.sign(self.beta1 * momentum + (1.0 - self.beta1) * gradient)
        if self.weight_decay:
            direction = direction + self.weight_decay * param
        return -rate * direction, self.beta2 * momentum + (1.0 - self.beta2) * gradient
