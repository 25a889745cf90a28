"""Callbacks that report: to a file that any table reader opens, and to the terminal."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twopass.errors import DataError, compose
from twopass.train.callbacks.base import Callback

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from twopass.train.fitting import Run

__all__ = ["CSVLog", "Progress"]


class CSVLog(Callback):
    """Write one line an epoch to a CSV file: the epoch's number, then the quantities of the history.

    A file that exists is continued. Every line is in the file as soon as its epoch ends.

    Parameters
    ----------
    file : path
        Its folder must exist.

    Raises
    ------
    DataError
        At the begin of a fit, when the file has other columns.
    """

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self.file = Path(file)

    def on_fit_begin(self, run: Run) -> None:
        columns = ["epoch", *run.quantities]
        if not self.file.exists() or self.file.stat().st_size == 0:
            self._append(columns)
            return
        with self.file.open(newline="", encoding="utf-8") as file:
            found = next(csv.reader(file))
        if found != columns:
            what = f"{self.file} has the columns {', '.join(found)}"
            why = f"This fit writes {', '.join(columns)}."
            raise DataError(compose(what, why=why, instead="Choose another file."))

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        self._append([run.epoch, *(record[name] for name in run.quantities)])

    def _append(self, values: list[Any]) -> None:
        with self.file.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(values)


class Progress(Callback):
    """Show a bar with epoch, loss, metrics and speed; one line an epoch where the output is no terminal.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to write; standard error by default.
    """

    every_step = False

    def __init__(self, console: Console | None = None) -> None:
        self.console = console
        self._bar: Bar | None = None
        self._task: Any = None
        self._validated = ""

    def on_fit_begin(self, run: Run) -> None:
        from rich import progress
        from rich.console import Console

        console = self.console or Console(stderr=True)
        self._bar = progress.Progress(
            progress.TextColumn("epoch {task.fields[epoch]}/" + str(run.last_epoch)),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[report]}"),
            progress.TextColumn("{task.fields[speed]}"),
            progress.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._validated = ""
        total = len(run.samples) * (run.last_epoch - run.first_epoch + 1)
        self._task = self._bar.add_task("", total=total, epoch=run.first_epoch, report="", speed="")
        self._bar.start()

    def on_batch_end(self, run: Run) -> None:
        assert self._bar is not None
        done = len(run.samples) * (run.epoch - run.first_epoch)
        done += min(run.step * run.batch_size, len(run.samples))
        speed = self._bar.tasks[0].speed
        self._bar.update(
            self._task,
            completed=done,
            epoch=run.epoch,
            report=f"loss {run.loss:.4g}{self._validated}",
            speed="" if speed is None else f"{speed:,.0f} samples/s",
        )

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        assert self._bar is not None
        self._validated = "".join(f"  {name} {value:.4g}" for name, value in record.items() if name.startswith("val_"))
        if self._bar.disable:
            speed = run.step * run.batch_size / record["seconds"]
            line = f"epoch {run.epoch}/{run.last_epoch}  loss {record['loss']:.4g}{self._validated}"
            self._bar.console.print(f"{line}  {speed:,.0f} samples/s", highlight=False, soft_wrap=True)

    def on_fit_end(self, run: Run) -> None:
        if self._bar is not None:
            self._bar.stop()
            if run.stop_reason is not None:
                self._bar.console.print(f"stopped: {run.stop_reason}", highlight=False, markup=False, soft_wrap=True)
        self._bar = None
