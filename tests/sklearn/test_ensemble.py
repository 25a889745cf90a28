"""Estimators of several networks: each trained as it would be alone, all together in one step."""

from __future__ import annotations

import functools
import pickle

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.gaussian_process import GaussianProcessRegressor

import twopass as tp
from naming import stable
from twopass.errors import ArgumentError
from twopass.sklearn import MLPClassifier, MLPMultiTask, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
U, V = make_regression(120, 4, noise=20.0, random_state=0)
V = V / V.std()


def classifier(**parameters):
    return MLPClassifier(
        **{"hidden_layer_sizes": 8, "n_members": 3, "max_iter": 5, "random_state": 0, "backend": "numpy", **parameters}
    )


def regressor(**parameters):
    return MLPRegressor(
        **{"hidden_layer_sizes": 8, "n_members": 3, "max_iter": 5, "random_state": 0, "backend": "numpy", **parameters}
    )


def members(model, x):
    """Estimators with the weights of one member each."""
    for index in range(model.n_members):
        alone = clone(model).set_params(n_members=1)
        alone.fit(x, model.predict(x)) if isinstance(model, MLPRegressor) else alone.fit(x, Y)
        alone.coefs_ = [weight[index] for weight in model.coefs_]
        alone.intercepts_ = [bias[index] for bias in model.intercepts_]
        if hasattr(model, "norms_"):
            alone.norms_ = [{name: value[index] for name, value in norm.items()} for norm in model.norms_]
        yield alone


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"backend": "llvm", "batch_norm": True},
        {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.5},
        {"solver": "lbfgs", "alpha": 0.1},
        {"loss": "focal"},
        {"class_weight": "balanced", "batch_size": 40},
        {"solver": tp.optim.AdamW(tp.optim.schedules.one_cycle(0.01, 5))},
    ],
    ids=stable,
)
def test_the_first_member_is_the_single_network(parameters):
    alone, together = classifier(**parameters, n_members=1).fit(X, Y), classifier(**parameters).fit(X, Y)
    assert [weight.shape for weight in together.coefs_] == [(3, 4, 8), (3, 8, 3)]
    assert [bias.shape for bias in together.intercepts_] == [(3, 8), (3, 3)]
    for one, several in zip(alone.coefs_ + alone.intercepts_, together.coefs_ + together.intercepts_, strict=True):
        np.testing.assert_allclose(several[0], one, rtol=0, atol=1e-9)
        assert not np.allclose(several[0], several[1])
    if "batch_norm" in parameters:
        np.testing.assert_allclose(together.norms_[0]["variance"][0], alone.norms_[0]["variance"], rtol=1e-9)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"batch_norm": True}, {"loss": "focal"}, {"loss": functools.partial(tp.nn.softmax_cross_entropy)}],
    ids=stable,
)
def test_probabilities_are_the_mean_of_the_members(parameters):
    model = classifier(**parameters).fit(X, Y)
    each = model.predict_members(X)
    assert each.shape == (150, 3, 3)
    for index, alone in enumerate(members(model, X)):
        np.testing.assert_allclose(each[:, index], alone.predict_proba(X), rtol=1e-12)
    mean, std = model.predict_proba(X, return_std=True)
    np.testing.assert_allclose(mean, each.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(std, each.std(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(model.predict_proba(X), mean)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(mean))
    np.testing.assert_array_equal(model.predict(X), mean.argmax(axis=1))


def test_two_classes_margins_and_labels():
    model = classifier().fit(X[:100], Y[:100])
    assert model.predict_members(X).shape == (150, 3, 2)
    np.testing.assert_allclose(model.predict_proba(X), model.predict_members(X).mean(axis=1), rtol=1e-12)
    hinge = classifier(loss="hinge").fit(X[:100], Y[:100])
    np.testing.assert_allclose(hinge.decision_function(X), hinge.predict_members(X).mean(axis=1), rtol=1e-12)
    x, y = make_multilabel_classification(60, 4, n_classes=3, random_state=0)
    several = classifier().fit(x, y)
    np.testing.assert_allclose(several.predict_proba(x), several.predict_members(x).mean(axis=1), rtol=1e-12)
    np.testing.assert_array_equal(several.predict(x), several.predict_proba(x) > 0.5)


@pytest.mark.parametrize("targets", [V, np.stack([V, -V], axis=1)], ids=["one", "two"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber", tp.nn.poisson])
def test_numbers_have_mean_and_spread(loss, targets):
    targets = np.abs(targets) if loss in ("poisson", tp.nn.poisson) else targets
    model = regressor(loss=loss).fit(U, targets)
    each = model.predict_members(U)
    mean, std = model.predict(U, return_std=True)
    assert each.shape == (120, 3, *targets.shape[1:])
    assert mean.shape == std.shape == targets.shape
    np.testing.assert_allclose(mean, each.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(std, each.std(axis=1), rtol=1e-12)
    theirs = GaussianProcessRegressor().fit(U, targets).predict(U, return_std=True)
    assert [part.shape for part in theirs] == [mean.shape, std.shape]


def test_a_predicted_variance_is_part_of_the_spread():
    model = regressor(loss="gaussian_nll").fit(U, V)
    mean, std = model.predict(U, return_std=True)
    outputs = [alone._outputs(U) for alone in members(model, U)]
    moments = np.mean([output[:, 0] ** 2 + np.exp(output[:, 1]) for output in outputs], axis=0)
    np.testing.assert_allclose(mean, np.mean([output[:, 0] for output in outputs], axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, np.sqrt(moments - mean**2), rtol=1e-9)
    alone = regressor(loss="gaussian_nll", n_members=1).fit(U, V)
    np.testing.assert_allclose(alone.predict(U, return_std=True)[1], np.exp(alone._outputs(U)[:, 1] / 2))


def test_quantiles_are_means_and_do_not_cross():
    model = regressor(loss="quantile", quantile=(0.1, 0.5, 0.9)).fit(U, V)
    found = model.predict_quantiles(U)
    assert (np.diff(found, axis=1) >= 0).all()
    raw = np.mean([alone._outputs(U) for alone in members(model, U)], axis=0)
    np.testing.assert_allclose(found, np.sort(raw, axis=1), rtol=1e-12)
    np.testing.assert_allclose(model.predict_members(U).mean(axis=1), raw[:, 1], rtol=1e-12)


def test_gradient_is_that_of_the_mean():
    model = classifier(activation="tanh").fit(X, Y)
    step, row = 1e-6, X[:1]
    moved = np.concatenate([row + step * np.eye(4), row - step * np.eye(4)])
    probability = model.predict_proba(moved)
    expected = (probability[:4] - probability[4:]).T / (2 * step)
    np.testing.assert_allclose(model.gradient(row)[0], expected, atol=1e-8)
    assert model.hidden_activations(X)[0].shape == (150, 3, 8)
    for index, alone in enumerate(members(model, X)):
        np.testing.assert_allclose(model.hidden_activations(X)[0][:, index], alone.hidden_activations(X)[0])


def test_validation_judges_the_mean():
    model = classifier(early_stopping=True, max_iter=8).fit(X, Y, validation_data=(X[::3], Y[::3]))
    assert model.best_validation_score_ == model.score(X[::3], Y[::3])
    by_log = classifier(early_stopping=True, scoring="neg_log_loss").fit(X, Y, validation_data=(X[::3], Y[::3]))
    np.testing.assert_allclose(by_log.validation_scores_, -np.array(by_log.validation_loss_curve_), rtol=1e-6)


def test_going_on():
    straight, stepwise = classifier(max_iter=3, shuffle=False), classifier(shuffle=False)
    straight.fit(X, Y)
    for _ in range(3):
        stepwise.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_allclose(stepwise.coefs_[0], straight.coefs_[0], rtol=1e-12)
    warm = classifier(warm_start=True).fit(X, Y)
    before = warm.coefs_[0].copy()
    assert warm.fit(X, Y).coefs_[0].shape == before.shape
    assert not np.array_equal(warm.coefs_[0], before)


def test_forms_of_data():
    weight = np.random.default_rng(0).random(150)
    dense = classifier().fit(X, Y, sample_weight=weight)
    sparse = classifier().fit(scipy.sparse.csr_array(X), Y, sample_weight=weight)
    np.testing.assert_allclose(sparse.predict_proba(scipy.sparse.csr_array(X)), dense.predict_proba(X), rtol=1e-9)
    single = classifier(backend="llvm").fit(X.astype(np.float32), Y)
    assert single.coefs_[0].dtype == single.predict_members(X.astype(np.float32)).dtype == np.float32
    again = pickle.loads(pickle.dumps(dense))
    np.testing.assert_array_equal(again.predict_proba(X), dense.predict_proba(X))
    assert clone(dense).n_members == 3


def test_the_spread_of_one_network_is_none():
    with pytest.raises(ArgumentError, match=r"there is one network.*n_members=5"):
        regressor(n_members=1).fit(U, V).predict(U, return_std=True)
    alone = classifier(n_members=1).fit(X, Y)
    with pytest.raises(ArgumentError, match="spread of the members"):
        alone.predict_proba(X, return_std=True)
    np.testing.assert_array_equal(alone.predict_members(X)[:, 0], alone.predict_proba(X))
    with pytest.raises(ValueError, match="'n_members' parameter"):
        classifier(n_members=0).fit(X, Y)


@pytest.mark.parametrize("loss", ["log_loss", "focal"])
def test_several_targets_of_several_classes(loss):
    targets = np.stack([Y, Y == 1], axis=1).astype(int)
    model = classifier(loss=loss).fit(X, targets)
    each = model.predict_members(X)
    mean, std = model.predict_proba(X, return_std=True)
    assert [own.shape for own in each] == [(150, 3, 3), (150, 3, 2)]
    for own, expected, spread in zip(each, mean, std, strict=True):
        np.testing.assert_allclose(own.mean(axis=1), expected, rtol=1e-12)
        np.testing.assert_allclose(own.std(axis=1), spread, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X)[:, 0], mean[0].argmax(axis=1))
    alone = classifier(loss=loss, n_members=1).fit(X, targets)
    np.testing.assert_allclose(model.coefs_[0][0], alone.coefs_[0], rtol=0, atol=1e-9)


def test_targets_of_both_kinds():
    targets = np.array(list(zip(Y.astype(str), X[:, 2], strict=True)), dtype=object)
    options = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, "backend": "numpy"}
    alone, together = (MLPMultiTask(**options, n_members=n).fit(X[:, :2], targets) for n in (1, 3))
    np.testing.assert_allclose(together.coefs_[0][0], alone.coefs_[0], rtol=0, atol=1e-9)
    assert together.predict(X[:, :2]).shape == (150, 2)
