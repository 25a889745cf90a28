"""What a network is worth: beside simple predictions, and without each of its columns."""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np

from twopass import nn
from twopass.cli.model import Array, Fitted, quality, without_vectors
from twopass.cli.source import Samples
from twopass.data.targets import Category, Target

__all__ = ["baselines", "importances"]

_LINEAR_ROWS = 50_000  # a linear model learns nothing more from more
_JUDGED_ROWS = 5_000
_REPEATS = 3


def baselines(samples: Samples, seed: int, class_weight: str | None = None) -> dict[str, dict[str, float]]:
    """How good two simple predictions are for the test rows.

    The most frequent class or the mean; and scikit-learn's linear model on the same inputs, when it is installed.
    """
    target, y = samples.encoder.target, samples.test[1]
    found = {_simplest(target): quality(target, _constant(target, samples.train[1], len(y)), y)}
    if importlib.util.find_spec("sklearn") is not None:
        found["linear model"] = quality(target, _linear(target, samples, seed, class_weight), y)
    return found


def _simplest(target: Target) -> str:
    return "most frequent class" if isinstance(target, Category) else "mean"


def _constant(target: Target, y: Array, count: int) -> Array:
    if isinstance(target, Category):
        outputs: Array = np.tile(np.bincount(y, minlength=target.size).astype(np.float64), (count, 1))
        return outputs
    return np.full(count, y.mean(dtype=np.float64))


def _linear(target: Target, samples: Samples, seed: int, class_weight: str | None) -> Array:
    """The outputs of scikit-learn's linear model."""
    from sklearn.linear_model import LogisticRegression, Ridge

    x, y = samples.train
    if len(x) > _LINEAR_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(x), _LINEAR_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    if isinstance(target, Category) and len(np.unique(y)) < 2:
        return _constant(target, y, len(samples.test[1]))
    x, x_test = (without_vectors(samples.encoder, own) for own in (x, samples.test[0]))
    if not isinstance(target, Category):
        outputs: Array = Ridge().fit(x, y).predict(x_test)
        return outputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model = LogisticRegression(max_iter=200, class_weight=class_weight).fit(x, y)
    found = model.decision_function(x_test)
    logits = np.full((len(found), target.size), -np.inf if target.size > 2 else 0.0)
    columns = found if found.ndim == 2 else np.stack([-found / 2, found / 2], axis=1)
    logits[:, model.classes_] = columns
    limited: Array = np.maximum(logits, -1e300)
    return limited


def importances(fitted: Fitted, samples: Samples, seed: int) -> dict[str, float]:
    """How much worse the test rows are predicted when the values of a column are exchanged among them.

    What is added to the cross-entropy of classes, or lost of R2, in the mean of three exchanges; the most important
    column first. Breiman, Random Forests (2001), section 10.
    """
    rng = np.random.default_rng(seed)
    x, y = samples.test
    if len(x) > _JUDGED_ROWS:
        chosen = np.sort(rng.choice(len(x), _JUDGED_ROWS, replace=False))
        x, y = x[chosen], y[chosen]
    target = fitted.encoder.target
    whole, changed = _score(target, fitted.outputs(x), y), np.array(x)
    found, start = {}, 0
    for feature in fitted.encoder.features:
        own = slice(start, start + feature.size)
        start += feature.size
        scores = []
        for _ in range(_REPEATS):
            changed[:, own] = x[rng.permutation(len(x)), own]
            scores.append(_score(target, fitted.outputs(changed), y))
        changed[:, own] = x[:, own]
        found[feature.name] = whole - float(np.mean(scores))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _score(target: Target, outputs: Any, y: Array) -> float:
    """How good outputs are; larger is better. Accuracies of few rows would be coarse."""
    if isinstance(target, Category):
        return -float(nn.softmax_cross_entropy(outputs, y))
    return quality(target, outputs, y)["R2"]
