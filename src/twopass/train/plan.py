"""One epoch: which samples are in which step, and the random key of each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, compose
from twopass.nn.random import fold_in
from twopass.train.resident import AnyState
from twopass.train.samples import Array, Batch, Samples

__all__ = ["Chunk", "Plan", "Shuffle"]

#: Whether each epoch has an order of its own, or the function that gives it: of the epoch's number, always the same.
Shuffle = bool | Callable[[int], Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """The steps of an epoch.

    Parameters
    ----------
    samples : Samples
        What is learned from.
    batch_size : int
        Samples in a step; the last one may have fewer.
    order : array of int, optional
        Positions of the samples in the order in which they are taken; by default their own.
    keys : array of uint64
        One for each step.
    """

    samples: Samples
    batch_size: int
    order: Array | None
    keys: Array

    @classmethod
    def of(cls, samples: Samples, batch_size: int, shuffle: Shuffle, seed: int, epoch: int) -> Plan:
        """The plan of an epoch: a function of these alone.

        Examples
        --------
        >>> samples = Samples(np.arange(5.0), np.arange(5.0))
        >>> plan = Plan.of(samples, batch_size=2, shuffle=True, seed=0, epoch=1)
        >>> [plan.batch(step, np.dtype("float64"))[0].tolist() for step in range(plan.steps)]
        [[1.0, 4.0], [3.0, 0.0], [2.0]]
        """
        order: Array | None = None
        if callable(shuffle):
            order = _checked(shuffle(epoch), len(samples))
        elif shuffle:
            order = np.random.default_rng([seed, epoch]).permutation(len(samples))
        steps = -(-len(samples) // batch_size)
        return cls(samples, batch_size, order, fold_in(fold_in(seed, epoch), np.arange(steps)))

    @property
    def steps(self) -> int:
        """Number of steps."""
        return len(self.keys)

    @property
    def full(self) -> int:
        """Number of steps with a full batch: all, or all but the last."""
        return len(self.samples) // self.batch_size

    def positions(self, start: int, count: int = 1) -> Array | slice:
        """Positions of the samples in some steps."""
        chosen = slice(start * self.batch_size, min((start + count) * self.batch_size, len(self.samples)))
        return chosen if self.order is None else self.order[chosen]

    def rows(self, start: int, count: int) -> Array:
        """The rows of the user's arrays in which the samples of some steps are."""
        positions = self.positions(start, count)
        if self.samples.rows is not None:
            found: Array = self.samples.rows[positions]
            return found
        return np.arange(positions.start, positions.stop) if isinstance(positions, slice) else positions

    def batch(self, step: int, dtype: np.dtype[Any]) -> Batch:
        """The samples of a step."""
        return self.samples.batch(self.positions(step), dtype)


def _checked(order: Any, count: int) -> Array:
    """An order of the user's: compiled code would take other rows for those that do not exist."""
    found = np.asarray(order)
    if found.shape != (count,) or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= count:
        what = f"the order of the epoch is no array of {count} positions from 0 to {count - 1}"
        raise ArgumentError(compose(what, instead="Write shuffle=lambda epoch: rng.permutation(n_samples)."))
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Chunk:
    """Some steps that are made in a row, and the state before them.

    Parameters
    ----------
    state : State or Resident
        Parameters and optimizer state before the first of them.
    plan : Plan
        The epoch that they belong to.
    start, count : int
        The first step, counted from 0, and how many there are.
    """

    state: AnyState
    plan: Plan
    start: int
    count: int

    def first(self, count: int) -> Chunk:
        """The first few steps of it."""
        return dataclasses.replace(self, count=count)
