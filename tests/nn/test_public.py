from __future__ import annotations

from typing import Any

import numpy as np

import twopass as tp
from twopass import nn, tree
from twopass.nn import layers, penalties


def test_everything_is_reached_by_a_short_name() -> None:
    flat = set(nn.__all__)
    activations = {name for name in nn.activations.__all__ if name not in ("get", "names", "register")}
    losses = {name for name in nn.losses.names() if nn.losses.get(name).__module__.startswith(nn.losses.__name__)}
    assert activations | losses | set(layers.__all__) | set(penalties.__all__) <= flat
    assert all(getattr(nn, name) is nn.losses.get(name) for name in losses)


def train(net: nn.Layer, x: Any, t: Any, steps: int) -> tuple[Any, list[float]]:
    """Gradient descent, in full."""

    def loss(params: Any, key: int) -> Any:
        y, refreshed = net.apply(params, x, training=True, key=key)
        return nn.binary_cross_entropy(y, t) + net.penalty(params), refreshed

    params = net.init(0, x.shape[1:], np.float64)
    values = []
    for step in range(steps):
        (value, refreshed), gradient = tp.value_and_grad(loss, has_aux=True)(params, step)
        mark = net.trainable(params)
        params = tree.map(lambda p, g, m: p - 0.5 * g if m else p, refreshed, gradient, mark)
        params = net.constrain(params)
        values.append(float(value))
    return params, values


XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


def test_a_network_learns() -> None:
    net = nn.Sequential(
        nn.Dense(8, activation="tanh", weight_constraint=nn.MaxNorm(4.0)), nn.BatchNorm(0.9), nn.Dense(1)
    )
    params, values = train(net, *XOR, steps=150)
    assert values[-1] < 0.05 < values[0]
    np.testing.assert_array_equal(net(params, XOR[0])[:, 0] > 0, XOR[1])
    assert np.all(params[1]["variance"] != 1)


def test_equal_weights_stay_equal() -> None:
    """What the documentation of the initializers says of symmetry."""
    halves = nn.initializers.Constant(0.5)
    net = nn.Sequential(
        nn.Dense(8, activation="tanh", weight_initializer=halves), nn.Dense(1, weight_initializer=halves)
    )
    params, values = train(net, *XOR, steps=150)
    weight = params[0]["weight"]
    np.testing.assert_array_equal(weight, np.broadcast_to(weight[:, :1], weight.shape))
    assert values[-1] > 0.3
