"""The nest of loops of a kernel: panels are cut into strided pieces, axes are put in order and merged.

A kernel's domain says what is computed, in the order of the user's axes. Here it becomes loops: axes of length 1 go,
axes that every operand walks through as if they were one become one, and the rest is ordered by stride, so that memory
is read in the order in which it lies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twopass.program.ir import Access, Instruction, Loop

__all__ = ["Axis", "Nest", "Place", "nests"]

DType = np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a nest.

    Attributes
    ----------
    length : int
        Positions.
    inner : bool
        Whether reductions run over it.
    task : int
        If not 0, the range of tasks says which positions are done: so many for each position of the kernel's axis 0.
    """

    length: int
    inner: bool = False
    task: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the elements of an operand are: an `Access` on the axes of a nest, without panels."""

    dtype: DType
    offset: int
    strides: tuple[int, ...]
    slack: int = 0
    through: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Nest:
    """A piece of a kernel, as loops.

    Attributes
    ----------
    axes : tuple of Axis
        Outer ones first, each group by falling strides.
    places : tuple of Place
        Of the inputs, then of the stores.
    body : tuple of Instruction
        The kernel's; the strides of positions are on the nest's axes.
    """

    axes: tuple[Axis, ...]
    places: tuple[Place, ...]
    body: tuple[Instruction, ...]

    def rows(self) -> list[tuple[int, ...]]:
        """The strides of everything that depends on where it is: places and positions."""
        positions = [instruction.parameters[1] for instruction in self.body if instruction.operator == "position"]
        return [*(place.strides for place in self.places), *positions]

    def restrided(self, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Nest:
        """The nest with changed strides of places and positions; `axes` are the caller's to change alike."""
        places = tuple(replace(place, strides=change(place.strides)) for place in self.places)
        return Nest(self.axes, places, tuple(_moved(instruction, 0, change) for instruction in self.body))


def _moved(instruction: Instruction, step: int, change: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Instruction:
    """A position with another start and other strides; other instructions as they are."""
    if instruction.operator != "position":
        return instruction
    start, strides = instruction.parameters
    return replace(instruction, parameters=(start + step, change(tuple(strides))))


def nests(kernel: Loop, body: Sequence[Instruction]) -> list[Nest]:
    """The pieces of a kernel: one, or several if there are panels of different widths."""
    accesses = (*kernel.inputs, *(store.access for store in kernel.stores))
    outer = len(kernel.domain) - kernel.inner
    axes = tuple(
        Axis(length, axis >= outer, int(axis == 0 and 0 < kernel.block < length))
        for axis, length in enumerate(kernel.domain)
    )
    if any(access.panels for access in accesses) and kernel.domain[-1]:
        cut = [_piece(axes, accesses, body, run) for run in _runs(kernel.domain[-1], accesses)]
    else:
        places = tuple(Place(a.dtype, 0, a.strides, a.slack, a.through) for a in accesses)
        cut = [Nest(axes, places, tuple(body))]
    return [simplified(nest) for nest in cut]


# --- panels ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Run:
    """Neighbouring groups of columns of equal width.

    For each access with panels: where in memory they start, the steps from each to the next and from row to row, and
    how many columns of the panel follow the last group.
    """

    column: int
    width: int
    count: int
    starts: tuple[int, ...]
    steps: tuple[int, ...]
    rows: tuple[int, ...]
    rooms: tuple[int, ...]


def _runs(columns: int, accesses: Sequence[Access]) -> list[_Run]:
    """Columns, cut wherever a panel of some access begins; equal pieces in a row are one run."""
    panels = [access.panels for access in accesses if access.panels]
    bounds = {0, columns}
    for each in panels:
        bounds.update(bound for bound in itertools.accumulate(each.widths) if bound < columns)
    found: list[_Run] = []
    for first, last in itertools.pairwise(sorted(bounds)):
        starts, rows, rooms = [], [], []
        for each in panels:
            ends = list(itertools.accumulate(each.widths))
            number = next(i for i, end in enumerate(ends) if first < end)
            rows.append(each.widths[number])
            starts.append(each.start(number) + first - (ends[number] - each.widths[number]))
            rooms.append(ends[number] - last)
        piece = _Run(first, last - first, 1, tuple(starts), (0,) * len(panels), tuple(rows), tuple(rooms))
        longer = _joined(found[-1], piece) if found else None
        found[-1:] = [longer] if longer else [*found[-1:], piece]
    return found


def _joined(run: _Run, piece: _Run) -> _Run | None:
    """A run with one more piece, if that goes on in the same steps."""
    if (run.width, run.rows) != (piece.width, piece.rows):
        return None
    ends = [start + step * (run.count - 1) for start, step in zip(run.starts, run.steps, strict=True)]
    steps = tuple(start - end for start, end in zip(piece.starts, ends, strict=True))
    if run.count > 1 and steps != run.steps:
        return None
    return replace(run, count=run.count + 1, steps=steps, rooms=piece.rooms)


def _piece(axes: Sequence[Axis], accesses: Sequence[Access], body: Sequence[Instruction], run: _Run) -> Nest:
    """The nest of a run: the axis of columns becomes two, which group and which column in it."""

    def split(strides: tuple[int, ...]) -> tuple[int, ...]:
        return (*strides[:-1], strides[-1] * run.width, strides[-1])

    columns = axes[-1]
    # What follows other pieces is the next one.
    at_end = run.count == 1 and run.column + run.width == columns.length
    places, number = [], 0
    for access in accesses:
        slack = access.slack if at_end else 0
        place = Place(access.dtype, access.strides[-1] * run.column, split(access.strides), slack, access.through)
        if access.panels:
            strides = (*access.strides[:-2], run.rows[number], run.steps[number], 1)
            slack = run.rooms[number] if at_end else 0  # the padding
            place = replace(place, offset=run.starts[number], strides=strides, slack=slack)
            number += 1
        places.append(place)
    split_axes = (*axes[:-1], replace(columns, length=run.count), replace(columns, length=run.width))
    moved = (_moved(i, i.parameters[1][-1] * run.column if i.operator == "position" else 0, split) for i in body)
    return Nest(split_axes, tuple(places), tuple(moved))


# --- simpler nests --------------------------------------------------------------------------------------------------


def simplified(nest: Nest) -> Nest:
    """The nest without axes of length 1, ordered, and with axes merged that every operand walks through as one."""
    nest = _selected(nest, [a for a, axis in enumerate(nest.axes) if axis.length != 1])
    weights = [sum(abs(row[a]) for row in nest.rows()) for a in range(len(nest.axes))]
    nest = _selected(nest, sorted(range(len(nest.axes)), key=lambda a: (nest.axes[a].inner, -weights[a])))
    a = 0
    while a + 1 < len(nest.axes):
        if _mergeable(nest, a):
            nest = _merged(nest, a)
        else:
            a += 1
    return nest


def _selected(nest: Nest, chosen: Sequence[int]) -> Nest:
    """Some axes, in this order."""
    axes = tuple(nest.axes[a] for a in chosen)
    return replace(nest.restrided(lambda strides: tuple(strides[a] for a in chosen)), axes=axes)


def _mergeable(nest: Nest, a: int) -> bool:
    """Whether an axis and the next are one, to all operands."""
    first, second = nest.axes[a], nest.axes[a + 1]
    if first.inner != second.inner or second.task:
        return False
    return all(row[a] == row[a + 1] * second.length for row in nest.rows())


def _merged(nest: Nest, a: int) -> Nest:
    """The nest with an axis and the next as one. Slack is gone: it would be after each row, where the next row is."""
    first, second = nest.axes[a], nest.axes[a + 1]
    axis = Axis(first.length * second.length, first.inner, first.task * second.length)
    nest = nest.restrided(lambda strides: (*strides[:a], *strides[a + 1 :]))
    places = tuple(replace(place, slack=0) if place.strides[a] == 1 else place for place in nest.places)
    return replace(nest, axes=(*nest.axes[:a], axis, *nest.axes[a + 2 :]), places=places)
