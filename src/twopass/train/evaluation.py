"""Loss and metrics of a network on a set of samples."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twopass import nn, tree
from twopass.nn.losses import normaliser
from twopass.nn.metrics import Metric
from twopass.train.samples import Samples, is_surely_finite

__all__ = [
    "Forward",
    "Mean",
    "PlainPredict",
    "Predict",
    "evaluate",
    "evenly",
    "joined",
    "outputs",
    "predicted",
    "windows",
]

#: Batches of fewer samples are of any size.
_EIGHTS = 64

#: ``forward(params, x) -> (outputs, probe)``: the probe is 0 only if all numbers of x are finite.
Forward = Callable[[Any, Any], tuple[Any, Any]]

#: How many multiplications a prediction may take before Python gets a word in, for Ctrl-C.
_WORK = 3e9


class Predict(Protocol):
    """A network's forward pass."""

    def __call__(self, params: Any, x: Any) -> tuple[Any, Any]:
        """See `Forward`."""

    def many(self, params: Any, x: Any, size: int) -> tuple[Any, Any]:
        """The same, with no more than `size` samples at a time in memory, besides inputs and outputs."""


class Mean:
    """The mean loss of an epoch from the mean losses of its batches; exact for any batch sizes and weights."""

    def __init__(self) -> None:
        self._total = 0.0
        self._weight = 0.0

    def add(self, values: Any, weights: Any) -> None:
        """Take in the mean losses of some batches, and the sums of the weights that they are the means with.

        They are added one after the other, so that it does not matter which ones come together.
        """
        self._total = _added(self._total, np.multiply(values, weights))
        self._weight = _added(self._weight, weights)

    @property
    def value(self) -> float:
        """The mean so far; NaN for no weight at all."""
        return self._total / self._weight if self._weight else float("nan")


def _added(total: float, numbers: Any) -> float:
    """A total after some more numbers, from the first to the last."""
    summands = np.array(numbers, np.float64, ndmin=1)
    summands[0] += total
    return float(np.add.accumulate(summands)[-1])


def windows(count: int, size: int) -> Iterator[tuple[slice, slice]]:
    """Samples in batches of one size, so that one compiled function serves all: the last ones come twice if need be.

    The batches are as few as `size` allows, and then as small as they can be.

    Yields
    ------
    tuple of slice
        The samples of a batch, and those of them that were in no batch before.

    Examples
    --------
    >>> list(windows(5, 4))
    [(slice(0, 3, None), slice(0, 3, None)), (slice(2, 5, None), slice(3, 5, None))]
    """
    even = evenly(count, size)
    for start in range(0, count, even):
        stop = min(start + even, count)
        yield slice(max(0, stop - even), stop), slice(start, stop)


def evenly(count: int, size: int) -> int:
    """The samples of a batch if there are as few of them as `size` allows; of many, a multiple of 8.

    Examples
    --------
    >>> evenly(10_000, 1024), evenly(10_001, 1024), evenly(5, 4), evenly(3, 4)
    (1000, 1008, 3, 4)
    """
    if count <= size:
        return size
    even = -(-count // -(-count // size))
    return even if even < _EIGHTS else min(-(-even // 8) * 8, size)


class PlainPredict:
    """A network's forward pass in NumPy."""

    def __init__(self, net: nn.Layer) -> None:
        self._net = net

    def __call__(self, params: Any, x: Any) -> tuple[Any, float]:
        """See `Predict`."""
        finite = all(array.dtype.kind != "f" or is_surely_finite(array) for array in tree.leaves(x))
        if finite:
            return self._net(params, x), 0.0
        with np.errstate(invalid="ignore", over="ignore"):  # of outputs that nobody will want
            return self._net(params, x), math.nan

    def many(self, params: Any, x: Any, size: int) -> tuple[Any, float]:
        """See `Predict`."""
        found, probes = [], 0.0
        for batch, fresh in windows(len(tree.leaves(x)[0]), size):
            output, probe = self(params, tree.map(operator.itemgetter(batch), x))
            found.append(_fresh(output, batch, fresh))
            probes += probe
        return joined(found), probes


def outputs(
    predict: Forward, params: Any, samples: Samples, size: int, dtype: np.dtype[Any]
) -> Iterator[tuple[slice, Any]]:
    """The outputs of a network batch by batch, with the positions of the samples that they belong to."""
    for batch, fresh in windows(len(samples), size):
        output, _ = predict(params, samples.inputs(batch, dtype))
        yield fresh, _fresh(output, batch, fresh)


def predicted(predict: Predict, params: Any, x: NDArray[Any], size: int) -> Any:
    """The outputs for an array that is as the network takes it; None if its numbers have to be looked at."""
    if len(x) <= size:
        output, probe = predict(params, x)
        return output if probe == 0 else None
    found = []
    work = sum(leaf.size for leaf in tree.leaves(params))
    for batch, fresh in windows(len(x), max(size, int(_WORK / max(work, 1)))):
        output, probe = predict.many(params, x[batch], size)
        if probe != 0:
            return None
        found.append(_fresh(output, batch, fresh))
    return joined(found)


def _fresh(output: Any, batch: slice, fresh: slice) -> Any:
    """The outputs of those samples of a batch that were in none before."""
    repeated = fresh.start - batch.start
    return tree.map(lambda array: array[repeated:], output) if repeated else output


def joined(parts: Sequence[Any]) -> Any:
    """Outputs of several batches as those of one."""
    return parts[0] if len(parts) == 1 else tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def evaluate(
    predict: Forward,
    params: Any,
    loss: Callable[..., Any],
    metrics: Sequence[Metric],
    samples: Samples,
    size: int,
    dtype: np.dtype[Any],
) -> dict[str, float]:
    """The loss (without penalties) and the metrics, exact over all samples."""
    mean = Mean()
    for metric in metrics:
        metric.reset()
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged network shows in the result
        for positions, prediction in outputs(predict, params, samples, size, dtype):
            y, weight = samples.targets(positions, dtype), samples.weights(positions, dtype)
            value = loss(prediction, y) if weight is None else loss(prediction, y, sample_weight=weight)
            mean.add(float(value), normaliser(loss, y, weight))
            for metric in metrics:
                metric.update(prediction, y, weight)
    return {"loss": mean.value, **{metric.name: metric.result() for metric in metrics}}
