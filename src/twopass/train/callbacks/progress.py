"""How far training has come: on a terminal, in a notebook, and in a file."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from twopass.train.callbacks.base import Callback

if TYPE_CHECKING:
    from rich.console import Console

    from twopass.train.fitting import Run

__all__ = ["Progress"]


class Progress(Callback):
    """Show a bar with epoch, loss, metrics and speed; one line an epoch where the output is no terminal.

    In a notebook (Jupyter, and what is like it) the bar is drawn below the cell, without any extension.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to write; standard error by default.

    Examples
    --------
    >>> import sys, numpy as np, twopass as tp
    >>> from rich.console import Console
    >>> progress = Progress(Console(file=sys.stdout))
    >>> trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.01), seed=0)
    >>> history = trainer.fit(np.ones((50, 2)), np.ones(50), epochs=2, callbacks=[progress])
    epoch 1/2  loss ...  ... samples/s
    epoch 2/2  loss ...  ... samples/s
    """

    every_step = False

    def __init__(self, console: Console | None = None) -> None:
        self.console = console
        self._display: _Display | None = None
        self._validated = ""

    def on_fit_begin(self, run: Run) -> None:
        from rich.console import Console

        console = self.console or Console(stderr=True)
        total = len(run.samples) * (run.last_epoch - run.first_epoch + 1)
        self._validated = ""
        if console.is_jupyter:
            self._display = _Notebook(total, run.last_epoch)
        else:
            self._display = _Bar(console, total, run.last_epoch) if console.is_terminal else _Lines(console)

    def on_batch_end(self, run: Run) -> None:
        assert self._display is not None
        done = len(run.samples) * (run.epoch - run.first_epoch)
        done += min(run.step * run.batch_size, len(run.samples))
        self._display.update(done, run.epoch, f"loss {run.loss:.4g}{self._validated}")

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        assert self._display is not None
        self._validated = "".join(f"  {name} {value:.4g}" for name, value in record.items() if name.startswith("val_"))
        speed = run.step * run.batch_size / record["seconds"]
        report = f"loss {record['loss']:.4g}{self._validated}"
        self._display.epoch(f"epoch {run.epoch}/{run.last_epoch}  {report}  {speed:,.0f} samples/s")
        self.on_batch_end(run)

    def on_fit_end(self, run: Run) -> None:
        if self._display is not None:
            self._display.stop("" if run.stop_reason is None else f"stopped: {run.stop_reason}")
        self._display = None


class _Display(Protocol):
    """Where progress is shown."""

    def update(self, done: int, epoch: int, report: str) -> None:
        """After some steps: how many samples have been trained on."""

    def epoch(self, line: str) -> None:
        """After an epoch: all of it in one line."""

    def stop(self, line: str) -> None:
        """At the end: why it came early, if it did."""


class _Lines:
    """One line an epoch, for files and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def update(self, done: int, epoch: int, report: str) -> None:
        pass

    def epoch(self, line: str) -> None:
        self._console.print(line, highlight=False, soft_wrap=True)

    def stop(self, line: str) -> None:
        if line:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _Bar(_Lines):
    """A bar that stays in its line, on a terminal."""

    def __init__(self, console: Console, total: int, last_epoch: int) -> None:
        from rich import progress

        super().__init__(console)
        self._bar = progress.Progress(
            progress.TextColumn(f"epoch {{task.fields[epoch]}}/{last_epoch}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[report]}"),
            progress.TextColumn("{task.fields[speed]}"),
            progress.TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=total, epoch="", report="", speed="")
        self._bar.start()

    def update(self, done: int, epoch: int, report: str) -> None:
        speed = self._bar.tasks[0].speed
        text = "" if speed is None else f"{speed:,.0f} samples/s"
        self._bar.update(self._task, completed=done, epoch=epoch, report=report, speed=text)

    def epoch(self, line: str) -> None:
        pass

    def stop(self, line: str) -> None:
        self._bar.stop()
        super().stop(line)


class _Notebook:
    """A bar below the cell of a notebook: plain HTML, replaced at most ten times a second."""

    _PAUSE = 0.1  # seconds

    def __init__(self, total: int, last_epoch: int) -> None:
        from IPython import display

        self._html: Any = display.HTML
        self._total, self._last_epoch = total, last_epoch
        self._start, self._shown, self._line, self._done = time.monotonic(), 0.0, "", 0
        self._handle: Any = display.display(self._html(""), display_id=True)

    def update(self, done: int, epoch: int, report: str) -> None:
        now = time.monotonic()
        elapsed = now - self._start
        self._done = done
        self._line = f"epoch {epoch}/{self._last_epoch}  {report}"
        if elapsed > 0:
            self._line += f"  {done / elapsed:,.0f} samples/s  {elapsed * (self._total - done) / done:,.0f} s left"
        if now - self._shown >= self._PAUSE or done == self._total:
            self._show(self._line)
            self._shown = now

    def epoch(self, line: str) -> None:
        self._line = line

    def stop(self, line: str) -> None:
        self._show(f"{self._line}  {line}")

    def _show(self, text: str) -> None:
        bar = f'<progress value="{self._done}" max="{self._total}"></progress>'
        self._handle.update(self._html(f"{bar} <code>{html.escape(text)}</code>"))
