"""Loss and metrics of a network on a set of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.nn.losses import normaliser
from twopass.nn.metrics import Metric
from twopass.train.samples import Samples

__all__ = ["Mean", "Predict", "evaluate", "outputs", "windows"]

#: ``predict(params, x) -> outputs``
Predict = Callable[[Any, Any], Any]


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

    Yields
    ------
    tuple of slice
        The samples of a batch, and those of them that were in no batch before.

    Examples
    --------
    >>> list(windows(5, 3))
    [(slice(0, 3, None), slice(0, 3, None)), (slice(2, 5, None), slice(3, 5, None))]
    """
    for start in range(0, count, size):
        stop = min(start + size, count)
        yield slice(max(0, stop - size), stop), slice(start, stop)


def outputs(
    predict: Predict, params: Any, samples: Samples, size: int, dtype: np.dtype[Any]
) -> Iterator[tuple[slice, Any]]:
    """The outputs of a network batch by batch, with the positions of the samples that they belong to."""
    for batch, fresh in windows(len(samples), size):
        output = predict(params, samples.inputs(batch, dtype))
        repeated = fresh.start - batch.start
        yield fresh, tree.map(lambda array, skip=repeated: array[skip:], output) if repeated else output


def evaluate(
    predict: Predict,
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
