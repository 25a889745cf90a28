"""One training step: what it computes, and what it leaves alone."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn, optim, tree
from twopass.train import Partition, make_step

NET = nn.Sequential(nn.Dense(4, activation="tanh"), nn.BatchNorm(), nn.Dense(3, frozen=True), nn.Dense(2))


def batch(count: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 3)), rng.integers(0, 2, count)


def one_step(net: Any, optimizer: Any, weight: Any = None, loss: Any = nn.softmax_cross_entropy) -> Any:
    params = net.init(1, (3,), np.float64)
    partition = Partition.of(net, params)
    step = make_step(net, loss, optimizer, partition)
    x, y = batch()
    return params, step(params, optimizer.init(partition.split(params)[0]), x, y, weight, 11)


def test_a_step_follows_the_gradient_of_the_loss() -> None:
    net = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    x, y = batch()
    before, (after, _, value) = one_step(net, optim.SGD(0.5))
    assert value == pytest.approx(float(nn.softmax_cross_entropy(net(before, x), y)))
    slopes = tp.finite_difference(lambda params: nn.softmax_cross_entropy(net(params, x), y))(before)
    for old, new, slope in zip(*map(tree.leaves, (before, after, slopes)), strict=True):
        np.testing.assert_allclose(new, old - 0.5 * slope, atol=1e-8)


def test_statistics_are_refreshed_and_frozen_layers_are_not() -> None:
    before, (after, _, _) = one_step(NET, optim.SGD(0.5))
    assert not np.array_equal(before[0]["weight"], after[0]["weight"])
    for name, leaf in before[2].items():
        np.testing.assert_array_equal(after[2][name], leaf)
    statistics = [
        name
        for name, trained in NET.trainable(before)[1].items()
        if not trained and np.issubdtype(before[1][name].dtype, np.floating)
    ]
    assert statistics
    refreshed = NET.apply(before, batch()[0], training=True, key=11)[1]
    for name in statistics:
        assert not np.array_equal(after[1][name], before[1][name])
        np.testing.assert_allclose(after[1][name], refreshed[1][name], rtol=1e-12)


def test_the_optimizer_sees_trainable_parameters_alone() -> None:
    params, (_, state, _) = one_step(NET, optim.Adam(0.1))
    trained = [
        leaf for leaf, is_trained in zip(*map(tree.leaves, (params, NET.trainable(params))), strict=True) if is_trained
    ]
    assert len(tree.leaves(state["first_moment"])) == len(trained)
    assert state["first_moment"][2] == {"weight": None, "bias": None}


def test_penalties_are_descended_but_not_reported() -> None:
    plain, penalised = nn.Dense(2), nn.Dense(2, weight_penalty=nn.L2(0.1))
    before, (after, _, value) = one_step(plain, optim.SGD(1.0))
    _, (shrunk, _, same_value) = one_step(penalised, optim.SGD(1.0))
    assert value == same_value
    slope = tp.grad(penalised.penalty)(before)["weight"]
    assert np.any(slope)
    np.testing.assert_allclose(shrunk["weight"], after["weight"] - slope)


def test_constraints_hold_after_the_update() -> None:
    net = nn.Dense(2, weight_constraint=nn.MaxNorm(0.1))
    _, (after, _, _) = one_step(net, optim.SGD(1.0))
    assert np.linalg.norm(after["weight"], axis=0).max() <= 0.1 + 1e-12


def test_weights_of_zero_leave_samples_out() -> None:
    weight = np.array([1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0])
    net, optimizer = nn.Dense(2), optim.SGD(1.0)
    _, (after, _, value) = one_step(net, optimizer, weight)
    params = net.init(1, (3,), np.float64)
    x, y = batch()
    kept = weight > 0
    step = make_step(net, nn.softmax_cross_entropy, optimizer, Partition.of(net, params))
    fewer, _, same_value = step(params, optimizer.init(params), x[kept], y[kept], weight[kept], 11)
    assert value == pytest.approx(same_value)
    np.testing.assert_allclose(after["weight"], fewer["weight"])


def test_a_step_changes_none_of_its_arguments() -> None:
    params = NET.init(1, (3,), np.float64)
    partition, optimizer = Partition.of(NET, params), optim.Adam(0.1)
    arguments = (params, optimizer.init(partition.split(params)[0]), *batch(), np.ones(7), np.uint64(3))
    before = copy.deepcopy(arguments)
    make_step(NET, nn.softmax_cross_entropy, optimizer, partition)(*arguments)
    for now, then in zip(tree.leaves(arguments), tree.leaves(before), strict=True):
        np.testing.assert_array_equal(now, then)


def test_new_parameters_are_read_only_and_keep_their_dtypes() -> None:
    before, (after, _, _) = one_step(NET, optim.Adam(0.1))
    for old, new in zip(tree.leaves(before), tree.leaves(after), strict=True):
        assert new.dtype == old.dtype
        assert isinstance(new, np.generic) or not new.flags.writeable


def test_the_key_decides_what_is_dropped() -> None:
    net, optimizer = nn.Sequential(nn.Dropout(0.5), nn.Dense(2)), optim.SGD(1.0)
    params = net.init(0, (3,), np.float64)
    step = make_step(net, nn.softmax_cross_entropy, optimizer, Partition.of(net, params))
    values = [float(step(params, optimizer.init(params), *batch(), None, key)[2]) for key in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_a_loss_of_ones_own_needs_no_parameters_but_two() -> None:
    _, (_, _, value) = one_step(nn.Dense(1), optim.SGD(0.1), loss=lambda p, t: np.mean(np.abs(p[:, 0] - t)))
    assert np.isfinite(value)


def test_a_network_without_trainable_parameters_stays() -> None:
    net = nn.Dense(2, frozen=True)
    before, (after, _, value) = one_step(net, optim.Adam(0.1))
    assert np.isfinite(value)
    np.testing.assert_array_equal(before["weight"], after["weight"])


def test_partition_takes_apart_and_joins() -> None:
    params = NET.init(1, (3,))
    partition = Partition.of(NET, params)
    joined = partition.join(*partition.split(params))
    assert tree.structure(joined) == tree.structure(params)
    assert all(a is b for a, b in zip(tree.leaves(joined), tree.leaves(params), strict=True))


def test_a_loss_may_say_what_is_descended_and_what_is_reported() -> None:
    class Halved:
        """Descends half of the error and the squared weights by the size of the batch, reports the error."""

        def __call__(self, prediction: Any, target: Any, *, sample_weight: Any = None) -> Any:
            return np.mean(np.square(prediction - target))

        def objective(self, prediction: Any, target: Any, sample_weight: Any, params: Any) -> Any:
            error = self(prediction, target)
            return 0.5 * error + np.sum(np.square(params["weight"])) / len(target), error

    net = nn.Dense(1, use_bias=False)
    params = net.init(0, (2,), np.float64)
    partition = Partition.of(net, params)
    x, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.ones((2, 1))
    step = make_step(net, Halved(), optim.SGD(0.1), partition)
    state = optim.SGD(0.1).init(partition.split(params)[0])
    moved, _, reported = step(params, state, x, y, None, 0)
    weight = params["weight"]
    error = x @ weight - y
    np.testing.assert_allclose(reported, np.mean(error**2))
    np.testing.assert_allclose(moved["weight"], weight - 0.1 * (x.T @ error / 2 + weight))
