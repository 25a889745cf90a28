"""From a program to a module of LLVM text: its kernels, and the function that drives them.

Each distinct kernel is one function. The driver ::

    void run(ptr externals, ptr arena, ptr state, i64 thread, i64 threads)

is executed by every thread. It finds the pointers (`externals` is a table of pointers to the caller's arrays and the
constants; temporaries are at fixed places of the arena), calls each kernel with this thread's range of tasks, and waits
at the barriers that `schedule` asks for. It is cut into functions of some launches each, because the time that code
generation takes grows faster than the length of a function.

There are two modules: LLVM does all that it can for the kernels that take most of the time, and little for the others
and, if launches are not very short, for the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twopass.backends.llvm.builder import BOOL, I8, I32, I64, PTR, Function, Value, literal
from twopass.backends.llvm.contraction import emit_contraction
from twopass.backends.llvm.cost import DRIVER, cold, kernel_key
from twopass.backends.llvm.loop import emit_loop
from twopass.backends.llvm.runtime import Frame
from twopass.backends.llvm.scatter import emit_scatter
from twopass.backends.llvm.schedule import Planned
from twopass.backends.llvm.target import Target
from twopass.program.ir import (
    Argument,
    Buffer,
    Call,
    Contraction,
    Launch,
    Loop,
    Program,
    Repeat,
    Scatter,
    Statement,
    arguments_of,
    flat,
    tasks,
)

__all__ = ["COLD", "EMITTERS", "HOT", "Emitter", "calls", "externals", "kernel_key", "write"]

#: Gives the functions of a kernel, itself last.
Emitter = Callable[[Any, str, Target], Sequence[Function]]

#: How each kind of kernel is written.
EMITTERS: Mapping[type, Emitter] = {
    Contraction: emit_contraction,
    Loop: emit_loop,
    Scatter: emit_scatter,
}

#: How hard LLVM tries. What it does for hot code takes ten times as long for each function, and four for each line.
HOT, COLD = 2, 0

#: How many statements one function of the driver has at most.
_PART = 64


def externals(program: Program) -> list[Buffer]:
    """The buffers in the table of pointers: inputs, outputs, constants, each once."""
    return list(dict.fromkeys((*program.inputs, *program.outputs, *program.constants())))


def calls(program: Program) -> list[Call]:
    """The calls of NumPy, in order; a call's place is its number in the driver."""
    return list(dict.fromkeys(statement for statement in flat(program.statements) if isinstance(statement, Call)))


def write(
    program: Program,
    planned: Sequence[Planned],
    target: Target,
    *,
    threads: int = 1,
    emitters: Mapping[type, Emitter] = EMITTERS,
) -> dict[int, str]:
    """The modules of a program, by the level at which LLVM should generate code: what is hot, and what is not.

    Parameters
    ----------
    program : Program
        What it does.
    planned : sequence of Planned
        Its statements, as `schedule.plan` gives them.
    target : Target
        What code is written for.
    threads : int
        How many threads it is planned for. With 1 there are neither barriers nor ranges of tasks.
    emitters : mapping of type to Emitter
        How kernels are written.
    """
    names: dict[str, str] = {}
    written: dict[str, Sequence[Function]] = {}
    for launch in program.launches():
        key = kernel_key(launch.kernel)
        if key not in names:
            names[key] = f"kernel{len(names)}"
            written[key] = emitters[type(launch.kernel)](launch.kernel, names[key], target)
    driver = _Driver(program, names, threads)
    driver.write(planned)
    written[DRIVER] = driver.functions
    slow = cold(planned, target, {key: sum(f.length for f in functions) for key, functions in written.items()})
    modules = {HOT: _Module(target), COLD: _Module(target)}
    caller = COLD if DRIVER in slow else HOT
    for key, functions in written.items():
        level = COLD if key in slow else HOT
        modules[level].add(functions)
        if level != caller:
            modules[caller].declared.add(functions[-1].publish())
    return {level: module.text() for level, module in modules.items() if module.functions}


class _Module:
    """Functions that are compiled together."""

    def __init__(self, target: Target) -> None:
        self.target = target
        # Helpers of several kernels have the same name if they are the same function.
        self.functions: dict[str, Function] = {}
        self.declared: set[str] = set()

    def add(self, functions: Iterable[Function]) -> None:
        """Take functions; of those of equal names, the first."""
        for function in functions:
            self.functions.setdefault(function.name, function)

    def text(self) -> str:
        """All of it."""
        functions = self.functions.values()
        declared = sorted(self.declared.union(*(function.declared for function in functions)))
        head = f'target triple = "{self.target.triple}"' if self.target.triple else ""
        return "\n".join([head, *declared, *(function.text() for function in functions)])


# --- the driver -------------------------------------------------------------------------------------------------------

_PARAMETERS = ((PTR, "externals"), (PTR, "arena"), (PTR, "state"), (I64, "thread"), (I64, "threads"))


@dataclass(frozen=True, slots=True)
class _Part:
    """A function of the driver. Its result is whether a call of NumPy has raised; without calls it is false."""

    name: str
    calls: bool


def _direct(statement: Statement) -> tuple[Argument, ...]:
    """The pointers that the function around a statement needs; bodies of repetitions are other functions."""
    if isinstance(statement, Repeat):
        return () if statement.limit is None else (statement.limit,)
    return arguments_of(statement)


class _Driver:
    """Writes the functions of the driver."""

    def __init__(self, program: Program, names: Mapping[str, str], threads: int) -> None:
        self.offsets = program.offsets
        self.slots = {buffer: number for number, buffer in enumerate(externals(program))}
        self.numbers = {id(call): number for number, call in enumerate(calls(program))}
        self.names = names
        self.threads = threads
        self.functions: list[Function] = []

    def write(self, planned: Sequence[Planned]) -> None:
        """Write all functions, `run` last."""
        parts = self.parts(planned, 0)
        writer = _Writer(self, Function("run", _PARAMETERS, internal=False), [])
        for part in parts:
            writer.call(part)
        self.functions.append(writer.end())

    def parts(self, planned: Sequence[Planned], depth: int) -> list[_Part]:
        """Write functions for statements inside `depth` repetitions."""
        return [self.part(planned[start : start + _PART], depth) for start in range(0, len(planned), _PART)]

    def part(self, planned: Sequence[Planned], depth: int) -> _Part:
        """Write one function; the bodies of repetitions, which are functions too, before it."""
        bodies = [self.parts(item.body, depth + 1) for item in planned]
        may_stop = any(isinstance(item.statement, Call) for item in planned)
        may_stop = may_stop or any(part.calls for body in bodies for part in body)
        part = _Part(f"part{len(self.functions)}", may_stop)
        counters = [(I64, f"n{level}") for level in range(depth)]
        f = Function(part.name, [*_PARAMETERS, *counters], result=BOOL)
        writer = _Writer(self, f, f.parameters[len(_PARAMETERS) :])
        writer.prepare(planned)
        for item, body in zip(planned, bodies, strict=True):
            writer.statement(item, body)
        self.functions.append(writer.end(literal(False, BOOL), literal(True, BOOL)))
        return part


class _Writer:
    """Writes one function of the driver."""

    def __init__(self, driver: _Driver, f: Function, counters: Sequence[Value]) -> None:
        self.driver = driver
        self.f = f
        self.externals, self.arena, self.state, self.thread, self.threads = f.parameters[: len(_PARAMETERS)]
        self.counters = list(counters)
        self.found: dict[Buffer, Value] = {}
        self.shares: dict[int, tuple[Value, Value]] = {}
        self.stops = False

    def end(self, result: Value | None = None, stopped: Value | None = None) -> Function:
        """The function, complete."""
        self.f.ret(result)
        if self.stops:
            self.f.start("stopped")
            self.f.ret(stopped)
        return self.f

    def prepare(self, planned: Sequence[Planned]) -> None:
        """Find what statements need once: pointers to arrays, and this thread's ranges of tasks."""
        f = self.f
        for item in planned:
            if isinstance(item.statement, Launch) and item.shared and self.driver.threads > 1:
                count = tasks(item.statement.kernel)
                if count not in self.shares:
                    following = f.add(self.thread, literal(1, I64))
                    self.shares[count] = self.first(count, self.thread), self.first(count, following)
            for argument in _direct(item.statement):
                slot = self.driver.slots.get(argument.buffer)
                if slot is not None and argument.buffer not in self.found:
                    self.found[argument.buffer] = f.load(f.element(self.externals, PTR, slot), PTR)

    def first(self, count: int, thread: Value) -> Value:
        """Where the tasks of a thread begin: `schedule.share`."""
        return self.f.binary("udiv", self.f.mul(thread, literal(count, I64)), self.threads)

    def statement(self, item: Planned, body: Sequence[_Part]) -> None:
        """Write one statement."""
        if item.barrier:
            self.barrier()
        if isinstance(item.statement, Repeat):
            self.repeat(item.statement, body)
        elif isinstance(item.statement, Call):
            self.callback(item.statement)
        elif item.shared and self.driver.threads > 1:
            self.shared(item.statement)
        else:
            statement, count = item.statement, tasks(item.statement.kernel)
            self.alone(lambda: self.launch(statement, literal(0, I64), literal(count, I64)))

    # --- launches -----------------------------------------------------------------------------------------------------

    def shared(self, launch: Launch) -> None:
        """A launch of which each thread does its range of tasks."""
        f, count = self.f, tasks(launch.kernel)
        begin, end = self.shares[count]
        if count >= self.driver.threads:
            self.launch(launch, begin, end)
        else:
            f.when(f.icmp("slt", begin, end), lambda: self.launch(launch, begin, end))

    def alone(self, body: Callable[[], None]) -> None:
        """Let thread 0 do something."""
        if self.driver.threads == 1:
            body()
        else:
            self.f.when(self.f.icmp("eq", self.thread, literal(0, I64)), body)

    def launch(self, launch: Launch, begin: Value, end: Value) -> None:
        """Call a kernel."""
        pointers = [self.pointer(argument) for argument in launch.arguments]
        self.f.call(self.driver.names[kernel_key(launch.kernel)], [*pointers, begin, end], declare=False)

    def pointer(self, argument: Argument) -> Value:
        """Where an argument is in this iteration."""
        f, buffer = self.f, argument.buffer
        size = buffer.dtype.itemsize
        if buffer in self.found:
            place = f.element(self.found[buffer], I8, argument.offset * size)
        else:
            place = f.element(self.arena, I8, self.driver.offsets[buffer] + argument.offset * size)
        for counter, step in zip(self.counters, argument.steps, strict=False):
            place = f.element(place, I8, f.offset(counter, step * size))
        return place

    # --- control ------------------------------------------------------------------------------------------------------

    def call(self, part: _Part, *counters: Value) -> None:
        """Call another function of the driver, and leave this one if a call of NumPy raised there."""
        values = [*self.f.parameters[: len(_PARAMETERS)], *self.counters, *counters]
        stopped = self.f.call(part.name, values, BOOL, declare=False)
        if part.calls:
            self.stop_if(stopped)

    def stop_if(self, stopped: Value) -> None:
        """Leave the function if something holds."""
        following = self.f.label("go")
        self.f.line(f"br i1 {stopped}, label %stopped, label %{following}")
        self.f.start(following)
        self.stops = True

    def repeat(self, statement: Repeat, body: Sequence[_Part]) -> None:
        """A loop around other functions."""
        f, most = self.f, literal(statement.count, I64)

        def iterations(count: Value) -> None:
            def iteration(number: Value) -> None:
                for part in body:
                    self.call(part, number)

            f.loop(count, iteration)

        if not statement.count or not body:
            return
        if statement.limit is None:
            iterations(most)
        else:
            count = f.intrinsic("llvm.smin", f.load(self.pointer(statement.limit), I64), most)
            f.when(f.icmp("sgt", count, literal(0, I64)), lambda: iterations(count))

    def barrier(self) -> None:
        """Wait for all threads."""
        function = self.f.load(self.f.element(self.state, I8, Frame.barrier.offset), PTR)
        self.f.line(f"call void {function}(ptr {self.state})")

    def callback(self, call: Call) -> None:
        """Let thread 0 call Python; all threads wait, and stop if it has raised."""
        f, number = self.f, self.driver.numbers[id(call)]
        cells = f.slot(I64, max(1, len(self.counters)))

        def invoke() -> None:
            for level, counter in enumerate(self.counters):
                f.store(counter, f.element(cells, I64, level))
            function = f.load(f.element(self.state, I8, Frame.invoke.offset), PTR)
            f.line(f"call void {function}(ptr {self.state}, i64 {number}, ptr {cells})")

        self.alone(invoke)
        if self.driver.threads > 1:
            self.barrier()
        place = f.element(self.state, I8, Frame.failed.offset)
        self.stop_if(f.icmp("ne", f.emit(f"load atomic i32, ptr {place} acquire, align 4", I32), literal(0, I32)))
