"""A process of its own for each peer.

Thread pools that spin, denormal modes and settings of one library then touch no other, and only the process whose turn
it is computes: the others wait for their next message.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

#: Variables that pin the kernels of NumPy's BLAS library to those of another processor. A machine may set them to get
#: equal bits everywhere; the peers that compute with BLAS would be measured with a handicap.
PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@contextlib.contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Context in which child processes start with these variables, and without those that pin kernels."""
    before = dict(os.environ)
    for name in PINS:
        os.environ.pop(name, None)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Worker:
    """A fresh Python process that calls functions when it is told to.

    Parameters
    ----------
    changes : mapping of str to str
        Environment variables to add: most libraries read theirs once, when they are imported.
    """

    def __init__(self, changes: Mapping[str, str] = {}) -> None:
        self.died = False
        self._executor = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with environment(changes):
            self.call(os.getpid)  # the process starts with its first call

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result there; the function is found by its name, so it is one of a module."""
        try:
            return self._executor.submit(function, *arguments).result()
        except BrokenProcessPool:
            self.died = True
            raise

    def close(self) -> None:
        """End the process."""
        self._executor.shutdown(cancel_futures=True)


class Workers:
    """The processes of a measurement, made when they are needed: one for each peer and environment."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, tuple[tuple[str, str], ...]], Worker] = {}

    def get(self, peer: str, changes: Mapping[str, str] = {}) -> Worker:
        """The process of this peer with these environment variables; a new one if it has died."""
        key = (peer, tuple(sorted(changes.items())))
        if key not in self._running or self._running[key].died:
            self._running[key] = Worker(changes)
        return self._running[key]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._running.values():
            worker.close()
