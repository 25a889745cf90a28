"""Where temporaries lie in the arena: values that are not needed at the same time share memory."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from twopass.program.ir import Buffer, Repeat, Statement, arguments_of

__all__ = ["place"]

#: Bytes of a cache line, to which every buffer is aligned.
_LINE = 64


def place(statements: Sequence[Statement]) -> tuple[dict[Buffer, int], int]:
    """Offsets of the temporaries in bytes, and the size of the arena.

    The largest are placed first, each at the lowest address that is free for as long as it is needed.
    """
    spans = _spans(statements)
    placed: list[tuple[int, int, int, int]] = []  # start and end, first and last use: by address
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(spans, key=lambda b: (-b.nbytes, spans[b])):
        first, last = spans[buffer]
        size = -(-buffer.nbytes // _LINE) * _LINE
        start = 0
        for low, high, since, until in placed:
            if since <= last and first <= until:
                if start + size <= low:
                    break
                if start < high:
                    start = high
        offsets[buffer] = start
        insort(placed, (start, start + size, first, last))
    return offsets, max((high for _, high, _, _ in placed), default=0)


def _spans(statements: Sequence[Statement]) -> dict[Buffer, tuple[int, int]]:
    """The first and the last statement that uses each temporary, counted through repeated bodies."""
    spans: dict[Buffer, tuple[int, int]] = {}

    def walk(body: Sequence[Statement], now: int) -> int:
        for statement in body:
            if isinstance(statement, Repeat):
                start, before = now, dict(spans)
                now = walk(statement.body, now)
                # What was there before the first iteration, must still be there for the last one.
                for buffer in {argument.buffer for argument in arguments_of(statement)} & before.keys():
                    spans[buffer] = (before[buffer][0], now)
                repeats.append((start, now))
            else:
                for argument in arguments_of(statement):
                    if argument.buffer.role == "temporary":
                        first, _ = spans.get(argument.buffer, (now, now))
                        spans[argument.buffer] = (first, now)
            now += 1
        return now

    repeats: list[tuple[int, int]] = []
    walk(statements, 0)
    for start, end in repeats:
        for buffer, (first, last) in spans.items():
            # Needed afterwards: written by each iteration, and by nothing else meanwhile.
            if start <= first <= end < last:
                spans[buffer] = (start, last)
    return spans
