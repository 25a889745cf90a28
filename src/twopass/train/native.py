"""Training steps and predictions in compiled code.

A chunk of an epoch is one native call: a scan (`twopass.scan`) over the rows and the keys of its steps, that carries
the parameters and the optimizer's state along. Each step gathers its samples from the user's arrays, and then is the
function of `twopass.train.step`, as NumPy would run it.

Python gets a word in at least every tenth of a second: for progress, for Ctrl-C, and to look at the losses.
"""

from __future__ import annotations

import contextlib
import functools
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import nn, optim, tree
from twopass.api.scan import scan
from twopass.compiler import Compiled, compile
from twopass.errors import ArgumentError, TwopassError, compose
from twopass.nn.losses.base import weight_sum
from twopass.train.eager import EagerSteps, Outcome, Steps
from twopass.train.evaluation import Predict, plain_predict
from twopass.train.parameters import Partition, State
from twopass.train.plan import Chunk, Plan
from twopass.train.samples import Array, Samples
from twopass.train.step import Loss, make_step

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["BACKENDS", "NativeSteps", "Pace", "Programs", "check_backend", "make_epoch", "make_steps"]

BACKENDS = ("auto", "llvm", "numpy")

#: How long a native call should take, in seconds: Ctrl-C waits for it, and each call copies the parameters twice.
_DURATION = 0.08
#: By how much longer a call may be than the one before.
_GROWTH = 8
#: How many rows a call may have at most.
_ROWS = 1 << 18
#: How many numbers are gathered in Python for a call, where native code cannot read the user's arrays.
_GATHERED = 1 << 20
#: The dtypes that native code converts from.
_READABLE = frozenset(map(np.dtype, "?bBhHiIlLqQfd"))

#: The function of `make_epoch`, compiled: for full batches, and for the last one of an epoch.
Epochs = tuple[Compiled, Compiled]


def check_backend(backend: str) -> None:
    """Raise ArgumentError unless there is such a backend."""
    if backend not in BACKENDS:
        what = f"there is no backend {backend!r}"
        raise ArgumentError(compose(what, instead=f"Known are {', '.join(map(repr, BACKENDS))}."))


# --- the program of an epoch ------------------------------------------------------------------------------------------


def make_epoch(
    net: nn.Layer, loss: Loss, optimizer: optim.Transformation, partition: Partition, dtype: np.dtype[Any]
) -> Callable[..., Any]:
    """The function that makes some steps.

    Returns
    -------
    callable
        ``epoch(params, state, x, y, weight, rows, keys, limit)`` takes all samples, the rows of each step's batch
        (steps, batch_size) and the steps' keys, and makes the first `limit` steps. It gives the next parameters and
        state, and for each step the loss and the sum of the weights that it is a mean with.
    """
    step = make_step(net, loss, optimizer, partition)

    def epoch(params: Any, state: Any, x: Any, y: Any, weight: Any, rows: Any, keys: Any, limit: Any) -> Any:
        def one(carry: tuple[Any, Any], chosen: Any) -> Any:
            own_rows, key = chosen
            inputs = tree.map(lambda array: _gather(array, own_rows, dtype), x)
            targets = tree.map(lambda array: _gather(array, own_rows, _target_dtype(array, dtype)), y)
            weights = None if weight is None else _gather(weight, own_rows, dtype)
            new_params, new_state, value = step(*carry, inputs, targets, weights, key)
            return (new_params, new_state), (value, np.float64(1) * weight_sum(loss, targets, weights))

        carry, found = scan(one, (params, state), (rows, keys), limit=limit)
        return tree.map(_without_axes, carry), found

    return epoch


def _without_axes(leaf: Any) -> Any:
    """An array without axes in the place of a NumPy scalar, which operations on such arrays give."""
    return leaf if np.ndim(leaf) else np.reshape(np.atleast_1d(leaf), ())


def _gather(array: Any, rows: Any, dtype: Any) -> Any:
    """Some rows, converted. All of them are there: that they are clipped tells it to the compiler."""
    return array[np.clip(rows, 0, len(array) - 1)].astype(dtype)


def _target_dtype(array: Any, dtype: np.dtype[Any]) -> Any:
    """Floats are converted, classes stay integers."""
    return dtype if array.dtype.kind == "f" else array.dtype


def _is_readable(array: Array) -> bool:
    """Whether native code can gather rows of an array as it is."""
    return array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative and array.dtype in _READABLE


# --- what is compiled, and kept ---------------------------------------------------------------------------------------


class Programs:
    """What a trainer has compiled: it belongs to the process, and copies of the trainer start without it."""

    def __init__(self) -> None:
        self._epochs: tuple[tuple[Any, ...], Epochs] | None = None
        self._prediction: tuple[tuple[Any, ...], Predict] | None = None
        self._warned = False

    def __reduce__(self) -> Any:
        return Programs, ()

    def epochs(self, run: Run) -> Epochs:
        """The compiled function of `make_epoch`; the last one again, if nothing has changed."""
        trainer = run.trainer
        parts = (trainer.net, trainer.optimizer, run.loss_function, trainer.dtype, trainer.threads)
        if self._epochs is None or not all(map(_same, self._epochs[0], parts)):
            partition = Partition.of(trainer.net, trainer.params)
            epoch = make_epoch(trainer.net, run.loss_function, trainer.optimizer, partition, trainer.dtype)
            # One for full batches, one for the last: a compiled function is fastest if nothing changes.
            self._epochs = parts, (compile(epoch, threads=trainer.threads), compile(epoch, threads=trainer.threads))
        return self._epochs[1]

    @property
    def training(self) -> tuple[Compiled, ...]:
        """What `epochs` gave last: the function for full batches, and the one for the last batch."""
        return () if self._epochs is None else self._epochs[1]

    def predict(self, net: nn.Layer, threads: int | None, backend: str) -> Predict:
        """A network's compiled forward pass; the last one again, if nothing has changed."""
        kept = self._prediction
        if kept is not None and kept[0][0] is net and kept[0][1] == threads:
            return kept[1]
        native = compile(lambda params, x: (net(params, x), _probe(x)), threads=threads)

        def predict(params: Any, x: Any) -> Any:
            try:
                return native(params, x)
            except Exception as error:  # as in `make_steps`
                if backend == "llvm":
                    raise
                reason = _reason(error)
            found = plain_predict(net)(params, x)
            self.warn("the network", reason)
            self._prediction = (net, threads), plain_predict(net)
            return found

        self._prediction = (net, threads), predict
        return predict

    def warn(self, what: str, reason: str) -> None:
        """Say once that NumPy computes what cannot be compiled."""
        if self._warned:
            return
        self._warned = True
        what += " cannot be compiled, and NumPy computes it, which is slower"
        instead = "Change that, or pass backend='numpy' to the trainer if it is what you want."
        warnings.warn(compose(what, why=f"The reason: {reason}", instead=instead), stacklevel=2)


def _probe(x: Any) -> Any:
    """See `Predict`; it costs less beside the products than a look at the numbers before."""
    floats = [array for array in tree.leaves(x) if array.dtype.kind == "f"]
    return sum((np.reshape(np.sum(array * 0), 1) for array in floats), np.zeros(1))


def _reason(error: Exception) -> str:
    """What to tell of an error; of one that is not ours, its kind too."""
    return str(error) if isinstance(error, TwopassError) else f"{type(error).__name__}: {error}"


def _same(one: Any, other: Any) -> bool:
    """Whether code for one thing is code for another: the same object, or the same function of equal arguments."""
    if isinstance(one, functools.partial) and isinstance(other, functools.partial):
        return (
            one.func is other.func
            and len(one.args) == len(other.args)
            and one.keywords.keys() == other.keywords.keys()
            and all(map(_same, one.args, other.args))
            and all(_same(value, other.keywords[name]) for name, value in one.keywords.items())
        )
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return one is other or (isinstance(one, (int, float, str)) and type(one) is type(other) and one == other)


# --- steps ------------------------------------------------------------------------------------------------------------


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
    """Steps in compiled code; see `Steps`."""

    def __init__(self, run: Run) -> None:
        self._epochs = run.trainer.programs.epochs(run)
        self._dtype = run.trainer.dtype
        self._pace = Pace()
        self._leaves = tree.reader(tree.structure(run.trainer.params))
        self._made: Any = None  # the last optimizer state that native code has made
        self._source = _source(run.samples, min(run.batch_size, len(run.samples)), self._dtype)

    def prepare(self, plan: Plan, state: State) -> None:
        """Compile what the plan needs.

        Raises
        ------
        CaptureError
            When the step cannot be compiled.
        """
        for start in {0, plan.full} - {plan.steps}:
            self._call(Chunk(state, plan, start, 0))

    def count(self, plan: Plan, start: int) -> int:
        """As many as a call should have time for."""
        return 1 if start >= plan.full else min(self._pace.count, plan.full - start, self._source.steps)

    def run(self, chunk: Chunk) -> Outcome:
        """See `Steps.run`."""
        begin = time.perf_counter()
        (params, optimizer), (losses, weights) = self._call(chunk)
        if chunk.start < chunk.plan.full:
            self._pace.learn(chunk.count, time.perf_counter() - begin)
        self._made = optimizer
        for leaf in self._leaves(params) or tree.leaves(params):
            leaf.flags.writeable = False
        state = State(params, optimizer)
        return Outcome(state, losses[: chunk.count].astype(np.float64), weights[: chunk.count])

    def context(self) -> AbstractContextManager[Any]:
        """Nothing."""
        return contextlib.nullcontext()

    def _call(self, chunk: Chunk) -> Any:
        limit = np.array(chunk.count, np.int64)
        epoch = self._epochs[chunk.start >= chunk.plan.full]
        optimizer = chunk.state.optimizer
        if optimizer is not self._made:
            optimizer = tree.map(_as_array, optimizer)
        return epoch(chunk.state.params, optimizer, *self._source.inputs(chunk), limit)


def _as_array(leaf: Any) -> Array:
    """A number in the state as an array: to the compiler, Python's integers never change."""
    return leaf if type(leaf) is np.ndarray else np.asarray(leaf)


class _Source:
    """Where native code finds the samples of some steps.

    Attributes
    ----------
    steps : int
        For how many steps a call has room.
    """

    steps: int

    def inputs(self, chunk: Chunk) -> tuple[Any, ...]:
        """What the compiled function takes after the state: samples, rows and keys."""
        plan, start = chunk.plan, chunk.start
        if start < plan.full:
            steps, size = self.steps, plan.batch_size
        else:
            steps, size = 1, len(plan.samples) - start * plan.batch_size
        data, rows = self.samples(chunk, steps * size)
        keys = _padded(plan.keys[start : start + chunk.count], steps)
        return *data, _padded(rows, steps * size).reshape(steps, size), keys

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        """Inputs, targets and weights, and which of their rows are meant; room for how many of them there is."""
        raise NotImplementedError


class _Whole(_Source):
    """Samples in arrays that native code reads: it gets all of them, as they are."""

    def __init__(self, samples: Samples, batch_size: int) -> None:
        # A memory map is an array like others to native code.
        x, y, weight = tree.map(np.asarray, (samples.x, samples.y, samples.weight))
        self._data = x, y, weight
        self.steps = max(1, min(len(samples), _ROWS) // batch_size)

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        return self._data, chunk.plan.rows(chunk.start, chunk.count)


class _Gathered(_Source):
    """Samples in other arrays: those of some steps are put together, in the right order, for each call."""

    def __init__(self, samples: Samples, batch_size: int, dtype: np.dtype[Any]) -> None:
        numbers = sum(array[:1].size for array in tree.leaves((samples.x, samples.y))) * batch_size
        self.steps = max(1, min(len(samples) // batch_size, _GATHERED // max(1, numbers)))
        self._dtype = dtype

    def samples(self, chunk: Chunk, room: int) -> tuple[tuple[Any, Any, Any], Array]:
        batch = chunk.plan.samples.batch(chunk.plan.positions(chunk.start, chunk.count), self._dtype)
        x, y, weight = tree.map(lambda array: _padded(array, room), batch)
        return (x, y, weight), np.arange(room)


def _padded(array: Array, count: int) -> Array:
    """An array with more rows, of anything."""
    if len(array) == count:
        return array
    padded = np.empty((count, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    return padded


def _source(samples: Samples, batch_size: int, dtype: np.dtype[Any]) -> _Source:
    arrays = tree.leaves((samples.x, samples.y, samples.weight))
    if all(map(_is_readable, arrays)):
        return _Whole(samples, batch_size)
    return _Gathered(samples, batch_size, dtype)


def make_steps(run: Run) -> Steps:
    """What makes the steps of a fit on the trainer's backend.

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
        steps = NativeSteps(run)
        steps.prepare(run.plan(run.first_epoch), trainer.state)
    except Exception as error:  # whatever it is: if it is a mistake in the step, NumPy says so too
        if trainer.backend == "llvm":
            raise
        reason = _reason(error)
    else:
        return steps
    trainer.programs.warn("the training step", reason)
    return EagerSteps(run)
