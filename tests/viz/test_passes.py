"""The numbers of both passes are those of tp.grad and of finite differences."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from twopass import nn, plot
from twopass.errors import ArgumentError, ShapeError


def squared_error(prediction, target):
    return 0.5 * np.sum((prediction - target) ** 2)


def network(*activations, sizes=(3, 2)):
    layers = [
        nn.Dense(n, activation=a, bias_initializer="glorot_normal") for n, a in zip(sizes, activations, strict=False)
    ]
    net = nn.Sequential(*layers, nn.Dense(2, bias_initializer="glorot_normal"))
    return net, net.init(0, (4,), np.float64)


X, TARGET = np.array([0.5, -1.0, 2.0, 0.25]), np.array([1.0, 0.0])


@pytest.mark.parametrize("activation", sorted(set(nn.activations.names()) - {"step"}))
def test_gradients_are_those_of_grad_for_every_activation(activation):
    net, params = network(activation, "tanh")
    found = plot.passes(net, params, X, TARGET, squared_error)
    expected = tp.grad(lambda params: squared_error(net(params, X[np.newaxis]), TARGET))(params)
    for units, gradient in zip(found.units[1:], expected, strict=True):
        np.testing.assert_allclose(units.weight_gradient, gradient["weight"], rtol=1e-12)
        np.testing.assert_allclose(units.error_signal, gradient["bias"], rtol=1e-12)


def test_forward_numbers_are_those_of_prediction():
    net, params = network("sigmoid", "relu")
    found = plot.passes(net, params, X)
    assert found.error is None
    h = X[np.newaxis]
    np.testing.assert_array_equal(found.units[0].activation, X)
    for units, layer, own in zip(found.units[1:], net.layers, params, strict=True):
        np.testing.assert_allclose(units.net_input, (h @ own["weight"] + own["bias"])[0])
        h = layer(own, h)
        np.testing.assert_allclose(units.activation, h[0])
        assert units.error_signal is None and units.weight_gradient is None
        assert units.weight is own["weight"] and units.bias is own["bias"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4))
def test_error_signals_obey_the_generalized_delta_rule(x):
    """Rumelhart, Hinton and Williams 1985, eqs. 13 and 14: delta = f'(net) sum(delta w) for logistic units."""
    net, params = network("sigmoid", "sigmoid")
    found = plot.passes(net, params, np.array(x), TARGET, squared_error).units
    np.testing.assert_allclose(found[-1].error_signal, found[-1].activation - TARGET)
    for below, above in itertools.pairwise(found[1:]):
        o = below.activation
        np.testing.assert_allclose(below.error_signal, o * (1 - o) * (above.weight @ above.error_signal), atol=1e-12)
    for below, above in itertools.pairwise(found):
        np.testing.assert_allclose(above.weight_gradient, np.outer(below.activation, above.error_signal), atol=1e-12)


def test_error_signal_of_the_input_is_its_gradient():
    net, params = network("tanh", "tanh")
    error = lambda x: squared_error(net(params, x[np.newaxis]), TARGET)  # noqa: E731
    found = plot.passes(net, params, X, TARGET, squared_error)
    np.testing.assert_allclose(found.units[0].error_signal, tp.finite_difference(error)(X), rtol=1e-6)
    assert found.error == pytest.approx(error(X))


def test_layers_without_connections_belong_to_the_units_before():
    net = nn.Sequential(
        nn.Flatten(), nn.Sequential(nn.Dense(3), nn.LayerNorm(), nn.Activation("tanh"), nn.Dropout(0.5)), nn.Dense(1)
    )
    params = net.init(0, (2, 2))
    found = plot.passes(net, params, X.reshape(2, 2), 1.0, squared_error)
    assert [len(units.activation) for units in found.units] == [4, 3, 1]
    inner = net.layers[1]
    np.testing.assert_allclose(found.units[1].activation, inner(params[1], np.float32(X)[np.newaxis])[0], rtol=1e-6)
    assert found.units[1].weight_gradient.dtype == np.float32


def test_a_layer_without_bias_has_error_signals_too():
    net = nn.Dense(2, use_bias=False)
    params = net.init(0, (4,), np.float64)
    (_, units) = plot.passes(net, params, X, TARGET, squared_error).units
    assert units.bias is None
    np.testing.assert_allclose(units.error_signal, units.activation - TARGET)


def test_losses_by_name_and_integer_targets():
    net, params = network("relu", "relu")
    found = plot.passes(net, params, X, 1, "softmax_cross_entropy")
    output = found.units[-1].activation
    np.testing.assert_allclose(found.units[-1].error_signal, nn.softmax(output) - [0, 1], atol=1e-12)


def test_wrong_arguments_say_what_to_write():
    net, params = network("relu", "relu")
    run = functools.partial(plot.passes, net, params)
    with pytest.raises(ArgumentError, match="loss is None"):
        run(X, 1.0)
    with pytest.raises(ArgumentError, match="y is None"):
        run(X, loss=squared_error)
    with pytest.raises(ShapeError, match=r"one instance, x\[0\]"):
        run(np.stack([X, X]))
    with pytest.raises(ArgumentError, match="no connections"):
        plot.passes(nn.Flatten(), {}, X)
    residual = nn.Residual(nn.Dense(4))
    with pytest.raises(ArgumentError, match="row of layers"):
        plot.passes(residual, residual.init(0, (4,)), X)
