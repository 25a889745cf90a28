"""Steps divided by the size of past gradients: Adagrad and RMSProp."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass.checks import Fraction, Positive
from twopass.optim.optimizer import Optimizer
from twopass.optim.specification import LearningRate

__all__ = ["Adagrad", "RMSProp"]


@dataclasses.dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adaptive gradient: divide by the root of the sum of all squared gradients.

    ::

        s = s + g * g
        p = p - learning_rate * g / (sqrt(s) + epsilon)

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    epsilon : float
        Above 0; added to the root.

    Notes
    -----
    Duchi, Hazan and Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization (2011),
    figure 1, with the diagonal matrix. PyTorch's ``Adagrad`` with ``lr_decay=0``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.Adagrad(0.1), {"w": np.array([1.0, 1.0])}
    >>> optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)[0]
    {'w': array([-0.1,  0.1])}
    """

    learning_rate: LearningRate = 0.01
    epsilon: Positive = 1e-10

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square_sum",)

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return (rate,)

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        (rate,), (square_sum,) = coefficients, slots
        square_sum = square_sum + gradient * gradient
        return -rate * gradient / (np.sqrt(square_sum) + self.epsilon), square_sum


@dataclasses.dataclass(frozen=True)
class RMSProp(Optimizer):
    """Divide by a moving root mean square of the gradients.

    ::

        s = decay * s + (1 - decay) * g * g
        a = decay * a + (1 - decay) * g                if centered, else 0
        v = momentum * v + g / (sqrt(s - a * a) + epsilon)
        p = p - learning_rate * v

    Parameters
    ----------
    learning_rate : float or callable
        A number above 0, or a schedule.
    decay : float
        In [0, 1): weight of the past in the moving averages.
    epsilon : float
        Above 0; added to the root.
    momentum : float
        In [0, 1); 0 keeps no velocity.
    centered : bool
        Divide by the standard deviation instead of the root mean square.

    Notes
    -----
    Tieleman and Hinton, Lecture 6.5 of Neural Networks for Machine Learning (2012); the centered form is Graves,
    Generating Sequences With Recurrent Neural Networks (2013), eqs. 38 to 41. PyTorch's ``RMSprop``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.RMSProp(0.01), {"w": np.array([1.0, 1.0])}
    >>> updates, state = optimizer.update({"w": np.array([5.0, -0.1])}, optimizer.init(params), params)
    >>> np.round(updates["w"], 4)
    array([-0.1,  0.1])
    """

    learning_rate: LearningRate = 0.01
    decay: Fraction = 0.99
    epsilon: Positive = 1e-8
    momentum: Fraction = 0.0
    centered: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        optional = {"mean": self.centered, "velocity": bool(self.momentum)}
        return ("square", *(name for name, used in optional.items() if used))

    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        return (rate,)

    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        (rate,), past = coefficients, dict(zip(self.slots, slots, strict=True))
        new = {"square": self._average(past["square"], gradient * gradient)}
        variance = new["square"]
        if self.centered:
            new["mean"] = self._average(past["mean"], gradient)
            # Rounding can make the difference of nearly equal numbers negative.
            variance = np.maximum(variance - new["mean"] * new["mean"], 0.0)
        direction = gradient / (np.sqrt(variance) + self.epsilon)
        if self.momentum:
            direction = new["velocity"] = self.momentum * past["velocity"] + direction
        return -rate * direction, *new.values()

    def _average(self, past: Any, value: Any) -> Any:
        return self.decay * past + (1.0 - self.decay) * value
