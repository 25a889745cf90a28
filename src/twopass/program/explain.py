"""What a program costs: a table of its kernels, what is left to NumPy, and the memory that it needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twopass.program.interpreter import addresses
from twopass.program.ir import Call, Contraction, Kernel, Launch, Program, Repeat, Statement, domains, tasks
from twopass.program.printer import unit
from twopass.program.scalar import OPERATORS, REDUCTIONS

__all__ = ["Cost", "cost", "explain", "peak_memory"]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a kernel takes.

    Attributes
    ----------
    flops : float
        Operations: 2 for each product that is summed up, an estimate for scalar code (`scalar.Operator.work`).
    read, written : int
        Bytes, each element once.
    tasks : int
        Pieces that threads can share.
    """

    flops: float
    read: int
    written: int
    tasks: int


def cost(kernel: Kernel) -> Cost:
    """What a run of a kernel takes."""
    stores = [store.access for store in kernel.stores]
    loads = [*([kernel.left, kernel.right] if isinstance(kernel, Contraction) else []), *kernel.inputs]
    moved = [
        math.prod(addresses(access, domain).shape) * access.dtype.itemsize
        for access, domain in zip([*loads, *stores], domains(kernel), strict=True)
    ]
    return Cost(_flops(kernel), sum(moved[: len(loads)]), sum(moved[len(loads) :]), tasks(kernel))


def _flops(kernel: Kernel) -> float:
    """Operations of a kernel; each value is computed as often as there are points that it depends on."""
    points = math.prod(domains(kernel)[-1])
    total, inner = 0.0, 1
    if isinstance(kernel, Contraction):
        total = 2.0 * points * kernel.k
        varies = [False] * (1 + len(kernel.inputs))
    else:
        inner = math.prod(kernel.domain[len(kernel.domain) - kernel.inner :])
        outer = len(kernel.domain) - kernel.inner
        varies = [a.panels is not None or any(a.strides[outer:]) or not kernel.inner for a in kernel.inputs]
    for instruction in kernel.body:
        name = instruction.operator
        reads = any(varies[x] for x in instruction.operands)
        if name in REDUCTIONS:
            total += REDUCTIONS[name].work * points
        elif name in OPERATORS:
            total += OPERATORS[name].work * (points if reads else points / inner)
        varies.append(name not in REDUCTIONS and (reads or name == "position"))
    return total


def peak_memory(program: Program) -> int:
    """Bytes that a run needs: the arena, constants, and the caller's inputs and outputs."""
    given = dict.fromkeys([*program.inputs, *program.outputs, *program.constants()])
    return program.arena + sum(buffer.nbytes for buffer in given)


def explain(program: Program) -> str:
    """What a program does and what it takes, for people.

    Equal kernels are one line; ``runs`` counts repetitions.

    Returns
    -------
    str
        A table of the kernels, the calls of NumPy with the lines that they come from, and the memory.
    """
    found = list(_counted(program.statements, 1))
    launches = [(launch, count) for launch, count in found if isinstance(launch, Launch)]
    calls = [(call, count) for call, count in found if isinstance(call, Call)]
    return "\n\n".join(["\n".join(_kernels(launches)), "\n".join(_calls(calls)), "\n".join(_memory(program))])


def _counted(statements: Sequence[Statement], count: int) -> Iterator[tuple[Launch | Call, int]]:
    """Launches and calls, each with how often it runs."""
    for statement in statements:
        if isinstance(statement, Repeat):
            yield from _counted(statement.body, count * statement.count)
        else:
            yield statement, count


def _kernels(launches: Sequence[tuple[Launch, int]]) -> list[str]:
    """The table of kernels."""
    groups: dict[Kernel, list[tuple[Launch, int]]] = {}
    for launch, count in launches:
        groups.setdefault(launch.kernel, []).append((launch, count))
    rows = [("kernel", "shape", "runs", "FLOP a run", "bytes a run", "tasks", "computes")]
    flops = moved = 0.0
    for kernel, group in groups.items():
        one = cost(kernel)
        runs = sum(count for _, count in group)
        flops += one.flops * runs
        moved += (one.read + one.written) * runs
        notes = list(dict.fromkeys(launch.note for launch, _ in group if launch.note))
        computes = ", ".join(notes[:3]) + (f" and {len(notes) - 3} more" if len(notes) > 3 else "")
        kind = "product" if isinstance(kernel, Contraction) else "reduction" if kernel.inner else "loop"
        amount = (unit(one.flops, ""), unit(one.read + one.written, "B"), str(one.tasks))
        rows.append((kind, _shape(kernel), f"{runs:,}", *amount, computes))
    total = f"{len(groups)} kernels, {unit(flops, 'FLOP')}, {unit(moved, 'B')} moved"
    return [*_aligned(rows), total]


def _shape(kernel: Kernel) -> str:
    """The lengths that a kernel's time depends on."""
    if isinstance(kernel, Contraction):
        return " x ".join(map(str, (*kernel.batch, kernel.m, kernel.k, kernel.n)))
    return " x ".join(map(str, kernel.domain)) or "1"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of a table with columns of equal width; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    numbers = range(2, 6)
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _calls(calls: Sequence[tuple[Call, int]]) -> list[str]:
    """What is left to NumPy, with the user's lines."""
    if not calls:
        return ["nothing is left to NumPy"]
    lines = ["left to NumPy:"]
    for call, count in calls:
        shapes = ", ".join(f"{o.argument.buffer.dtype}[{', '.join(map(str, o.shape))}]" for o in call.operands)
        where = f" at {call.line}" if call.line else ""
        times = f", {count:,} times" if count > 1 else ""
        lines.append(f"  {call.name}({shapes}){where}{times}")
    return lines


def _memory(program: Program) -> list[str]:
    """The memory that a run needs."""
    inputs = sum(buffer.nbytes for buffer in program.inputs)
    outputs = sum(buffer.nbytes for buffer in program.outputs if buffer not in program.inputs)
    constants = sum(buffer.nbytes for buffer in program.constants())
    parts = [("intermediate results", program.arena), ("constants", constants), ("inputs", inputs)]
    listed = ", ".join(f"{unit(size, 'B')} {name}" for name, size in [*parts, ("outputs", outputs)] if size)
    return [f"planned peak memory {unit(peak_memory(program), 'B')}" + (f": {listed}" if listed else "")]
