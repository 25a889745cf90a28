"""The pool of threads: how many there may be, and how they come to be.

The workers are Python's threads only in that Python starts them: each makes one call into native code, which gives up
the interpreter's lock and never returns. So they exist wherever Python does, need no lock to work, and are left behind
when the process ends, like every daemon thread. (Threads made by native code itself would need another way on every
system, and buy nothing: they are made once.)

There is one pool in a process, and it has one job at a time; a program that finds it busy runs on its caller's thread
alone, with the same bits. A child process after a fork has no threads but one: its pool starts anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import threading
from pathlib import Path

from twopass.backends.llvm.runtime import MAX_THREADS, Pool, runtime
from twopass.errors import ArgumentError, compose

__all__ = ["POOL", "allowed", "check_threads", "ensure"]

_lock = threading.Lock()


def allowed() -> int:
    """How many threads can run at once: the processors that this process may use, and its share of their time.

    Examples
    --------
    >>> 1 <= allowed() <= (os.cpu_count() or 1)
    True
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(processors, _quota(), MAX_THREADS))


@functools.cache
def _quota() -> int:
    """The processors' worth of time that a container gives (cgroup v2), rounded up; many if it is not limited."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, math.ceil(int(quota) / int(period)))
    return MAX_THREADS


def check_threads(threads: int) -> int:
    """A number of threads that somebody asks for.

    Raises
    ------
    ArgumentError
        If it is not between 1 and 256.
    """
    if not 1 <= threads <= MAX_THREADS:
        what = f"threads={threads} is not a number of threads"
        raise ArgumentError(
            compose(what, instead=f"Write 1 to {MAX_THREADS}, or None to let the program's size decide.")
        )
    return threads


def _new_pool() -> Pool:
    """The threads' common memory, never freed: workers may look at it until the process ends."""
    memory = ctypes.create_string_buffer(ctypes.sizeof(Pool) + 64)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    made = Pool.from_address(-(-ctypes.addressof(memory) // 64) * 64)
    made.ready = 1
    return made


#: This process's pool. It has no threads before a program wants some.
POOL = _new_pool()


def _forget() -> None:
    """In a child process: the workers stayed in the parent."""
    global _lock
    _lock = threading.Lock()
    ctypes.memset(ctypes.addressof(POOL), 0, ctypes.sizeof(POOL))
    POOL.ready = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def ensure(threads: int) -> None:
    """Start workers until there are so many threads, with the caller's.

    Raises
    ------
    RuntimeError
        If the system does not give any more threads.
    """
    work, place = runtime().work, ctypes.addressof(POOL)
    with _lock:
        for number in range(POOL.ready, threads):
            threading.Thread(target=work, args=(place, number), name=f"twopass-{number}", daemon=True).start()
            POOL.ready = number + 1
