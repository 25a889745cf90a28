"""What holds for every metric: each name that is registered must have an example here."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twopass.errors import ArgumentError, ModelError, ShapeError
from twopass.nn import metrics

RNG = np.random.default_rng(0)
N = 40
BITS, CLASSES, REAL = RNG.integers(0, 2, N), RNG.integers(0, 7, N), RNG.standard_normal((N, 2))
LOGIT, LOGITS, GUESS = RNG.standard_normal(N), RNG.standard_normal((N, 7)), REAL + RNG.standard_normal((N, 2))
BINARY, MANY, NUMBERS = (LOGIT, BITS), (LOGITS, CLASSES), (GUESS, REAL)
EXAMPLES: dict[str, tuple[Any, Any]] = {
    "accuracy": MANY,
    **dict.fromkeys(("top_k_accuracy", "top_5_accuracy", "top_3_accuracy"), MANY),
    "f1": BINARY,
    **dict.fromkeys(("f1_macro", "f1_micro", "f1_weighted"), MANY),
    "auc": MANY,
    "r2": NUMBERS,
    **dict.fromkeys(("mean_absolute_error", "mae", "mean_squared_error", "mse"), NUMBERS),
    **dict.fromkeys(("root_mean_squared_error", "rmse"), NUMBERS),
}
EVERY = pytest.mark.parametrize("name", EXAMPLES)


def whole(name: str, prediction: Any, target: Any, weight: Any = None) -> float:
    metric = metrics.get(name)
    metric.update(prediction, target, weight)
    return metric.result()


def test_every_metric_has_an_example() -> None:
    assert set(metrics.names()) == set(EXAMPLES)


@EVERY
@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, N), max_size=4))
def test_batches_make_no_difference(name: str, cuts: list[int]) -> None:
    prediction, target = EXAMPLES[name]
    weight = np.linspace(0, 2, N)
    metric = metrics.get(name)
    for rows in np.split(np.arange(N), sorted(cuts)):
        metric.update(prediction[rows], target[rows], weight[rows])
    assert metric.result() == pytest.approx(whole(name, prediction, target, weight), rel=1e-12)


@EVERY
def test_a_weight_counts_samples(name: str) -> None:
    prediction, target = EXAMPLES[name]
    counts = RNG.integers(0, 3, N)
    repeated = np.repeat(np.arange(N), counts)
    expected = whole(name, prediction[repeated], target[repeated])
    assert whole(name, prediction, target, counts) == pytest.approx(expected)


@EVERY
def test_reset_and_get_start_afresh(name: str) -> None:
    prediction, target = EXAMPLES[name]
    expected = whole(name, prediction[:9], target[:9])
    used = metrics.get(name)
    used.update(prediction, target)
    fresh = metrics.get(used)
    assert type(fresh) is type(used)
    used.reset()
    for metric in (used, fresh):
        assert math.isnan(metric.result())
        metric.update(prediction[:9], target[:9])
        assert metric.result() == expected


@EVERY
def test_what_is_given_stays_as_it_is(name: str) -> None:
    prediction, target = copy.deepcopy(EXAMPLES[name])
    before = whole(name, prediction, target)
    assert type(before) is float
    np.testing.assert_array_equal(prediction, EXAMPLES[name][0])
    metric = metrics.get(name)
    metric.update(prediction, target)
    prediction[:] = 0
    assert metric.result() == before


@EVERY
def test_single_precision(name: str) -> None:
    prediction, target = EXAMPLES[name]
    expected = whole(name, prediction, target)
    assert whole(name, prediction.astype(np.float32), target) == pytest.approx(expected, rel=1e-6)


@EVERY
def test_names_and_direction(name: str) -> None:
    metric = metrics.get(name)
    assert metrics.get(metric.name) == metric
    prediction, target = EXAMPLES[name]
    one_hot = np.eye(7)[CLASSES]
    perfect = {id(LOGIT): 2 * BITS - 1, id(LOGITS): one_hot, id(GUESS): REAL}[id(prediction)]
    best, usual = whole(name, perfect, target), whole(name, prediction, target)
    assert best == pytest.approx(1 if metric.greater_is_better else 0)
    assert (best > usual) == metric.greater_is_better


@EVERY
def test_configuration(name: str) -> None:
    metric = metrics.get(name)
    again = metrics.from_config(json.loads(json.dumps(metrics.config(name))))
    assert again == metric
    assert again.name == metric.name


def test_damaged_configurations() -> None:
    messages = "a configuration of metrics is a dict", "no class of metrics named", "do not make a F1"
    for data, message in zip(({}, {"class": "Metric"}, {"class": "F1", "beta": 2}), messages, strict=True):
        with pytest.raises(ModelError, match=message):
            metrics.from_config(data)
    with pytest.raises(ModelError, match=r"has no name to save it under.* tp\.Trainer\.load\(folder, metrics=\.\.\.\)"):
        metrics.config(lambda prediction, target: 0.0)


@EVERY
def test_shapes_that_do_not_fit(name: str) -> None:
    prediction, target = EXAMPLES[name]
    for p, t in ((prediction[:-1], target), (prediction, target[:-1]), (prediction[..., None, None], target)):
        with pytest.raises(ShapeError):
            metrics.get(name).update(p, t)


@EVERY
def test_bad_weights(name: str) -> None:
    prediction, target = EXAMPLES[name]
    with pytest.raises(ShapeError, match="sample_weight has the shape"):
        metrics.get(name).update(prediction, target, np.ones(N + 1))
    with pytest.raises(ArgumentError, match="finite and not negative"):
        metrics.get(name).update(prediction, target, np.full(N, -1))


def test_messages() -> None:
    with pytest.raises(ArgumentError, match=r"no metric named 'acuracy'.*Did you mean 'accuracy'"):
        metrics.get("acuracy")
    with pytest.raises(ArgumentError, match="3 is no metric"):
        metrics.get(3)
    with pytest.raises(ArgumentError, match=r"Accuracy.* is no metric"):
        metrics.get(metrics.Accuracy)


class TestFromFunction:
    def test_sees_all_samples_at_once(self) -> None:
        def largest(prediction: Any, target: Any) -> Any:
            return np.max(np.abs(prediction - target))

        metric = metrics.get(largest)
        assert metric.name == "largest"
        metric.update(GUESS[:30], REAL[:30])
        metric.update(GUESS[30:], REAL[30:])
        assert metric.result() == np.max(np.abs(GUESS - REAL))
        metric.reset()
        assert math.isnan(metric.result())

    def test_weights(self) -> None:
        metric = metrics.FromFunction(lambda y, t, w: float(np.average(np.abs(y - t), weights=w)), False)
        weight = RNG.random(N)
        metric.update(LOGIT[:10], BITS[:10], weight[:10])
        metric.update(LOGIT[10:], BITS[10:], weight[10:])
        assert metric.result() == pytest.approx(whole("mae", LOGIT, BITS, weight))
        assert metrics.get(metric).greater_is_better is False
