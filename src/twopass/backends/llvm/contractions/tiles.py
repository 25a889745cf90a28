"""How the result of a contraction is cut, and the product of one tile, held in registers.

A block of columns is cut into pieces of a vector each, a block of rows into tiles of equal heights. The micro-kernel of
a tile takes one step along k at a time: it loads the vectors of the right operand, broadcasts one element of the left
operand for each row, and multiplies and adds. (Goto and van de Geijn, *Anatomy of high-performance matrix
multiplication*, ACM TOMS 34(3), 2008; Van Zee and van de Geijn, *BLIS*, ACM TOMS 41(3), 2015.)

Every element of the product is the sum over k in order, in as many interleaved partial sums as `chains` says; that is a
property of the kernel, so the bits do not depend on who computes which tile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from twopass.backends.llvm.builder import BOOL, I8, I32, I64, Function, Type, Value, literal
from twopass.backends.llvm.target import Target
from twopass.program.ir import Access, Contraction

__all__ = [
    "Piece",
    "Room",
    "Segment",
    "Tile",
    "first_lanes",
    "heights",
    "opaque",
    "pack",
    "pieces",
    "product",
    "runs",
    "segments",
]

Length = TypeVar("Length")

#: A whole product that has no more multiplications than this is not a loop.
_STRAIGHT = 64
#: Bytes of a line of the cache.
_LINE = 64
#: So many accumulators hide the latency of a multiplication, and what is loaded for them.
_BUSY = 12


def opaque(f: Function, value: Value) -> Value:
    """The same value, of which LLVM knows nothing.

    A pointer that moves on in a loop is made opaque: LLVM would spend a quarter of its time on choosing other
    induction variables.
    """
    return f.emit(f"freeze {value.type} {value}", value.type)


def runs(lengths: Iterable[Length]) -> list[tuple[Length, int]]:
    """Equal neighbours as (length, count).

    Examples
    --------
    >>> runs([48, 48, 32])
    [(48, 2), (32, 1)]
    """
    return [(length, len(list(group))) for length, group in groupby(lengths)]


def _prefetch(f: Function, place: Value) -> None:
    """Ask for a line of the cache that will be read. Where there is no memory, nothing happens."""
    f.call("llvm.prefetch.p0", [place, *(literal(number, I32) for number in (0, 3, 1))])


# --- columns ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """One vector of a row of a tile.

    Attributes
    ----------
    start : int
        Its first column, counted from the tile's.
    lanes : int
        Length of the vector.
    valid : int
        How many of its lanes are columns of the result.
    """

    start: int
    lanes: int
    valid: int


@dataclass(frozen=True, slots=True)
class Room:
    """How many elements beyond the last column of a block an access may touch."""

    read: int
    write: int

    @staticmethod
    def of(access: Access, width: int, valid: int, following: int) -> Room:
        """Room of an access at a block with `valid` columns, `width` with padding, and `following` ones after it."""
        if access.panels is not None:
            return Room(width - valid, width - valid)
        if access.strides[-1] == 0:
            return Room(width, width)
        return Room(following + access.slack, 0 if following else access.slack)


def pieces(valid: int, lanes: int, room: int, *, masks: bool) -> tuple[Piece, ...]:
    """Cut columns into vectors: whole ones, then what is left.

    The rest is one shorter vector if every access has `room` for it or the target can mask lanes; else several, of
    halving lengths.

    Examples
    --------
    >>> pieces(21, 8, 0, masks=True)
    (Piece(start=0, lanes=8, valid=8), Piece(start=8, lanes=8, valid=8), Piece(start=16, lanes=8, valid=5))
    >>> pieces(11, 8, 0, masks=False)
    (Piece(start=0, lanes=8, valid=8), Piece(start=8, lanes=2, valid=2), Piece(start=10, lanes=1, valid=1))
    """
    found = [Piece(start, lanes, lanes) for start in range(0, valid - lanes + 1, lanes)]
    start = len(found) * lanes
    while start < valid:
        rest = valid - start
        above = 1 << (rest - 1).bit_length()
        length = above if masks or room >= above - rest else 1 << (rest.bit_length() - 1)
        found.append(Piece(start, length, min(rest, length)))
        start += length
    return tuple(found)


def first_lanes(piece: Piece) -> Value:
    """The mask of the lanes that are columns of the result."""
    flags = ("true" if lane < piece.valid else "false" for lane in range(piece.lanes))
    return Value("<" + ", ".join(f"i1 {flag}" for flag in flags) + ">", BOOL.wide(piece.lanes))


# --- rows -------------------------------------------------------------------------------------------------------------


def heights(rows: int, most: int, vectors: int) -> list[tuple[int, int]]:
    """Cut rows into tiles of at most so many, as (height, count).

    One height is best, because every height is code that must be compiled: if one divides the rows and makes tiles
    (that are `vectors` wide) large enough to keep the units busy, it is taken. Otherwise there are two.

    Examples
    --------
    >>> heights(32, 8, 3), heights(30, 8, 3), heights(31, 8, 3)
    ([(8, 4)], [(6, 5)], [(8, 3), (7, 1)])
    """
    least = max(most // 2, -(-_BUSY // vectors))
    for height in range(most, least - 1, -1):
        if rows % height == 0:
            return [(height, rows // height)]
    count = -(-rows // most)
    base, extra = divmod(rows, count)
    return [run for run in ((base + 1, extra), (base, count - extra)) if run[1]]


# --- the left operand along k -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of k along which the left operand is found in one way.

    Attributes
    ----------
    start : int
        Its first k.
    offset : int
        Where the element of row 0 and the first k is.
    row_stride, stride : int
        From one row to the next, and from one k to the next.
    length : int
        How many k, in each of its panels.
    count, panel_stride : int
        How many panels of equal width, and from one to the next.
    last : int
        How many k in the last panel.
    """

    start: int
    offset: int
    row_stride: int
    stride: int
    length: int
    count: int = 1
    panel_stride: int = 0
    last: int = 0


def segments(kernel: Contraction) -> tuple[Segment, ...]:
    """The left operand's stretches: one if it has strides, one for each run of equal panels if it has panels."""
    access = kernel.left
    if access.panels is None:
        return (Segment(0, 0, access.strides[-2], access.strides[-1], kernel.k),)
    found: list[Segment] = []
    start, rows = 0, access.panels.rows
    for width, count in runs(access.panels.widths):
        count = min(count, -(-(kernel.k - start) // width))
        if count > 0:
            last = min(width, kernel.k - start - width * (count - 1))
            length = width if count > 1 else last
            found.append(Segment(start, rows * start, width, 1, length, count, rows * width, last))
        start += width * count
    return tuple(found)


# --- the product of a tile --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tile:
    """The shape of a tile, and where its code goes.

    Attributes
    ----------
    f : Function
        Being written.
    target : Target
        What for.
    type : Type
        Of an element.
    rows : int
        Height.
    pieces : tuple of Piece
        Columns.
    masked : bool
        Whether lanes of the right operand that are not columns of the result must not be read.
    far : bool
        Whether the left operand is too large for the first cache.
    """

    f: Function
    target: Target
    type: Type
    rows: int
    pieces: tuple[Piece, ...]
    masked: bool
    far: bool = False

    def vectors(self, place: Value) -> list[Value]:
        """The right operand's elements of one k."""
        found = []
        for piece in self.pieces:
            at, wide = self.f.element(place, self.type, piece.start), self.type.wide(piece.lanes)
            masked = self.masked and piece.valid < piece.lanes
            found.append(self.f.load_masked(at, wide, first_lanes(piece)) if masked else self.f.load(at, wide))
        return found

    def step(self, left: Value, row_stride: int, right: Value, sums: Sequence[Value]) -> list[Value]:
        """Add the products of one k, whose elements begin at `left` and `right`."""
        f = self.f
        following: list[Value] = []
        vectors = self.vectors(right)
        for row in range(self.rows):
            scalar = f.load(f.element(left, self.type, row * row_stride), self.type)
            wide = {piece.lanes: scalar for piece in self.pieces}
            wide = {lanes: f.splat(scalar, lanes) for lanes in wide}
            for piece, vector in zip(self.pieces, vectors, strict=True):
                following.append(f.fma(wide[piece.lanes], vector, sums[len(following)]))
        return following

    def zeros(self) -> list[Value]:
        """A tile of zeros."""
        zero = {piece.lanes: literal(0, self.type.wide(piece.lanes)) for piece in self.pieces}
        return [zero[piece.lanes] for _ in range(self.rows) for piece in self.pieces]

    @property
    def size(self) -> int:
        """How many multiplications a step has."""
        return self.rows * len(self.pieces)


def _chains(tile: Tile, k: int) -> int:
    """How many partial sums keep the units busy."""
    wanted = -(-tile.target.chains // tile.size)
    return min(1 << (wanted - 1).bit_length(), 8, 1 << max(0, k.bit_length() - 3))


def product(tile: Tile, kernel: Contraction, lefts: Sequence[Value], right: Value, right_stride: int) -> list[Value]:
    """The product of a tile: its vectors, row by row.

    Parameters
    ----------
    tile : Tile
        Its shape.
    kernel : Contraction
        Of which it is a part.
    lefts : sequence of pointers
        The tile's first row in each of the left operand's `segments`.
    right : pointer
        The tile's first column in the right operand.
    right_stride : int
        From one row of the right operand to the next.
    """
    f = tile.f
    sums = [tile.zeros() for _ in range(_chains(tile, kernel.k))]
    for segment, left in zip(segments(kernel), lefts, strict=True):
        first = f.element(right, tile.type, segment.start * right_stride)
        sums = _segment(tile, segment, left, first, right_stride, sums)
    while len(sums) > 1:
        half = len(sums) // 2
        sums = [[f.fadd(a, b) for a, b in zip(sums[i], sums[i + half], strict=True)] for i in range(half)]
    return sums[0]


def pack(tile: Tile, k: int, right: Value, right_stride: int) -> tuple[Value, int]:
    """Copy a tile's columns of the right operand to the stack: a pointer to the copy, and the stride of its rows."""
    f = tile.f
    stride = sum(piece.lanes for piece in tile.pieces)
    copy = f.slot(tile.type, k * stride)

    def row(_: Value, source: Value, destination: Value) -> list[Value]:
        for piece, vector in zip(tile.pieces, tile.vectors(source), strict=True):
            f.store(vector, f.element(destination, tile.type, piece.start))
        return [
            opaque(f, f.element(source, tile.type, right_stride)),
            opaque(f, f.element(destination, tile.type, stride)),
        ]

    f.loop(k, row, [right, copy])
    return copy, stride


def _segment(
    tile: Tile, segment: Segment, left: Value, right: Value, right_stride: int, sums: list[list[Value]]
) -> list[list[Value]]:
    """Add the products of a segment to each chain's sums."""
    f, count, length = tile.f, segment.count, segment.length
    if count == 1:
        return _stretch(tile, segment, length, left, right, right_stride, sums)
    unroll = _unroll(tile, len(sums))
    cut = segment.last != length
    if cut and (length % unroll or segment.last % unroll):
        # The last panel has code of its own, because the steps of a loop must be a multiple of the unrolled ones.
        whole = replace(segment, count=count - 1, last=length)
        sums = _segment(tile, whole, left, right, right_stride, sums)
        left = f.element(left, tile.type, (count - 1) * segment.panel_stride)
        right = f.element(right, tile.type, (count - 1) * length * right_stride)
        return _stretch(tile, segment, segment.last, left, right, right_stride, sums)

    def panel(p: Value, left: Value, right: Value, *flat: Value) -> list[Value]:
        if tile.far:
            _prefetch_panel(tile, segment, left)
        steps: Value | int = length
        if cut:
            final = f.icmp("eq", p, literal(count - 1, I64))
            steps = f.select(final, literal(segment.last, I64), literal(length, I64))
        following = _flat(_stretch(tile, segment, steps, left, right, right_stride, _unflat(flat, len(sums))))
        left = opaque(f, f.element(left, tile.type, segment.panel_stride))
        return [left, opaque(f, f.element(right, tile.type, length * right_stride)), *following]

    _, _, *flat = f.loop(count, panel, [left, right, *_flat(sums)])
    return _unflat(flat, len(sums))


def _prefetch_panel(tile: Tile, segment: Segment, left: Value) -> None:
    """Ask for a tile's rows in the next panel: processors do not see this pattern by themselves."""
    f = tile.f

    def line(_: Value, place: Value) -> list[Value]:
        _prefetch(f, place)
        return [opaque(f, f.element(place, I8, _LINE))]

    size = tile.rows * segment.row_stride * tile.type.bytes
    f.loop(-(-size // _LINE), line, [f.element(left, tile.type, segment.panel_stride)])


def _unroll(tile: Tile, chains: int) -> int:
    """How many steps one iteration of a loop along k has."""
    # LLVM moves loads of later steps to the front of the loop: there must be registers for them.
    return chains * -(-min(8, -(-tile.target.registers * 3 // 8 // tile.size)) // chains)


def _stretch(
    tile: Tile,
    segment: Segment,
    length: Value | int,
    left: Value,
    right: Value,
    right_stride: int,
    sums: list[list[Value]],
) -> list[list[Value]]:
    """Add the products of so many consecutive k, from where the pointers are.

    A length that is known only at run time is a multiple of `_unroll`.
    """
    f, chains = tile.f, len(sums)

    def steps(left: Value, right: Value, count: int, sums: Sequence[list[Value]]) -> list[list[Value]]:
        sums = list(sums)
        for u in range(count):
            a = f.element(left, tile.type, u * segment.stride)
            b = f.element(right, tile.type, u * right_stride)
            if tile.far and segment.row_stride == 1:
                _prefetch(f, f.element(a, I8, _LINE))  # which the tiles after this one will read
            sums[u % chains] = tile.step(a, segment.row_stride, b, sums[u % chains])
        return sums

    def moved(pointer: Value, count: int) -> Value:
        return opaque(f, f.element(pointer, tile.type, count))

    def body(_: Value, left: Value, right: Value, *flat: Value) -> list[Value]:
        following = _flat(steps(left, right, unroll, _unflat(flat, chains)))
        return [moved(left, unroll * segment.stride), moved(right, unroll * right_stride), *following]

    unroll = _unroll(tile, chains)
    whole, rest = (length // unroll * unroll, length % unroll) if isinstance(length, int) else (length, 0)
    if isinstance(length, int) and (length * tile.size <= _STRAIGHT or length < 2 * unroll):
        return steps(left, right, length, sums)
    left, right, *flat = f.loop(whole, body, [left, right, *_flat(sums)], step=unroll)
    return steps(left, right, rest, _unflat(flat, chains))


def _flat(sums: Sequence[Sequence[Value]]) -> list[Value]:
    return [value for chain in sums for value in chain]


def _unflat(flat: Sequence[Value], chains: int) -> list[list[Value]]:
    size = len(flat) // chains
    return [list(flat[i * size : (i + 1) * size]) for i in range(chains)]
