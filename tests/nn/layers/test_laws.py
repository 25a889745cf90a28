"""What holds for every layer: each class that is registered must have examples here."""

from __future__ import annotations

import copy
import inspect
import json
from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn, tree
from twopass.errors import ModelError
from twopass.nn.specification import FAMILY


def tied(net: Any, x: Any) -> Any:
    h = net.drop(net.norm(net.encode(x)))
    return np.tanh(net.square(net.square(h))) @ net.encode.params["weight"].T + x


def two_inputs(net: Any, x: Any) -> Any:
    left, right = x
    return net.a(left) * net.b(right)


EXAMPLES: list[tuple[nn.Layer, Any]] = [
    (nn.Dense(3), (4,)),
    (nn.Dense(3, activation="tanh", use_bias=False, weight_penalty=nn.L1L2(l1=0.01, l2=0.1)), (4,)),
    (nn.Dense(2, weight_initializer="orthogonal", bias_initializer="ones", weight_constraint=nn.MaxNorm(0.5)), (5, 3)),
    (nn.Dense(3, activation="gelu", frozen=True), (4,)),
    (nn.Dropout(0.4), (6,)),
    (nn.BatchNorm(), (3,)),
    (nn.BatchNorm(momentum=0.5, epsilon=0.1), (5, 4, 2)),
    (nn.BatchNorm(frozen=True), (3,)),
    (nn.LayerNorm(), (4,)),
    (nn.LayerNorm(epsilon=0.5), (2, 3)),
    (nn.Flatten(), (2, 3)),
    (nn.Flatten(), ()),
    (nn.Activation("silu"), (2, 3)),
    (nn.Embedding(5, 3), (2,)),
    (nn.Embedding(4, 2, weight_initializer="he_normal", weight_penalty=nn.L2(0.1)), ()),
    (nn.EmbeddedColumns((1,), (nn.Embedding(3, 2),)), (4,)),
    (nn.EmbeddedColumns((3, 0), (nn.Embedding(3, 2), nn.Embedding(5, 1, weight_penalty=nn.L2(0.1)))), (5,)),
    (nn.EmbeddedColumns((0, 1), (nn.Embedding(3, 2), nn.Embedding(5, 4))), (2,)),
    (nn.Sequential(nn.EmbeddedColumns((0,), (nn.Embedding(3, 2),)), nn.Dense(2)), (2,)),
    (nn.Sequential(), (3,)),
    (nn.Sequential(nn.Flatten(), nn.Dense(4, activation="relu"), nn.Dropout(0.3), nn.Dense(2)), (3, 2)),
    (nn.Sequential(nn.Sequential(nn.Dense(3), nn.BatchNorm(), nn.Activation("elu")), nn.Dense(1), frozen=True), (2,)),
    (nn.Residual(nn.Dense(4, activation="tanh")), (4,)),
    (nn.Residual(nn.Sequential(nn.Dense(3), nn.Dropout(0.5)), nn.Dense(3, use_bias=False)), (4,)),
    (nn.Residual(nn.Dense(4), frozen=True), (4,)),
    (nn.Graph(tied, encode=nn.Dense(3), norm=nn.BatchNorm(), drop=nn.Dropout(0.2), square=nn.Dense(3)), (4,)),
    (nn.Graph(two_inputs, a=nn.Dense(2), b=nn.Dense(2, weight_penalty=nn.L2(0.1))), ((3,), (4,))),
    (nn.Ensemble(nn.Dense(2, weight_constraint=nn.MaxNorm(0.5), weight_penalty=nn.L2(0.1)), 3), (4,)),
    (nn.Ensemble(nn.Sequential(nn.Dense(3), nn.BatchNorm(), nn.Activation("elu"), nn.Dropout(0.4)), 4), (5,)),
    (nn.Ensemble(nn.Residual(nn.Sequential(nn.Dense(4), nn.LayerNorm())), 1, frozen=True), (4,)),
    (nn.Sequential(nn.Flatten(), nn.Ensemble(nn.Activation("silu"), 2), nn.Flatten(), nn.Dense(2)), (3, 2)),
]
CASES = pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=lambda value: str(value)[:60])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def sample(layer: nn.Layer, shape: Any, n: int, dtype: Any, seed: int = 0) -> Any:
    if shape and isinstance(shape[0], tuple):
        return tuple(sample(layer, part, n, dtype, seed + i) for i, part in enumerate(shape))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, *shape)).astype(dtype)
    first = layer.layers[0] if isinstance(layer, nn.Sequential) and layer.layers else layer
    if isinstance(first, nn.Embedding):
        return rng.integers(0, first.n_categories, x.shape).astype(dtype)
    if isinstance(first, nn.EmbeddedColumns):
        for column, embedding in zip(first.columns, first.embeddings, strict=True):
            x[..., column] = rng.integers(0, embedding.n_categories, n)
    return x


def same(a: Any, b: Any) -> bool:
    return tree.structure(a) == tree.structure(b) and all(
        x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True)
    )


def test_every_layer_has_examples() -> None:
    built_in = {kind for kind in FAMILY.classes.values() if kind.__module__.startswith("twopass.nn.layers.")}
    assert {type(layer) for layer, _ in EXAMPLES} == built_in


@CASES
@DTYPES
def test_init_is_a_function_of_the_seed(layer: nn.Layer, shape: Any, dtype: Any) -> None:
    params = layer.init(7, shape, dtype)
    assert all(leaf.dtype == dtype for leaf in tree.leaves(params))
    assert all(leaf.flags.writeable for leaf in tree.leaves(params))
    seed = np.random.SeedSequence(7)
    assert same(layer.init(seed, shape, dtype), params)
    assert same(layer.init(seed, shape, dtype), params)
    double = tree.map(lambda leaf: leaf.astype(dtype), layer.init(7, shape, np.float64))
    assert same(double, params)


@CASES
@DTYPES
@pytest.mark.parametrize("n", [1, 5])
def test_shape_and_dtype_of_the_output(layer: nn.Layer, shape: Any, dtype: Any, n: int) -> None:
    params, x = layer.init(0, shape, dtype), sample(layer, shape, n, dtype)
    for y in (layer(params, x), layer.apply(params, x, training=True, key=3)[0]):
        assert y.dtype == dtype
        assert y.shape == (n, *layer.output_shape(shape))


@CASES
def test_nothing_that_is_given_changes(layer: nn.Layer, shape: Any) -> None:
    params, x = layer.init(0, shape), sample(layer, shape, 4, np.float32)
    before = copy.deepcopy((params, x))
    layer(params, x)
    _, refreshed = layer.apply(params, x, training=True, key=3)
    layer.constrain(params)
    assert same((params, x), before)
    assert tree.structure(refreshed) == tree.structure(params)
    assert tree.structure(layer.constrain(params)) == tree.structure(params)


@CASES
def test_prediction(layer: nn.Layer, shape: Any) -> None:
    params, x = layer.init(0, shape), sample(layer, shape, 4, np.float32)
    y = layer(params, x)
    applied, kept = layer.apply(params, x)
    np.testing.assert_array_equal(y, applied)
    assert same(kept, params)
    one_by_one = [layer(params, tree.map(lambda array: array[i : i + 1], x)) for i in range(4)]  # noqa: B023
    np.testing.assert_allclose(np.concatenate(one_by_one), y, rtol=1e-5, atol=1e-6)


@CASES
def test_a_key_names_the_random_numbers(layer: nn.Layer, shape: Any) -> None:
    params, x = layer.init(0, shape), sample(layer, shape, 8, np.float32)
    first, again, other = (layer.apply(params, x, training=True, key=key)[0] for key in (1, np.uint64(1), 2))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == ("Dropout" not in repr(layer))


@CASES
def test_trainable(layer: nn.Layer, shape: Any) -> None:
    params = layer.init(0, shape)
    marks = layer.trainable(params)
    assert tree.structure(marks) == tree.structure(params)
    assert all(type(mark) is bool for mark in tree.leaves(marks))
    statistics = [path[-1] in ("mean", "variance") for path, _ in tree.flatten_with_paths(params)]
    assert tree.leaves(marks) == [not layer.frozen and not is_statistic for is_statistic in statistics]


@CASES
def test_frozen(layer: nn.Layer, shape: Any) -> None:
    frozen = layer._replaced(frozen=True)
    params, x = frozen.init(0, shape), sample(layer, shape, 8, np.float32)
    assert same(params, layer.init(0, shape))
    assert not any(tree.leaves(frozen.trainable(params)))
    assert same(frozen.apply(params, x, training=True, key=1)[1], params)


@CASES
def test_configuration(layer: nn.Layer, shape: Any) -> None:
    if isinstance(layer, nn.Graph):
        with pytest.raises(ModelError, match=r"forward function is code.*tp\.Trainer\.load\(folder, net=net\)"):
            layer.config()
        return
    again = nn.from_config(json.loads(json.dumps(layer.config())))
    assert again == layer
    assert hash(again) == hash(layer)
    assert repr(again) == repr(layer)
    assert eval(repr(layer), vars(nn)) == layer


@CASES
def test_penalty(layer: nn.Layer, shape: Any) -> None:
    params = layer.init(0, shape)
    penalty = layer.penalty(params)
    assert np.shape(penalty) == ()
    assert (penalty > 0) == ("penalty" in repr(layer))


@CASES
def test_summary(layer: nn.Layer, shape: Any) -> None:
    params = layer.init(0, shape)
    rows = nn.summary_rows(layer, shape)
    leaves = tree.leaves(params)
    assert rows[0].parameters == sum(leaf.size for leaf in leaves)
    assert rows[0].bytes == sum(leaf.nbytes for leaf in leaves)
    assert rows[0].output_shape == layer.output_shape(shape)
    for row in rows:
        own = params
        for name in row.path:
            own = own[name]
        assert row.parameters == sum(leaf.size for leaf in tree.leaves(own))
    text = layer.summary(shape)
    assert repr(text) == str(text)
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == len(rows) + 5


@CASES
def test_gradients(layer: nn.Layer, shape: Any) -> None:
    """Of everything that comes out, in all parameters and inputs, against central differences."""
    params, x = layer.init(0, shape, np.float64), sample(layer, shape, 4, np.float64)
    weights = np.random.default_rng(1).standard_normal((4, *layer.output_shape(shape)))

    def loss(arguments: Any) -> Any:
        params, x = arguments
        y, _ = layer.apply(params, x, training=True, key=5)
        return np.sum(weights * np.sin(y)) + layer.penalty(params)

    gradient = tp.grad(loss)((params, x))
    expected = tp.finite_difference(loss)((params, x))
    assert tree.structure(gradient) == tree.structure((params, x))
    for got, wanted in zip(tree.leaves(gradient), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)


@CASES
def test_refreshed_statistics_come_out_of_a_differentiated_pass(layer: nn.Layer, shape: Any) -> None:
    params, x = layer.init(0, shape), sample(layer, shape, 4, np.float32)

    def loss(params: Any) -> Any:
        y, refreshed = layer.apply(params, x, training=True, key=5)
        return np.sum(y * y), refreshed

    (_, refreshed), gradient = tp.value_and_grad(loss, has_aux=True)(params)
    expected = layer.apply(params, x, training=True, key=5)[1]
    assert all(type(leaf) is np.ndarray for leaf in tree.leaves(refreshed))
    assert same(refreshed, expected)
    assert tree.structure(gradient) == tree.structure(params)
    assert all(leaf.dtype == np.float32 for leaf in tree.leaves(gradient))


def test_signatures_agree() -> None:
    for layer, _ in EXAMPLES:
        for name in ("init", "apply", "output_shape", "__call__"):
            mine, base = inspect.signature(getattr(type(layer), name)), inspect.signature(getattr(nn.Layer, name))
            assert list(mine.parameters) == list(base.parameters), (type(layer), name)


def test_summary_without_an_input_shape() -> None:
    """What does not depend on the input is told, the rest is a question mark."""
    net = nn.Sequential(nn.Dense(30, activation="relu"), nn.Dropout(0.1), nn.Dense(10))
    lines = net.summary().splitlines()
    assert lines[3].split()[-3:] == ["(30,)", "?", "?"]
    assert lines[5].split()[-3:] == ["(10,)", "310", "1,240"]
    assert lines[-1].startswith("? depends on the input")
