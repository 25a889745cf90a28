"""What happens to the product of a tile before it is stored: the body of a contraction, vector by vector.

A value of the body varies with the rows of the result, with its columns, with both or with neither, and is computed no
more often than that: a learning rate once, a bias once for each column of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from twopass.backends.llvm.body import (
    closure,
    contracted,
    emit_instruction,
    from_memory,
    register_type,
    to_memory,
)
from twopass.backends.llvm.builder import I32, I64, PTR, Function, Type, Value, literal, scalar_type
from twopass.backends.llvm.contractions.tiles import Piece, first_lanes, opaque
from twopass.backends.llvm.target import Target
from twopass.program.ir import Access, Contraction, Instruction

__all__ = ["Anchor", "Body", "Epilogue", "Values"]

#: With which axes a value varies.
_ROWS, _COLUMNS = 1, 2
#: Rows are a loop, not code one after the other, if they would be more lines than this; the second number holds for
#: products with a long sum, beside which the loop costs nothing.
_LINES, _LINES_LONG, _LONG = 400, 60, 200

#: What a tile will load is asked for before sums that are at least so long.
_LEAST_AHEAD = 16
#: Bytes of a line of the cache; that it will be written, is to stay in the cache, and is no code.
_LINE, _FOR_WRITING = 64, [literal(number, I32) for number in (1, 3, 1)]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Something that moves linearly with the position in the result: a pointer or a counter.

    Attributes
    ----------
    type : Type
        ``PTR`` or ``I64``.
    unit : Type
        What a pointer's strides count.
    batch : tuple of int
        Strides of the leading axes.
    row, column : int
        Strides of rows and columns.
    offset : int
        Where it starts, counted from the kernel's pointer (or from zero).
    panels : int
        Rows of a matrix in panels, whose blocks of columns lie one after the other; 0 if it is not.
    """

    type: Type
    unit: Type
    batch: tuple[int, ...]
    row: int
    column: int
    offset: int = 0
    panels: int = 0

    def moved(self, f: Function, at: Value, index: Value, stride: int) -> Value:
        """`at`, advanced by ``index * stride``."""
        step = f.offset(index, stride)
        return f.element(at, self.unit, step) if self.type == PTR else f.add(at, step)

    @staticmethod
    def of(access: Access, width: int) -> Anchor:
        """The pointer of an access to the result's elements, in a block of so many columns."""
        row = width if access.panels is not None else access.strides[-2]
        column = 1 if access.panels is not None else access.strides[-1]
        rows = access.panels.rows if access.panels is not None else 0
        return Anchor(PTR, scalar_type(access.dtype), access.strides[:-2], row, column, 0, rows)


class Body:
    """The body of a contraction, sorted by what varies with what."""

    def __init__(self, kernel: Contraction, target: Target) -> None:
        self.kernel = kernel
        self.first = 1 + len(kernel.inputs)
        results = [store.value for store in kernel.stores]
        self.body = contracted(kernel.body, self.first, results) if target.has_fma else kernel.body
        self.needed = closure(self.body, self.first, results)
        self.dtypes = [kernel.dtype, *(access.dtype for access in kernel.inputs)]
        self.dtypes += [instruction.dtype for instruction in self.body]
        #: The numbers of the body's counters.
        self.positions = [
            number
            for number, instruction in enumerate(self.body, self.first)
            if number in self.needed and instruction.operator == "position"
        ]
        self.varies = [_ROWS | _COLUMNS, *(_variation(access) for access in kernel.inputs)]
        for instruction in self.body:
            self.varies.append(self._variation(instruction))

    def _variation(self, instruction: Instruction) -> int:
        if instruction.operator == "position":
            _, strides = instruction.parameters
            return _ROWS * bool(strides[-2]) | _COLUMNS * bool(strides[-1])
        found = 0
        for operand in instruction.operands:
            found |= self.varies[operand]
        return found

    def instruction(self, number: int) -> Instruction:
        """The one that a value is the result of."""
        return self.body[number - self.first]

    def with_variation(self, varies: int) -> list[int]:
        """The needed values, but the product, that vary with just these axes."""
        return [number for number in sorted(self.needed) if number and self.varies[number] == varies]

    def counter(self, number: int) -> Anchor:
        """The anchor of one of the `positions`."""
        start, strides = self.instruction(number).parameters
        start = (start + (1 << 63)) % (1 << 64) - (1 << 63)  # it wraps around
        return Anchor(I64, I64, tuple(strides[:-2]), strides[-2], strides[-1], start)


def _variation(access: Access) -> int:
    if access.panels is not None:
        return _ROWS | _COLUMNS
    return _ROWS * bool(access.strides[-2]) | _COLUMNS * bool(access.strides[-1])


@dataclass(slots=True)
class Values:
    """Values that have been computed: scalars by number, vectors by number and piece."""

    scalars: dict[int, Value] = field(default_factory=dict)
    vectors: dict[tuple[int, Piece], Value] = field(default_factory=dict)
    splats: dict[tuple[Value, int], Value] = field(default_factory=dict)

    def inner(self) -> Values:
        """A copy for code that does not dominate what follows it."""
        return Values(dict(self.scalars), dict(self.vectors), dict(self.splats))


@dataclass(slots=True)
class Epilogue:
    """The body for tiles of one shape.

    Attributes
    ----------
    body : Body
        What is computed.
    pieces : tuple of Piece
        The columns of a tile.
    anchors : dict of int to Anchor
        Of inputs and counters by number of the value, and of stores by ``-1 - number`` of the store.
    masked : set of int
        The keys of the anchors whose accesses must not touch more than the columns of the result.
    """

    body: Body
    pieces: tuple[Piece, ...]
    anchors: dict[int, Anchor]
    masked: frozenset[int]

    # --- what varies with neither, before the loop over tiles ---------------------------------------------------------

    def prepare(self, f: Function, places: dict[int, Value]) -> Values:
        """The values that are the same in the whole of a matrix."""
        values = Values()
        for number in self.body.with_variation(0):
            values.scalars[number] = self._scalar(f, number, places, values)
        return values

    def prefetch(self, f: Function, rows: int, places: dict[int, Value]) -> None:
        """Ask for the elements of a tile that will be needed when its product is done.

        That pays if there is no more to ask for than there are steps of the sum.
        """
        wanted = [n for n in self.body.with_variation(_ROWS | _COLUMNS) if n < self.body.first]
        width = self.pieces[-1].start + self.pieces[-1].lanes
        lines = sum(rows * -(-width * self.body.dtypes[n].itemsize // _LINE) for n in wanted)
        if not wanted or rows < 2 or self.body.kernel.k < max(lines, _LEAST_AHEAD):
            return

        def row_of(_: Value, *starts: Value) -> list[Value]:
            following = []
            for number, start in zip(wanted, starts, strict=True):
                unit = scalar_type(self.body.dtypes[number])
                for column in range(0, width, _LINE // unit.bytes):
                    f.call("llvm.prefetch.p0", [f.element(start, unit, column), *_FOR_WRITING])
                following.append(opaque(f, f.element(start, unit, self.anchors[number].row)))
            return following

        f.loop(rows, row_of, [places[number] for number in wanted])

    # --- a tile -------------------------------------------------------------------------------------------------------

    def emit(self, f: Function, rows: int, sums: Sequence[Value], places: dict[int, Value], values: Values) -> None:
        """Compute and store a tile whose product is `sums` and whose first element is at `places`."""
        values = values.inner()
        for number in self.body.with_variation(_COLUMNS):
            for piece in self.pieces:
                values.vectors[number, piece] = self._vector(f, number, piece, places, values)
        width = len(self.pieces)
        most = _LINES_LONG if self.body.kernel.k >= _LONG else _LINES
        if rows > 2 and self._lines(f, rows, places, values) > most:
            self._loop(f, rows, sums, places, values)
            return
        for row in range(rows):
            here = self._at_row(f, places, Value(str(row), I64))
            self._row(f, sums[row * width : (row + 1) * width], here, values)

    def _lines(self, f: Function, rows: int, places: dict[int, Value], values: Values) -> int:
        """How many lines the rows are, by writing one of them and throwing it away."""
        trial = Function("trial", [], has_fma=f.has_fma)
        sums = [Value("%sum", scalar_type(self.body.kernel.dtype).wide(piece.lanes)) for piece in self.pieces]
        self._row(trial, sums, places, values.inner())
        return rows * trial.text().count("\n")

    def _loop(self, f: Function, rows: int, sums: Sequence[Value], places: dict[int, Value], values: Values) -> None:
        """Put the product on the stack, and loop over its rows."""
        element = scalar_type(self.body.kernel.dtype)
        starts = [sum(piece.lanes for piece in self.pieces[:i]) for i in range(len(self.pieces) + 1)]
        slot = f.slot(element, rows * starts[-1])
        for i, value in enumerate(sums):
            row, column = divmod(i, len(self.pieces))
            f.store(value, f.element(slot, element, row * starts[-1] + starts[column]))

        def row_of(row: Value) -> None:
            line = f.element(slot, element, f.offset(row, starts[-1]))
            loaded = [
                f.load(f.element(line, element, start), element.wide(piece.lanes))
                for piece, start in zip(self.pieces, starts, strict=False)
            ]
            self._row(f, loaded, self._at_row(f, places, row), values.inner())

        f.loop(rows, row_of)

    def _at_row(self, f: Function, places: dict[int, Value], row: Value) -> dict[int, Value]:
        if row.text == "0":
            return places
        return {key: self.anchors[key].moved(f, place, row, self.anchors[key].row) for key, place in places.items()}

    def _row(self, f: Function, sums: Sequence[Value], places: dict[int, Value], values: Values) -> None:
        """Compute and store one row of a tile."""
        body = self.body
        for number in body.with_variation(_ROWS):
            values.scalars[number] = self._scalar(f, number, places, values)
        for piece, product in zip(self.pieces, sums, strict=True):
            values.vectors[0, piece] = product
            for number in body.with_variation(_ROWS | _COLUMNS):
                values.vectors[number, piece] = self._vector(f, number, piece, places, values)
        for i, store in enumerate(body.kernel.stores):
            for piece in self.pieces:
                value = self._operand(f, store.value, piece, values)
                self._store(f, value, store.access, -1 - i, piece, places)

    # --- values -------------------------------------------------------------------------------------------------------

    def _scalar(self, f: Function, number: int, places: dict[int, Value], values: Values) -> Value:
        dtype = self.body.dtypes[number]
        if number < self.body.first:
            return from_memory(f, f.load(places[number], scalar_type(dtype)), dtype)
        instruction = self.body.instruction(number)
        if instruction.operator == "position":
            return _counted(f, places[number], dtype)
        operands = [values.scalars[operand] for operand in instruction.operands]
        return emit_instruction(f, instruction, operands, [self.body.dtypes[o] for o in instruction.operands])

    def _vector(self, f: Function, number: int, piece: Piece, places: dict[int, Value], values: Values) -> Value:
        if number < self.body.first:
            return self._load(f, number, piece, places)
        instruction = self.body.instruction(number)
        if instruction.operator == "position":
            return self._counters(f, number, piece, places[number])
        operands = [self._operand(f, operand, piece, values) for operand in instruction.operands]
        return emit_instruction(f, instruction, operands, [self.body.dtypes[o] for o in instruction.operands])

    def _operand(self, f: Function, number: int, piece: Piece, values: Values) -> Value:
        """A value in all lanes of a piece."""
        if self.body.varies[number] & _COLUMNS:
            return values.vectors[number, piece]
        scalar = values.scalars[number]
        key = (scalar, piece.lanes)  # with its type: literals of several types look the same
        if key not in values.splats:
            values.splats[key] = f.splat(scalar, piece.lanes)
        return values.splats[key]

    def _counters(self, f: Function, number: int, piece: Piece, place: Value) -> Value:
        """A counter in each lane."""
        stride = self.anchors[number].column
        first = f.add(place, Value(str(piece.start * stride), I64))
        wide = I64.wide(piece.lanes)
        steps = ", ".join(f"i64 {lane * stride}" for lane in range(piece.lanes))
        numbers = Value(f"<{steps}>", wide) if piece.lanes > 1 else Value("0", wide)
        return _counted(f, f.add(f.splat(first, piece.lanes), numbers), self.body.dtypes[number])

    # --- memory -------------------------------------------------------------------------------------------------------

    def _load(self, f: Function, number: int, piece: Piece, places: dict[int, Value]) -> Value:
        dtype = self.body.dtypes[number]
        wide = scalar_type(dtype).wide(piece.lanes)
        place = f.element(places[number], wide, piece.start)
        masked = number in self.masked and piece.valid < piece.lanes
        loaded = f.load_masked(place, wide, first_lanes(piece)) if masked else f.load(place, wide)
        return from_memory(f, loaded, dtype)

    def _store(
        self, f: Function, value: Value, access: Access, key: int, piece: Piece, places: dict[int, Value]
    ) -> None:
        stored = to_memory(f, value, access.dtype)
        place = f.element(places[key], stored.type, piece.start)
        if key in self.masked and piece.valid < piece.lanes:
            f.store_masked(stored, place, first_lanes(piece))
        else:
            f.store(stored, place)


def _counted(f: Function, value: Value, dtype: np.dtype[np.generic]) -> Value:
    """A counter in its dtype: it wraps around."""
    type = register_type(dtype)
    return value if type.bytes == 8 else f.convert("trunc", value, type)
