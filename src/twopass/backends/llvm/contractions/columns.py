"""How the columns of a contraction's result are cut: blocks of equal shape, parts of a tile's width, vectors."""

from __future__ import annotations

from dataclasses import dataclass

from twopass.backends.llvm.contractions.plan import Plan
from twopass.backends.llvm.contractions.tiles import Piece, Room, pieces

__all__ = ["Columns", "Part", "Shape", "columns"]


@dataclass(frozen=True, slots=True)
class Part:
    """Columns of a block that are one tile wide."""

    start: int
    pieces: tuple[Piece, ...]
    masked_right: bool
    masked: frozenset[int]


@dataclass(frozen=True, slots=True)
class Shape:
    """What blocks of columns must have in common to share code."""

    width: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """Neighbouring blocks of columns of one shape."""

    shape: Shape
    block: int
    count: int
    start: int


def columns(plan: Plan) -> list[Columns]:
    """The blocks of columns, grouped by shape."""
    found: list[Columns] = []
    start = 0
    for block, width in enumerate(plan.kernel.columns):
        valid = min(width, plan.kernel.n - start)
        if valid <= 0:
            break
        if found and found[-1].shape.width == width and _has_room(plan, width, valid):
            valid = width  # the last block can be like those before it
        shape = _shape(plan, width, valid, plan.kernel.n - start - valid)
        if found and found[-1].shape == shape:
            last = found[-1]
            found[-1] = Columns(shape, last.block, last.count + 1, last.start)
        else:
            found.append(Columns(shape, block, 1, start))
        start += width
    return found


def _has_room(plan: Plan, width: int, valid: int) -> bool:
    """Whether every access may touch all columns of the last block, of which `valid` are there."""
    rooms = {key: Room.of(access, width, valid, 0) for key, access in plan.accesses.items()}
    least = min(rooms[key].write if key < 0 else rooms[key].read for key in rooms)
    return min(least, Room.of(plan.kernel.right, width, valid, 0).read) >= width - valid


def _shape(plan: Plan, width: int, valid: int, following: int) -> Shape:
    """The shape of a block, with how its columns are cut and which accesses must be masked where."""
    parts, start = [], 0
    for columns in _cut(plan, valid):
        after = following + valid - start - columns
        rest = width - start
        rooms = {key: Room.of(a, rest, columns, after) for key, a in plan.accesses.items()}
        room = {key: rooms[key].write if key < 0 else rooms[key].read for key in rooms}
        right = Room.of(plan.kernel.right, rest, columns, after).read
        cut = pieces(columns, plan.lanes, min(right, *room.values()), masks=plan.target.has_masks)
        reach = cut[-1].lanes - cut[-1].valid
        masked = frozenset(key for key in room if room[key] < reach)
        if not masked and right >= reach:  # what is in these lanes does not matter
            cut = tuple(Piece(piece.start, piece.lanes, piece.lanes) for piece in cut)
        parts.append(Part(start, cut, right < reach, masked))
        start += columns
    return Shape(width, tuple(parts))


def _cut(plan: Plan, valid: int) -> list[int]:
    """Columns of a block as tiles, as equal as whole vectors allow."""
    widest = len(plan.target.tiles)
    tallest = max(plan.kernel.rows, default=1)
    if tallest * widest <= 4:
        widest = max(widest, plan.target.registers * 3 // 4 // tallest)
    vectors = -(-valid // plan.lanes)
    base, extra = divmod(vectors, -(-vectors // widest))
    widths = [base + 1] * extra + [base] * (-(-vectors // widest) - extra)
    starts = [plan.lanes * sum(widths[:i]) for i in range(len(widths))]
    return [min(plan.lanes * w, valid - s) for w, s in zip(widths, starts, strict=True)]
