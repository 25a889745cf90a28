"""What MLflow is told: by a recorder in its place, and by MLflow itself where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, regressor, two_moons
from twopass.errors import MissingLibraryError, NotFiniteError
from twopass.train import Callback, MLflowLog, TimeBudget


class Recorder(ModuleType):
    """As much of MLflow as is used."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.calls: list[tuple[Any, ...]] = []
        self.active: str | None = None

    def active_run(self) -> str | None:
        return self.active

    def start_run(self, run_name: str | None = None) -> None:
        assert self.active is None
        self.active = run_name or "unnamed"

    def end_run(self, status: str) -> None:
        self.calls.append(("end", status))
        self.active = None

    def log_params(self, params: dict[str, str]) -> None:
        self.calls.append(("params", params))

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        assert all(np.isfinite(value) for value in metrics.values())
        self.calls.append(("metrics", step, metrics))

    def set_tags(self, tags: dict[str, str]) -> None:
        self.calls.append(("tags", tags))

    def set_tag(self, name: str, value: str) -> None:
        self.calls.append(("tags", {name: value}))

    def told(self, kind: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == kind]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setitem(sys.modules, "mlflow", made)
    return made


def test_a_fit_is_a_run(recorder: Recorder) -> None:
    trainer = classifier()
    log = MLflowLog("moons", tags={"team": "a"})
    history = trainer.fit(*two_moons(), epochs=3, validation_split=0.2, callbacks=[log])
    ((params,),) = recorder.told("params")
    assert params["loss"] == "softmax_cross_entropy" and params["seed"] == "3" and params["batch_size"] == "32"
    assert "Dense(12" in params["network"] and params["optimizer"].startswith("chain(")
    metrics = recorder.told("metrics")
    assert [step for step, _ in metrics] == [1, 2, 3]
    for step, record in metrics:
        assert record == {name: values[step - 1] for name, values in history.items()}
    assert recorder.told("tags") == [({"team": "a"},)]
    assert recorder.told("end") == [("FINISHED",)]
    trainer.fit(*two_moons(), epochs=1, callbacks=[log])
    assert recorder.told("metrics")[-1][0] == 4
    assert set(recorder.told("params")[1][0]).isdisjoint(params)  # MLflow refuses to change a parameter


def test_an_active_run_is_continued_and_left_open(recorder: Recorder) -> None:
    recorder.active = "the user's"
    regressor().fit(*line(), callbacks=[MLflowLog(), TimeBudget(1e-9)])
    assert recorder.active == "the user's" and not recorder.told("end")
    assert "time budget" in recorder.told("tags")[0][0]["stopped"]


class Interrupt(Callback):
    def on_epoch_end(self, run: Any, record: Any) -> None:
        raise KeyboardInterrupt


def test_how_a_run_ends(recorder: Recorder) -> None:
    with pytest.raises(NotFiniteError):
        regressor(1e30).fit(*line(), epochs=5, callbacks=[MLflowLog()])
    with pytest.raises(KeyboardInterrupt):
        regressor().fit(*line(), callbacks=[MLflowLog(), Interrupt()])
    assert recorder.told("end") == [("FAILED",), ("KILLED",)]


def test_without_mlflow_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[mlflow\]'"):
        MLflowLog()


@pytest.mark.filterwarnings("ignore")  # its own
def test_mlflow_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    history = regressor().fit(*line(), epochs=2, callbacks=[MLflowLog("a line")])
    (run,) = mlflow.MlflowClient().search_runs(["0"])
    assert run.info.run_name == "a line" and run.info.status == "FINISHED"
    assert run.data.metrics["loss"] == history["loss"][-1]
    assert run.data.params["loss"] == "mean_squared_error"
