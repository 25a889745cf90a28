"""Sequential, Residual and Graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twopass import nn, tree
from twopass.errors import ArgumentError, ShapeError
from twopass.nn.random import fold_in, uniform

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


class TestSequential:
    def test_is_the_composition(self) -> None:
        net = nn.Sequential(nn.Dense(3, activation="relu"), nn.Dropout(0.5), nn.Dense(2))
        params = net.init(0, (4,))
        assert [sorted(own) for own in params] == [["bias", "weight"], [], ["bias", "weight"]]
        hidden = np.maximum(X @ params[0]["weight"] + params[0]["bias"], 0)
        np.testing.assert_allclose(net(params, X), hidden @ params[2]["weight"] + params[2]["bias"], rtol=1e-5)

    def test_layers_start_different(self) -> None:
        params = nn.Sequential(nn.Dense(4), nn.Dense(4)).init(0, (4,))
        assert not np.array_equal(params[0]["weight"], params[1]["weight"])

    def test_takes_layers_one_by_one(self) -> None:
        with pytest.raises(ArgumentError, match=r"as separate arguments.*nn\.Activation\(function\)"):
            nn.Sequential([nn.Dense(3)])
        with pytest.raises(ArgumentError, match="takes layers, got 'relu'"):
            nn.Sequential(nn.Dense(3), "relu")

    def test_foreign_parameters(self) -> None:
        net = nn.Sequential(nn.Dense(3), nn.Dense(2))
        with pytest.raises(ShapeError, match=r"2 layers got parameters of 1.*net\.init"):
            net(nn.Sequential(nn.Dense(3)).init(0, (4,)), X)

    def test_freezing_a_part(self) -> None:
        net = nn.Sequential(nn.Sequential(nn.Dense(3), nn.BatchNorm(), frozen=True), nn.Dense(1))
        marks = net.trainable(net.init(0, (4,)))
        assert not any(tree.leaves(marks[0]))
        assert all(tree.leaves(marks[1]))


class TestResidual:
    def test_adds_the_input(self) -> None:
        body = nn.Dense(4, activation="tanh")
        block = nn.Residual(body)
        params = block.init(0, (4,))
        np.testing.assert_array_equal(block(params, X), X + body(params["body"], X))

    def test_adds_the_projection(self) -> None:
        block = nn.Residual(nn.Dense(3), nn.Dense(3, use_bias=False))
        params = block.init(0, (4,))
        expected = block.body(params["body"], X) + X @ params["projection"]["weight"]
        np.testing.assert_allclose(block(params, X), expected, rtol=1e-5)

    def test_shapes_that_do_not_add(self) -> None:
        with pytest.raises(ShapeError, match=r"cannot add the shape \(4,\).*\(3,\).*projection=nn\.Dense\(3\)"):
            nn.Residual(nn.Dense(3)).init(0, (4,))
        with pytest.raises(ShapeError, match=r"cannot add the shape \(2,\)"):
            nn.Residual(nn.Dense(3), nn.Dense(2)).output_shape((4,))

    def test_takes_layers(self) -> None:
        with pytest.raises(ArgumentError, match="body must be a layer"):
            nn.Residual(None)
        with pytest.raises(ArgumentError, match="projection must be a layer"):
            nn.Residual(nn.Dense(3), 3)


def skip(net: Any, x: Any) -> Any:
    h = net.a(x)
    return net.b(h) + x


class TestGraph:
    def test_runs_the_function(self) -> None:
        net = nn.Graph(skip, a=nn.Dense(7, activation="relu"), b=nn.Dense(4))
        params = net.init(0, (4,))
        assert tree.map(np.shape, params) == {
            "a": {"weight": (4, 7), "bias": (7,)},
            "b": {"weight": (7, 4), "bias": (4,)},
        }
        a, b = (net.children()[name] for name in "ab")
        np.testing.assert_array_equal(net(params, X), b(params["b"], a(params["a"], X)) + X)

    def test_a_layer_used_twice_shares_its_parameters(self) -> None:
        net = nn.Graph(lambda net, x: net.a(net.a(x)), a=nn.Dense(4, weight_penalty=nn.L2(1.0)))
        params = net.init(0, (4,))
        w = params["a"]["weight"]
        np.testing.assert_allclose(net(params, X), X @ w @ w, rtol=1e-5)
        assert net.penalty(params) == pytest.approx(np.sum(w**2))

    def test_statistics_are_refreshed_at_each_use(self) -> None:
        norm = nn.BatchNorm(momentum=0.5)
        net = nn.Graph(lambda net, x: net.norm(net.norm(x)), norm=norm)
        params = net.init(0, (4,))
        y, refreshed = net.apply(params, X, training=True)
        once, after_one = norm.apply(params["norm"], X, training=True)
        twice, after_two = norm.apply(after_one, once, training=True)
        np.testing.assert_array_equal(y, twice)
        np.testing.assert_array_equal(refreshed["norm"]["variance"], after_two["variance"])

    def test_each_call_of_dropout_has_its_key(self) -> None:
        net = nn.Graph(lambda net, x: (net.drop(x), net.drop(x)), drop=nn.Dropout(0.5))
        (first, second), _ = net.apply(net.init(0, (9,)), np.ones((3, 9)), training=True, key=4)
        for i, y in enumerate((first, second)):
            np.testing.assert_array_equal(y, 2.0 * (uniform(fold_in(4, i), (3, 9)) >= 0.5))

    def test_several_inputs_and_outputs(self) -> None:
        def both(net: Any, x: Any) -> Any:
            left, right = x
            return net.a(left) + net.b(right), net.a(left)

        net = nn.Graph(both, a=nn.Dense(2), b=nn.Dense(2))
        shape = ((3,), (5, 4))
        assert net.output_shape(shape) == ((5, 2), (2,))
        params = net.init(0, ((3,), (4,)))
        assert tree.map(np.shape, params["a"]) == {"weight": (3, 2), "bias": (2,)}
        y, h = net(params, (np.ones((6, 3), np.float32), np.ones((6, 4), np.float32)))
        assert y.shape == h.shape == (6, 2)

    def test_graphs_nest(self) -> None:
        inner = nn.Graph(skip, a=nn.Dense(7), b=nn.Dense(4))
        net = nn.Sequential(nn.Graph(skip, a=inner, b=nn.Dense(4)), nn.Dense(1))
        assert net(net.init(0, (4,)), X).shape == (5, 1)

    def test_zeros_are_no_matter(self) -> None:
        net = nn.Graph(lambda net, x: net.a(np.log(x) / x), a=nn.Dense(2))
        assert net.output_shape((4,)) == (2,)

    def test_the_function_runs_once_on_the_data(self) -> None:
        seen = []

        def forward(net: Any, x: Any) -> Any:
            seen.append(x)
            return net.a(x)

        net = nn.Graph(forward, a=nn.Dense(2))
        params = net.init(0, (4,))
        seen.clear()
        net(params, X)
        assert len(seen) == 1
        assert seen[0] is X

    def test_messages(self) -> None:
        with pytest.raises(ArgumentError, match=r"forward never calls net\.b"):
            nn.Graph(lambda net, x: net.a(x), a=nn.Dense(2), b=nn.Dense(2)).init(0, (4,))
        with pytest.raises(AttributeError, match=r"no layer 'c', it has a.*c=\.\.\."):
            nn.Graph(lambda net, x: net.c(x), a=nn.Dense(2)).init(0, (4,))
        with pytest.raises(ArgumentError, match=r"net\.a\.params is asked for before net\.a is called"):
            nn.Graph(lambda net, x: x @ net.a.params["weight"], a=nn.Dense(2)).init(0, (4,))
        with pytest.raises(ArgumentError, match="a must be a layer"):
            nn.Graph(skip, a=np.tanh)
        with pytest.raises(ArgumentError, match="takes a function"):
            nn.Graph(nn.Dense(2), a=nn.Dense(2))
        with pytest.raises(ArgumentError, match="begins with an underscore"):
            nn.Graph(skip, _a=nn.Dense(2))
        net = nn.Graph(skip, a=nn.Dense(7), b=nn.Dense(4))
        with pytest.raises(ShapeError, match="layers a, b got parameters of a"):
            net({"a": {}}, X)
        with pytest.raises(ShapeError):
            net.init(0, 4)
