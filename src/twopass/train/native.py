"""Training steps in compiled code.

Python gets a word in at least every tenth of a second: for progress, for Ctrl-C, and to look at the losses.
"""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, compose
from twopass.program.ir import Call, flat
from twopass.train.eager import EagerSteps, Outcome, Steps
from twopass.train.parameters import State
from twopass.train.plan import Chunk, Plan
from twopass.train.programs import reason
from twopass.train.resident import AnyState, Resident
from twopass.train.samples import Array
from twopass.train.source import source_of

if TYPE_CHECKING:
    from twopass.compiler import Specialization
    from twopass.train.fitting import Run

__all__ = ["BACKENDS", "InPlaceSteps", "NativeSteps", "Pace", "check_backend", "make_steps"]

BACKENDS = ("auto", "llvm", "numpy")

#: How long a native call should take, in seconds: Ctrl-C waits for it, and each call copies a small state twice.
_DURATION = 0.08
#: By how much longer a call may be than the one before.
_GROWTH = 8
#: From so many bytes on a state is changed in place.
_LARGE = 4 << 20


def check_backend(backend: str) -> None:
    """Raise ArgumentError unless there is such a backend."""
    if backend not in BACKENDS:
        what = f"there is no backend {backend!r}"
        raise ArgumentError(compose(what, instead=f"Known are {', '.join(map(repr, BACKENDS))}."))


class Pace:
    """How many steps a call should make, as measured."""

    def __init__(self) -> None:
        self.count = 1

    def learn(self, count: int, seconds: float) -> None:
        """Take in how long some steps took."""
        fitting = int(min(_DURATION * count / max(seconds, 1e-9), _GROWTH * self.count))
        if count >= self.count or fitting < self.count:  # few steps do not show how fast many are
            self.count = max(1, fitting)


class NativeSteps:
    """Steps in compiled code, which give new arrays; see `Steps`."""

    in_place = False

    def __init__(self, run: Run) -> None:
        self._epochs = run.trainer.programs.epochs(run, halting=self.in_place)
        self._dtype = run.trainer.dtype
        self._pace = Pace()
        self._leaves = tree.reader(tree.structure(run.trainer.params))
        self._made: Any = None  # the last optimizer state that native code has made
        self._source = source_of(run.samples, min(run.batch_size, len(run.samples)), self._dtype)

    def prepare(self, plan: Plan, state: AnyState) -> None:
        """Compile what the plan needs.

        Raises
        ------
        CaptureError
            When the step cannot be compiled.
        """
        for chunk in _kinds(plan, state):
            self._call(chunk)

    def count(self, plan: Plan, start: int) -> int:
        """As many as a call should have time for."""
        return 1 if start >= plan.full else min(self._pace.count, plan.full - start, self._source.steps)

    def run(self, chunk: Chunk) -> Outcome:
        """See `Steps.run`."""
        begin = time.perf_counter()
        state, (losses, weights) = self._call(chunk)
        if chunk.start < chunk.plan.full:
            self._pace.learn(chunk.count, time.perf_counter() - begin)
        return Outcome(state, losses[: chunk.count].astype(np.float64), weights[: chunk.count])

    def context(self) -> AbstractContextManager[Any]:
        """Nothing."""
        return contextlib.nullcontext()

    def _call(self, chunk: Chunk) -> tuple[AnyState, Any]:
        optimizer = chunk.state.optimizer
        if optimizer is not self._made:
            optimizer = tree.map(_as_array, optimizer)
        epoch = self._epochs[chunk.start >= chunk.plan.full]
        (params, optimizer), found = epoch(chunk.state.params, optimizer, *self._others(chunk))
        self._made = optimizer
        for leaf in self._leaves(params) or tree.leaves(params):
            leaf.flags.writeable = False
        return State(params, optimizer), found

    def _others(self, chunk: Chunk) -> tuple[Any, ...]:
        """What it takes beside the state."""
        return *self._source.inputs(chunk), np.array(chunk.count, np.int64)


def _kinds(plan: Plan, state: AnyState) -> list[Chunk]:
    """No steps of each kind that there is: with full batches, and with the last one."""
    return [Chunk(state, plan, start, 0) for start in {0, plan.full} - {plan.steps}]


def _as_array(leaf: Any) -> Array:
    """A number in the state as an array: to the compiler, Python's integers never change."""
    return leaf if type(leaf) is np.ndarray else np.asarray(leaf)


class InPlaceSteps(NativeSteps):
    """Steps in compiled code, which change the state where it is; see `Resident`.

    Attributes
    ----------
    state : Resident
        What they change.
    possible : bool
        Whether the compiled code can, as known after `prepare`.
    """

    in_place = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.state = Resident(run.trainer.live)
        self.possible = True
        self._kept: dict[bool, Specialization] = {}  # for full batches, and for the last one: all of a fit are alike

    def prepare(self, plan: Plan, state: AnyState) -> None:
        """See `NativeSteps`."""
        for chunk in _kinds(plan, state):
            program = self._specialization(chunk).program
            # A call of NumPy may raise, and leave half a step.
            calls = any(isinstance(statement, Call) for statement in flat(program.statements))
            self.possible = self.possible and len(program.layouts) == len(self.state) and not calls
        if self.possible:
            for chunk in _kinds(plan, state):
                _ = self._specialization(chunk).execute  # compiles

    def _specialization(self, chunk: Chunk) -> Specialization:
        last = chunk.start >= chunk.plan.full
        if last not in self._kept:
            given = *self.state.stand_ins(), *self._others(chunk)
            self._kept[last] = self._epochs[last].specialization(*given, state=len(self.state))
        return self._kept[last]

    def _call(self, chunk: Chunk) -> tuple[AnyState, Any]:
        if chunk.state is not self.state:  # a callback has set another one
            self.state = Resident(chunk.state)
        found = self._specialization(chunk)
        layouts = [found.program.layouts[buffer] for buffer in found.program.inputs[: len(self.state)]]
        others = tree.leaves(self._others(chunk))
        with self.state.lock:
            results = found.execute([*self.state.buffers(layouts), *others])
        return self.state, found.build(results)[1]


def make_steps(run: Run) -> Steps:
    """What makes the steps of a fit on the trainer's backend; the trainer's state becomes what they work on.

    Raises
    ------
    CaptureError, ArgumentError, ShapeError
        When the backend is "llvm", and the step cannot be compiled: it depends on values, or the optimizer's state
        changes its shapes or dtypes.
    """
    trainer = run.trainer
    if trainer.backend == "numpy":
        return EagerSteps(run)
    try:
        return _native_steps(run)
    except Exception as error:  # whatever it is: if it is a mistake in the step, NumPy says so too
        if trainer.backend == "llvm":
            raise
        why = reason(error)
    trainer.programs.warn("the training step", why)
    return EagerSteps(run)


def _native_steps(run: Run) -> NativeSteps:
    """Steps that are compiled."""
    trainer, plan = run.trainer, run.plan(run.first_epoch)
    state = trainer.live
    if sum(np.asarray(leaf).nbytes for leaf in tree.leaves((state.params, state.optimizer))) >= _LARGE:
        in_place = InPlaceSteps(run)
        in_place.prepare(plan, state)
        if in_place.possible:
            trainer.live = in_place.state
            return in_place
    steps = NativeSteps(run)
    steps.prepare(plan, state)
    return steps
