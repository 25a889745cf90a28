"""From a program to an executable, or to the code of an equal program that is there already."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from twopass.backends.llvm import cache
from twopass.backends.llvm.cost import SHORT, distribute
from twopass.backends.llvm.engine import Code, assemble, load
from twopass.backends.llvm.executable import Executable
from twopass.backends.llvm.module import externals, kernel_key, write
from twopass.backends.llvm.schedule import Planned
from twopass.backends.llvm.target import Target, host
from twopass.backends.llvm.threads import allowed, check_threads
from twopass.program.ir import Argument, Buffer, Launch, Program, Repeat, Statement

__all__ = ["KEPT", "build", "structure"]

#: How many programs' code is kept for programs that are equal.
KEPT = 32

_codes: OrderedDict[tuple[str, Target], Code] = OrderedDict()


def build(
    program: Program, *, threads: int | None = None, shapes: Sequence[tuple[int, ...]] | None = None
) -> Executable:
    """Compile a program for this machine; see `twopass.backends.llvm.compile`."""
    target = host()
    found = distribute(program, target, allowed(), None if threads is None else check_threads(threads))
    count, planned = found.threads, found.planned
    name = "\n".join([structure(program), f"{count} threads", "".join("01"[flag] for flag in found.shared)])
    code = _code(name, target, lambda: write(program, planned, target, threads=count))
    return Executable(
        program,
        code,
        threads=count,
        barriers=_barriers(planned),
        short=found.seconds < SHORT,
        shapes=shapes,
    )


def _barriers(planned: Sequence[Planned]) -> int:
    """Places where threads wait for each other."""
    return sum(item.barrier + _barriers(item.body) for item in planned)


def _code(name: str, target: Target, text: Callable[[], Mapping[int, str]]) -> Code:
    """The code of what a name describes: from this process, from the disk, or made of the modules' text."""
    # Other Python threads may do the same at the same time; there is no lock that a forked process could inherit.
    known = _codes.get((name, target))
    if known is not None:
        with contextlib.suppress(KeyError):
            _codes.move_to_end((name, target))
        return known
    content, _ = cache.object_code([name], target, lambda: assemble(text(), target))
    code = _codes[name, target] = load(content, target)
    while len(_codes) > KEPT:
        with contextlib.suppress(KeyError):
            _codes.popitem(last=False)
    return code


def structure(program: Program) -> str:
    """What two programs have in common if they have the same code: everything but the values of constants."""
    numbers: dict[Buffer, int] = {}

    def buffer(found: Buffer) -> str:
        known = found in numbers
        number = numbers.setdefault(found, len(numbers))
        if known:
            return f"{number}"
        place = program.offsets.get(found)
        return f"{number}={found.role} {found.dtype.str} {found.size} {place}"

    def argument(given: Argument) -> str:
        return f"{buffer(given.buffer)}+{given.offset}{given.steps}"

    def statement(given: Statement) -> str:
        if isinstance(given, Launch):
            kernel = kernels.setdefault(kernel_key(given.kernel), len(kernels))
            return f"{kernel}({','.join(map(argument, given.arguments))})"
        if isinstance(given, Repeat):
            limit = "" if given.limit is None else argument(given.limit)
            return f"{given.count}*{limit}[{';'.join(map(statement, given.body))}]"
        operands = ",".join(f"{argument(o.argument)}{o.shape}{o.strides}" for o in (*given.operands, *given.results))
        return f"call {len(given.operands)} ({operands})"

    kernels: dict[str, int] = {}
    callers = ",".join(map(buffer, (*program.inputs, *program.outputs)))
    constants = ",".join(map(buffer, externals(program)))
    statements = ";".join(map(statement, program.statements))
    return "\n".join([callers, constants, statements, *kernels])
