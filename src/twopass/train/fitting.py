"""The loop over epochs and batches."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.errors import NotFiniteError, compose
from twopass.nn.losses import normaliser
from twopass.nn.random import fold_in
from twopass.train.diagnosis import fault
from twopass.train.evaluation import Mean
from twopass.train.history import record_epoch
from twopass.train.parameters import Partition, first_not_finite
from twopass.train.samples import Batch, Samples
from twopass.train.step import Loss, make_step
from twopass.train.threads import blas_threads

if TYPE_CHECKING:
    from twopass.train.callbacks.base import Callback
    from twopass.train.parameters import State
    from twopass.train.trainer import Trainer

__all__ = ["Run", "fit"]


@dataclasses.dataclass(eq=False)
class Run:
    """One call of `Trainer.fit`, as callbacks see it.

    Attributes
    ----------
    trainer : Trainer
        What is being trained.
    samples, validation : Samples
        What it learns from, and what it is evaluated on after each epoch (or None).
    batch_size : int
        Rows in a batch; the last one of an epoch may be smaller.
    shuffle : bool
        Whether each epoch has an order of its own.
    loss_function : callable
        The trainer's loss, with the class weights of this fit.
    first_epoch, last_epoch : int
        Numbers of the epochs, counted from 1 over all fits of the trainer.
    epoch, step : int
        Current epoch, and the number of steps that it has completed.
    loss : float
        Mean training loss of the current epoch so far.
    stop_reason : str or None
        Why no further step will be made.
    error : BaseException or None
        What ended the fit, if not its last epoch or `stop`.
    """

    trainer: Trainer
    samples: Samples
    validation: Samples | None
    batch_size: int
    shuffle: bool
    loss_function: Loss
    first_epoch: int
    last_epoch: int
    epoch: int = 0
    step: int = 0
    loss: float = math.nan
    stop_reason: str | None = None
    error: BaseException | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches."""
        return -(-len(self.samples) // self.batch_size)

    @property
    def quantities(self) -> tuple[str, ...]:
        """What the record of an epoch holds: the names that a callback may monitor."""
        validated = ("loss", *(metric.name for metric in self.trainer.metrics)) if self.validation else ()
        return ("loss", *(f"val_{name}" for name in validated), "learning_rate", "seconds")

    def stop(self, reason: str) -> None:
        """End the fit: after the current step if called from `on_batch_end`, else after the epoch."""
        self.stop_reason = self.stop_reason or reason


@dataclasses.dataclass(frozen=True, eq=False)
class _Attempt:
    """A step: where it started, and what it saw."""

    state: State
    batch: Batch
    key: Any


def fit(run: Run, callbacks: Sequence[Callback]) -> None:
    """Train until the last epoch, or until a callback or an error stops it.

    The trainer's state is replaced as a whole after each step, so it is consistent whatever interrupts.
    """
    loop = _Loop(run, callbacks)
    try:
        for callback in callbacks:
            callback.on_fit_begin(run)
        with blas_threads(run.trainer.threads, run.trainer.params, run.batch_size):
            for epoch in range(run.first_epoch, run.last_epoch + 1):
                if run.stop_reason is None:
                    loop.run_epoch(epoch)
    except NotFiniteError as error:
        if not any(callback.on_not_finite(run, error) for callback in callbacks):
            run.error = error
            raise
    except BaseException as error:
        run.error = error
        raise
    finally:
        for callback in callbacks:
            callback.on_fit_end(run)


class _Loop:
    """What stays the same from epoch to epoch."""

    def __init__(self, run: Run, callbacks: Sequence[Callback]) -> None:
        self.run = run
        self.callbacks = callbacks
        trainer = run.trainer
        partition = Partition.of(trainer.net, trainer.params)
        self.step = make_step(trainer.net, run.loss_function, trainer.optimizer, partition, backend=trainer.backend)
        self.last: _Attempt | None = None  # the last step whose loss was finite

    def run_epoch(self, epoch: int) -> None:
        """Train on all samples, validate, and record it."""
        run, trainer = self.run, self.run.trainer
        run.epoch, run.step, run.loss = epoch, 0, math.nan
        for callback in self.callbacks:
            callback.on_epoch_begin(run)
        rate = trainer.learning_rate
        start = time.perf_counter()
        # What a diverging network computes is looked at, and explained, after each step.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            self._steps()
        seconds = time.perf_counter() - start
        self._check_params()
        record = {"loss": run.loss, **self._validate(), "learning_rate": rate, "seconds": seconds}
        observed = trainer.optimizer.observe(trainer.state.optimizer, record.get("val_loss", run.loss))
        trainer.state = dataclasses.replace(trainer.state, optimizer=observed)
        record_epoch(trainer.history, record, run.epoch)
        trainer.epoch = run.epoch
        for callback in self.callbacks:
            callback.on_epoch_end(run, record)

    def _steps(self) -> None:
        """All steps of an epoch."""
        run, trainer = self.run, self.run.trainer
        order = None
        if run.shuffle:
            order = np.random.default_rng([trainer.seed, run.epoch]).permutation(len(run.samples))
        keys = fold_in(fold_in(trainer.seed, run.epoch), np.arange(run.steps_per_epoch))
        mean = Mean()
        for batch, key in zip(run.samples.batches(run.batch_size, trainer.dtype, order), keys, strict=True):
            value = self._train(batch, key)
            mean.add(value, normaliser(run.loss_function, batch[1], batch[2]))
            run.step, run.loss = run.step + 1, mean.value
            for callback in self.callbacks:
                callback.on_batch_end(run)
            if run.stop_reason is not None:
                break

    def _train(self, batch: Batch, key: Any) -> float:
        """One step; the mean loss of the batch."""
        trainer = self.run.trainer
        attempt = _Attempt(trainer.state, batch, key)
        params, optimizer_state, value = self.step(attempt.state.params, attempt.state.optimizer, *batch, key)
        loss = float(value)
        if not math.isfinite(loss):
            self._fail(f"the loss became {loss} in epoch {self.run.epoch}, step {self.run.step + 1}", attempt)
        trainer.state = dataclasses.replace(attempt.state, params=params, optimizer=optimizer_state)
        self.last = attempt
        return loss

    def _check_params(self) -> None:
        """Find what the last step of an epoch has done, which no loss shows any more."""
        name = first_not_finite(self.run.trainer.params)
        if name is not None and self.last is not None:
            self._fail(f"{name} became NaN or infinite in epoch {self.run.epoch}, step {self.run.step}", self.last)

    def _fail(self, what: str, attempt: _Attempt) -> None:
        """Go back to the weights of the last finite loss, and raise with the cause."""
        run, trainer = self.run, self.run.trainer
        if self.last is not None:
            trainer.state = self.last.state
            if first_not_finite(attempt.state.params):
                attempt = self.last  # the step that made them so is the one to explain
        culprit = fault(trainer.net, run.loss_function, attempt.state.params, attempt.batch, attempt.key)
        why = f"The first thing that was not finite is {culprit}."
        instead = (
            "Lower the learning rate, clip gradients with optim.chain(optim.clip_by_global_norm(1.0), optimizer), "
            "or scale the inputs; callbacks=[NaNStop()] stops instead. The trainer holds the weights before it."
        )
        raise NotFiniteError(compose(what, why=why, instead=instead))

    def _validate(self) -> dict[str, float]:
        if self.run.validation is None:
            return {}
        found = self.run.trainer.evaluate_samples(self.run.validation)
        return {f"val_{name}": value for name, value in found.items()}
