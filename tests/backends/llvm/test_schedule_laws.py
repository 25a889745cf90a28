"""Random programs: between two barriers, no thread touches what another one writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from backends.llvm.programs import F4, launch
from twopass.backends.llvm.schedule import Planned, plan, share
from twopass.program.interpreter import addresses
from twopass.program.ir import (
    Access,
    Argument,
    Buffer,
    Call,
    Contraction,
    Instruction,
    Launch,
    Loop,
    Operand,
    Panels,
    Program,
    Repeat,
    Store,
    domains,
    tasks,
)

ROWS, COLUMNS, SIZE = 8, 12, 200
#: Ways to cut the columns of a product.
WIDTHS = ((4, 4, 4), (8, 4), (12,))


class Generator:
    """Makes random programs on few buffers, some of which lie in one place."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.temporaries = [Buffer(f"t{k}", F4, SIZE) for k in range(4)]
        self.external = Buffer("y", F4, SIZE, "output")
        self.offsets = {buffer: int(self.rng.integers(0, 3)) * 400 for buffer in self.temporaries}

    def one(self, options: Sequence[Any]) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def argument(self, depth: int, room: int) -> Argument:
        """A pointer from which `room` elements can be reached in all iterations."""
        steps = tuple(int(self.one((0, 0, 1, 7, 20))) for _ in range(depth))
        last = SIZE - room - 2 * sum(steps)
        steps, last = (steps, last) if last >= 0 else ((0,) * depth, SIZE - room)
        return Argument(self.one((*self.temporaries, self.external)), int(self.rng.integers(0, last + 1)), steps)

    def loop(self, depth: int) -> Launch:
        n = int(self.rng.integers(4, 40))
        block = int(self.one((0, 1, 3, 8)))
        kinds = [self.one(((1, 0), (2, 0), (-1, n - 1))) for _ in range(2)]
        loads = tuple(Access(F4, (stride,)) for stride, _ in kinds)
        kernel = Loop((n,), 0, loads, (Instruction("add", (0, 1), F4),), (Store(2, Access(F4, (1,))),), block)
        places = [self.argument(depth, 2 * n) for _ in range(3)]
        for k, (_, start) in enumerate(kinds):
            places[k] = Argument(places[k].buffer, places[k].offset + start, places[k].steps)
        return launch(kernel, *places)

    def contraction(self, depth: int) -> Launch:
        widths = self.one(WIDTHS)
        rows = self.one(((8,), (4, 4), (3, 3, 2)))
        right = self.one((Access(F4, (COLUMNS, 1)), Access(F4, (0, 0), Panels(4, widths))))
        store = self.one(
            (Access(F4, (COLUMNS, 1)), Access(F4, (COLUMNS + 2, 1)), Access(F4, (0, 0), Panels(ROWS, widths)))
        )
        kernel = Contraction(
            *((), ROWS, COLUMNS, 4, F4),
            left=self.one((Access(F4, (4, 1)), Access(F4, (1, ROWS)))),
            right=right,
            inputs=(),
            body=(),
            stores=(Store(0, store),),
            columns=widths,
            rows=rows,
            by_rows=bool(self.rng.random() < 0.3),
        )
        room = ROWS * (COLUMNS + 2)
        return launch(kernel, self.argument(depth, 32), self.argument(depth, 48), self.argument(depth, room))

    def call(self, depth: int) -> Call:
        operands = [Operand(self.argument(depth, 30), (5, 3), (6, 1)) for _ in range(2)]
        return Call(np.negative, (operands[0],), (operands[1],), "negative")

    def statements(self, count: int, depth: int = 0) -> tuple[Any, ...]:
        kinds = ["loop"] * 4 + ["contraction"] * 2 + ["call"] + ["repeat"] * (2 if depth < 2 else 0)
        made: list[Any] = []
        for _ in range(count):
            kind = self.one(kinds)
            if kind == "repeat":
                limit = Argument(self.temporaries[0], 4, (2,) * depth) if self.rng.random() < 0.2 else None
                made.append(Repeat(int(self.rng.integers(1, 4)), self.statements(2, depth + 1), limit))
            else:
                made.append(getattr(self, kind)(depth))
        return tuple(made)

    def program(self) -> Program:
        return Program((), (self.external,), self.statements(5), self.offsets, 2000)


def part(kernel: Any, number: int, begin: int, end: int) -> Any:
    """Which points of the domain of an argument a range of tasks visits."""
    domain = domains(kernel)[number]
    mask = np.zeros(domain, bool)
    if isinstance(kernel, Loop):
        mask[begin * kernel.block : end * kernel.block if kernel.block else None] = True
        return mask
    if kernel.by_rows:
        rows = slice(sum(kernel.rows[:begin]), sum(kernel.rows[:end]))
        mask[(slice(None), slice(None)) if number == 1 else (rows, slice(None))] = True
        return mask
    for task in range(begin, end):
        column, row = divmod(task, len(kernel.rows))
        rows = slice(sum(kernel.rows[:row]), sum(kernel.rows[: row + 1]))
        columns = slice(sum(kernel.columns[:column]), sum(kernel.columns[: column + 1]))
        mask[(rows, slice(None)) if number == 0 else (slice(None), columns) if number == 1 else (rows, columns)] = True
    return mask


def touches(item: Planned, iteration: tuple[int, ...], threads: int, offsets: Any) -> Iterator[tuple[int, bool, Any]]:
    """(thread, whether it writes, the places) of all that a statement touches, one by one."""

    def placed(argument: Argument, elements: Any) -> set[Any]:
        moved = argument.offset + sum(n * step for n, step in zip(iteration, argument.steps, strict=False))
        base = offsets.get(argument.buffer, 1 << 20) // 4
        return set((base + moved + elements).tolist())

    statement = item.statement
    if isinstance(statement, Call):
        for operand in (*statement.operands, *statement.results):
            elements = addresses(Access(F4, operand.strides), operand.shape).ravel()
            yield 0, operand in statement.results, placed(operand.argument, elements)
    elif isinstance(statement, Launch):
        kernel = statement.kernel
        accesses = [*([kernel.left, kernel.right] if isinstance(kernel, Contraction) else []), *kernel.inputs]
        reads = len(accesses)
        accesses += [store.access for store in kernel.stores]
        for thread in range(threads):
            alone = (0, tasks(kernel)) if thread == 0 else (0, 0)
            begin, end = share(tasks(kernel), thread, threads) if item.shared else alone
            for number, (argument, access) in enumerate(zip(statement.arguments, accesses, strict=True)):
                if begin < end:
                    domain = domains(kernel)[number]
                    elements = np.broadcast_to(addresses(access, domain), domain)[part(kernel, number, begin, end)]
                    yield thread, number >= reads, placed(argument, elements)


class Checker:
    """Walks through a planned program as threads do, and keeps who has touched what since the last barrier."""

    def __init__(self, offsets: Any, threads: int) -> None:
        self.offsets, self.threads = offsets, threads
        self.barrier()

    def barrier(self) -> None:
        self.read: list[set[Any]] = [set() for _ in range(self.threads)]
        self.written: list[set[Any]] = [set() for _ in range(self.threads)]

    def touch(self, found: list[tuple[int, bool, Any]]) -> None:
        for thread, writes, places in found:
            for other in range(self.threads):
                if other != thread:
                    assert not places & self.written[other], "touches what another thread has written"
                    assert not (writes and places & self.read[other]), "writes what another thread has read"
        for thread, writes, places in found:
            (self.written if writes else self.read)[thread] |= places

    def walk(self, planned: Sequence[Planned], iteration: tuple[int, ...] = ()) -> None:
        for item in planned:
            if item.barrier:
                self.barrier()
            if isinstance(item.statement, Repeat):
                limit = item.statement.limit
                if limit is not None:
                    moved = limit.offset + sum(n * s for n, s in zip(iteration, limit.steps, strict=False))
                    place = {self.offsets[limit.buffer] // 4 + moved}
                    self.touch([(thread, False, place) for thread in range(self.threads)])
                for number in range(item.statement.count):
                    self.walk(item.body, (*iteration, number))
            else:
                # What one statement does to itself is its kernel's affair.
                self.touch(list(touches(item, iteration, self.threads, self.offsets)))
                if isinstance(item.statement, Call):
                    self.barrier()


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_threads_never_meet_between_barriers(seed: int, threads: int) -> None:
    generator = Generator(seed)
    program = generator.program()
    shared = [bool(generator.rng.random() < 0.8) for _ in program.launches()]
    Checker(program.offsets, threads).walk(plan(program, threads, shared))


def test_the_check_would_notice() -> None:
    """Most random programs need their barriers."""

    def without(planned: Sequence[Planned]) -> list[Planned]:
        return [Planned(p.statement, p.shared, False, without(p.body)) for p in planned]

    noticed = 0
    for seed in range(30):
        program = Generator(seed).program()
        planned = without(plan(program, 2, [True] * len(program.launches())))
        try:
            Checker(program.offsets, 2).walk(planned)
        except AssertionError:
            noticed += 1
    assert noticed > 15
