from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError
from twopass.nn.random import fold_in, uniform


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_drops_by_the_stream_of_the_key(dtype: type) -> None:
    x = np.random.default_rng(0).standard_normal((50, 40)).astype(dtype)
    y, _ = nn.Dropout(0.3).apply({}, x, training=True, key=9)
    kept = uniform(9, x.shape) >= np.float32(0.3)
    np.testing.assert_array_equal(y == 0, ~kept)
    np.testing.assert_allclose(y[kept], x[kept] / 0.7, rtol=1e-6)


def test_the_expected_value_stays() -> None:
    x = np.ones((500, 400))
    y, _ = nn.Dropout(0.3).apply({}, x, training=True, key=1)
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_gradient_flows_through_what_is_kept() -> None:
    layer, x = nn.Dropout(0.5), np.ones((4, 5))
    y, _ = layer.apply({}, x, training=True, key=1)
    gradient = tp.grad(lambda x: np.sum(layer.apply({}, x, training=True, key=1)[0]))(x)
    np.testing.assert_array_equal(gradient, y)


def test_what_is_dropped_contributes_nothing() -> None:
    y, _ = nn.Dropout(0.5).apply({}, np.full((4, 5), np.inf), training=True, key=1)
    assert set(np.unique(y)) == {0, np.inf}


def test_needs_a_key_in_training_only() -> None:
    layer, x = nn.Dropout(0.5), np.ones((2, 3))
    with pytest.raises(ArgumentError, match=r"needs a key in training.*key=step"):
        layer.apply({}, x, training=True)
    assert layer({}, x) is x
    assert nn.Dropout(0).apply({}, x, training=True)[0] is x


@pytest.mark.parametrize("rate", [1, -0.1, 1.5, np.nan, "0.5", None])
def test_bad_rates(rate: float) -> None:
    with pytest.raises(ArgumentError, match=r"Dropout: rate must be a number in \[0, 1\)"):
        nn.Dropout(rate)


def test_layers_of_a_sequential_have_their_own_keys() -> None:
    net, x = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5)), np.ones((1, 200))
    y, _ = net.apply(net.init(0, (200,)), x, training=True, key=7)
    kept = [uniform(fold_in(7, i), x.shape) >= 0.5 for i in range(2)]
    np.testing.assert_array_equal(y, 4.0 * (kept[0] & kept[1]))
    assert not np.array_equal(*kept)
