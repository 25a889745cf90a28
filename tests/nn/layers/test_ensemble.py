from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn, tree
from twopass.errors import ArgumentError, ShapeError
from twopass.nn.random import child_seed, fold_in

X = np.random.default_rng(0).standard_normal((7, 4))
MEMBER = nn.Sequential(
    nn.Dense(5, activation="tanh", weight_penalty=nn.L2(0.1)),
    nn.Dropout(0.4),
    nn.BatchNorm(momentum=0.5),
    nn.Dense(2, weight_constraint=nn.MaxNorm(0.5)),
)


def test_is_its_members_side_by_side() -> None:
    ensemble = nn.Ensemble(MEMBER, 3)
    params = ensemble.init(1, (4,), np.float64)
    y, refreshed = ensemble.apply(params, X, training=True, key=9)
    for index in range(3):
        own = ensemble.member(params, index)
        expected, kept = MEMBER.apply(own, X, training=True, key=fold_in(9, index))
        np.testing.assert_allclose(y[:, index], expected, rtol=1e-12)
        np.testing.assert_allclose(refreshed[2]["mean"][index], kept[2]["mean"], rtol=1e-12)
        np.testing.assert_allclose(ensemble(params, X)[:, index], MEMBER(own, X), rtol=1e-12)
        constrained = ensemble.member(ensemble.constrain(params), index)
        np.testing.assert_allclose(constrained[3]["weight"], MEMBER.constrain(own)[3]["weight"], rtol=1e-12)
    assert ensemble.penalty(params) == pytest.approx(sum(MEMBER.penalty(ensemble.member(params, i)) for i in range(3)))


def test_members_start_different_each_from_a_seed_of_its_own() -> None:
    ensemble = nn.Ensemble(MEMBER, 2)
    params = ensemble.init(3, (4,))
    assert not np.array_equal(params[0]["weight"][0], params[0]["weight"][1])
    second = MEMBER.init(child_seed(3, 1), (4,))
    np.testing.assert_array_equal(params[0]["weight"][1], second[0]["weight"])


def test_networks_that_were_trained_apart_become_an_ensemble() -> None:
    apart = [MEMBER.init(seed, (4,)) for seed in range(3)]
    ensemble = nn.Ensemble(MEMBER, 3)
    y = ensemble(tree.map(lambda *leaves: np.stack(leaves), *apart), X)
    np.testing.assert_allclose(y[:, 2], MEMBER(apart[2], X), rtol=1e-6)


def test_several_inputs_and_outputs() -> None:
    def forward(net: Any, inputs: Any) -> Any:
        left, right = inputs
        return net.a(left) + net.b(right), net.a(left)

    ensemble = nn.Ensemble(nn.Graph(forward, a=nn.Dense(2), b=nn.Dense(2)), 3)
    assert ensemble.output_shape(((4,), (5, 4))) == ((3, 5, 2), (3, 2))
    params = ensemble.init(0, ((4,), (4,)))
    total, left = ensemble(params, (X, X))
    assert total.shape == left.shape == (7, 3, 2)


def test_a_layer_of_your_own_that_nothing_is_known_of() -> None:
    """It may branch on shapes, index, and assign in place."""

    class Odd(nn.Layer, abstract=True):
        def init(self, seed: Any, input_shape: Any, dtype: Any = np.float32) -> Any:
            return {"scale": np.random.default_rng(seed).normal(size=input_shape).astype(dtype)}

        def output_shape(self, input_shape: Any) -> Any:
            return input_shape

        def apply(self, params: Any, x: Any, *, training: bool = False, key: Any = None) -> Any:
            y = x * params["scale"] if x.ndim == 2 else x
            y[:, 0] = np.sort(y, axis=1)[:, -1]
            return y, params

    ensemble = nn.Ensemble(Odd(), 2)
    params = ensemble.init(0, (4,), np.float64)
    for index in range(2):
        expected = X * params["scale"][index]
        expected[:, 0] = expected.max(axis=1)
        np.testing.assert_array_equal(ensemble(params, X.copy())[:, index], expected)


def test_compiled() -> None:
    ensemble = nn.Ensemble(MEMBER, 3)
    params = ensemble.init(1, (4,), np.float64)
    training = tp.compile(lambda params, x, key: ensemble.apply(params, x, training=True, key=key))
    expected = ensemble.apply(params, X, training=True, key=np.uint64(9))
    found = training(params, X, np.uint64(9))
    for one, other in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert "nothing is left to NumPy" in training.explain()


def test_summary() -> None:
    text = nn.Ensemble(nn.Sequential(nn.Dense(8), nn.BatchNorm()), 3).summary((4,))
    first, second = text.splitlines()[2:4]
    assert first.split() == ["Ensemble", "(3,", "8)", "216", "864"]
    assert second.split() == ["0", "Dense(8)", "(8,)", "120", "480"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Ensemble(np.tanh, 3), r"net must be a layer, got .*nn\.Ensemble\(nn\.Sequential"),
        (lambda: nn.Ensemble(MEMBER, 0), r"Ensemble: n_members must be a whole number in \[1, inf\), not 0"),
        (lambda: nn.Ensemble(MEMBER, "five"), "n_members must be a whole number"),
    ],
)
def test_bad_arguments(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


def test_foreign_parameters() -> None:
    params = nn.Ensemble(MEMBER, 2).init(0, (4,))
    with pytest.raises(ShapeError, match=r"Ensemble of 3 members got parameters whose first axes are \[\(2,\)\]"):
        nn.Ensemble(MEMBER, 3)(params, X)
