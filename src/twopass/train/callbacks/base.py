"""What a callback can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from twopass.errors import ArgumentError, NotFiniteError, compose

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["Callback", "Monitor"]


class Callback:
    """Base of the callbacks: override the hooks that you need.

    Each hook receives the `Run`: the trainer, the current epoch and step, the loss so far, and ``run.stop(reason)``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> class Announce(Callback):
    ...     def on_epoch_end(self, run, record):
    ...         print(f"epoch {run.epoch} of {run.last_epoch}: {run.step} steps")
    >>> trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.01), seed=0)
    >>> history = trainer.fit(np.ones((50, 2)), np.ones(50), epochs=2, callbacks=[Announce()])
    epoch 1 of 2: 2 steps
    epoch 2 of 2: 2 steps

    Attributes
    ----------
    every_step : bool
        Whether `on_batch_end`, if a class defines it, has to be called after each single step. False lets compiled
        code make many steps in between, for up to a twentieth of a second.
    """

    every_step: bool = True

    def on_fit_begin(self, run: Run) -> None:
        """Before the first epoch."""

    def on_epoch_begin(self, run: Run) -> None:
        """Before the first step of an epoch."""

    def on_batch_end(self, run: Run) -> None:
        """After a step; after some steps, the last of which is ``run.step``, if `every_step` is False."""

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        """After an epoch and its validation; the record is what was added to the history."""

    def on_not_finite(self, run: Run, error: NotFiniteError) -> bool:
        """When the loss or a parameter is no number any more: whether to end the fit without raising the error."""
        return False

    def on_fit_end(self, run: Run) -> None:
        """After the last epoch, and also after an error (`run.error`), Ctrl-C included."""


class Monitor:
    """One quantity of the history, and which way is better.

    Parameters
    ----------
    name : str
        Such as ``"val_loss"``.
    min_delta : float
        Smallest change that is an improvement.

    Raises
    ------
    ArgumentError
        For a negative `min_delta`.
    """

    def __init__(self, name: str, min_delta: float = 0.0) -> None:
        if not 0 <= min_delta < float("inf"):
            raise ArgumentError(compose(f"min_delta must be a number from 0, not {min_delta!r}"))
        self.name = name
        self.min_delta = min_delta
        self.sign = 1.0
        self.best = float("inf")  # times the sign

    def start(self, run: Run) -> None:
        """Forget the best value, and learn from the run which way is better.

        Raises
        ------
        ArgumentError
            When the run has no such quantity.
        """
        if self.name not in run.quantities:
            what = f"there is no {self.name!r} to monitor"
            instead = f"Available are {', '.join(run.quantities)}."
            if not run.validated:
                instead += " Pass validation_data or validation_split to fit for validation losses and metrics."
            raise ArgumentError(compose(what, instead=instead))
        greater = run.validated.get(self.name, False)
        self.sign, self.best = (-1.0 if greater else 1.0), float("inf")

    def improved(self, record: Mapping[str, float]) -> bool:
        """Whether the value is the best so far; a NaN never is."""
        value = self.sign * record[self.name]
        if not (value < self.best - self.min_delta if self.best < float("inf") else value < float("inf")):
            return False
        self.best = value
        return True
