"""Learning rates as functions of the step number.

A schedule is called with the number t of updates made so far (a step is one mini-batch, not one epoch) and gives the
learning rate of the next one; the first update uses ``schedule(0)``. An epoch of n samples has ``ceil(n / batch_size)``
steps. Every schedule here is plain NumPy, so that a compiled training step contains it, and takes an array of step
numbers as well, for a plot.

>>> import numpy as np, twopass as tp
>>> schedule = tp.optim.schedules.warmup(tp.optim.schedules.cosine_decay(0.1, steps=8), steps=2)
>>> optimizer = tp.optim.SGD(learning_rate=schedule, momentum=0.9)
>>> np.round(schedule(np.arange(11)), 3)
array([0.05 , 0.1  , 0.1  , 0.096, 0.085, 0.069, 0.05 , 0.031, 0.015, 0.004, 0.   ])
"""

from __future__ import annotations

import abc
import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from twopass.checks import Count, Fraction, NonNegative, Positive
from twopass.errors import ArgumentError, compose
from twopass.optim.specification import LearningRate, Specification

__all__ = [
    "Schedule",
    "constant",
    "cosine_decay",
    "cosine_restarts",
    "exponential_decay",
    "inverse_scaling",
    "one_cycle",
    "piecewise_constant",
    "polynomial_decay",
    "step_decay",
    "warmup",
]


@dataclasses.dataclass(frozen=True)
class Schedule(Specification, abc.ABC, abstract=True):
    """Base of the schedules. Any function of the step number is one, but only these can be saved with a model."""

    @abc.abstractmethod
    def __call__(self, step: Any) -> Any:
        """Learning rate of the update that follows `step` others (an integer, or an array of integers)."""


@dataclasses.dataclass(frozen=True)
class constant(Schedule):  # noqa: N801 - the schedules are called, and shown, like functions
    """The same learning rate at every step.

    Examples
    --------
    >>> float(constant(0.1)(7))
    0.1
    """

    value: Positive

    def __call__(self, step: Any) -> Any:
        return self.value + 0.0 * step


@dataclasses.dataclass(frozen=True)
class step_decay(Schedule):  # noqa: N801
    """Multiply by a factor every so many steps: ``initial * factor ** floor(t / every)``.

    PyTorch's ``StepLR``, in steps.

    Examples
    --------
    >>> step_decay(0.1, factor=0.5, every=10)(np.array([0, 9, 10, 20]))
    array([0.1  , 0.1  , 0.05 , 0.025])
    """

    initial: Positive
    factor: Positive
    every: Count

    def __call__(self, step: Any) -> Any:
        return self.initial * self.factor ** np.floor(step / self.every)


@dataclasses.dataclass(frozen=True)
class piecewise_constant(Schedule):  # noqa: N801
    """``values[i]`` from step ``boundaries[i - 1]`` on, until before step ``boundaries[i]``.

    Parameters
    ----------
    boundaries : tuple of int
        Increasing step numbers.
    values : tuple of float
        Learning rates, one more than there are boundaries.

    Examples
    --------
    >>> piecewise_constant((100, 200), (0.1, 0.01, 0.001))(np.array([0, 99, 100, 200]))
    array([0.1  , 0.1  , 0.01 , 0.001])
    """

    boundaries: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        boundaries, values = tuple(map(int, self.boundaries)), tuple(map(float, self.values))
        if len(values) != len(boundaries) + 1:
            what = f"piecewise_constant needs {len(boundaries) + 1} values for {len(boundaries)} boundaries"
            raise ArgumentError(compose(what, why=f"It got {len(values)}."))
        if any(later <= earlier for earlier, later in itertools.pairwise((0, *boundaries))):
            what = f"piecewise_constant: boundaries must be positive and increase, not {boundaries}"
            raise ArgumentError(compose(what))
        if not all(0 < value < math.inf for value in values):
            raise ArgumentError(compose(f"piecewise_constant: values must be numbers in (0, inf), not {values}"))
        self._set(boundaries=boundaries, values=values)

    def __call__(self, step: Any) -> Any:
        rate = self.values[0] + 0.0 * step
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = np.where(step >= boundary, value, rate)
        return rate


@dataclasses.dataclass(frozen=True)
class exponential_decay(Schedule):  # noqa: N801
    """Multiply by a factor over so many steps, smoothly: ``initial * factor ** (t / steps)``.

    With ``steps=1`` it is PyTorch's ``ExponentialLR``, in steps.

    Examples
    --------
    >>> exponential_decay(0.1, factor=0.25, steps=100)(np.array([0, 50, 100]))
    array([0.1  , 0.05 , 0.025])
    """

    initial: Positive
    factor: Positive
    steps: Count = 1

    def __call__(self, step: Any) -> Any:
        return self.initial * self.factor ** (step / self.steps)


@dataclasses.dataclass(frozen=True)
class inverse_scaling(Schedule):  # noqa: N801
    """``initial / (1 + t / steps) ** power``.

    A power above 1/2 and up to 1 meets the conditions under which stochastic approximation converges (Robbins and
    Monro, A Stochastic Approximation Method, 1951, eq. 6). With ``steps = 1 / batch_size`` it is scikit-learn's
    ``"invscaling"``, which counts samples.

    Examples
    --------
    >>> inverse_scaling(0.1, power=0.5)(np.array([0, 3, 99]))
    array([0.1 , 0.05, 0.01])
    """

    initial: Positive
    power: Positive = 0.5
    steps: Positive = 1.0

    def __call__(self, step: Any) -> Any:
        return self.initial / (1.0 + step / self.steps) ** self.power


@dataclasses.dataclass(frozen=True)
class polynomial_decay(Schedule):  # noqa: N801
    """``final + (initial - final) * (1 - min(t, steps) / steps) ** power``: linear for a power of 1.

    PyTorch's ``PolynomialLR``, in steps.

    Examples
    --------
    >>> polynomial_decay(0.1, steps=100, final=0.02)(np.array([0, 50, 100, 1000]))
    array([0.1 , 0.06, 0.02, 0.02])
    """

    initial: Positive
    steps: Count
    power: Positive = 1.0
    final: NonNegative = 0.0

    def __call__(self, step: Any) -> Any:
        left = 1.0 - np.minimum(step, self.steps) / self.steps
        return self.final + (self.initial - self.final) * left**self.power


@dataclasses.dataclass(frozen=True)
class cosine_decay(Schedule):  # noqa: N801
    """Half a cosine wave: ``final + (initial - final) * (1 + cos(pi * min(t, steps) / steps)) / 2``.

    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), eq. 5, without restarts.

    Examples
    --------
    >>> cosine_decay(0.1, steps=100)(np.array([0, 50, 100, 1000]))
    array([0.1 , 0.05, 0.  , 0.  ])
    """

    initial: Positive
    steps: Count
    final: NonNegative = 0.0

    def __call__(self, step: Any) -> Any:
        return _half_cosine(self.initial, self.final, np.minimum(step, self.steps) / self.steps)


@dataclasses.dataclass(frozen=True)
class cosine_restarts(Schedule):  # noqa: N801
    """Half cosine waves with warm restarts: cycle i lasts ``steps * multiplier**i`` steps.

    Within a cycle of T steps, t steps after its start: ``final + (initial - final) * (1 + cos(pi * t / T)) / 2``
    (Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, eq. 5). PyTorch's
    ``CosineAnnealingWarmRestarts``, in steps.

    Examples
    --------
    >>> np.round(cosine_restarts(0.1, steps=2, multiplier=2)(np.arange(7)), 4)
    array([0.1   , 0.05  , 0.1   , 0.0854, 0.05  , 0.0146, 0.1   ])
    """

    initial: Positive
    steps: Count
    multiplier: Count = 1
    final: NonNegative = 0.0

    def __call__(self, step: Any) -> Any:
        if self.multiplier == 1:
            return _half_cosine(self.initial, self.final, (step % self.steps) / self.steps)
        growth = self.multiplier - 1
        # Lengths add up to steps * (multiplier**cycle - 1) / growth. The logarithm of an exact power may be rounded
        # down, so it is raised by more than that and by less than one step makes.
        cycle = np.floor(np.log(1.0 + growth * step / self.steps) / math.log(self.multiplier) + 1e-12)
        length = self.steps * self.multiplier**cycle
        start = (length - self.steps) / growth
        return _half_cosine(self.initial, self.final, (step - start) / length)


@dataclasses.dataclass(frozen=True)
class warmup(Schedule):  # noqa: N801
    """Rise linearly to a schedule's first value, then follow the schedule.

    ``schedule(0) * (t + 1) / steps`` for the first `steps` steps, then ``schedule(t - steps)``: Goyal et al.,
    Accurate, Large Minibatch SGD (2017), section 2.2, gradual warm-up.

    Parameters
    ----------
    schedule : float or callable
        What follows.
    steps : int
        How many steps the rise takes.

    Examples
    --------
    >>> warmup(0.1, steps=4)(np.arange(6))
    array([0.025, 0.05 , 0.075, 0.1  , 0.1  , 0.1  ])
    """

    schedule: LearningRate
    steps: Count

    def __call__(self, step: Any) -> Any:
        following = self.schedule if callable(self.schedule) else constant(self.schedule)
        rising = following(0) * (step + 1) / self.steps
        return np.where(step < self.steps, rising, following(np.maximum(step - self.steps, 0)))


@dataclasses.dataclass(frozen=True)
class one_cycle(Schedule):  # noqa: N801
    """Rise to a peak and fall far below the start, both along half cosine waves.

    From ``peak / start_divisor`` at step 0 to `peak` at step ``rise * steps - 1``, then to
    ``peak / start_divisor / end_divisor`` at step ``steps - 1``, where it stays. Smith and Topin, Super-Convergence:
    Very Fast Training of Neural Networks Using Large Learning Rates (2018); as PyTorch's ``OneCycleLR`` with two
    phases, without its cycle of the momentum.

    Examples
    --------
    >>> np.round(one_cycle(0.1, steps=10)(np.array([0, 1, 2, 6, 9])), 4)
    array([0.004 , 0.052 , 0.1   , 0.0389, 0.    ])
    """

    peak: Positive
    steps: Count
    rise: Fraction = 0.3
    start_divisor: Positive = 25.0
    end_divisor: Positive = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1.0 < self.rise * self.steps < self.steps - 0.5:
            what = f"one_cycle: a rise over {self.rise} of {self.steps} steps leaves no step for one of its halves"
            raise ArgumentError(compose(what, instead="Give it more steps, or a rise nearer to 0.3."))

    def __call__(self, step: Any) -> Any:
        start = self.peak / self.start_divisor
        top = self.rise * self.steps - 1.0
        rising = _half_cosine(start, self.peak, np.minimum(step / top, 1.0))
        fallen = np.clip((step - top) / (self.steps - 1.0 - top), 0.0, 1.0)
        return np.where(step <= top, rising, _half_cosine(self.peak, start / self.end_divisor, fallen))


def _half_cosine(start: float, end: float, progress: Any) -> Any:
    """From `start` at progress 0 to `end` at progress 1."""
    return end + (start - end) * (1.0 + np.cos(math.pi * progress)) / 2.0
