"""Machine code of a `Loop`: elementwise code and reductions.

A loop kernel becomes one function

    ``void name(ptr p0, ptr p1, ..., i64 begin, i64 end)``

of a pointer for each access (inputs, then stores) and the range of tasks to do. The chapters are in ``loops/``:

1. `nest` turns the domain into loops: panels into strided pieces, axes in the order of memory, merged where possible.
2. One axis is chosen to be the vector axis (`choices`). If it is an outer one, lanes are independent; if it is one that
   is reduced over, a row has several vectors of accumulators, which are combined in the end (`reduction`).
3. `frame` computes values where they belong: outside of the loops that they do not depend on.
4. Reductions go in `passes`: a value that depends on a reduction is computed in a later run through the inner axes.
5. Operands that are contiguous along another axis than the vector axis are transposed in registers (`planes`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from twopass.backends.llvm.body import closure, contracted
from twopass.backends.llvm.builder import I64, PTR, Function, Value, literal
from twopass.backends.llvm.loops.choices import choose, work_of
from twopass.backends.llvm.loops.frame import Code, Frame, Mask
from twopass.backends.llvm.loops.nest import Axis, Nest, nests
from twopass.backends.llvm.loops.passes import Passes
from twopass.backends.llvm.loops.planes import load_block, store_block
from twopass.backends.llvm.target import Target
from twopass.errors import ArgumentError, compose
from twopass.program.ir import Loop

__all__ = ["emit_loop"]


def emit_loop(kernel: Loop, name: str, target: Target) -> list[Function]:
    """The functions of a loop kernel, itself last.

    Parameters
    ----------
    kernel : Loop
        What it computes.
    name : str
        Of the function.
    target : Target
        What it is for.

    Returns
    -------
    list of Function
        Each has its `text()`, and in `declared` the declarations of what it calls. The ones before the last are
        helpers, of which the same name means the same function, in other kernels too.
    """
    count = len(kernel.inputs) + len(kernel.stores)
    parameters = [(PTR, f"p{i}") for i in range(count)] + [(I64, "begin"), (I64, "end")]
    f = Function(name, parameters, has_fma=target.has_fma)
    outer = len(kernel.domain) - kernel.inner
    if kernel.block and not outer and kernel.domain:
        raise ArgumentError(
            compose(
                "A loop kernel has tasks along an axis that it reduces over.",
                why="Tasks are done by several threads, and each result is one thread's.",
                instead="Reduce in two kernels: blocks first, then their results.",
            )
        )
    if 0 in kernel.domain[:outer]:
        return [f]
    writer = _Writer(f, kernel, target)
    begin, end = f.parameters[-2:]
    f.when(f.icmp("slt", begin, end), writer.write)
    return [*writer.helpers(), f]


class _Writer:
    """Writes the loops around the points of a kernel."""

    def __init__(self, f: Function, kernel: Loop, target: Target) -> None:
        self.f = f
        self.kernel = kernel
        inputs = len(kernel.inputs)
        stored = [store.value for store in kernel.stores]
        body = contracted(kernel.body, inputs, stored)
        self.needed = closure(body, inputs, stored)
        self.codes = _codes(f, nests(kernel, body), kernel, target)
        #: Of what is not computed outside of the innermost loop.
        self.work = max((self.work_in(code) for code in self.codes), default=0)
        self.unrolls = {code: self.unroll(code) for code in self.codes}
        self.passes = None
        if kernel.inner:
            self.passes = Passes(self.codes, stored, self.needed, self.work, self.unrolls[self.codes[0]])

    def work_in(self, code: Code) -> float:
        """Arithmetic at each point of all axes."""
        innermost = (n for n in self.needed if code.levels[n] == len(code.order))
        return work_of(i.operator for n in innermost if (i := code.instruction(n)) is not None)

    def helpers(self) -> list[Function]:
        """The functions that the kernel calls."""
        return list({name: helper for code in self.codes for name, helper in code.helpers.items()}.values())

    def write(self) -> None:
        """All of the kernel."""
        # The pieces of a reduction follow each other at each point of the outer axes, others one after the other.
        for code in self.codes[:1] if self.passes else self.codes:
            self.loops([Frame(code)])

    def loops(self, frames: list[Frame]) -> None:
        """The loops over the outer axes from the next one on, and what is inside."""
        frame = frames[0]
        code = frame.code
        if frame.level == code.outer:
            self.points(frames)
            return
        frame.prepare(self.needed)
        axis = code.nest.axes[code.order[frame.level]]
        if code.order[frame.level] == code.cross and frame.lanes > 1:
            self.plane(frame, axis.length)
            return
        if code.order[frame.level] == code.vector:
            self.strip(frame, axis)
            return
        start, stop = self.bounds(axis)
        self.f.loop(stop, lambda i: self.loops([frame.child(i)]), start=start)

    def bounds(self, axis: Axis) -> tuple[Value | int, Value | int]:
        """Where an outer axis starts and stops."""
        if not axis.task:
            return 0, axis.length
        f = self.f
        step = literal(self.kernel.block * axis.task, I64)
        begin, end = (f.mul(bound, step) for bound in f.parameters[-2:])
        length = literal(axis.length, I64)
        return begin, f.select(f.icmp("slt", end, length), end, length)

    def plane(self, frame: Frame, length: int) -> None:
        """Blocks along the cross axis, one position for each lane."""
        lanes = frame.lanes
        main, rest = divmod(length, lanes)
        if main:
            self.f.loop(main * lanes, lambda i: self.points([frame.child(i, k) for k in range(lanes)]), step=lanes)
        if rest:
            self.points([frame.child(literal(main * lanes, I64), k) for k in range(rest)])

    def points(self, frames: list[Frame]) -> None:
        """What is done at points of the outer axes, which differ on the vector axis."""
        if self.passes:
            self.passes.run(frames)
            return
        code, inputs = frames[0].code, len(self.kernel.inputs)
        crossing = [place for place in range(len(code.nest.places)) if code.crosses(code.nest.places[place])]
        if frames[0].lanes == 1:
            crossing = []
        for number in crossing:
            if number < inputs and number in self.needed:
                load_block(frames, number)
        # All loads come before all stores: the machine cannot know that they do not touch each other.
        values = [
            (frame, number, frame.operand(store.value, code.is_vector(number)), code.dtypes[store.value])
            for frame in frames
            for number, store in enumerate(self.kernel.stores, inputs)
        ]
        for frame, number, value, dtype in values:
            if number not in crossing:
                frame.store(number, value, dtype)
        for number in crossing:
            if number >= inputs:
                column = [frame.converted(number, value, dtype) for frame, n, value, dtype in values if n == number]
                store_block(frames, number, column)

    # --- the vector axis, if it is an outer one ---------------------------------------------------------------------

    def strip(self, frame: Frame, axis: Axis) -> None:
        """Points along the vector axis: several vectors at once, then one, then a part of one."""
        start, stop = self.bounds(axis)
        unroll = self.unrolls[frame.code]
        if isinstance(stop, int):
            self.static_strip(frame, stop, unroll)
        else:
            assert isinstance(start, Value)
            self.dynamic_strip(frame, start, stop, math.gcd(axis.length, self.kernel.block * axis.task), unroll)

    def unroll(self, code: Code) -> int:
        """How many vectors along an outer vector axis are computed together: more if there is little to do for each."""
        if code.vector is None or code.cross is not None or code.nest.axes[code.vector].inner:
            return 1
        vectors = -(-code.nest.axes[code.vector].length // code.lanes)
        most = 4 if self.work <= 8 else 2 if self.work <= 24 else 1
        return min(most, 1 << max(0, vectors.bit_length() - 1))

    def sites(
        self, frame: Frame, index: Value, shifts: Sequence[int], masks: Sequence[Mask | None], lanes: int
    ) -> None:
        """Code for vectors at these places."""
        frames: list[Frame] = []
        for shift, mask in zip(shifts, masks, strict=True):
            frames.append(frame.child(index, shift, lanes=lanes, mask=mask, leader=frames[0] if frames else None))
        self.loops(frames)

    def static_strip(self, frame: Frame, length: int, unroll: int) -> None:
        code = frame.code
        lanes = code.lanes
        if _padded(code, length):
            length += -length % lanes
        chunk = lanes * unroll
        main, rest = divmod(length, chunk)

        def many(index: Value) -> None:
            self.sites(frame, index, range(0, chunk, lanes), [None] * unroll, lanes)

        if main > 1:
            self.f.loop(main * chunk, many, step=chunk)
        elif main:
            many(literal(0, I64))
        full, tail = divmod(rest, lanes)
        shifts = [k * lanes for k in range(full)]
        masks: list[Mask | None] = [None] * full
        if tail and code.masked:
            shifts.append(full * lanes)
            masks.append(Mask.first(tail, lanes))
        if shifts:
            self.sites(frame, literal(main * chunk, I64), shifts, masks, lanes)
        if tail and not code.masked:
            self.f.loop(length, lambda i: self.sites(frame, i, [0], [None], 1), start=length - tail)

    def dynamic_strip(self, frame: Frame, start: Value, stop: Value, unit: int, unroll: int) -> None:
        """A range that consists of whole units."""
        f, code = self.f, frame.code
        lanes = code.lanes

        def full(first: Value, vectors: int) -> Value:
            """Code for as many whole groups of vectors as there are; where they end."""
            chunk = lanes * vectors
            count = f.binary("sub", stop, first)
            last = f.add(first, f.binary("and", count, literal(-chunk, I64))) if unit % chunk else stop

            def body(i: Value) -> None:
                self.sites(frame, i, range(0, chunk, lanes), [None] * vectors, lanes)

            f.when(f.icmp("ne", first, last), lambda: _ignore(f.loop(last, body, start=first, step=chunk)))
            return last

        end = full(start, unroll)
        if unit % (lanes * unroll) and unroll > 1:
            end = full(end, 1)
        left = f.binary("sub", stop, end)

        def tail() -> None:
            if code.masked:
                self.sites(frame, end, [0], [Mask(f.first_lanes(left, lanes), None, left)], lanes)
            else:
                f.loop(stop, lambda i: self.sites(frame, i, [0], [None], 1), start=end)

        if unit % lanes:
            f.when(f.icmp("ne", left, literal(0, I64)), tail)


def _ignore(_value: Any) -> None:
    return None


def _padded(code: Code, length: int) -> bool:
    """Whether all that is accessed along the vector axis may be accessed up to a whole vector."""
    excess = -length % code.lanes
    places = [place for number, place in enumerate(code.nest.places) if code.is_vector(number)]
    return all(code.is_contiguous(place) and place.slack >= excess for place in places)


# --- plans --------------------------------------------------------------------------------------------------------


def _codes(f: Function, pieces: Sequence[Nest], kernel: Loop, target: Target) -> list[Code]:
    """What holds for all points of each piece of a kernel: the order of loops follows from the choice of axes."""
    stored = [store.value for store in kernel.stores]
    found = []
    for nest, choice in zip(pieces, choose(pieces, target, inner=kernel.inner > 0), strict=True):
        place = {choice.vector: 1, choice.cross: 2}
        order = sorted(range(len(nest.axes)), key=lambda a: (nest.axes[a].inner, place.get(a, 0)))
        found.append(Code(f, nest, stored, order, choice, target.vector_bytes))
    return found
