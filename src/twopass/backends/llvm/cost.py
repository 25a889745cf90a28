"""How long a program will take, roughly: enough to choose the number of threads, and which code must be fast.

A launch takes as long as its arithmetic or its memory traffic, whichever is longer::

    seconds = max(operations / RATE, bytes / BANDWIDTH) + LAUNCH

On T threads one that is shared takes the time of the largest share of its tasks; and a program takes, besides, the time
of its barriers and of waking the other threads::

    seconds(T) = sum of the launches + barriers * (FIRST + EACH * T) + WAKE + WAKE_EACH * T

The constants are those of a processor of 2022. A program that is wrong by a factor of two is still on the right side,
because what they decide between differs by more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from twopass.backends.llvm.schedule import Planned, plan
from twopass.backends.llvm.target import Target
from twopass.program.ir import Access, Contraction, Instruction, Kernel, Launch, Program, Repeat, tasks

__all__ = ["DRIVER", "SHORT", "Distribution", "cold", "distribute", "kernel_key", "seconds", "worth_sharing"]

#: Vector operations a second of one core; of them a contraction needs one for as many multiplications as it has lanes.
_RATE = 4e9
#: Bytes a second that one core gets from the caches it shares with others.
_BANDWIDTH = 20e9
#: Calling a kernel.
_LAUNCH = 20e-9
#: A barrier of T threads, with what they then fetch from each other's caches.
_FIRST, _EACH = 0.4e-6, 0.15e-6
#: Waking the pool, and each of its threads.
_WAKE, _WAKE_EACH = 5e-6, 0.5e-6
#: A launch that takes less on one thread is left to one; the second where the first leaves much to one.
_LITTLE, _LEAST = 3e-6, 0.3e-6
#: A program that takes less does not give up the interpreter's lock: taking it again could take longer.
SHORT = 50e-6
#: How much time a program may lose by code that is quickly made, and how much of their own time kernels lose: products,
#: whose accumulators are then in memory; loops that reduce, because of theirs; other loops, and those whose rows are so
#: short that they are written out.
_ALLOWED, _PRODUCT, _REDUCTION, _PLAIN, _SHORT_ROW = 0.01, 4.5, 2.0, 0.3, 16
#: What a launch loses if the driver is quickly made.
_LOST_LAUNCH = 2e-9

#: Stands for the driver among the keys of kernels.
DRIVER = "driver"

#: Vector operations for one of a scalar operator; those that are not listed take one.
_WORK = dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "tanh", "sin", "cos", "erf"), 20)
_WORK |= dict.fromkeys(("sinh", "cosh", "tan", "arcsin", "arccos", "arctan", "arctan2", "power", "float_power"), 40)
_WORK |= dict.fromkeys(("divide", "sqrt", "reciprocal", "remainder", "fmod", "floor_divide"), 8)
_WORK |= dict.fromkeys(("literal", "position", "astype"), 0)


def _work(body: tuple[Instruction, ...]) -> int:
    """Vector operations at each place of a domain."""
    return sum(_WORK.get(instruction.operator, 1) for instruction in body)


def _bytes(access: Access, domain: tuple[int, ...]) -> int:
    """Bytes that are touched, each once."""
    return access.dtype.itemsize * math.prod(
        length for length, stride in zip(domain, access.strides, strict=True) if stride or access.panels
    )


def kernel_key(kernel: Kernel) -> str:
    """What two kernels have in common if they are the same code.

    Not equality: ``0.0 == -0.0`` and ``1 == True``, as literals of a body, are different numbers.
    """
    inputs = [_spelled(access) for access in kernel.inputs]
    body = [(i.operator, i.operands, i.dtype.str, i.parameters) for i in kernel.body]
    stores = [(store.value, _spelled(store.access)) for store in kernel.stores]
    if isinstance(kernel, Contraction):
        shape = (
            kernel.batch,
            kernel.m,
            kernel.n,
            kernel.k,
            kernel.dtype.str,
            kernel.columns,
            kernel.rows,
            kernel.by_rows,
        )
        return repr((shape, _spelled(kernel.left), _spelled(kernel.right), inputs, body, stores))
    return repr((kernel.domain, kernel.inner, kernel.block, inputs, body, stores))


def _spelled(access: Access) -> tuple[object, ...]:
    """An access as what is quickly written: the representation of a dtype takes NumPy longer than that of all else."""
    panels = None if access.panels is None else (access.panels.rows, access.panels.widths)
    return access.dtype.str, access.strides, panels, access.slack, access.through


def seconds(launch: Launch, target: Target) -> float:
    """The time of a launch on one thread."""
    kernel = launch.kernel
    if isinstance(kernel, Contraction):
        lanes = target.lanes(kernel.dtype)
        places = math.prod(kernel.batch) * kernel.m * kernel.n
        operations = places * (kernel.k + _work(kernel.body) + 2) / lanes
        domains = [(*kernel.batch, kernel.m, kernel.k), (*kernel.batch, kernel.k, kernel.n)]
        domains += [(*kernel.batch, kernel.m, kernel.n)] * (len(kernel.inputs) + len(kernel.stores))
        accesses = [kernel.left, kernel.right, *kernel.inputs, *(store.access for store in kernel.stores)]
        traffic = sum(_bytes(access, domain) for access, domain in zip(accesses, domains, strict=True))
    else:
        accesses = [*kernel.inputs, *(store.access for store in kernel.stores)]
        size = max((access.dtype.itemsize for access in accesses), default=8)
        places = math.prod(kernel.domain)
        operations = places * (_work(kernel.body) + len(accesses)) * size / target.vector_bytes
        traffic = sum(_bytes(access, kernel.domain) for access in accesses)
    return max(operations / _RATE, traffic / _BANDWIDTH) + _LAUNCH


def worth_sharing(program: Program, target: Target, least: float = _LITTLE) -> list[bool]:
    """For each launch, whether it can be cut and takes longer than so many seconds."""
    return [tasks(launch.kernel) > 1 and seconds(launch, target) > least for launch in program.launches()]


def total(planned: list[Planned], threads: int, target: Target) -> float:
    """The time of a program on so many threads."""
    time = 0.0
    for item in planned:
        statement = item.statement
        if isinstance(statement, Repeat):
            time += statement.count * total(item.body, threads, target)
        elif isinstance(statement, Launch):
            count = tasks(statement.kernel)
            part = -(-count // threads) / count if item.shared and count else 1.0
            time += part * seconds(statement, target)
        time += item.barrier * (_FIRST + _EACH * threads)
    return time


@dataclass(frozen=True, slots=True)
class Distribution:
    """How threads share a program.

    Attributes
    ----------
    threads : int
        How many there are.
    shared : list of bool
        For each launch, whether all do a part of it.
    planned : list of Planned
        The program, with its barriers.
    seconds : float
        The estimate of its time.
    """

    threads: int
    shared: list[bool]
    planned: list[Planned]
    seconds: float


def distribute(program: Program, target: Target, most: int, threads: int | None = None) -> Distribution:
    """The distribution among so many threads; without a number, that to the number that takes the least time.

    That is a power of two, or `most`. Other threads must save a fifth, because they may be needed elsewhere and because
    the estimate is rough.
    """
    if threads is not None:
        return _among(program, target, threads)
    alone = best = _among(program, target, 1)
    for count in sorted({*(2**k for k in range(1, most.bit_length())), most} - {1}):
        waking = _WAKE + _WAKE_EACH * count
        if waking < alone.seconds / 2:
            found = _among(program, target, count)
            least = alone.seconds / 1.2 if best is alone else best.seconds
            if found.threads > 1 and found.seconds + waking < least:
                best = replace(found, seconds=found.seconds + waking)
    return best


def _among(program: Program, target: Target, threads: int) -> Distribution:
    """The better one of sharing what is long, and of sharing what is short, too."""
    if threads == 1:
        return _shared_by(program, target, 1, [False] * len(program.launches()))
    coarse = _shared_by(program, target, threads, worth_sharing(program, target))
    finer = worth_sharing(program, target, _LEAST)
    if finer == coarse.shared:
        return coarse
    return min(coarse, _shared_by(program, target, threads, finer), key=lambda found: found.seconds)


def _shared_by(program: Program, target: Target, threads: int, shared: list[bool]) -> Distribution:
    if not any(shared):
        threads = 1  # nobody else would have anything to do
    planned = plan(program, threads, shared)
    return Distribution(threads, shared, planned, total(planned, threads, target))


def cold(planned: Sequence[Planned], target: Target, lines: Mapping[str, int]) -> set[str]:
    """The keys of the kernels that need not be fast: all of them together cost little of the program's time.

    `lines` says how long the code of each kernel is, and that of the `DRIVER`: first come those that save the most for
    what they cost.
    """
    kernels: dict[str, Kernel] = {}
    spent: dict[str, float] = {}
    count = 0
    for launch, times in _launches(planned):
        key = kernel_key(launch.kernel)
        kernels[key] = launch.kernel
        spent[key] = spent.get(key, 0.0) + times * seconds(launch, target)
        count += times
    lost = {key: spent[key] * _loss(kernel) for key, kernel in kernels.items()}
    lost[DRIVER] = count * _LOST_LAUNCH
    allowed, found = _ALLOWED * sum(spent.values()), set[str]()
    for key in sorted(lost, key=lambda key: lost[key] / max(1, lines[key])):
        if lost[key] <= allowed:
            allowed -= lost[key]
            found.add(key)
    return found


def _loss(kernel: Kernel) -> float:
    """How much longer a kernel takes if LLVM does little for it."""
    if isinstance(kernel, Contraction):
        return _PRODUCT
    outer = len(kernel.domain) - kernel.inner
    return _REDUCTION if math.prod(kernel.domain[outer:]) > _SHORT_ROW else _PLAIN


def _launches(planned: Sequence[Planned], times: int = 1) -> Iterator[tuple[Launch, int]]:
    """All launches, with how often they run."""
    for item in planned:
        if isinstance(item.statement, Launch):
            yield item.statement, times
        elif isinstance(item.statement, Repeat):
            yield from _launches(item.body, times * item.statement.count)
