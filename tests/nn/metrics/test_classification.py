from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from twopass import nn
from twopass.errors import ArgumentError, ShapeError
from twopass.nn.metrics import AUC, F1, Accuracy, TopKAccuracy

RNG = np.random.default_rng(0)
N = 200
LOGITS, CLASSES = RNG.standard_normal((N, 7)), RNG.integers(0, 7, N)
LOGIT, BITS = RNG.standard_normal(N), RNG.integers(0, 2, N)
WEIGHT = RNG.random(N)
WEIGHTED = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])


def value(metric: Any, prediction: Any, target: Any, weight: Any = None) -> float:
    metric.update(prediction, target, weight)
    return float(metric.result())


@WEIGHTED
class TestAgainstScikitLearn:
    def test_accuracy(self, weight: Any) -> None:
        expected = sklearn.metrics.accuracy_score(CLASSES, LOGITS.argmax(axis=1), sample_weight=weight)
        for target in (CLASSES, CLASSES[:, None], np.eye(7)[CLASSES], CLASSES.astype(float)):
            assert value(Accuracy(), LOGITS, target, weight) == pytest.approx(expected)

    def test_binary_accuracy(self, weight: Any) -> None:
        expected = sklearn.metrics.accuracy_score(BITS, LOGIT > 0, sample_weight=weight)
        for prediction in (LOGIT, LOGIT[:, None], np.stack([-LOGIT, LOGIT], axis=1)):
            assert value(Accuracy(), prediction, BITS, weight) == pytest.approx(expected)
        assert value(Accuracy(), LOGIT[:, None], BITS[:, None] > 0, weight) == pytest.approx(expected)

    @pytest.mark.parametrize("k", [1, 2, 5, 6])
    def test_top_k(self, weight: Any, k: int) -> None:
        expected = sklearn.metrics.top_k_accuracy_score(CLASSES, LOGITS, k=k, sample_weight=weight)
        assert value(TopKAccuracy(k), LOGITS, CLASSES, weight) == pytest.approx(expected)

    @pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
    def test_f1(self, weight: Any, average: str) -> None:
        for rows in (np.arange(N), np.flatnonzero(CLASSES < 3), np.arange(3)):
            y, t, w = LOGITS[rows], CLASSES[rows], None if weight is None else weight[rows]
            expected = sklearn.metrics.f1_score(t, y.argmax(axis=1), average=average, sample_weight=w)
            assert value(F1(average), y, t, w) == pytest.approx(expected)

    def test_binary_f1(self, weight: Any) -> None:
        expected = sklearn.metrics.f1_score(BITS, LOGIT > 0, sample_weight=weight)
        for prediction in (LOGIT, LOGIT[:, None], np.stack([-LOGIT, LOGIT], axis=1)):
            assert value(F1(), prediction, BITS, weight) == pytest.approx(expected)

    def test_auc(self, weight: Any) -> None:
        for scores in (LOGIT, LOGIT.round(0), np.zeros(N)):
            expected = sklearn.metrics.roc_auc_score(BITS, scores, sample_weight=weight)
            for prediction in (scores, scores[:, None], np.stack([-scores, scores], axis=1)):
                assert value(AUC(), prediction, BITS, weight) == pytest.approx(expected)

    def test_auc_of_many_classes(self, weight: Any) -> None:
        expected = np.mean(
            [
                sklearn.metrics.roc_auc_score(
                    c == CLASSES, scipy.special.softmax(LOGITS, axis=1)[:, c], sample_weight=weight
                )
                for c in range(7)
            ]
        )
        assert value(AUC(), LOGITS, CLASSES, weight) == pytest.approx(expected)
        if weight is None:
            p = scipy.special.softmax(LOGITS, axis=1)
            assert expected == pytest.approx(sklearn.metrics.roc_auc_score(CLASSES, p, multi_class="ovr"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 3)), min_size=1, max_size=30))
def test_auc_counts_pairs(rows: list[tuple[int, bool, int]]) -> None:
    wins = pairs = 0.0
    for score, truth, weight in rows:
        for other_score, other_truth, other_weight in rows:
            if truth and not other_truth:
                pairs += weight * other_weight
                wins += weight * other_weight * ((score > other_score) + 0.5 * (score == other_score))
    score, truth, weight = (np.array(column) for column in zip(*rows, strict=True))
    got = value(AUC(), score, truth.astype(int), weight)
    assert got == pytest.approx(wins / pairs) if pairs else math.isnan(got)


def test_auc_does_not_saturate() -> None:
    """The probabilities of all these round to 0 or 1, and would be ties."""
    logits = np.array([[100.0, 0, 0], [90, 0, 0], [80, 0, 0], [70, 0, 0]])
    assert value(AUC(), logits, np.array([0, 0, 1, 1])) == 1


def test_auc_of_one_class_is_not_defined() -> None:
    assert math.isnan(value(AUC(), LOGIT, np.ones(N, int)))
    with_absent_class = value(AUC(), LOGITS, CLASSES % 6)
    areas = [sklearn.metrics.roc_auc_score(c == CLASSES % 6, nn.softmax(LOGITS)[:, c]) for c in range(6)]
    assert with_absent_class == pytest.approx(np.mean(areas))


def test_thresholds() -> None:
    p = scipy.special.expit(LOGIT)
    assert value(Accuracy(threshold=0.5), p, BITS) == value(Accuracy(), LOGIT, BITS)
    assert value(F1(threshold=0.5), p, BITS) == value(F1(), LOGIT, BITS)


def test_ties_count_for_the_first_class() -> None:
    tied = np.zeros((1, 4))
    assert [value(Accuracy(), tied, np.array([c])) for c in range(4)] == [1, 0, 0, 0]
    assert [value(TopKAccuracy(2), tied, np.array([c])) for c in range(4)] == [1, 1, 0, 0]


def test_f1_without_positives_is_zero() -> None:
    assert value(F1(), np.full(5, -1.0), np.zeros(5, int)) == 0
    assert value(F1("weighted"), LOGITS, CLASSES, np.zeros(N)) == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Accuracy(threshold=np.nan), "threshold must be a number"),
        (lambda: TopKAccuracy(0), r"k must be a whole number in \[1, inf\)"),
        (lambda: F1("mean"), "average must be one of"),
        (lambda: value(F1(), LOGITS, CLASSES), 'Write "f1_macro"'),
        (lambda: value(Accuracy(), LOGITS, CLASSES + 1), "classes from 0 to 6, got 7"),
        (lambda: value(Accuracy(), LOGIT, 2 * BITS - 1), "classes from 0 to 1, got -1"),
        (lambda: value(Accuracy(), LOGIT, BITS + 0.5), "classes from 0 to 1"),
    ],
)
def test_bad_values(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_top_k_needs_classes() -> None:
    with pytest.raises(ShapeError, match="needs a logit for each class"):
        TopKAccuracy().update(LOGIT, BITS)
