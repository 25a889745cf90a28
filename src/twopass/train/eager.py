"""Training steps that NumPy computes, one at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from twopass.nn.losses import normaliser
from twopass.train.parameters import Partition, State
from twopass.train.plan import Chunk, Plan
from twopass.train.resident import AnyState
from twopass.train.step import make_step
from twopass.train.threads import blas_threads

if TYPE_CHECKING:
    from twopass.train.fitting import Run
    from twopass.train.samples import Array

__all__ = ["EagerSteps", "Outcome", "Steps"]


class Outcome(NamedTuple):
    """What some steps have led to.

    Attributes
    ----------
    state : State or Resident
        After the last of them; if it is changed in place, before the first one whose loss is not finite.
    losses, weights : array of float64
        For each step the mean loss of its batch, before its update, and the sum of the weights that it is the mean
        with.
    """

    state: AnyState
    losses: Array
    weights: Array


class Steps(Protocol):
    """What makes the steps of a fit.

    Attributes
    ----------
    in_place : bool
        Whether they change the state, instead of giving a new one.
    """

    in_place: bool

    def count(self, plan: Plan, start: int) -> int:
        """How many steps to make in a row, from one on."""

    def run(self, chunk: Chunk) -> Outcome:
        """Make some steps. The same ones lead to the same bits, however they are divided into chunks."""

    def context(self) -> AbstractContextManager[Any]:
        """What has to hold while steps are made."""


class EagerSteps:
    """Steps that NumPy computes."""

    in_place = False

    def __init__(self, run: Run) -> None:
        trainer = run.trainer
        partition = Partition.of(trainer.net, trainer.params)
        self._step = make_step(trainer.net, run.loss_function, trainer.optimizer, partition)
        self._run = run

    def count(self, plan: Plan, start: int) -> int:
        """One."""
        return 1

    def run(self, chunk: Chunk) -> Outcome:
        """See `Steps.run`."""
        params, optimizer = chunk.state.params, chunk.state.optimizer
        losses, weights = np.empty(chunk.count), np.empty(chunk.count)
        for number in range(chunk.count):
            step = chunk.start + number
            batch = chunk.plan.batch(step, self._run.trainer.dtype)
            params, optimizer, value = self._step(params, optimizer, *batch, chunk.plan.keys[step])
            losses[number] = value
            weights[number] = normaliser(self._run.loss_function, batch[1], batch[2])
        return Outcome(State(params, optimizer), losses, weights)

    def context(self) -> AbstractContextManager[Any]:
        """The matrix products have as many threads as were chosen."""
        return blas_threads(self._run.trainer.threads, self._run.trainer.params, self._run.batch_size)
