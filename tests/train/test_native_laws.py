"""Compiled training and NumPy's agree: for everything that is registered, and for data of every kind."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nn.layers.test_laws import EXAMPLES as LAYERS
from nn.layers.test_laws import sample
from nn.losses.test_laws import CASES as LOSSES
from optim.references import REFERENCES as OPTIMIZERS
from optim.test_schedules import REFERENCES as SCHEDULES
from optim.test_transformations import EXAMPLES as TRANSFORMATIONS
from train.problems import same_bits
from twopass import nn, optim, tree
from twopass.program.ir import Call, flat
from twopass.train import Callback, Trainer
from twopass.train import native as native_steps
from twopass.train.fitting import Run
from twopass.train.parameters import State
from twopass.train.resident import Resident

#: Largest difference, relative to the largest number of an array, after some steps.
TOLERANCES = {"float32": 2e-5, "float64": 1e-12}
DTYPES = pytest.mark.parametrize("dtype", list(TOLERANCES))


def assert_close(one: Any, other: Any, tolerance: float) -> None:
    assert tree.structure(one) == tree.structure(other)
    for (path, a), b in zip(tree.flatten_with_paths(one), tree.leaves(other), strict=True):
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        size = max(float(np.max(np.abs(b), initial=0.0)), 1e-3)
        if size == 1e-3 and np.max(np.abs(b), initial=0.0) < 1e-12:
            size = 1e-2  # nothing but rounding: a bias before a normalisation, whose gradient is 0
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * size, err_msg=str(path))


def calls_of_numpy(trainer: Trainer) -> list[str]:
    """What of a training step has no native code."""
    programs = [compiled.program for compiled in trainer.programs.training if compiled._last is not None]
    assert programs
    return [item.name for program in programs for item in flat(program.statements) if isinstance(item, Call)]


class Kinds(Callback):
    """Which kinds of states a fit had."""

    def __init__(self) -> None:
        self.found: set[type] = set()

    def on_epoch_end(self, run: Run, record: Any) -> None:
        self.found.add(type(run.trainer.live))


def fit(parts: tuple[Any, ...], x: Any, y: Any, dtype: str, backend: str, large: int, **options: Any) -> Trainer:
    """Train; from so many bytes on the state is changed in place."""
    trainer, kinds = Trainer(*parts, seed=1, dtype=dtype, backend=backend), Kinds()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native_steps, "_LARGE", large)
        trainer.fit(x, y, callbacks=[kinds], **options)
    assert kinds.found == {State if large else Resident}
    assert type(trainer.live) is State
    return trainer


def agree(parts: tuple[Any, ...], x: Any, y: Any, dtype: str = "float64", **options: Any) -> tuple[Trainer, Trainer]:
    """Train natively and in NumPy, and compare everything."""
    options = {"epochs": 2, "batch_size": 3, **options}
    native, plain = (fit(parts, x, y, dtype, backend, 1 << 30, **options) for backend in ("llvm", "numpy"))
    in_place = fit(parts, x, y, dtype, "llvm", 0, **options)
    assert not calls_of_numpy(native)
    assert same_bits((in_place.params, in_place.state.optimizer), (native.params, native.state.optimizer))
    assert in_place.history["loss"] == native.history["loss"]
    assert_close(native.params, plain.params, TOLERANCES[dtype])
    assert_close(native.state.optimizer, plain.state.optimizer, 50 * TOLERANCES[dtype])
    np.testing.assert_allclose(native.history["loss"], plain.history["loss"], rtol=10 * TOLERANCES[dtype])
    assert_close(native.predict(x), plain.predict(x), 10 * TOLERANCES[dtype])
    return native, plain


def squares(prediction: Any, target: Any) -> Any:
    return np.mean(np.square(prediction - target))


def inputs(shape: Any, count: int = 8) -> Any:
    if shape and isinstance(shape[0], tuple):
        return tuple(inputs(part, count) for part in shape)
    return np.random.default_rng(0).standard_normal((count, *shape))


def net(outputs: int = 2) -> nn.Layer:
    return nn.Sequential(nn.Dense(5, activation="tanh"), nn.Dense(outputs))


PARTS = net(), squares, optim.SGD(0.1)
X = inputs((4,), 11)
Y = np.random.default_rng(5).standard_normal((11, 2))


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:60])
def test_layers(layer: nn.Layer, shape: Any) -> None:
    x = sample(layer, shape, 8, np.float64)
    judged = layer.net if isinstance(layer, nn.Ensemble) else layer  # whose members have the same target
    y = np.random.default_rng(1).standard_normal((8, *judged.output_shape(shape)))
    agree((layer, squares, optim.SGD(0.1)), x, y)


@DTYPES
def test_activations(dtype: str) -> None:
    names = sorted(nn.activations.ACTIVATIONS.names())
    layers = [layer for name in names for layer in (nn.Dense(4), nn.Activation(name))]
    agree((nn.Sequential(*layers, nn.Dense(2)), squares, optim.SGD(0.01)), X, Y, dtype)


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
def test_losses(case: Any) -> None:
    width = int(np.prod(case.outputs))

    def forward(net: Any, x: Any) -> Any:
        y = net.out(np.tanh(net.hidden(x)))
        return np.reshape(y, (len(x), *case.outputs))

    network = nn.Graph(forward, hidden=nn.Dense(4), out=nn.Dense(width))
    x = inputs((3,), len(case.target))
    agree((network, case.loss, optim.SGD(0.05)), x, case.target)
    agree((network, case.loss, optim.SGD(0.05)), x, case.target, sample_weight=np.arange(1.0, len(x) + 1))


@pytest.mark.parametrize(("name", "options"), [(name, o) for name, (_, all) in OPTIMIZERS.items() for o in all])
def test_optimizers(name: str, options: Any) -> None:
    agree((net(), squares, getattr(optim, name)(**options)), X, Y)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=repr)
def test_transformations(transformation: Any) -> None:
    agree((net(), squares, optim.chain(optim.SGD(0.1), transformation)), X, Y)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    native, plain = agree((nn.Dense(2), squares, optim.SGD(SCHEDULES[name][0])), X, Y, epochs=3)
    assert native.history["learning_rate"] == pytest.approx(plain.history["learning_rate"], rel=1e-12)


def everything() -> tuple[Any, ...]:
    network = nn.Sequential(
        nn.Dense(6, activation="tanh", weight_penalty=nn.L2(0.01)),
        nn.BatchNorm(),
        nn.Dropout(0.3),
        nn.Dense(5, activation="tanh", frozen=True),
        nn.LayerNorm(),
        nn.Dense(3, weight_constraint=nn.MaxNorm(1.0)),
    )
    optimizer = optim.chain(optim.clip_by_global_norm(1.0), optim.Adam(0.01), optim.moving_average(0.9))
    return network, "softmax_cross_entropy", optimizer


@DTYPES
@pytest.mark.parametrize("batch_size", [1, 4, 11, 100])
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_of_any_size(dtype: str, batch_size: int, shuffle: bool) -> None:
    agree(everything(), X, np.arange(11) % 3, dtype, batch_size=batch_size, shuffle=shuffle)


@pytest.mark.parametrize("class_weight", ["balanced", {1: 3.0}])
def test_class_weights(class_weight: Any) -> None:
    options = {"class_weight": class_weight, "sample_weight": np.linspace(0, 1, 11)}
    agree(everything(), X, np.arange(11) % 3, **options)
    agree(everything(), X, np.arange(11) % 3, **options, validation_split=0.3)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint64", "float16", "float32", "float64", ">f8"])
def test_inputs_of_any_dtype(dtype: str) -> None:
    agree(PARTS, (10 * np.abs(X)).astype(dtype), Y.astype(dtype) if "f" in dtype else Y)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64", ">i4"])
def test_classes_of_any_dtype(dtype: str) -> None:
    agree((net(), "softmax_cross_entropy", optim.SGD(0.1)), X, (np.arange(11) % 2).astype(dtype))


def spread(array: Any) -> Any:
    return np.repeat(array, 2, axis=-1)[..., ::2]


@pytest.mark.parametrize("arrange", [np.asfortranarray, spread, np.flip])
def test_arrays_in_any_order(arrange: Any) -> None:
    agree(PARTS, arrange(X), arrange(Y))


def test_validation_data_that_is_split_off() -> None:
    native, plain = agree(PARTS, X, Y, validation_split=0.3)
    assert native.history["val_loss"] == pytest.approx(plain.history["val_loss"], rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_memory_maps(dtype: str, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", dtype, "w+", shape=X.shape)
    mapped[:] = 10 * np.abs(X)
    agree(PARTS, mapped, Y, "float64")


def test_several_inputs_of_different_kinds() -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.a(x[0]) + net.b(np.reshape(x[1], (len(x[1]), -1)))

    network = nn.Graph(forward, a=nn.Dense(2), b=nn.Dense(2))
    pair = X, np.arange(66, dtype=np.uint8).reshape(11, 3, 2)
    agree((network, squares, optim.SGD(1e-4)), pair, Y)
    agree((network, squares, optim.SGD(1e-4)), (X[:, ::2], pair[1]), Y)


def test_a_hundred_steps_of_single_precision() -> None:
    """From equal weights, on equal batches, and away from kinks."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((320, 20)).astype(np.float32)
    y = rng.integers(0, 2, 320)
    layers = [nn.Dense(64, activation="tanh"), nn.Dense(64, activation="tanh"), nn.Dense(2)]
    parts = nn.Sequential(*layers), nn.softmax_cross_entropy, optim.SGD(0.05)
    native = Trainer(*parts, seed=0, backend="llvm")
    exact = Trainer(*parts, seed=0, backend="numpy", dtype="float64").init((20,))
    exact.params = native.init((20,)).params
    for trainer in (native, exact):
        trainer.fit(x, y, epochs=10, batch_size=32)
    largest = max(float(np.abs(leaf).max()) for leaf in tree.leaves(exact.params))
    for a, b in zip(tree.leaves(native.params), tree.leaves(exact.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * largest)


def test_parameters_of_losses_count() -> None:
    parts = net(), functools.partial(nn.huber, delta=0.1), optim.SGD(0.1)
    agree(parts, X, Y)
