"""What training compiles: the steps of an epoch, and the forward pass.

A chunk of an epoch is one native call: a scan (`twopass.scan`) over the rows and the keys of its steps, that carries
the parameters and the optimizer's state along. Each step gathers its samples from the user's arrays, and then is the
function of `twopass.train.step`, as NumPy would run it.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import nn, optim, tree
from twopass.api.scan import scan
from twopass.compiler import Compiled, compile
from twopass.errors import TwopassError, compose
from twopass.nn.losses.base import weight_sum
from twopass.train.evaluation import PlainPredict, Predict, evenly
from twopass.train.parameters import Partition
from twopass.train.step import Loss, make_step

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["Epochs", "NativePredict", "Programs", "make_epoch", "reason"]

#: The function of `make_epoch`, compiled: for full batches, and for the last one of an epoch.
Epochs = tuple[Compiled, Compiled]


def make_epoch(
    net: nn.Layer,
    loss: Loss,
    optimizer: optim.Transformation,
    partition: Partition,
    dtype: np.dtype[Any],
    *,
    halting: bool = False,
) -> Callable[..., Any]:
    """The function that makes some steps.

    With `halting`, the first step whose loss is not finite changes nothing any more, nor do those after it.

    Returns
    -------
    callable
        ``epoch(params, state, x, y, weight, rows, keys, limit)`` takes all samples, the rows of each step's batch
        (steps, batch_size) and the steps' keys, and makes the first `limit` steps. It gives the next parameters and
        state, and for each step the loss and the sum of the weights that it is a mean with.
    """
    step = make_step(net, loss, optimizer, partition)

    def epoch(params: Any, state: Any, x: Any, y: Any, weight: Any, rows: Any, keys: Any, limit: Any) -> Any:
        def one(carry: Any, chosen: Any) -> Any:
            (params, state), alive = carry
            own_rows, key = chosen
            inputs = tree.map(lambda array: _gather(array, own_rows, dtype), x)
            targets = tree.map(lambda array: _gather(array, own_rows, _target_dtype(array, dtype)), y)
            weights = None if weight is None else _gather(weight, own_rows, dtype)
            *changed, value = step(params, state, inputs, targets, weights, key)
            if halting:
                alive = alive & np.isfinite(value)
                changed = tree.map(lambda new, old: np.where(alive, new, old), changed, [params, state])
            return (tuple(changed), alive), (value, np.float64(1) * weight_sum(loss, targets, weights))

        alive = np.ones((), bool) if halting else None
        (carry, _), found = scan(one, ((params, state), alive), (rows, keys), limit=limit)
        return (carry if halting else tree.map(_without_axes, carry)), found

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


class Programs:
    """What a trainer has compiled: it belongs to the process, and copies of the trainer start without it."""

    def __init__(self) -> None:
        self._epochs: dict[bool, tuple[tuple[Any, ...], Epochs]] = {}  # those that halt, and those that do not
        #: What `epochs` gave last: the function for full batches, and the one for the last batch.
        self.training: tuple[()] | Epochs = ()
        self._prediction: tuple[tuple[Any, ...], Predict] | None = None
        self._warned = False

    def __reduce__(self) -> Any:
        return Programs, ()

    def epochs(self, run: Run, *, halting: bool) -> Epochs:
        """The compiled function of `make_epoch`; the last one again, if nothing has changed."""
        trainer = run.trainer
        parts = (trainer.net, trainer.optimizer, run.loss_function, trainer.dtype, trainer.threads)
        known = self._epochs.get(halting)
        if known is None or not all(map(_same, known[0], parts)):
            partition = Partition.of(trainer.net, trainer.params)
            epoch = make_epoch(
                trainer.net, run.loss_function, trainer.optimizer, partition, trainer.dtype, halting=halting
            )
            # One for full batches, one for the last: a compiled function is fastest if nothing changes.
            known = parts, (compile(epoch, threads=trainer.threads), compile(epoch, threads=trainer.threads))
            self._epochs[halting] = known
        self.training = known[1]
        return self.training

    def predict(self, net: nn.Layer, threads: int | None, backend: str) -> Predict:
        """A network's compiled forward pass; the last one again, if nothing has changed."""
        kept = self._prediction
        if kept is None or kept[0][0] is not net or kept[0][1] != threads:
            kept = self._prediction = (net, threads), NativePredict(net, threads, None if backend == "llvm" else self)
        return kept[1]

    def warn(self, what: str, why: str) -> None:
        """Say once that NumPy computes what cannot be compiled."""
        if self._warned:
            return
        self._warned = True
        what += " cannot be compiled, and NumPy computes it, which is slower"
        instead = "Change that, or pass backend='numpy' to the trainer if it is what you want."
        warnings.warn(compose(what, why=f"The reason: {why}", instead=instead), stacklevel=2)


class NativePredict:
    """A network's forward pass in compiled code; in NumPy, after a warning of `fallback`, if it cannot be compiled."""

    def __init__(self, net: nn.Layer, threads: int | None, fallback: Programs | None) -> None:
        self._plain = PlainPredict(net)
        self._fallback = fallback
        self._is_plain = False

        def forward(params: Any, x: Any) -> tuple[Any, Any]:
            return net(params, x), _probe(x)

        def forward_in_batches(params: Any, x: Any, size: int) -> tuple[Any, Any]:
            return _in_batches(forward, params, x, size)

        self._forward = compile(forward, threads=threads)
        self._many = compile(forward_in_batches, threads=threads)

    def __call__(self, params: Any, x: Any) -> tuple[Any, Any]:
        """See `Predict`."""
        if self._is_plain:
            return self._plain(params, x)
        try:
            found: tuple[Any, Any] = self._forward(params, x)
        except Exception as error:  # as in `make_steps`
            return self._instead(error, self._plain, params, x)
        return found

    def many(self, params: Any, x: Any, size: int) -> tuple[Any, Any]:
        """See `Predict`: one call of native code."""
        if self._is_plain:
            return self._plain.many(params, x, size)
        try:
            found: tuple[Any, Any] = self._many(params, x, evenly(len(tree.leaves(x)[0]), size))
        except Exception as error:
            return self._instead(error, self._plain.many, params, x, size)
        return found

    def _instead(self, error: Exception, compute: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
        if self._fallback is None:
            raise error
        found: tuple[Any, Any] = compute(*args)  # which raises too if it is not the compiler that fails
        self._fallback.warn("the network", reason(error))
        self._is_plain = True
        return found


def _in_batches(forward: Callable[..., Any], params: Any, x: Any, size: int) -> tuple[Any, Any]:
    """A function of many samples as a loop over batches; the last one overlaps the one before, if it has to."""
    count = len(tree.leaves(x)[0])
    whole = count // size

    def one(probe: Any, batch: Any) -> tuple[Any, Any]:
        output, own = forward(params, batch)
        return probe + own, output

    batches = tree.map(lambda array: np.reshape(array[: whole * size], (whole, size, *array.shape[1:])), x)
    probe, stacked = scan(one, np.zeros(1), batches)
    outputs = tree.map(lambda array: np.reshape(array, (whole * size, *array.shape[2:])), stacked)
    rest = count - whole * size
    if rest:
        last, own = forward(params, tree.map(lambda array: array[count - size :], x))
        outputs = tree.map(lambda before, after: np.concatenate([before, after[size - rest :]]), outputs, last)
        probe = probe + own
    return outputs, probe


def _probe(x: Any) -> Any:
    """See `Predict`; it costs less beside the products than a look at the numbers before."""
    floats = [array for array in tree.leaves(x) if array.dtype.kind == "f"]
    return sum((np.reshape(np.sum(array * 0), 1) for array in floats), np.zeros(1))


def reason(error: Exception) -> str:
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
