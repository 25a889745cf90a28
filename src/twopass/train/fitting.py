"""The loop over epochs and batches."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twopass.errors import NotFiniteError, compose
from twopass.train.callbacks.base import Callback
from twopass.train.diagnosis import fault
from twopass.train.eager import Outcome, Steps
from twopass.train.evaluation import Mean
from twopass.train.history import record_epoch
from twopass.train.native import make_steps
from twopass.train.parameters import first_not_finite
from twopass.train.plan import Chunk, Plan, Shuffle
from twopass.train.samples import Samples
from twopass.train.step import Loss

if TYPE_CHECKING:
    from twopass.train.trainer import Trainer

__all__ = ["Run", "Validator", "fit"]

_LOG = logging.getLogger("twopass.train")


class Validator(Protocol):
    """What validates in another way than a trainer does."""

    @property
    def measures(self) -> Mapping[str, bool]:
        """The names of what it measures, and whether greater values are better."""

    def validate(self, run: Run) -> Mapping[str, float]:
        """The values after an epoch, in the order of the names."""


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
    shuffle : bool or callable
        Whether each epoch has an order of its own, or the function of the epoch's number that gives it.
    loss_function : callable
        The trainer's loss, with the class weights of this fit.
    first_epoch, last_epoch : int
        Numbers of the epochs, counted from 1 over all fits of the trainer.
    epoch, step : int
        Current epoch, and the number of steps that it has completed.
    loss : float
        Mean training loss of the current epoch so far.
    validator : Validator or None
        What validates in the place of the trainer; a callback may set it before the first epoch.
    stop_reason : str or None
        Why no further step will be made.
    error : BaseException or None
        What ended the fit, if not its last epoch or `stop`.
    """

    trainer: Trainer
    samples: Samples
    validation: Samples | None
    batch_size: int
    shuffle: Shuffle
    loss_function: Loss
    first_epoch: int
    last_epoch: int
    epoch: int = 0
    step: int = 0
    loss: float = math.nan
    validator: Validator | None = None
    stop_reason: str | None = None
    error: BaseException | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches."""
        return -(-len(self.samples) // self.batch_size)

    @property
    def quantities(self) -> tuple[str, ...]:
        """What the record of an epoch holds: the names that a callback may monitor."""
        return ("loss", *self.validated, "learning_rate", "seconds")

    @property
    def validated(self) -> dict[str, bool]:
        """Those of the quantities that come from validation, and whether greater values are better."""
        measures: Mapping[str, bool] = {}
        if self.validator is not None:
            measures = self.validator.measures
        elif self.validation is not None:
            measures = {"loss": False, **{metric.name: metric.greater_is_better for metric in self.trainer.metrics}}
        return {f"val_{name}": greater for name, greater in measures.items()}

    def validate(self) -> dict[str, float]:
        """Validate the current weights."""
        found: Mapping[str, float] = {}
        if self.validator is not None:
            found = self.validator.validate(self)
        elif self.validation is not None:
            found = self.trainer.evaluate_samples(self.validation)
        return {f"val_{name}": value for name, value in found.items()}

    def plan(self, epoch: int) -> Plan:
        """The steps of an epoch."""
        return Plan.of(self.samples, self.batch_size, self.shuffle, self.trainer.seed, epoch)

    def stop(self, reason: str) -> None:
        """End the fit: after the current step if called from `on_batch_end`, else after the epoch."""
        self.stop_reason = self.stop_reason or reason


def fit(run: Run, callbacks: Sequence[Callback]) -> None:
    """Train until the last epoch, or until a callback or an error stops it.

    The trainer's state is replaced as a whole after some steps, or changed by some steps as a whole, so it is
    consistent whatever interrupts.
    """
    loop = _Loop(run, callbacks)
    try:
        for callback in callbacks:
            callback.on_fit_begin(run)
        with loop.steps.context():
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
        run.trainer.live = run.trainer.live.settled()
        if run.stop_reason is not None:
            _LOG.info("stopped after epoch %d: %s", run.epoch, run.stop_reason)
        for callback in callbacks:
            callback.on_fit_end(run)


class _Loop:
    """What stays the same from epoch to epoch."""

    def __init__(self, run: Run, callbacks: Sequence[Callback]) -> None:
        self.run = run
        self.callbacks = callbacks
        self.steps: Steps = make_steps(run)
        self.one_by_one = any(_wants_every_step(callback) for callback in callbacks)
        self.last: Chunk | None = None  # the last one, whose losses were finite

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
        record = {"loss": run.loss, **run.validate(), "learning_rate": rate, "seconds": seconds}
        outline = trainer.live.outline
        observed = trainer.optimizer.observe(outline, record.get("val_loss", run.loss))
        if observed is not outline:
            trainer.live = trainer.live.with_outline(observed)
        record_epoch(trainer.history, record, run.epoch)
        trainer.epoch = run.epoch
        if _LOG.isEnabledFor(logging.INFO):
            numbers = ", ".join(f"{name} {value:.6g}" for name, value in record.items())
            _LOG.info("epoch %d of %d: %s", epoch, run.last_epoch, numbers)
        for callback in self.callbacks:
            callback.on_epoch_end(run, record)

    def _steps(self) -> None:
        """All steps of an epoch."""
        run, plan, mean = self.run, self.run.plan(self.run.epoch), Mean()
        while run.step < plan.steps:
            count = 1 if self.one_by_one else self.steps.count(plan, run.step)
            self._train(Chunk(run.trainer.live, plan, run.step, count), mean)
            for callback in self.callbacks:
                callback.on_batch_end(run)
            if run.stop_reason is not None:
                break

    def _train(self, chunk: Chunk, mean: Mean) -> None:
        """Make some steps."""
        outcome = self.steps.run(chunk)
        finite = np.isfinite(outcome.losses)
        if not finite.all():
            self._fail_in(chunk, int(np.argmin(finite)), outcome)
        self.run.trainer.live, self.last = outcome.state, chunk
        mean.add(outcome.losses, outcome.weights)
        self.run.step, self.run.loss = chunk.start + chunk.count, mean.value

    def _fail_in(self, chunk: Chunk, number: int, outcome: Outcome) -> None:
        """Explain the first step of a chunk whose loss is not finite."""
        what = f"the loss became {outcome.losses[number]} in epoch {self.run.epoch}, step {chunk.start + number + 1}"
        if self.steps.in_place:
            state = outcome.state
        else:
            if number:
                self.last = chunk.first(number)
            state = self.steps.run(self.last).state if number and self.last is not None else chunk.state
        self._fail(what, Chunk(state, chunk.plan, chunk.start + number, 1))

    def _check_params(self) -> None:
        """Find what the last step of an epoch has done, which no loss shows any more."""
        name = self.run.trainer.live.first_not_finite()
        if name is not None and self.last is not None:
            what = f"{name} became NaN or infinite in epoch {self.run.epoch}, step {self.run.step}"
            self._fail(what, self._last_step(self.last))

    def _last_step(self, chunk: Chunk) -> Chunk:
        """The last step of a chunk, alone; what leads to it is computed again, unless it is gone."""
        before = chunk.count - 1
        state = chunk.state
        if before and not self.steps.in_place:
            state = self.steps.run(chunk.first(before)).state
        return Chunk(state, chunk.plan, chunk.start + before, 1)

    def _fail(self, what: str, step: Chunk) -> None:
        """Go back to the weights of the last finite loss, and raise with the cause."""
        run, trainer = self.run, self.run.trainer
        if self.last is not None and not self.steps.in_place:
            last = self._last_step(self.last)
            trainer.live = last.state
            if first_not_finite(step.state.params):
                step = last  # the step that made them so is the one to explain
        if self.steps.in_place and step.state.first_not_finite():
            why = "A step with a finite loss had a gradient or an update that is not finite."
            instead = (
                "So large a network is changed in place, and its weights cannot be brought back: go on from a saved "
                "model. The same training on the backend 'numpy' names the operation."
            )
            raise NotFiniteError(compose(what, why=why, instead=instead))
        batch, key = step.plan.batch(step.start, trainer.dtype), step.plan.keys[step.start]
        why = fault(trainer.net, run.loss_function, step.state.params, batch, key)
        instead = (
            "Lower the learning rate, clip gradients with optim.chain(optim.clip_by_global_norm(1.0), optimizer), "
            "or scale the inputs; callbacks=[NaNStop()] stops instead. The trainer holds the weights before it."
        )
        raise NotFiniteError(compose(what, why=why, instead=instead))


def _wants_every_step(callback: Callback) -> bool:
    """Whether a callback does something after steps, and has to do so after each."""
    return callback.every_step and type(callback).on_batch_end is not Callback.on_batch_end
