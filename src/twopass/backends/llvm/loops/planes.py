"""Blocks that are transposed in registers, where operands lie in different directions.

Lanes are positions of the vector axis. An operand that is contiguous along another axis, the cross axis, is loaded as
rows along that, as many as there are lanes; a network of shuffles turns them into vectors along the vector axis, one
for each position of the cross axis. Stores go the other way.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from twopass.backends.llvm.body import from_memory, to_memory
from twopass.backends.llvm.builder import I64, Function, Type, Value, literal, scalar_type
from twopass.backends.llvm.loops.frame import Frame, Mask, load_part, store_part
from twopass.backends.llvm.loops.nest import Place

__all__ = ["load_block", "store_block", "transpose"]


def transpose(f: Function, rows: Sequence[Value], vector_bytes: int = 16) -> list[Value]:
    """The columns of a square matrix, a power of two wide.

    In each stage rows are combined in pairs, such that each shuffle is one instruction on machines whose vectors are
    made of blocks of 16 bytes: first rows are interleaved within blocks, then blocks are exchanged. Which column a
    register ends up with is found by doing the same with the numbers of elements.

    Between stages, assembly code of no instructions hides from LLVM that they belong together. It would look for better
    shuffles for several times as long as all else takes, and find worse ones. `vector_bytes` are those of a register.
    """
    rows, lanes = list(rows), len(rows)
    places = [[(row, column) for column in range(lanes)] for row in range(lanes)]
    hidden = _REGISTERS[vector_bytes] if _fits(rows[0].type, vector_bytes) else ""
    half = 1
    for number, (low, high) in enumerate(_stages(lanes, min(lanes, 16 // rows[0].type.bytes))):
        if hidden and number == 2:
            rows = [f.emit(f'call {row.type} asm "", "={hidden},0"({row.type} {row})', row.type) for row in rows]
        for i in range(lanes):
            if not i & half:
                a, b, both = rows[i], rows[i + half], places[i] + places[i + half]
                rows[i], rows[i + half] = f.shuffle(a, b, low), f.shuffle(a, b, high)
                places[i], places[i + half] = [both[k] for k in low], [both[k] for k in high]
        half *= 2
    columns = {place[0][1]: row for place, row in zip(places, rows, strict=True)}
    return [columns[column] for column in range(lanes)]


#: By bytes of a vector: the class of the registers of x86 in assembly code.
_REGISTERS = {64: "v", 32: "x"}


def _fits(type: Type, vector_bytes: int) -> bool:
    """Whether a square of these vectors is worth a function of its own, and can be given to one in registers."""
    return vector_bytes in _REGISTERS and type.lanes in (8, 16) and 16 <= type.lanes * type.bytes <= vector_bytes


def transposed(frame: Frame, rows: Sequence[Value]) -> list[Value]:
    """The columns of a square matrix, by a function that all kernels of a module share if there can be one."""
    f, type, lanes = frame.f, rows[0].type, len(rows)
    if not _fits(type, frame.code.vector_bytes):
        return transpose(f, rows)
    result = "{" + ", ".join([str(type)] * lanes) + "}"
    name = f"transpose.{type.suffix}"
    if name not in frame.code.helpers:
        frame.code.helpers[name] = _transposer(name, result, type, frame.code.vector_bytes)
    given = ", ".join(f"{type} {row}" for row in rows)
    columns = f.emit(f"call x86_regcallcc {result} @{name}({given})", type)
    return [f.emit(f"extractvalue {result} {columns}, {i}", type) for i in range(lanes)]


@functools.cache
def _transposer(name: str, result: str, type: Type, vector_bytes: int) -> Function:
    """The function that transposes a square; rows and columns are in registers."""
    parameters = [(type, f"r{i}") for i in range(type.lanes)]
    f = Function(name, parameters, result=Type(f"x86_regcallcc {result}"), attributes="noinline nounwind")
    columns = Value("poison", type)
    for i, column in enumerate(transpose(f, f.parameters, vector_bytes)):
        columns = f.emit(f"insertvalue {result} {columns}, {type} {column}, {i}", type)
    f.line(f"ret {result} {columns}")
    f.ended = True
    return f


def _stages(lanes: int, block: int) -> list[tuple[list[int], list[int]]]:
    """The two shuffles of a pair of rows, in each stage; blocks have so many lanes."""
    stages = []
    width = 1
    while width < block:  # interleave the lower halves of blocks, and the upper ones, `width` lanes at a time
        groups = [lane for start in range(0, lanes, block) for lane in range(start, start + block // 2, width)]
        low = [first + k for lane in groups for first in (lane, lanes + lane) for k in range(width)]
        stages.append((low, [lane + block // 2 for lane in low]))
        width *= 2
    count = lanes // block
    for _ in range(count.bit_length() - 1):  # even blocks of both rows, and odd ones
        even = [start * block + k for start in range(0, 2 * count, 2) for k in range(block)]
        stages.append((even, [lane + block for lane in even]))
    return stages


def load_block(frames: Sequence[Frame], number: int) -> None:
    """Load an input for neighbouring positions of the cross axis, at most as many as there are lanes."""
    f, lanes = frames[0].f, frames[0].lanes
    place = frames[0].code.nest.places[number]
    type = scalar_type(place.dtype).wide(lanes)
    rows = []
    for lane, mask in _rows(frames, place):
        pointer = _row(frames[0], number, lane)
        rows.append(load_part(f, pointer, type, mask, frames[0].code.masked))
    rows += [Value("zeroinitializer", type)] * (lanes - len(rows))
    for frame, column in zip(frames, transposed(frames[0], rows), strict=False):
        frame.values[number] = from_memory(f, column, place.dtype)


def store_block(frames: Sequence[Frame], number: int, values: Sequence[Value]) -> None:
    """Store values (booleans as bits or bytes) at neighbouring positions of the cross axis to a place."""
    f, lanes = frames[0].f, frames[0].lanes
    place = frames[0].code.nest.places[number]
    columns = [to_memory(f, value, place.dtype) for value in values]
    columns += [Value("poison", columns[0].type)] * (lanes - len(columns))
    rows = transposed(frames[0], columns)
    for lane, mask in _rows(frames, place):
        store_part(f, rows[lane], _row(frames[0], number, lane), mask, frames[0].code.masked)


def _row(frame: Frame, number: int, lane: int) -> Value:
    """The address of a row."""
    place = frame.code.nest.places[number]
    return frame.f.element(frame.pointer(number), scalar_type(place.dtype), lane * frame.code.stride(place))


def _rows(frames: Sequence[Frame], place: Place) -> list[tuple[int, Mask | None]]:
    """The lanes that have a row, each with the mask of its accesses."""
    f, lanes, outer = frames[0].f, frames[0].lanes, frames[0].mask
    excess = lanes - len(frames)
    mask = Mask.first(len(frames), lanes) if excess > place.slack else None
    if outer is None:
        return [(lane, mask) for lane in range(lanes)]
    if outer.left is None:
        assert outer.count is not None
        return [(lane, mask) for lane in range(outer.count)]
    # How many rows there are is known only when the code runs: the masks of others are empty.
    # (LLVM 22 widens a mask that is all or nothing wrongly. Comparisons it widens with zeros.)
    columns = literal(len(frames) if mask else lanes, I64)
    found: list[tuple[int, Mask | None]] = []
    for lane in range(lanes):
        exists = f.icmp("sgt", outer.left, literal(lane, I64))
        left = f.select(exists, columns, literal(0, I64))
        found.append((lane, Mask(f.first_lanes(left, lanes), None, left)))
    return found
