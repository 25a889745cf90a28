"""Which learning rate to start from."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.errors import ArgumentError, compose
from twopass.nn.random import fold_in
from twopass.optim import schedules
from twopass.train.parameters import Partition
from twopass.train.step import make_step

if TYPE_CHECKING:
    from twopass.train.trainer import Trainer

__all__ = ["LearningRateFinder", "LearningRateSweep"]

_SMOOTHING = 0.9  # weight of the past in the moving average that tells whether the loss explodes
_EXPLODED = 4.0  # times the smallest average
_WINDOW = 0.2  # share of the sweep over which a slope is measured


@dataclasses.dataclass(frozen=True)
class LearningRateSweep:
    """What a `LearningRateFinder` has found.

    Parameters
    ----------
    learning_rates : list of float
        Rising by a constant factor, one for each step.
    losses : list of float
        Loss of the step's batch, before its update.
    """

    learning_rates: list[float]
    losses: list[float]

    @property
    def suggestion(self) -> float:
        """The learning rate at which the loss falls fastest.

        The slopes are those of straight lines, fitted to the losses of a fifth of the sweep over the logarithm of the
        learning rate, which averages the noise of the batches out.

        Raises
        ------
        ArgumentError
            When the loss exploded at once.
        """
        half = max(1, int(_WINDOW * len(self.losses) / 2))
        if len(self.losses) < 2 * half + 1:
            raise ArgumentError(compose("the loss exploded at once", instead="Sweep from a smaller learning rate."))
        # The rates are evenly spaced on the logarithmic scale, so the slope is a weighted sum of the losses.
        slopes = np.correlate(self.losses, np.arange(-half, half + 1), mode="valid")
        return self.learning_rates[half + int(np.argmin(slopes))]


@dataclasses.dataclass(frozen=True)
class LearningRateFinder:
    """Train for a few steps with a learning rate that rises exponentially, and watch the loss.

    Smith, Cyclical Learning Rates for Training Neural Networks (2017), section 3.3, the range test, with the
    exponential rise of Gugger's "How Do You Find a Good Learning Rate" (2018). The trainer itself is left as it is.

    Parameters
    ----------
    low, high : float
        First and last learning rate.
    steps : int
        Number of batches; the sweep ends before when the loss explodes.

    Raises
    ------
    ArgumentError
        Unless 0 < low < high and there are at least 3 steps.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = x @ [1.0, -2.0, 0.5]
    >>> trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.01), seed=0)
    >>> sweep = LearningRateFinder(low=1e-4, high=10.0).find(trainer, x, y)
    >>> 0.01 < sweep.suggestion < 0.5
    True
    """

    low: float = 1e-6
    high: float = 10.0
    steps: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high < math.inf or self.steps < 3:
            what = f"no sweep leads from {self.low} to {self.high} in {self.steps} steps"
            raise ArgumentError(compose(what, instead="Write LearningRateFinder(low=1e-6, high=10.0, steps=100)."))

    def find(self, trainer: Trainer, x: Any, y: Any, *, batch_size: int = 32) -> LearningRateSweep:
        """Sweep from the trainer's current weights, without changing them.

        Raises
        ------
        ArgumentError, DataError, ShapeError, NotFiniteError
            As `Trainer.fit`, when the samples do not fit.
        """
        samples = trainer.check_samples(x, y)
        rise = schedules.exponential_decay(self.low, self.high / self.low, self.steps - 1)
        optimizer = trainer.optimizer.with_learning_rate(rise)
        params = trainer.params
        partition = Partition.of(trainer.net, params)
        state = optimizer.init(partition.split(params)[0])
        step = make_step(trainer.net, trainer.loss, optimizer, partition)
        rng, key = np.random.default_rng([trainer.seed, 0]), fold_in(trainer.seed, 0)
        batches = itertools.chain.from_iterable(
            samples.batches(batch_size, trainer.dtype, rng.permutation(len(samples))) for _ in itertools.count()
        )
        sweep, average, smallest = LearningRateSweep([], []), 0.0, math.inf
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # until it explodes
            for number, batch in zip(range(self.steps), batches, strict=False):
                params, state, loss = step(params, state, *batch, fold_in(key, number))
                average = _SMOOTHING * average + (1 - _SMOOTHING) * float(loss)
                smoothed = average / (1 - _SMOOTHING ** (number + 1))
                smallest = min(smallest, smoothed)
                if not smoothed <= _EXPLODED * smallest:
                    break
                sweep.learning_rates.append(float(rise(number)))
                sweep.losses.append(float(loss))
        return sweep
