"""Callbacks that end a fit early."""

from __future__ import annotations

import operator
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from twopass.errors import ArgumentError, NotFiniteError, compose
from twopass.train.callbacks.base import Callback, Monitor

if TYPE_CHECKING:
    from twopass.train.fitting import Run
    from twopass.train.parameters import State

__all__ = ["EarlyStopping", "NaNStop", "TimeBudget"]


class EarlyStopping(Callback):
    """Stop when a quantity has not improved for some epochs, and go back to its best one.

    Prechelt, Early Stopping: But When? (1998), with the patience criterion.

    Parameters
    ----------
    monitor : str
        A quantity of the history; metrics know which way is better.
    patience : int
        Epochs without improvement that are tolerated.
    min_delta : float
        Smallest change that is an improvement.
    restore_best : bool
        Whether the trainer gets the weights and the optimizer state of the best epoch when the fit ends. (After an
        error or Ctrl-C it keeps the last ones.)

    Attributes
    ----------
    best_epoch : int or None
        Number of the best epoch.

    Raises
    ------
    ArgumentError
        For a bad parameter; at the begin of a fit, for an unknown quantity.
    """

    def __init__(
        self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0, restore_best: bool = True
    ) -> None:
        if isinstance(patience, bool) or not hasattr(patience, "__index__") or operator.index(patience) < 0:
            raise ArgumentError(compose(f"patience must be a whole number from 0, not {patience!r}"))
        self.monitor = Monitor(monitor, min_delta)
        self.patience = patience
        self.restore_best = restore_best
        self.best_epoch: int | None = None
        self._best: State | None = None
        self._waited = 0

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.start(run)
        self.best_epoch, self._best, self._waited = None, None, 0

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        if self.monitor.improved(record):
            self.best_epoch, self._best, self._waited = run.epoch, run.trainer.state, 0
            return
        self._waited += 1
        if self._waited > self.patience:
            run.stop(f"{self.monitor.name} has not improved for {self._waited} epochs")

    def on_fit_end(self, run: Run) -> None:
        if self.restore_best and self._best is not None and run.error is None:
            run.trainer.state = self._best
        self._best = None


class NaNStop(Callback):
    """Stop, instead of raising `NotFiniteError`, when the loss or a parameter is no number any more.

    The trainer keeps the weights that it would have after the error (see `Trainer.fit`); the epoch in which it happened
    is not counted.

    Attributes
    ----------
    error : NotFiniteError or None
        What happened, and where.
    """

    def __init__(self) -> None:
        self.error: NotFiniteError | None = None

    def on_fit_begin(self, run: Run) -> None:
        self.error = None

    def on_not_finite(self, run: Run, error: NotFiniteError) -> bool:
        self.error = error
        run.stop(str(error))
        return True


class TimeBudget(Callback):
    """Stop after the step in which a fit has lasted for some time.

    The epoch ends there: it is validated and recorded with the steps that it made.

    Parameters
    ----------
    seconds : float
        Above 0.

    Raises
    ------
    ArgumentError
        For another number.
    """

    every_step = False

    def __init__(self, seconds: float) -> None:
        if not 0 < seconds < float("inf"):
            raise ArgumentError(compose(f"seconds must be a number above 0, not {seconds!r}"))
        self.seconds = seconds
        self._end = 0.0

    def on_fit_begin(self, run: Run) -> None:
        self._end = time.monotonic() + self.seconds

    def on_batch_end(self, run: Run) -> None:
        if time.monotonic() >= self._end:
            run.stop(f"the time budget of {self.seconds} s is used up")
