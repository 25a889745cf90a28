"""What the estimators do beyond scikit-learn's."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
import sklearn
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import twopass as tp
from twopass.errors import ArgumentError
from twopass.sklearn import MLPClassifier, MLPRegressor
from twopass.sklearn.descent import _kept_parts, chosen_backend, chosen_threads

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


@pytest.fixture(scope="module")
def line():
    x, y = make_regression(200, 5, noise=1.0, random_state=0)
    return x, y / 100


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": 16, "learning_rate_init": 0.02, "random_state": 0, **parameters})


# --- the network ------------------------------------------------------------------------------------------------------


def test_dropout_changes_training_and_not_prediction(iris):
    plain, dropped = classifier(max_iter=40).fit(*iris), classifier(max_iter=40, dropout=0.5).fit(*iris)
    assert plain.loss_ < dropped.loss_
    assert dropped.score(*iris) > 0.8
    np.testing.assert_array_equal(dropped.predict_proba(iris[0]), dropped.predict_proba(iris[0]))
    again = classifier(max_iter=40, dropout=0.5).fit(*iris)
    np.testing.assert_array_equal(again.coefs_[0], dropped.coefs_[0])


def test_dropout_may_differ_from_layer_to_layer(iris):
    model = classifier(hidden_layer_sizes=(8, 9), dropout=(0.0, 0.3), max_iter=3).fit(*iris)
    assert [weight.shape for weight in model.coefs_] == [(4, 8), (8, 9), (9, 3)]
    with pytest.raises(ValueError, match="dropout has 3 entries, and there are 2 hidden layers"):
        classifier(hidden_layer_sizes=(8, 9), dropout=(0.0, 0.3, 0.1)).fit(*iris)


def test_batch_norm_keeps_its_statistics(iris):
    model = classifier(batch_norm=True, batch_size=30, max_iter=60).fit(*iris)
    (norm,) = model.norms_
    assert {name: values.shape for name, values in norm.items()} == dict.fromkeys(
        ("scale", "shift", "mean", "variance"), (16,)
    )
    assert not np.allclose(norm["mean"], 0)
    assert model.score(*iris) > 0.9
    before = model.coefs_[0].copy()
    model.partial_fit(*iris)
    assert not np.array_equal(before, model.coefs_[0])
    assert not hasattr(classifier(max_iter=2).fit(*iris), "norms_")


def test_each_layer_may_have_its_own_activation(iris):
    model = classifier(hidden_layer_sizes=(6, 5), activation=["silu", np.sin], max_iter=3).fit(*iris)
    hidden = model.hidden_activations(iris[0])
    first = iris[0] @ model.coefs_[0] + model.intercepts_[0]
    np.testing.assert_allclose(hidden[0], tp.nn.silu(first))
    np.testing.assert_allclose(hidden[1], np.sin(hidden[0] @ model.coefs_[1] + model.intercepts_[1]))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_hidden_activations_lead_to_the_output(iris, batch_norm):
    model = classifier(hidden_layer_sizes=(6, 5), batch_norm=batch_norm, dropout=0.1, max_iter=3).fit(*iris)
    hidden = model.hidden_activations(iris[0])
    assert [values.shape for values in hidden] == [(150, 6), (150, 5)]
    logits = hidden[-1] @ model.coefs_[-1] + model.intercepts_[-1]
    np.testing.assert_allclose(tp.nn.softmax(logits), model.predict_proba(iris[0]))


def test_layers_can_be_counted(iris):
    search = GridSearchCV(classifier(hidden_layer_sizes=(100,), max_iter=3), {"n_layers": [1, 3], "layer_width": [7]})
    assert {model.n_layers_ for model in [search.fit(*iris).best_estimator_]} <= {3, 5}
    model = MLPClassifier(n_layers=2, layer_width=7, max_iter=2).fit(*iris)
    assert [weight.shape[1] for weight in model.coefs_] == [7, 7, 3]
    with pytest.raises(ValueError, match="hidden_layer_sizes is given beside n_layers"):
        classifier(n_layers=2).fit(*iris)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_quantiles_are_learned_together():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (2000, 1))
    y = x[:, 0] + rng.normal(size=2000) * (0.2 + 0.5 * (x[:, 0] > 0))
    model = MLPRegressor(
        "quantile", (32,), quantile=(0.9, 0.1, 0.5), learning_rate_init=0.01, max_iter=60, random_state=0
    ).fit(x, y)
    high, low, middle = model.predict_quantiles(x).T
    assert (low <= middle).all() and (middle <= high).all()
    for level, values in ((0.9, high), (0.1, low), (0.5, middle)):
        assert abs(np.mean(y <= values) - level) < 0.05
    assert np.corrcoef(middle, model.predict(x))[0, 1] > 0.99
    with pytest.raises(ValueError, match="several quantiles are predicted of one target"):
        model.fit(x, np.stack([y, y], axis=1))
    assert not hasattr(MLPRegressor(), "predict_quantiles")


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll"])
def test_losses_by_name(line, loss):
    model = MLPRegressor(loss, (20,), learning_rate_init=0.02, max_iter=150, tol=0.0, random_state=0).fit(*line)
    assert model.predict(line[0]).shape == (200,)
    assert model.score(*line) > 0.95


def test_losses_with_parameters_and_of_the_user(line, iris):
    def quartic(prediction, target, sample_weight=None):
        return np.mean((prediction - target) ** 4)

    robust = MLPRegressor(functools.partial(tp.nn.huber, delta=0.1), (20,), solver="lbfgs", max_iter=30, random_state=0)
    assert robust.fit(*line).score(*line) > 0.9
    assert MLPRegressor(quartic, (20,), max_iter=5, random_state=0).fit(*line).loss_ > 0
    smooth = functools.partial(tp.nn.softmax_cross_entropy, label_smoothing=0.3)
    sure, unsure = (classifier(**more).fit(*iris).predict_proba(iris[0]).max(axis=1) for more in ({}, {"loss": smooth}))
    assert unsure.mean() < sure.mean() - 0.05


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", ["focal", "hinge"])
def test_binary_losses(iris, loss, classes):
    x, y = iris[0][iris[1] < classes], iris[1][iris[1] < classes]
    model = classifier(loss=loss).fit(x, y)
    assert model.score(x, y) > 0.9
    if loss == "hinge":
        assert not hasattr(model, "predict_proba")
        assert model.decision_function(x).shape == ((len(x),) if classes == 2 else (len(x), 3))
    else:
        assert not hasattr(model, "decision_function")
        np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


# --- solvers ----------------------------------------------------------------------------------------------------------


def test_any_optimizer_and_schedule(iris):
    steps = 60 * 5
    optimizer = tp.optim.chain(
        tp.optim.clip_by_global_norm(1.0), tp.optim.AdamW(tp.optim.schedules.one_cycle(0.05, steps), weight_decay=1e-3)
    )
    model = classifier(solver=optimizer, batch_size=30, max_iter=60, tol=0.0).fit(*iris)
    assert model.score(*iris) > 0.95
    same = clone(model)
    assert same.get_params()["solver"] == optimizer
    goes_on = model.partial_fit(*iris)._optimizer.state
    assert int(goes_on[1]["step"]) == model.n_iter_ * 5 + 5 * (len(model.loss_curve_) - 1)


def test_a_search_over_strengths_and_rates_compiles_once(iris):
    _kept_parts.cache_clear()
    for alpha in (0.0, 1.0):
        for rate in (0.01, 0.02):
            classifier(alpha=alpha, learning_rate_init=rate, backend="llvm", max_iter=2).fit(*iris)
    assert _kept_parts.cache_info().misses == 1
    strong, weak = (classifier(alpha=alpha, backend="llvm").fit(*iris) for alpha in (10.0, 0.0))
    assert np.abs(strong.coefs_[0]).sum() < np.abs(weak.coefs_[0]).sum()


def test_lbfgs_refuses_what_changes_from_step_to_step(iris):
    for more in ({"dropout": 0.1}, {"batch_norm": True}):
        with pytest.raises(ValueError, match="solver='lbfgs' compares the loss from step to step"):
            classifier(solver="lbfgs", **more).fit(*iris)


def test_time_ends_a_fit(line):
    model = MLPRegressor(max_iter=10**7, tol=0.0, n_iter_no_change=np.inf, max_time=0.2, random_state=0).fit(*line)
    assert 0 < model.n_iter_ < 10**7


# --- weights and validation -------------------------------------------------------------------------------------------


def test_class_weights_are_sample_weights(iris):
    x, y = iris[0][:110], iris[1][:110]
    weighted = classifier(class_weight={0: 1.0, 1: 2.0, 2: 0.5}, max_iter=5).fit(x, y)
    by_hand = classifier(max_iter=5).fit(x, y, sample_weight=np.array([1.0, 2.0, 0.5])[y])
    np.testing.assert_allclose(weighted.coefs_[0], by_hand.coefs_[0])
    balanced = classifier(class_weight="balanced", max_iter=5).fit(x, y)
    shares = 110 / (3 * np.bincount(y))
    np.testing.assert_allclose(balanced.loss_, classifier(max_iter=5).fit(x, y, sample_weight=shares[y]).loss_)


def test_own_validation_data_decide(iris):
    x, y = iris
    model = classifier(early_stopping=True, scoring="loss", n_iter_no_change=3, max_iter=400, learning_rate_init=0.1)
    model.fit(x[::2], y[::2], validation_data=(x[1::2], y[1::2]))
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_ < 400
    best = int(np.argmin(model.validation_loss_curve_))
    assert model.best_validation_score_ == -model.validation_loss_curve_[best]
    found = -np.mean(np.log(model.predict_proba(x[1::2])[np.arange(75), y[1::2]]))
    np.testing.assert_allclose(found, model.validation_loss_curve_[best], rtol=1e-6)


def test_validation_is_recorded_without_early_stopping(line):
    x, y = line
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=4, random_state=0)
    model.fit(x[:150], y[:150], validation_data=(x[150:], y[150:], np.arange(50.0)))
    assert len(model.validation_loss_curve_) == 4
    np.testing.assert_allclose(model.validation_scores_[-1], model.score(x[150:], y[150:], np.arange(50.0)))
    assert model.fit(x, y).validation_scores_ is None


@pytest.mark.parametrize("scoring", ["neg_log_loss", "balanced_accuracy", lambda model, x, y: -len(model.coefs_)])
def test_any_metric_stops(iris, scoring):
    model = classifier(early_stopping=True, scoring=scoring, max_iter=20).fit(*iris)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("x", "validation_data must be a tuple"),
        ((np.zeros((3, 4)), ["a", "b", "c"]), "not in `y`|unseen|unknown|mix"),
        ((np.zeros((3, 5)), [0, 1, 2]), "X has 5 features"),
        ((np.zeros((3, 4)), [0, 1]), "3 rows in X and 2 in y"),
    ],
)
def test_validation_data_that_do_not_fit(iris, data, message):
    with pytest.raises((ValueError, TypeError), match=message):
        classifier().fit(*iris, validation_data=data)


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_own_callbacks_are_called(iris):
    class Count(tp.train.Callback):
        def __init__(self):
            self.losses = []

        def on_epoch_end(self, run, record):
            self.losses.append(record["loss"])
            if run.epoch == 3:
                run.stop("enough")

    counter = Count()
    model = classifier(callbacks=[counter]).fit(*iris)
    assert counter.losses == model.loss_curve_ and model.n_iter_ == 3


def test_own_callbacks_see_the_validation(iris):
    class Keep(tp.train.Callback):
        def __init__(self):
            self.records = []

        def on_epoch_end(self, run, record):
            assert tuple(record) == run.quantities
            self.records.append(record)

    keep, x, y = Keep(), *iris
    stopping = tp.train.EarlyStopping("val_score", patience=2)
    model = classifier(callbacks=[keep, stopping]).fit(x[::2], y[::2], validation_data=(x[1::2], y[1::2]))
    assert [record["val_loss"] for record in keep.records] == model.validation_loss_curve_
    assert [record["val_score"] for record in keep.records] == model.validation_scores_
    best = int(np.argmax(model.validation_scores_)) + 1
    assert stopping.best_epoch == best and model.n_iter_ == best + 3
    assert model.score(x[1::2], y[1::2]) == max(model.validation_scores_)
    with pytest.raises(ArgumentError, match="Pass validation_data"):
        classifier(callbacks=[stopping]).fit(x, y)


def test_pruned_trials_of_optuna(iris):
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rates = [0.05, 0.02, 1e-6]

    def objective(trial):
        pruning = tp.train.OptunaPruning(trial, "loss")
        model = clone(classifier(learning_rate_init=rates[trial.number], max_iter=5, callbacks=[pruning]))
        return model.fit(*iris).loss_

    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=2))
    study.optimize(objective, n_trials=3)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]
    assert len(study.trials[0].intermediate_values) == 5 and len(study.trials[2].intermediate_values) < 5


class Recorder:
    """A callback as scikit-learn has them."""

    def __init__(self, stop_after=10**9):
        self.calls, self.scores, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return len(self.scores) >= self.stop_after


@pytest.mark.skipif(not hasattr(MLPClassifier, "set_callbacks"), reason="scikit-learn has callbacks from 1.9 on")
def test_callbacks_of_scikit_learn(iris):
    recorder = Recorder(stop_after=2)
    model = classifier(max_iter=5).set_callbacks(recorder).fit(*iris)
    epochs = ["begin epoch", "end epoch"] * 2
    assert recorder.calls == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert model.n_iter_ == 2 and recorder.scores[-1] == model.score(*iris)


# --- what it owes to its input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_gradient_of_a_regressor(outputs):
    x, y = make_regression(50, 4, n_targets=outputs, random_state=0)
    model = MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=20, random_state=0).fit(x, y / 100)
    found = model.gradient(x)
    assert found.shape == ((50, 4) if outputs == 1 else (50, 3, 4))
    step = 1e-6
    for column in range(4):
        moved = np.zeros(4)
        moved[column] = step
        difference = (model.predict(x + moved) - model.predict(x - moved)) / (2 * step)
        np.testing.assert_allclose(found[..., column], difference, atol=1e-7)


def test_the_gradient_of_a_classifier_is_that_of_its_probabilities(iris):
    model = classifier(max_iter=20, activation="tanh").fit(*iris)
    found = model.gradient(iris[0])
    moved = np.array([1e-6, 0, 0, 0])
    difference = (model.predict_proba(iris[0] + moved) - model.predict_proba(iris[0] - moved)) / 2e-6
    np.testing.assert_allclose(found[:, :, 0], difference, atol=1e-7)
    two = classifier(max_iter=5).fit(iris[0][:100], iris[1][:100])
    assert two.gradient(iris[0]).shape == (150, 4)


# --- the company it keeps ---------------------------------------------------------------------------------------------


def test_metadata_are_routed(iris):
    weight = np.linspace(0, 1, 150)
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier(max_iter=3).set_fit_request(sample_weight=True, validation_data=True)
        model.set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), model)
        pipeline.fit(*iris, sample_weight=weight, validation_data=(iris[0][:9], iris[1][:9]))
        scores = cross_validate(model, *iris, params={"sample_weight": weight}, cv=2)["test_score"]
    assert len(pipeline[-1].validation_scores_) == 3 and scores.shape == (2,)


def test_threads_may_fit_at_once(iris):
    model = BaggingClassifier(classifier(max_iter=10, backend="llvm"), n_estimators=4, random_state=0)
    with parallel_backend("threading", n_jobs=2):
        together = clone(model).set_params(n_jobs=2).fit(*iris)
    for one, other in zip(model.fit(*iris).estimators_, together.estimators_, strict=True):
        np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])


def test_it_is_pickled_and_shown(iris):
    model = classifier(max_iter=3, dropout=0.1).fit(*iris)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(iris[0]), model.predict_proba(iris[0]))
    again.partial_fit(*iris)
    assert "dropout" in model._repr_html_() and "dropout=0.1" in repr(model)


def test_partial_fits_of_equal_size_are_compiled_in_the_end():
    x, y = load_digits(return_X_y=True)
    model = MLPClassifier((5,), random_state=0)
    chosen = [chosen_backend(model, 100, 50, True) for _ in range(40)]
    assert chosen[0] == "numpy" and chosen[-1] == "auto"
    assert chosen_backend(model, 90, 50, True) == "numpy"
    for _ in range(40):
        model.partial_fit(x[:200], y[:200], classes=range(10))
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_plateau_is_one_of_the_validation_if_there_is_one():
    x, y = load_digits(return_X_y=True)
    wrong = x[300:400], np.random.default_rng(0).permutation(y[300:400])  # what is learned makes these worse

    def rate(**fit):
        solver = tp.optim.chain(tp.optim.SGD(0.2), tp.optim.reduce_on_plateau(factor=0.5, patience=1))
        model = MLPClassifier((20,), solver=solver, max_iter=40, tol=0.0, random_state=0)
        with pytest.warns(ConvergenceWarning):
            model.fit(x[:300] / 16, y[:300], **fit)
        return model._optimizer.learning_rate

    assert rate() == 0.2
    assert rate(validation_data=(wrong[0] / 16, wrong[1])) < 0.2


def test_short_epochs_of_small_steps_have_one_thread():
    x, y = load_digits(return_X_y=True)
    model = MLPClassifier((20,), max_iter=1, tol=1.0, backend="numpy", random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(x, y)
    assert chosen_threads(model, 1_797, 200) == 1
    assert chosen_threads(model, 1_000_000, 200) is None  # the compiler decides
    assert chosen_threads(model.set_params(threads=2), 1_797, 200) == 2


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"activation": ["relu", "tanh"]}, "activation has 2 entries, and there are 1 hidden layers"),
        ({"activation": ["nope"]}, "there is no activation named 'nope'"),
        ({"dropout": [2.0]}, r"rate must be a number in \[0, 1\)"),
        ({"class_weight": {9: 1.0}}, "not in class_weight"),
        ({"callbacks": [3]}, "callbacks holds 3, which is no twopass.train.Callback"),
        ({"loss": "nope"}, "The 'loss' parameter"),
        ({"scoring": "nope", "early_stopping": True}, "'nope' is not a valid scoring value"),
    ],
)
def test_mistakes_are_named(iris, parameters, message):
    with pytest.raises(ValueError, match=message) as caught:
        classifier(**parameters).fit(*iris)
    assert "twopass/sklearn" not in str(caught.value)  # the line of the user, or none


@pytest.mark.parametrize("levels", [[], (0.1, 1.5)])
def test_levels_that_are_none(line, levels):
    with pytest.raises(ValueError, match="quantile must be one level in"):
        MLPRegressor("quantile", quantile=levels).fit(*line)


def test_fits_of_different_kinds_follow_each_other(iris):
    model = classifier(solver="lbfgs", max_iter=5, warm_start=True).fit(*iris)
    model.set_params(solver="adam").partial_fit(*iris)
    assert len(model.loss_curve_) == 1
    model.set_params(early_stopping=True).fit(*iris)
    assert model.best_validation_score_ == max(model.validation_scores_)
    model.set_params(early_stopping=False).fit(*iris)
    assert model.best_loss_ == min(model.loss_curve_)


def test_equal_losses_share_their_programs(iris):
    _kept_parts.cache_clear()
    for _ in range(2):
        loss = functools.partial(tp.nn.softmax_cross_entropy, label_smoothing=0.1)
        clone(classifier(loss=loss, max_iter=2)).fit(*iris)
    assert _kept_parts.cache_info().misses == 1


def test_predictions_are_those_of_the_weights(iris):
    model = classifier(max_iter=2, batch_norm=True).fit(*iris)
    before = model.predict_proba(iris[0])
    model.set_params(hidden_layer_sizes=(3, 3), batch_norm=False)
    with pytest.raises(ValueError, match="hidden"):
        model.set_params(dropout=(0.1, 0.2)).predict(iris[0])
    np.testing.assert_array_equal(model.set_params(dropout=0.0).predict_proba(iris[0]), before)


def test_negative_weights_are_refused(iris):
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        classifier().fit(*iris, sample_weight=np.full(150, -1.0))
