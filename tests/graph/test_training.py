"""A training step with any layer, loss, optimizer or schedule can be captured, and means the same."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from nn.layers.test_laws import EXAMPLES as LAYERS
from nn.layers.test_laws import sample
from nn.losses.test_laws import CASES as LOSSES
from optim.test_optimizers import CASES as OPTIMIZERS
from optim.test_schedules import REFERENCES as SCHEDULES
from optim.test_transformations import EXAMPLES as TRANSFORMATIONS
from twopass import nn, optim, tree
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.passes import run
from twopass.train.parameters import Partition
from twopass.train.step import make_step

ACTIVATIONS = nn.activations.names()


def check(net, loss, optimizer, shape, y, weight=None, dtype=np.float32, steps=1):
    """Capture the step; it gives what the eager one gives, and after the passes nearly the same.

    (Not the very bits: ``x ** y`` of two NumPy scalars is not computed by np.power, and may be rounded otherwise.)
    """
    params = net.init(0, shape, dtype)
    partition = Partition.of(net, params)
    step = make_step(net, loss, optimizer, partition)
    state = optimizer.init(partition.split(params)[0])
    x = sample(net, shape, len(tree.leaves(y)[0]), dtype)
    for number in range(steps):
        args = (params, state, x, y, weight, np.uint64(number))
        graph, outputs = capture(step, args)
        expected = step(*args)
        for passes, tolerance in ((lambda same: same, 1e-15), (run, 2e-5 if dtype is np.float32 else 1e-12)):
            found = outputs.build(evaluate(passes(graph), split(args).leaves))
            assert tree.structure(found) == tree.structure(expected)
            for a, b in zip(tree.leaves(found), tree.leaves(expected), strict=True):
                assert a.dtype == b.dtype and a.shape == b.shape
                scale = max(1.0, float(np.max(np.abs(b), initial=0)))
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)
        params, state, _ = expected


def square(prediction: Any, target: Any, sample_weight: Any = None) -> Any:
    return np.mean(np.square(prediction))


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer(layer, shape, dtype):
    check(layer, square, optim.SGD(0.1), shape, np.zeros(5), dtype=dtype)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name):
    net = nn.Sequential(nn.Dense(4, activation=name), nn.Dense(2, activation=name))
    check(net, square, optim.SGD(0.1), (3,), np.zeros(6), dtype=np.float64)


@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.name)
@pytest.mark.parametrize("weighted", [False, True])
def test_every_loss(case, weighted):
    units = case.outputs[-1] if case.outputs else 1
    net = nn.Dense(units)
    loss = case.loss if case.outputs else lambda p, t, **options: case.loss(p[:, 0], t, **options)
    shape = (*case.outputs[:-1], 3)
    weight = np.linspace(0.1, 1.0, len(case.target)) if weighted else None
    check(net, loss, optim.SGD(0.1), shape, case.target, weight, dtype=np.float64)


@pytest.mark.parametrize(("cls", "options"), OPTIMIZERS, ids=lambda value: getattr(value, "__name__", None))
def test_every_optimizer(cls, options):
    net = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    check(net, square, cls(**options), (3,), np.zeros(5), dtype=np.float64, steps=3)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=repr)
def test_every_transformation(transformation):
    net = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    check(net, square, transformation, (3,), np.zeros(5), dtype=np.float64, steps=4)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule(name):
    schedule = SCHEDULES[name][0]
    check(nn.Dense(2), square, optim.SGD(schedule), (3,), np.zeros(5), steps=2)


def test_classes_of_many_axes():
    loss = functools.partial(nn.softmax_cross_entropy, label_smoothing=0.1)
    y = np.random.default_rng(0).integers(0, 10, 8)
    net = nn.Sequential(nn.Flatten(), nn.Dense(16, activation="relu"), nn.BatchNorm(), nn.Dropout(0.3), nn.Dense(10))
    check(net, loss, optim.chain(optim.clip_by_global_norm(1.0), optim.Adam(1e-3)), (4, 3), y)
