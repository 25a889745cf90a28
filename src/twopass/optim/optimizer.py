"""What the optimizers share: a learning rate, a step counter, and one array or more for each parameter."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.optim.specification import LearningRate
from twopass.optim.transformation import Transformation, Tree, advanced, cast, map_leaves, zeros_like

__all__ = ["Optimizer"]


@dataclasses.dataclass(frozen=True)
class Optimizer(Transformation, abstract=True):
    """Base of the optimizers.

    One optimizer is three statements: which arrays it keeps beside each parameter (`slots`), which scalars a step
    needs (`coefficients`, in float64, whatever the parameters are), and how one parameter's update and slots follow
    from them (`leaf`, in the parameter's dtype).
    """

    learning_rate: LearningRate

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the state holds for each parameter; they start at zero."""
        return ()

    def counters(self) -> dict[str, Any]:
        """Scalars of the state before the first step."""
        return {"step": np.zeros((), np.int64)}

    def advance(self, counters: dict[str, Any]) -> dict[str, Any]:
        """Scalars of the next state."""
        return {"step": advanced(counters["step"])}

    @abc.abstractmethod
    def coefficients(self, rate: Any, counters: dict[str, Any]) -> tuple[Any, ...]:
        """Scalars that `leaf` needs, from the learning rate and the advanced counters (the first step has number 1)."""

    @abc.abstractmethod
    def leaf(self, coefficients: Sequence[Any], gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
        """Update of one parameter, then its next slots."""

    def init(self, params: Tree) -> dict[str, Any]:
        zeros = zeros_like(params)
        return {**self.counters(), **{slot: tree.map(np.copy, zeros) for slot in self.slots}}

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        rate = self._rate(state["step"])
        counters = self.advance({name: state[name] for name in self.counters()})
        scalars = self.coefficients(rate, counters)

        def leaf(gradient: Any, param: Any, *slots: Any) -> tuple[Any, ...]:
            return self.leaf([cast(scalar, gradient) for scalar in scalars], gradient, param, *slots)

        kept = [state[slot] for slot in self.slots]
        updates, *moved = map_leaves(leaf, 1 + len(kept), grads, params, *kept)
        return updates, {**counters, **dict(zip(self.slots, moved, strict=True))}

    def current_learning_rate(self, state: Tree) -> float:
        return float(self._rate(state["step"]))

    def with_learning_rate(self, learning_rate: Any) -> Optimizer:
        return dataclasses.replace(self, learning_rate=learning_rate)

    def _rate(self, step: Any) -> Any:
        return self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate
