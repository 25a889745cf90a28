"""Trials of Optuna that end as soon as they look bad."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from twopass.errors import ArgumentError, MissingLibraryError, compose
from twopass.train.callbacks.base import Callback, Monitor

if TYPE_CHECKING:
    from twopass.train.fitting import Run

__all__ = ["OptunaPruning"]


class OptunaPruning(Callback):
    """Report a quantity to a trial of Optuna after each epoch, and end the trial when its pruner says so.

    The fit then ends with ``optuna.TrialPruned``, which ``study.optimize`` expects. Akiba, Sano, Yanase, Ohta and
    Koyama, Optuna: A Next-generation Hyperparameter Optimization Framework (2019), section 3.2.
    ``pip install 'twopass[optuna]'`` installs what is needed.

    Parameters
    ----------
    trial : optuna.trial.Trial
        What the objective function of the study is called with.
    monitor : str
        A quantity of the history. The study must minimise a loss, and maximise what is better when it is greater.
    step_offset : int
        What is added to the number of the epoch. A trial takes one value for each step, so that the fit of fold ``k``
        of a cross-validation of ``epochs`` epochs needs ``k * epochs``.

    Raises
    ------
    MissingLibraryError
        When Optuna is not installed.
    ArgumentError
        For a bad trial or offset; at the begin of a fit, for an unknown quantity, a study of several objectives, and
        one that looks for the worst value.

    Examples
    --------
    ::

        def objective(trial):
            rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
            trainer = tp.Trainer(net, "mean_squared_error", tp.optim.Adam(rate), seed=0)
            history = trainer.fit(x, y, epochs=50, validation_split=0.2, callbacks=[OptunaPruning(trial)])
            return history["val_loss"][-1]

        optuna.create_study(pruner=optuna.pruners.MedianPruner()).optimize(objective, n_trials=100)
    """

    def __init__(self, trial: Any, monitor: str = "val_loss", step_offset: int = 0) -> None:
        self._optuna = _library()
        if isinstance(step_offset, bool) or not hasattr(step_offset, "__index__") or operator.index(step_offset) < 0:
            raise ArgumentError(compose(f"step_offset must be a whole number from 0, not {step_offset!r}"))
        if not (hasattr(trial, "report") and hasattr(trial, "should_prune")):
            what = f"trial must be a trial of Optuna, not a {type(trial).__name__}"
            raise ArgumentError(compose(what, instead="Pass what the objective function is called with."))
        self.trial = trial
        self.monitor = Monitor(monitor)
        self.step_offset = step_offset

    def on_fit_begin(self, run: Run) -> None:
        self.monitor.start(run)
        study = getattr(self.trial, "study", None)  # a FixedTrial has none: it is never pruned
        if study is not None:
            self._check_directions([direction.name for direction in study.directions], run)

    def on_epoch_end(self, run: Run, record: Mapping[str, float]) -> None:
        name, step = self.monitor.name, self.step_offset + run.epoch
        self.trial.report(record[name], step)
        if self.trial.should_prune():
            raise self._optuna.TrialPruned(f"pruned at step {step}: {name} is {record[name]:.6g}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Of the same trial: a copy of that, as `sklearn.clone` asks for, would report to a copy of the study."""
        return type(self)(self.trial, self.monitor.name, self.step_offset)

    def _check_directions(self, directions: list[str], run: Run) -> None:
        if len(directions) > 1:
            what = f"the study has {len(directions)} objectives, and Optuna prunes by one"
            raise ArgumentError(compose(what, instead="Leave OptunaPruning out, or make a study of one objective."))
        name, wanted = self.monitor.name, "MAXIMIZE" if self.monitor.sign < 0 else "MINIMIZE"
        if name in ("learning_rate", "seconds") or directions[0] == wanted:
            return
        better = "greater" if wanted == "MAXIMIZE" else "smaller"
        what = f"the study has the direction {directions[0].lower()!r}, and {name} is better when it is {better}"
        instead = f"Write optuna.create_study(direction={wanted.lower()!r}), and return such a value."
        raise ArgumentError(compose(what, why="It would prune the best trials.", instead=instead))


def _library() -> Any:
    try:
        import optuna
    except ImportError as error:
        what = "Optuna is not installed, and OptunaPruning reports to it"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[optuna]'.")) from error
    return optuna
