"""Schedules: formulas in scalar Python, PyTorch's where it is installed, and laws over all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twopass as tp
from twopass import optim
from twopass.errors import ArgumentError, ModelError
from twopass.optim import schedules

STEPS = 60


def restarting(t: int) -> float:
    start, length = 0, 5
    while t >= start + length:
        start, length = start + length, 3 * length
    return 0.01 + (0.1 - 0.01) * (1 + math.cos(math.pi * (t - start) / length)) / 2


def one_cycle(t: int) -> float:
    start, top, end = 0.1 / 25, 0.3 * 50 - 1, 0.1 / 25 / 1e4
    if t <= top:
        return 0.1 + (start - 0.1) * (1 + math.cos(math.pi * t / top)) / 2
    share = min((t - top) / (50 - 1 - top), 1.0)
    return end + (0.1 - end) * (1 + math.cos(math.pi * share)) / 2


#: By name: a schedule, and the rate at step t.
REFERENCES: dict[str, tuple[Any, Callable[[int], float]]] = {
    "constant": (schedules.constant(0.1), lambda t: 0.1),
    "step_decay": (schedules.step_decay(0.1, factor=0.5, every=7), lambda t: 0.1 * 0.5 ** (t // 7)),
    "piecewise_constant": (
        schedules.piecewise_constant((10, 20), (0.1, 0.02, 0.3)),
        lambda t: 0.1 if t < 10 else 0.02 if t < 20 else 0.3,
    ),
    "exponential_decay": (schedules.exponential_decay(0.1, factor=0.9, steps=3), lambda t: 0.1 * 0.9 ** (t / 3)),
    "inverse_scaling": (schedules.inverse_scaling(0.1, power=0.7, steps=4), lambda t: 0.1 / (1 + t / 4) ** 0.7),
    "polynomial_decay": (
        schedules.polynomial_decay(0.1, steps=40, power=2, final=0.01),
        lambda t: 0.01 + 0.09 * (1 - min(t, 40) / 40) ** 2,
    ),
    "cosine_decay": (
        schedules.cosine_decay(0.1, steps=40, final=0.01),
        lambda t: 0.01 + 0.09 * (1 + math.cos(math.pi * min(t, 40) / 40)) / 2,
    ),
    "cosine_restarts": (schedules.cosine_restarts(0.1, steps=5, multiplier=3, final=0.01), restarting),
    "warmup": (
        schedules.warmup(schedules.exponential_decay(0.1, 0.9), steps=5),
        lambda t: 0.1 * (t + 1) / 5 if t < 5 else 0.1 * 0.9 ** (t - 5),
    ),
    "one_cycle": (schedules.one_cycle(0.1, steps=50), one_cycle),
}
named = pytest.mark.parametrize(("schedule", "formula"), REFERENCES.values(), ids=REFERENCES)


def test_every_schedule_has_a_reference() -> None:
    found = {cls.__name__ for cls in schedules.Schedule.__subclasses__() if cls.__module__ == schedules.__name__}
    assert found == set(REFERENCES) == set(schedules.__all__) - {"Schedule"}


@named
def test_formula(schedule: Any, formula: Any) -> None:
    expected = [formula(t) for t in range(STEPS)]
    np.testing.assert_allclose([schedule(t) for t in range(STEPS)], expected, rtol=1e-13, atol=1e-18)


@named
def test_steps_may_be_numbers_or_arrays_of_any_kind(schedule: Any, formula: Any) -> None:
    together = schedule(np.arange(STEPS))
    assert together.shape == (STEPS,)
    for t in (0, 7, 59):
        for step in (t, np.int64(t), np.array(t), np.array(t, np.int32)):
            assert float(schedule(step)) == together[t]


@named
def test_rates_are_positive_or_zero_and_finite(schedule: Any, formula: Any) -> None:
    rates = schedule(np.arange(10_000))
    assert np.all(np.isfinite(rates))
    assert np.all(rates >= 0)


@named
def test_float32_parameters_stay_float32(schedule: Any, formula: Any) -> None:
    optimizer, params = optim.SGD(schedule), {"w": np.ones(2, np.float32)}
    updates, _ = optimizer.update(params, optimizer.init(params), params)
    assert updates["w"].dtype == np.float32
    np.testing.assert_allclose(updates["w"], -formula(0), rtol=1e-6)


@named
def test_survives_json(schedule: Any, formula: Any) -> None:
    assert optim.from_config(json.loads(json.dumps(schedule.config()))) == schedule


@named
def test_can_be_traced(schedule: Any, formula: Any) -> None:
    tangent = tp.jvp(schedule, (7.5,), (1.0,))[1]
    assert tangent == pytest.approx(tp.finite_difference(schedule)(7.5), abs=1e-6)


TORCH: dict[str, Callable[[Any, Any], Any]] = {
    "step_decay": lambda torch, o: torch.StepLR(o, step_size=7, gamma=0.5),
    "exponential_decay": lambda torch, o: torch.ExponentialLR(o, gamma=0.9 ** (1 / 3)),
    "cosine_restarts": lambda torch, o: torch.CosineAnnealingWarmRestarts(o, T_0=5, T_mult=3, eta_min=0.01),
    "one_cycle": lambda torch, o: torch.OneCycleLR(o, max_lr=0.1, total_steps=50, cycle_momentum=False),
}


@pytest.mark.parametrize("name", TORCH)
def test_rates_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch, the other reference, is not installed")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    other = TORCH[name](torch.optim.lr_scheduler, optimizer)
    for t in range(49):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(float(REFERENCES[name][0](t)), rel=1e-9)
        optimizer.step()
        other.step()


@given(multiplier=st.integers(1, 7), steps=st.integers(1, 50), cycle=st.integers(0, 6))
def test_restarts_begin_exactly_where_a_cycle_ends(multiplier: int, steps: int, cycle: int) -> None:
    schedule = schedules.cosine_restarts(1.0, steps, multiplier)
    start = sum(steps * multiplier**i for i in range(cycle))
    assert schedule(start) == 1.0
    assert start == 0 or schedule(start - 1) < schedule(start) or steps == 1


@given(peak=st.floats(1e-6, 10), steps=st.integers(5, 500), rise=st.floats(0.25, 0.7))
def test_one_cycle_starts_low_peaks_and_ends_lower(peak: float, steps: int, rise: float) -> None:
    rates = schedules.one_cycle(peak, steps, rise)(np.arange(steps + 3))
    assert rates[0] == pytest.approx(peak / 25)
    assert rates.max() <= peak * (1 + 1e-12)
    np.testing.assert_allclose(rates[steps - 1 :], peak / 25 / 1e4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.constant(-1.0), r"constant: value must be a number in \(0, inf\)"),
        (lambda: schedules.step_decay(0.1, 0.5, every=0), r"every must be a whole number in \[1, inf\)"),
        (lambda: schedules.step_decay(0.1, 0.5, every=1.5), "every must be a whole number"),
        (lambda: schedules.cosine_decay(0.1, steps=True), "steps must be a whole number"),
        (lambda: schedules.warmup("0.1", steps=3), r"schedule must be a number in \(0, inf\) or a schedule"),
        (lambda: schedules.piecewise_constant((1,), (0.1,)), "needs 2 values"),
        (lambda: schedules.piecewise_constant((3, 2), (0.1, 0.1, 0.1)), "must be positive and increase"),
        (lambda: schedules.piecewise_constant((3,), (0.1, -0.1)), "values must be numbers"),
        (lambda: schedules.one_cycle(0.1, steps=3), "no step for one of its halves"),
    ],
)
def test_bad_parameters_are_refused_by_name(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_own_functions_are_schedules_that_cannot_be_saved() -> None:
    optimizer = optim.SGD(lambda step: 0.1 / (1 + step))
    assert optimizer.current_learning_rate(optimizer.init({})) == pytest.approx(0.1)
    with pytest.raises(ModelError, match=r"SGD: learning_rate is .* Use one of twopass\.optim\.schedules"):
        optimizer.config()
