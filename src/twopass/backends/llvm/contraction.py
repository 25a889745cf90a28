"""Native code of matrix products whose results go through scalar code: `emit_contraction`.

Three kinds of functions::

    NAME(pointers, begin, end)         the kernel: finds the matrix and the block of columns of its tasks
    NAME.block0(places, begin, end)    blocks of columns of one shape: a loop over blocks of rows, and tiles in them
    NAME.tile0(places)                 a tile: the product (`tiles`), then the body (`epilogue`)

A block or tile that is used at one place only is written there, without a function of its own: LLVM spends more than a
millisecond on every function. Within a block of columns the
right operand stays in the cache, while the left one goes by.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twopass.backends.llvm.builder import I64, PTR, Function, Type, Value, literal, scalar_type
from twopass.backends.llvm.dots import along_k, dots, most_rows
from twopass.backends.llvm.epilogue import Anchor, Body, Epilogue, Values
from twopass.backends.llvm.target import Target
from twopass.backends.llvm.tiles import Piece, Room, Tile, heights, opaque, pack, pieces, product, runs, segments
from twopass.errors import ArgumentError, compose
from twopass.program.ir import Access, Contraction

__all__ = ["emit_contraction"]

#: Rows of the right operand that are a multiple of so many bytes apart compete for the same lines of the caches.
_SAME_SETS = 2048
#: Blocks of so many bytes are copied then, if there are so many tiles that read them.
_LEAST_COPIED, _MOST_COPIED, _REUSED = 8 << 10, 64 << 10, 16


def emit_contraction(kernel: Contraction, name: str, target: Target) -> list[Function]:
    """Native code of a kernel.

    Parameters
    ----------
    kernel : Contraction
        Any shapes and strides that its documentation allows.
    name : str
        Of its function, ``void name(ptr..., i64 begin, i64 end)``; other functions' names begin with it and a dot.
    target : Target
        What for.

    Returns
    -------
    list of Function
        All internal to a module, the kernel itself last. Their ``declared`` lines must be added to the module.

    Raises
    ------
    ArgumentError
        If an access of the kernel has a form that is not allowed.
    """
    return _Kernel(kernel, name, target).emit()


# --- blocks of columns ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of a block that are one tile wide."""

    start: int
    pieces: tuple[Piece, ...]
    masked_right: bool
    masked: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What blocks of columns must have in common to share code."""

    width: int
    parts: tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    """Neighbouring blocks of columns of one shape."""

    shape: _Shape
    block: int
    count: int
    start: int


class _Kernel:
    """The functions of one kernel, being written."""

    def __init__(self, kernel: Contraction, name: str, target: Target) -> None:
        _check(kernel)
        self.kernel = kernel
        self.name = name
        self.target = target
        self.body = Body(kernel, target)
        self.segments = segments(kernel)
        self.functions: list[Function] = []
        #: The functions of those shapes of blocks that occur at several places.
        self.blocks: dict[_Shape, Function] = {}
        self.lanes = target.lanes(kernel.dtype)
        #: The accesses of the body that are used, with the keys of `Epilogue.anchors`.
        self.accesses: dict[int, Access] = {
            **{i: a for i, a in enumerate(kernel.inputs, 1) if i in self.body.needed},
            **{-1 - i: store.access for i, store in enumerate(kernel.stores)},
        }

    # --- layout -------------------------------------------------------------------------------------------------------

    def columns(self) -> list[_Columns]:
        """The blocks of columns, grouped by shape."""
        found: list[_Columns] = []
        start = 0
        for block, width in enumerate(self.kernel.columns):
            valid = min(width, self.kernel.n - start)
            if valid <= 0:
                break
            if found and found[-1].shape.width == width and self.has_room(width, valid):
                valid = width  # the last block can be like those before it
            shape = self.shape(width, valid, self.kernel.n - start - valid)
            if found and found[-1].shape == shape:
                last = found[-1]
                found[-1] = _Columns(shape, last.block, last.count + 1, last.start)
            else:
                found.append(_Columns(shape, block, 1, start))
            start += width
        return found

    def has_room(self, width: int, valid: int) -> bool:
        """Whether every access may touch all columns of the last block, of which `valid` are there."""
        rooms = {key: Room.of(access, width, valid, 0) for key, access in self.accesses.items()}
        least = min(rooms[key].write if key < 0 else rooms[key].read for key in rooms)
        return min(least, Room.of(self.kernel.right, width, valid, 0).read) >= width - valid

    def shape(self, width: int, valid: int, following: int) -> _Shape:
        """The shape of a block, with how its columns are cut and which accesses must be masked where."""
        parts, start = [], 0
        for columns in self.cut(valid):
            after = following + valid - start - columns
            rest = width - start
            rooms = {key: Room.of(a, rest, columns, after) for key, a in self.accesses.items()}
            room = {key: rooms[key].write if key < 0 else rooms[key].read for key in rooms}
            right = Room.of(self.kernel.right, rest, columns, after).read
            cut = pieces(columns, self.lanes, min(right, *room.values()), masks=self.target.has_masks)
            reach = cut[-1].lanes - cut[-1].valid
            masked = frozenset(key for key in room if room[key] < reach)
            if not masked and right >= reach:  # what is in these lanes does not matter
                cut = tuple(Piece(piece.start, piece.lanes, piece.lanes) for piece in cut)
            parts.append(_Part(start, cut, right < reach, masked))
            start += columns
        return _Shape(width, tuple(parts))

    def cut(self, valid: int) -> list[int]:
        """Columns of a block as tiles, as equal as whole vectors allow."""
        widest = len(self.target.tiles)
        tallest = max(self.kernel.rows, default=1)
        if tallest * widest <= 4:
            widest = max(widest, self.target.registers // 4 // tallest)
        vectors = -(-valid // self.lanes)
        base, extra = divmod(vectors, -(-vectors // widest))
        widths = [base + 1] * extra + [base] * (-(-vectors // widest) - extra)
        starts = [self.lanes * sum(widths[:i]) for i in range(len(widths))]
        return [min(self.lanes * w, valid - s) for w, s in zip(widths, starts, strict=True)]

    # --- anchors ------------------------------------------------------------------------------------------------------

    @functools.cached_property
    def lefts(self) -> list[Anchor]:
        """Of the left operand's segments."""
        left = self.kernel.left
        unit = scalar_type(left.dtype)
        return [Anchor(PTR, unit, left.strides[:-2], s.row_stride, 0, s.offset) for s in self.segments]

    def right(self, width: int) -> Anchor:
        """Of the right operand, whose rows are not the result's."""
        moves = Anchor.of(self.kernel.right, width)
        return Anchor(PTR, moves.unit, moves.batch, 0, moves.column, 0, moves.panels)

    def anchors(self, width: int) -> dict[int, Anchor]:
        """Of inputs, counters and stores."""
        found = {number: self.body.counter(number) for number in self.body.positions}
        found.update({key: Anchor.of(access, width) for key, access in self.accesses.items()})
        return found

    def all_anchors(self, width: int) -> list[Anchor]:
        """What a block or tile is given: the left operand's segments, the right operand, and the others."""
        return [*self.lefts, self.right(width), *self.anchors(width).values()]

    # --- the kernel ---------------------------------------------------------------------------------------------------

    def emit(self) -> list[Function]:
        """All functions."""
        kernel = self.kernel
        count = 2 + len(kernel.inputs) + len(kernel.stores)
        parameters = [*((PTR, f"p{i}") for i in range(count)), (I64, "begin"), (I64, "end")]
        f = Function(self.name, parameters, has_fma=self.target.has_fma)
        pointers, (begin, end) = f.parameters[:count], f.parameters[count:]
        groups = self.columns() if kernel.m and math.prod(kernel.batch) else []
        if groups:
            shapes = [group.shape for group in groups]
            for shape in dict.fromkeys(shapes):
                if shapes.count(shape) > 1:
                    self.blocks[shape] = self.block(f"{self.name}.block{len(self.blocks)}", shape)
            f.when(f.icmp("slt", begin, end), lambda: self.strips(f, pointers, begin, end, groups))
        self.functions.append(f)
        return self.functions

    def strips(
        self,
        f: Function,
        pointers: Sequence[Value],
        begin: Value,
        end: Value,
        groups: Sequence[_Columns],
    ) -> None:
        """Walk through the tasks: those of one block of columns at a time."""
        rows, columns = len(self.kernel.rows), len(self.kernel.columns)
        first = opaque(f, _divided(f, begin, rows))
        stop = opaque(f, _divided(f, f.add(end, literal(rows - 1, I64)), rows))

        def strip(_: Value, number: Value) -> list[Value]:
            task = f.offset(number, rows)
            lowest = _clamped(f, f.binary("sub", begin, task), rows)
            highest = _clamped(f, f.binary("sub", end, task), rows)
            batch = _divided(f, number, columns)
            block = f.binary("sub", number, f.offset(batch, columns)) if columns > 1 else literal(0, I64)
            for group in groups:
                run = functools.partial(self.run_block, f, pointers, batch, block, group, lowest, highest)
                if len(groups) == 1 and group.count == columns:
                    run()
                else:
                    inside = f.icmp("ult", f.add(block, literal(-group.block, I64)), literal(group.count, I64))
                    f.when(inside, run)
            return [opaque(f, f.add(number, literal(1, I64)))]

        f.loop(stop, strip, [first], start=first)

    def run_block(
        self,
        f: Function,
        pointers: Sequence[Value],
        batch: Value,
        block: Value,
        group: _Columns,
        lowest: Value,
        highest: Value,
    ) -> None:
        """Do the tasks [lowest, highest) of a block of columns: by a call, if other blocks have the same shape."""
        width = group.shape.width
        index = self._unravelled(f, batch)
        column = f.add(f.offset(f.add(block, literal(-group.block, I64)), width), literal(group.start, I64))
        origins = [pointers[0]] * len(self.lefts) + [pointers[1]]
        origins += [literal(self.body.counter(number).offset, I64) for number in self.body.positions]
        origins += [pointers[self.argument(key)] for key in self.accesses]
        places = []
        for anchor, origin in zip(self.all_anchors(width), origins, strict=True):
            at = f.element(origin, anchor.unit, anchor.offset) if anchor.type == PTR else origin
            for i, stride in zip(index, anchor.batch, strict=True):
                at = anchor.moved(f, at, i, stride) if stride else at
            stride = anchor.panels if anchor.panels else anchor.column
            places.append(anchor.moved(f, at, column, stride) if stride else at)
        if group.shape in self.blocks:
            f.call(self.blocks[group.shape].name, [*places, lowest, highest], declare=False)
        else:
            self.write_block(f, group.shape, places, lowest, highest)

    def argument(self, key: int) -> int:
        """Which of the pointers is that of an input or a store."""
        return 1 + key if key > 0 else 1 + len(self.kernel.inputs) - key

    def _unravelled(self, f: Function, batch: Value) -> list[Value]:
        """The index of a matrix in a stack, on each axis."""
        found: list[Value] = []
        rest = batch
        for length in reversed(self.kernel.batch[1:]):
            outer = _divided(f, rest, length)
            found.append(f.binary("sub", rest, f.offset(outer, length)))
            rest = outer
        return [rest, *reversed(found)] if self.kernel.batch else []

    # --- blocks of columns --------------------------------------------------------------------------------------------

    def helper(self, name: str, parameters: Sequence[tuple[Type, str]]) -> Function:
        """A function that the kernel calls."""
        return Function(name, parameters, attributes="noinline nounwind", has_fma=self.target.has_fma)

    def block(self, name: str, shape: _Shape) -> Function:
        """The function of the blocks of columns of one shape."""
        parameters = [(anchor.type, f"a{i}") for i, anchor in enumerate(self.all_anchors(shape.width))]
        f = self.helper(name, [*parameters, (I64, "begin"), (I64, "end")])
        *places, begin, end = f.parameters
        self.write_block(f, shape, places, begin, end)
        self.functions.append(f)
        return f

    def write_block(self, f: Function, shape: _Shape, places: Sequence[Value], begin: Value, end: Value) -> None:
        """The code for blocks of rows [begin, end) of a block of columns."""
        anchors = self.all_anchors(shape.width)
        for part in shape.parts:
            _Rows(self, f, shape, part, anchors).emit(places, begin, end)


class _Rows:
    """The loops over blocks of rows and the tiles in them, for one part of a block of columns."""

    def __init__(self, owner: _Kernel, f: Function, shape: _Shape, part: _Part, anchors: Sequence[Anchor]) -> None:
        self.owner = owner
        self.f = f
        self.anchors = anchors
        self.pieces = part.pieces
        self.masked_right = part.masked_right
        self.start = part.start
        right = owner.kernel.right
        self.right_stride = shape.width if right.panels is not None else right.strides[-2]
        self.epilogue = Epilogue(owner.body, part.pieces, owner.anchors(shape.width), part.masked)
        self.dots = along_k(owner.kernel, owner.target)
        tiles = owner.target.tiles
        most = most_rows(owner.target) if self.dots else tiles[min(len(part.pieces), len(tiles)) - 1]
        #: (length, how many) of the blocks of rows, and how each of these is cut.
        self.runs = [
            (length, count, heights(length, most, len(part.pieces))) for length, count in runs(owner.kernel.rows)
        ]
        used = [height for _, _, cut in self.runs for height, _ in cut]
        self.shared = {height for height in used if used.count(height) > 1}
        self.functions: dict[int, Function] = {}
        self.values = Values()

    def emit(self, places: Sequence[Value], begin: Value, end: Value) -> None:
        """Code for the blocks of rows [begin, end)."""
        f = self.f
        if self.start:
            start = literal(self.start, I64)
            places = [a.moved(f, p, start, a.column) for a, p in zip(self.anchors, places, strict=True)]
        self.values = self.epilogue.prepare(f, self.of_body(places))
        if self.packs():
            places = self.packed(places)
        if len(self.owner.kernel.rows) == 1:
            self.tiles(places, self.runs[0][2])
            return
        block = row = 0
        for length, count, cut in self.runs:
            low = _clamped(f, f.add(begin, literal(-block, I64)), count)
            high = _clamped(f, f.add(end, literal(-block, I64)), count)
            f.when(f.icmp("slt", low, high), functools.partial(self.blocks, places, low, high, length, row, cut))
            block, row = block + count, row + length * count

    def packs(self) -> bool:
        """Whether the block's columns of the right operand are worth a copy.

        They are if their rows are so far apart that they meet in a few sets of the caches, and if there are many tiles
        to use the copy, which lies on the stack.
        """
        kernel, size = self.owner.kernel, self.owner.kernel.dtype.itemsize
        apart = kernel.right.panels is None and self.right_stride * size % _SAME_SETS == 0
        length = kernel.k * (self.pieces[-1].start + self.pieces[-1].lanes) * size
        tiles = sum(count * times for _, count, cut in self.runs for _, times in cut)
        return apart and _LEAST_COPIED <= length <= _MOST_COPIED and tiles >= _REUSED and not self.dots

    def packed(self, places: Sequence[Value]) -> list[Value]:
        """Copy the right operand's columns, and use the copy."""
        owner, number = self.owner, len(self.owner.lefts)
        tile = Tile(self.f, owner.target, scalar_type(owner.kernel.dtype), 1, self.pieces, self.masked_right)
        copy, stride = pack(tile, owner.kernel.k, places[number], self.right_stride)
        self.right_stride, self.masked_right = stride, False
        return [*places[:number], copy, *places[number + 1 :]]

    def blocks(
        self, places: Sequence[Value], low: Value, high: Value, length: int, row: int, cut: Sequence[tuple[int, int]]
    ) -> None:
        """The blocks [low, high) of those of one length, the first of which begins at `row`."""
        f = self.f
        first = f.add(f.offset(low, length), literal(row, I64))
        places = self.moved(places, first)
        if len(cut) == 1:  # equal tiles: one loop over those of all blocks
            length, each = cut[0]
            low, high, cut = opaque(f, f.offset(low, each)), opaque(f, f.offset(high, each)), [(length, 1)]

        def block(places: Sequence[Value]) -> Sequence[Value]:
            self.tiles(places, cut)
            return self.moved(places, literal(length, I64))

        self.loop(high, block, places, low)

    def loop(
        self,
        stop: Value | int,
        body: Callable[[Sequence[Value]], Sequence[Value]],
        places: Sequence[Value],
        start: Value | int = 0,
    ) -> list[Value]:
        """Run a body that moves the places on; only those that do move are carried through the loop."""
        moving = [i for i, anchor in enumerate(self.anchors) if anchor.row]

        def inner(_: Value, *carried: Value) -> list[Value]:
            now = dict(zip(moving, carried, strict=True))
            after = body([now.get(i, place) for i, place in enumerate(places)])
            return [after[i] for i in moving]

        last = dict(zip(moving, self.f.loop(stop, inner, [places[i] for i in moving], start=start), strict=True))
        return [last.get(i, place) for i, place in enumerate(places)]

    def tiles(self, places: Sequence[Value], cut: Sequence[tuple[int, int]]) -> None:
        """The tiles of a block of rows that begins at some places."""
        for i, (height, count) in enumerate(cut):

            def one(places: Sequence[Value], height: int = height) -> Sequence[Value]:
                self.tile_at(places, height)
                return self.moved(places, literal(height, I64))

            if count > 1:
                places = self.loop(count, one, places)
            elif i < len(cut) - 1:
                places = one(places)
            else:
                self.tile_at(places, height)

    def moved(self, places: Sequence[Value], rows: Value) -> list[Value]:
        """Places so many rows further on, in a way that LLVM does not analyse."""
        return [
            opaque(self.f, a.moved(self.f, place, rows, a.row)) if a.row else place
            for a, place in zip(self.anchors, places, strict=True)
        ]

    def tile_at(self, places: Sequence[Value], height: int) -> None:
        """A tile, written here or called."""
        if height in self.shared:
            self.f.call(self.function(height).name, [*places, *self.passed().values()], declare=False)
        else:
            self.tile(self.f, height, places, self.values)

    def passed(self) -> dict[int, Value]:
        """The values that a tile's function is given: those that are the same in all of a matrix, but literals."""
        return {number: value for number, value in self.values.scalars.items() if value.text.startswith("%")}

    def function(self, height: int) -> Function:
        """The function of tiles of a height."""
        if height not in self.functions:
            name = f"{self.owner.name}.tile{len(self.owner.functions)}"
            passed = self.passed()
            parameters = [(anchor.type, f"a{i}") for i, anchor in enumerate(self.anchors)]
            parameters += [(value.type, f"v{number}") for number, value in passed.items()]
            made = self.owner.helper(name, parameters)
            values = Values(self.values.scalars | dict(zip(passed, made.parameters[len(self.anchors) :], strict=True)))
            self.tile(made, height, made.parameters[: len(self.anchors)], values)
            self.functions[height] = made
            self.owner.functions.append(made)
        return self.functions[height]

    def of_body(self, places: Sequence[Value]) -> dict[int, Value]:
        """The places of the body's inputs, counters and stores."""
        return dict(zip(self.epilogue.anchors, places[len(self.owner.lefts) + 1 :], strict=True))

    def tile(self, f: Function, height: int, places: Sequence[Value], values: Values) -> None:
        """The code of a tile: the product, and what is done to it."""
        owner, count = self.owner, len(self.owner.lefts)
        self.epilogue.prefetch(f, height, self.of_body(places))
        if self.dots:
            sums = dots(f, owner.target, owner.kernel, height, places[0], places[1])
        else:
            tile = Tile(f, owner.target, scalar_type(owner.kernel.dtype), height, self.pieces, self.masked_right)
            sums = product(tile, owner.kernel, places[:count], places[count], self.right_stride)
        self.epilogue.emit(f, height, sums, self.of_body(places), values)


def _clamped(f: Function, number: Value, most: int) -> Value:
    """A number, moved into [0, most]."""
    low = f.intrinsic("llvm.smax", number, literal(0, I64))
    return opaque(f, f.intrinsic("llvm.smin", low, literal(most, I64)))


def _divided(f: Function, number: Value, by: int) -> Value:
    """A quotient, rounded down, of numbers that are not negative."""
    return number if by == 1 else f.binary("udiv", number, literal(by, I64))


# --- what a kernel may look like --------------------------------------------------------------------------------------


def _check(kernel: Contraction) -> None:
    """Refuse kernels that are not as `Contraction` says."""

    def refuse(what: str, instead: str) -> None:
        raise ArgumentError(compose(f"A contraction {what}", why="Its code loads vectors of columns.", instead=instead))

    result = [*kernel.inputs, *(store.access for store in kernel.stores)]
    if kernel.dtype.kind != "f" or kernel.left.dtype != kernel.dtype or kernel.right.dtype != kernel.dtype:
        refuse(f"of {kernel.left.dtype} and {kernel.right.dtype} in {kernel.dtype}", "Convert the operands before it.")
    for access in (kernel.right, *result):
        if access.panels is not None and access.panels.widths[: len(kernel.columns)] != kernel.columns:
            refuse(
                f"in blocks of {kernel.columns} columns has an operand in panels of {access.panels.widths}",
                "Give both the same widths.",
            )
        if access.through is not None:
            refuse("has an operand that is found through an index", "Gather its elements into a buffer before it.")
    strided = [access for access in (kernel.right, *(s.access for s in kernel.stores)) if access.panels is None]
    if kernel.n > 1 and any(access.strides[-1] != 1 for access in strided):
        refuse("has a right operand or a result that is not contiguous along n", "Copy it, or exchange the operands.")
    if kernel.n > 1 and any(access.panels is None and access.strides[-1] not in (0, 1) for access in kernel.inputs):
        refuse("has an input with a stride other than 0 and 1 along n", "Copy it before.")
    if sum(kernel.rows) != kernel.m or sum(kernel.columns) < kernel.n:
        refuse(f"of shape {(kernel.m, kernel.n)} has blocks {kernel.rows} x {kernel.columns}", "Cover it with blocks.")
