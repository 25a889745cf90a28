"""Running programs with NumPy: what each record means, in the plainest way.

This is what native code is compared with. Every element is found by its address, and every instruction is one NumPy
call on the whole domain; sums are taken in a wider type, so results agree with those of a backend to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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
    Panels,
    Program,
    Repeat,
    Statement,
    domains,
)
from twopass.program.scalar import OPERATORS, REDUCTIONS

__all__ = ["addresses", "interpret", "run_kernel"]

Array = np.ndarray[Any, Any]
#: Gives a value of a kernel in place of the one that was computed; see `run_kernel`.
Hook = Callable[[str, Array, np.dtype[Any]], Array]

_WIDER = {"f4": np.float64, "f8": np.longdouble}
_WORD = 1 << 64
#: Operators whose result may be much smaller than what they add up.
_CANCELLING = {"fma", "logaddexp", "logaddexp2"}


# --- addresses --------------------------------------------------------------------------------------------------------


def addresses(access: Access, domain: Sequence[int]) -> Array:
    """Which element, counted from the pointer, belongs to each point of a domain (without what `through` adds).

    Returns
    -------
    integer array that broadcasts to the domain: an axis along which the address does not change has length 1

    Examples
    --------
    >>> addresses(Access(np.dtype(float), (5, 0, 2)), (2, 7, 3))
    array([[[0, 2, 4]],
           [[5, 7, 9]]])
    """
    found = np.zeros((1,) * len(domain), dtype=np.int64)
    for axis, (length, stride) in enumerate(zip(domain, access.strides, strict=True)):
        if stride or not length:
            found = found + _along(np.arange(length) * stride, axis, len(domain))
    if access.panels is not None:
        found = found + _in_panels(access.panels, *domain[-2:])
    return found


def _along(numbers: Array, axis: int, ndim: int) -> Array:
    """A vector as an array whose only long axis is this one."""
    return numbers.reshape([-1 if other == axis else 1 for other in range(ndim)])


def _in_panels(panels: Panels, rows: int, columns: int) -> Array:
    """Addresses of the elements of a matrix of panels, shape (rows, columns)."""
    found = np.zeros((rows, columns), dtype=np.int64)
    first = 0
    for number, width in enumerate(panels.widths):
        inside = np.arange(min(width, columns - first))
        found[:, first : first + width] = panels.start(number) + np.arange(rows)[:, None] * width + inside
        first += width
        if first >= columns:
            break
    return found


# --- kernels ----------------------------------------------------------------------------------------------------------


def run_kernel(
    kernel: Kernel, arrays: Sequence[Array], offsets: Sequence[int] | None = None, hook: Hook | None = None
) -> None:
    """Run a kernel on flat arrays, in place.

    Parameters
    ----------
    kernel : Loop or Contraction
        What to run, all of its tasks.
    arrays : sequence of 1-D arrays
        What each of its pointers points into, in the order of a launch's arguments.
    offsets : sequence of int, optional
        At which element each pointer points; 0 if not given.
    hook : callable, optional
        Called with the operator (``"load"``, ``"contract"``, an instruction's; ``"reduce"`` for what is about to be
        summed up, ``"operand"`` for those of an operator that adds inside), each value, and the dtype that the kernel
        says it has; what it gives is used instead. For estimates of rounding errors.
    """
    run = _Run(kernel, arrays, offsets or [0] * len(arrays), hook or (lambda _operator, value, _dtype: value))
    with np.errstate(all="ignore"):
        run.product() if isinstance(kernel, Contraction) else run.loads(0)
        run.instructions()
        run.stores()


class _Run:
    """The values of one run of a kernel, in the order of their numbers."""

    def __init__(self, kernel: Kernel, arrays: Sequence[Array], offsets: Sequence[int], hook: Hook) -> None:
        self.kernel = kernel
        self.arrays = arrays
        self.offsets = offsets
        self.hook = hook
        self.domains = domains(kernel)
        self.domain = self.domains[-1]
        self.values: list[Array] = []

    def load(self, number: int, access: Access) -> Array:
        """The elements of an access, which broadcast to its domain."""
        place = self.offsets[number] + addresses(access, self.domains[number])
        if access.through is not None:
            index, stride = access.through
            place = place + self.values[index].astype(np.int64) * stride
        return self.hook("load", _checked(self.arrays[number], place, access)[place], access.dtype)

    def loads(self, first: int) -> None:
        """Load the inputs; the arguments before them are `first`."""
        for number, access in enumerate(self.kernel.inputs):
            self.values.append(self.load(first + number, access))

    def product(self) -> None:
        """The product of a contraction, and its further inputs."""
        kernel = self.kernel
        assert isinstance(kernel, Contraction)
        wide = np.promote_types(np.float64, kernel.dtype)
        left = np.broadcast_to(self.hook("reduce", self.load(0, kernel.left), kernel.dtype), self.domains[0])
        right = np.broadcast_to(self.load(1, kernel.right), self.domains[1])
        product = np.matmul(left, right, dtype=wide).astype(left.dtype)
        self.values.append(self.hook("contract", product, kernel.dtype))
        self.loads(2)

    def instructions(self) -> None:
        """Evaluate the body."""
        for instruction in self.kernel.body:
            self.values.append(self.hook(instruction.operator, self.evaluate(instruction), instruction.dtype))

    def evaluate(self, instruction: Instruction) -> Array:
        """The value of one instruction."""
        operands = [self.values[number] for number in instruction.operands]
        if instruction.operator == "literal":
            return np.full((1,) * len(self.domain), instruction.parameters[0], dtype=instruction.dtype)
        if instruction.operator == "position":
            return self.position(*instruction.parameters).astype(instruction.dtype)
        if instruction.operator == "astype":
            return operands[0].astype(instruction.dtype)
        if instruction.operator in REDUCTIONS:
            return self.reduce(instruction.operator, operands[0], instruction.dtype)
        if instruction.operator in _CANCELLING:
            operands = [self.hook("operand", operand, instruction.dtype) for operand in operands]
        return np.asarray(OPERATORS[instruction.operator].function(*operands))

    def position(self, start: int, strides: Sequence[int]) -> Array:
        """A counter, modulo 2**64."""
        found = np.full((1,) * len(self.domain), start % _WORD, dtype=np.uint64)
        for axis, (length, stride) in enumerate(zip(self.domain, strides, strict=True)):
            if stride:
                steps = np.arange(length, dtype=np.uint64) * np.uint64(stride % _WORD)
                found = found + _along(steps, axis, len(self.domain))
        return found

    def reduce(self, operator: str, operand: Array, dtype: np.dtype[Any]) -> Array:
        """A reduction over the inner axes, which stay with length 1."""
        kernel = self.kernel
        assert isinstance(kernel, Loop)
        operand = self.hook("reduce", np.broadcast_to(operand, kernel.domain), dtype)
        inner = tuple(range(len(kernel.domain) - kernel.inner, len(kernel.domain)))
        kind = f"{operand.dtype.kind}{operand.dtype.itemsize}"
        wide = operand.astype(_WIDER.get(kind, operand.dtype))
        result = REDUCTIONS[operator].function(wide, axis=inner, keepdims=True, dtype=wide.dtype)
        return np.asarray(result).astype(operand.dtype)

    def stores(self) -> None:
        """Store; everything has been loaded."""
        first = len(self.arrays) - len(self.kernel.stores)
        for number, store in enumerate(self.kernel.stores, first):
            place = self.offsets[number] + addresses(store.access, self.domain)
            array = _checked(self.arrays[number], place, store.access)
            array[place] = np.broadcast_to(self.values[store.value], place.shape)


def _checked(array: Array, place: Array, access: Access) -> Array:
    """The array, if all of these places are in it."""
    if place.size and not (place.min() >= 0 and place.max() < array.size):
        raise IndexError(f"{access} reaches from {place.min()} to {place.max()} in a buffer of {array.size} elements")
    return array


# --- programs ---------------------------------------------------------------------------------------------------------


def interpret(program: Program, arrays: Sequence[Any]) -> list[Array]:
    """Run a program.

    Temporaries lie in an arena as they do in native code, so that a plan which lets two of them overlap shows.

    Parameters
    ----------
    program : Program
        What to run.
    arrays : sequence of array
        One for each of its inputs; they are not changed.

    Returns
    -------
    list of 1-D arrays
        The contents of its outputs.
    """
    return _Memory(program, arrays).outputs()


class _Memory:
    """The buffers of one run of a program."""

    def __init__(self, program: Program, arrays: Sequence[Any]) -> None:
        self.program = program
        # All bits set: a NaN in every float that is read before it is written.
        self.arena = np.full(program.arena, 0xFF, dtype=np.uint8)
        self.flat: dict[Buffer, Array] = {}
        for buffer, array in zip(program.inputs, arrays, strict=True):
            self.flat[buffer] = np.array(array, dtype=buffer.dtype, order="C").reshape(-1)
        self.run(program.statements, ())

    def outputs(self) -> list[Array]:
        """What the outputs hold."""
        return [self.of(buffer).copy() for buffer in self.program.outputs]

    def of(self, buffer: Buffer) -> Array:
        """The elements of a buffer."""
        if buffer not in self.flat:
            self.flat[buffer] = self.make(buffer)
        return self.flat[buffer]

    def make(self, buffer: Buffer) -> Array:
        """The memory of a buffer that is used for the first time."""
        if buffer.role == "constant":
            return np.asarray(buffer.value, dtype=buffer.dtype).reshape(-1)
        if buffer in self.program.offsets:
            start = self.program.offsets[buffer]
            return self.arena[start : start + buffer.nbytes].view(buffer.dtype)
        return np.full(buffer.nbytes, 0xFF, dtype=np.uint8).view(buffer.dtype)

    def run(self, statements: Sequence[Statement], iteration: tuple[int, ...]) -> None:
        """Run statements within the `iteration` of each enclosing repetition."""
        for statement in statements:
            if isinstance(statement, Repeat):
                for number in range(self.iterations(statement, iteration)):
                    self.run(statement.body, (*iteration, number))
            elif isinstance(statement, Launch):
                arrays = [self.of(argument.buffer) for argument in statement.arguments]
                run_kernel(statement.kernel, arrays, [place(a, iteration) for a in statement.arguments])
            else:
                self.call(statement, iteration)

    def iterations(self, repeat: Repeat, iteration: tuple[int, ...]) -> int:
        """How often a body is run."""
        if repeat.limit is None:
            return repeat.count
        return min(repeat.count, int(self.of(repeat.limit.buffer)[place(repeat.limit, iteration)]))

    def call(self, call: Call, iteration: tuple[int, ...]) -> None:
        """Let NumPy compute something; the operands are copies, because a result may share their memory."""
        given = call.function(*(self.view(operand, iteration).copy() for operand in call.operands))
        for target, result in zip(call.results, given if isinstance(given, (tuple, list)) else [given], strict=True):
            self.view(target, iteration)[...] = result

    def view(self, operand: Operand, iteration: tuple[int, ...]) -> Array:
        """The strided array of an operand."""
        flat = self.of(operand.argument.buffer)
        start = place(operand.argument, iteration)
        strides = [stride * flat.itemsize for stride in operand.strides]
        if math.prod(operand.shape) == 0:
            return np.empty(operand.shape, flat.dtype)
        return np.ndarray(operand.shape, flat.dtype, flat.data, start * flat.itemsize, strides)


def place(argument: Argument, iteration: Sequence[int]) -> int:
    """At which element a pointer points in an iteration of the enclosing repetitions."""
    return argument.offset + sum(number * step for number, step in zip(iteration, argument.steps, strict=False))
