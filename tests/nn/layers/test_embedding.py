from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, ShapeError

rng = np.random.default_rng(0)
CODES = np.array([[2, 0, 2], [2, 1, 4]])


def test_rows_of_the_table() -> None:
    layer = nn.Embedding(5, 3)
    params = layer.init(0, (3,))
    assert params["weight"].shape == (5, 3)
    for codes in (CODES, CODES.astype(np.uint8), CODES.astype(np.float32), CODES + 1e-4):
        np.testing.assert_array_equal(layer(params, codes), params["weight"][CODES])
    assert layer(params, np.int64(1)).shape == (3,)


def test_equals_a_dense_layer_on_one_hot_codes() -> None:
    layer, dense = nn.Embedding(5, 3), nn.Dense(3, use_bias=False)
    params = layer.init(0, ())
    np.testing.assert_allclose(layer(params, CODES), dense(params, np.eye(5, dtype=np.float32)[CODES]))


def test_vectors_start_small() -> None:
    weight = nn.Embedding(2000, 50).init(0, ())["weight"]
    assert np.std(weight) == pytest.approx(0.2 / np.sqrt(3), rel=0.02)
    assert np.abs(weight).max() <= 0.2


def test_vectors_that_are_given() -> None:
    given = rng.normal(size=(5, 3))
    layer = nn.Embedding(5, 3, weight_initializer=given, frozen=True)
    params = layer.init(0, ())
    np.testing.assert_array_equal(params["weight"], given.astype(np.float32))
    assert layer.trainable(params) == {"weight": False}


def test_places_of_one_category_add_up() -> None:
    layer = nn.Embedding(5, 3)
    params, ct = layer.init(0, (3,), np.float64), rng.normal(size=(2, 3, 3))
    gradient = tp.grad(lambda params: np.sum(layer(params, CODES) * ct))(params)["weight"]
    expected = np.zeros((5, 3))
    np.add.at(expected, CODES, ct)
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient[2], ct[0, 0] + ct[0, 2] + ct[1, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("units", [1, 2, 7, 16, 33])
def test_compiled(dtype: Any, units: int) -> None:
    """The same numbers, both directions and the second order, and nothing is left to NumPy."""
    layer = nn.Embedding(9, units)
    params = layer.init(0, (), dtype)
    codes, target = rng.integers(0, 9, 50), rng.normal(size=(50, units)).astype(dtype)

    def error(params: Any, codes: Any) -> Any:
        return np.mean((np.tanh(layer(params, codes)) - target) ** 2)

    def first(params: Any, codes: Any) -> Any:
        return tp.value_and_grad(error)(params, codes)

    def second(params: Any, codes: Any) -> Any:
        return tp.hvp(lambda params: error(params, codes), (params,), (params,))

    for function in (first, second):
        compiled = tp.compile(function)
        found, wanted = (tp.tree.leaves(f(params, codes)) for f in (compiled, function))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-7)
        assert "nothing is left to NumPy" in compiled.explain()


def test_second_order() -> None:
    layer = nn.Embedding(5, 3)
    params = layer.init(0, (3,), np.float64)
    tp.check_grads(lambda params: np.sum(np.sin(layer(params, CODES)) ** 2), (params,), order=2)


def test_compiled_code_reads_the_nearest_category() -> None:
    layer = nn.Embedding(5, 3)
    params = layer.init(0, (), np.float64)
    codes = np.array([-7.0, 2.0, 99.0, np.nan])
    found = tp.compile(lambda params, codes: layer(params, codes))(params, codes)
    np.testing.assert_array_equal(found[:3], params["weight"][[0, 2, 4]])
    assert found[3] in params["weight"]


def test_a_stack_of_layers() -> None:
    layer = nn.Embedding(5, 3)
    weights = np.stack([layer.init(seed, ())["weight"] for seed in range(4)])
    found = layer({"weight": weights}, CODES)
    for number, weight in enumerate(weights):
        np.testing.assert_array_equal(found[number], layer({"weight": weight}, CODES))
    own = tp.vmap(lambda weight, codes: layer({"weight": weight}, codes))
    each = rng.integers(0, 5, (4, 6))
    np.testing.assert_array_equal(tp.compile(own)(weights, each), own(weights, each))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([0, 5]), r"x\[1\] is 5, and not a category from 0 to 4"),
        (np.array([[0, 1], [-1, 7]]), r"x\[1, 0\] is -1, and not a category"),
        (np.array([0.0, 2.5]), r"x\[1\] is 2\.5, and not a category"),
        (np.array([np.nan]), r"x\[0\] is nan"),
        (np.array([np.inf]), r"x\[0\] is inf"),
        (np.int64(5), r"x is 5, and not a category"),
        (np.array(["a"]), "dtype <U1, and not whole numbers"),
        (np.array([True]), "dtype bool"),
    ],
)
def test_what_is_no_category(codes: Any, message: str) -> None:
    layer = nn.Embedding(5, 3)
    with pytest.raises(ArgumentError, match=message):
        layer(layer.init(0, ()), codes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Embedding(0, 3), "n_categories must be a whole number"),
        (lambda: nn.Embedding(3, 0), "units must be a whole number"),
        (lambda: nn.Embedding(1 << 25, 2), "n_categories must be at most 16,777,216"),
        (lambda: nn.Embedding(3, 2, weight_penalty=0.1), "must be a Penalty or None"),
        (lambda: nn.Embedding(3, 2, weight_initializer="nothing"), "no initializer named 'nothing'"),
        (lambda: nn.EmbeddedColumns((0,), nn.Dense(3)), r"must be nn\.Embedding layers, got Dense"),
        (lambda: nn.EmbeddedColumns((0, 1), (nn.Embedding(3, 2),)), "2 columns and 1 embeddings"),
        (lambda: nn.EmbeddedColumns((0, 0), (nn.Embedding(3, 2),) * 2), "different positions"),
        (lambda: nn.EmbeddedColumns((-1,), (nn.Embedding(3, 2),)), "counted from 0"),
        (lambda: nn.EmbeddedColumns(("day",), (nn.Embedding(3, 2),)), "got \\('day',\\)"),
        (lambda: nn.EmbeddedColumns((True,), (nn.Embedding(3, 2),)), "different positions"),
        (lambda: nn.EmbeddedColumns((), ()), "different positions"),
    ],
)
def test_bad_parameters(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()


# --- columns of a table -----------------------------------------------------------------------------------------------

TABLE = np.float32([[0.5, 2, -1.0, 0], [1.5, 0, 3.0, 1]])
LAYER = nn.EmbeddedColumns((3, 1), (nn.Embedding(2, 1), nn.Embedding(3, 2)))


def test_numbers_come_first() -> None:
    params = LAYER.init(0, (4,))
    few, many = params[0]["weight"], params[1]["weight"]
    expected = np.concatenate([TABLE[:, [0, 2]], few[[0, 1]], many[[2, 0]]], axis=1)
    np.testing.assert_array_equal(LAYER(params, TABLE), expected)
    assert LAYER.output_shape((4,)) == (5,)


def test_the_derivative_in_a_category_is_zero() -> None:
    params = LAYER.init(0, (4,))
    gradient = tp.grad(lambda x: np.sum(LAYER(params, x) ** 2))(TABLE)
    np.testing.assert_allclose(gradient, [[1.0, 0, -2, 0], [3, 0, 6, 0]])


def test_columns_that_are_not_there() -> None:
    with pytest.raises(ShapeError, match="embeds column 3, and rows have the shape"):
        LAYER.init(0, (3,))
    with pytest.raises(ShapeError, match="embeds column 3"):
        LAYER(LAYER.init(0, (4,)), TABLE[:, :3])


def test_columns_are_named_in_errors() -> None:
    wrong = TABLE.copy()
    wrong[1, 1] = 3
    with pytest.raises(ArgumentError, match=r"column 1 of x\[1\] is 3\.0, and not a category from 0 to 2"):
        LAYER(LAYER.init(0, (4,)), wrong)


def _problem(n: int = 600) -> tuple[Any, Any]:
    x = np.stack([rng.normal(size=n), rng.integers(0, 30, n), rng.integers(0, 3, n)], axis=1).astype(np.float32)
    y = (x[:, 0] + rng.normal(size=30)[x[:, 1].astype(int)] + x[:, 2]).astype(np.float32)
    return x, y


NET = nn.Sequential(nn.EmbeddedColumns((1, 2), (nn.Embedding(30, 4), nn.Embedding(3, 2))), nn.Dense(1))


def test_training() -> None:
    """Compiled as eager, without NumPy; what is no category is found before anything is trained."""
    x, y = _problem()
    trainers = [
        tp.Trainer(NET, "mean_squared_error", tp.optim.Adam(0.01), seed=0, backend=b) for b in ("auto", "numpy")
    ]
    losses = [trainer.fit(x, y, epochs=4, batch_size=50)["loss"] for trainer in trainers]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][-1] < losses[0][0] / 2
    assert "nothing is left to NumPy" in trainers[0].explain()
    x[7, 1] = 30
    for call in (lambda: trainers[0].fit(x, y), lambda: trainers[0].evaluate(x, y), lambda: trainers[0].predict(x)):
        with pytest.raises(ArgumentError, match=r"column 1 of x\[7\] is 30\.0, and not a category from 0 to 29"):
            call()
    with pytest.raises(ArgumentError, match=r"column 1 of x\[0\]"):
        trainers[0].predict(x[7:8])


def test_the_same_bits_on_any_number_of_threads() -> None:
    x, y = _problem()
    found = []
    for threads in (1, 2, 3):
        trainer = tp.Trainer(NET, "mean_squared_error", tp.optim.Adam(0.01), seed=0, threads=threads)
        trainer.fit(x, y, epochs=2, batch_size=50)
        found.append([leaf.tobytes() for leaf in tp.tree.leaves(trainer.params)])
    assert found[0] == found[1] == found[2]


def test_saving(tmp_path: Any) -> None:
    x, y = _problem()
    trainer = tp.Trainer(NET, "mean_squared_error", tp.optim.Adam(0.01), seed=0)
    trainer.fit(x, y, epochs=1)
    trainer.save(tmp_path / "model")
    np.testing.assert_array_equal(tp.Trainer.load(tmp_path / "model").predict(x), trainer.predict(x))


def test_frozen_vectors_stay() -> None:
    x, y = _problem()
    table = nn.EmbeddedColumns((1, 2), (nn.Embedding(30, 4, frozen=True), nn.Embedding(3, 2)))
    trainer = tp.Trainer(nn.Sequential(table, nn.Dense(1)), "mean_squared_error", tp.optim.Adam(0.01), seed=0)
    before = trainer.init((3,)).params
    trainer.fit(x, y)
    np.testing.assert_array_equal(trainer.params[0][0]["weight"], before[0][0]["weight"])
    assert not np.array_equal(trainer.params[0][1]["weight"], before[0][1]["weight"])


def test_a_residual_block_looks_at_its_input_too() -> None:
    block = nn.Residual(nn.Sequential(nn.Embedding(3, 2)), nn.Embedding(3, 2))
    with pytest.raises(ArgumentError, match="not a category"):
        block.check_values(np.array([3]))


def graph(net: Any, x: Any) -> Any:
    """Categories in a column beside numbers, and others in an input of their own."""
    numbers, codes = x
    hidden = net.body(np.concatenate([numbers[:, 1:], net.kind(numbers[:, 0].astype(int))], axis=1))
    return hidden + net.place(codes)


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_a_graph_looks_at_what_its_layers_get(backend: str) -> None:
    body = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    net = nn.Graph(graph, body=body, kind=nn.Embedding(3, 2), place=nn.Sequential(nn.Embedding(5, 2)))
    rng = np.random.default_rng(0)
    numbers = np.column_stack([rng.integers(0, 3, 3000), rng.normal(size=(3000, 2))])
    codes, y = rng.integers(0, 5, 3000), rng.normal(size=(3000, 2))
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.01), seed=0, backend=backend)
    trainer.fit((numbers, codes), y, batch_size=500)
    assert trainer.predict((numbers, codes)).shape == (3000, 2)
    for wrong, name in ((2000, "3"), (2999, "5")):
        bad = numbers.copy(), codes.copy()
        if name == "3":
            bad[0][wrong, 0] = 3
        else:
            bad[1][wrong] = 5
        for call in (lambda bad=bad: trainer.fit(bad, y), lambda bad=bad: trainer.predict(bad)):
            with pytest.raises(ArgumentError, match=rf"x\[{wrong}\] is {name}, and not a category"):
                call()


def test_a_graph_of_layers_that_take_anything_is_not_run() -> None:
    calls = []

    def forward(net: Any, x: Any) -> Any:
        calls.append(len(x))
        return net.out(x)

    net = nn.Graph(forward, out=nn.Sequential(nn.Dense(1)))
    net.check_values(np.ones((4, 2)))
    assert not calls
