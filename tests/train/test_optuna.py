"""Trials that Optuna's pruners end, in studies of its own."""

from __future__ import annotations

import copy
import sys
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, regressor, two_moons
from twopass.errors import ArgumentError, MissingLibraryError, NotFiniteError
from twopass.train import OptunaPruning

EPOCHS = 6


@pytest.fixture
def optuna(monkeypatch: pytest.MonkeyPatch) -> Any:
    library = pytest.importorskip("optuna", reason="Optuna is not installed")
    library.logging.set_verbosity(library.logging.WARNING)
    return library


def states(study: Any) -> list[str]:
    return [trial.state.name for trial in study.trials]


def test_bad_trials_are_pruned_and_good_ones_end(optuna: Any) -> None:
    rates = [0.1, 0.05, 1e-4, 0.08, 1e-5]

    def objective(trial: Any) -> float:
        trainer = regressor(rates[trial.number])
        pruning = OptunaPruning(trial)
        history = trainer.fit(*line(), epochs=EPOCHS, validation_split=0.2, callbacks=[pruning])
        reported = [trial.study.trials[trial.number].intermediate_values[step] for step in range(1, EPOCHS + 1)]
        assert reported == history["val_loss"]
        return history["val_loss"][-1]

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=2))
    study.optimize(objective, n_trials=len(rates))
    assert states(study) == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert list(study.trials[2].intermediate_values) == [1, 2]
    assert study.best_params == {} and study.best_trial.number in (0, 3)


def test_greater_metrics_need_a_study_that_maximises(optuna: Any) -> None:
    def objective(trial: Any) -> float:
        pruning = OptunaPruning(trial, "val_accuracy")
        return max(classifier().fit(*two_moons(), epochs=2, validation_split=0.3, callbacks=[pruning])["val_accuracy"])

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    assert states(study) == ["COMPLETE"]
    with pytest.raises(ArgumentError, match=r"direction 'minimize'.*greater.*create_study\(direction='maximize'\)"):
        optuna.create_study().optimize(objective, n_trials=1)
    with pytest.raises(ArgumentError, match="the study has 2 objectives"):
        optuna.create_study(directions=["maximize", "minimize"]).optimize(objective, n_trials=1)


def test_a_loss_needs_a_study_that_minimises(optuna: Any) -> None:
    trial = optuna.create_study(direction="maximize").ask()
    with pytest.raises(ArgumentError, match="loss is better when it is smaller"):
        regressor().fit(*line(), callbacks=[OptunaPruning(trial, "loss")])


def test_folds_have_steps_of_their_own(optuna: Any) -> None:
    x, y = line()

    def objective(trial: Any) -> float:
        losses = []
        for fold in range(3):
            held_out = np.arange(len(x)) % 3 == fold
            pruning = OptunaPruning(trial, step_offset=fold * EPOCHS)
            history = regressor().fit(
                x[~held_out],
                y[~held_out],
                epochs=EPOCHS,
                validation_data=(x[held_out], y[held_out]),
                callbacks=[pruning],
            )
            losses.append(history["val_loss"][-1])
        return float(np.mean(losses))

    study = optuna.create_study()
    study.optimize(objective, n_trials=1)
    assert list(study.trials[0].intermediate_values) == list(range(1, 3 * EPOCHS + 1))


def test_a_copy_reports_to_the_same_trial(optuna: Any) -> None:
    trial = optuna.create_study().ask()
    again = copy.deepcopy([OptunaPruning(trial, "loss", 7)])[0]
    assert again.trial is trial and again.monitor.name == "loss" and again.step_offset == 7


def test_a_trial_of_fixed_parameters_is_never_pruned(optuna: Any) -> None:
    pruning = OptunaPruning(optuna.trial.FixedTrial({}), "loss")
    assert len(regressor().fit(*line(), epochs=2, callbacks=[pruning])["loss"]) == 2


def test_a_trial_that_diverges_fails_and_the_study_goes_on(optuna: Any) -> None:
    def objective(trial: Any) -> float:
        rate = [1e30, 0.1][trial.number]
        return regressor(rate).fit(*line(), callbacks=[OptunaPruning(trial, "loss")])["loss"][-1]

    study = optuna.create_study()
    study.optimize(objective, n_trials=2, catch=(NotFiniteError,))
    assert states(study) == ["FAIL", "COMPLETE"]


def test_mistakes_are_named(optuna: Any) -> None:
    trial = optuna.create_study().ask()
    with pytest.raises(ArgumentError, match=r"there is no 'val_loss' to monitor.*validation_split"):
        regressor().fit(*line(), callbacks=[OptunaPruning(trial)])
    with pytest.raises(ArgumentError, match="trial must be a trial of Optuna, not a Study"):
        OptunaPruning(optuna.create_study())
    for offset in (-1, 0.5, True):
        with pytest.raises(ArgumentError, match="step_offset must be a whole number from 0"):
            OptunaPruning(trial, step_offset=offset)


def test_without_optuna_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[optuna\]'"):
        OptunaPruning(None)
