"""Members of an ensemble are trained as they would be alone, and judged together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import line, same_bits, two_moons
from twopass import nn, optim, tree
from twopass.train import EarlyStopping, Trainer

MEMBER = nn.Sequential(
    nn.Dense(12, activation="tanh", weight_penalty=nn.L2(1e-3)), nn.BatchNorm(momentum=0.9), nn.Dense(2)
)
BACKENDS = pytest.mark.parametrize("backend", ["numpy", "llvm"])


def trainer(net: nn.Layer, optimizer: Any = None, **options: Any) -> Trainer:
    parts = net, "softmax_cross_entropy", optimizer or optim.Adam(0.01)
    return Trainer(*parts, metrics=["accuracy"], **{"seed": 2, "dtype": "float64", **options})


@BACKENDS
@pytest.mark.parametrize("optimizer", [optim.SGD(0.05, momentum=0.9, nesterov=True), optim.Adam(0.01)], ids=repr)
def test_a_member_is_the_network_trained_alone(optimizer: Any, backend: str) -> None:
    x, y = two_moons()
    weight = np.random.default_rng(0).random(len(x))
    options: dict[str, Any] = {"batch_size": 32, "sample_weight": weight, "class_weight": {0: 2.0}}
    ensemble = nn.Ensemble(MEMBER, 3)
    together = trainer(ensemble, optimizer, backend=backend).init((2,))
    start = together.params
    together.fit(x, y, 4, **options)
    losses = []
    for index in range(3):
        alone = trainer(MEMBER, optimizer, backend=backend).init((2,))
        alone.params = ensemble.member(start, index)
        losses.append(alone.fit(x, y, 4, **options)["loss"])
        for one, other in zip(
            tree.leaves(ensemble.member(together.params, index)), tree.leaves(alone.params), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    np.testing.assert_allclose(together.history["loss"], np.mean(losses, axis=0), rtol=1e-9)


def test_the_bits_do_not_depend_on_the_threads() -> None:
    x, y = np.random.default_rng(0).normal(size=(128, 64)), np.arange(128) % 2
    net = nn.Ensemble(nn.Sequential(nn.Dense(128, activation="relu"), nn.Dropout(0.2), nn.Dense(2)), 4)
    params = []
    for threads in (1, 2, 4):
        fitted = trainer(net, backend="llvm", threads=threads, dtype="float32")
        fitted.fit(x, y, 2, 64)
        params.append(fitted.params)
    assert same_bits(params[0], params[1])
    assert same_bits(params[0], params[2])


def test_stacked_products_have_native_kernels() -> None:
    x, y = two_moons()
    fitted = trainer(nn.Ensemble(MEMBER, 3), backend="llvm")
    fitted.fit(x, y, 1, 32)
    text = fitted.explain()
    assert "product    3 x 32 x 2 x 12" in text
    assert "nothing is left to NumPy" in text


def test_loss_and_metrics_of_validation_are_those_of_the_mean() -> None:
    x, y = two_moons()
    fitted = trainer(nn.Ensemble(MEMBER, 5))
    history = fitted.fit(x, y, 3, validation_data=(x, y))
    outputs = fitted.predict(x)
    assert outputs.shape == (len(x), 5, 2)
    probability = nn.softmax(outputs).mean(axis=1)
    assert history["val_accuracy"][-1] == np.mean(probability.argmax(axis=1) == y)
    assert history["val_loss"][-1] == pytest.approx(-np.mean(np.log(probability[np.arange(len(y)), y])))
    alone = [float(nn.softmax_cross_entropy(outputs[:, i], y)) for i in range(5)]
    assert history["val_loss"][-1] < np.mean(alone)  # Jensen's inequality


def test_dropout_differs_from_member_to_member() -> None:
    x, y = line()
    one = nn.Sequential(
        nn.Dense(30, weight_initializer="ones"), nn.Dropout(0.5), nn.Dense(1, weight_initializer="ones")
    )
    fitted = Trainer(nn.Ensemble(one, 2), "mean_squared_error", optim.SGD(1e-4), seed=0, backend="numpy")
    fitted.fit(x, y, 1)
    weight = fitted.params[0]["weight"]
    assert not np.array_equal(weight[0], weight[1])


def test_targets_are_checked_as_those_of_one_network() -> None:
    x, y = line()
    fitted = Trainer(nn.Ensemble(nn.Dense(1), 3), "mean_squared_error", optim.SGD(0.1), metrics=["r2"], seed=0)
    fitted.fit(x, y, 20, validation_data=(x, y), callbacks=[EarlyStopping(patience=2)])
    assert fitted.evaluate(x, y)["r2"] > 0.9
    with pytest.raises(ValueError, match=r"shape"):
        fitted.fit(x, np.stack([y, y], axis=1))


def test_saved_and_continued(tmp_path: Path) -> None:
    x, y = two_moons()
    net = nn.Ensemble(nn.Sequential(nn.Dense(6, activation="relu"), nn.Dropout(0.2), nn.Dense(2)), 3)
    straight, first = trainer(net), trainer(net)
    straight.fit(x, y, 4)
    first.fit(x, y, 2)
    first.save(tmp_path / "model")
    again = Trainer.load(tmp_path / "model")
    assert again.net == net
    again.fit(x, y, 2)
    assert same_bits(again.state, straight.state)
