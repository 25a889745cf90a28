"""The tables say what was measured, and only that."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import pytest
from benchmarks.contest import Score, best_peer
from benchmarks.peak import compiled, loop
from benchmarks.timing import busy_processors, repetitions_for, settle, take_turns
from benchmarks.workloads import Workload

from benchmarks import adbench, autodiff, autodiff_eager, compiling, page, prediction, training

WORKLOAD = Workload("w", (100, 100, 10), batch=10, rows=100)


def scores(**seconds: float) -> dict[str, Score]:
    return {name: Score("", 1.0, [value * 0.5, value, value * 3]) for name, value in seconds.items()}


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()]


def test_training_is_compared_with_the_best_peer_and_the_peak() -> None:
    outcome = training.Outcome(WORKLOAD, scores(twopass=1e-3, torch=4e-3, jax=2e-3))
    speed = WORKLOAD.operations * WORKLOAD.steps / 1e-3
    row = cells(training.summary([outcome], {1: 2 * speed, 2: 4 * speed}))[2]
    assert row[1:] == ["100", "jax", "200", "2.00x", f"{speed / 1e9:.1f}", "50%", "25%"]
    assert cells(training.everyone([outcome], ["torch", "numpy"]))[2] == ["w", "400", ""]


def test_training_without_peers_has_no_ratio() -> None:
    row = cells(training.summary([training.Outcome(WORKLOAD, scores(twopass=1e-3))], {1: 1e9, 2: 2e9}))[2]
    assert row[2] == row[3] == row[4] == ""


def test_twopass_is_no_peer_of_its_own() -> None:
    assert best_peer(scores(**{"twopass": 1.0, "twopass-numpy": 2.0, "jax": 3.0})) == "jax"
    assert best_peer(scores(twopass=1.0)) is None


def test_prediction_is_compared_with_the_best_peer() -> None:
    row = cells(prediction.summary([prediction.Outcome(1, scores(twopass=1e-6, torch=3e-6))], ["twopass", "torch"]))[2]
    assert row == ["1", "1.0", "3.0", "torch", "3.00x"]


def test_gradients_are_compared_with_their_functions() -> None:
    outcome = autodiff.Outcome("mixture", scores(twopass=1e-3, jax=1e-3), scores(twopass=2e-3, jax=5e-3, autograd=9e-3))
    assert outcome.cost("twopass") == 2
    assert outcome.cost("autograd") is None
    assert outcome.faster("jax") == 2.5
    assert "2.50" in autodiff.mean_note([outcome])
    assert autodiff.mean_note([autodiff.Outcome("network-small", {}, {})]) == ""


def test_jacobians_are_compared_with_the_best_peer() -> None:
    values, gradients = (
        scores(twopass=1e-3),
        scores(**{"twopass": 2e-3, "jax": 5e-3, "torch": 3e-3, "twopass-numpy": 1.0}),
    )
    row = cells(adbench.summary([autodiff.Outcome("bundle", values, gradients)], ["twopass", "jax"]))[2]
    assert row[1:] == ["2,000", "5,000", "torch", "1.50", "2.0", "", ""]


def test_eager_engines_are_compared_by_their_time() -> None:
    seconds = {"function": 1e-5, "twopass": 1e-4, "autograd": 2.5e-4}
    row = autodiff_eager.row("network", 8, seconds)
    assert row == ["network", "8", "10.0", "100.0", "250.0", "", "0.40", "", "10%"]
    assert len(row) == len(autodiff_eager.HEADER)


@pytest.mark.parametrize("name", autodiff_eager.CASES)
def test_eager_engines_agree(name: str) -> None:
    installed = [peer for peer in autodiff_eager.PEERS if importlib.util.find_spec(peer) is not None]
    autodiff_eager.contestants(autodiff_eager.CASES[name], installed)


def test_compiling_is_measured_stage_by_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TWOPASS_CACHE", str(tmp_path))
    outcome = compiling.measure(Workload("tiny", (4, 3, 2), batch=2, rows=8), rounds=1)
    assert all(outcome.seconds[stage] > 0 for stage in compiling.STAGES)
    assert 0 < outcome.from_disk < outcome.total
    row = cells(compiling.summary([outcome]))[2]
    assert row[0] == "tiny" and row[-2] == f"{1e3 * outcome.total:.1f}"


def test_text_is_put_between_the_markers() -> None:
    text = "a\n<!-- t:begin -->\nold\n<!-- t:end -->\nb"
    once = page.replaced(text, "t", "new")
    assert "new" in once and "old" not in once and once.startswith("a\n") and once.endswith("\nb")
    assert page.replaced(once, "t", "new") == once
    with pytest.raises(ValueError, match="u:begin"):
        page.replaced(text, "u", "new")


def test_the_page_has_every_marker() -> None:
    for section in ("training", "prediction", "autodiff", "eager", "adbench"):
        assert page.replaced(page.PAGE.read_text(), section, "text")


def test_repetitions_fill_the_time() -> None:
    assert repetitions_for(lambda n: n * 1e-3, 0.1) == 100
    assert repetitions_for(lambda n: n * 1.0, 0.1) == 1


def test_a_turn_does_not_wait_for_ever() -> None:
    start = time.perf_counter()
    settle(most=0.0)
    assert time.perf_counter() - start < 10
    assert 0 <= busy_processors(0.01) <= (os.cpu_count() or 1)


def test_contestants_take_turns() -> None:
    seen: list[str] = []

    def clock(name: str, n: int) -> float:
        seen.append(name)
        return 2.0 * n

    clocks = {name: lambda n, name=name: clock(name, n) for name in "ab"}
    assert take_turns(clocks, {"a": 1, "b": 4}, rounds=2) == {"a": [2.0, 2.0], "b": [2.0, 2.0]}
    assert seen == ["a", "b", "a", "b"]


@pytest.mark.parametrize("scalar", ["float", "double"])
def test_the_loop_of_the_peak_is_machine_code(scalar: str) -> None:
    spin, _engine = compiled(loop(scalar, 4), scalar)
    # x = x a + a from a, twice, in each of 12 chains, and a once more.
    assert spin(2, 0.5) == pytest.approx(12 * ((0.5 * 0.5 + 0.5) * 0.5 + 0.5) + 0.5)
