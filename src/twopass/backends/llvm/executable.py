"""A compiled program as a function of arrays.

A call takes about a microsecond of Python: arrays for the outputs are made, and a built-in function gets a tuple of all
arrays, which native code checks (type, dtype, size, layout) and reads. Only what does not pass is looked at again here:
converted if that is harmless, refused with a reason if not.

One run at a time uses a frame: an arena and a table of pointers. When several Python threads call one executable at
once, or a program calls itself through NumPy, there are as many frames as runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.backends.llvm import threads as pools
from twopass.backends.llvm.callback import callback
from twopass.backends.llvm.engine import Code
from twopass.backends.llvm.memory import zeros
from twopass.backends.llvm.module import calls
from twopass.backends.llvm.runtime import BUSY, CALLBACK, FAILED, UNLIKE, WORKERS, Expected, Frame, runtime
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.program.ir import Buffer, Program

__all__ = ["Executable"]

#: NumPy's flags of an array: contiguous in C order and aligned; writeable.
_READABLE, _WRITEABLE = 0x0001 | 0x0100, 0x0400


class Executable:
    """A program that has been compiled; call it with arrays.

    Attributes
    ----------
    threads : int
        How many threads it uses when they are free.
    barriers : int
        Places where they wait for each other.
    arena : int
        Bytes of its temporaries, for each run that is going on at the same time.
    constants : int
        Bytes of its constants.
    code : int
        Bytes of its object code.
    """

    def __init__(
        self,
        program: Program,
        code: Code,
        *,
        threads: int = 1,
        barriers: int = 0,
        short: bool = False,
        shapes: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self.threads, self.barriers, self.code, self.arena = threads, barriers, code.size, program.arena
        self._code = code
        self._program = program
        self._short = short and not calls(program)
        self._constants = [_constant(buffer) for buffer in program.constants()]
        self.constants = sum(array.nbytes for array in self._constants)
        # The caller's arrays: inputs, then those outputs that are not updated inputs, each once.
        self._buffers = list(dict.fromkeys((*program.inputs, *program.outputs)))
        self._inputs = len(program.inputs)
        if shapes is None:
            shapes = [(buffer.size,) for buffer in program.outputs]
        shape_of = dict(zip(program.outputs, map(tuple, shapes), strict=True))
        self._fresh = [(shape_of[buffer], buffer.dtype) for buffer in self._buffers[self._inputs :]]
        self._places = [self._buffers.index(buffer) for buffer in program.outputs]
        self._plain = self._places == list(range(self._inputs, len(self._buffers)))
        self._frames = [self._new_frame()]
        self._enter = self._frames[0].enter

    def __call__(self, arrays: Sequence[Any], out: Sequence[NDArray[Any]] | None = None) -> list[NDArray[Any]]:
        """Run the program.

        Parameters
        ----------
        arrays : sequence of array_like
            The inputs. Arrays of the right dtype and in C order are used as they are; others are copied.
        out : sequence of ndarray, optional
            Arrays for the outputs that are not inputs as well; by default new ones. They must not overlap others.

        Returns
        -------
        list of ndarray
            The outputs. One that is an input of the program, too, is the array that was given, updated in place.

        Raises
        ------
        ArgumentError, ShapeError
            If there are too few or too many arrays, or one has the wrong dtype or size.
        """
        fresh = [np.empty(shape, dtype) for shape, dtype in self._fresh] if out is None else list(out)
        everything = (*arrays, *fresh)
        code = self._enter(everything)
        if code:
            everything = self._carefully(everything, code)
        return fresh if self._plain else [everything[place] for place in self._places]

    def quick(self, arrays: Sequence[Any]) -> list[NDArray[Any]] | None:
        """Run the program if the arrays are just what it takes: type, dtype, size and layout; None if they are not."""
        fresh = [np.empty(shape, dtype) for shape, dtype in self._fresh]
        everything = (*arrays, *fresh)
        code = self._enter(everything)
        if code:
            if code == UNLIKE:
                return None
            everything = self._carefully(everything, code)
        return fresh if self._plain else [everything[place] for place in self._places]

    # --- when a call is not as simple as most -------------------------------------------------------------------------

    def _carefully(self, everything: tuple[Any, ...], code: int) -> tuple[Any, ...]:
        """Do what has to be done after `enter` gave `code`, until the program has run."""
        frame, number, pointers = self._frames[0], 0, None
        while code:
            if code == FAILED:
                raise frame.error()
            if code == WORKERS:
                self._hire()
            elif code == BUSY:
                number += 1
                frame = self._frame(number)
            else:
                everything = self._checked(everything)
                pointers = (ctypes.c_void_p * len(everything))(*map(_pointer, everything))
            code = frame.enter(everything) if pointers is None else frame.enter_pointers(pointers)
        return everything

    def _hire(self) -> None:
        """See to it that there are as many threads as the program wants, or that it wants no more than there are."""
        try:
            pools.ensure(self.threads)
        except RuntimeError:  # the system gives no more
            self.threads = 1
            for frame in self._frames:
                frame.native.threads = 1

    def _frame(self, number: int) -> _Frame:
        """One of the frames; there is always another."""
        # Without a lock, which the child of a forked process could find locked. Two threads make two frames.
        if number >= len(self._frames):
            self._frames.append(self._new_frame())
        return self._frames[number]

    def _new_frame(self) -> _Frame:
        return _Frame(self._program, self._code, self._buffers, self._constants, self.threads, self._short)

    def _checked(self, everything: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arrays, converted where that is needed and harmless."""
        if len(everything) != len(self._buffers):
            expected = f"{self._inputs} inputs and {len(self._buffers) - self._inputs} outputs"
            what = f"a compiled program got {len(everything)} arrays instead of {len(self._buffers)}"
            raise ArgumentError(compose(what, why=f"It has {expected}."))
        written = {*self._places, *range(self._inputs, len(self._buffers))}
        return tuple(
            _as_written(array, buffer) if number in written else _as_read(array, buffer)
            for number, (array, buffer) in enumerate(zip(everything, self._buffers, strict=True))
        )


class _Frame:
    """What one run of a program uses: an arena, a table of pointers, and the record that native code sees."""

    def __init__(
        self,
        program: Program,
        code: Code,
        buffers: Sequence[Buffer],
        constants: Sequence[NDArray[Any]],
        threads: int,
        short: bool,
    ) -> None:
        entry = runtime()
        self._errors: list[BaseException] = []
        self._arena = zeros(program.arena)
        self._table = (ctypes.c_void_p * (len(buffers) + len(constants) + 1))()
        self._table[len(buffers) : -1] = [_pointer(array) for array in constants]
        self._expected = (Expected * (len(buffers) + 1))()
        written = {*program.outputs}
        for place, buffer in zip(self._expected, buffers, strict=False):
            place.dtype, place.size = id(buffer.dtype), max(buffer.size, 1)
            place.flags = _READABLE | (_WRITEABLE if buffer in written else 0)
        self._bytes = zeros(ctypes.sizeof(Frame))
        self._callback = callback(program, self._errors) if calls(program) else CALLBACK(0)
        self.native = Frame.from_address(_pointer(self._bytes))
        values = {
            "threads": threads,
            "hold": short,
            "count": len(buffers),
            "run": code.address("run"),
            "table": ctypes.addressof(self._table),
            "arena": _pointer(self._arena),
            "expected": ctypes.addressof(self._expected),
            "pool": ctypes.addressof(pools.POOL) if threads > 1 else None,
            "barrier": entry.barrier,
            "invoke": entry.invoke,
            "callback": ctypes.cast(self._callback, ctypes.c_void_p),
            "type": id(np.ndarray),
        }
        for name, value in values.items():
            setattr(self.native, name, value)
        self.enter = entry.entry(self._bytes) or self._enter_slowly

    def enter_pointers(self, pointers: Any) -> int:
        """Run with a table of pointers."""
        code: int = runtime().enter_pointers(ctypes.addressof(self.native), pointers)
        return code

    def _enter_slowly(self, everything: tuple[Any, ...]) -> int:
        """In place of `enter` where native code cannot look into arrays: everything is checked in Python."""
        return UNLIKE

    def error(self) -> BaseException:
        """What a callback raised."""
        return self._errors.pop()


# --- arrays -----------------------------------------------------------------------------------------------------------


def _pointer(array: NDArray[Any]) -> int:
    """The address of an array's first element."""
    address: int = array.__array_interface__["data"][0]
    return address


def _constant(buffer: Buffer) -> NDArray[Any]:
    """A constant's elements, aligned."""
    place = zeros(buffer.nbytes).view(buffer.dtype)
    place[:] = np.asarray(buffer.value).ravel()
    return place


def _as_read(array: Any, buffer: Buffer) -> NDArray[Any]:
    """An input, as native code reads it."""
    dtype = buffer.dtype
    if isinstance(array, (bool, int, float)):
        array = np.asarray(array, dtype)  # Python's numbers have the dtype of what they meet
    found = np.asarray(array)
    if found.dtype.newbyteorder("=") != dtype:
        what = f"an array of {found.dtype} was given to a program that was compiled for {dtype}"
        raise ArgumentError(compose(what, instead=f"Convert it: array.astype(np.{dtype})."))
    _check_size(found, buffer)
    return np.require(found, dtype, ["C", "A"])


def _as_written(array: Any, buffer: Buffer) -> NDArray[Any]:
    """An output, which cannot be a copy."""
    if type(array) is not np.ndarray or array.dtype != buffer.dtype:
        what = f"the array that {buffer.name or 'a result'} is written to is not an ndarray of {buffer.dtype}"
        raise ArgumentError(compose(what, why="Results are written in place."))
    _check_size(array, buffer)
    if array.flags.num & (_READABLE | _WRITEABLE) != _READABLE | _WRITEABLE:
        what = f"the array that {buffer.name or 'a result'} is written to is read-only, or not in C order"
        raise ArgumentError(compose(what, why="Results are written in place.", instead="Give a copy: array.copy()."))
    return array


def _check_size(array: NDArray[Any], buffer: Buffer) -> None:
    # An array without elements still has a place in memory.
    if max(array.size, 1) != max(buffer.size, 1):
        what = f"an array of {array.size} elements was given to a program that was compiled for {buffer.size}"
        raise ShapeError(compose(what, instead="Compile it for this shape."))
