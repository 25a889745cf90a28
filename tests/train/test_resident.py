"""States that compiled code changes in place: who sees what of them, and when."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, same_bits, two_moons
from train.test_fitting import Interrupt
from twopass import nn, optim, tree
from twopass.errors import NotFiniteError
from twopass.train import Callback, EarlyStopping, NaNStop, Trainer, native
from twopass.train.fitting import Run
from twopass.train.parameters import State
from twopass.train.resident import Resident


@pytest.fixture(autouse=True)
def in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state is large."""
    monkeypatch.setattr(native, "_LARGE", 0)


def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No state is, as a reference."""
    monkeypatch.setattr(native, "_LARGE", 1 << 40)


def wide(**options: Any) -> Trainer:
    """A net with panels of several widths, and moments in panels."""
    net = nn.Sequential(nn.Dense(100, activation="relu"), nn.Dense(70, activation="tanh"), nn.Dense(2))
    return Trainer(net, "softmax_cross_entropy", optim.Adam(0.01), seed=0, **options)


def copied(values: Any) -> Any:
    return tree.map(np.array, values)


class Watch(Callback):
    """Keeps what it sees after each epoch, and a copy of it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.copies: list[Any] = []
        self.rates: list[float] = []

    def on_epoch_end(self, run: Run, record: Any) -> None:
        assert isinstance(run.trainer.live, Resident)
        seen = run.trainer.params, run.trainer.state
        assert type(seen[1]) is State
        self.seen.append((seen[0], seen[1].params, seen[1].optimizer))
        self.copies.append(copied(self.seen[-1]))
        self.rates.append(run.trainer.learning_rate)


def test_what_is_read_never_changes() -> None:
    trainer, watch = wide().init((2,)), Watch()
    first = trainer.params, trainer.state.optimizer
    kept = copied(first)
    trainer.fit(*two_moons(), epochs=4, batch_size=20, callbacks=[watch])
    assert same_bits(first, kept)
    assert all(map(same_bits, watch.seen, watch.copies))
    assert not same_bits(watch.copies[0], watch.copies[1])
    assert same_bits(watch.copies[-1][0], trainer.params)
    assert all(not leaf.flags.writeable for leaf in tree.leaves(trainer.params))
    after = copied(trainer.params)
    before = trainer.params
    trainer.fit(*two_moons())
    assert same_bits(before, after)
    assert not same_bits(before, trainer.params)


def test_each_epoch_is_the_one_of_replaced_states(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for prepare in (lambda _: None, replaced):
        prepare(monkeypatch)
        trainer = classifier()
        seen: list[Any] = []

        class Keep(Callback):
            every_step = True

            def on_batch_end(self, run: Run, seen: list[Any] = seen) -> None:
                seen.append((copied(run.trainer.params), copied(run.trainer.state.optimizer)))

        trainer.fit(*two_moons(), epochs=6, batch_size=40, validation_split=0.2, callbacks=[Keep()])
        found.append((seen, trainer.history["learning_rate"], trainer.history["val_loss"]))
    assert found[0][1] == found[1][1]
    assert len(set(found[0][1])) > 3  # the plateau lowers it too
    assert found[0][2] == found[1][2]
    assert all(map(same_bits, found[0][0], found[1][0]))


def test_the_best_epoch_is_brought_back() -> None:
    trainer, watch = wide(), Watch()
    stopping = EarlyStopping("val_loss", patience=2)
    x, y = two_moons()
    trainer.fit(x, y, epochs=60, batch_size=10, validation_data=(x[:20], 1 - y[:20]), callbacks=[watch, stopping])
    assert stopping.best_epoch is not None
    assert stopping.best_epoch < trainer.epoch
    assert same_bits(trainer.params, watch.copies[stopping.best_epoch - 1][0])
    assert same_bits(trainer.state.optimizer, watch.copies[stopping.best_epoch - 1][2])


def test_a_callback_may_set_another_state(monkeypatch: pytest.MonkeyPatch) -> None:
    class Halve(Callback):
        def on_epoch_end(self, run: Run, record: Any) -> None:
            run.trainer.params = tree.map(lambda leaf: leaf / 2, run.trainer.params)

    trainers = []
    for prepare in (lambda _: None, replaced):
        prepare(monkeypatch)
        trainers.append(wide())
        trainers[-1].fit(*two_moons(), epochs=3, callbacks=[Halve()])
    assert same_bits(trainers[0].params, trainers[1].params)


def test_a_last_batch_of_one_sample_may_want_another_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = two_moons(61)
    trainers = []
    for prepare in (lambda _: None, replaced):
        prepare(monkeypatch)
        trainers.append(wide())
        trainers[-1].fit(x, y, epochs=3, batch_size=20)
    assert same_bits(trainers[0].params, trainers[1].params)
    assert same_bits(trainers[0].state.optimizer, trainers[1].state.optimizer)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_trainers_are_copied_in_the_middle_of_a_fit(duplicate: Any) -> None:
    copies = []

    class Copy(Callback):
        def on_epoch_end(self, run: Run, record: Any) -> None:
            copies.append((duplicate(run.trainer), copied(run.trainer.params)))

    wide().fit(*two_moons(), epochs=2, callbacks=[Copy()])
    for trainer, params in copies:
        assert type(trainer.live) is State
        assert same_bits(trainer.params, params)


class Even(nn.Layer):
    """Many weights that are always equal to each other."""

    def output_shape(self, input_shape: Any) -> Any:
        return ()

    def init(self, key: Any, input_shape: Any, dtype: Any = np.float32) -> Any:
        return {"weight": np.ones(1 << 18, dtype)}

    def apply(self, params: Any, x: Any, *, training: bool = False, key: Any = None) -> Any:
        return x[:, 0] * np.mean(params["weight"]), params


def test_other_python_threads_see_whole_steps() -> None:
    trainer = Trainer(Even(), "mean_squared_error", optim.SGD(1e3), seed=0).init((1,))
    found, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            weight = trainer.params["weight"]
            found.append((float(weight.min()), float(weight.max())))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        trainer.fit(np.ones((4000, 1)), np.zeros(4000), epochs=5, batch_size=8)
    finally:
        stop.set()
        watcher.join()
    assert len({low for low, _ in found}) > 5
    assert all(low == high for low, high in found)


# --- failures ---------------------------------------------------------------------------------------------------------


def exploding() -> Trainer:
    net = nn.Sequential(nn.Dense(8), nn.Dense(8), nn.Dense(1))
    return Trainer(net, "mean_squared_error", optim.SGD(0.6), seed=0)


@pytest.mark.parametrize("batch_size", [1, 5])
def test_the_weights_of_the_first_bad_loss_stay(batch_size: int) -> None:
    trainer = exploding()
    with pytest.raises(NotFiniteError, match=r"the loss became .* in epoch \d, step \d+.*It holds|holds") as caught:
        trainer.fit(*line(), epochs=5, batch_size=batch_size)
    epoch, step = (
        int(part.split(",")[0].split()[0]) for part in str(caught.value).split("epoch ")[1].split("step ")[:2]
    )
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves(trainer.params))

    steps: list[Any] = []

    class Keep(Callback):
        every_step = True

        def on_batch_end(self, run: Run) -> None:
            steps.append(copied(run.trainer.params))

    again = exploding()
    with pytest.raises(NotFiniteError) as second:
        again.fit(*line(), epochs=5, batch_size=batch_size, callbacks=[Keep()])
    assert str(second.value).split(" (at")[0] == str(caught.value).split(" (at")[0]
    assert len(steps) == (epoch - 1) * -(-70 // batch_size) + step - 1
    assert same_bits(trainer.params, steps[-1])
    assert same_bits(again.params, steps[-1])


def root(prediction: Any, target: Any) -> Any:
    """Infinitely steep where a prediction is right."""
    return np.mean(np.sqrt(np.abs(prediction[:, 0] - target)))


def test_infinite_gradients_are_told_apart() -> None:
    trainer = Trainer(nn.Dense(1), root, optim.SGD(0.1), seed=0).init((3,))
    with pytest.raises(NotFiniteError, match=r"a gradient .* that is not.*'numpy' names the operation"):
        trainer.fit(np.zeros((20, 3)), np.zeros(20))
    plain = Trainer(nn.Dense(1), root, optim.SGD(0.1), seed=0, backend="numpy")
    with pytest.raises(NotFiniteError, match="sqrt"):
        plain.fit(np.zeros((20, 3)), np.zeros(20))


def test_nan_stop_leaves_finite_weights() -> None:
    trainer, stop = exploding(), NaNStop()
    trainer.fit(*line(), epochs=5, callbacks=[stop])
    assert stop.error is not None
    assert all(np.isfinite(leaf).all() for leaf in tree.leaves(trainer.params))


def test_ctrl_c_leaves_the_last_completed_step() -> None:
    trainer, interrupt = classifier(), Interrupt(2, 3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*two_moons(), epochs=5, callbacks=[interrupt])
    assert type(trainer.live) is State
    assert same_bits(trainer.params, interrupt.params)
    trainer.fit(*two_moons(), epochs=2)
    assert trainer.epoch == 3


def test_steps_that_call_numpy_are_not_made_in_place(captures: list[Any]) -> None:
    """The call may raise, and half of a step would be left."""

    def sorting(prediction: Any, target: Any) -> Any:
        return np.mean(np.sort(prediction[:, 0]) * target)

    kinds = []

    class Kind(Callback):
        def on_epoch_end(self, run: Run, record: Any) -> None:
            kinds.append(type(run.trainer.live))

    trainer = Trainer(nn.Dense(1), sorting, optim.SGD(0.1), seed=0, backend="llvm")
    trainer.fit(*line(), callbacks=[Kind()])
    assert kinds == [State]
    compiled = len(captures)
    trainer.fit(*line())
    assert len(captures) == compiled


def test_what_is_saved_in_the_middle_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    x, y = two_moons()
    whole, stopped = classifier(), classifier()
    whole.fit(x, y, epochs=5, batch_size=33)

    class Save(Callback):
        def on_epoch_end(self, run: Run, record: Any) -> None:
            if run.epoch == 2:
                run.trainer.save(tmp_path / "model")

    stopped.fit(x, y, epochs=3, batch_size=33, callbacks=[Save()])
    again = Trainer.load(tmp_path / "model")
    assert again.epoch == 2
    again.fit(x, y, epochs=3, batch_size=33)
    assert same_bits(again.params, whole.params)
    assert same_bits(again.state.optimizer, whole.state.optimizer)


def test_threads_do_not_change_the_bits() -> None:
    x, y = np.random.default_rng(0).standard_normal((64, 300)), np.arange(64) % 3
    found = []
    for threads in (1, 2, 3):
        net = nn.Sequential(nn.Dense(200, activation="relu"), nn.Dense(3))
        trainer = Trainer(net, "softmax_cross_entropy", optim.Adam(0.01), seed=0, threads=threads, backend="llvm")
        trainer.fit(x, y, epochs=2, batch_size=30)
        found.append((trainer.params, trainer.state.optimizer))
    assert same_bits(found[0], found[1])
    assert same_bits(found[0], found[2])


FORKS = """
import os, signal, threading, time
import numpy as np, twopass as tp

net = tp.nn.Sequential(tp.nn.Dense(1024, activation="relu"), tp.nn.Dense(1024, activation="relu"), tp.nn.Dense(2))
trainer = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(1e-3), seed=0, backend="llvm", threads=1)
x, y = np.random.default_rng(0).standard_normal((20_000, 64), np.float32), np.arange(20_000) % 2
trainer.fit(x[:2000], y[:2000], batch_size=200)
thread = threading.Thread(target=trainer.fit, args=(x, y), kwargs={"batch_size": 200})
thread.start()
while type(trainer.live).__name__ != "Resident":
    time.sleep(0.001)
found = set()
for _ in range(10):
    child = os.fork()
    if not child:
        signal.alarm(20)  # a lock that is never given back
        try:
            os._exit(0 if np.isfinite(trainer.params[0]["weight"]).all() else 1)
        except tp.errors.ArgumentError as error:
            os._exit(2 if "in the middle of a step" in str(error) else 3)
    found.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
print(sorted(found))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_process_sees_whole_steps_or_is_told() -> None:
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() in ("[0, 2]", "[2]", "[0]")  # the last one if the fit was over too soon
