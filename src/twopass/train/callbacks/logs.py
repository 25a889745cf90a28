"""A log of the epochs that any table reader opens."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twopass.errors import DataError, compose
from twopass.train.callbacks.base import Callback

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["CSVLog"]


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
