"""Callbacks that save the trainer while it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from twopass.errors import ArgumentError, compose
from twopass.train.callbacks.base import Callback, Monitor

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["Checkpoint", "CheckpointBest"]


class Checkpoint(Callback):
    """Save the trainer every so many epochs, in place of the one saved before.

    After a crash, ``Trainer.load(folder)`` continues with the same bits from the last save.

    Parameters
    ----------
    folder : path
        Of the model.
    every : int
        Epochs from one save to the next; the last epoch is always saved.

    Raises
    ------
    ArgumentError
        For an `every` below 1.
    """

    def __init__(self, folder: str | os.PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise ArgumentError(compose(f"every must be a whole number from 1, not {every!r}"))
        self.folder = Path(folder)
        self.every = every

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        if run.epoch % self.every == 0 or run.epoch == run.last_epoch or run.stop_reason is not None:
            run.trainer.save(self.folder)


class CheckpointBest(Callback):
    """Save the trainer after each epoch that is the best of the fit so far.

    Parameters
    ----------
    folder : path
        Of the model.
    monitor : str
        A quantity of the history; metrics know which way is better.
    min_delta : float
        Smallest change that is an improvement.

    Raises
    ------
    ArgumentError
        For a bad parameter; at the begin of a fit, for an unknown quantity.
    """

    def __init__(self, folder: str | os.PathLike[str], monitor: str = "val_loss", min_delta: float = 0.0) -> None:
        self.folder = Path(folder)
        self.monitor = Monitor(monitor, min_delta)

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.start(run)

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        if self.monitor.improved(record):
            run.trainer.save(self.folder)
