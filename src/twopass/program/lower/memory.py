"""Making the buffers of a program, and saying where outputs must be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Input
from twopass.program.ir import Buffer
from twopass.program.lower.classify import native
from twopass.program.lower.storage import Storage, contiguous
from twopass.program.machine import Machine

__all__ = ["Memory", "Target"]


#: Rows that are a multiple of so many bytes apart compete for the same lines of the caches.
_SAME_SETS = 2048


class Memory:
    """Makes buffers, with names that tell them apart."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._count = itertools.count(1)
        self._constants: dict[int, Storage] = {}

    def buffer(self, dtype: np.dtype[Any], size: int, stem: str = "t") -> Buffer:
        """A temporary."""
        return Buffer(f"{stem}{next(self._count)}", np.dtype(dtype), max(size, 1))

    def exact(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Storage:
        """A temporary array without padding."""
        return Storage(self.buffer(dtype, math.prod(shape)), tuple(shape), contiguous(shape))

    def padded(self, shape: Sequence[int], dtype: np.dtype[Any], order: Sequence[int] | None = None) -> Storage:
        """A temporary array whose fastest axis is rounded up to whole vectors, unless that would waste too much."""
        order = tuple(range(len(shape))) if order is None else tuple(order)
        if not shape or not native(dtype):
            return self.exact(shape, dtype)
        last = shape[order[-1]]
        wide = self.machine.padded(last, np.dtype(dtype))
        wide = wide if last > 1 and 5 * wide <= 8 * last else last
        if len(shape) > 1 and wide * np.dtype(dtype).itemsize % _SAME_SETS == 0:
            wide += self.machine.lanes(np.dtype(dtype))
        lengths = [shape[axis] for axis in order[:-1]] + [wide]
        own = contiguous(lengths)
        strides = tuple(own[order.index(axis)] for axis in range(len(shape)))
        return Storage(self.buffer(dtype, math.prod(lengths)), tuple(shape), strides, slack=wide - last)

    def constant(self, node: Constant) -> Storage:
        """The storage of a constant."""
        found = self._constants.get(id(node.value))
        if found is None:
            value = np.ascontiguousarray(node.value).reshape(-1)
            name = f"c{next(self._count)}"
            buffer = Buffer(
                name, value.dtype, max(value.size, 1), "constant", value if value.size else np.zeros(1, value.dtype)
            )
            found = self._constants[id(node.value)] = Storage(buffer, node.shape, contiguous(node.shape))
        return found


@dataclass(frozen=True, eq=False)
class Target:
    """Where an output must be when the statements have run.

    Attributes
    ----------
    storage : Storage
        The place.
    replaces : Input or None
        The input that is there before: the output may be written over it, once nobody needs it any more.
    """

    storage: Storage
    replaces: Input | None = None
