"""Calls from native code back into NumPy."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.backends.llvm.module import calls, externals
from twopass.backends.llvm.runtime import CALLBACK
from twopass.errors import CaptureError, compose
from twopass.program.ir import Call, Operand, Program

__all__ = ["callback"]

#: Makes an array of an operand: (operand, counters of the repetitions, arena, table of pointers).
_View = Callable[[Operand, Sequence[int], int, int], NDArray[Any]]


def callback(program: Program, errors: list[BaseException]) -> Any:
    """The function that native code calls for each `Call` of a program.

    It gives 0, or 1 if something was raised, which is then in `errors`: exceptions cannot pass through native code.
    """
    statements, view = calls(program), _viewer(program)
    depth = max((len(o.argument.steps) for call in statements for o in (*call.operands, *call.results)), default=0)

    def invoke(number: int, counters: int, arena: int, table: int) -> int:
        try:
            call = statements[number]
            counts = list((ctypes.c_int64 * depth).from_address(counters))
            operands = [view(operand, counts, arena, table) for operand in call.operands]
            for operand in operands:
                operand.flags.writeable = False
            given = call.function(*operands)
            # Copies of several: one may be a view of what another result replaces.
            given = [np.array(value) for value in given] if isinstance(given, (tuple, list)) else [given]
            for target, value in zip(call.results, given, strict=True):
                place = view(target, counts, arena, table)
                if np.iscomplexobj(value) and place.dtype.kind != "c":
                    raise CaptureError(_became_complex(call))
                place[...] = value
        except BaseException as error:  # the caller of the program gets it, whatever it is
            errors.append(error)
            return 1
        return 0

    return CALLBACK(invoke)


def _became_complex(call: Call) -> str:
    what = f"np.{call.name} gave complex numbers, but real ones when the function was compiled"
    why = "Whether they are real depends on the values of its argument."
    return compose(what, where=call.line, why=why, instead="Pass a complex array: a + 0j.")


def _viewer(program: Program) -> _View:
    """A function that makes arrays of operands."""
    slots = {buffer: number for number, buffer in enumerate(externals(program))}
    offsets = program.offsets

    def view(operand: Operand, counters: Sequence[int], arena: int, table: int) -> NDArray[Any]:
        argument, dtype = operand.argument, operand.argument.buffer.dtype
        if 0 in operand.shape:
            return np.empty(operand.shape, dtype)
        if argument.buffer in slots:
            base = ctypes.c_size_t.from_address(table + 8 * slots[argument.buffer]).value
        else:
            base = arena + offsets[argument.buffer]
        moved = sum(step * count for step, count in zip(argument.steps, counters, strict=False))
        ends = [stride * (length - 1) for stride, length in zip(operand.strides, operand.shape, strict=True)]
        low, high = sum(min(end, 0) for end in ends), sum(max(end, 0) for end in ends)
        size = dtype.itemsize
        memory: Any = (ctypes.c_char * ((high - low + 1) * size)).from_address(
            base + (argument.offset + moved + low) * size
        )
        strides = [stride * size for stride in operand.strides]
        return np.ndarray(operand.shape, dtype, memory, offset=-low * size, strides=strides)

    return view
