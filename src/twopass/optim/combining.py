"""Links that look beyond one step: gradient accumulation, averaged weights, and a learning rate that reacts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from twopass import tree
from twopass.checks import Count, Fraction, NonNegative, NonNegativeCount
from twopass.errors import ArgumentError, compose
from twopass.optim.transformation import Transformation, Tree, advanced, cast, zeros_like

__all__ = ["accumulate", "averaged_params", "moving_average", "reduce_on_plateau"]


@dataclasses.dataclass(frozen=True)
class accumulate(Transformation):  # noqa: N801 - called, and shown, like a function
    """Update every so many steps, with the mean of their gradients.

    With equal micro-batches the mean is the gradient of the batch that they make up, so that a large batch fits into
    little memory. The steps between change nothing: their updates are zero. What is left over at the end of an epoch
    joins the micro-batches of the next one.

    Parameters
    ----------
    steps : int
        Micro-batches in one update.
    optimizer : Transformation
        What receives the mean. Its schedule counts updates, not micro-batches.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer, params = tp.optim.accumulate(2, tp.optim.SGD(0.1)), {"w": np.array([1.0])}
    >>> first, state = optimizer.update({"w": np.array([1.0])}, optimizer.init(params), params)
    >>> second, state = optimizer.update({"w": np.array([3.0])}, state, params)
    >>> first, second
    ({'w': array([0.])}, {'w': array([-0.2])})
    """

    steps: Count
    optimizer: Transformation

    def init(self, params: Tree) -> Tree:
        return {
            "step": np.zeros((), np.int64),
            "gradient_sum": zeros_like(params),
            "optimizer": self.optimizer.init(params),
        }

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        step = advanced(state["step"])
        complete = step % self.steps == 0
        total = tree.map(lambda past, gradient: past + gradient, state["gradient_sum"], grads)
        mean = tree.map(lambda leaf: leaf / self.steps, total)
        # Every step computes the update and `where` drops it: a compiled step has no branches on array values.
        updates, following = self.optimizer.update(mean, state["optimizer"], params)
        return tree.map(lambda update: np.where(complete, update, np.zeros_like(update)), updates), {
            "step": step,
            "gradient_sum": tree.map(lambda leaf: np.where(complete, np.zeros_like(leaf), leaf), total),
            "optimizer": tree.map(lambda new, old: np.where(complete, new, old), following, state["optimizer"]),
        }

    def current_learning_rate(self, state: Tree) -> float | None:
        return self.optimizer.current_learning_rate(state["optimizer"])

    def with_learning_rate(self, learning_rate: Any) -> accumulate:
        return accumulate(self.steps, self.optimizer.with_learning_rate(learning_rate))

    def observe(self, state: Tree, value: float) -> Tree:
        return {**state, "optimizer": self.optimizer.observe(state["optimizer"], value)}


@dataclasses.dataclass(frozen=True)
class moving_average(Transformation):  # noqa: N801
    """Keep an exponential moving average of the parameters; the last link of a chain, which passes updates on.

    ``a = decay * a + (1 - decay) * (p + update)``, from zero; `averaged_params` gives it without the bias to zero.

    Parameters
    ----------
    decay : float
        In [0, 1): weight of the past. The average reaches back about ``1 / (1 - decay)`` steps.

    Notes
    -----
    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging (1992), with the exponential weights,
    and their bias correction, of Kingma and Ba, Adam (2015), section 7.2.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer = tp.optim.chain(tp.optim.SGD(0.5), tp.optim.moving_average(0.9))
    >>> params = {"w": np.array([1.0])}
    >>> updates, state = optimizer.update({"w": np.array([1.0])}, optimizer.init(params), params)
    >>> tp.optim.averaged_params(state)
    {'w': array([0.5])}
    """

    decay: Fraction = 0.999

    def init(self, params: Tree) -> Tree:
        return {"average": zeros_like(params), "average_weight": np.zeros((), np.float64)}

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        def averaged(past: Any, param: Any, update: Any) -> Any:
            return self.decay * past + (1.0 - self.decay) * (param + update)

        weight = self.decay * state["average_weight"] + (1.0 - self.decay)
        return grads, {
            "average": tree.map(averaged, state["average"], params, grads),
            "average_weight": np.reshape(weight, ()),
        }


def averaged_params(state: Tree) -> Tree:
    """The average that a `moving_average` in this optimizer state holds, without its bias to zero.

    Raises
    ------
    ArgumentError
        When the state holds none, or no step was made yet.
    """
    found = next(_averages(state), None)
    if found is None:
        what = "this optimizer state holds no average of the parameters"
        raise ArgumentError(compose(what, instead="Write optim.chain(optimizer, optim.moving_average(0.999))."))
    weight = found["average_weight"]
    if weight == 0:
        raise ArgumentError(compose("the average of the parameters is empty", instead="Train for at least one step."))
    return tree.map(lambda leaf: leaf / cast(weight, leaf), found["average"])


def _averages(state: Any) -> Iterator[dict[str, Any]]:
    """The states of `moving_average` in a state, outermost first."""
    if isinstance(state, dict) and "average_weight" in state:
        yield state
    elif isinstance(state, (dict, list, tuple)):
        for part in state.values() if isinstance(state, dict) else state:
            yield from _averages(part)


@dataclasses.dataclass(frozen=True)
class reduce_on_plateau(Transformation):  # noqa: N801
    """Reduce the learning rate when the loss has stopped falling; the last link of a chain.

    It multiplies the updates by a scale that starts at 1. After each epoch `observe` receives the validation loss (or
    the training loss, without validation). A loss below ``best - threshold * |best|`` is an improvement; after more
    than `patience` epochs without one, the scale is multiplied by `factor`.

    Parameters
    ----------
    factor : float
        In [0, 1).
    patience : int
        Epochs without improvement that are tolerated.
    threshold : float
        Relative size of an improvement.
    cooldown : int
        Epochs after a reduction that do not count.
    minimum : float
        Smallest scale: a share of the learning rate.

    Notes
    -----
    PyTorch's ``ReduceLROnPlateau`` with ``mode="min"`` and a relative threshold; `minimum` is relative to the
    learning rate, and improvement is also meaningful for negative losses.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer = tp.optim.chain(tp.optim.Adam(0.001), tp.optim.reduce_on_plateau(factor=0.5, patience=1))
    >>> state = optimizer.init({"w": np.array([1.0])})
    >>> for loss in (1.0, 0.9, 0.9, 0.9):
    ...     state = optimizer.observe(state, loss)
    >>> optimizer.current_learning_rate(state)
    0.0005
    """

    factor: Fraction = 0.1
    patience: NonNegativeCount = 10
    threshold: NonNegative = 1e-4
    cooldown: NonNegativeCount = 0
    minimum: NonNegative = 0.0

    def init(self, params: Tree) -> Tree:
        return {
            "scale": np.ones((), np.float64),
            "best": np.full((), np.inf),
            "waited": np.zeros((), np.int64),
            "cooling": np.zeros((), np.int64),
        }

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        return tree.map(lambda update: update * cast(state["scale"], update), grads), state

    def current_learning_rate(self, state: Tree) -> float:
        return float(state["scale"])

    def observe(self, state: Tree, value: float) -> Tree:
        scale, best, waited, cooling = (state[name].item() for name in ("scale", "best", "waited", "cooling"))
        improved = best == np.inf or value < best - self.threshold * abs(best)
        best, waited = (value, 0) if improved else (best, waited + 1)
        if cooling > 0:
            cooling, waited = cooling - 1, 0
        if waited > self.patience:
            scale, waited, cooling = max(scale * self.factor, self.minimum), 0, self.cooldown
        return {
            "scale": np.asarray(scale, np.float64),
            "best": np.asarray(best, np.float64),
            "waited": np.asarray(waited, np.int64),
            "cooling": np.asarray(cooling, np.int64),
        }
