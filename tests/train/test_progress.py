"""The bar in a notebook, and the log of the library."""

from __future__ import annotations

import io
import logging
import re
import sys
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

import twopass as tp
from train.problems import classifier, line, regressor, two_moons
from twopass.train import Progress, TimeBudget


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What IPython is told to display, by a stand-in for it."""
    texts: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            texts.append(html)

    def display(html: str, display_id: bool) -> Handle:
        assert display_id
        return Handle()

    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    package.display = module  # type: ignore[attr-defined]
    module.HTML, module.display = str, display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return texts


def notebook() -> Progress:
    return Progress(Console(file=io.StringIO(), force_jupyter=True))


def test_a_notebook_shows_one_bar_that_fills(shown: list[str]) -> None:
    classifier().fit(*two_moons(), epochs=30, validation_split=0.2, callbacks=[notebook()])
    values = [int(value) for text in shown for value in re.findall(r'value="(\d+)"', text)]
    (total,) = {int(value) for text in shown for value in re.findall(r'max="(\d+)"', text)}
    assert values == sorted(values) and values[-1] == total
    assert "epoch 30/30  loss " in shown[-1] and "val_accuracy" in shown[-1] and "samples/s" in shown[-1]
    assert len(shown) < 60  # it does not flood the notebook


def test_a_notebook_says_why_training_stopped(shown: list[str]) -> None:
    regressor().fit(*line(), epochs=9, callbacks=[TimeBudget(1e-9), notebook()])
    assert "stopped: the time budget" in shown[-1]


def test_epochs_are_logged_and_nothing_is_without_a_logger(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    regressor().fit(*line())
    assert not caplog.records and capsys.readouterr() == ("", "")
    with caplog.at_level(logging.INFO, "twopass"):
        regressor().fit(*line(), epochs=3, callbacks=[TimeBudget(1e-9)])
    first, last = caplog.messages[0], caplog.messages[-1]
    assert re.match(r"epoch 1 of 3: loss [\d.e-]+, learning_rate 0\.\d+, seconds ", first)
    assert last.startswith("stopped after epoch 1: the time budget")


def test_the_compiler_logs_what_it_captures(caplog: pytest.LogCaptureFixture) -> None:
    compiled: Any = tp.compile(lambda x: x * x + 1.0)
    with caplog.at_level(logging.DEBUG, "twopass.compiler"):
        compiled(2.0)
        compiled(3.0)
    (message,) = caplog.messages
    assert re.search(r"captured .* operations", message)
