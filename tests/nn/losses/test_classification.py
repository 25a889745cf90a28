from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import scipy.special
import sklearn.metrics

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, ShapeError

RNG = np.random.default_rng(0)
LOGITS, CLASSES, W = 3 * RNG.standard_normal((60, 4)), RNG.integers(0, 4, 60), RNG.random(60)
P = scipy.special.softmax(LOGITS, axis=1)
ONE_HOT = np.eye(4)[CLASSES]
LOGIT, BITS = 3 * RNG.standard_normal(60), RNG.integers(0, 2, 60)


class TestSoftmaxCrossEntropy:
    def test_against_scikit_learn(self) -> None:
        assert nn.softmax_cross_entropy(LOGITS, CLASSES) == pytest.approx(sklearn.metrics.log_loss(CLASSES, P))
        weighted = sklearn.metrics.log_loss(CLASSES, P, sample_weight=W)
        assert nn.softmax_cross_entropy(LOGITS, CLASSES, sample_weight=W) == pytest.approx(weighted)

    def test_gradient_is_softmax_minus_target(self) -> None:
        gradient = tp.grad(lambda x: nn.softmax_cross_entropy(x, CLASSES, reduction="sum"))(LOGITS)
        np.testing.assert_allclose(gradient, P - ONE_HOT, atol=1e-14)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_extreme_logits(self, dtype: Any) -> None:
        x = np.array([[1e4, -1e4, 0], [1e4, -1e4, 0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], dtype)
        target = np.array([0, 1, 2, 0])
        each = nn.softmax_cross_entropy(x, target, reduction="none")
        np.testing.assert_allclose(each, [0, 2e4, np.log(3), np.log(3)], rtol=1e-6)
        assert not np.signbit(each).any()
        gradient = tp.grad(lambda x: nn.softmax_cross_entropy(x, target, reduction="sum"))(x)
        third = 1 / 3
        expected = [[0, 0, 0], [1, -1, 0], [third, third, third - 1], [third - 1, third, third]]
        np.testing.assert_allclose(gradient, expected, atol=1e-6)

    def test_distributions(self) -> None:
        shares = RNG.dirichlet(np.ones(4), 60)
        expected = -np.sum(shares * np.log(P), axis=1)
        np.testing.assert_allclose(nn.softmax_cross_entropy(LOGITS, shares, reduction="none"), expected)
        assert nn.softmax_cross_entropy(LOGITS, ONE_HOT) == nn.softmax_cross_entropy(LOGITS, CLASSES)

    def test_label_smoothing(self) -> None:
        smooth = 0.9 * ONE_HOT + 0.1 / 4
        expected = nn.softmax_cross_entropy(LOGITS, smooth)
        assert nn.softmax_cross_entropy(LOGITS, CLASSES, label_smoothing=0.1) == pytest.approx(expected)

    def test_class_weights_are_sample_weights(self) -> None:
        weights = np.array([0.5, 1, 2, 0])
        expected = nn.softmax_cross_entropy(LOGITS, CLASSES, sample_weight=W * weights[CLASSES])
        for target in (CLASSES, ONE_HOT):
            got = nn.softmax_cross_entropy(LOGITS, target, class_weight=weights, sample_weight=W)
            assert got == pytest.approx(expected)

    def test_more_axes(self) -> None:
        logits, classes = LOGITS.reshape(12, 5, 4), CLASSES.reshape(12, 5)
        each = nn.softmax_cross_entropy(logits, classes, reduction="none")
        np.testing.assert_allclose(each.ravel(), nn.softmax_cross_entropy(LOGITS, CLASSES, reduction="none"))
        rows = nn.softmax_cross_entropy(logits, classes, sample_weight=W[:12])
        assert rows == pytest.approx(np.average(each.mean(axis=1), weights=W[:12]))

    def test_kinds_of_classes(self) -> None:
        expected = nn.softmax_cross_entropy(LOGITS[:, :2], BITS)
        for target in (BITS.astype(np.uint8), BITS.astype(bool), BITS[:, None], BITS.tolist()):
            assert nn.softmax_cross_entropy(LOGITS[:, :2], target) == expected

    @pytest.mark.parametrize(
        ("logits", "target", "error", "message"),
        [
            (LOGITS, CLASSES + 1, ArgumentError, "must be classes from 0 to 3, got 4"),
            (LOGITS, CLASSES - 1, ArgumentError, "must be classes from 0 to 3, got -1"),
            (LOGITS, CLASSES.astype(float), ArgumentError, r"Classes are integers.*target\.astype\(int\)"),
            (LOGITS, np.array(["a"] * 60), ArgumentError, "return_inverse=True"),
            (LOGITS, ONE_HOT.astype(int), ShapeError, "one-hot rows must be floats"),
            (LOGITS, 2 * ONE_HOT, ArgumentError, "does not sum to 1"),
            (LOGITS, ONE_HOT - 0.5, ArgumentError, "negative share"),
            (LOGITS, CLASSES[:-1], ShapeError, r"target has the shape \(59,\), the logits have \(60, 4\)"),
            (LOGITS[:, :1], BITS, ShapeError, "For one logit use binary_cross_entropy"),
        ],
    )
    def test_bad_targets(self, logits: Any, target: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            nn.softmax_cross_entropy(logits, target)

    def test_bad_parameters(self) -> None:
        with pytest.raises(ArgumentError, match=r"label_smoothing must be a number in \[0, 1\)"):
            nn.softmax_cross_entropy(LOGITS, CLASSES, label_smoothing=1.0)
        with pytest.raises(ShapeError, match=r"class_weight has the shape \(3,\), there are 4 classes"):
            nn.softmax_cross_entropy(LOGITS, CLASSES, class_weight=[1, 2, 3])
        with pytest.raises(ArgumentError, match="class_weight must be an array"):
            nn.softmax_cross_entropy(LOGITS, CLASSES, class_weight={0: 1, 1: 2, 2: 3, 3: 4})


class TestBinaryCrossEntropy:
    def test_against_scikit_learn(self) -> None:
        p = scipy.special.expit(LOGIT)
        assert nn.binary_cross_entropy(LOGIT, BITS) == pytest.approx(sklearn.metrics.log_loss(BITS, p))

    def test_is_softmax_of_two_classes(self) -> None:
        two = np.stack([np.zeros(60), LOGIT], axis=1)
        for parameters in ({}, {"label_smoothing": 0.2}, {"class_weight": [1, 3]}, {"sample_weight": W}):
            expected = nn.softmax_cross_entropy(two, BITS, **parameters)
            assert nn.binary_cross_entropy(LOGIT, BITS, **parameters) == pytest.approx(expected)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_extreme_logits(self, dtype: Any) -> None:
        x = np.array([1e4, -1e4, 1e4, -1e4, 50, -50, 0, 0], dtype)
        target = np.array([1, 0, 0, 1, 1, 0, 0, 1])
        each = nn.binary_cross_entropy(x, target, reduction="none")
        tail = np.exp(-50)
        np.testing.assert_allclose(each, [0, 0, 1e4, 1e4, tail, tail, np.log(2), np.log(2)], rtol=1e-6)
        gradient = tp.grad(lambda x: nn.binary_cross_entropy(x, target, reduction="sum"))(x)
        np.testing.assert_allclose(gradient, [0, 0, 1, -1, -tail, tail, 0.5, -0.5], rtol=1e-6)

    @pytest.mark.parametrize("bad", [-1, 2, 1.01])
    def test_bad_targets(self, bad: float) -> None:
        with pytest.raises(ArgumentError, match=r"0 or 1 or between.*\(target \+ 1\) / 2"):
            nn.binary_cross_entropy(LOGIT, np.full(60, bad))


class TestHinge:
    def test_against_scikit_learn(self) -> None:
        assert nn.hinge(LOGIT, BITS) == pytest.approx(sklearn.metrics.hinge_loss(BITS, LOGIT))

    def test_gradient_at_the_kink(self) -> None:
        gradient = tp.grad(lambda x: nn.hinge(x, np.array([1, 1, 1, 0]), reduction="sum"))(np.array([0.9, 1, 2, -1]))
        np.testing.assert_array_equal(gradient, [-1, 0, 0, 0])

    def test_labels_are_zero_and_one(self) -> None:
        with pytest.raises(ArgumentError, match=r"must be 0 or 1, got -1.*\(target > 0\)\.astype\(int\)"):
            nn.hinge(LOGIT, 2 * BITS - 1)


class TestFocal:
    def test_formula(self) -> None:
        p = scipy.special.expit(LOGIT)
        true, alpha = np.where(BITS, p, 1 - p), np.where(BITS, 0.25, 0.75)
        np.testing.assert_allclose(
            nn.focal(LOGIT, BITS, reduction="none"), -alpha * (1 - true) ** 2 * np.log(true), rtol=1e-12
        )

    def test_without_focus_is_the_cross_entropy(self) -> None:
        assert nn.focal(LOGIT, BITS, gamma=0, alpha=None) == pytest.approx(nn.binary_cross_entropy(LOGIT, BITS))

    @pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_gradient_where_all_is_right(self, gamma: float, dtype: Any) -> None:
        loss = functools.partial(nn.focal, gamma=gamma, alpha=None, reduction="sum")
        value, gradient = tp.value_and_grad(lambda x: loss(x, np.array([1, 0, 1, 0])))(
            np.array([1e4, -1e4, -1e4, 1e4], dtype)
        )
        assert value == 2e4
        np.testing.assert_allclose(gradient, [0, 0, -1, 1])

    def test_bad_parameters(self) -> None:
        with pytest.raises(ArgumentError, match="gamma must be a number in"):
            nn.focal(LOGIT, BITS, gamma=-1)
        with pytest.raises(ArgumentError, match="alpha must be a number in"):
            nn.focal(LOGIT, BITS, alpha=1)
        with pytest.raises(ArgumentError, match=r"must be 0 or 1, got 0\.5"):
            nn.focal(LOGIT, np.full(60, 0.5))


def test_class_weights_of_binary_losses() -> None:
    for loss in (nn.binary_cross_entropy, nn.hinge, nn.focal):
        expected = loss(LOGIT, BITS, sample_weight=np.where(BITS, 3.0, 0.5))
        assert loss(LOGIT, BITS, class_weight=[0.5, 3.0]) == pytest.approx(expected)
        with pytest.raises(ShapeError, match="there are 2 classes"):
            loss(LOGIT, BITS, class_weight=[1, 2, 3])
