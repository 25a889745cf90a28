from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError
from twopass.io import from_sklearn

neural_network = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")


def fitted(estimator, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it does not converge in so few epochs
        return estimator.fit(x, y)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_regressor(activation: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)).astype(dtype), rng.normal(size=(60, 2)).astype(dtype)
    estimator = fitted(
        neural_network.MLPRegressor(hidden_layer_sizes=(7, 4), activation=activation, max_iter=5, random_state=0), x, y
    )
    net, params = from_sklearn(estimator)
    np.testing.assert_allclose(net(params, x), estimator.predict(x), rtol=1e-4, atol=1e-5)
    assert params[0]["weight"].dtype == dtype and params[0]["weight"] is not estimator.coefs_[0]


@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_gives_logits(classes: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), rng.integers(classes, size=60)
    estimator = fitted(neural_network.MLPClassifier(hidden_layer_sizes=(6,), max_iter=5, random_state=0), x, y)
    net, params = from_sklearn(estimator)
    logits = net(params, x)
    found = nn.softmax(logits) if classes == 3 else nn.sigmoid(np.concatenate([-logits, logits], axis=1))
    np.testing.assert_allclose(found, estimator.predict_proba(x), rtol=1e-10)


def test_what_is_imported_trains_on() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)), rng.normal(size=60)
    net, params = from_sklearn(
        fitted(neural_network.MLPRegressor(hidden_layer_sizes=(6,), max_iter=5, random_state=0), x, y)
    )
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.Adam(), seed=0, dtype="float64").init((5,))
    trainer.params = params
    before = trainer.evaluate(x, y)["loss"]
    trainer.fit(x, y, epochs=5)
    assert trainer.evaluate(x, y)["loss"] < before


def test_what_is_no_fitted_perceptron_is_refused() -> None:
    with pytest.raises(ArgumentError, match="MLPRegressor has no coefs_"):
        from_sklearn(neural_network.MLPRegressor())
    with pytest.raises(ArgumentError, match="'swish' is not one of scikit-learn's"):
        from_sklearn(SimpleNamespace(activation="swish", coefs_=[np.eye(2)] * 2, intercepts_=[np.zeros(2)] * 2))
