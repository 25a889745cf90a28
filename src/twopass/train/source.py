"""Where native code finds the samples of some steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass import tree
from twopass.train.plan import Chunk
from twopass.train.samples import Array, Samples

__all__ = ["Source", "source_of"]

#: How many rows a call may have at most.
_ROWS = 1 << 18
#: How many numbers are gathered in Python for a call, where native code cannot read the user's arrays.
_GATHERED = 1 << 20
#: The dtypes that native code converts from.
_READABLE = frozenset(map(np.dtype, "?bBhHiIlLqQfd"))


class Source:
    """Where native code finds the samples of some steps.

    Attributes
    ----------
    steps : int
        For how many steps a call has room.
    """

    steps: int

    def inputs(self, chunk: Chunk) -> tuple[Any, ...]:
        """What the compiled function takes after the state: samples, rows and keys."""
        plan, start = chunk.plan, chunk.start
        if start < plan.full:
            steps, size = self.steps, plan.batch_size
        else:
            steps, size = 1, len(plan.samples) - start * plan.batch_size
        data, rows = self.samples(chunk, steps * size)
        keys = _padded(plan.keys[start : start + chunk.count], steps)
        return *data, _padded(rows, steps * size).reshape(steps, size), keys

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        """Inputs, targets and weights, and which of their rows are meant; room for how many of them there is."""
        raise NotImplementedError


class _Whole(Source):
    """Samples in arrays that native code reads: it gets all of them, as they are."""

    def __init__(self, samples: Samples, batch_size: int) -> None:
        # A memory map is an array like others to native code.
        x, y, weight = tree.map(np.asarray, (samples.x, samples.y, samples.weight))
        self._data = x, y, weight
        self.steps = max(1, min(len(samples), _ROWS) // batch_size)

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        return self._data, chunk.plan.rows(chunk.start, chunk.count)


class _Gathered(Source):
    """Samples in other arrays: those of some steps are put together, in the right order, for each call."""

    def __init__(self, samples: Samples, batch_size: int, dtype: np.dtype[Any]) -> None:
        numbers = sum(array[:1].size for array in tree.leaves((samples.x, samples.y))) * batch_size
        self.steps = max(1, min(len(samples) // batch_size, _GATHERED // max(1, numbers)))
        self._dtype = dtype

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        batch = chunk.plan.samples.batch(chunk.plan.positions(chunk.start, chunk.count), self._dtype)
        x, y, weight = tree.map(lambda array: _padded(array, room), batch)
        return (x, y, weight), np.arange(room)


def _padded(array: Array, count: int) -> Array:
    """An array with more rows, of anything."""
    if len(array) == count:
        return array
    padded = np.empty((count, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded


def source_of(samples: Samples, batch_size: int, dtype: np.dtype[Any]) -> Source:
    """The way in which native code can have some samples."""
    arrays = tree.leaves((samples.x, samples.y, samples.weight))
    if all(map(_is_readable, arrays)):
        return _Whole(samples, batch_size)
    return _Gathered(samples, batch_size, dtype)


def _is_readable(array: Array) -> bool:
    """Whether native code can gather rows of an array as it is."""
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative and array.dtype in _READABLE
