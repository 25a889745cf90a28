"""Several targets of one network: each has a slice of the outputs, its head, and a loss of its own.

The targets are the columns of one matrix: the numbers of the classes, and numbers. What is not known is -1 among the
former and NaN among the latter, and counts for nothing.
"""

from __future__ import annotations

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from twopass import nn
from twopass.errors import ArgumentError, compose
from twopass.nn.types import Array
from twopass.sklearn.network import activate, mean_of_questions, mean_outputs
from twopass.sklearn.objectives import BINARY, CLASS_LOSSES, NUMBER_LOSSES, Objective, function_of, make_objective

__all__ = [
    "ClassHead",
    "Head",
    "NumberHead",
    "gradients",
    "joint_objective",
    "outputs_of",
    "quantile_levels",
    "shown",
    "together",
]


@dataclasses.dataclass(frozen=True)
class Head:
    """One target: what of the network answers for it, and with which loss.

    Parameters
    ----------
    loss : Objective
        Of the target alone.
    units : int
        Outputs of the network.
    activation : str
        What makes an answer of them; see `activate`.
    weight : float
        How much the loss counts beside those of the other targets.
    is_partial : bool
        Whether the target is unknown for some samples.
    """

    loss: Objective
    units: int
    activation: str
    weight: float = 1.0
    is_partial: bool = False

    @abstractmethod
    def known(self, column: Any) -> Any:
        """Where a column of targets has a value."""

    @abstractmethod
    def target(self, column: Any) -> Any:
        """A column of targets as the loss takes it."""

    @abstractmethod
    def answers(self, outputs: Array) -> Array:
        """A column of predictions: the numbers of classes, or numbers."""

    @property
    def columns(self) -> int:
        """How many columns `shown` gives."""
        return self.units

    def shown(self, outputs: Any) -> Any:
        """The outputs as users see them: probabilities, or numbers."""
        return activate(self.activation, outputs)

    def together(self, outputs: Any) -> Any:
        """The outputs of several networks, (n_samples, n_members, units), as outputs that are the mean of them."""
        return mean_outputs(self.activation, function_of(self.loss.loss) is nn.gaussian_nll, outputs)

    def terms(self, outputs: Any, column: Any, weight: Any) -> tuple[Any, Any]:
        """What is descended and what is reported of this target: means over the samples for which it is known."""
        if self.is_partial:
            known = self.known(column)
            column = np.where(known, column, 0)
            weight = known.astype(outputs.dtype) if weight is None else np.where(known, weight, 0)
        return self.loss.terms(outputs, self.target(column), weight)


@dataclasses.dataclass(frozen=True)
class ClassHead(Head):
    """A target that is one of some classes; two of them have one output.

    Parameters
    ----------
    n_classes : int
        How many classes there are.
    """

    n_classes: int = 2

    @classmethod
    def of(cls, loss: Any, n_classes: int, **more: Any) -> ClassHead:
        """The head for a loss: a name of `CLASS_LOSSES`, or a function."""
        function = CLASS_LOSSES[loss] if isinstance(loss, str) else loss
        units = n_classes if n_classes > 2 else 1
        if function_of(function) is nn.hinge:
            activation = "identity"
        else:
            activation = "softmax" if units > 1 and function_of(function) not in BINARY else "logistic"
        return cls(make_objective(function or activation, units), units, activation, n_classes=n_classes, **more)

    @property
    def has_probabilities(self) -> bool:
        """Whether the loss makes probabilities of the outputs."""
        return self.activation != "identity"

    def together(self, outputs: Any) -> Any:
        if self.units > 1 and self.activation == "logistic":
            return mean_of_questions(outputs)
        return super().together(outputs)

    def known(self, column: Any) -> Any:
        return column >= 0

    def target(self, column: Any) -> Any:
        if self.activation == "softmax":
            return column.astype(np.int64)
        return column[:, np.newaxis] == (1 if self.units == 1 else np.arange(self.units))

    def answers(self, outputs: Array) -> Array:
        found = self.shown(outputs)
        if self.units > 1:
            return np.argmax(found, axis=1)
        is_second = found[:, 0] > (0.5 if self.has_probabilities else 0.0)
        return np.minimum(is_second.astype(np.int64), self.n_classes - 1)

    def probabilities(self, outputs: Array) -> Array:
        """The probability of each class."""
        found: Array = self.shown(outputs)
        if self.n_classes == 1:
            return np.ones_like(found)
        if self.units == 1:
            return np.concatenate([1 - found, found], axis=1)
        if self.activation == "logistic":  # a question of its own for each class
            return found / np.maximum(found.sum(axis=1, keepdims=True), np.finfo(found.dtype).tiny)
        return found


@dataclasses.dataclass(frozen=True)
class NumberHead(Head):
    """A target that is a number.

    Parameters
    ----------
    levels : tuple of float
        The quantiles, if those are what is predicted.
    """

    levels: tuple[float, ...] = ()

    @classmethod
    def of(cls, loss: Any, **more: Any) -> NumberHead:
        """The head for a loss: a name of `NUMBER_LOSSES`, or a function."""
        loss = NUMBER_LOSSES[loss] if isinstance(loss, str) else loss
        activation = "exp" if loss == "poisson" else "identity"
        levels = quantile_levels(loss)
        units = 2 if function_of(loss) is nn.gaussian_nll else max(1, len(levels))
        made = make_objective(("quantile", levels) if levels else loss, 1)
        return cls(made, units, activation, levels=levels, **more)

    def known(self, column: Any) -> Any:
        return ~np.isnan(column)

    def target(self, column: Any) -> Any:
        return column if self.levels else column[:, np.newaxis]

    @property
    def columns(self) -> int:
        return max(1, len(self.levels))

    def shown(self, outputs: Any) -> Any:
        found = super().shown(outputs)
        return found[:, :1] if function_of(self.loss.loss) is nn.gaussian_nll else found  # not the variances

    def answers(self, outputs: Array) -> Array:
        found: Array = self.shown(outputs)
        return found[:, int(np.argmin(np.abs(np.array(self.levels) - 0.5)))] if self.levels else found[:, 0]

    def quantiles(self, outputs: Array) -> Array:
        """All quantiles, sorted so that they do not cross."""
        found, order = self.shown(outputs), np.argsort(self.levels)
        ordered = np.empty_like(found)
        ordered[:, order] = np.sort(found, axis=1)
        return ordered


def quantile_levels(loss: Any) -> tuple[float, ...]:
    """The quantiles of a loss, if it is that of quantiles.

    Raises
    ------
    ArgumentError
        When one is not between 0 and 1.
    """
    if function_of(loss) is not nn.pinball:
        return ()
    given = loss.keywords.get("quantile", 0.5) if isinstance(loss, functools.partial) else 0.5
    levels = tuple(map(float, np.atleast_1d(given)))
    if not levels or not all(0 < level < 1 for level in levels):
        what = f"quantile must be one level in (0, 1) or several, not {given!r}"
        raise ArgumentError(compose(what, instead="Write quantile=(0.1, 0.5, 0.9)."))
    return levels


def outputs_of(heads: Sequence[Head], outputs: Any) -> Iterator[Any]:
    """The outputs of each head."""
    stop = 0
    for head in heads:
        start, stop = stop, stop + head.units
        yield outputs[..., start:stop]


def shown(heads: Sequence[Head], outputs: Any) -> Any:
    """The outputs of all heads as users see them, side by side."""
    own = zip(heads, outputs_of(heads, outputs), strict=True)
    return np.concatenate([head.shown(slots) for head, slots in own], axis=1)


def together(heads: Sequence[Head], outputs: Any) -> Any:
    """The outputs of several networks as outputs that stand for the mean of what they predict, side by side."""
    own = zip(heads, outputs_of(heads, outputs), strict=True)
    return np.concatenate([head.together(slots) for head, slots in own], axis=1)


def gradients(heads: Sequence[Head], found: Array) -> list[Array]:
    """The derivatives of what `shown` gives, of shape (n_samples, columns, n_features), taken apart again."""
    parts = np.split(found, np.cumsum([head.columns for head in heads])[:-1], axis=1)
    return [part[:, 0] if part.shape[1] == 1 else part for part in parts]


class _JointObjective(Objective):
    """The weighted sum of the objectives of heads.

    The weights of a batch are those of the samples, or a matrix: these in the first column, and then the weights of the
    samples for each head.
    """

    def __init__(self, heads: tuple[Head, ...]) -> None:
        super().__init__(self)  # as a loss it is a function like the others
        self.heads = heads

    def terms(self, prediction: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        descended: Any = 0.0
        reported: Any = 0.0
        by_head = sample_weight is not None and sample_weight.ndim == 2
        for place, (head, outputs) in enumerate(zip(self.heads, outputs_of(self.heads, prediction), strict=True)):
            weight = sample_weight[:, 1 + place] if by_head else sample_weight
            own, shown = head.terms(outputs, target[:, place], weight)
            descended, reported = descended + head.weight * own, reported + head.weight * shown
        return descended, reported

    def _total(self, target: Any, sample_weight: Any) -> Any:
        by_head = sample_weight is not None and sample_weight.ndim == 2
        return super()._total(target, sample_weight[:, 0] if by_head else sample_weight)


@functools.lru_cache(maxsize=64)
def joint_objective(heads: tuple[Head, ...]) -> Objective:
    """The objective of several targets: the same object for equal heads, so that compiled code is found again."""
    return _JointObjective(heads)
