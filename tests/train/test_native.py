"""Compiled training from outside: interruptions, failures, threads, what is compiled when."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, same_bits, two_moons
from train.test_fitting import StopAfter
from twopass import compiler, nn, optim, tree
from twopass.errors import ArgumentError, CaptureError, NotFiniteError
from twopass.train import Callback, Trainer, native


class Count(Callback):
    """Counts the calls of its hook."""

    def __init__(self, every_step: bool) -> None:
        self.every_step = every_step
        self.steps: list[int] = []

    def on_batch_end(self, run: Any) -> None:
        self.steps.append(run.step)


def test_callbacks_are_called_as_often_as_they_want() -> None:
    often, seldom = Count(True), Count(False)
    classifier().fit(*two_moons(), epochs=2, batch_size=10, callbacks=[often])
    classifier().fit(*two_moons(), epochs=2, batch_size=10, callbacks=[seldom])
    assert often.steps == [*range(1, 14), *range(1, 14)]
    assert len(seldom.steps) < 20
    assert seldom.steps.count(13) == 2


def test_bits_do_not_depend_on_how_many_steps_are_made_together() -> None:
    together, apart = classifier(), classifier()
    together.fit(*two_moons(), epochs=3, batch_size=7)
    apart.fit(*two_moons(), epochs=3, batch_size=7, callbacks=[Count(True)])
    assert same_bits((together.params, together.state.optimizer), (apart.params, apart.state.optimizer))
    assert together.history["loss"] == apart.history["loss"]


def test_bits_do_not_depend_on_how_the_samples_get_there() -> None:
    x, y = two_moons()
    direct, gathered = classifier(), classifier()
    direct.fit(x, y, epochs=2)
    gathered.fit(np.asfortranarray(x), y.astype(">i8"), epochs=2)
    assert same_bits(direct.params, gathered.params)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_do_not_change_the_bits(threads: int) -> None:
    x = np.random.default_rng(0).standard_normal((64, 100))
    trainers = []
    for count in (1, threads):
        net = nn.Sequential(nn.Dense(96, activation="relu"), nn.Dropout(0.1), nn.Dense(50), nn.Dense(3))
        trainer = Trainer(net, "softmax_cross_entropy", optim.Adam(0.01), seed=0, threads=count, backend="llvm")
        trainer.fit(x, np.arange(64) % 3, epochs=2, batch_size=30)
        trainers.append(trainer)
    assert same_bits(trainers[0].params, trainers[1].params)
    assert trainers[0].predict(x).tobytes() == trainers[1].predict(x).tobytes()


# --- compiling --------------------------------------------------------------------------------------------------------


def test_fits_that_go_on_compile_nothing(captures: list[Any]) -> None:
    trainer, (x, y) = classifier(), two_moons()
    trainer.fit(x, y, class_weight={1: 2.0})
    assert len(captures) == 2
    trainer.fit(x, y, class_weight={1: 2.0})
    assert len(captures) == 2
    trainer.fit(x, y, class_weight={1: 3.0})
    assert len(captures) == 4
    trainer.predict(x)
    trainer.predict(x)
    trainer.evaluate(x, y)
    assert len(captures) == 5


class Branch(nn.Layer):
    """Looks at a value."""

    def output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def apply(self, params: Any, x: Any, *, training: bool = False, key: Any = None) -> Any:
        return (x if np.max(np.abs(x)) > 1e-6 else 2 * x), params


def branching(**options: Any) -> Trainer:
    net = nn.Sequential(nn.Dense(3), Branch(), nn.Dense(1))
    return Trainer(net, "mean_squared_error", optim.SGD(0.01), seed=0, **options)


def test_what_cannot_be_compiled_runs_in_numpy_with_a_warning() -> None:
    trainer, plain = branching(), branching(backend="numpy")
    with pytest.warns(UserWarning, match=r"cannot be compiled.*backend='numpy'"):
        trainer.fit(*line(), epochs=2)
    trainer.fit(*line())  # warnings are errors in these tests
    trainer.predict(line()[0])
    plain.fit(*line(), epochs=3)
    assert same_bits(trainer.params, plain.params)


def test_failures_of_the_compiler_are_no_failures_of_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any) -> Any:
        raise ZeroDivisionError("broken")

    plain = classifier(backend="numpy")
    plain.fit(*two_moons())
    monkeypatch.setattr(compiler.Compiled, "_specialize", fail)
    trainer = classifier()
    with pytest.warns(UserWarning, match=r"training step cannot be compiled.*ZeroDivisionError: broken"):
        trainer.fit(*two_moons())
    assert same_bits(trainer.params, plain.params)
    assert trainer.predict(two_moons()[0]).tobytes() == plain.predict(two_moons()[0]).tobytes()
    with pytest.raises(ZeroDivisionError):
        classifier(backend="llvm").fit(*two_moons())


def test_an_optimizer_that_changes_its_dtypes_is_left_to_numpy() -> None:
    @dataclasses.dataclass(frozen=True)
    class Widening(optim.Transformation, abstract=True):
        def init(self, params: Any) -> Any:
            return {"count": np.zeros((), np.float32)}

        def update(self, grads: Any, state: Any, params: Any) -> Any:
            return tree.map(lambda g: -0.01 * g, grads), {"count": state["count"] + np.float64(1)}

    trainer = Trainer(nn.Dense(1), "mean_squared_error", Widening(), seed=0)
    with pytest.warns(UserWarning, match=r"changes the dtype of carry.*count"):
        trainer.fit(*line())
    assert trainer.state.optimizer["count"] == 3


def test_native_code_that_was_asked_for_is_not_replaced() -> None:
    trainer = branching(backend="llvm")
    with pytest.raises(CaptureError):
        trainer.fit(*line())
    with pytest.raises(CaptureError):
        trainer.predict(line()[0])


def test_copies_of_a_trainer_train_alike() -> None:
    trainer = classifier()
    trainer.fit(*two_moons())
    other = copy.deepcopy(trainer)
    for one in (trainer, other):
        one.fit(*two_moons())
    assert same_bits(trainer.params, other.params)


def test_explain_shows_the_kernels() -> None:
    trainer = classifier()
    with pytest.raises(ArgumentError, match=r"trainer\.fit"):
        trainer.explain()
    trainer.fit(*two_moons(count=20))
    assert "tanh" in trainer.explain()
    plain = classifier(backend="numpy")
    plain.fit(*two_moons())
    with pytest.raises(ArgumentError, match="backend"):
        plain.explain()


def test_a_memory_map_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    x = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(400_000, 200))
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(1e-9), seed=0)
    target = np.zeros(len(x), np.float32)
    trainer.fit(x[:1000], target[:1000], batch_size=500)
    tracemalloc.start()
    try:
        trainer.fit(x, target, batch_size=500)
        trainer.evaluate(x, target)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40e6 < x.nbytes


# --- failures ---------------------------------------------------------------------------------------------------------


def exploding(**options: Any) -> Trainer:
    net = nn.Sequential(nn.Dense(8), nn.Dense(8), nn.Dense(1))
    return Trainer(net, "mean_squared_error", optim.SGD(options.pop("rate", 0.6)), seed=0, **options)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_failing_step_is_found_within_a_call(batch_size: int) -> None:
    found = []
    for callbacks in ([], [Count(True)]):
        trainer = exploding()
        with pytest.raises(NotFiniteError, match=r"epoch \d, step \d+") as caught:
            trainer.fit(*line(), epochs=5, batch_size=batch_size, callbacks=callbacks)
        found.append((str(caught.value), trainer))
    assert found[0][0] == found[1][0]
    assert same_bits(found[0][1].params, found[1][1].params)
    epoch, step = map(int, re.search(r"epoch (\d), step (\d+)", found[0][0]).groups())
    before = (epoch - 1) * -(-70 // batch_size) + step - 2
    assert before > 0
    reference = exploding()
    reference.fit(*line(), epochs=5, batch_size=batch_size, callbacks=[StopAfterAll(before)])
    assert same_bits(found[0][1].params, reference.params)


class StopAfterAll(StopAfter):
    """Ends the fit after some steps, counted over all epochs."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.done = 0

    def on_batch_end(self, run: Any) -> None:
        self.done += 1
        if self.done == self.step:
            run.stop("enough")


def test_failures_in_the_first_step_leave_the_first_weights() -> None:
    trainer = exploding(rate=0.1).init((3,))
    leaves, structure = tree.flatten(tree.map(np.array, trainer.params))
    trainer.params = tree.unflatten(structure, [leaf * 0 + 1e30 for leaf in leaves])
    before = trainer.params
    with pytest.raises(NotFiniteError, match="epoch 1, step 1"):
        trainer.fit(*line())
    assert trainer.params is before


# --- interruptions ----------------------------------------------------------------------------------------------------

TRAINING = """
import sys, time
import numpy as np
from twopass import nn, optim
from twopass.train import Callback, Checkpoint, Trainer

class Tell(Callback):
    def on_epoch_begin(self, run):
        if run.epoch == 2:
            print("ready", flush=True)

rng = np.random.default_rng(0)
x, y = rng.normal(size=(int(sys.argv[1]), 20)).astype(np.float32), rng.integers(0, 2, int(sys.argv[1]))
net = nn.Sequential(nn.Dense(64, activation="relu"), nn.Dropout(0.2), nn.Dense(64, activation="relu"), nn.Dense(2))
trainer = Trainer(net, "softmax_cross_entropy", optim.Adam(0.001), seed=1)
saving = [Checkpoint(sys.argv[3])] if len(sys.argv) > 3 else []
try:
    trainer.fit(x, y, epochs=int(sys.argv[2]), callbacks=[Tell(), *saving])
except KeyboardInterrupt:
    print(time.monotonic(), trainer.epoch, np.isfinite(trainer.predict(x[:5])).all(), flush=True)
"""


def started(environment: dict[str, str], *arguments: Any) -> subprocess.Popen[str]:
    """A process that trains, in its second epoch."""
    command = [sys.executable, "-c", TRAINING, *map(str, arguments)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_ctrl_c_is_heard_at_once(environment: dict[str, str]) -> None:
    delays: list[float] = []
    while len(delays) < 3 and min(delays, default=1.0) > 0.15:  # other processes may have the processor for a while
        with started(environment, 2_000_000, 100) as process:
            time.sleep(0.2)
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        end, epoch, finite = output.split()
        assert (int(epoch), finite) == (1, "True")
        delays.append(float(end) - begin)
    assert min(delays) < 0.15


def test_killed_training_continues_with_the_same_bits(environment: dict[str, str], tmp_path: Path) -> None:
    size = 3000
    with started(environment, size, 10_000, tmp_path) as process:
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    resumed = Trainer.load(tmp_path)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(size, 20)).astype(np.float32), rng.integers(0, 2, size)
    done = resumed.epoch
    assert done >= 1
    whole = Trainer(resumed.net, resumed.loss, resumed.optimizer, seed=1)
    whole.fit(x, y, epochs=done + 2)
    resumed.fit(x, y, epochs=2)
    assert same_bits((whole.params, whole.state.optimizer), (resumed.params, resumed.state.optimizer))


# --- pace -------------------------------------------------------------------------------------------------------------


def test_the_pace_grows_slowly_and_falls_at_once() -> None:
    pace, counts = native.Pace(), []
    for _ in range(8):
        counts.append(pace.count)
        pace.learn(pace.count, 1.8e-5 * pace.count)
    assert counts == [1, 8, 64, 512, 4096, 4444, 4444, 4444]
    pace.learn(3, 1.0 * 3)
    assert pace.count == 1
