"""The stochastic solvers of scikit-learn, to the letter of their formulas.

They differ from `twopass.optim.SGD` and `twopass.optim.Adam` in where the learning rate and epsilon stand. Their
learning rate is a part of the state: what changes it from epoch to epoch, or from one estimator of a grid search to the
next, does not make new code.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from twopass import optim, tree
from twopass.optim.transformation import advanced, cast, map_leaves, zeros_like
from twopass.train import State

__all__ = ["AdamHat", "Momentum", "Progress", "Solver", "with_learning_rate"]

Tree = Any


@dataclasses.dataclass(frozen=True)
class Solver(optim.Transformation, abstract=True):
    """Base of both: a learning rate in the state, which starts at 1 and is set by `with_learning_rate`."""

    def current_learning_rate(self, state: Tree) -> float:
        return float(state["learning_rate"])


@dataclasses.dataclass(frozen=True)
class Momentum(Solver):
    """Gradient descent whose velocity contains the learning rate.

    ::

        v = momentum * v - learning_rate * g
        p = p + v                      (nesterov: momentum * v - learning_rate * g in the place of v)

    Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning (2013), eqs. 1 and 2, and the
    rewriting of eqs. 3 and 4 that evaluates the gradient at the parameters. As long as the learning rate is constant
    this is `twopass.optim.SGD`.
    """

    momentum: float = 0.9
    nesterov: bool = True

    def init(self, params: Tree) -> Tree:
        return {"learning_rate": np.ones((), np.float64), "velocity": zeros_like(params)}

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        def moved(gradient: Any, velocity: Any) -> tuple[Any, Any]:
            step = cast(state["learning_rate"], gradient) * gradient
            velocity = self.momentum * velocity - step
            return (self.momentum * velocity - step if self.nesterov else velocity), velocity

        updates, velocity = map_leaves(moved, 2, grads, state["velocity"])
        return updates, {"learning_rate": state["learning_rate"], "velocity": velocity}


@dataclasses.dataclass(frozen=True)
class AdamHat(Solver):
    """Adam with "epsilon hat": epsilon is added before the correction of the bias.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - learning_rate * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon)

    Kingma and Ba, Adam: A Method for Stochastic Optimization (2015), the end of section 2.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def init(self, params: Tree) -> Tree:
        return {
            "learning_rate": np.ones((), np.float64),
            "step": np.zeros((), np.int64),
            "first_moment": zeros_like(params),
            "second_moment": zeros_like(params),
        }

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        step = advanced(state["step"])
        rate = state["learning_rate"] * np.sqrt(1.0 - self.beta2**step) / (1.0 - self.beta1**step)

        def moved(gradient: Any, first: Any, second: Any) -> tuple[Any, Any, Any]:
            first = self.beta1 * first + (1.0 - self.beta1) * gradient
            second = self.beta2 * second + (1.0 - self.beta2) * gradient * gradient
            return -cast(rate, gradient) * first / (np.sqrt(second) + self.epsilon), first, second

        updates, first, second = map_leaves(moved, 3, grads, state["first_moment"], state["second_moment"])
        moments = {"first_moment": first, "second_moment": second}
        return updates, {"learning_rate": state["learning_rate"], "step": step, **moments}


@dataclasses.dataclass(frozen=True, eq=False)
class Progress:
    """How far a solver has come: what a `partial_fit` goes on from.

    Parameters
    ----------
    transformation : Transformation
        The solver.
    state : tree of arrays
        Its state after the last step.
    """

    transformation: optim.Transformation
    state: Tree

    @property
    def learning_rate(self) -> float | None:
        """The learning rate of the next step."""
        return self.transformation.current_learning_rate(self.state)


def with_learning_rate(state: State, rate: float) -> State:
    """A training state in which a `Solver` goes on with another learning rate."""
    optimizer = {**state.optimizer, "learning_rate": np.array(rate, np.float64)}
    return State(state.params, tree.map(np.asarray, optimizer))
