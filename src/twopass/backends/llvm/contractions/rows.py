"""The loops over the rows of a block of columns, and the tiles in them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from twopass.backends.llvm.builder import I64, Function, Value, literal, scalar_type
from twopass.backends.llvm.contractions.columns import Part, Shape
from twopass.backends.llvm.contractions.dots import along_k, dots, most_rows
from twopass.backends.llvm.contractions.epilogue import Epilogue, Values
from twopass.backends.llvm.contractions.plan import Plan
from twopass.backends.llvm.contractions.tiles import Tile, heights, opaque, pack, product, runs

__all__ = ["Rows", "clamped"]

#: Rows of the right operand that are a multiple of so many bytes apart compete for the same lines of the caches.
_SAME_SETS = 2048
#: Blocks of so many bytes are copied then, if there are so many tiles that read them.
_LEAST_COPIED, _MOST_COPIED, _REUSED = 8 << 10, 64 << 10, 16


class Rows:
    """The loops over blocks of rows and the tiles in them, for one part of a block of columns."""

    def __init__(self, plan: Plan, f: Function, shape: Shape, part: Part) -> None:
        self.plan = plan
        self.f = f
        self.anchors = plan.all_anchors(shape.width)
        self.pieces = part.pieces
        self.masked_right = part.masked_right
        self.start = part.start
        right = plan.kernel.right
        self.right_stride = shape.width if right.panels is not None else right.strides[-2]
        self.epilogue = Epilogue(plan.body, part.pieces, plan.anchors(shape.width), part.masked)
        self.dots = along_k(plan.kernel, plan.target)
        tiles = plan.target.tiles
        most = most_rows(plan.target) if self.dots else tiles[min(len(part.pieces), len(tiles)) - 1]
        #: (length, how many) of the blocks of rows, and how each of these is cut.
        self.runs = [
            (length, count, heights(length, most, len(part.pieces))) for length, count in runs(plan.kernel.rows)
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
        if len(self.plan.kernel.rows) == 1:
            self.tiles(places, self.runs[0][2])
            return
        block = row = 0
        for length, count, cut in self.runs:
            low = clamped(f, f.add(begin, literal(-block, I64)), count)
            high = clamped(f, f.add(end, literal(-block, I64)), count)
            f.when(f.icmp("slt", low, high), functools.partial(self.blocks, places, low, high, length, row, cut))
            block, row = block + count, row + length * count

    def packs(self) -> bool:
        """Whether the block's columns of the right operand are worth a copy.

        They are if their rows are so far apart that they meet in a few sets of the caches, and if there are many tiles
        to use the copy, which lies on the stack.
        """
        kernel, size = self.plan.kernel, self.plan.kernel.dtype.itemsize
        apart = kernel.right.panels is None and self.right_stride * size % _SAME_SETS == 0
        length = kernel.k * (self.pieces[-1].start + self.pieces[-1].lanes) * size
        tiles = sum(count * times for _, count, cut in self.runs for _, times in cut)
        return apart and _LEAST_COPIED <= length <= _MOST_COPIED and tiles >= _REUSED and not self.dots

    def packed(self, places: Sequence[Value]) -> list[Value]:
        """Copy the right operand's columns, and use the copy."""
        plan, number = self.plan, len(self.plan.lefts)
        tile = Tile(self.f, plan.target, scalar_type(plan.kernel.dtype), 1, self.pieces, self.masked_right)
        copy, stride = pack(tile, plan.kernel.k, places[number], self.right_stride)
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
            name = f"{self.plan.name}.tile{len(self.plan.functions)}"
            passed = self.passed()
            parameters = [(anchor.type, f"a{i}") for i, anchor in enumerate(self.anchors)]
            parameters += [(value.type, f"v{number}") for number, value in passed.items()]
            made = self.plan.helper(name, parameters)
            values = Values(self.values.scalars | dict(zip(passed, made.parameters[len(self.anchors) :], strict=True)))
            self.tile(made, height, made.parameters[: len(self.anchors)], values)
            self.functions[height] = made
            self.plan.functions.append(made)
        return self.functions[height]

    def of_body(self, places: Sequence[Value]) -> dict[int, Value]:
        """The places of the body's inputs, counters and stores."""
        return dict(zip(self.epilogue.anchors, places[len(self.plan.lefts) + 1 :], strict=True))

    def tile(self, f: Function, height: int, places: Sequence[Value], values: Values) -> None:
        """The code of a tile: the product, and what is done to it."""
        plan, count = self.plan, len(self.plan.lefts)
        self.epilogue.prefetch(f, height, self.of_body(places))
        if self.dots:
            sums = dots(f, plan.target, plan.kernel, height, places[0], places[1])
        else:
            far = plan.kernel.m * plan.kernel.k * plan.kernel.dtype.itemsize > 2 * plan.target.l1_bytes
            tile = Tile(f, plan.target, scalar_type(plan.kernel.dtype), height, self.pieces, self.masked_right, far)
            sums = product(tile, plan.kernel, places[:count], places[count], self.right_stride)
        self.epilogue.emit(f, height, sums, self.of_body(places), values)


def clamped(f: Function, number: Value, most: int) -> Value:
    """A number, moved into [0, most]."""
    low = f.intrinsic("llvm.smax", number, literal(0, I64))
    return opaque(f, f.intrinsic("llvm.smin", low, literal(most, I64)))
