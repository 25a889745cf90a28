"""What must hold of a program before code is made from it.

A mistake of the lowering is a wrong number or a crash in native code, far from its cause. Here it is an exception that
names the statement and the argument. `verify` looks at each kernel by itself, at each pointer (is every element that it
reaches within the buffer, in every iteration?), at what overlaps in one launch, and then goes through the program in
order with one bit for each element of memory: whether it holds what was last stored into that buffer. So it finds what
is read before it is written, and temporaries that were given the same place at the same time.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from twopass.program.interpreter import addresses
from twopass.program.ir import (
    Access,
    Argument,
    Buffer,
    Call,
    Contraction,
    Instruction,
    Kernel,
    Launch,
    Loop,
    Operand,
    Program,
    Repeat,
    Scatter,
    Statement,
    Store,
    domains,
)
from twopass.program.scalar import DTYPES, OPERATORS, REDUCTIONS, result_dtype

__all__ = ["InvalidProgramError", "verify", "verify_kernel"]

Array = np.ndarray[Any, Any]


class InvalidProgramError(AssertionError):
    """A program breaks a rule of `program.ir`: a mistake in twopass, not in what is compiled."""


def _require(condition: object, message: str) -> None:
    if not condition:
        raise InvalidProgramError(message)


# --- kernels ----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def verify_kernel(kernel: Kernel) -> None:
    """Check a kernel by itself.

    Raises
    ------
    InvalidProgramError
        Naming the access, instruction or store.
    """
    domain = domains(kernel)[-1]
    _require(all(length > 0 for length in domain), f"the domain {domain} has no points")
    if isinstance(kernel, Scatter):
        _verify_scatter(kernel)
        return
    if isinstance(kernel, Contraction):
        _verify_product(kernel)
    else:
        _require(0 <= kernel.inner <= len(domain), f"{kernel.inner} of {len(domain)} axes cannot be inner")
        _require(0 <= kernel.block <= (domain[0] if domain else 0), f"a block of {kernel.block} positions of {domain}")
        split = kernel.block and kernel.inner == len(domain)
        _require(not split, "axis 0 is reduced, so it cannot be cut into blocks")
    for number, access in enumerate(kernel.inputs):
        _verify_access(access, domain, f"input {number}")
        _verify_through(kernel, number)
    dtypes = [kernel.dtype] if isinstance(kernel, Contraction) else []
    dtypes += [access.dtype for access in kernel.inputs]
    # Which values change along the inner axes.
    varies = [_varies(access, kernel) for access in kernel.inputs]
    varies = [False, *varies] if isinstance(kernel, Contraction) else varies
    for number, instruction in enumerate(kernel.body):
        name = f"instruction {number}, {instruction.operator}"
        _require(
            all(0 <= x < len(dtypes) for x in instruction.operands), f"{name}: reads values that are not there yet"
        )
        _verify_instruction(instruction, [dtypes[x] for x in instruction.operands], kernel, name)
        dtypes.append(instruction.dtype)
        along = instruction.operator == "position" and _reduced(kernel, instruction.parameters[1])
        reduces = instruction.operator in REDUCTIONS
        varies.append(not reduces and (along or any(varies[x] for x in instruction.operands)))
    for number, store in enumerate(kernel.stores):
        _verify_store(store, dtypes, varies, kernel, f"store {number}")


def _inner(kernel: Kernel) -> int:
    return kernel.inner if isinstance(kernel, Loop) else 0


def _reduced(kernel: Kernel, strides: Sequence[int]) -> bool:
    """Whether any of these strides along the inner axes is not zero."""
    return any(strides[len(strides) - _inner(kernel) :])


def _varies(access: Access, kernel: Kernel) -> bool:
    """Whether an access may change along the inner axes."""
    inner = _inner(kernel) > 0
    if access.through is not None and isinstance(kernel, Loop):
        return inner and (_reduced(kernel, access.strides) or _varies(kernel.inputs[access.through[0]], kernel))
    return inner and (access.panels is not None or _reduced(kernel, access.strides))


def _verify_access(access: Access, domain: Sequence[int], name: str) -> None:
    """Strides for each axis, panels that hold the matrix, and slack where there is an end to have it after."""
    _require(access.dtype in DTYPES, f"{name}: kernels have no elements of {access.dtype}")
    _require(len(access.strides) == len(domain), f"{name}: strides {access.strides} for the domain {tuple(domain)}")
    _require(access.slack == 0 or 1 in access.strides, f"{name}: slack, but no axis with stride 1")
    panels = access.panels
    if panels is None:
        return
    _require(len(domain) >= 2 and not any(access.strides[-2:]), f"{name}: panels, and strides {access.strides}")
    _require(panels.rows == domain[-2], f"{name}: panels of {panels.rows} rows for {domain[-2]}")
    _require(sum(panels.widths) >= domain[-1], f"{name}: panels of {sum(panels.widths)} columns for {domain[-1]}")
    _require(access.slack == 0 and access.through is None, f"{name}: panels with slack or through another input")


def _verify_through(kernel: Kernel, number: int) -> None:
    through = kernel.inputs[number].through
    if through is None:
        return
    _require(isinstance(kernel, Loop), f"input {number}: only a loop loads through another input")
    _require(0 <= through[0] < number, f"input {number}: loads through input {through[0]}, which is not an earlier one")
    index = kernel.inputs[through[0]].dtype
    _require(index.kind in "iu", f"input {number}: loads through input {through[0]} of {index}")


def _verify_instruction(instruction: Instruction, operands: list[np.dtype[Any]], kernel: Kernel, name: str) -> None:
    """Operands and result of an instruction have the dtypes that its operator has."""
    operator, dtype = instruction.operator, instruction.dtype
    _require(dtype in DTYPES, f"{name}: kernels have no values of {dtype}")
    if operator in ("literal", "position"):
        _require(not operands, f"{name}: has operands")
        if operator == "literal":
            _require(len(instruction.parameters) == 1, f"{name}: is one number, not {instruction.parameters}")
            return
        _require(dtype.kind in "iu", f"{name}: is an integer, not {dtype}")
        _require(len(instruction.parameters[1]) == len(domains(kernel)[-1]), f"{name}: one stride for each axis")
    elif operator == "astype":
        _require(len(operands) == 1, f"{name}: one operand, not {len(operands)}")
    else:
        _require(operator in OPERATORS or operator in REDUCTIONS, f"{name}: there is no such operator")
        _require(operator not in REDUCTIONS or _inner(kernel) > 0, f"{name}: there are no inner axes")
        result = result_dtype(operator, operands)
        given = ", ".join(map(str, operands))
        _require(result is not None, f"{name}: takes no operands of {given}")
        _require(result == dtype, f"{name}: of {given} is {result}, not {dtype}")


def _verify_store(store: Store, dtypes: list[np.dtype[Any]], varies: list[bool], kernel: Kernel, name: str) -> None:
    domain, access = domains(kernel)[-1], store.access
    _verify_access(access, domain, name)
    _require(access.through is None, f"{name}: through an input")
    _require(0 <= store.value < len(dtypes), f"{name}: there is no value {store.value}")
    have = dtypes[store.value]
    _require(have == access.dtype, f"{name}: value {store.value} is {have}, the elements are {access.dtype}")
    outer = len(domain) - _inner(kernel)
    if not varies[store.value] and access.panels is None and not any(access.strides[outer:]):
        domain = (*domain[:outer], *(1 for _ in domain[outer:]))
    _require(_distinct(access, domain), f"{name}: two points of {domain} have the same element ({access})")


def _distinct(access: Access, domain: tuple[int, ...]) -> bool:
    """Whether each point of a domain has an element of its own."""
    axes = list(zip(access.strides, domain, strict=True))
    if access.panels is not None:
        axes = [*axes[:-2], (1, access.panels.size)]
    extents = [(abs(stride), length) for stride, length in axes if length > 1]
    reach = 0
    for stride, length in sorted(extents):
        if stride <= reach:
            found = np.broadcast_to(addresses(access, domain), domain)
            return len(np.unique(found)) == found.size
        reach += stride * (length - 1)
    return True


def _verify_product(kernel: Contraction) -> None:
    """What a contraction demands of its operands and blocks."""
    _require(kernel.dtype in (np.float32, np.float64), f"a contraction of {kernel.dtype}")
    _require(kernel.k > 0, "a contraction that sums up nothing")
    n, columns = kernel.n, kernel.columns
    _require(not (kernel.by_rows and kernel.batch), "tasks by rows of a stack of products")
    _require(sum(kernel.rows) == kernel.m and all(r > 0 for r in kernel.rows), f"rows {kernel.rows} of {kernel.m}")
    covers = sum(columns) >= n > sum(columns[:-1]) and all(c > 0 for c in columns)
    _require(covers, f"columns {columns} of {n}")
    for name, access, domain in zip(("left", "right"), (kernel.left, kernel.right), domains(kernel), strict=False):
        _verify_access(access, domain, name)
        _require(access.dtype == kernel.dtype, f"{name}: {access.dtype} in a contraction of {kernel.dtype}")
        _require(access.through is None, f"{name}: through an input")
    stored = [(f"store {number}", store.access) for number, store in enumerate(kernel.stores)]
    for name, access in [("right", kernel.right), *stored]:
        unit = access.panels is not None or access.strides[-1] == 1 or n == 1
        _require(unit, f"{name}: stride {access.strides[-1]} along the columns, which must be 1")
    for number, access in enumerate(kernel.inputs):
        _require(
            access.strides[-1] in (0, 1) or n == 1, f"input {number}: stride {access.strides[-1]} along the columns"
        )
    for access in (kernel.right, *kernel.inputs, *(access for _, access in stored)):
        if access.panels is not None:
            _require(access.panels.widths == columns, f"panels {access.panels.widths} for blocks of columns {columns}")


def _verify_scatter(kernel: Scatter) -> None:
    """What a scatter demands of its operands."""
    _require(kernel.count > 0, "a scatter that adds nothing")
    _require(kernel.index.dtype.kind in "iu", f"index: {kernel.index.dtype} is no integer")
    _require(kernel.values.dtype.kind == "f", f"values: a scatter of {kernel.values.dtype}")
    same = kernel.table.dtype == kernel.values.dtype
    _require(same, f"table: {kernel.table.dtype} in a scatter of {kernel.values.dtype}")
    named = [("index", kernel.index), ("values", kernel.values), ("table", kernel.table)]
    for (name, access), domain in zip(named, domains(kernel), strict=True):
        _verify_access(access, domain, name)
        _require(access.through is None and access.panels is None, f"{name}: panels or through another input")
    for name, access in named[1:]:
        unit = access.strides[-1] == 1 or kernel.width == 1
        _require(unit, f"{name}: stride {access.strides[-1]} along a row, which must be 1")
    _require(_distinct(kernel.table, domains(kernel)[-1]), "table: two rows have the same element")


# --- pointers ---------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _touched(access: Access, domain: tuple[int, ...]) -> Array:
    """Addresses of the elements of an access, flat."""
    found = addresses(access, domain).reshape(-1)
    found.flags.writeable = False
    return found


@functools.lru_cache(maxsize=1024)
def _spare(access: Access, domain: tuple[int, ...]) -> Array:
    """Addresses of the slack and padding of an access, flat; where it overlaps the elements, they are not in it."""
    if access.panels is not None:
        starts = addresses(Access(access.dtype, access.strides), domain).reshape(-1, 1)
        found = (starts + np.arange(access.panels.size)).reshape(-1)
    elif access.slack:
        ends = np.take(np.broadcast_to(addresses(access, domain), domain), [-1], axis=access.strides.index(1))
        found = (ends.reshape(-1, 1) + np.arange(1, access.slack + 1)).reshape(-1)
    else:
        return np.empty(0, np.int64)
    return np.setdiff1d(found, _touched(access, domain))


@functools.lru_cache(maxsize=4096)
def _span(access: Access, domain: tuple[int, ...]) -> tuple[int, int]:
    """First and last address of an access, with slack and padding."""
    both = [a for a in (_touched(access, domain), _spare(access, domain)) if a.size]
    return min(int(a.min()) for a in both), max(int(a.max()) for a in both)


def _as_access(operand: Operand) -> Access:
    """The access of a call's operand, over its shape."""
    return Access(operand.argument.buffer.dtype, operand.strides)


class _Pointer:
    """An argument with the access that is made through it."""

    def __init__(self, argument: Argument, access: Access, domain: tuple[int, ...], name: str) -> None:
        self.argument = argument
        self.access = access
        self.domain = domain
        self.name = name

    def place(self, iteration: Sequence[int]) -> int:
        """Where it points in an iteration."""
        steps = self.argument.steps
        return self.argument.offset + sum(n * step for n, step in zip(iteration, steps, strict=False))

    def verify(self, counts: Sequence[int]) -> None:
        """Everything that it reaches is in its buffer, in every iteration."""
        argument, buffer = self.argument, self.argument.buffer
        have = self.access.dtype
        _require(have == buffer.dtype, f"{self.name}: elements of {have} in the buffer {buffer.name} of {buffer.dtype}")
        _require(len(argument.steps) <= len(counts), f"{self.name}: {argument.steps} in {len(counts)} repetitions")
        if 0 in self.domain:
            return
        moves = [step * (count - 1) for step, count in zip(argument.steps, counts, strict=False)]
        low, high = _span(self.access, self.domain)
        low += argument.offset + sum(move for move in moves if move < 0)
        high += argument.offset + sum(move for move in moves if move > 0)
        inside = low >= 0 and high < buffer.size
        _require(
            inside, f"{self.name}: reaches from {low} to {high} in {buffer.name}, which has {buffer.size} elements"
        )


def _pointers(statement: Launch | Call, name: str) -> tuple[list[_Pointer], list[_Pointer]]:
    """What a statement reads and what it writes."""
    if isinstance(statement, Call):
        reads = [("operand", operand) for operand in statement.operands]
        writes = [("result", operand) for operand in statement.results]
        found = [
            [
                _Pointer(o.argument, _as_access(o), o.shape, f"{name}, {kind} {number}")
                for number, (kind, o) in enumerate(listed)
            ]
            for listed in (reads, writes)
        ]
        return found[0], found[1]
    kernel, arguments = statement.kernel, statement.arguments
    operands = [("left", kernel.left), ("right", kernel.right)] if isinstance(kernel, Contraction) else []
    inputs = [(f"input {number}", access) for number, access in enumerate(kernel.inputs)]
    stores = [(f"store {number}", store.access) for number, store in enumerate(kernel.stores)]
    listed = [*operands, *inputs, *stores]
    _require(len(arguments) == len(listed), f"{name}: {len(arguments)} arguments for {len(listed)} accesses")
    pointers = [
        _Pointer(argument, access, domain, f"{name}, {label}")
        for argument, (label, access), domain in zip(arguments, listed, domains(kernel), strict=True)
    ]
    return pointers[: len(pointers) - len(stores)], pointers[len(pointers) - len(stores) :]


# --- programs ---------------------------------------------------------------------------------------------------------

#: Repetitions with more iterations are not gone through one by one.
_FEW = 8


def verify(program: Program) -> None:
    """Check a program.

    Raises
    ------
    InvalidProgramError
        Naming statement and argument.
    """
    _Walk(program).run()


class _Walk:
    """A program, gone through in order with what each element of memory holds."""

    def __init__(self, program: Program) -> None:
        self.program = program
        #: For each buffer, which of its elements hold what was last stored there.
        self.valid: dict[Buffer, Array] = {}
        self.checked: set[int] = set()
        for buffer, offset in program.offsets.items():
            inside = offset >= 0 and offset + buffer.nbytes <= program.arena
            _require(inside, f"{buffer.name} lies at {offset} and has {buffer.nbytes} bytes, the arena {program.arena}")
            _require(offset % buffer.dtype.itemsize == 0, f"{buffer.name} of {buffer.dtype} lies at {offset}")
            _require(buffer.role == "temporary", f"the {buffer.role} {buffer.name} lies in the arena")

    def run(self) -> None:
        """Check everything."""
        program = self.program
        self.statements(program.statements, (), (), "statement ")
        for number, buffer in enumerate(program.outputs):
            held = self.holds(buffer)
            if buffer in program.layouts:  # nobody reads its padding
                held = program.layouts[buffer].unpack(held).reshape(-1)
            missing = np.flatnonzero(~held)
            message = f"output {number}, {buffer.name}: element {missing[:1]} and {len(missing)} in all are not written"
            _require(not missing.size, message)

    def holds(self, buffer: Buffer) -> Array:
        """Which elements of a buffer hold what was stored there."""
        if buffer not in self.valid:
            given = buffer in self.program.inputs or buffer.role == "constant"
            if buffer.role == "constant":
                size = np.size(buffer.value)
                _require(size == buffer.size, f"the constant {buffer.name} has {size} elements, not {buffer.size}")
            elif buffer.role == "temporary":
                _require(buffer in self.program.offsets, f"the temporary {buffer.name} has no place in the arena")
            else:
                known = given or buffer in self.program.outputs
                _require(known, f"the {buffer.role} {buffer.name} is none of the program's")
            self.valid[buffer] = np.full(buffer.size, given)
        return self.valid[buffer]

    def statements(
        self, statements: Sequence[Statement], iteration: tuple[int, ...], counts: tuple[int, ...], name: str
    ) -> None:
        """Go through statements within an iteration of the enclosing repetitions."""
        for number, statement in enumerate(statements):
            label = f"{name}{number}"
            if isinstance(statement, Repeat):
                self.repeat(statement, iteration, counts, label)
                continue
            kind = statement.name if isinstance(statement, Call) else statement.note or type(statement.kernel).__name__
            reads, writes = _pointers(statement, f"{label} ({kind})")
            if id(statement) not in self.checked:
                self.checked.add(id(statement))
                self.check(statement, reads, writes, counts, f"{label} ({kind})")
            for pointer in reads:
                self.read(pointer, iteration)
            for pointer in writes:
                self.write(pointer, iteration)

    def check(
        self,
        statement: Launch | Call,
        reads: list[_Pointer],
        writes: list[_Pointer],
        counts: tuple[int, ...],
        name: str,
    ) -> None:
        """Check what does not depend on the iteration."""
        if isinstance(statement, Launch):
            try:
                verify_kernel(statement.kernel)
            except InvalidProgramError as error:
                raise InvalidProgramError(f"{name}: {error}") from None
        for pointer in (*reads, *writes):
            pointer.verify(counts)
        for pointer in writes:
            buffer = pointer.argument.buffer
            _require(buffer.role != "constant", f"{pointer.name}: writes the constant {buffer.name}")
            given = buffer in self.program.inputs and buffer not in self.program.outputs
            _require(not given, f"{pointer.name}: writes the input {buffer.name}")
        if isinstance(statement, Launch):
            # What is read at other places than the ones that are stored to at that time.
            products = reads[:2] if isinstance(statement.kernel, Contraction | Scatter) else []
            for number, target in enumerate(writes):
                for other in (*reads, *writes[:number]):
                    together = other in reads and other not in products
                    self.apart(target, other, counts, elementwise=together)

    def apart(self, target: _Pointer, other: _Pointer, counts: tuple[int, ...], *, elementwise: bool) -> None:
        """A store overlaps what a launch reads or writes besides in no element, or in each at the same point."""
        if not self.share(target.argument.buffer, other.argument.buffer):
            return
        message = f"{target.name}: overlaps {other.name.rpartition(', ')[2]}"
        same = target.argument.buffer is other.argument.buffer
        _require(same, f"{message}, of another buffer in its place ({other.argument.buffer.name})")
        if elementwise and _same_elements(target, other):
            return
        _require(other.access.through is None, f"{message}, which may be any element")
        for iteration in _iterations(counts):
            gap = other.place(iteration) - target.place(iteration)
            _require(not _meet(target, other, gap), f"{message} at other points of the domain")

    def share(self, a: Buffer, b: Buffer) -> bool:
        """Whether two buffers have memory in common."""
        if a is b:
            return True
        offsets = self.program.offsets
        if a not in offsets or b not in offsets:
            return False
        return offsets[a] < offsets[b] + b.nbytes and offsets[b] < offsets[a] + a.nbytes

    def repeat(self, repeat: Repeat, iteration: tuple[int, ...], counts: tuple[int, ...], name: str) -> None:
        """Go through a repetition: each iteration if they are few, else the first two and the last.

        What the others store at places of their own is taken as stored.
        """
        inner = (*counts, repeat.count)
        _require(repeat.count >= 0, f"{name}: {repeat.count} iterations")
        if repeat.limit is not None:
            limit = _Pointer(repeat.limit, Access(np.dtype(np.int64), ()), (), f"{name}, limit")
            limit.verify(counts)
            self.read(limit, iteration)
        every = list(range(repeat.count))
        shown = every if repeat.count <= _FEW else [0, 1, repeat.count - 1]
        for number in shown:
            if number == repeat.count - 1 and len(shown) < len(every):
                self.skip(repeat, iteration, counts, every[2:-1], name)
            self.statements(repeat.body, (*iteration, number), inner, f"{name}.")

    def skip(
        self, repeat: Repeat, iteration: tuple[int, ...], counts: tuple[int, ...], rest: Sequence[int], name: str
    ) -> None:
        """Take what some iterations store at places of their own as stored."""
        level = len(counts)
        for statement in repeat.body:
            if isinstance(statement, Repeat):
                continue
            for pointer in _pointers(statement, name)[1]:
                if len(pointer.argument.steps) > level and pointer.argument.steps[level]:
                    for number in rest:
                        self.write(pointer, (*iteration, number))

    def read(self, pointer: _Pointer, iteration: tuple[int, ...]) -> None:
        """Check that what is read was written."""
        buffer, access = pointer.argument.buffer, pointer.access
        holds = self.holds(buffer)
        if 0 in pointer.domain:
            return
        if access.through is not None:
            _require(holds.any(), f"{pointer.name}: reads {buffer.name}, which nobody has written")
            return
        where = pointer.place(iteration) + _touched(access, pointer.domain)
        missing = where[~holds[where]]
        what = f"reads element {missing[:1]} of {buffer.name}, which has not been written, or is no longer there"
        _require(not missing.size, f"{pointer.name}: {what} ({len(missing)} of {where.size})")

    def write(self, pointer: _Pointer, iteration: tuple[int, ...]) -> None:
        """Note what is written, and what is lost by that."""
        buffer = pointer.argument.buffer
        holds = self.holds(buffer)
        if 0 in pointer.domain:
            return
        place = pointer.place(iteration)
        holds[place + _spare(pointer.access, pointer.domain)] = False
        holds[place + _touched(pointer.access, pointer.domain)] = True
        low, high = _span(pointer.access, pointer.domain)
        for other, valid in self.valid.items():
            if other is not buffer and self.share(buffer, other):
                start = self.program.offsets[buffer] - self.program.offsets[other]
                begin = start + (place + low) * buffer.dtype.itemsize
                end = start + (place + high + 1) * buffer.dtype.itemsize
                size = other.dtype.itemsize
                valid[max(begin // size, 0) : max(-(-end // size), 0)] = False


def _same_elements(target: _Pointer, other: _Pointer) -> bool:
    """Whether two pointers lead to the same element at each point, in every iteration."""
    if target.argument != other.argument or other.access.through is not None:
        return False
    if (target.access.strides, target.access.panels) == (other.access.strides, other.access.panels):
        return True
    mine, others = (np.broadcast_to(addresses(p.access, p.domain), p.domain) for p in (target, other))
    return np.array_equal(mine, others)


def _iterations(counts: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The first, second and last iteration of each repetition, in all combinations."""
    return itertools.product(*(sorted({0, 1, count - 1} & set(range(count))) for count in counts))


def _meet(target: _Pointer, other: _Pointer, gap: int) -> bool:
    """Whether two accesses, the second `gap` elements after the first, have an element in common."""
    if 0 in target.domain or 0 in other.domain:
        return False
    low, high = _span(target.access, target.domain)
    first, last = _span(other.access, other.domain)
    if high < first + gap or last + gap < low:
        return False
    mine = np.concatenate([_touched(target.access, target.domain), _spare(target.access, target.domain)])
    return bool(np.isin(_touched(other.access, other.domain) + gap, mine).any())
