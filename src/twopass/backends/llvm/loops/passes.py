"""Reductions at a point of the outer axes: passes over the inner axes.

The stage of a value is the number of reductions, one after the other, that it depends on. Pass s runs through the inner
axes for the reductions of operands of stage s; what several passes need is computed in each of them, unless a row is so
short that it stays in registers. All stores to points of the inner axes happen in the last pass, when nothing else is
going to be loaded: they may be to the memory of an input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.backends.llvm.body import closure
from twopass.backends.llvm.builder import I64, Function, Value, literal, scalar_type
from twopass.backends.llvm.loops.choices import work_of
from twopass.backends.llvm.loops.frame import Code, Frame, Mask
from twopass.backends.llvm.loops.planes import load_block, store_block
from twopass.backends.llvm.loops.reduction import BLOCK, blocked, combine, fold, identity, tree

__all__ = ["Passes"]

DType = np.dtype[Any]

#: Most vectors of a row that stay in registers from one pass to the next.
_ROW_VECTORS = 4
#: How much arithmetic of short rows is written out, in additions, rather than being in a loop.
_UNROLLED = 128
#: From how many additions on a value is kept rather than computed again, and how much memory that may take.
_EXPENSIVE, _BUFFER_BYTES = 6, 32 << 10


class Passes:
    """The plan of all passes of a kernel, and the code of them."""

    def __init__(self, codes: Sequence[Code], stored: Sequence[int], needed: set[int], work: float, sites: int) -> None:
        """Plan for the pieces of a kernel, whose outer axes are the same.

        There are at most `sites` frames at a time.
        """
        self.sites = sites
        self.codes = codes
        self.f: Function = codes[0].f
        self.stored = list(enumerate(stored, codes[0].inputs))
        self.needed = needed
        self.work = work
        self.stages = _stages(codes[0])
        self.reductions = [n for n in sorted(needed) if codes[0].is_reduction(n)]
        self.inner_stores = [(place, n) for place, n in self.stored if any(_at_points(c, place, n) for c in codes)]
        self.outer_stores = [store for store in self.stored if store not in self.inner_stores]
        stages = [self.stages[n] for _, n in self.inner_stores] + [self.stages[n] - 1 for n in self.reductions]
        self.last = max(stages, default=-1)
        self.roots = [self._roots(stage) for stage in range(self.last + 1)]
        #: The vectors of rows that stay in registers.
        self.kept: dict[Frame, list[_Row]] = {}
        #: Buffers of values that several passes need, by value and frame, and the first of these passes.
        self.buffers: dict[tuple[int, int], Value] = {}
        self.buffered = self._buffered()
        self.places: dict[int, Value] = {}

    def run(self, frames: list[Frame]) -> None:
        """The code at points of the outer axes that differ on the vector axis."""
        self.kept = {}
        rows = [[frame.seen_by(code) for frame in frames] for code in self.codes]
        for stage in range(self.last + 1):
            self.prepare(rows, stage)
            numbers = [n for n in self.reductions if self.stages[n] == stage + 1]
            stores = self.inner_stores if stage == self.last else []
            _Pass(self, stage, rows, numbers, stores).run()
        self.prepare(rows[:1], self.last + 1)
        values = [
            (frame, place, frame.operand(n, frame.code.is_vector(place)), n)
            for frame in frames
            for place, n in self.outer_stores
        ]
        for frame, place, value, n in values:
            frame.store(place, value, frame.code.dtypes[n])

    def _roots(self, stage: int) -> set[int]:
        """The values that a pass needs first of all."""
        code = self.codes[0]
        reduced = [code.instruction(n) for n in self.reductions if self.stages[n] == stage + 1]
        stored = [n for _, n in self.inner_stores] if stage == self.last else []
        return {*stored, *(instruction.operands[0] for instruction in reduced if instruction is not None)}

    def _buffered(self) -> dict[int, int]:
        """The values that take long to compute and are needed in several passes, with the first of these."""
        code = self.codes[0]
        if len(self.codes) > 1 or len(_lengths(code)) != 1:
            return {}
        needed = [closure(code.nest.body, code.inputs, roots) for roots in self.roots]
        found: dict[int, int] = {}
        for number, instruction in enumerate(code.nest.body, code.inputs):
            passes = [stage for stage, numbers in enumerate(needed) if number in numbers]
            inner = code.levels[number] > code.outer and code.vectors[number]
            if inner and len(passes) > 1 and work_of([instruction.operator]) >= _EXPENSIVE:
                found[number] = passes[0]
        size = sum(code.dtypes[number].itemsize for number in found) * self.positions()
        return found if size <= _BUFFER_BYTES else {}

    def positions(self) -> int:
        """How many elements of a value may be kept at a time."""
        code = self.codes[0]
        length = _lengths(code)[0]
        return length + code.lanes if _is_inner(code, code.vector) else length * code.lanes * self.sites

    def buffer(self, number: int, site: int) -> Value:
        """Where a value of a frame is kept."""
        if (number, site) not in self.buffers:
            code = self.codes[0]
            length = _lengths(code)[0]
            count = length + code.lanes if _is_inner(code, code.vector) else length * code.lanes
            self.buffers[number, site] = self.f.slot(scalar_type(code.dtypes[number]), count)
        return self.buffers[number, site]

    def crossing(self, code: Code) -> list[int]:
        """The inputs that cross the vector axis."""
        return [n for n in range(code.inputs) if n in self.needed and code.crosses(code.nest.places[n])]

    def crossing_stores(self, code: Code) -> list[int]:
        """The places of stores that cross the vector axis."""
        return [place for place, _ in self.inner_stores if code.crosses(code.nest.places[place])]

    def place(self, code: Code, number: int) -> Value:
        """The buffer of a place that crosses the vector axis."""
        if number not in self.places:
            type = scalar_type(code.nest.places[number].dtype).wide(code.lanes)
            self.places[number] = self.f.slot(type, _lengths(code)[0])
        return self.places[number]

    def prepare(self, rows: Sequence[Sequence[Frame]], stage: int) -> None:
        """Compute what belongs to the outer axes and depends on no later reductions."""
        ready = [n for n in self.needed if self.stages[n] <= stage]
        for frames in rows:
            for frame in frames:
                frame.prepare(ready)


def _stages(code: Code) -> list[int]:
    """The stage of each value."""
    stages: list[int] = []
    for number in range(len(code.dtypes)):
        instruction = code.instruction(number)
        operands = () if instruction is None else instruction.operands
        stages.append(max((stages[o] for o in operands), default=0) + code.is_reduction(number))
    return stages


def _at_points(code: Code, place: int, number: int) -> bool:
    """Whether a store is to each point of the inner axes, not of the outer ones alone."""
    inner = {a for a, axis in enumerate(code.nest.axes) if axis.inner}
    return bool(inner & code.depends[number]) or any(code.nest.places[place].strides[a] for a in inner)


@dataclass(slots=True)
class _Row:
    """The frames of a pass at a point of the outer axes and some inner ones, in one piece of a kernel."""

    frames: list[Frame]

    def at(self, index: Value, shift: int = 0, mask: Mask | None = None, lanes: int | None = None) -> _Row:
        """The next axis at a position."""
        made: list[Frame] = []
        for frame in self.frames:
            leader = made[0] if made else None
            made.append(frame.child(index, shift, mask=mask, lanes=lanes, leader=leader))
        return _Row(made)


class _Pass:
    """One pass over the inner axes.

    The accumulators are listed by reduction, then by slot; slots are independent, so that one addition need not wait
    for the one before. If the vector axis is an inner one, the lanes of all slots are combined in the end, and a last
    slot of scalars takes what does not fill a vector, on targets without masks. If not, there are some slots for each
    frame.
    """

    def __init__(
        self, plan: Passes, stage: int, rows: list[list[Frame]], numbers: list[int], stores: Sequence[tuple[int, int]]
    ) -> None:
        self.plan = plan
        self.stage = stage
        self.f = plan.f
        self.rows = rows
        self.numbers = numbers
        self.stores = stores
        first = plan.codes[0]
        self.operands = {}
        for number in numbers:
            instruction = first.instruction(number)
            assert instruction is not None
            self.operands[number] = (instruction.operator, instruction.operands[0], instruction.dtype)
        self.needed = closure(first.nest.body, first.inputs, plan.roots[stage])
        self.sites = len(rows[0])
        self.horizontal = any(_is_inner(code, code.vector) for code in plan.codes)
        self.lanes = max(code.lanes for code in plan.codes)
        self.slots = self._slots()
        #: Whether the slot of scalars has been used.
        self.scalar_used = False

    def _slots(self) -> int:
        if self.horizontal:
            most = 4 if self.plan.work <= 24 else 2
            vectors = max(
                code.nest.axes[code.vector].length // code.lanes
                for code in self.plan.codes
                if code.vector is not None and _is_inner(code, code.vector)
            )
            return max(1, min(most, vectors))
        lengths = [_lengths(code)[-1] for code in self.plan.codes if _lengths(code)]
        # As many for a single frame as for each of several: the order of a sum must not depend on neighbours.
        most = 4 if self.plan.work <= 8 else 2
        return max(1, min(most // self.plan.sites, *lengths)) if lengths else 1

    # --- accumulators -----------------------------------------------------------------------------------------------

    def fresh(self) -> list[Value]:
        """The accumulators, before anything has been combined with them."""
        found: list[Value] = []
        for number in self.numbers:
            operator, _, dtype = self.operands[number]
            start = identity(operator, dtype)
            found += [self.f.splat(start, self.width(number, slot)) for slot in range(self.count)]
        return found

    @property
    def count(self) -> int:
        """Accumulators of each reduction."""
        return self.slots + 1 if self.horizontal else self.slots * self.sites

    def width(self, number: int, slot: int) -> int:
        """Lanes of an accumulator."""
        if self.horizontal:
            return self.lanes if slot < self.slots else 1
        frame = self.rows[0][slot // self.slots]
        return frame.lanes if frame.code.vectors[self.operands[number][1]] else 1

    def join(self, number: int, a: Value, b: Value) -> Value:
        """Two values of a reduction combined."""
        operator, _, dtype = self.operands[number]
        return combine(self.f, operator, dtype, a, b)

    def merge(self, totals: Sequence[Value], parts: Sequence[Value]) -> list[Value]:
        """Accumulators combined with those of a block."""
        numbers = [number for number in self.numbers for _ in range(self.count)]
        return [self.join(number, a, b) for number, a, b in zip(numbers, totals, parts, strict=True)]

    def take(self, frame: Frame, number: int, before: Value) -> Value:
        """An accumulator, combined with the value at a point (or at those of a vector)."""
        operator, operand, dtype = self.operands[number]
        instruction = frame.code.instruction(operand)
        whole = frame.mask is None or not self.horizontal
        single = self.uses(operand) == 1 and whole and dtype.kind == "f"
        if instruction is not None and instruction.operator == "multiply" and operator == "add.reduce" and single:
            a, b = (self.fit(frame.get(o), before) for o in instruction.operands)
            return self.f.fma(a, b, before)
        value = self.fit(frame.get(operand), before)
        if self.horizontal and frame.mask is not None:
            value = self.f.select(frame.mask.value, value, self.f.splat(identity(operator, dtype), self.lanes))
        return self.join(number, before, value)

    def fit(self, value: Value, like: Value) -> Value:
        """A value in as many lanes as another."""
        return self.f.splat(value, like.type.lanes) if value.type.lanes != like.type.lanes else value

    def uses(self, number: int) -> int:
        """How many instructions and stores take a value."""
        code = self.plan.codes[0]
        used = sum(
            instruction.operands.count(number)
            for n, instruction in enumerate(code.nest.body, code.inputs)
            if n in self.plan.needed
        )
        return used + sum(n == number for _, n in self.plan.stored)

    # --- the passes -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run through the inner axes of all pieces, and give the frames the results."""
        totals = self.fresh()
        empty = all(0 in _lengths(code) for code in self.plan.codes)
        if not empty:
            for frames in self.rows:
                if 0 not in _lengths(frames[0].code):
                    totals = self.walk(_Row(frames), totals)
        for number, first in self.plan.buffered.items():
            if first == self.stage:
                for site, frame in enumerate(self.rows[0]):
                    if frame not in self.plan.kept:
                        frame.kept[number] = self.plan.buffer(number, site)
        for place, number in enumerate(self.numbers):
            mine = totals[place * self.count : (place + 1) * self.count]
            operator, _, dtype = self.operands[number]
            for site in range(self.sites):
                result = self.result(number, mine, site)
                if empty:
                    result = self.f.splat(identity(operator, dtype, empty=True), result.type.lanes)
                for frames in self.rows:
                    frames[site].values[number] = result

    def result(self, number: int, totals: Sequence[Value], site: int) -> Value:
        """The result of a reduction for one of the frames."""

        def join(a: Value, b: Value) -> Value:
            return self.join(number, a, b)

        if not self.horizontal:
            return tree(totals[site * self.slots : (site + 1) * self.slots], join)
        value = fold(self.f, tree(totals[: self.slots], join), join)
        return join(value, totals[-1]) if self.scalar_used else value

    def walk(self, row: _Row, totals: list[Value]) -> list[Value]:
        """The loops over the inner axes from the next one on."""
        code, level = row.frames[0].code, row.frames[0].level
        if level == len(code.order):
            return self.points([row], totals, scalar=self.horizontal)
        axis = code.order[level]
        length = code.nest.axes[axis].length
        if level + 1 == len(code.order):
            return self.innermost(row, axis, length, totals)
        inside = math.prod(_lengths(code)[level + 1 - code.outer :])

        def body(index: Value, *before: Value) -> list[Value]:
            child = row.at(index)
            for frame in child.frames:
                frame.prepare(self.needed)
            if inside > BLOCK:
                return self.merge(before, self.walk(child, self.fresh()))
            return self.walk(child, list(before))

        return blocked(self.f, length, body, totals, self.fresh, self.merge, max(1, min(inside, BLOCK)))

    def innermost(self, row: _Row, axis: int, length: int, totals: list[Value]) -> list[Value]:
        """The innermost loop."""
        frame = row.frames[0]
        if axis == frame.code.vector:
            return self.lanes_loop(row, length, totals)
        if frame.code.cross is None or frame.lanes == 1:
            return self.copies_loop(row, length, totals)
        if self.plan.work * length <= _UNROLLED:
            return self.crossed(frame, length, totals)
        return self.buffered(frame, length, totals)

    def copies_loop(self, row: _Row, length: int, totals: list[Value]) -> list[Value]:
        """The innermost loop, with a slot for each of some neighbouring positions."""
        slots = self.slots
        if self.horizontal:  # a piece of the kernel that has no vector axis

            def one(i: Value, *before: Value) -> list[Value]:
                return self.points([row.at(i)], list(before), scalar=True)

            return blocked(self.f, length, one, totals, self.fresh, self.merge)

        def body(i: Value, *before: Value) -> list[Value]:
            index = self.f.mul(i, literal(slots, I64))
            return self.points([row.at(index, k) for k in range(slots)], list(before))

        main, rest = divmod(length, slots)
        if main > 1:
            totals = blocked(self.f, main, body, totals, self.fresh, self.merge)
        elif main:
            totals = body(literal(0, I64), *totals)
        left = [row.at(literal(main * slots, I64), k) for k in range(rest)]
        return self.points(left, totals) if left else totals

    def crossed(self, frame: Frame, length: int, totals: list[Value]) -> list[Value]:
        """All positions of the cross axis, which stay in registers from one pass to the next."""
        code, kept = frame.code, self.plan.kept
        if frame not in kept:
            kept[frame] = [_Row([frame]).at(literal(0, I64), k) for k in range(length)]
            for block in _blocks(kept[frame], frame.lanes):
                for number in self.plan.crossing(code):
                    load_block(block, number)
        totals = self.in_slots(kept[frame], totals)
        for place, number in self.stores:
            if code.crosses(code.nest.places[place]):
                for block in _blocks(kept[frame], frame.lanes):
                    store_block(block, place, [f.converted(place, f.wide(number), code.dtypes[number]) for f in block])
        return totals

    def buffered(self, frame: Frame, length: int, totals: list[Value]) -> list[Value]:
        """All positions of the cross axis, in a loop: what crosses is in buffers, transposed."""
        code, plan = frame.code, self.plan
        blocks = _blocks([_Row([frame]).at(literal(0, I64), k) for k in range(length)], frame.lanes)
        if self.stage == 0:
            for number in plan.crossing(code):
                for block in blocks:
                    load_block(block, number)
                    for point in block:
                        point.keep(number, plan.place(code, number))
        frame.slots = {n: plan.place(code, n) for n in (*plan.crossing(code), *plan.crossing_stores(code))}
        totals = self.copies_loop(_Row([frame]), length, totals)
        for place in plan.crossing_stores(code) if self.stores else ():
            for block in blocks:
                store_block(block, place, [point.recall_place(place) for point in block])
        return totals

    def lanes_loop(self, row: _Row, length: int, totals: list[Value]) -> list[Value]:
        """The innermost loop, if its axis is the vector axis: several vectors, then single ones, then a part of one."""
        code = row.frames[0].code
        lanes, slots = code.lanes, self.slots
        vectors, tail = divmod(length, lanes)
        if row.frames[0].level == code.outer and length <= _ROW_VECTORS * lanes and (code.masked or not tail):
            kept = self.plan.kept
            if row.frames[0] not in kept:
                kept[row.frames[0]] = self.vectors(row, 0, length)
            return self.in_slots(kept[row.frames[0]], totals)
        main = vectors // slots

        def body(i: Value, *before: Value) -> list[Value]:
            index = self.f.mul(i, literal(slots * lanes, I64))
            return self.points([row.at(index, k * lanes) for k in range(slots)], list(before))

        if main > 1:
            totals = blocked(self.f, main, body, totals, self.fresh, self.merge)
        elif main:
            totals = body(literal(0, I64), *totals)
        totals = self.in_slots(self.vectors(row, main * slots * lanes, length), totals)
        if tail and not code.masked:
            totals = self.f.loop(length, lambda i, *before: self.scalars(row, i, before), totals, start=length - tail)
        return totals

    def vectors(self, row: _Row, start: int, length: int) -> list[_Row]:
        """The vectors of a row from an element on; the last one with a mask, if there is one for it."""
        code = row.frames[0].code
        full, tail = divmod(length - start, code.lanes)
        found = [row.at(literal(start, I64), k * code.lanes) for k in range(full)]
        if tail and code.masked:
            found.append(row.at(literal(start, I64), full * code.lanes, mask=Mask.first(tail, code.lanes)))
        return found

    def in_slots(self, rows: Sequence[_Row], totals: list[Value]) -> list[Value]:
        """The code at several vectors of a row."""
        for first in range(0, len(rows), self.slots):
            totals = self.points(rows[first : first + self.slots], totals)
        return totals

    def scalars(self, row: _Row, index: Value, before: Sequence[Value]) -> list[Value]:
        """One position of the vector axis alone."""
        return self.points([row.at(index, lanes=1)], list(before), scalar=True)

    def points(self, rows: Sequence[_Row], totals: list[Value], *, scalar: bool = False) -> list[Value]:
        """The code at points of all axes: reductions, each row in a slot of its own, then stores."""
        after = list(totals)
        values = []
        self.scalar_used |= scalar
        for slot, row in enumerate(rows):
            for site, frame in enumerate(row.frames):
                for place, number in enumerate(self.numbers):
                    mine = self.slots if scalar else slot if self.horizontal else site * self.slots + slot
                    at = place * self.count + mine
                    after[at] = self.take(frame, number, after[at])
                for store, number in self.stores:
                    if frame.parent in self.plan.kept and frame.code.crosses(frame.code.nest.places[store]):
                        continue  # see `crossed`
                    wide = frame.code.is_vector(store)
                    values.append((frame, store, frame.operand(number, wide), frame.code.dtypes[number]))
                for number, first in self.plan.buffered.items():
                    if first == self.stage and not self.in_registers(row.frames[0].parent):
                        frame.keep(number, self.plan.buffer(number, site))
        for frame, store, value, dtype in values:
            frame.store(store, value, dtype)
        return after

    def in_registers(self, frame: Frame | None) -> bool:
        """Whether a row stays in registers, and need not be kept in a buffer."""
        return frame in self.plan.kept


def _blocks(rows: Sequence[_Row], lanes: int) -> list[list[Frame]]:
    """The only frames of rows, in groups of so many."""
    return [[row.frames[0] for row in rows[first : first + lanes]] for first in range(0, len(rows), lanes)]


def _is_inner(code: Code, axis: int | None) -> bool:
    return axis is not None and code.nest.axes[axis].inner


def _lengths(code: Code) -> list[int]:
    """Lengths of the inner axes, in the order of the loops."""
    return [code.nest.axes[axis].length for axis in code.order if code.nest.axes[axis].inner]
