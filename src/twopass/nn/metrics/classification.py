"""Metrics for targets that are classes. All take logits, as the losses do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from twopass.checks import Count, Finite
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.metrics.base import Metric, NDArray, logits_and_classes, named, sample_weights, truth_and_choice

__all__ = ["AUC", "F1", "Accuracy", "TopKAccuracy"]


@dataclass
class _Share(Metric, abstract=True):
    """The share of samples of which something is true."""

    _true: float = field(default=0.0, init=False, repr=False, compare=False)
    _all: float = field(default=0.0, init=False, repr=False, compare=False)

    def reset(self) -> None:
        """Forget all samples."""
        self._true = self._all = 0.0

    def _add(self, is_true: NDArray, sample_weight: Any) -> None:
        weight = sample_weights(sample_weight, len(is_true))
        self._true += float(weight @ is_true)
        self._all += float(weight.sum())

    def result(self) -> float:
        """The share, from 0 to 1."""
        return self._true / self._all if self._all else float("nan")


@named("accuracy")
@dataclass
class Accuracy(_Share):
    """The share of samples whose class is predicted.

    Parameters
    ----------
    threshold : float, default 0.0
        A single logit (shape ``(n,)`` or ``(n, 1)``) above it means class 1. For a network that ends in a sigmoid
        write 0.5. Two or more logits: the largest one is chosen, the first among equals.

    Examples
    --------
    >>> accuracy = Accuracy()
    >>> accuracy.update(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0]))
    >>> accuracy.update(np.array([[0.0, 1.0]]), np.array([1]))
    >>> accuracy.result()
    0.6666666666666666
    """

    threshold: Finite = 0.0

    @property
    def name(self) -> str:
        """``"accuracy"``."""
        return "accuracy"

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Count the samples that are right; see `Metric.update`."""
        truth, choice, _ = truth_and_choice(prediction, target, self.threshold)
        self._add(truth == choice, sample_weight)


@named("top_k_accuracy", "top_5_accuracy")
@named("top_3_accuracy", k=3)
@dataclass
class TopKAccuracy(_Share):
    """The share of samples whose class is among the k largest logits.

    A class that ties with others for the k-th place counts as in front of them if its number is smaller.

    Parameters
    ----------
    k : int, default 5
        At least 1.

    Examples
    --------
    >>> top_2 = TopKAccuracy(k=2)
    >>> top_2.update(np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), np.array([1, 2]))
    >>> top_2.result()
    0.5
    """

    k: Count = 5

    @property
    def name(self) -> str:
        """``"top_5_accuracy"`` for k = 5."""
        return f"top_{self.k}_accuracy"

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Count the samples that are nearly right; see `Metric.update`."""
        logits, truth = logits_and_classes(prediction, target)
        if logits.ndim == 1:
            raise ShapeError(compose("top-k accuracy needs a logit for each class", instead='Use "accuracy".'))
        own = np.take_along_axis(logits, truth[:, np.newaxis], axis=1)
        earlier = np.arange(logits.shape[1]) < truth[:, np.newaxis]
        ahead = (logits > own) | ((logits == own) & earlier)
        self._add(ahead.sum(axis=1) < self.k, sample_weight)


@named("f1")
@named("f1_macro", average="macro")
@named("f1_micro", average="micro")
@named("f1_weighted", average="weighted")
@dataclass
class F1(Metric):
    """``2 TP / (2 TP + FP + FN)``: the harmonic mean of precision and recall.

    Parameters
    ----------
    average : {"binary", "macro", "micro", "weighted"}, default "binary"
        Of class 1 of two; the mean over the classes that occur in targets or choices; of the counts of all classes
        together; the mean over the classes weighted by their true samples.
    threshold : float, default 0.0
        A single logit above it means class 1.

    Notes
    -----
    A class that occurs in neither has no value; if that leaves none, the result is 0, as in scikit-learn.

    Examples
    --------
    >>> f1 = F1()
    >>> f1.update(np.array([2.0, 1.0, -1.0]), np.array([1, 0, 1]))
    >>> f1.result()
    0.5
    """

    average: Literal["binary", "macro", "micro", "weighted"] = "binary"
    threshold: Finite = 0.0
    #: Weights of true positives, of chosen and of true samples, for each class.
    _counts: NDArray | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """``"f1"``, or ``"f1_macro"`` and so on."""
        return "f1" if self.average == "binary" else f"f1_{self.average}"

    def reset(self) -> None:
        """Forget all samples."""
        self._counts = None

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Count; see `Metric.update`."""
        truth, choice, classes = truth_and_choice(prediction, target, self.threshold)
        if self.average == "binary" and classes > 2:
            what = f'F1 with average="binary" is for two classes, there are {classes}'
            raise ArgumentError(compose(what, instead='Write "f1_macro", "f1_micro" or "f1_weighted".'))
        weight = sample_weights(sample_weight, len(truth))
        right = np.bincount(truth, weight * (truth == choice), classes)
        counts = np.stack([right, np.bincount(choice, weight, classes), np.bincount(truth, weight, classes)])
        self._counts = counts if self._counts is None else self._counts + counts

    def result(self) -> float:
        """The F1 score, from 0 to 1."""
        if self._counts is None:
            return float("nan")
        counts = self._counts
        if self.average == "binary":
            counts = counts[:, 1:]
        elif self.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        right, chosen, true = counts[:, (counts[1] + counts[2]) > 0]
        if not right.size:
            return 0.0
        scores = 2 * right / (chosen + true)
        return float(np.average(scores, weights=true if self.average == "weighted" and true.any() else None))


@named("auc")
@dataclass
class AUC(Metric):
    """The area under the ROC curve: the probability that a sample of the class scores above one of the others [1]_.

    Exact: ties count one half, and no thresholds are binned, so the scores of the epoch are kept. With one or two
    logits, of class 1; with more, the mean over the classes, each against the rest, by its log-odds.

    Notes
    -----
    A class all of whose samples, or none, belong to it has no value and is left out of the mean; if none has one, the
    result is NaN.

    References
    ----------
    .. [1] J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic
       (ROC) curve", Radiology 143 (1982).

    Examples
    --------
    >>> auc = AUC()
    >>> auc.update(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    >>> auc.result()
    0.75
    """

    _batches: list[tuple[NDArray, ...]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        """``"auc"``."""
        return "auc"

    def reset(self) -> None:
        """Forget all samples."""
        self._batches = []

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None:
        """Keep the scores of a batch; see `Metric.update`."""
        logits, truth = logits_and_classes(prediction, target)
        self._batches.append((_log_odds(logits), truth, sample_weights(sample_weight, len(truth))))

    def result(self) -> float:
        """The area, from 0 to 1."""
        if not self._batches:
            return float("nan")
        scores, truth, weight = (np.concatenate(parts) for parts in zip(*self._batches, strict=True))
        classes = range(scores.shape[1]) if scores.shape[1] > 1 else [1]
        areas = [_area(column, truth == number, weight) for column, number in zip(scores.T, classes, strict=True)]
        defined = [area for area in areas if area is not None]
        return float(np.mean(defined)) if defined else float("nan")


def _log_odds(logits: NDArray) -> NDArray:
    """A column of scores for each class against the rest; only class 1's where there are two."""
    logits = logits.astype(np.float64)
    if logits.ndim == 1:
        return logits[:, np.newaxis]
    if logits.shape[1] == 2:
        return logits[:, 1:] - logits[:, :1]
    rests = [np.logaddexp.reduce(np.delete(logits, number, axis=1), axis=1) for number in range(logits.shape[1])]
    odds: NDArray = logits - np.stack(rests, axis=1)
    return odds


def _area(scores: NDArray, is_positive: NDArray, weight: NDArray) -> float | None:
    """The weight of the pairs in the right order, as a share of all pairs of a positive and a negative sample."""
    _, place = np.unique(scores, return_inverse=True)
    positive, negative = np.bincount(place, weight * is_positive), np.bincount(place, weight * ~is_positive)
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative
    return float(positive @ (below + 0.5 * negative) / pairs) if pairs else None
