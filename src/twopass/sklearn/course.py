"""The course of a stochastic fit: scikit-learn's stopping rules, learning rates and messages, epoch by epoch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from twopass.errors import NotFiniteError
from twopass.nn.types import Array
from twopass.sklearn.rows import SparseRows
from twopass.sklearn.solvers import with_learning_rate
from twopass.train import Callback, Run

if TYPE_CHECKING:
    from twopass.sklearn.base import BaseMLP

__all__ = ["Course", "Hooks", "Validation"]

#: How many samples are validated together.
_BATCH = 4096
#: An adaptive learning rate at or below this one ends the fit.
_SMALLEST_RATE = 1e-6


@dataclasses.dataclass(eq=False)
class Validation:
    """Samples that an estimator is validated on.

    Parameters
    ----------
    x : array or sparse matrix of shape (n_samples, n_features)
        Inputs, as `predict` takes them.
    truth : array
        Targets, as `predict` gives them.
    target : array
        Targets, as the loss takes them.
    weight : array of shape (n_samples,), optional
        Sample weights.
    """

    x: Any
    truth: Any
    target: Array
    weight: Array | None

    def __post_init__(self) -> None:
        self.rows = SparseRows(self.x) if hasattr(self.x, "tocsr") else self.x

    def outputs(self, run: Run) -> Array:
        """The outputs of the network that is being trained."""
        starts = range(0, len(self.rows), _BATCH)
        return np.concatenate([run.trainer.predict(self.rows[i : i + _BATCH], batch_size=_BATCH) for i in starts])


class Course(Callback):
    """Keeps the attributes of an estimator after each epoch, and decides whether to go on.

    Parameters
    ----------
    estimator : BaseMLP
        Whose parameters are the rules.
    validation : Validation, optional
        What decides about early stopping, and is recorded.
    incremental : bool
        Whether this is the one epoch of a `partial_fit`.
    """

    every_step = False
    #: What `validate` gives; callbacks find it in the record of an epoch.
    measures: ClassVar[dict[str, bool]] = {"loss": False, "score": True}

    def __init__(self, estimator: BaseMLP, validation: Validation | None, incremental: bool) -> None:
        self.estimator = estimator
        self.validation = validation
        self.incremental = incremental
        self.diverged: NotFiniteError | None = None

    def on_fit_begin(self, run: Run) -> None:
        if self.validation is not None:
            run.validator = self

    def on_not_finite(self, run: Run, error: NotFiniteError) -> bool:
        """With early stopping there are weights to go back to: the epoch counts, with numbers that are none."""
        estimator = self.estimator
        if not estimator.early_stopping or estimator._best_params is None:
            return False
        estimator.n_iter_ += 1
        for curve in (estimator.loss_curve_, estimator.validation_scores_, estimator.validation_loss_curve_):
            curve.append(np.nan)
        self.diverged = error
        run.stop(str(error))
        return True

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        estimator = self.estimator
        estimator.n_iter_ += 1
        estimator.loss_ = run.loss
        estimator.t_ += min(run.step * run.batch_size, len(run.samples))  # fewer if the time was up
        estimator.loss_curve_.append(run.loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {run.loss:.8f}")
        if self.validation is not None:
            estimator.validation_loss_curve_.append(record["val_loss"])
            estimator.validation_scores_.append(record["val_score"])
            if estimator.verbose:
                print(f"Validation score: {record['val_score']:f}")
        improved = self._by_score(run) if estimator.early_stopping else self._by_loss(run)
        estimator._no_improvement_count = 0 if improved else estimator._no_improvement_count + 1
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
            run.trainer.state = with_learning_rate(run.trainer.state, rate)
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            self._give_up(run)

    @np.errstate(over="ignore", invalid="ignore")  # a network that diverges shows it in the numbers
    def validate(self, run: Run) -> dict[str, float]:
        """The loss, and what the parameter `scoring` asks for."""
        estimator, validation = self.estimator, self.validation
        assert validation is not None
        outputs = estimator._together(validation.outputs(run))
        loss = float(run.loss_function(outputs, validation.target, sample_weight=validation.weight))
        if estimator.scoring == "loss":
            score = -loss
        elif estimator.scoring is None:
            score = estimator._score_of_outputs(outputs, validation)
        else:
            estimator._keep(run.trainer.params)
            score = estimator._scorer(validation)
        return {"loss": loss, "score": score}

    def _by_score(self, run: Run) -> bool:
        """Whether the validation score is better than the best one by `tol`; keeps the weights of the best."""
        estimator = self.estimator
        score = estimator.validation_scores_[-1]
        improved = not score < estimator.best_validation_score_ + estimator.tol
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            estimator._best_params = run.trainer.params
        return improved

    def _by_loss(self, run: Run) -> bool:
        """Whether the training loss is better than the best one by `tol`."""
        estimator = self.estimator
        improved = not run.loss > estimator.best_loss_ - estimator.tol
        estimator.best_loss_ = min(run.loss, estimator.best_loss_)
        return improved

    def _give_up(self, run: Run) -> None:
        """Stop, or go on with a smaller learning rate."""
        estimator = self.estimator
        what = "Validation score" if estimator.early_stopping else "Training loss"
        patience = estimator.n_iter_no_change
        message = f"{what} did not improve more than tol={estimator.tol:f} for {patience} consecutive epochs."
        rate = run.trainer.learning_rate
        if estimator.solver != "sgd" or estimator.learning_rate != "adaptive":
            decision = "Stopping."
        elif rate <= _SMALLEST_RATE:
            decision = "Learning rate too small. Stopping."
        else:
            run.trainer.state = with_learning_rate(run.trainer.state, rate / 5.0)
            estimator._no_improvement_count = 0
            decision = f"Setting learning rate to {rate / 5.0:f}"
        if estimator.verbose:
            print(f"{message} {decision}")
        if decision.endswith("Stopping."):
            run.stop(message)


class Hooks(Callback):
    """Calls the callbacks that were set by scikit-learn's `set_callbacks`, in a task for each epoch.

    Parameters
    ----------
    estimator : BaseMLP
        The one that they were set on.
    context : sklearn.callback.CallbackContext
        Of the fit.
    data : dict
        ``X``, ``y`` and ``metadata`` of the fit.
    """

    every_step = False

    def __init__(self, estimator: BaseMLP, context: Any, data: dict[str, Any]) -> None:
        self.estimator = estimator
        self.context = context
        self.data = data
        self._task: Any = None

    def on_epoch_begin(self, run: Run) -> None:
        self._task = self.context.subcontext(task_name="epoch")
        self._task.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        def attributes() -> dict[str, Any]:
            return self.estimator._attributes(run.trainer.params)

        arguments = {**self.data, "reconstruction_attributes": attributes}
        if self._task.call_on_fit_task_end(estimator=self.estimator, **arguments):
            run.stop("a callback has stopped the fit")
