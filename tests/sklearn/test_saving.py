"""Estimators in model folders."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import NotFittedError

import twopass as tp
from twopass.errors import ModelError
from twopass.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = np.array(["setosa", "versicolor", "virginica"])


def flowers():
    x, y = load_iris(return_X_y=True)
    return x, NAMES[y]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "lbfgs", "class_weight": {"setosa": 2.0}},
        {"dropout": (0.1, 0.2), "batch_norm": True, "activation": ["silu", "tanh"], "hidden_layer_sizes": [6, 5]},
        {"early_stopping": True, "scoring": "neg_log_loss", "n_iter_no_change": np.inf, "loss": "focal"},
        {"n_members": 3, "batch_norm": True, "dropout": 0.1},
        {"solver": tp.optim.AdamW(tp.optim.schedules.cosine_decay(0.01, 50)), "random_state": 3},
    ],
    ids=str,
)
def test_a_classifier_comes_back(tmp_path, parameters):
    x, y = flowers()
    model = MLPClassifier(**{"max_iter": 4, "random_state": 0, **parameters}).fit(x, y)
    model.save(tmp_path / "model")
    again = MLPClassifier.load(tmp_path / "model")
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.loss_ == model.loss_ and again.n_iter_ == model.n_iter_
    if not model.early_stopping and model.solver != "lbfgs":
        np.testing.assert_allclose(again.partial_fit(x, y).coefs_[0], model.partial_fit(x, y).coefs_[0], rtol=0, atol=0)


def test_a_regressor_comes_back(tmp_path):
    x, y = make_regression(60, 3, random_state=0)
    x = x.astype(np.float32)
    model = MLPRegressor("quantile", quantile=[0.2, 0.8], max_iter=3, random_state=0).fit(x, y)
    model.save(tmp_path)
    again = MLPRegressor.load(tmp_path)
    np.testing.assert_array_equal(again.predict_quantiles(x), model.predict_quantiles(x))
    assert again.coefs_[0].dtype == np.float32


def test_labels_and_columns_come_back(tmp_path):
    x, y = make_multilabel_classification(40, 4, random_state=0)
    model = MLPClassifier((5,), max_iter=2).fit(x, y)
    model.feature_names_in_ = np.array(["a", "b", "c", "d"], dtype=object)
    model.save(tmp_path)
    again = MLPClassifier.load(tmp_path)
    assert list(again.feature_names_in_) == ["a", "b", "c", "d"]
    del again.feature_names_in_, model.feature_names_in_
    np.testing.assert_array_equal(again.predict(x), model.predict(x))


def test_a_trainer_reads_the_network(tmp_path):
    x, y = flowers()
    model = MLPClassifier((7,), max_iter=5, random_state=0).fit(x, y)
    model.save(tmp_path)
    trainer = tp.Trainer.load(tmp_path)
    np.testing.assert_allclose(tp.nn.softmax(trainer.predict(x)), model.predict_proba(x), atol=1e-12)
    assert trainer.history["loss"] == model.loss_curve_


def test_code_is_given_again(tmp_path):
    x, y = flowers()

    def bend(x):
        return x / (1 + np.abs(x))

    loss = functools.partial(tp.nn.softmax_cross_entropy, label_smoothing=0.1)
    model = MLPClassifier((5,), bend, loss=loss, max_iter=2, callbacks=[tp.train.NaNStop()], random_state=0).fit(x, y)
    model.save(tmp_path)
    with pytest.raises(ModelError, match=r"saved without its activation.*load\(folder, activation=...\)"):
        MLPClassifier.load(tmp_path)
    again = MLPClassifier.load(tmp_path, activation=bend)
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.callbacks is None and again.loss.keywords == {"label_smoothing": 0.1}


def test_what_is_no_estimator_is_refused(tmp_path):
    x, y = make_regression(20, 3, random_state=0)
    with pytest.raises(NotFittedError):
        MLPRegressor().save(tmp_path / "none")
    MLPRegressor(max_iter=2).fit(x, y).save(tmp_path / "model")
    with pytest.raises(ModelError, match=r"is a MLPRegressor.*MLPRegressor.load"):
        MLPClassifier.load(tmp_path / "model")
    with pytest.raises(ModelError, match="no such folder"):
        MLPRegressor.load(tmp_path / "nothing")
    trainer = tp.Trainer(tp.nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.1)).init((3,))
    trainer.save(tmp_path / "trainer")
    with pytest.raises(ModelError, match="is no estimator"):
        MLPRegressor.load(tmp_path / "trainer")
    manifest = tmp_path / "model" / "model.json"
    content = json.loads(manifest.read_text())
    del content["config"]["extra"]["estimator"]["parameters"]
    manifest.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="damaged"):
        MLPRegressor.load(tmp_path / "model")
