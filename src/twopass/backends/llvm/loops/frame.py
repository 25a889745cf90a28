"""Values at a point of a nest, and where in the nest each is computed.

A `Frame` is a point at which some axes have a position, outermost first; the frame of the whole kernel has none. A
value belongs to the frame where everything that it depends on has a position, so what does not change in an inner loop
is computed outside of it.

At most one axis is the vector axis. Where it has a position, values that depend on it are vectors: of the positions
from there on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.backends.llvm.body import convert, emit_instruction, from_memory, number_literal, to_memory
from twopass.backends.llvm.builder import BOOL, I64, PTR, Function, Type, Value, literal, scalar_type
from twopass.backends.llvm.loops.choices import Choice
from twopass.backends.llvm.loops.nest import Nest, Place
from twopass.program.ir import Instruction
from twopass.program.scalar import REDUCTIONS

__all__ = ["Code", "Frame", "Mask"]

DType = np.dtype[Any]
_INDEX = np.dtype(np.int64)


@dataclass(frozen=True, slots=True)
class Mask:
    """The first lanes of a vector, as a vector of ``i1``: `count` of them, or, if that is not known, `left`."""

    value: Value
    count: int | None = None
    left: Value | None = None

    @classmethod
    def first(cls, count: int, lanes: int) -> Mask:
        """The first `count` lanes."""
        bits = ", ".join(f"i1 {'true' if lane < count else 'false'}" for lane in range(lanes))
        return cls(Value(f"<{bits}>", BOOL.wide(lanes)), count)

    def excess(self, lanes: int) -> int | None:
        """How many lanes it leaves out, if that is known."""
        return None if self.count is None else lanes - self.count


class Code:
    """What holds for all points of a nest: the order of its loops, the vector axis, where values belong.

    Attributes
    ----------
    f : Function
        Where code goes; its first parameters are the pointers of the places.
    nest : Nest
        The loops.
    order : tuple of int
        Axes, outermost loop first. All outer ones (in the sense of `Axis.inner`) come before the inner ones.
    vector : int or None
        The vector axis.
    lanes : int
        Of vectors.
    masked : bool
        Whether part of a vector can be loaded and stored with a mask; if not, scalar code does what is left over.
    cross : int or None
        An axis, along which some operands are contiguous that are not along the vector axis; see `planes`.
    vector_bytes : int
        Bytes of a register.
    """

    def __init__(
        self, f: Function, nest: Nest, stored: Sequence[int], order: Sequence[int], choice: Choice, vector_bytes: int
    ) -> None:
        """Find out about a nest; `stored` are the values that go to the last places."""
        self.f = f
        self.nest = nest
        self.inputs = len(nest.places) - len(stored)
        self.order = tuple(order)
        self.vector = vector = choice.vector
        self.cross = choice.cross
        self.lanes = choice.lanes
        self.masked = choice.masked
        self.vector_bytes = vector_bytes
        #: Functions that the code calls, by name.
        self.helpers: dict[str, Function] = {}
        self.outer = sum(not nest.axes[axis].inner for axis in order)
        self.dtypes = [*(place.dtype for place in nest.places[: self.inputs]), *(i.dtype for i in nest.body)]
        self._level = {axis: level for level, axis in enumerate(order, 1)}
        self.depends: list[frozenset[int]] = []
        for number in range(len(self.dtypes)):
            self.depends.append(self._axes_of(number))
        self.levels: list[int] = []
        for number in range(len(self.dtypes)):
            self.levels.append(self._level_of(number))
        self.vectors = [vector in axes for axes in self.depends]
        self.used_wide = self._used_wide(stored)

    def instruction(self, number: int) -> Instruction | None:
        """What computes a value; None if it is loaded."""
        return self.nest.body[number - self.inputs] if number >= self.inputs else None

    def is_reduction(self, number: int) -> bool:
        """Whether a value is a reduction."""
        instruction = self.instruction(number)
        return instruction is not None and instruction.operator in REDUCTIONS

    def _axes_of(self, number: int) -> frozenset[int]:
        """The axes that a value depends on."""
        instruction = self.instruction(number)
        if instruction is None:
            place = self.nest.places[number]
            own = frozenset(a for a, stride in enumerate(place.strides) if stride)
            return own if place.through is None else own | self.depends[place.through[0]]
        if instruction.operator == "position":
            return frozenset(a for a, stride in enumerate(instruction.parameters[1]) if stride)
        axes = frozenset[int]().union(*(self.depends[o] for o in instruction.operands))
        if instruction.operator in REDUCTIONS:
            axes = frozenset(a for a in axes if not self.nest.axes[a].inner)
        return axes

    def _level_of(self, number: int) -> int:
        """The level of the frames that a value belongs to."""
        if self.is_reduction(number):
            return self.outer
        instruction = self.instruction(number)
        operands = () if instruction is None else instruction.operands
        own = max((self._level[a] for a in self.depends[number]), default=0)
        return max([own, *(self.levels[o] for o in operands)])

    def _used_wide(self, stored: Sequence[int]) -> frozenset[int]:
        """Scalars that meet vectors: they are repeated in all lanes where they are computed."""
        found = {value for place, value in enumerate(stored, self.inputs) if self.is_vector(place)}
        for number, instruction in enumerate(self.nest.body, self.inputs):
            if self.vectors[number] and not self.is_reduction(number):
                found.update(o for o in instruction.operands if not self.vectors[o])
        return frozenset(number for number in found if not self.vectors[number])

    def stride(self, place: Place) -> int:
        """A place's stride along the vector axis."""
        return 0 if self.vector is None else place.strides[self.vector]

    def is_vector(self, number: int) -> bool:
        """Whether a place (an input or a store) is accessed with vectors."""
        place = self.nest.places[number]
        return self.stride(place) != 0 or (place.through is not None and self.vectors[place.through[0]])

    def crosses(self, place: Place) -> bool:
        """Whether a place is accessed in rows along the cross axis."""
        if self.cross is None or place.strides[self.cross] != 1 or self.stride(place) in (0, 1):
            return False
        return place.through is None or not {self.vector, self.cross} & self.depends[place.through[0]]

    def is_contiguous(self, place: Place) -> bool:
        """Whether lanes are next to each other in memory."""
        gathered = place.through is not None and self.vectors[place.through[0]]
        return self.stride(place) == 1 and not gathered


class Frame:
    """A point where the axes of some outermost loops have positions, and the values that are known there."""

    def __init__(self, code: Code, lanes: int | None = None) -> None:
        """The frame of the whole kernel, where no axis has a position."""
        self.code = code
        self.parent: Frame | None = None
        self.leader: Frame | None = None
        self.level = 0
        self.axis: int | None = None
        self.index = literal(0, I64)
        self.shift = 0
        self.lanes = lanes or code.lanes
        self.mask: Mask | None = None
        self.values: dict[int, Value] = {}
        self._wide: dict[int, Value] = {}
        self._pointers: dict[int, Value] = {}
        self._positions: dict[int, Value] = {}
        #: Addresses of places at indices of the next axis; frames there differ in the shift.
        self._moved: dict[tuple[int, Value], Value] = {}
        #: Buffers of values at the positions of the next axis.
        self.kept: dict[int, Value] = {}
        #: The same of places that cross the vector axis.
        self.slots: dict[int, Value] = {}

    def child(
        self,
        index: Value,
        shift: int = 0,
        *,
        lanes: int | None = None,
        mask: Mask | None = None,
        leader: Frame | None = None,
    ) -> Frame:
        """The frame in which the next axis has the position ``index + shift``.

        `leader` is a frame that differs in the position on the vector axis alone: what does not depend on that is
        taken from there.
        """
        frame = Frame(self.code, lanes or self.lanes)
        frame.parent = self
        frame.leader = leader
        frame.level = self.level + 1
        frame.axis = frame.code.order[self.level]
        frame.index, frame.shift = index, shift
        frame.mask = mask or self.mask
        return frame

    @property
    def f(self) -> Function:
        """Where code goes."""
        return self.code.f

    # --- values -----------------------------------------------------------------------------------------------------

    def get(self, number: int) -> Value:
        """A value: a vector of this frame's lanes if it depends on the vector axis, else a scalar."""
        if number not in self.values:
            owner = self._owner(number)
            if owner is not self:
                return owner.get(number)
            kept = self.parent.kept if self.parent is not None else {}
            if number in kept:
                self.values[number] = self.recall(number, kept[number])
            else:
                self._compute(number)
        return self.values[number]

    def _compute(self, number: int) -> None:
        """Compute a value after what it needs; not by recursion, as a body may be longer than Python's stack."""
        stack = [number]
        while stack:
            waiting = self._waiting(stack[-1])
            if waiting is not None:
                stack.append(waiting)
            else:
                self.values[stack[-1]] = self._computed(stack[-1])
                stack.pop()

    def _waiting(self, number: int) -> int | None:
        """The first operand of a value that is to be computed in this frame and has not been."""
        instruction = self.code.instruction(number)
        kept = self.parent.kept if self.parent is not None else {}
        for o in instruction.operands if instruction is not None else ():
            if o not in self.values and o not in kept and self._owner(o) is self:
                return o
        return None

    def _owner(self, number: int) -> Frame:
        if self.parent is not None and self.code.levels[number] < self.level:
            return self.parent
        return self.leader if self.leader is not None and not self.code.vectors[number] else self

    def wide(self, number: int) -> Value:
        """A value as a vector."""
        value = self.get(number)
        if value.type.lanes == self.lanes:
            return value
        owner = self._owner(number)
        if owner is not self and owner.lanes == self.lanes:
            return owner.wide(number)
        if number not in self._wide:
            self._wide[number] = self.f.splat(value, self.lanes)
        return self._wide[number]

    def prepare(self, needed: Iterable[int]) -> None:
        """Compute what belongs here, before loops begin: the values among `needed`, and all addresses so far."""
        code = self.code
        for number in sorted(needed):
            if code.levels[number] == self.level and not (code.is_reduction(number) and number not in self.values):
                self.get(number)
                if number in code.used_wide:
                    self.wide(number)
        for number in range(len(code.nest.places)):
            self.pointer(number)
        for number, instruction in enumerate(code.nest.body, code.inputs):
            if instruction.operator == "position":
                self.position(number)

    def _computed(self, number: int) -> Value:
        code = self.code
        instruction = code.instruction(number)
        if instruction is None:
            return self._loaded(number)
        if instruction.operator == "position":
            return self._counted(number, instruction)
        take = self.wide if code.vectors[number] else self.get
        operands = [take(o) for o in instruction.operands]
        return emit_instruction(self.f, instruction, operands, [code.dtypes[o] for o in instruction.operands])

    def operand(self, number: int, wide: bool) -> Value:
        """A value, as a vector if `wide`."""
        return self.wide(number) if wide else self.get(number)

    # --- positions --------------------------------------------------------------------------------------------------

    def _advanced(self, strides: Sequence[int]) -> Value:
        """How far this frame's axis moves something with these strides."""
        stride = 0 if self.axis is None else strides[self.axis]
        moved = self.f.offset(self.index, stride)
        return self.f.add(moved, literal(stride * self.shift, I64))

    def position(self, number: int) -> Value:
        """A counter of the body at this point, as an ``i64``."""
        if number not in self._positions:
            instruction = self.code.instruction(number)
            assert instruction is not None
            start, strides = instruction.parameters
            before = number_literal(start, _INDEX) if self.parent is None else self.parent.position(number)
            self._positions[number] = before if self.axis is None else self.f.add(before, self._advanced(strides))
        return self._positions[number]

    def _counted(self, number: int, instruction: Instruction) -> Value:
        """A counter as a value."""
        f, code = self.f, self.code
        first = convert(f, self.position(number), _INDEX, instruction.dtype)
        if not code.vectors[number] or self.lanes == 1:
            return first
        stride = instruction.parameters[1][code.vector]
        steps = f.mul(
            f.lane_numbers(first.type.wide(self.lanes)),
            f.splat(number_literal(stride, instruction.dtype), self.lanes),
        )
        return f.binary("add", f.splat(first, self.lanes), steps)

    # --- buffers ----------------------------------------------------------------------------------------------------

    def _in_buffer(self, buffer: Value, type: Type) -> Value:
        """Where a buffer has what belongs to this position."""
        assert self.axis is not None
        step = 1 if self.axis == self.code.vector else self.lanes
        return self.f.element(self.f.element(buffer, type, self.f.offset(self.index, step)), type, self.shift * step)

    def keep(self, number: int, buffer: Value) -> None:
        """Write a value to its buffer."""
        dtype = self.code.dtypes[number]
        self.f.store(to_memory(self.f, self.get(number), dtype), self._in_buffer(buffer, scalar_type(dtype)))

    def recall(self, number: int, buffer: Value) -> Value:
        """Read a value from its buffer."""
        dtype = self.code.dtypes[number]
        type = scalar_type(dtype)
        value = self.f.load(self._in_buffer(buffer, type), type.wide(self.lanes))
        return from_memory(self.f, value, dtype)

    def recall_place(self, number: int) -> Value:
        """Read what goes to a place from its buffer."""
        assert self.parent is not None
        type = scalar_type(self.code.nest.places[number].dtype)
        return self.f.load(self._in_buffer(self.parent.slots[number], type), type.wide(self.lanes))

    # --- memory -----------------------------------------------------------------------------------------------------

    def pointer(self, number: int) -> Value:
        """The address of a place (an input or, counted on, a store) at this point; of the first lane if a vector."""
        if number not in self._pointers:
            self._pointers[number] = self._address(number)
        return self._pointers[number]

    def _address(self, number: int) -> Value:
        f, place = self.f, self.code.nest.places[number]
        type = scalar_type(place.dtype)
        if self.parent is None:
            address = f.element(f.parameters[number], type, place.offset)
        else:
            stride = place.strides[self.axis] if self.axis is not None else 0
            if self.index.text.startswith("%"):
                address = f.element(self.parent.moved(number, self.index, stride), type, stride * self.shift)
            else:
                address = f.element(self.parent.pointer(number), type, stride * (int(self.index.text) + self.shift))
        if place.through is not None:
            index, step = place.through
            if self.code.levels[index] == self.level and not self.code.vectors[index]:
                moved = convert(f, self.get(index), self.code.dtypes[index], _INDEX)
                address = f.element(address, type, f.offset(moved, step))
        return address

    def moved(self, number: int, index: Value, stride: int) -> Value:
        """The address of a place at an index of the next axis."""
        if (number, index) not in self._moved:
            type = scalar_type(self.code.nest.places[number].dtype)
            self._moved[number, index] = self.f.element(self.pointer(number), type, self.f.offset(index, stride))
        return self._moved[number, index]

    def seen_by(self, code: Code) -> Frame:
        """The same point in another nest that has the same outer axes: the same values, other addresses."""
        if code is self.code:
            return self
        frame = Frame(code, self.lanes)
        frame.parent = self.parent.seen_by(code) if self.parent is not None else None
        frame.level, frame.axis, frame.index, frame.shift = self.level, self.axis, self.index, self.shift
        frame.mask, frame.values = self.mask, self.values
        return frame

    def _lane_offsets(self, place: Place) -> Value:
        """How far each lane is from the first, in elements."""
        f, stride = self.f, self.code.stride(place)
        wide = I64.wide(self.lanes)
        offsets = f.mul(f.lane_numbers(wide), f.splat(literal(stride, I64), self.lanes)) if stride else None
        if place.through is not None and self.code.vectors[place.through[0]]:
            index, step = place.through
            moved = convert(f, self.get(index), self.code.dtypes[index], _INDEX)
            moved = f.mul(moved, f.splat(literal(step, I64), self.lanes))
            offsets = moved if offsets is None else f.add(offsets, moved)
        assert offsets is not None
        return offsets

    def _mask_for(self, place: Place) -> Mask | None:
        """The mask, if an access needs it."""
        excess = 0 if self.mask is None else self.mask.excess(self.lanes)
        return self.mask if excess is None or excess > place.slack or not self.code.is_contiguous(place) else None

    def _loaded(self, number: int) -> Value:
        f, place = self.f, self.code.nest.places[number]
        type = scalar_type(place.dtype)
        if self.parent is not None and number in self.parent.slots:
            return self.recall(number, self.parent.slots[number])
        if not self.code.vectors[number] or (self.lanes == 1 and self.code.is_contiguous(place)):
            return from_memory(f, f.load(self.pointer(number), type), place.dtype)
        if self.lanes == 1:
            address = f.element(self.pointer(number), type, self._lane_offset(place))
            return from_memory(f, f.load(address, type), place.dtype)
        mask = self._mask_for(place)
        if self.code.is_contiguous(place):
            value = load_part(f, self.pointer(number), type.wide(self.lanes), mask, self.code.masked)
        else:
            value = gather(f, self._addresses(number), type.wide(self.lanes), mask)
        return from_memory(f, value, place.dtype)

    def _lane_offset(self, place: Place) -> Value:
        """What `through` adds to the only lane."""
        if place.through is None or not self.code.vectors[place.through[0]]:
            return literal(0, I64)
        index, step = place.through
        return self.f.offset(convert(self.f, self.get(index), self.code.dtypes[index], _INDEX), step)

    def _addresses(self, number: int) -> Value:
        place = self.code.nest.places[number]
        offsets = self._lane_offsets(place)
        text = f"getelementptr {scalar_type(place.dtype)}, ptr {self.pointer(number)}, {offsets.type} {offsets}"
        return self.f.emit(text, PTR.wide(self.lanes))

    def converted(self, number: int, value: Value, dtype: DType) -> Value:
        """A value of a dtype in that of a place."""
        return convert(self.f, value, dtype, self.code.nest.places[number].dtype)

    def store(self, number: int, value: Value, dtype: DType) -> None:
        """Store a value of a dtype to a place."""
        f, place = self.f, self.code.nest.places[number]
        value = to_memory(f, self.converted(number, value, dtype), place.dtype)
        if self.parent is not None and number in self.parent.slots:
            f.store(value, self._in_buffer(self.parent.slots[number], value.type))
        elif value.type.lanes == 1:
            f.store(value, self.pointer(number))
        elif self.code.is_contiguous(place):
            store_part(f, value, self.pointer(number), self._mask_for(place), self.code.masked)
        else:
            scatter(f, value, self._addresses(number), self.mask)


# --- parts of vectors in memory -------------------------------------------------------------------------------------


def _is_masked(mask: Mask, masked: bool) -> bool:
    """Whether an access is one instruction with a mask, not several with elements.

    A single element is not: LLVM 22 turns a masked store of a truncated vector with one known lane into a store of the
    lane before truncation, which writes too many bytes.
    """
    return mask.count is None or (masked and mask.count > 1)


def load_part(f: Function, pointer: Value, type: Type, mask: Mask | None, masked: bool) -> Value:
    """A vector, or the lanes of it that a mask leaves."""
    if mask is None:
        return f.load(pointer, type)
    if _is_masked(mask, masked):
        return f.load_masked(pointer, type, mask.value)
    value = Value("zeroinitializer", type)
    for lane in range(mask.count or 0):
        element = f.load(f.element(pointer, type, lane), type.wide(1))
        value = f.emit(f"insertelement {type} {value}, {element.type} {element}, i64 {lane}", type)
    return value


def store_part(f: Function, value: Value, pointer: Value, mask: Mask | None, masked: bool) -> None:
    """Write a vector, or the lanes of it that a mask leaves."""
    if mask is None:
        f.store(value, pointer)
    elif _is_masked(mask, masked):
        f.store_masked(value, pointer, mask.value)
    else:
        for lane in range(mask.count or 0):
            f.store(f.extract(value, lane), f.element(pointer, value.type, lane))


def _every(lanes: int) -> Value:
    return Value("splat (i1 true)", BOOL.wide(lanes))


def gather(f: Function, addresses: Value, type: Type, mask: Mask | None) -> Value:
    """A vector from an address for each lane."""
    chosen = mask.value if mask else _every(type.lanes)
    name = f"llvm.masked.gather.{type.suffix}.v{type.lanes}p0"
    f.declared.add(f"declare {type} @{name}({addresses.type}, i32, {chosen.type}, {type})")
    return f.emit(
        f"call {type} @{name}({addresses.type} {addresses}, i32 {type.bytes}, {chosen.type} {chosen},"
        f" {type} zeroinitializer)",
        type,
    )


def scatter(f: Function, value: Value, addresses: Value, mask: Mask | None) -> None:
    """Write each lane to its address."""
    type = value.type
    chosen = mask.value if mask else _every(type.lanes)
    name = f"llvm.masked.scatter.{type.suffix}.v{type.lanes}p0"
    f.declared.add(f"declare void @{name}({type}, {addresses.type}, i32, {chosen.type})")
    f.line(f"call void @{name}({type} {value}, {addresses.type} {addresses}, i32 {type.bytes}, {chosen.type} {chosen})")
