"""Derivatives with respect to the input."""

from __future__ import annotations

import numpy as np

from twopass import nn
from twopass.train.sensitivity import input_gradients


def test_each_output_of_each_sample_has_its_own_gradient() -> None:
    net = nn.Sequential(nn.Dense(5, activation="tanh"), nn.BatchNorm(), nn.Dense(3))
    params = net.init(0, (4,), np.float64)
    x = np.random.default_rng(0).normal(size=(6, 4))
    found = input_gradients(lambda x: net(params, x), x)
    assert found.shape == (6, 3, 4)
    for column in range(4):
        step = np.eye(4)[column] * 1e-6
        np.testing.assert_allclose(
            found[:, :, column], (net(params, x + step) - net(params, x - step)) / 2e-6, atol=1e-8
        )
