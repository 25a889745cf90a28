"""Where a value is, and how an index of one array becomes an index of another.

A `Storage` is a strided array in a buffer. An `IndexMap` says which element of a value a kernel needs at a point of
its domain: each axis of the value is an affine function of the domain's axes. Transposing, slicing and broadcasting
are such functions, so none of them costs an instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from twopass.program.ir import Access, Argument, Buffer, Operand, Panels

__all__ = ["IndexMap", "Storage", "contiguous", "is_trivial_reshape", "reshaped_strides"]


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides, in elements, of an array in C order.

    Examples
    --------
    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def reshaped_strides(shape: Sequence[int], strides: Sequence[int], new: Sequence[int]) -> tuple[int, ...] | None:
    """Strides of a strided array in another shape; None if that takes a copy.

    Examples
    --------
    >>> reshaped_strides((2, 6), (8, 1), (2, 3, 2)), reshaped_strides((2, 6), (8, 1), (12,))
    ((8, 2, 1), None)
    """
    if 0 in shape:
        return contiguous(new)
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    found: list[int] = []
    place = 0
    group: list[tuple[int, int]] = []  # what is left of the old axes being taken apart: (length, stride), last first
    for length in new:
        if length == 1:
            found.append(0)
            continue
        # Join old axes until the new one fits into them.
        while not group or group[-1][0] % length != 0:
            if place == len(old):
                return None
            n, s = old[place]
            place += 1
            if group:
                inner, step = group.pop()
                if step != n * s:
                    return None
                group.append((inner * n, s))
            else:
                group.append((n, s))
        n, s = group.pop()
        found.append(s * (n // length))
        if n // length > 1:
            group.append((n // length, s))
    return tuple(found) if not group and place == len(old) else None


def is_trivial_reshape(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether only axes of length 1 come or go."""
    return [n for n in old if n != 1] == [n for n in new if n != 1]


class IndexMap(NamedTuple):
    """For each axis of a value: the coefficients of the domain's axes, and a constant."""

    rows: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...]

    @classmethod
    def identity(cls, rank: int) -> IndexMap:
        """The value's axes are the domain's."""
        return cls(tuple(_unit(rank, axis) for axis in range(rank)), (0,) * rank)

    @classmethod
    def picking(cls, rank: int, axes: Sequence[int]) -> IndexMap:
        """The value's axes are these of the domain's."""
        return cls(tuple(_unit(rank, axis) for axis in axes), (0,) * len(axes))

    def transposed(self, axes: Sequence[int]) -> IndexMap:
        """Of the operand of a transpose, from that of its result."""
        rows: list[tuple[int, ...]] = [()] * len(axes)
        offsets = [0] * len(axes)
        for place, axis in enumerate(axes):
            rows[axis], offsets[axis] = self.rows[place], self.offsets[place]
        return IndexMap(tuple(rows), tuple(offsets))

    def broadcast(self, shape: Sequence[int], result: Sequence[int], rank: int) -> IndexMap:
        """Of an operand of a shape, from that of the result that it is broadcast to."""
        skipped = len(result) - len(shape)
        nothing = (0,) * rank
        rows, offsets = [], []
        for axis, length in enumerate(shape):
            stretched = length == 1
            rows.append(nothing if stretched else self.rows[axis + skipped])
            offsets.append(0 if stretched else self.offsets[axis + skipped])
        return IndexMap(tuple(rows), tuple(offsets))

    def reshaped(self, shape: Sequence[int], result: Sequence[int], rank: int) -> IndexMap:
        """Of the operand of a trivial reshape, from that of its result."""
        kept = iter([axis for axis, length in enumerate(result) if length != 1])
        nothing = (0,) * rank
        rows, offsets = [], []
        for length in shape:
            axis = None if length == 1 else next(kept)
            rows.append(nothing if axis is None else self.rows[axis])
            offsets.append(0 if axis is None else self.offsets[axis])
        return IndexMap(tuple(rows), tuple(offsets))

    def sliced(self, starts: Sequence[int], steps: Sequence[int]) -> IndexMap:
        """Of the operand of a slice, from that of its result."""
        rows = tuple(tuple(step * c for c in row) for row, step in zip(self.rows, steps, strict=True))
        offsets = tuple(s + step * o for s, step, o in zip(starts, steps, self.offsets, strict=True))
        return IndexMap(rows, offsets)


def _unit(rank: int, axis: int) -> tuple[int, ...]:
    return tuple(int(i == axis) for i in range(rank))


@dataclass(frozen=True, slots=True)
class Storage:
    """A strided array in a buffer.

    Attributes
    ----------
    buffer, offset, steps
        As in `Argument`.
    shape, strides : tuple of int
        In elements.
    panels : Panels or None
        A matrix in column panels; the strides mean nothing.
    slack : int
        As in `Access`, for the axis with stride 1.
    """

    buffer: Buffer
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    steps: tuple[int, ...] = ()
    panels: Panels | None = None
    slack: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        return self.buffer.dtype

    def argument(self, index: IndexMap | None = None) -> Argument:
        """The pointer to where the domain starts."""
        extra = 0
        if index is not None and self.panels is None:
            extra = sum(o * s for o, s in zip(index.offsets, self.strides, strict=True))
        return Argument(self.buffer, self.offset + extra, self.steps)

    def access(self, index: IndexMap, rank: int, through: tuple[int, int] | None = None) -> Access:
        """How a kernel with a domain of `rank` axes reaches the elements."""
        if self.panels is not None:
            return Access(self.dtype, (0,) * rank, self.panels)
        strides = tuple(
            sum(row[axis] * stride for row, stride in zip(index.rows, self.strides, strict=True))
            for axis in range(rank)
        )
        return Access(self.dtype, strides, None, self._slack(index, strides), through)

    def _slack(self, index: IndexMap, strides: tuple[int, ...]) -> int:
        """The slack that is left where the whole unit axis, from its start, is a whole axis of the domain."""
        if not self.slack or strides.count(1) != 1:
            return 0
        axis = strides.index(1)
        own = [place for place, stride in enumerate(self.strides) if stride == 1 and self.shape[place] != 1]
        if len(own) != 1:
            return 0
        place = own[0]
        return self.slack if index.rows[place][axis] == 1 and index.offsets[place] == 0 else 0

    def operand(self) -> Operand:
        """As a call sees it."""
        return Operand(self.argument(), self.shape, self.strides)

    def transposed(self, axes: Sequence[int]) -> Storage:
        """The transpose, in place."""
        return replace(
            self, shape=tuple(self.shape[a] for a in axes), strides=tuple(self.strides[a] for a in axes), panels=None
        )

    def broadcast(self, shape: Sequence[int]) -> Storage:
        """Broadcast, in place."""
        skipped = len(shape) - len(self.shape)
        strides = [0] * skipped + [
            0 if have != want else stride
            for have, want, stride in zip(self.shape, shape[skipped:], self.strides, strict=True)
        ]
        return replace(self, shape=tuple(shape), strides=tuple(strides), slack=self.slack if 1 in strides else 0)

    def reshaped(self, shape: Sequence[int]) -> Storage | None:
        """In another shape, in place; None if that takes a copy."""
        strides = reshaped_strides(self.shape, self.strides, shape)
        if strides is None or self.panels is not None:
            return None
        same = is_trivial_reshape(self.shape, shape)
        return replace(self, shape=tuple(shape), strides=strides, slack=self.slack if same else 0)

    def sliced(self, starts: Sequence[int], steps: Sequence[int], shape: Sequence[int]) -> Storage:
        """A slice, in place."""
        offset = self.offset + sum(a * s for a, s in zip(starts, self.strides, strict=True))
        strides = tuple(a * s for a, s in zip(steps, self.strides, strict=True))
        whole = all(
            stride != 1 or (start == 0 and step == 1 and have == want)
            for start, step, stride, have, want in zip(starts, steps, self.strides, self.shape, shape, strict=True)
        )
        return replace(self, offset=offset, strides=strides, shape=tuple(shape), slack=self.slack if whole else 0)

    def row(self, steps_level: int) -> Storage:
        """What one iteration of a `Repeat` sees of an array whose first axis is the iteration."""
        steps = (*self.steps, *(0,) * (steps_level - len(self.steps)), self.strides[0])
        return replace(self, shape=self.shape[1:], strides=self.strides[1:], steps=steps)
