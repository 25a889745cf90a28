"""A classifier of several targets at once, of several classes each."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import MultiOutputClassifier

import twopass as tp
from twopass.sklearn import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def wine():
    """Wines: cultivar, whether the colour is deep, and how much alcohol; of the other columns."""
    data = load_wine()
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    strength = np.digitize(x[:, 0], [-0.6, 0.6])
    y = [np.array(["Barolo", "Grignolino", "Barbera"])[data.target], np.array(["light", "deep"])[(x[:, 9] > 0) * 1]]
    return x[:, 1:], np.stack([*y, np.array(["weak", "normal", "strong"])[strength]], axis=1)


def classifier(**parameters):
    return MLPClassifier(**{"hidden_layer_sizes": 16, "learning_rate_init": 0.02, "random_state": 0, **parameters})


def test_each_target_has_classes_of_its_own(wine):
    x, y = wine
    model = classifier(max_iter=60).fit(x, y)
    assert [classes.tolist() for classes in model.classes_] == [
        ["Barbera", "Barolo", "Grignolino"],
        ["deep", "light"],
        ["normal", "strong", "weak"],
    ]
    assert model.coefs_[-1].shape == (16, 3 + 1 + 3) and model.n_outputs_ == 3
    assert model.out_activation_ == ["softmax", "logistic", "softmax"]
    predicted = model.predict(x)
    assert predicted.shape == y.shape and predicted.dtype.kind == "U"
    assert ((predicted == y).mean(axis=0) > 0.8).all()
    probabilities = model.predict_proba(x)
    assert [own.shape for own in probabilities] == [(178, 3), (178, 2), (178, 3)]
    for own, classes, column, logs in zip(
        probabilities, model.classes_, predicted.T, model.predict_log_proba(x), strict=True
    ):
        np.testing.assert_allclose(own.sum(axis=1), 1)
        np.testing.assert_array_equal(classes[own.argmax(axis=1)], column)
        np.testing.assert_allclose(np.exp(logs), own)


def test_a_target_beside_a_constant_one_is_learned_as_alone(wine):
    """The loss of a target of one class says nothing: what is left is the classifier of the other."""
    x, y = wine
    alone = classifier(solver="lbfgs", max_iter=200, tol=1e-9, hidden_layer_sizes=(), alpha=1.0, backend="numpy").fit(
        x, y[:, 0]
    )
    constant = np.full(len(y), "wine")
    both = clone(alone).fit(x, np.stack([y[:, 0], constant], axis=1))
    assert both.classes_[1].tolist() == ["wine"]
    assert (both.predict(x)[:, 1] == "wine").all() and (both.predict_proba(x)[1] == 1).all()
    np.testing.assert_allclose(both.predict_proba(x)[0], alone.predict_proba(x), atol=1e-3)


def test_the_loss_is_the_sum_of_those_of_the_targets(wine):
    x, y = wine
    model = classifier(max_iter=3, alpha=0.0, batch_size=len(x), warm_start=True).fit(x, y)
    expected = 0.0
    for own, classes, column in zip(model.predict_proba(x), model.classes_, y.T, strict=True):
        expected -= np.mean(np.log(own[np.arange(len(x)), np.searchsorted(classes, column)]))
    model.set_params(max_iter=1).fit(x, y)
    np.testing.assert_allclose(model.loss_, expected, rtol=1e-12)


def test_the_score_is_the_share_of_rows_that_are_right_as_a_whole(wine):
    x, y = wine
    model = classifier(max_iter=20).fit(x, y)
    right = (model.predict(x) == y).all(axis=1)
    assert model.score(x, y) == right.mean()
    weight = np.linspace(0, 1, len(x))
    np.testing.assert_allclose(model.score(x, y, weight), np.average(right, weights=weight))
    with pytest.raises(ValueError, match="answers for 3 columns"):
        model.score(x, y[:, 0])
    theirs = MultiOutputClassifier(classifier(max_iter=20)).fit(x, y)
    assert abs(theirs.score(x, y) - model.score(x, y)) < 0.1


def test_early_stopping_goes_by_the_mean_accuracy(wine):
    x, y = wine
    held_out = x[::3], y[::3]
    model = classifier(early_stopping=True, max_iter=30).fit(x[1::3], y[1::3], validation_data=held_out)
    np.testing.assert_allclose(model.best_validation_score_, (model.predict(x[::3]) == y[::3]).mean())
    weight = np.arange(60.0)
    recorded = classifier(max_iter=3).fit(x[1::3], y[1::3], validation_data=(*held_out, weight))
    found = np.average((recorded.predict(x[::3]) == y[::3]).mean(axis=1), weights=weight)
    np.testing.assert_allclose(recorded.validation_scores_[-1], found)
    assert classifier(early_stopping=True, scoring="loss", max_iter=5).fit(x, y).validation_loss_curve_


def test_class_weights_are_those_of_each_target(wine):
    x, y = wine
    weights = [{"Barolo": 3.0}, None, {"weak": 0.0, "strong": 2.0}]
    model = classifier(max_iter=1, alpha=0.0, batch_size=len(x), class_weight=weights).fit(x, y)
    before = MLPClassifier(16, random_state=0, max_iter=1, learning_rate_init=1e-300, alpha=0.0).fit(x, y)
    expected = 0.0
    for own, classes, column, given in zip(before.predict_proba(x), before.classes_, y.T, weights, strict=True):
        losses = -np.log(own[np.arange(len(x)), np.searchsorted(classes, column)])
        expected += np.average(losses, weights=[1.0 if given is None else given.get(label, 1.0) for label in column])
    np.testing.assert_allclose(model.loss_, expected, rtol=1e-10)
    balanced = classifier(max_iter=5, class_weight="balanced").fit(x, y, sample_weight=np.linspace(1, 2, len(x)))
    assert np.isfinite(balanced.loss_)
    with pytest.raises(ValueError, match=r"class_weight is .* and there are 3 targets"):
        classifier(class_weight={"Barolo": 2.0}).fit(x, y)
    with pytest.raises(ValueError, match="class_weight is a list, and there is one target"):
        classifier(class_weight=[{"Barolo": 2.0}]).fit(x, y[:, 0])


def test_sample_weights_count(wine):
    x, y = wine
    weight = (np.arange(len(x)) % 2).astype(float)
    whole = {"solver": "lbfgs", "max_iter": 15, "alpha": 0.5}
    weighted = classifier(**whole).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(weighted.loss_, classifier(**whole).fit(x[1::2], y[1::2]).loss_, rtol=1e-8)


@pytest.mark.parametrize("loss", ["focal", "hinge"])
def test_binary_losses(wine, loss):
    x, y = wine
    model = classifier(loss=loss, max_iter=40).fit(x, y)
    assert model.score(x, y) > 0.5
    if loss == "hinge":
        assert [own.shape for own in model.decision_function(x)] == [(178, 3), (178,), (178, 3)]
    else:
        for own in model.predict_proba(x):
            np.testing.assert_allclose(own.sum(axis=1), 1)


def test_a_table_of_numbers_and_texts(wine):
    x, y = wine
    table = pd.DataFrame({"year": np.arange(len(x)) % 3, "colour": y[:, 1]})
    model = classifier(max_iter=3).fit(x, table)
    assert model.classes_[0].tolist() == [0, 1, 2] and model.predict(x).dtype == object
    numbers = classifier(max_iter=3).fit(x, np.stack([table["year"], table["year"] + 1], axis=1))
    assert numbers.predict(x).dtype.kind == "i"


def test_partial_fits_know_the_classes(wine):
    x, y = wine
    classes = [np.unique(column) for column in y.T]
    model = classifier().partial_fit(x[:60], y[:60], classes=classes)  # one cultivar is missing in these
    for _ in range(40):
        model.partial_fit(x, y)
    assert model.score(x, y) > 0.6 and len(model.loss_curve_) == 41
    model.partial_fit(x, y, classes=classes)
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(x, y, classes=classes[:2])
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(x, y, classes=["Barolo", "deep"])
    strange = y.copy()
    strange[3, 1] = "green"
    with pytest.raises(ValueError, match=r"`y\[:, 1\]` has classes not in"):
        model.partial_fit(x, strange)
    with pytest.raises(ValueError, match="answers for 3 columns"):
        model.partial_fit(x, y[:, :2])
    with pytest.raises(ValueError, match=r"3 columns of classes, and the network was made for one.*classes=\["):
        classifier().partial_fit(x, y, classes=["Barolo", "deep"])
    looks_like_labels = classifier().partial_fit(x[:2], [[0, 1], [1, 0]], classes=[[0, 1, 2], [0, 1]])
    assert [own.shape for own in looks_like_labels.predict_proba(x)] == [(178, 3), (178, 2)]


def test_warm_starts_go_on(wine):
    x, y = wine
    model = classifier(max_iter=5, warm_start=True).fit(x, y)
    assert model.fit(x, y).loss_curve_[5] < model.loss_curve_[0]
    with pytest.raises(ValueError, match=r"warm_start can only be used where `y\[:, 0\]` has the same classes"):
        model.fit(x[:60], y[:60])
    single = model.set_params(warm_start=False).fit(x, y[:, 0])  # forgets that there were several
    assert single.predict_proba(x).shape == (178, 3)
    assert isinstance(single.fit(x, y).predict_proba(x), list)


def test_gradients_are_those_of_the_probabilities(wine):
    x, y = wine
    model = classifier(max_iter=5, activation="tanh").fit(x, y)
    found = model.gradient(x)
    assert [own.shape for own in found] == [(178, 3, 12), (178, 12), (178, 3, 12)]
    moved = np.zeros(12)
    moved[4] = 1e-6
    up, down = model.predict_proba(x + moved), model.predict_proba(x - moved)
    np.testing.assert_allclose(found[0][:, :, 4], (up[0] - down[0]) / 2e-6, atol=1e-8)
    np.testing.assert_allclose(found[1][:, 4], (up[1] - down[1])[:, 1] / 2e-6, atol=1e-8)


@pytest.mark.parametrize("more", [{}, {"dropout": 0.1, "batch_norm": True, "loss": "focal"}], ids=str)
def test_it_comes_back_from_files(wine, tmp_path, more):
    x, y = wine
    model = classifier(max_iter=3, **more).fit(x, y)
    model.save(tmp_path)
    for again in (MLPClassifier.load(tmp_path), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(x), model.predict(x))
        for one, other in zip(again.predict_proba(x), model.predict_proba(x), strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(
            again.partial_fit(x, y).coefs_[0], clone(model).fit(x, y).partial_fit(x, y).coefs_[0]
        )
    with pytest.raises(tp.errors.ModelError, match="without its loss"):
        tp.Trainer.load(tmp_path)
    outputs = tp.Trainer.load(tmp_path, loss="mean_squared_error").predict(x)
    assert outputs.shape == (178, 7)


def test_searches_and_cross_validation(wine):
    x, y = wine

    def hamming(truth, predicted):
        return np.mean(truth == predicted)

    search = GridSearchCV(classifier(max_iter=5), {"alpha": [0.0, 1.0]}, cv=2).fit(x, y)
    assert 0 < search.best_score_ <= 1
    assert cross_val_predict(classifier(max_iter=5), x, y, cv=2).shape == y.shape
    with pytest.raises(ValueError, match="multi"):  # as for all classifiers of several targets
        classifier(max_iter=3, scoring="accuracy", early_stopping=True).fit(x, y)
    model = classifier(max_iter=3, scoring=lambda model, x, y: hamming(y, model.predict(x)), early_stopping=True)
    assert len(model.fit(x, y).validation_scores_) == 3


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.linspace(0, 1, 356).reshape(178, 2), "Unknown label type|Multioutput target data"),
        (np.array([["a", 1], ["b", None]] * 89, dtype=object), r"classes of y\[:, 1\] are of different kinds"),
        (np.array([["a", 1], ["b", "c"]] * 89, dtype=object), r"classes of y\[:, 1\] are of different kinds"),
    ],
    ids=["numbers", "missing", "mixed"],
)
def test_what_are_no_classes_is_refused(wine, y, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(wine[0], y)


def test_validation_data_that_do_not_fit(wine):
    x, y = wine
    with pytest.raises(ValueError, match="answers for 3 columns"):
        classifier().fit(x, y, validation_data=(x, y[:, :2]))
    strange = y.copy()
    strange[0, 0] = "Merlot"
    with pytest.raises(ValueError, match=r"classes that are not in `y`.*Merlot"):
        classifier().fit(x, y, validation_data=(x, strange))
    assert classifier(max_iter=2).fit(x, y).score(x, strange) >= 0
