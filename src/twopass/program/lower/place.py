"""Where temporaries lie in the arena: values that are not needed at the same time share memory."""

from __future__ import annotations

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
    placed: list[tuple[int, int, int, int]] = []  # first and last use, start and end
    offsets: dict[Buffer, int] = {}
    for buffer in sorted(spans, key=lambda b: (-b.nbytes, spans[b])):
        first, last = spans[buffer]
        size = -(-buffer.nbytes // _LINE) * _LINE
        start = 0
        for _, _, low, high in sorted((item for item in placed if item[0] <= last and first <= item[1]), key=_low):
            if start + size <= low:
                break
            start = max(start, high)
        offsets[buffer] = start
        placed.append((first, last, start, start + size))
    return offsets, max((high for _, _, _, high in placed), default=0)


def _low(item: tuple[int, int, int, int]) -> int:
    return item[2]


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
