"""The peers compute the same: equal weights, predictions, values and gradients. (How fast is measured by hand.)"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
import pytest
from benchmarks.contest import Contestant, difference
from benchmarks.objectives import ADBENCH, OBJECTIVES
from benchmarks.peers import OURS, PEERS, Declined, Variant
from benchmarks.workers import PINS, Worker, Workers, environment
from benchmarks.workloads import TRAININGS, Workload

OTHERS = [name for name in PEERS if name not in OURS]
RAN = "twopass-numpy"  # what the others are compared with

TINY = Workload("tiny", (6, 5, 4, 3), batch=8, rows=32, rate=0.1)
TWO_CLASSES = dataclasses.replace(TINY, sizes=(20, 64, 64, 2))
WORKLOADS = {
    "relu": TINY,
    "two classes": TWO_CLASSES,
    "tanh": dataclasses.replace(TINY, activation="tanh"),
    "selu": dataclasses.replace(TINY, activation="selu"),
    "Adam": dataclasses.replace(TWO_CLASSES, optimizer="Adam", activation="tanh", rate=1e-3),
    "MSE": dataclasses.replace(TINY, sizes=(8, 30, 1), loss="mean squared error"),
    "batch norm": dataclasses.replace(TINY, batch_norm=True, activation="tanh"),
}


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., list[np.ndarray]]]:
    """Do a task of a peer in its own process, or skip the test with the reason why it cannot."""
    with Workers() as workers:

        def result(peer: str, task: str, *arguments: Any, **options: Any) -> list[np.ndarray]:
            try:
                contestant = Contestant(workers.get(peer), peer, Variant(options=options), task, arguments)
            except Declined as reason:
                pytest.skip(f"{peer}: {reason}")
            return contestant.result()

        yield result


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("peer", ["twopass", *(peer for peer in OTHERS if peer not in ("onnxruntime", "autograd"))])
def test_all_train_to_the_same_weights(run: Callable[..., Any], peer: str, name: str) -> None:
    workload = WORKLOADS[name]
    arguments = ("training", workload, workload.weights(), False)
    weights = run(peer, *arguments)
    # scikit-learn's Adam adds epsilon before the correction of the bias, which a small gradient notices.
    tolerance = 0.05 if (peer, name) == ("scikit-learn", "Adam") else 2e-5
    assert difference(weights, run(RAN, *arguments)) < tolerance
    initial = [part for layer in workload.weights() for part in layer]
    assert difference(weights[::2], initial[::2]) > 1e-3, "it has not been trained"


@pytest.mark.parametrize("peer", ["twopass", "numpy", "torch", "torch.compile", "jax", "onnxruntime"])
def test_all_predict_the_same(run: Callable[..., Any], peer: str) -> None:
    x = np.random.default_rng(0).standard_normal((7, 6), np.float32)
    arguments = ("prediction", TINY, TINY.weights(), x)
    assert difference(run(peer, *arguments), run(RAN, *arguments)) < 1e-5


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("peer", ["twopass", "numpy", "autograd", "jax"])
def test_all_differentiate_to_the_same(run: Callable[..., Any], peer: str, name: str) -> None:
    assert difference(run(peer, "value_and_grad", name), run(RAN, "value_and_grad", name)) < 1e-9


@pytest.mark.parametrize("name", ADBENCH)
@pytest.mark.parametrize("peer", ["twopass", "autograd", "torch", "jax"])
def test_all_compute_the_derivatives_of_adbench(run: Callable[..., Any], peer: str, name: str) -> None:
    task = ADBENCH[name].task
    if (peer, task) == ("autograd", "jacobian"):
        return  # it is not measured there
    # Loops that are not unrolled compile in a second.
    options = {"scan": True} if ADBENCH[name].loops and peer in ("twopass", "jax") else {}
    assert difference(run(peer, task, name, **options), run(RAN, task, name)) < 1e-9


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import peers

    monkeypatch.setitem(PEERS, "missing", "missing_peer")
    with pytest.raises(Declined, match=r"missing_peer is not installed"):
        peers.load("missing")


def test_a_process_that_has_died_is_replaced() -> None:
    import os

    with Workers() as workers:
        with pytest.raises(BrokenProcessPool):
            workers.get("any").call(os._exit, 1)
        assert workers.get("any").call(abs, -3) == 3


def test_workers_compute_with_the_kernels_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in PINS:
        monkeypatch.setenv(name, "Haswell")
    with environment({"ADDED": "1"}):
        assert os.environ["ADDED"] == "1"
        assert not set(PINS) & set(os.environ)
        worker = Worker()
        assert worker.call(os.getenv, PINS[0]) is None
        worker.close()
    assert os.environ[PINS[0]] == "Haswell"


def test_operations_count_no_gradient_of_the_data() -> None:
    assert Workload("w", (3, 5, 2), batch=7, rows=7).operations == 2 * 7 * (2 * 3 * 5 + 3 * 5 * 2)


@pytest.mark.parametrize("workload", TRAININGS, ids=lambda workload: workload.name)
def test_epochs_have_no_smaller_batch(workload: Workload) -> None:
    assert workload.rows % workload.batch == 0
