"""What holds for every loss: each one that is registered must have an example here."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, ShapeError
from twopass.nn import losses

RNG = np.random.default_rng(0)
N = 7


@dataclass
class Case:
    """A loss with data that it accepts."""

    loss: Callable[..., Any]
    outputs: tuple[int, ...]  # of one sample
    target: Any
    unbounded: bool = False  # whether it is infinite for large predictions, rightly

    @property
    def name(self) -> str:
        return getattr(self.loss, "__name__", None) or self.loss.func.__name__

    def prediction(self, dtype: Any = np.float64) -> Any:
        return 2 * np.random.default_rng(1).standard_normal((N, *self.outputs)).astype(dtype)


REAL, BITS, CLASSES = RNG.standard_normal(N), RNG.integers(0, 2, N), RNG.integers(0, 3, N)
SHARES = RNG.dirichlet(np.ones(3), N)
CASES = [
    Case(nn.mean_squared_error, (), REAL),
    Case(nn.mean_squared_error, (1,), REAL),
    Case(nn.mean_squared_error, (2,), RNG.integers(0, 9, (N, 2))),
    Case(nn.mean_absolute_error, (), REAL),
    Case(nn.huber, (2,), RNG.standard_normal((N, 2))),
    Case(functools.partial(nn.huber, delta=0.3), (), REAL),
    Case(nn.log_cosh, (1,), REAL),
    Case(nn.poisson, (), RNG.poisson(2, N), unbounded=True),
    Case(nn.gaussian_nll, (2,), REAL, unbounded=True),
    Case(nn.gaussian_nll, (4,), RNG.standard_normal((N, 2)), unbounded=True),
    Case(nn.pinball, (), REAL),
    Case(functools.partial(nn.pinball, quantile=[0.1, 0.5, 0.9]), (3,), REAL),
    Case(nn.softmax_cross_entropy, (3,), CLASSES),
    Case(nn.softmax_cross_entropy, (3,), SHARES),
    Case(nn.softmax_cross_entropy, (4, 3), RNG.integers(0, 3, (N, 4))),
    Case(functools.partial(nn.softmax_cross_entropy, label_smoothing=0.2, class_weight=[1, 2, 3]), (3,), CLASSES),
    Case(functools.partial(nn.softmax_cross_entropy, label_smoothing=0.2, class_weight=[1, 2, 3]), (3,), SHARES),
    Case(nn.binary_cross_entropy, (1,), BITS),
    Case(nn.binary_cross_entropy, (), RNG.random(N)),
    Case(functools.partial(nn.binary_cross_entropy, label_smoothing=0.2, class_weight=[1, 3]), (), BITS),
    Case(nn.hinge, (), BITS),
    Case(nn.focal, (2,), RNG.integers(0, 2, (N, 2))),
    Case(functools.partial(nn.focal, gamma=0.5, alpha=None, class_weight=[1, 3]), (), BITS),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def test_every_loss_has_a_case() -> None:
    built_in = {name for name in losses.names() if losses.get(name).__module__.startswith(losses.__name__)}
    assert {case.name for case in CASES} == built_in
    assert built_in <= set(losses.__all__)


@EVERY
@DTYPES
def test_dtype_is_the_predictions(case: Case, dtype: Any) -> None:
    prediction, weight = case.prediction(dtype), RNG.random(N)
    for reduction in ("mean", "sum", "none"):
        assert case.loss(prediction, case.target, reduction=reduction).dtype == dtype
        assert case.loss(prediction, case.target, sample_weight=weight, reduction=reduction).dtype == dtype


@EVERY
def test_reductions_agree(case: Case) -> None:
    prediction = case.prediction()
    for weight in (None, RNG.random(N)):
        each, total, mean = (
            case.loss(prediction, case.target, sample_weight=weight, reduction=reduction)
            for reduction in ("none", "sum", "mean")
        )
        assert each.shape[0] == N
        assert total == pytest.approx(each.sum())
        assert mean * losses.normaliser(case.loss, case.target, weight) == pytest.approx(total)


@EVERY
def test_weights_count_samples(case: Case) -> None:
    """A weight of k is as k copies, and a weight of 0 as none."""
    counts = np.array([1, 0, 3, 1, 2, 0, 1])
    prediction, repeated = case.prediction(), np.repeat(np.arange(N), counts)
    weighted = case.loss(prediction, case.target, sample_weight=counts)
    assert weighted == pytest.approx(case.loss(prediction[repeated], case.target[repeated]))


@EVERY
def test_lists_are_arrays(case: Case) -> None:
    prediction = case.prediction()
    expected = case.loss(prediction, case.target)
    assert case.loss(prediction.tolist(), case.target.tolist(), sample_weight=[1.0] * N) == pytest.approx(expected)


@EVERY
def test_no_weight_at_all_is_no_loss(case: Case) -> None:
    prediction = case.prediction()
    assert case.loss(prediction, case.target, sample_weight=np.zeros(N)) == 0
    gradient = tp.grad(lambda p: case.loss(p, case.target, sample_weight=np.zeros(N)))(prediction)
    np.testing.assert_array_equal(gradient, 0)


@EVERY
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_an_epoch_is_exact(case: Case, seed: int) -> None:
    random = np.random.default_rng(seed)
    prediction, weight = case.prediction(), random.random(N)
    batches = np.split(random.permutation(N), np.sort(random.choice(np.arange(1, N), 2, replace=False)))
    parts = [
        (
            case.loss(prediction[rows], case.target[rows], sample_weight=weight[rows]),
            losses.normaliser(case.loss, case.target[rows], weight[rows]),
        )
        for rows in batches
    ]
    whole = case.loss(prediction, case.target, sample_weight=weight)
    assert sum(mean * n for mean, n in parts) / sum(n for _, n in parts) == pytest.approx(whole)


@EVERY
def test_gradient(case: Case) -> None:
    prediction, weight = case.prediction(), RNG.random(N)

    def loss(p: Any) -> Any:
        return case.loss(p, case.target, sample_weight=weight)

    value, gradient = tp.value_and_grad(loss)(prediction)
    assert value == pytest.approx(loss(prediction))
    assert gradient.shape == prediction.shape
    np.testing.assert_allclose(gradient, tp.finite_difference(loss)(prediction), rtol=1e-6, atol=1e-9)


#: Functions of the absolute error, in which a complex step has no meaning.
NOT_ANALYTIC = {"mean_absolute_error", "huber", "log_cosh", "pinball"}


@pytest.mark.parametrize("case", [case for case in CASES if case.name not in NOT_ANALYTIC], ids=lambda case: case.name)
def test_complex_steps(case: Case) -> None:
    prediction, weight = case.prediction(), RNG.random(N)

    def loss(p: Any) -> Any:
        return case.loss(p, case.target, sample_weight=weight)

    steps = tp.finite_difference(loss, method="complex-step")(prediction)
    np.testing.assert_allclose(steps, tp.grad(loss)(prediction), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("argnum", [1, 2])
def test_complex_steps_of_targets_and_weights(argnum: int) -> None:
    def loss(p: Any, t: Any, w: Any) -> Any:
        return nn.mean_squared_error(p, t, sample_weight=w)

    arguments = REAL[::-1].copy(), REAL, RNG.random(N)
    steps = tp.finite_difference(loss, argnum, method="complex-step")(*arguments)
    np.testing.assert_allclose(steps, tp.grad(loss, argnum)(*arguments), rtol=1e-12, atol=1e-15)


@EVERY
@DTYPES
def test_large_predictions(case: Case, dtype: Any) -> None:
    """No overflow, in the value or the gradient, for logits of ±1e4 (warnings are errors here)."""
    size = 30 if case.unbounded else 1e4
    signs = np.where(np.random.default_rng(2).random((N, *case.outputs)) < 0.5, -1, 1)
    prediction = (size * signs).astype(dtype)
    value, gradient = tp.value_and_grad(lambda p: case.loss(p, case.target))(prediction)
    exact = case.loss(prediction.astype(np.float64), case.target)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert gradient.dtype == dtype
    assert value == pytest.approx(float(exact), rel=1e-5)


@EVERY
def test_nan_is_never_hidden(case: Case) -> None:
    prediction = case.prediction()
    prediction[3] = np.nan
    assert np.isnan(case.loss(prediction, case.target))


@EVERY
def test_configuration(case: Case) -> None:
    data = json.loads(json.dumps(losses.config(case.loss)))
    again = losses.from_config(data)
    assert again(case.prediction(), case.target) == case.loss(case.prediction(), case.target)
    assert losses.config(again) == data


@EVERY
def test_shapes_never_broadcast(case: Case) -> None:
    prediction = case.prediction()
    wrong = [prediction[:-1], prediction[..., np.newaxis, np.newaxis], np.zeros((N, 17)), np.zeros((N, N))]
    takes_any_number_of_logits = case.name == "softmax_cross_entropy" and case.target.shape == (N,)
    for p in wrong[:2] if takes_any_number_of_logits else wrong:
        with pytest.raises((ShapeError, ArgumentError)):
            case.loss(p, case.target)


@EVERY
def test_bad_weights(case: Case) -> None:
    prediction = case.prediction()
    for bad, error in (
        (np.ones(N + 1), ShapeError),
        (np.ones((N, 1, 1)), ShapeError),
        (1.0, ShapeError),
        (np.full(N, -1.0), ArgumentError),
        (np.full(N, np.nan), ArgumentError),
        (["a"] * N, ArgumentError),
    ):
        with pytest.raises(error, match="sample_weight"):
            case.loss(prediction, case.target, sample_weight=bad)


@EVERY
def test_bad_reduction(case: Case) -> None:
    with pytest.raises(ArgumentError, match="reduction must be one of"):
        case.loss(case.prediction(), case.target, reduction="average")


@EVERY
def test_no_samples(case: Case) -> None:
    with pytest.raises(ShapeError, match="no samples"):
        case.loss(case.prediction()[:0], case.target[:0])
    assert case.loss(case.prediction()[:0], case.target[:0], reduction="sum") == 0


class TestOwnLoss:
    def test_counts_samples(self) -> None:
        assert losses.normaliser(lambda prediction, target: 0.0, np.zeros((5, 2)), np.ones(5)) == 5

    def test_has_no_configuration_without_a_name(self) -> None:
        def own(prediction: Any, target: Any) -> Any:
            return np.mean(np.abs(prediction - target) ** 3)

        assert losses.get(own) is own
        losses.register("cubic of tests", own)
        assert losses.config(own) == "cubic of tests"

    def test_unknown_name(self) -> None:
        with pytest.raises(ArgumentError, match="no loss named 'mse'"):
            losses.get("mse")
