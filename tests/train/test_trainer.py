"""The trainer: reproducible, exact, resumable."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twopass as tp
from train.problems import classifier, line, regressor, same_bits, two_moons
from twopass import nn, optim, tree
from twopass.errors import ArgumentError, NotFiniteError, ShapeError
from twopass.train import Trainer


def test_it_learns_digits() -> None:
    digits = tp.data.load("digits")
    net = nn.Sequential(nn.Dense(32, activation="relu"), nn.Dense(10))
    trainer = Trainer(net, "softmax_cross_entropy", optim.Adam(0.003), metrics=["accuracy"], seed=0)
    data = (digits.x_test, digits.y_test)
    history = trainer.fit(digits.x_train, digits.y_train, epochs=12, validation_data=data)
    assert history["val_accuracy"][-1] > 0.93
    assert history["loss"][-1] < 0.2 * history["loss"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bits(dtype: str) -> None:
    runs = []
    for _ in range(2):
        trainer = classifier(dtype=dtype)
        trainer.fit(*two_moons(), epochs=3, validation_split=0.3)
        runs.append((trainer.params, trainer.state.optimizer, trainer.history["loss"], trainer.history["val_loss"]))
    assert same_bits(*runs)
    assert {leaf.dtype for leaf in tree.leaves(runs[0][0]) if leaf.dtype.kind == "f"} == {np.dtype(dtype)}


PROGRAM = """
import numpy as np
from twopass import nn, optim
from twopass.train import Trainer
rng = np.random.default_rng(0)
x, y = rng.normal(size=(50, 3)), rng.integers(0, 2, 50)
net = nn.Sequential(nn.Dense(5, activation="relu"), nn.Dropout(0.3), nn.Dense(2))
trainer = Trainer(net, "softmax_cross_entropy", optim.Adam(0.01), seed=1)
trainer.fit(x, y, epochs=3)
print(trainer.predict(x).tobytes().hex())
"""


def test_processes_agree_to_the_bit(run_python: Callable[..., str]) -> None:
    assert run_python(PROGRAM) == run_python(PROGRAM)


def test_other_seeds_give_other_runs() -> None:
    losses = set()
    for seed in (1, 2):
        trainer = classifier(seed=seed)
        losses.add(trainer.fit(*two_moons())["loss"][0])
    assert len(losses) == 2


def test_without_a_seed_one_is_drawn_and_can_be_used_again() -> None:
    first = classifier(seed=None)
    first.fit(*two_moons())
    again = classifier(seed=first.seed)
    again.fit(*two_moons())
    assert same_bits(first.params, again.params)
    assert classifier(seed=None).seed != first.seed


def test_global_random_state_is_neither_used_nor_changed() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - it is what is tested
    classifier(seed=None).fit(*two_moons())
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_fits_continue() -> None:
    once, twice = classifier(), classifier()
    once.fit(*two_moons(), epochs=5, validation_data=two_moons(seed=1))
    twice.fit(*two_moons(), epochs=2, validation_data=two_moons(seed=1))
    history = twice.fit(*two_moons(), epochs=3, validation_data=two_moons(seed=1))
    assert twice.epoch == 5
    assert same_bits((once.params, once.state.optimizer), (twice.params, twice.state.optimizer))
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(history, 5)


def test_history_holds_one_entry_an_epoch() -> None:
    history = classifier().fit(*two_moons(), epochs=3, validation_split=0.2)
    assert list(history) == ["loss", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    assert all(len(values) == 3 for values in history.values())
    assert all(type(value) is float for values in history.values() for value in values)
    assert history["learning_rate"][0] == 0.02
    assert history["learning_rate"] == sorted(history["learning_rate"], reverse=True)
    assert all(seconds > 0 for seconds in history["seconds"])


def test_quantities_that_an_epoch_lacks_are_nan() -> None:
    trainer = regressor()
    trainer.fit(*line(), epochs=2)
    history = trainer.fit(*line(), validation_split=0.2)
    assert [math.isnan(value) for value in history["val_loss"]] == [True, True, False]


@pytest.mark.parametrize("loss", ["mean_squared_error", "huber", lambda p, t: np.mean((p[:, 0] - t) ** 2)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 16, 70, 1000])
def test_the_loss_of_an_epoch_is_exact(loss: Any, weighted: bool, batch_size: int) -> None:
    x, y = line()
    weight = np.arange(70) % 5 * 0.5 if weighted and isinstance(loss, str) else None
    trainer = Trainer(nn.Dense(1), loss, optim.SGD(1e-300), dtype="float64", seed=0)
    history = trainer.fit(x, y, batch_size=batch_size, sample_weight=weight)
    function = nn.losses.get(loss)
    prediction = trainer.predict(x)
    whole = function(prediction, y) if weight is None else function(prediction, y, sample_weight=weight)
    assert history["loss"][0] == pytest.approx(float(whole), rel=1e-13)
    found = trainer.evaluate(x, y, sample_weight=weight, batch_size=batch_size)
    assert found == {"loss": pytest.approx(float(whole), rel=1e-13)}


def test_metrics_are_exact_over_batches() -> None:
    trainer = classifier(metrics=["accuracy", "f1", "auc"])
    trainer.fit(*two_moons(), epochs=2)
    whole, parts = (trainer.evaluate(*two_moons(), batch_size=size) for size in (130, 17))
    assert list(whole) == ["loss", "accuracy", "f1", "auc"]
    assert parts == pytest.approx(whole)
    x, y = two_moons()
    assert whole["accuracy"] == np.mean(trainer.predict(x).argmax(axis=1) == y)


def test_prediction_does_not_depend_on_the_batch_size() -> None:
    trainer, (x, y) = classifier(), two_moons()
    trainer.fit(x, y)
    np.testing.assert_allclose(trainer.predict(x), trainer.predict(x, batch_size=7), rtol=1e-5, atol=1e-6)
    assert trainer.predict(x[:0]).shape == (0, 2)


def test_every_sample_is_seen_once_an_epoch_in_a_new_order() -> None:
    seen: list[list[float]] = []

    def loss(prediction: Any, target: Any) -> Any:
        seen.append(np.asarray(target).tolist())
        return np.mean((prediction[:, 0] - target) ** 2)

    x, y = np.ones((10, 1)), np.arange(10.0)
    trainer = Trainer(nn.Dense(1), loss, optim.SGD(0.001), seed=0, backend="numpy")
    trainer.fit(x, y, epochs=2, batch_size=4)
    first, second = np.concatenate(seen[1:4]), np.concatenate(seen[4:7])  # before them, the targets are checked
    assert [len(batch) for batch in seen[1:]] == [4, 4, 2, 4, 4, 2]
    assert sorted(first) == sorted(second) == list(y)
    assert not np.array_equal(first, second)
    seen.clear()
    trainer.fit(x, y, batch_size=4, shuffle=False)
    np.testing.assert_array_equal(np.concatenate(seen[1:]), y)


def test_weights_count_samples() -> None:
    x, y = line()
    weighted, repeated = regressor(dtype="float64"), regressor(dtype="float64")
    count = np.arange(70) % 3
    weighted.fit(x, y, batch_size=70, epochs=3, sample_weight=count)
    repeated.fit(np.repeat(x, count, 0), np.repeat(y, count), batch_size=70, epochs=3)
    np.testing.assert_allclose(weighted.params["weight"], repeated.params["weight"], rtol=1e-12)
    assert weighted.history["loss"] == pytest.approx(repeated.history["loss"], rel=1e-12)


@pytest.mark.parametrize("class_weight", [{1: 3.0}, [1.0, 3.0], np.array([1.0, 3.0])])
def test_class_weights_are_sample_weights(class_weight: Any) -> None:
    x, y = two_moons()
    by_class, by_sample = classifier(dtype="float64"), classifier(dtype="float64")
    by_class.fit(x, y, epochs=2, class_weight=class_weight, validation_data=(x, y))
    by_sample.fit(x, y, epochs=2, sample_weight=np.where(y == 1, 3.0, 1.0), validation_data=(x, y))
    np.testing.assert_allclose(by_class.params[0]["weight"], by_sample.params[0]["weight"], rtol=1e-9)
    assert by_class.history["loss"] == pytest.approx(by_sample.history["loss"])
    assert by_class.history["val_loss"] == pytest.approx(by_sample.history["val_loss"])


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
def test_balanced_class_weights(loss: str) -> None:
    x, y = two_moons()
    keep = np.flatnonzero((y == 0) | (np.arange(130) % 5 == 0))
    x, y = x[keep], y[keep]
    outputs = 2 if loss.startswith("softmax") else 1
    balanced, explicit = (Trainer(nn.Dense(outputs), loss, optim.SGD(0.1), seed=0) for _ in range(2))
    balanced.fit(x, y, class_weight="balanced")
    explicit.fit(x, y, class_weight={c: len(y) / (2 * np.sum(y == c)) for c in (0, 1)})
    assert same_bits(balanced.params, explicit.params)
    one_hot = Trainer(nn.Dense(2), "softmax_cross_entropy", optim.SGD(0.1), seed=0)
    one_hot.fit(x, np.eye(2)[y], class_weight="balanced")
    if outputs == 2:
        np.testing.assert_allclose(one_hot.params["weight"], balanced.params["weight"], rtol=1e-5)


@pytest.mark.parametrize(
    ("trainer", "class_weight", "message"),
    [
        (classifier, {2: 1.0}, r"class_weight names \[2\].*0 to 1"),
        (classifier, [1.0, 2.0, 3.0], "there are 2 classes"),
        (classifier, "equal", "must be 'balanced'"),
        (regressor, [1.0, 2.0], "takes no class_weight"),
    ],
)
def test_bad_class_weights_are_refused(trainer: Any, class_weight: Any, message: str) -> None:
    data = two_moons() if trainer is classifier else line()
    with pytest.raises(ArgumentError, match=message):
        trainer().fit(*data, class_weight=class_weight)


def test_class_weights_of_the_loss_itself_count() -> None:
    x, y = two_moons()
    loss = functools.partial(nn.softmax_cross_entropy, class_weight=[1.0, 4.0])
    trainer = Trainer(nn.Dense(2), loss, optim.SGD(1e-300), dtype="float64", seed=0)
    history = trainer.fit(x, y, batch_size=9)
    assert history["loss"][0] == pytest.approx(float(loss(trainer.predict(x), y)), rel=1e-13)


def test_validation_data_with_weights() -> None:
    trainer, (x, y) = regressor(), line()
    weight = np.arange(70.0)
    history = trainer.fit(x, y, validation_data=(x, y, weight))
    assert history["val_loss"][0] == trainer.evaluate(x, y, sample_weight=weight)["loss"]


def test_held_out_samples_are_not_trained_on() -> None:
    x, y = line()
    y[::7] += 1e6
    clean, mixed = regressor(), regressor()
    mixed.fit(x, y, validation_split=0.3)
    assert mixed.history["val_loss"][0] > 1e6
    clean.fit(x, line()[1])
    again = regressor()
    again.fit(x, y, validation_split=0.3)
    assert same_bits(mixed.params, again.params)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number from 1, not 0"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"validation_split": 1.0}, "validation_split=1.0 of 70 samples"),
        ({"validation_split": 0.1, "validation_data": line()}, "Pass one"),
        ({"validation_data": [1, 2]}, r"tuple \(x, y\)"),
    ],
)
def test_bad_arguments_of_fit_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        regressor().fit(*line(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "dense"}, "network must be a layer"),
        ({"loss": "mean_square_error"}, "no loss named.*mean_squared_error"),
        ({"optimizer": "adam"}, r"transformation of twopass\.optim.*Adam"),
        ({"metrics": "accuracy"}, "metrics must be a sequence"),
        ({"metrics": ["acuracy"]}, "no metric named"),
        ({"metrics": ["accuracy", "accuracy"]}, "one name"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 1.5}, "seed"),
        ({"dtype": "float16"}, "'float32' or 'float64'"),
        ({"dtype": "floaty"}, "'float32' or 'float64'"),
        ({"backend": "cuda"}, "no backend 'cuda'"),
        ({"threads": 0}, "threads"),
    ],
)
def test_bad_arguments_of_the_trainer_are_refused(options: Any, message: str) -> None:
    good = {"net": nn.Dense(1), "loss": "huber", "optimizer": optim.SGD(0.1)}
    with pytest.raises(ArgumentError, match=message):
        Trainer(**{**good, **options})


def test_before_parameters_exist_it_says_how_to_make_them() -> None:
    trainer = regressor()
    for use in (lambda: trainer.params, lambda: trainer.predict(np.ones((2, 3))), trainer.summary):
        with pytest.raises(ArgumentError, match=r"no parameters yet.*trainer\.fit\(\.\.\.\), or trainer\.init"):
            use()
    trainer.init((3,))
    assert trainer.predict(np.ones((2, 3))).shape == (2, 1)


def test_initial_parameters_are_the_networks() -> None:
    assert same_bits(regressor().init((3,)).params, nn.Dense(1).init(5, (3,)))


def test_assigned_parameters_are_copied_and_used() -> None:
    trainer = regressor().init((3,))
    weight = np.array([[1.0], [2.0], [3.0]])
    trainer.params = {"bias": np.zeros(1), "weight": weight}
    weight[:] = 0
    np.testing.assert_array_equal(trainer.predict(np.eye(3))[:, 0], [1, 2, 3])
    assert trainer.params["weight"].dtype == np.float32
    with pytest.raises(ValueError, match="read-only"):
        trainer.params["weight"][:] = 0


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"weight": np.zeros((3, 1))}, ArgumentError, "structure"),
        ({"weight": np.zeros((1, 3)), "bias": np.zeros(1)}, ShapeError, r"params\['weight'\] has the shape \(1, 3\)"),
        ({"weight": np.full((3, 1), np.nan), "bias": np.zeros(1)}, NotFiniteError, r"params\['weight'\] holds NaN"),
    ],
)
def test_bad_parameters_are_refused(params: Any, error: Any, message: str) -> None:
    trainer = regressor().init((3,))
    before = trainer.params
    with pytest.raises(error, match=message):
        trainer.params = params
    assert trainer.params is before


def test_averaged_parameters() -> None:
    trainer = classifier()
    trainer.fit(*two_moons(), epochs=2)
    averaged = trainer.averaged_params
    assert tree.structure(averaged) == tree.structure(trainer.params)
    assert not np.array_equal(averaged[0]["weight"], trainer.params[0]["weight"])
    trainer.params = averaged
    assert trainer.evaluate(*two_moons())["accuracy"] > 0.5


def test_plateaus_reduce_the_learning_rate_during_a_fit() -> None:
    optimizer = optim.chain(optim.SGD(1e-30), optim.reduce_on_plateau(factor=0.5, patience=0, threshold=0.0))
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optimizer, seed=0, dtype="float64")
    history = trainer.fit(*line(), epochs=4, shuffle=False)
    assert history["learning_rate"] == pytest.approx([1e-30, 1e-30, 0.5e-30, 0.25e-30])


def test_an_optimizer_without_learning_rate_has_nan() -> None:
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optim.clip_by_value(1e-3), seed=0)
    assert math.isnan(trainer.fit(*line())["learning_rate"][0])


def test_summary() -> None:
    trainer = classifier().init((2,))
    printed = trainer.summary()
    assert "Dense(12, activation='tanh')" in printed
    assert "loss softmax_cross_entropy, chain(" in printed
    assert "seed 3, float32, 0 epochs trained" in printed


def test_the_users_arrays_are_left_alone() -> None:
    x, y = line()
    before = x.copy(), y.copy()
    regressor().fit(x, y, epochs=2)
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])
    assert x.flags.writeable


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_the_order_of_the_samples_can_be_given(backend: str) -> None:
    x, y = line(40)
    order = np.random.default_rng(0).permutation(40)
    given, sorted_before = regressor(backend=backend), regressor(backend=backend)
    given.fit(x, y, epochs=2, batch_size=16, shuffle=lambda epoch: order if epoch == 2 else np.arange(40))
    sorted_before.fit(x, y, batch_size=16, shuffle=False)
    sorted_before.fit(x[order], y[order], batch_size=16, shuffle=False)
    assert same_bits(given.params, sorted_before.params)


@pytest.mark.parametrize("order", [np.arange(39), np.arange(40) + 1, np.arange(40.0)])
def test_an_order_of_other_samples_is_refused(order: np.ndarray) -> None:
    with pytest.raises(ArgumentError, match="no array of 40 positions from 0 to 39"):
        regressor(backend="numpy").fit(*line(40), shuffle=lambda epoch: order)
