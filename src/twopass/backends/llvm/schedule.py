"""Which thread does what, and where threads must wait for each other.

A launch is either cut by the numbers of its tasks, thread t of T taking those from ``tasks * t // T`` to
``tasks * (t + 1) // T``, or left to thread 0 because it is too small. A barrier stands before a statement if one of its
threads would touch bytes that *another* thread has touched since the last barrier, one of the two writing. So products
that share panels in the same way follow each other without one, and so do small kernels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from twopass.backends.llvm.reach import Box, Columns, Range, accesses_of, box_of, columns_touched, touched
from twopass.program.ir import (
    Access,
    Argument,
    Buffer,
    Call,
    Launch,
    Operand,
    Program,
    Repeat,
    Statement,
    domains,
    tasks,
)

__all__ = ["Planned", "plan", "share"]

#: How much is remembered of what has been touched since the last barrier, before there is one in any case.
_REMEMBERED = 200


@dataclass(slots=True)
class Planned:
    """A statement, and how threads share it.

    Attributes
    ----------
    statement : Launch, Call or Repeat
        What is done.
    shared : bool
        Whether every thread does a part of it; otherwise thread 0 does it.
    barrier : bool
        Whether all threads wait for each other before.
    body : list of Planned
        Of a `Repeat`.
    """

    statement: Statement
    shared: bool
    barrier: bool = False
    body: list[Planned] = field(default_factory=list)


def share(count: int, thread: int, threads: int) -> tuple[int, int]:
    """The tasks of a thread: from the first number to before the second.

    Examples
    --------
    >>> [share(7, thread, 3) for thread in range(3)]
    [(0, 2), (2, 4), (4, 7)]
    """
    return count * thread // threads, count * (thread + 1) // threads


# --- conflicts --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Touch:
    """What each thread touches of one piece of memory, in bytes.

    Within a repetition that moves the pointer by `step`, `ranges` are those of the first of `count` iterations.
    """

    space: Buffer | None  # None is the arena
    writes: bool
    ranges: tuple[Range, ...]
    columns: tuple[Columns, ...]
    step: int
    count: int
    hull: Range  # everything between the first byte and the last, in all iterations

    def conflicts(self, other: _Touch) -> bool:
        """Whether two different threads may touch a byte, one of them writing."""
        if not (self.writes or other.writes) or not _meet(self.hull, other.hull) or self.space is not other.space:
            return False
        mine, theirs, step, count = self.ranges, other.ranges, self.step, self.count
        if (step, count) != (other.step, other.count):
            mine, theirs, step, count = self.everywhere(), other.everywhere(), 0, 1
        # Otherwise it is the same rows of a table in one iteration, others in another one.
        return any(
            s != t and _meet(a, b, step, count) and not _beside(self.columns[s], other.columns[t])
            for s, a in enumerate(mine)
            for t, b in enumerate(theirs)
        )

    def everywhere(self) -> tuple[Range, ...]:
        """The ranges of all iterations together."""
        return _everywhere(self.ranges, self.step, self.count)


def _everywhere(ranges: Sequence[Range], step: int, count: int) -> tuple[Range, ...]:
    """Ranges that move by a step in each of some iterations: those of all together."""
    move = step * (count - 1)
    return tuple(span and (span[0] + min(0, move), span[1] + max(0, move)) for span in ranges)


def _beside(a: Columns, b: Columns) -> bool:
    """Whether these are columns of rows of equal length, and none of them the same."""
    return a is not None and b is not None and a[0] == b[0] and (a[2] <= b[1] or b[2] <= a[1])


def _hull(ranges: Sequence[Range]) -> Range:
    """Everything between the first byte and the last."""
    some = [span for span in ranges if span is not None]
    return min(first for first, _ in some), max(last for _, last in some)


def _meet(a: Range, b: Range, step: int = 0, count: int = 1) -> bool:
    """Whether two ranges overlap if one is moved by a step, up to ``count - 1`` times, one way or the other."""
    if a is None or b is None:
        return False
    low, high = a[0] - b[1], a[1] - b[0]  # how far b must be moved: more than the first, less than the second
    if step == 0:
        return low < 0 < high
    step = abs(step)
    return max(low // step + 1, 1 - count) <= min(-(-high // step) - 1, count - 1)


def _conflict(new: Collection[_Touch], old: Collection[_Touch]) -> bool:
    """Whether anything new conflicts with anything old."""
    # What thread 0 does alone never conflicts with what it did alone before.
    shared = [touch for touch in new if len(touch.ranges) > 1]
    return any(a.conflicts(b) for b in old for a in (shared if len(b.ranges) == 1 else new))


class _Planner:
    """Goes through a program and keeps what has been touched since the last barrier."""

    def __init__(self, program: Program, threads: int, shared: Sequence[bool]) -> None:
        self.offsets = program.offsets
        self.threads = threads
        self.shared = iter(shared)
        self.since: dict[_Touch, None] = {}
        #: Counts of the enclosing repetitions.
        self.counts: list[int] = []

    def statements(self, statements: Sequence[Statement]) -> list[Planned]:
        """Statements with what is known before barriers are placed."""
        made = []
        for statement in statements:
            if isinstance(statement, Repeat):
                made.append(Planned(statement, shared=True, body=self.statements(statement.body)))
            elif isinstance(statement, Call):
                made.append(Planned(statement, shared=False))
            else:
                made.append(Planned(statement, shared=next(self.shared)))
        return made

    def place(self, planned: Sequence[Planned]) -> None:
        """Place barriers; those that are there stay."""
        for item in planned:
            if isinstance(item.statement, Repeat):
                self.repeat(item, item.statement)
                continue
            touches = list(self.touches(item))
            item.barrier |= item.shared and len(self.since) > _REMEMBERED
            if item.barrier or _conflict(touches, self.since):
                item.barrier = True
                self.since = {}
            self.since |= dict.fromkeys(touches)
            if isinstance(item.statement, Call):
                self.since = {}  # there always is a barrier after a call: it may have raised

    def repeat(self, item: Planned, statement: Repeat) -> None:
        """Place the barriers of a repeated body, and one before it rather than one in it."""
        before, read = self.since, list(self.limit(statement))
        self.counts.append(statement.count)
        self.since = dict.fromkeys(read)
        # The second time, the end of one iteration meets the beginning of the next.
        for _ in range(min(statement.count, 2)):
            self.place(item.body)
        item.barrier |= _conflict([*read, *self.opening(item.body)], before)
        self.counts.pop()
        if not item.barrier:
            self.since = before | self.since

    def limit(self, statement: Repeat) -> Iterator[_Touch]:
        """All threads read the limit of a repetition."""
        limit = statement.limit
        if limit is not None and limit.buffer.role != "constant":
            yield self.touch(limit, False, [(limit.offset, limit.offset + 1)] * self.threads)

    def opening(self, planned: Sequence[Planned]) -> Iterator[_Touch]:
        """What is touched before the first barrier of a repeated body."""
        for item in planned:
            if item.barrier:
                return
            if isinstance(item.statement, Repeat):
                yield from self.limit(item.statement)
                self.counts.append(item.statement.count)
                yield from self.opening(item.body)
                self.counts.pop()
            else:
                yield from self.touches(item)

    def touches(self, item: Planned) -> Iterator[_Touch]:
        """What a statement touches; constants, which nobody writes, are left out."""
        statement = item.statement
        if isinstance(statement, Launch):
            writes_from = len(statement.arguments) - len(statement.kernel.stores)
            parts = [share(tasks(statement.kernel), t, self.threads) for t in range(self.threads)]
            if not item.shared:
                parts = [(0, tasks(statement.kernel))]
            for number, (argument, access) in enumerate(
                zip(statement.arguments, accesses_of(statement.kernel), strict=True)
            ):
                if argument.buffer.role != "constant":
                    boxes = [box_of(statement, number, *part) if part[0] < part[1] else None for part in parts]
                    spans = [self.span(argument, access, box) for box in boxes]
                    if any(spans):
                        columns = self.columns(argument, access, boxes, domains(statement.kernel)[number])
                        yield self.touch(argument, number >= writes_from, spans, columns)
        elif isinstance(statement, Call):
            for operand in (*statement.operands, *statement.results):
                if operand.argument.buffer.role != "constant" and 0 not in operand.shape:
                    yield self.touch(operand.argument, operand in statement.results, [_reach(operand)])

    def span(self, argument: Argument, access: Access, box: Box | None) -> Range:
        """Elements of a buffer that a part of a domain touches in the first iteration."""
        if box is None:
            return None
        if access.through:  # a gather may touch anything
            return 0, argument.buffer.size
        found = touched(access, box)
        return found and (found[0] + argument.offset, found[1] + argument.offset)

    def columns(
        self, argument: Argument, access: Access, boxes: Sequence[Box | None], domain: Sequence[int]
    ) -> list[Columns]:
        """The columns of a matrix that parts of a domain touch, by their bytes from the start of the buffer's space."""
        if access.through:
            return [None] * len(boxes)
        buffer, found = argument.buffer, list[Columns]()
        size = buffer.dtype.itemsize
        for box in boxes:
            columns = box and columns_touched(access, box, domain)
            if columns and not any(step % columns[0] for step in argument.steps):
                row, first, last = (number * size for number in columns)
                start = (self.offsets.get(buffer, 0) + argument.offset * size + first) % row
                columns = (row, start, start + last - first)
            else:
                columns = None
            found.append(columns if columns and columns[2] <= columns[0] else None)
        return found

    def touch(
        self, argument: Argument, writes: bool, ranges: Sequence[Range], columns: Sequence[Columns] = ()
    ) -> _Touch:
        """A record of the elements that threads touch, moved as the pointer is in repetitions."""
        buffer, columns = argument.buffer, tuple(columns) or (None,) * len(ranges)
        size, base = buffer.dtype.itemsize, self.offsets.get(buffer, 0)
        step, count = 0, 1
        for move, times in zip(argument.steps, self.counts, strict=False):
            if move and times > 1:
                # One step is kept; ranges are those of all iterations of the repetitions around that one.
                ranges = _everywhere(ranges, step, count)
                step, count = move, times
        spans = tuple(span and (base + span[0] * size, base + span[1] * size) for span in ranges)
        hull = _hull(_everywhere(spans, step * size, count))
        return _Touch(None if buffer in self.offsets else buffer, writes, spans, columns, step * size, count, hull)


def _reach(operand: Operand) -> Range:
    """Elements between the first and the last of a call's operand."""
    ends = [stride * (length - 1) for stride, length in zip(operand.strides, operand.shape, strict=True)]
    start = operand.argument.offset
    return start + sum(min(end, 0) for end in ends), start + sum(max(end, 0) for end in ends) + 1


def plan(program: Program, threads: int, shared: Sequence[bool]) -> list[Planned]:
    """Decide where threads wait.

    Parameters
    ----------
    program : Program
        What they do.
    threads : int
        How many there are.
    shared : sequence of bool
        For each launch, in the order of `Program.launches`: whether all threads do a part of it.
    """
    planner = _Planner(program, threads, shared)
    planned = planner.statements(program.statements)
    if threads > 1:
        planner.place(planned)
    return planned
