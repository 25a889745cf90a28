"""One network for several targets, classes and numbers together."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import twopass as tp
from naming import stable
from twopass.errors import ArgumentError, DataError, ModelError
from twopass.sklearn import MLPClassifier, MLPMultiTask, MLPRegressor
from twopass.sklearn.descent import _kept_parts

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def wine():
    """Wines: their cultivar and how much alcohol they have, of what else was measured."""
    data = load_wine(as_frame=True)
    x = data.data.drop(columns="alcohol")
    x = (x - x.mean()) / x.std()
    cultivar = np.array(["Barolo", "Grignolino", "Barbera"])[data.target]
    return x.to_numpy(), pd.DataFrame({"cultivar": cultivar, "alcohol": data.data["alcohol"]})


@pytest.fixture(scope="module")
def gaps(wine):
    """The same wines, of which a third lacks the one, and a third the other."""
    x, y = wine
    y = y.copy()
    y.loc[::3, "cultivar"] = None
    y.loc[1::3, "alcohol"] = np.nan
    return x, y


def network(**parameters):
    return MLPMultiTask(**{"hidden_layer_sizes": 16, "learning_rate_init": 0.02, "random_state": 0, **parameters})


def assert_same_network(one, other):
    for mine, theirs in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one.loss_ == other.loss_ and one.n_iter_ == other.n_iter_


# --- one target is the other estimators -------------------------------------------------------------------------------

ALIKE = [
    {},
    {"backend": "llvm", "batch_size": 50},
    {"solver": "lbfgs", "max_iter": 15, "alpha": 0.1},
    {"solver": "sgd", "learning_rate": "invscaling", "activation": "tanh"},
    {"early_stopping": True, "max_iter": 20},
    {"dropout": 0.2, "batch_norm": True},
]


@pytest.mark.parametrize("parameters", ALIKE, ids=stable)
@pytest.mark.parametrize("classes", [2, 3])
def test_one_target_of_classes_is_the_classifier(wine, parameters, classes):
    x, labels = wine[0], wine[1]["cultivar"].to_numpy()
    labels = np.where(labels == "Barolo", "Barolo", "other") if classes == 2 else labels
    shared = {"hidden_layer_sizes": 9, "random_state": 0, "max_iter": 5, **parameters}
    classifier, model = MLPClassifier(**shared).fit(x, labels), MLPMultiTask(**shared).fit(x, labels)
    assert_same_network(model, classifier)
    np.testing.assert_array_equal(model.predict(x), classifier.predict(x))
    np.testing.assert_array_equal(model.predict_proba(x), classifier.predict_proba(x))
    np.testing.assert_array_equal(model.gradient(x), classifier.gradient(x))
    assert model.score(x, labels) == classifier.score(x, labels)
    assert getattr(model, "validation_scores_", None) == getattr(classifier, "validation_scores_", None)


@pytest.mark.parametrize("parameters", ALIKE, ids=stable)
def test_one_target_of_numbers_is_the_regressor(wine, parameters):
    x, alcohol = wine[0], wine[1]["alcohol"].to_numpy()
    shared = {"hidden_layer_sizes": 9, "random_state": 0, "max_iter": 5, **parameters}
    scaled = (alcohol - alcohol.mean()) / alcohol.std()
    regressor, model = MLPRegressor(**shared).fit(x, scaled), MLPMultiTask(**shared).fit(x, alcohol)
    np.testing.assert_allclose(model.coefs_[0], regressor.coefs_[0], rtol=1e-12)
    np.testing.assert_allclose(model.predict(x), regressor.predict(x) * alcohol.std() + alcohol.mean(), rtol=1e-12)
    np.testing.assert_allclose(model.gradient(x), regressor.gradient(x) * alcohol.std(), rtol=1e-11)
    plain = MLPMultiTask(scale_targets=False, **shared).fit(x, alcohol)
    assert_same_network(plain, MLPRegressor(**shared).fit(x, alcohol))
    np.testing.assert_allclose(plain.score(x, alcohol), MLPRegressor(**shared).fit(x, alcohol).score(x, alcohol))


@pytest.mark.parametrize(
    "loss",
    ["absolute_error", "huber", "log_cosh", "poisson", "gaussian_nll", functools.partial(tp.nn.huber, delta=0.3)],
    ids=stable,
)
def test_the_losses_of_numbers_are_those_of_the_regressor(wine, loss):
    x, y = wine[0], np.round(wine[1]["alcohol"].to_numpy())
    shared = {"hidden_layer_sizes": 9, "random_state": 0, "max_iter": 3, "loss": loss}
    model = MLPMultiTask(tasks="regression", scale_targets=False, **shared).fit(x, y)
    assert_same_network(model, MLPRegressor(**shared).fit(x, y))
    np.testing.assert_array_equal(model.predict(x), MLPRegressor(**shared).fit(x, y).predict(x))


def test_quantiles_are_those_of_the_regressor(wine):
    x, y = wine
    levels = (0.9, 0.1, 0.5)
    both = network(loss={"alcohol": functools.partial(tp.nn.pinball, quantile=levels)}).fit(x, y)
    cultivar, quantiles = both.predict_quantiles(x)
    assert (
        cultivar is None and (quantiles[:, 1] <= quantiles[:, 2]).all() and (quantiles[:, 2] <= quantiles[:, 0]).all()
    )
    assert np.corrcoef(both.predict(x)["alcohol"], quantiles[:, 2])[0, 1] > 0.99
    assert abs(np.mean(y["alcohol"] <= quantiles[:, 0]) - 0.9) < 0.1
    assert not hasattr(network(max_iter=2).fit(x, y), "predict_quantiles")
    shared = {"hidden_layer_sizes": 9, "random_state": 0, "max_iter": 5}
    alone = MLPRegressor("quantile", quantile=levels, **shared).fit(x, y["alcohol"])
    loss = [functools.partial(tp.nn.pinball, quantile=levels)]
    one = MLPMultiTask(loss=loss, scale_targets=False, **shared).fit(x, y["alcohol"])
    np.testing.assert_array_equal(one.predict_quantiles(x), alone.predict_quantiles(x))


# --- several ----------------------------------------------------------------------------------------------------------


def test_a_table_with_a_class_and_a_number(wine):
    x, y = wine
    train, test = np.arange(178) % 3 > 0, np.arange(178) % 3 == 0
    model = network(alpha=0.1).fit(x[train], y[train])
    assert model.target_names_ == ["cultivar", "alcohol"] and model.tasks_ == ["classification", "regression"]
    scores = model.task_scores(x[test], y[test])
    assert list(scores) == model.target_names_
    assert scores["cultivar"] > 0.95 and scores["alcohol"] > 0.4
    assert model.score(x[test], y[test]) == np.mean(list(scores.values()))
    found = model.predict(x[test])
    assert list(found.columns) == model.target_names_ and found["alcohol"].dtype == float
    assert np.mean(found["cultivar"].to_numpy() == y["cultivar"][test].to_numpy()) == scores["cultivar"]
    probabilities, nothing = model.predict_proba(x[test])
    assert nothing is None
    np.testing.assert_array_equal(model.classes_[0][probabilities.argmax(axis=1)], found["cultivar"])
    assert model.classes_[1] is None


def test_the_objective_is_what_it_says(wine):
    """The training loss of the first step, by hand."""
    x, y = wine
    weights = {"cultivar": 2.0, "alcohol": 0.25}
    model = network(task_weight=weights, max_iter=1, alpha=0.3, batch_size=178, solver=tp.optim.SGD(1e-300)).fit(x, y)
    probabilities, _ = model.predict_proba(x)
    chosen = probabilities[np.arange(178), np.searchsorted(model.classes_[0], y["cultivar"])]
    error = (model.predict(x)["alcohol"] - y["alcohol"]) / y["alcohol"].std(ddof=0)
    penalty = 0.15 * sum(np.sum(weight**2) for weight in model.coefs_) / 178
    np.testing.assert_allclose(
        model.loss_, 2.0 * -np.log(chosen).mean() + 0.25 * 0.5 * np.mean(error**2) + penalty, rtol=1e-12
    )


def test_a_target_of_weight_0_is_not_learned(wine):
    x, y = wine
    without = network(task_weight={"cultivar": 0.0}, max_iter=80).fit(x, y).task_scores(x, y)
    assert without["alcohol"] > 0.5 and without["cultivar"] < 0.7


def test_numbers_are_scaled_so_that_losses_are_comparable(wine):
    x, y = wine
    in_grams = y.assign(alcohol=y["alcohol"] * 7.9)
    one, other = (network(max_iter=10).fit(x, table) for table in (y, in_grams))
    np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-6)
    np.testing.assert_allclose(one.predict(x)["alcohol"] * 7.9, other.predict(x)["alcohol"], rtol=1e-6)
    outlier = in_grams.assign(alcohol=in_grams["alcohol"].where(in_grams.index > 0, 1e9))
    weight = np.where(in_grams.index > 0, 1.0, 0.0)
    model = network(max_iter=2).fit(x, outlier, sample_weight=weight)
    np.testing.assert_allclose(model.target_means_[1], in_grams["alcohol"][1:].mean())
    constant = network(max_iter=2).fit(x, y.assign(alcohol=12.5), sample_weight=weight)
    assert constant.target_scales_ == [1.0, 1.0] and np.isfinite(constant.predict(x)["alcohol"]).all()


def test_counts_keep_their_scale(wine):
    x, _ = wine
    counts = np.random.default_rng(0).poisson(np.exp(1.0 + 0.5 * x[:, 0]))
    y = np.stack([x[:, 1] > 0, counts], axis=1)
    model = network(tasks=["auto", "regression"], loss=["auto", "poisson"], max_iter=150).fit(x, y)
    assert model.target_means_ == [0.0, 0.0] and model.out_activation_ == ["logistic", "exp"]
    assert (model.predict(x)[:, 1] > 0).all() and model.task_scores(x, y)["y1"] > 0.3


def test_float32_is_kept(wine):
    x, y = wine
    model = network(max_iter=5, backend="llvm").fit(x.astype(np.float32), y)
    assert all(values.dtype == np.float32 for values in model.coefs_)
    again = network(max_iter=5).fit(x, y)
    np.testing.assert_allclose(model.predict(x.astype(np.float32))["alcohol"], again.predict(x)["alcohol"], rtol=1e-3)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_and_sample_weights(gaps, solver):
    x, y = gaps
    weight = np.linspace(0.5, 1.5, len(x))
    shared = {"solver": solver, "max_iter": 15, "batch_size": len(x)}
    model = network(class_weight={"cultivar": {"Barolo": 2.0}}, **shared).fit(x, y, sample_weight=weight)
    assert np.isfinite(model.loss_)
    ones = network(class_weight=[{"Barolo": 1.0}, None], **shared).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(ones.loss_, network(**shared).fit(x, y, sample_weight=weight).loss_, rtol=1e-7)
    assert abs(model.loss_ - ones.loss_) > 1e-6
    balanced = network(class_weight="balanced", **shared).fit(x, y)
    known = y["cultivar"].notna()
    shares = known.sum() / (3 * y["cultivar"].value_counts())
    by_hand = network(class_weight={0: shares.to_dict()}, **shared).fit(x, y)
    np.testing.assert_allclose(balanced.loss_, by_hand.loss_, rtol=1e-9)


# --- unknown targets --------------------------------------------------------------------------------------------------


def test_rows_without_the_target_teach_nothing_of_it(wine):
    x, y = wine
    known = np.arange(178) % 4 > 0
    whole = {"solver": "lbfgs", "max_iter": 15, "alpha": 0.0}
    for name in y.columns:
        column = y[name].where(known, None if name == "cultivar" else np.nan).to_numpy()
        some = network(**whole).fit(x, column)
        there = network(**whole).fit(x[known], column[known].astype(y[name].to_numpy().dtype))
        np.testing.assert_allclose(some.coefs_[0], there.coefs_[0], atol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_both_targets_are_learned_from_what_is_known(gaps, wine, backend):
    x, y = gaps
    model = network(alpha=0.1, backend=backend).fit(x, y)
    scores = model.task_scores(x, wine[1])
    assert scores["cultivar"] > 0.97 and scores["alcohol"] > 0.6
    known = y["alcohol"].notna()
    np.testing.assert_allclose(
        model.task_scores(x, y)["alcohol"], model.task_scores(x[known], wine[1][known])["alcohol"]
    )


def test_machine_code_and_numpy_are_the_same(gaps):
    x, y = gaps
    parameters = {"class_weight": "balanced", "task_weight": [1.0, 3.0], "batch_size": 50, "max_iter": 4}
    one, other = (network(backend=backend, **parameters).fit(x, y) for backend in ("numpy", "llvm"))
    np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], atol=1e-10)
    np.testing.assert_allclose(one.loss_curve_, other.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("parameters", [{}, {"backend": "llvm", "batch_size": 50}, {"solver": "lbfgs"}], ids=stable)
def test_sparse_matrices_are_the_same(gaps, parameters):
    x, y = gaps
    x = np.where(x > 0, x, 0.0)
    shared = {"class_weight": "balanced", "max_iter": 4, "early_stopping": parameters == {}, **parameters}
    sparse, dense = (network(**shared).fit(matrix, y) for matrix in (scipy.sparse.csr_array(x), x))
    np.testing.assert_allclose(sparse.coefs_[0], dense.coefs_[0], atol=1e-10)
    assert sparse.predict(scipy.sparse.csr_array(x)).equals(sparse.predict(x))


class Explained(tp.train.Callback):
    """Keeps what the compiled steps are made of."""

    def on_fit_end(self, run):
        self.explanations = [program.explain() for program in run.trainer.programs.training]


def test_steps_are_compiled_as_a_whole_and_once(gaps):
    x, y = gaps
    _kept_parts.cache_clear()
    for rate in (0.01, 0.02):
        loss = {"alcohol": functools.partial(tp.nn.huber, delta=0.5)}
        seen = Explained()
        model = network(learning_rate_init=rate, loss=loss, class_weight="balanced", backend="llvm", max_iter=2)
        model.set_params(batch_size=50, callbacks=[seen]).fit(x, y)
    assert _kept_parts.cache_info().misses == 1
    assert len(seen.explanations) == 2
    assert all("nothing is left to NumPy" in explanation for explanation in seen.explanations)


def test_validation_with_unknown_targets(gaps, wine):
    x, y = gaps
    complete = network(max_iter=3).fit(x, wine[1], validation_data=(x, y))
    np.testing.assert_allclose(complete.validation_scores_[-1], complete.score(x, y))
    assert np.isfinite(complete.validation_loss_curve_).all()
    stopped = network(early_stopping=True, max_iter=50).fit(x, y, validation_data=(x[:60], y[:60], np.arange(60.0)))
    assert stopped.best_validation_score_ == max(stopped.validation_scores_)
    np.testing.assert_allclose(stopped.best_validation_score_, stopped.score(x[:60], y[:60], np.arange(60.0)))
    assert network(early_stopping=True, scoring="loss", max_iter=5).fit(x, y).best_validation_score_ < 0

    def exact(model, x, y):
        return np.mean(model.predict(x)["cultivar"].to_numpy() == y["cultivar"].to_numpy())

    assert len(network(early_stopping=True, scoring=exact, max_iter=5).fit(x, y).validation_scores_) == 5


def test_scores_of_what_is_hardly_known(gaps):
    x, y = gaps
    model = network(max_iter=2).fit(x, y)
    few = pd.DataFrame({"cultivar": [None, None], "alcohol": [12.0, np.nan]})
    scores = model.task_scores(x[:2], few)
    assert np.isnan(scores["cultivar"]) and np.isnan(scores["alcohol"]) and np.isnan(model.score(x[:2], few))
    more = pd.DataFrame({"cultivar": ["Merlot", None], "alcohol": [12.0, np.nan]})
    assert model.score(x[:2], more) == model.task_scores(x[:2], more)["cultivar"] == 0.0  # no such class was learned


# --- what goes in, what comes out -------------------------------------------------------------------------------------


def test_answers_come_in_what_the_targets_came_in(wine):
    x, y = wine
    frame = network(max_iter=5).fit(x, y)
    polars = network(max_iter=5).fit(x, pl.from_pandas(y))
    matrix = network(max_iter=5).fit(x, y.to_numpy())
    rows = network(max_iter=5).fit(x, y.to_numpy().tolist())
    found = frame.predict(x)
    assert isinstance(polars.predict(x), pl.DataFrame) and polars.predict(x)["alcohol"].dtype == pl.Float64
    assert matrix.predict(x).dtype == object and isinstance(matrix.predict(x)[0, 1], float)
    for other in (polars.predict(x).to_pandas(), *(pd.DataFrame(model.predict(x)) for model in (matrix, rows))):
        assert other.to_numpy().tolist() == found.to_numpy().tolist()
    table = pd.DataFrame(x, columns=[f"c{i}" for i in range(12)], index=np.arange(178) + 1000)
    assert (network(max_iter=2).fit(table, y).predict(table).index == table.index).all()
    numbers = network(max_iter=5, tasks=["classification", "regression"]).fit(
        x, np.stack([np.arange(178) % 3, y["alcohol"]], axis=1)
    )
    assert numbers.predict(x).dtype == float and set(np.unique(numbers.predict(x)[:, 0])) <= {0.0, 1.0, 2.0}
    named = network(max_iter=2).fit(x, y["alcohol"])
    assert named.target_names_ == ["alcohol"] and named.predict(x).shape == (178,)
    assert not hasattr(named, "predict_proba")


def test_targets_of_frames_are_known_by_their_names(wine):
    x, y = wine
    model = network(max_iter=2).fit(x, y)
    with pytest.raises(DataError, match=r"y has the columns \['alcohol', 'cultivar'\].*Pass these, in this order"):
        model.score(x, y[["alcohol", "cultivar"]])
    with pytest.raises(DataError, match="y has 1 columns, and the network was made for 2"):
        model.task_scores(x, y[["alcohol"]])
    assert model.score(x, y.to_numpy()) == model.score(x, y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tasks": {"cultivar": "regression"}}, "target 'cultivar' is a number by its task, and holds 'Barolo'"),
        ({"tasks": {"sugar": "regression"}}, "tasks names the target 'sugar', and there are 'cultivar', 'alcohol'"),
        ({"tasks": ["auto"]}, "tasks has 1 entries, and there are 2 targets"),
        ({"tasks": ["auto", "clustering"]}, "the task of target 'alcohol' is 'clustering'"),
        ({"loss": "huber"}, "loss='huber' is none of those for target 'cultivar'"),
        ({"loss": {"alcohol": "log_loss"}}, "loss='log_loss' is none of those for target 'alcohol'"),
        ({"task_weight": {"alcohol": -1.0}}, "task_weight of target 'alcohol' is -1.0"),
        ({"task_weight": [1.0, np.nan]}, "task_weight of target 'alcohol' is nan"),
        ({"loss": {1: functools.partial(tp.nn.pinball, quantile=1.5)}}, "quantile must be one level in"),
        ({"solver": "lbfgs", "dropout": 0.1}, "solver='lbfgs' compares the loss from step to step"),
        ({"loss": {1: lambda prediction, target: 0.0}}, "its loss does not take the weights"),
    ],
    ids=stable,
)
def test_mistakes_are_told(gaps, parameters, message):
    with pytest.raises(ArgumentError if "holds" not in message else DataError, match=message):
        network(**parameters).fit(*gaps)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alcohol": np.nan}, "target 'alcohol' is unknown for all samples"),
        ({"alcohol": np.inf}, "contains infinity"),
        ({"cultivar": [1, "a"] * 89}, "classes of target 'cultivar' are of different kinds"),
    ],
    ids=stable,
)
def test_targets_that_cannot_be_learned_are_refused(wine, change, message):
    x, y = wine
    with pytest.raises(DataError, match=message):
        network().fit(x, y.assign(**change))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        network().fit(x, y[:9])
    with pytest.raises(DataError, match="validation_data has 'Merlot' in target 'cultivar'"):
        network().fit(x, y, validation_data=(x, y.assign(cultivar="Merlot")))


def test_numbers_that_became_text_are_noticed(wine):
    x, y = wine
    as_text = np.stack([y["cultivar"], y["alcohol"]], axis=1).astype(str)
    assert network(max_iter=2).fit(x, y.to_numpy()).tasks_ == ["classification", "regression"]
    with pytest.raises(DataError, match=r"target 'y1' is text, and most of its values .* Were they numbers\?"):
        network().fit(x, np.stack([y["cultivar"], y["alcohol"] + np.arange(178) / 1e3], axis=1).astype(str))
    assert network(max_iter=2, tasks="classification").fit(x, as_text).tasks_ == ["classification"] * 2


def test_partial_fits(wine):
    x, y = wine
    classes = {"cultivar": ["Barolo", "Grignolino", "Barbera"]}
    model = network().partial_fit(x[:60], y[:60], classes=classes)  # the first cultivar alone
    for _ in range(40):
        model.partial_fit(x, y)
    assert model.score(x, y) > 0.5 and len(model.loss_curve_) == 41
    with pytest.raises(DataError, match=r"y has 'Barbera' in target 'cultivar'.*partial_fit\(X, y, classes"):
        network().partial_fit(x[:60], y[:60]).partial_fit(x, y)
    with pytest.raises(ValueError, match="not those of the last call"):
        model.partial_fit(x, y, classes={"cultivar": ["Barolo"]})
    assert not hasattr(network(solver="lbfgs"), "partial_fit")


def test_warm_starts(wine):
    x, y = wine
    model = network(max_iter=5, warm_start=True).fit(x, y)
    assert model.fit(x, y).loss_curve_[5] < model.loss_curve_[0]
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        model.fit(x[:60], y[:60])


def test_gradients_and_hidden_activations(wine):
    x, y = wine
    model = network(max_iter=5, activation="tanh", hidden_layer_sizes=(6, 5)).fit(x, y)
    cultivar, alcohol = model.gradient(x)
    assert cultivar.shape == (178, 3, 12) and alcohol.shape == (178, 12)
    moved = np.zeros(12)
    moved[2] = 1e-6
    up, down = model.predict(x + moved)["alcohol"], model.predict(x - moved)["alcohol"]
    np.testing.assert_allclose(alcohol[:, 2], (up - down) / 2e-6, atol=1e-7)
    assert [layer.shape for layer in model.hidden_activations(x)] == [(178, 6), (178, 5)]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"loss": {"alcohol": functools.partial(tp.nn.pinball, quantile=(0.1, 0.9))}, "task_weight": [1.0, 2.0]},
        {"dropout": 0.1, "batch_norm": True, "early_stopping": True, "class_weight": {"cultivar": "balanced"}},
        {"solver": tp.optim.AdamW(0.01), "tasks": {"alcohol": "regression"}},
    ],
    ids=stable,
)
def test_it_comes_back_from_files(gaps, tmp_path, parameters):
    x, y = gaps
    model = network(max_iter=3, **parameters).fit(x, y)
    model.save(tmp_path)
    for again in (MLPMultiTask.load(tmp_path), pickle.loads(pickle.dumps(model))):
        assert again.predict(x).equals(model.predict(x)) and again.score(x, y) == model.score(x, y)
        assert (again.target_names_, again.tasks_) == (model.target_names_, model.tasks_)
        assert again.target_scales_ == model.target_scales_ and again.classes_[1] is None
    if not model.early_stopping:
        one, other = MLPMultiTask.load(tmp_path).partial_fit(x, y), model.partial_fit(x, y)
        np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])


def test_code_is_given_again(wine, tmp_path):
    x, y = wine

    def quartic(prediction, target, *, sample_weight=None):
        return np.mean((prediction - target) ** 4)

    model = network(max_iter=2, loss={"alcohol": quartic}).fit(x, y)
    model.save(tmp_path)
    with pytest.raises(ModelError, match="saved without its loss"):
        MLPMultiTask.load(tmp_path)
    assert MLPMultiTask.load(tmp_path, loss={"alcohol": quartic}).predict(x).equals(model.predict(x))


def test_the_company_it_keeps(gaps):
    x, y = gaps
    pipeline = make_pipeline(StandardScaler(), network(max_iter=5))
    assert cross_val_score(pipeline, x, y, cv=3).shape == (3,)
    assert cross_val_predict(pipeline, x, y, cv=3).shape == (178, 2)
    grid = {"task_weight": [None, {"alcohol": 2.0}], "hidden_layer_sizes": [(4,), (5,)]}
    assert GridSearchCV(network(max_iter=3), grid, cv=2).fit(x, y).best_estimator_.coefs_
    again = clone(network(tasks={"alcohol": "regression"}))
    assert again.tasks == {"alcohol": "regression"} and "task_weight" in again._repr_html_()
    with sklearn.config_context(enable_metadata_routing=True):
        model = network(max_iter=3).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, x, y, params={"sample_weight": np.linspace(0, 1, 178)}, cv=2)
    assert found["test_score"].shape == (2,)
