"""Callbacks: when they are called, and what each does."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from train.problems import classifier, line, regressor, same_bits, two_moons
from twopass import nn, optim
from twopass.errors import ArgumentError, DataError
from twopass.train import (
    Callback,
    Checkpoint,
    CheckpointBest,
    CSVLog,
    EarlyStopping,
    LearningRateFinder,
    Progress,
    TimeBudget,
    Trainer,
)


class Record(Callback):
    """Writes down all calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def on_fit_begin(self, run: Any) -> None:
        self.calls.append(f"fit {run.first_epoch}-{run.last_epoch} {run.steps_per_epoch}")

    def on_epoch_begin(self, run: Any) -> None:
        self.calls.append(f"epoch {run.epoch}")

    def on_batch_end(self, run: Any) -> None:
        self.calls.append(f"step {run.step}")
        assert np.isfinite(run.loss)

    def on_epoch_end(self, run: Any, record: Any) -> None:
        assert tuple(record) == run.quantities
        assert record["loss"] == run.loss == run.trainer.history["loss"][-1]
        assert run.trainer.epoch == run.epoch
        self.calls.append("end of epoch")

    def on_fit_end(self, run: Any) -> None:
        self.calls.append(f"end {run.stop_reason} {type(run.error).__name__}")


def test_hooks_are_called_in_order() -> None:
    record, trainer = Record(), regressor()
    trainer.fit(*line(), epochs=2, batch_size=40, callbacks=[record])
    epoch = ["step 1", "step 2", "end of epoch"]
    assert record.calls == ["fit 1-2 2", "epoch 1", *epoch, "epoch 2", *epoch, "end None NoneType"]
    record.calls.clear()
    trainer.fit(*line(), batch_size=70, validation_split=0.1, callbacks=[record])
    assert record.calls[:2] == ["fit 3-3 1", "epoch 3"]


def test_the_end_is_called_after_errors_too() -> None:
    class Fail(Callback):
        def on_epoch_end(self, run: Any, record: Any) -> None:
            raise RuntimeError("no disk")

    record = Record()
    with pytest.raises(RuntimeError, match="no disk"):
        regressor().fit(*line(), callbacks=[record, Fail()])
    assert record.calls[-1] == "end None RuntimeError"


def test_stopping_within_an_epoch_ends_it_there() -> None:
    class Stop(Callback):
        def on_batch_end(self, run: Any) -> None:
            if (run.epoch, run.step) == (2, 1):
                run.stop("why not")

    record, trainer = Record(), regressor()
    history = trainer.fit(*line(), epochs=9, batch_size=10, callbacks=[Stop(), record])
    assert record.calls[-4:] == ["epoch 2", "step 1", "end of epoch", "end why not NoneType"]
    assert trainer.epoch == len(history["loss"]) == 2


class Scripted(nn.metrics.Metric):
    """Gives prepared values, one an evaluation."""

    def __init__(self, values: Any = (), greater_is_better: bool = True) -> None:
        self.values = iter(values)
        self.greater = greater_is_better

    def parameters(self) -> dict[str, Any]:
        return {}

    @property
    def greater_is_better(self) -> bool:
        return self.greater

    @property
    def name(self) -> str:
        return "scripted"

    def reset(self) -> None: ...

    def update(self, prediction: Any, target: Any, sample_weight: Any = None) -> None: ...

    def result(self) -> float:
        return next(self.values)


def scripted(values: list[float], greater_is_better: bool = True) -> Trainer:
    trainer = regressor()
    trainer.metrics = (Scripted(values, greater_is_better),)
    return trainer


@pytest.mark.parametrize(
    ("values", "greater", "patience", "min_delta", "epochs", "best"),
    [
        ([1, 2, 3, 2, 2, 9, 9], True, 1, 0.0, 5, 3),
        ([3, 2, 1, 2, 2, 9, 9], False, 1, 0.0, 5, 3),
        ([1, 2, 2.05, 2.09, 9, 9], True, 1, 0.1, 4, 2),
        ([1, float("nan"), float("nan"), 9], True, 1, 0.0, 3, 1),
        ([5, 4, 3, 2, 1], True, 9, 0.0, 5, 1),
        ([3, 3], True, 0, 0.0, 2, 1),
    ],
)
def test_early_stopping(
    values: list[float], greater: bool, patience: int, min_delta: float, epochs: int, best: int
) -> None:
    trainer, stopping = scripted(values, greater), EarlyStopping("val_scripted", patience, min_delta)
    history = trainer.fit(*line(), epochs=len(values), validation_split=0.2, callbacks=[stopping])
    assert (len(history["loss"]), stopping.best_epoch) == (epochs, best)
    reference = regressor()
    reference.fit(*line(), epochs=best, validation_split=0.2)
    assert same_bits(trainer.params, reference.params)


def test_early_stopping_without_restoring() -> None:
    trainer, stopping = scripted([1, 0, 0]), EarlyStopping("val_scripted", patience=0, restore_best=False)
    trainer.fit(*line(), epochs=3, validation_split=0.2, callbacks=[stopping])
    reference = regressor()
    reference.fit(*line(), epochs=2, validation_split=0.2)
    assert same_bits(trainer.params, reference.params)


def test_early_stopping_watches_the_training_loss_as_well() -> None:
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(1e-30), seed=0)
    history = trainer.fit(*line(), epochs=9, callbacks=[EarlyStopping("loss", patience=2, min_delta=1e-3)])
    assert len(history["loss"]) == 4


@pytest.mark.parametrize("make", [EarlyStopping, lambda monitor: CheckpointBest("unused", monitor)])
def test_unknown_quantities_are_refused_with_those_that_exist(make: Any) -> None:
    message = "no 'val_acuracy' to monitor.*Available are loss, val_loss, val_accuracy, learning_rate, seconds"
    with pytest.raises(ArgumentError, match=message):
        classifier().fit(*two_moons(), validation_split=0.2, callbacks=[make("val_acuracy")])
    with pytest.raises(ArgumentError, match=r"Available are loss, learning_rate, seconds\. Pass validation_data"):
        classifier().fit(*two_moons(), callbacks=[make("val_loss")])


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience=-1),
        lambda: EarlyStopping(patience=1.5),
        lambda: EarlyStopping(min_delta=-1.0),
        lambda: TimeBudget(0),
        lambda: TimeBudget(float("nan")),
        lambda: Checkpoint("folder", every=0),
        lambda: LearningRateFinder(low=1.0, high=0.1),
        lambda: LearningRateFinder(steps=2),
    ],
)
def test_bad_parameters_are_refused(make: Any) -> None:
    with pytest.raises(ArgumentError):
        make()


def test_the_best_epoch_is_saved(tmp_path: Path) -> None:
    trainer = scripted([1, 3, 2])
    trainer.fit(*line(), epochs=3, validation_split=0.2, callbacks=[CheckpointBest(tmp_path / "best", "val_scripted")])
    saved = Trainer.load(tmp_path / "best", metrics=[])
    reference = regressor()
    reference.fit(*line(), epochs=2, validation_split=0.2)
    assert saved.epoch == len(saved.history["loss"]) == 2
    assert same_bits(saved.params, reference.params)


def test_a_time_budget_ends_in_the_middle_of_an_epoch() -> None:
    class Slow(Callback):
        def on_batch_end(self, run: Any) -> None:
            time.sleep(0.01)

    trainer, start = regressor(), time.monotonic()
    history = trainer.fit(*line(), epochs=1000, batch_size=1, callbacks=[TimeBudget(0.1), Slow()])
    assert 0.1 <= time.monotonic() - start < 30
    assert len(history["loss"]) == trainer.epoch < 1000


def test_csv_log(tmp_path: Path) -> None:
    trainer, log = classifier(), CSVLog(tmp_path / "log.csv")
    trainer.fit(*two_moons(), epochs=2, validation_split=0.2, callbacks=[log])
    trainer.fit(*two_moons(), epochs=1, validation_split=0.2, callbacks=[CSVLog(str(tmp_path / "log.csv"))])
    with (tmp_path / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name, values in trainer.history.items():
        assert [float(row[name]) for row in rows] == values
    with pytest.raises(DataError, match=r"has the columns epoch, loss, val_loss.*Choose another file"):
        trainer.fit(*two_moons(), callbacks=[log])


def test_progress_on_a_terminal_and_in_a_file() -> None:
    for terminal in (True, False):
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120)
        classifier().fit(*two_moons(), epochs=2, validation_split=0.2, callbacks=[Progress(console)])
        text = out.getvalue()
        assert "2/2" in text
        assert "val_accuracy" in text
        assert "samples/s" in text
        assert len(text.splitlines()) == 2 or terminal


def test_progress_says_why_it_stopped() -> None:
    out = io.StringIO()
    callbacks = [TimeBudget(1e-9), Progress(Console(file=out, width=120))]
    regressor().fit(*line(), callbacks=callbacks)
    assert "stopped: the time budget of 1e-09 s is used up" in out.getvalue()


def test_progress_is_off_by_default_and_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    regressor().fit(*line())
    assert capsys.readouterr() == ("", "")
    regressor().fit(*line(), progress=True)
    assert "epoch 1/1" in capsys.readouterr().err


def test_learning_rate_finder_leaves_the_trainer_alone() -> None:
    trainer = classifier()
    trainer.fit(*two_moons())
    state, history = trainer.state, dict(trainer.history)
    finder = LearningRateFinder(low=1e-5, high=100.0, steps=60)
    sweep = finder.find(trainer, *two_moons())
    assert trainer.state is state
    assert (trainer.history, trainer.epoch) == (history, 1)
    assert sweep == finder.find(trainer, *two_moons())
    assert sweep.learning_rates[0] == 1e-5
    np.testing.assert_allclose(np.diff(np.log(sweep.learning_rates)), np.log(1e7) / 59)
    assert len(sweep.losses) == len(sweep.learning_rates)


def test_learning_rate_finder_suggests_a_rate_that_trains() -> None:
    trainer = regressor()
    sweep = LearningRateFinder(low=1e-4, high=1000.0).find(trainer, *line())
    assert len(sweep.losses) < 100  # it ends where the loss explodes
    better = regressor(sweep.suggestion)
    assert better.fit(*line(), epochs=20)["loss"][-1] < 0.05


def test_a_sweep_that_diverges_at_once_says_so() -> None:
    sweep = LearningRateFinder(low=1e20, high=1e30, steps=5).find(regressor(), *line())
    with pytest.raises(ArgumentError, match="exploded at once"):
        _ = sweep.suggestion
