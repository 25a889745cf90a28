"""What twopass is measured against, and twopass itself: one file a peer.

A file is imported in the process that measures it, so the peer's library is imported at its top. It holds

- ``VERSION``: name and version of the library;
- any of the functions `training`, `prediction`, `function` and `value_and_grad`, which get ready to do what is measured
  and give a `Prepared`;
- optionally ``VARIANTS``, for each of these functions the settings to try. Only the fastest enters the contest, as its
  users would choose it.

A function raises `Declined` for what the peer is not meant for, or cannot do here.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Protocol

#: What can be asked for with ``--peers``: name and module.
PEERS = {
    "twopass": "twopass_default",
    "twopass-numpy": "twopass_numpy",
    "numpy": "numpy_hand",
    "torch": "torch_eager",
    "torch.compile": "torch_compiled",
    "jax": "jax_jit",
    "jax-scan": "jax_scan",
    "scikit-learn": "sklearn_mlp",
    "onnxruntime": "onnxruntime_session",
    "autograd": "autograd_eager",
}

#: Names that are twopass: the others are what its ratio is taken with.
OURS = ("twopass", "twopass-numpy")


class Declined(Exception):
    """What a peer cannot do, or is not meant for; the message is printed."""


class Prepared(Protocol):
    """Something that is ready to be measured."""

    def __call__(self, repetitions: int) -> None:
        """Do it so many times (an epoch of a training, else a call), until the last result is there."""

    def result(self) -> list[Any]:
        """NumPy arrays that all peers must agree on: weights, prediction, or value and gradient."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way to use a peer.

    Parameters
    ----------
    label : str
        How the table names it.
    environment : mapping of str to str
        Variables of its process.
    options : mapping
        Keyword arguments of the peer's function.
    """

    label: str = ""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Calls:
    """A `Prepared` made of one function.

    Parameters
    ----------
    call : callable
        What is measured: ``call()`` gives what `finish` takes.
    finish : callable
        Waits for the result and gives it as NumPy arrays.
    wait : callable, optional
        Waits for the result only.
    """

    call: Any
    finish: Any
    wait: Any = None

    def __call__(self, repetitions: int) -> None:
        call, wait = self.call, self.wait
        if wait is None:
            for _ in range(repetitions):
                call()
        else:
            for _ in range(repetitions):
                wait(call())

    def result(self) -> list[Any]:
        return self.finish(self.call())


def load(peer: str) -> Any:
    """The module of a peer.

    Raises
    ------
    Declined
        When its library is not installed.
    """
    try:
        return importlib.import_module(f"benchmarks.peers.{PEERS[peer]}")
    except ModuleNotFoundError as error:
        raise Declined(f"{error.name} is not installed") from error


def variants(peer: str, task: str) -> list[Variant]:
    """The ways to do a task.

    Raises
    ------
    Declined
        When the peer's library is not installed or it does no such thing.
    """
    module = load(peer)
    if not hasattr(module, task):
        raise Declined(f"is not measured in {task.replace('_', ' ')}")
    return list(getattr(module, "VARIANTS", {}).get(task, [Variant()]))


def version(peer: str) -> str:
    """Name and version of a peer's library."""
    return load(peer).VERSION
