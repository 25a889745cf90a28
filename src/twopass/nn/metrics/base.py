"""What all metrics share: the protocol, the names, and how predictions and targets are paired."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from twopass.errors import ArgumentError, ShapeError, compose, unknown_name
from twopass.nn.types import Config
from twopass.specification import Family, Specification

__all__ = [
    "FromFunction",
    "Metric",
    "config",
    "from_config",
    "get",
    "logits_and_classes",
    "named",
    "names",
    "paired",
    "sample_weights",
    "truth_and_choice",
]

NDArray = npt.NDArray[Any]
M = TypeVar("M", bound="Metric")


@dataclasses.dataclass
class Metric(Specification, ABC, abstract=True):
    """Base of the metrics: dataclasses that see an epoch batch by batch, and give its exact value.

    The value is that of all samples together: it does not depend on how they are split into batches.
    """

    family = Family(
        "metrics",
        "Write a dataclass derived from tp.nn.metrics.Metric, or give the metrics again when loading: "
        "tp.Trainer.load(folder, metrics=...).",
    )

    @property
    def greater_is_better(self) -> bool:
        """Which way is up, for early stopping."""
        return True

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the value in a history; for `get`, too, unless there are parameters."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all samples."""

    @abstractmethod
    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Take a batch into account.

        Parameters
        ----------
        prediction : array of shape (n_samples, ...)
            What the network gives: logits, for classes.
        target : array of shape (n_samples, ...)
            What it should give.
        sample_weight : array of shape (n_samples,), optional
            How much each sample counts.

        Raises
        ------
        ShapeError
            When the shapes do not fit together.
        ArgumentError
            When a target is none, or a weight is negative or not finite.
        """

    @abstractmethod
    def result(self) -> float:
        """The value for all samples since `reset`; NaN if it is not defined for them."""


@dataclasses.dataclass
class FromFunction(Metric):
    """A function of your own (or of scikit-learn) as a metric: called once, with all samples of the epoch.

    Parameters
    ----------
    function : callable
        ``function(prediction, target) -> float``; with sample weights ``function(prediction, target, weight)``.
    greater_is_better : bool, default True
        Which way is up.

    Examples
    --------
    >>> worst = FromFunction(lambda prediction, target: np.abs(prediction - target).max(), greater_is_better=False)
    >>> worst.update(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    >>> worst.update(np.array([3.0]), np.array([2.0]))
    >>> worst.result()
    2.0
    """

    function: Callable[..., Any]
    greater_is_better: bool = True
    _batches: list[tuple[NDArray, ...]] = dataclasses.field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the function."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def reset(self) -> None:
        """Forget all samples."""
        self._batches = []

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Keep a copy of a batch; see `Metric.update`."""
        parts = (prediction, target) if sample_weight is None else (prediction, target, sample_weight)
        self._batches.append(tuple(np.array(part) for part in parts))

    def result(self) -> float:
        """What the function gives for all samples."""
        if not self._batches:
            return float("nan")
        return float(self.function(*(np.concatenate(parts) for parts in zip(*self._batches, strict=True))))


_MAKERS: dict[str, Callable[[], Metric]] = {}


def named(name: str, *more: str, **parameters: Any) -> Callable[[type[M]], type[M]]:
    """Decorator that registers a class of metrics, with some parameters, under a name and its synonyms."""

    def register(kind: type[M]) -> type[M]:
        for each in (name, *more):
            _MAKERS[each] = lambda: kind(**parameters)
        return kind

    return register


def names() -> list[str]:
    """All names that `get` knows.

    Examples
    --------
    >>> "accuracy" in names()
    True
    """
    return list(_MAKERS)


def get(metric: str | Metric | Callable[..., Any]) -> Metric:
    """A fresh metric: of a name, like another one, or of a function ``(prediction, target) -> float``.

    Raises
    ------
    ArgumentError
        For an unknown name, with the nearest known ones, and for what is no metric.

    Examples
    --------
    >>> get("accuracy")
    Accuracy()
    """
    if isinstance(metric, str):
        if metric not in _MAKERS:
            raise ArgumentError(unknown_name("metric", metric, names()))
        return _MAKERS[metric]()
    if isinstance(metric, Metric):
        return metric._replaced()
    if callable(metric) and not isinstance(metric, type):
        return FromFunction(metric)
    what = f"{metric!r} is no metric"
    raise ArgumentError(compose(what, instead="Pass a name, an object of twopass.nn.metrics, or a function."))


def config(metric: str | Metric | Callable[..., Any]) -> Config:
    """A metric as JSON can hold it; `from_config` is the inverse.

    Raises
    ------
    ModelError
        For a function.

    Examples
    --------
    >>> config("f1_macro")
    {'class': 'F1', 'average': 'macro', 'threshold': 0.0}
    """
    return get(metric).config()


def from_config(data: Config) -> Metric:
    """The fresh metric that `config` wrote.

    Raises
    ------
    ModelError
        When it is damaged, or names a class that does not exist.

    Examples
    --------
    >>> from_config({"class": "F1", "average": "macro"}).name
    'f1_macro'
    """
    metric: Metric = Metric.family.from_config(data)
    return metric


def sample_weights(sample_weight: Any, count: int) -> NDArray:
    """The weights of the samples of a batch, in float64.

    Raises
    ------
    ShapeError
        When there are more or fewer.
    ArgumentError
        When one is negative or not finite.
    """
    if sample_weight is None:
        return np.ones(count)
    weight = np.asarray(sample_weight, np.float64)
    if weight.shape != (count,):
        what = f"sample_weight has the shape {weight.shape}, there are {count} samples"
        raise ShapeError(compose(what, instead=f"Give it the shape ({count},)."))
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ArgumentError(compose("sample_weight must be finite and not negative"))
    return weight


def paired(prediction: Any, target: Any) -> tuple[NDArray, NDArray]:
    """Prediction and target of a regression, both of shape (n_samples, n_outputs), in float64.

    Raises
    ------
    ShapeError
        When the shapes differ, except ``(n, 1)`` from ``(n,)``.
    """
    y, t = (np.asarray(values, np.float64) for values in (prediction, target))
    y, t = (values[:, np.newaxis] if values.ndim == 1 else values for values in (y, t))
    if y.shape != t.shape or y.ndim == 0:
        what = f"the prediction has the shape {np.shape(prediction)} and the target {np.shape(target)}"
        raise ShapeError(compose(what, instead="Give each output its own target."))
    columns = (len(y), math.prod(y.shape[1:]))
    return y.reshape(columns), t.reshape(columns)


def truth_and_choice(prediction: Any, target: Any, threshold: float) -> tuple[NDArray, NDArray, int]:
    """The true class and the chosen class of each sample, and the number of classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    ArgumentError
        When a target is no class.
    """
    logits, classes = logits_and_classes(prediction, target)
    chosen = logits.argmax(axis=1) if logits.ndim == 2 else (logits > threshold).astype(np.int64)
    return classes, chosen, logits.shape[1] if logits.ndim == 2 else 2


def logits_and_classes(prediction: Any, target: Any) -> tuple[NDArray, NDArray]:
    """Logits, of shape (n_samples, n_classes) or (n_samples,) for one logit, and the true classes.

    Raises
    ------
    ShapeError
        When the shapes do not fit together.
    ArgumentError
        When a target is no class.
    """
    logits, target = np.asarray(prediction), np.asarray(target)
    if logits.ndim == 2 and logits.shape[1] == 1:
        logits = logits[:, 0]
    if logits.ndim == 2 and target.shape == logits.shape:
        return logits, target.argmax(axis=1)
    classes = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
    if logits.ndim not in (1, 2) or classes.shape != logits.shape[:1]:
        what = f"the prediction has the shape {np.shape(prediction)} and the target {target.shape}"
        instead = "Give logits (n_samples, n_classes), or one logit for two classes, and classes (n_samples,)."
        raise ShapeError(compose(what, instead=instead))
    count = logits.shape[1] if logits.ndim == 2 else 2
    wrong = classes[~((classes >= 0) & (classes < count) & (classes == np.floor(classes)))]
    if wrong.size:
        what = f"the target must be classes from 0 to {count - 1}, got {wrong[0]}"
        raise ArgumentError(compose(what, instead="np.unique(target, return_inverse=True)[1] numbers them."))
    return logits, classes.astype(np.int64)
