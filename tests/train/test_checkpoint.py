"""Saved trainers predict, and continue, with the same bits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import classifier, line, regressor, same_bits, two_moons
from twopass import nn, optim
from twopass.errors import ModelError
from twopass.io import load_model
from twopass.train import Checkpoint, Trainer

OPTIMIZERS = [
    optim.SGD(0.05, momentum=0.9, nesterov=True),
    optim.NAdam(optim.schedules.warmup(optim.schedules.cosine_restarts(0.01, steps=7), steps=3)),
    optim.accumulate(3, optim.RMSProp(0.01, momentum=0.5, centered=True)),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda optimizer: type(optimizer).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_trainer_continues_with_the_same_bits(optimizer: Any, dtype: str, tmp_path: Path) -> None:
    def trainer() -> Trainer:
        net = nn.Sequential(nn.Dense(9, activation="tanh"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(2))
        return Trainer(net, "softmax_cross_entropy", optimizer, metrics=["accuracy"], seed=7, dtype=dtype)

    data = two_moons()
    whole, half = trainer(), trainer()
    whole.fit(*data, epochs=4, batch_size=33, validation_split=0.2)
    half.fit(*data, epochs=2, batch_size=33, validation_split=0.2)
    half.save(tmp_path / "model")
    loaded = Trainer.load(tmp_path / "model")
    assert loaded.predict(data[0]).tobytes() == half.predict(data[0]).tobytes()
    loaded.fit(*data, epochs=2, batch_size=33, validation_split=0.2)
    assert same_bits((whole.params, whole.state.optimizer), (loaded.params, loaded.state.optimizer))
    for name in ("loss", "val_loss", "val_accuracy", "learning_rate"):
        assert loaded.history[name] == whole.history[name]


def test_everything_comes_back(tmp_path: Path) -> None:
    trainer = classifier()
    trainer.fit(*two_moons(), epochs=2)
    trainer.save(tmp_path)
    loaded = Trainer.load(tmp_path, backend="numpy", threads=1)
    for name in ("net", "loss", "optimizer", "metrics", "seed", "dtype", "epoch", "history", "input_shape"):
        assert getattr(loaded, name) == getattr(trainer, name), name
    assert same_bits((loaded.params, loaded.state.optimizer), (trainer.params, trainer.state.optimizer))
    with pytest.raises(ValueError, match="read-only"):
        loaded.params[0]["weight"][:] = 0


def test_the_files_hold_names_and_numbers(tmp_path: Path) -> None:
    trainer = regressor()
    trainer.fit(*line(), epochs=1)
    trainer.fit(*line(), epochs=1, validation_split=0.1)
    trainer.save(tmp_path)
    config = json.loads((tmp_path / "model.json").read_text())["config"]
    assert config["net"]["class"] == "Dense"
    assert config["loss"] == "mean_squared_error"
    assert config["optimizer"] == {**optim.SGD(0.05).config()}
    assert config["history"]["val_loss"][0] == "nan"
    assert math.isnan(Trainer.load(tmp_path).history["val_loss"][0])


def test_a_later_save_replaces_the_earlier_one(tmp_path: Path) -> None:
    trainer = regressor()
    for epoch in (1, 2):
        trainer.fit(*line())
        trainer.save(tmp_path)
        assert Trainer.load(tmp_path).epoch == epoch


def test_every_metric_that_has_a_name_is_saved(tmp_path: Path) -> None:
    for number, name in enumerate(nn.metrics.names()):
        trainer = regressor(metrics=[name]).init((3,))
        trainer.save(tmp_path / str(number))
        assert Trainer.load(tmp_path / str(number)).metrics == trainer.metrics


def own_loss(prediction: Any, target: Any) -> Any:
    return np.mean((prediction[:, 0] - target) ** 2)


def test_code_is_left_out_and_asked_for(tmp_path: Path) -> None:
    parts: dict[str, Any] = {
        "net": nn.Graph(lambda net, x: net.dense(x), dense=nn.Dense(1)),
        "loss": own_loss,
        "optimizer": optim.SGD(lambda step: 0.01 / (1 + step)),
        "metrics": [lambda prediction, target: 0.5],
    }
    trainer = Trainer(**parts, seed=0)
    trainer.fit(*line())
    trainer.save(tmp_path)
    for name in parts:
        others = {key: value for key, value in parts.items() if key != name}
        with pytest.raises(
            ModelError, match=rf"without its {name}, because it is code.*Trainer\.load\(folder, {name}="
        ):
            Trainer.load(tmp_path, **others)
    loaded = Trainer.load(tmp_path, **parts)
    assert loaded.predict(line()[0]).tobytes() == trainer.predict(line()[0]).tobytes()


def test_metrics_keep_their_parameters(tmp_path: Path) -> None:
    trainer = regressor(metrics=[nn.metrics.Accuracy(threshold=0.5)]).init((3,))
    trainer.save(tmp_path)
    assert Trainer.load(tmp_path).metrics == (nn.metrics.Accuracy(threshold=0.5),)


def test_more_can_be_kept_with_a_model(tmp_path: Path) -> None:
    regressor().init((3,)).save(tmp_path, extra={"columns": ["a", "b", "c"]})
    assert load_model(tmp_path).config["extra"] == {"columns": ["a", "b", "c"]}
    assert Trainer.load(tmp_path).seed == 5


def test_another_network_does_not_fit(tmp_path: Path) -> None:
    regressor().init((3,)).save(tmp_path)
    with pytest.raises(ModelError, match=r"'params\..*' has the shape"):
        Trainer.load(tmp_path, net=nn.Dense(2))


@pytest.mark.parametrize("damage", [{"seed": -1}, {"net": {"class": "Dense"}}, {"history": 3}, {"epoch": None}])
def test_damaged_configurations_are_explained(damage: Any, tmp_path: Path) -> None:
    regressor().init((3,)).save(tmp_path)
    manifest = json.loads((tmp_path / "model.json").read_text())
    manifest["config"].update(damage)
    (tmp_path / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError):
        Trainer.load(tmp_path)


def test_training_killed_after_a_checkpoint_continues_with_the_same_bits(tmp_path: Path) -> None:
    whole, killed = classifier(), classifier()
    whole.fit(*two_moons(), epochs=5)
    killed.fit(*two_moons(), epochs=3, callbacks=[Checkpoint(tmp_path, every=2)])
    resumed = Trainer.load(tmp_path)
    assert resumed.epoch == 3
    resumed.fit(*two_moons(), epochs=2)
    assert same_bits(whole.params, resumed.params)
