"""The native side of a call: checking arrays, sharing work among threads, waiting for each other.

The files in `native/` are a small module in LLVM's own language, compiled once for all programs. Python calls `enter`
with a tuple of arrays; it looks at them, and runs the program on one thread or on the pool's.

**Waiting.** Whoever waits looks a few times, then lets other threads run between looks, then sleeps until it is woken
(J. Ousterhout, *Scheduling techniques for concurrent systems*, 1982). A wait of a microsecond costs no system call, and
when two threads share one processor, the one that waits gives way to the one that is waited for.

**Sleeping** is Linux's futex: the kernel puts a thread to sleep if a word still has a value. Those who change the word
first look whether anybody sleeps; both sides' accesses are sequentially consistent, so that one of them sees the other
(U. Drepper, *Futexes are tricky*, 2011). Apple's systems have the like; elsewhere a sleeper looks again now and then.

**Subnormal numbers** are taken as zeros, and rounding is to nearest, in each thread as long as it runs a program; the
caller's mode of arithmetic is put back at the end, and during calls to Python.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twopass.backends.llvm import cache
from twopass.backends.llvm.engine import Code, assemble, load
from twopass.backends.llvm.layout import Layout, find_layout
from twopass.backends.llvm.target import host

__all__ = [
    "BUSY",
    "CALLBACK",
    "FAILED",
    "MAX_THREADS",
    "UNLIKE",
    "WORKERS",
    "Expected",
    "Frame",
    "Pool",
    "Runtime",
    "runtime",
    "text",
]

#: What `enter` gives: all is well; a callback raised; the frame is in use; the pool lacks workers; an array is not as
#: expected.
FAILED, BUSY, WORKERS, UNLIKE = 1, 2, 3, 4

MAX_THREADS = 256

#: How often a waiting thread looks before it lets others run between looks (for about 2 microseconds), and how often it
#: does that before it sleeps. With 1000 looks, threads that share a processor lose 30 microseconds at each barrier.
_LOOKS, _YIELDS = 60, 60

#: How many short programs run alone, at most, before sleeping threads are woken for those to come.
_PATIENCE = 64

#: What a program calls in Python: (number of the call, counters of the enclosing repetitions, arena, externals).
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)

_int, _pointer = ctypes.c_int32, ctypes.c_void_p


class Frame(ctypes.Structure):
    """What one run of a program needs, as native code sees it. One run at a time may use a frame."""

    _fields_ = (
        ("busy", _int),
        ("failed", _int),  # a callback has raised
        ("threads", _int),  # how many threads the program was compiled for
        ("team", _int),  # how many this run has
        ("hold", _int),  # whether to keep the interpreter's lock: the program is too short to give it up
        ("count", _int),  # number of the caller's arrays
        ("run", _pointer),
        ("table", _pointer),  # pointers to the caller's arrays, then to the program's constants
        ("arena", _pointer),
        ("expected", _pointer),  # what each of the caller's arrays must be like
        ("pool", _pointer),
        ("barrier", _pointer),
        ("invoke", _pointer),
        ("callback", _pointer),
        ("mode", ctypes.c_int64),  # the caller's mode of arithmetic
        ("type", _pointer),  # NumPy's array type
    )


class Expected(ctypes.Structure):
    """What an array must be like for native code to take it as it is."""

    _fields_ = (("dtype", _pointer), ("size", ctypes.c_int64), ("flags", _int), ("unused", _int))


class _Slot(ctypes.Structure):
    """Where one worker is told what to do: a line of the cache of its own."""

    _fields_ = (
        *(("job", _int), ("sleepers", _int), ("frame", _pointer)),
        ("seen", _int),  # the last job that the worker has taken
        ("unused", ctypes.c_char * 44),
    )


class Pool(ctypes.Structure):
    """The threads' common memory; what different threads write is on different lines of the cache."""

    _fields_ = (
        *(("arrived", _int), ("line_1", ctypes.c_char * 60)),
        *(("turn", _int), ("waiting", _int), ("line_2", ctypes.c_char * 56)),
        *(("finished", _int), ("watching", _int), ("line_3", ctypes.c_char * 56)),
        # Whether it has a job; how many threads there are, with the caller's; how many short programs have found others
        # asleep since they were woken last, and how many will before they are woken again.
        *(("busy", _int), ("ready", _int), ("missed", _int), ("patience", _int), ("line_4", ctypes.c_char * 48)),
        ("slots", _Slot * MAX_THREADS),
    )


#: The number of Linux's `futex` system call; where it is not known, sleepers look again now and then.
_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """An architecture's file, and the mode of arithmetic for programs."""

    file: str
    flush: int


#: Exceptions masked, round to nearest, flush to zero, denormals are zero.
_X86 = _Arithmetic("x86_64", 0x9FC0)
#: FPCR.FZ
_ARM = _Arithmetic("aarch64", 1 << 24)
#: The mode is left as it is.
_OTHER = _Arithmetic("generic", 0)

_ARITHMETIC = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}


def _system(name: str, architecture: str) -> str:
    if name == "linux" and architecture in _FUTEX:
        return "linux"
    return {"win32": "windows", "darwin": "darwin"}.get(name, "posix")


def text(layout: Layout | None, *, system: str, architecture: str) -> str:
    """The module for a system (as in `sys.platform`) and an architecture (the first part of LLVM's triple).

    Without a layout there is no `enter`, only `enter_pointers`.
    """
    arithmetic = _ARITHMETIC.get(architecture, _OTHER)
    files = ["threads", "entry", arithmetic.file, _system(system, architecture)]
    values: dict[str, Any] = {
        "FLUSH": arithmetic.flush,
        "FUTEX": _FUTEX.get(architecture, 0),
        "LOOKS": _LOOKS,
        "YIELDS": _YIELDS,
        "PATIENCE": _PATIENCE,
        "MAX_THREADS": MAX_THREADS,
        "FAILED": FAILED,
        "BUSY": BUSY,
        "WORKERS": WORKERS,
        "UNLIKE": UNLIKE,
    }
    if layout is not None:
        files.append("objects")
        values |= {field.name: getattr(layout, field.name) for field in fields(layout)}
    folder = Path(__file__).with_name("native")
    return Template("\n".join((folder / f"{name}.ll").read_text() for name in files)).substitute(values)


class _Method(ctypes.Structure):
    """Python's description of a built-in function (`PyMethodDef`)."""

    _fields_ = (("name", ctypes.c_char_p), ("function", _pointer), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_ONE_ARGUMENT = 0x0008  # METH_O


class Runtime:
    """The module, compiled and loaded: what Python needs of it. See `runtime`."""

    def __init__(self, code: Code, layout: Layout | None) -> None:
        self.work = ctypes.CFUNCTYPE(None, _pointer, ctypes.c_int64)(code.address("work"))
        self.enter_pointers = ctypes.CFUNCTYPE(_int, _pointer, _pointer)(code.address("enter_pointers"))
        self.barrier = code.address("barrier")
        self.invoke = code.address("invoke")
        self._method = None
        if layout is not None:
            doc = b"Run a compiled program on a tuple of arrays."
            self._method = _Method(b"enter", code.address("enter"), _ONE_ARGUMENT, doc)
        # Workers stay in this code until the process ends.
        code.keep()

    def entry(self, frame: NDArray[np.uint8]) -> Callable[[tuple[Any, ...]], int] | None:
        """A built-in function that runs the frame in these bytes; None where objects are not laid out as expected.

        A call of it takes 50 ns, one through ctypes ten times as long.
        """
        if self._method is None:
            return None
        make = ctypes.pythonapi.PyCFunction_NewEx
        make.argtypes, make.restype = (_pointer, ctypes.py_object, _pointer), ctypes.py_object
        function: Callable[[tuple[Any, ...]], int] = make(ctypes.addressof(self._method), frame, None)
        return function


_PYTHON = ("PyEval_SaveThread", "PyEval_RestoreThread", "PyLong_FromLongLong")


@functools.cache
def runtime() -> Runtime:
    """The native side for this process; compiled once, and found on disk the next time."""
    layout, target = find_layout(), host()
    architecture = target.triple.partition("-")[0]
    module = text(layout, system=sys.platform, architecture=architecture)
    code, _ = cache.object_code([module], target, lambda: assemble(module, target))
    symbols = {name: _address(getattr(ctypes.pythonapi, name)) for name in _PYTHON}
    return Runtime(load(code, target, symbols), layout)


def _address(function: Any) -> int:
    """Where a function of a C library is."""
    return ctypes.cast(function, _pointer).value or 0
