"""Metrics for targets that are numbers. Several outputs count equally."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twopass.nn.metrics.base import Metric, NDArray, named, paired, sample_weights

__all__ = ["R2", "MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"]


@dataclass
class _MeanError(Metric, abstract=True):
    """The mean of a function of the errors, for each output."""

    _total: Any = field(default=0.0, init=False, repr=False, compare=False)
    _weight: float = field(default=0.0, init=False, repr=False, compare=False)

    @property
    def greater_is_better(self) -> bool:
        """No."""
        return False

    def reset(self) -> None:
        """Forget all samples."""
        self._total = self._weight = 0.0

    def _add(self, errors: NDArray, sample_weight: Any) -> None:
        weight = sample_weights(sample_weight, len(errors))
        self._total = self._total + weight @ errors
        self._weight += float(weight.sum())

    def _means(self) -> Any:
        return self._total / self._weight if self._weight else np.nan

    def result(self) -> float:
        """The mean over samples and outputs."""
        return float(np.mean(self._means()))


@named("mean_absolute_error", "mae")
@dataclass
class MeanAbsoluteError(_MeanError):
    """The mean of ``|prediction - target|``.

    Examples
    --------
    >>> mae = MeanAbsoluteError()
    >>> mae.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> mae.result()
    1.0
    """

    @property
    def name(self) -> str:
        """``"mean_absolute_error"``."""
        return "mean_absolute_error"

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Add the errors of a batch; see `Metric.update`."""
        y, t = paired(prediction, target)
        self._add(np.abs(y - t), sample_weight)


@named("mean_squared_error", "mse")
@dataclass
class MeanSquaredError(_MeanError):
    """The mean of ``(prediction - target)²``.

    Examples
    --------
    >>> mse = MeanSquaredError()
    >>> mse.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> mse.result()
    2.0
    """

    @property
    def name(self) -> str:
        """``"mean_squared_error"``."""
        return "mean_squared_error"

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Add the squared errors of a batch; see `Metric.update`."""
        y, t = paired(prediction, target)
        self._add(np.square(y - t), sample_weight)


@named("root_mean_squared_error", "rmse")
@dataclass
class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean squared error, in units of the target; of several outputs, the mean of their roots.

    Examples
    --------
    >>> rmse = RootMeanSquaredError()
    >>> rmse.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> rmse.result()
    1.4142135623730951
    """

    @property
    def name(self) -> str:
        """``"root_mean_squared_error"``."""
        return "root_mean_squared_error"

    def result(self) -> float:
        """The mean of the outputs' roots."""
        return float(np.mean(np.sqrt(self._means())))


@named("r2")
@dataclass
class R2(Metric):
    """``1 - Σ (target - prediction)² / Σ (target - mean target)²``: the share of the variance that is explained.

    1 is perfect, 0 is as good as the mean of the targets, negative is worse. Of several outputs, the mean.

    Notes
    -----
    For a constant target the result is 1 if it is predicted exactly and 0 otherwise, as in scikit-learn. The variance
    is merged from batch to batch without cancellation [1]_.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
       variances", COMPSTAT 1982.

    Examples
    --------
    >>> r2 = R2()
    >>> r2.update(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    >>> r2.update(np.array([4.0]), np.array([3.0]))
    >>> r2.result()
    0.5
    """

    _weight: float = field(default=0.0, init=False, repr=False, compare=False)
    _mean: Any = field(default=0.0, init=False, repr=False, compare=False)
    _spread: Any = field(default=0.0, init=False, repr=False, compare=False)
    _residual: Any = field(default=0.0, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """``"r2"``."""
        return "r2"

    def reset(self) -> None:
        """Forget all samples."""
        self._weight = self._mean = self._spread = self._residual = 0.0

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Merge the moments of a batch; see `Metric.update`."""
        y, t = paired(prediction, target)
        weight = sample_weights(sample_weight, len(t))
        added = float(weight.sum())
        if not added:
            return
        mean = weight @ t / added
        total = self._weight + added
        step = mean - self._mean
        self._spread = self._spread + weight @ np.square(t - mean) + np.square(step) * (self._weight * added / total)
        self._mean = self._mean + step * (added / total)
        self._residual = self._residual + weight @ np.square(t - y)
        self._weight = total

    def result(self) -> float:
        """The score, at most 1."""
        if not self._weight:
            return float("nan")
        varies = self._spread > 0
        scores = 1 - self._residual / np.where(varies, self._spread, 1)
        return float(np.mean(np.where(varies, scores, self._residual == 0)))
