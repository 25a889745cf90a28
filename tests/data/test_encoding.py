from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import Category, Encoder, Number, Table, infer_task, load_digits
from twopass.errors import DataError, ModelError

FLOATS = st.floats(-1e6, 1e6, width=32)


def table_of(**columns: list) -> Table:
    return Table({name: np.array(values) for name, values in columns.items()}, "memory")


@given(st.lists(FLOATS, min_size=1, max_size=20), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_number_decodes_what_it_encodes(values: list[float], mean: float, scale: float) -> None:
    number, table = Number("a", mean, scale), table_of(a=values)
    spread = max(abs(mean), *map(abs, values))
    assert number.decode(number.encode(table)) == pytest.approx(np.array(values), rel=1e-5, abs=1e-5 * spread + 1e-9)


@given(st.lists(FLOATS, min_size=2, max_size=20))
def test_standardised_numbers_have_mean_0_and_deviation_1(values: list[float]) -> None:
    table = table_of(a=values)
    number = Number("a").standardised(table)
    encoded = number.encode(table).astype(np.float64)
    if np.std(values) > 1e-3 * max(map(abs, values)):
        assert encoded.mean() == pytest.approx(0, abs=1e-4)
        assert encoded.std() == pytest.approx(1, abs=1e-4)
    assert np.isfinite(encoded).all()


def test_a_constant_column_stays_finite() -> None:
    assert Number("a").standardised(table_of(a=[3.0, 3.0])) == Number("a", 3.0, 1.0, limit=10.0)


def test_stray_inputs_are_limited_and_targets_are_not() -> None:
    number = Number("a").standardised(table_of(a=[0.0, 2.0]))
    stray = table_of(a=[-50.0, 1.5, 50.0])
    assert number.inputs(stray)[:, 0].tolist() == [-10.0, 0.5, 10.0]
    assert number.encode(stray).tolist() == [-51.0, 0.5, 49.0]


@given(st.lists(st.sampled_from(["b", "ä", "a", "10", "2"]), min_size=1, max_size=20))
def test_category_decodes_what_it_encodes(values: list[str]) -> None:
    table = table_of(a=values)
    category = Category.of(table, "a")
    assert category.decode(category.inputs(table)).tolist() == values
    assert np.array_equal(category.inputs(table).argmax(axis=1), category.encode(table))


def test_classes_that_are_numbers_are_in_numeric_order() -> None:
    assert Category.of(table_of(a=["10", "9", "2"]), "a").values == ("2", "9", "10")
    assert Category.of(table_of(a=[10.0, 9.0, 2.5]), "a").values == ("2.5", "9", "10")


def test_a_value_that_the_category_lacks_is_named() -> None:
    with pytest.raises(DataError, match=r"'a' holds 'z', which the model has not seen \(at memory, row 1\).*are x, y"):
        Category("a", ("x", "y")).encode(table_of(a=["x", "z"]))


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no", "yes"], "classification"),
        ([0, 1, 1, 0], "classification"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 5, "regression"),
        ([1, 2, 3, 4], "regression"),
        ([0.5, 1.5, 0.5, 1.5], "regression"),
    ],
)
def test_infer_task(values: list, task: str) -> None:
    assert infer_task(table_of(y=values), "y") == task


def test_encoder_finds_columns_by_name_and_ignores_others() -> None:
    table = table_of(size=[1.0, 5.0], colour=["red", "blue"], price=[10.0, 20.0])
    encoder = Encoder.fit(table, "price", "regression").standardised(table)
    again = table_of(note=["x"], colour=["blue"], size=[5.0])
    assert encoder.inputs(again).tolist() == [[1, 1, 0]]
    assert encoder.n_inputs == 3
    assert encoder.target == Number("price", mean=15.0, scale=5.0, limit=10.0)


def test_encoder_survives_json() -> None:
    table = table_of(size=[1.0, 5.1], colour=["red", "blue"], kind=["a", "b"])
    for encoder in (Encoder.fit(table, "kind").standardised(table), Encoder.of_dataset(load_digits())):
        assert Encoder.from_config(json.loads(json.dumps(encoder.config()))) == encoder


@pytest.mark.parametrize(
    "config", [{}, {"features": [], "target": {"kind": "moon"}}, {"features": [{"kind": "number"}], "target": {}}, []]
)
def test_a_damaged_description_is_a_model_error(config) -> None:
    with pytest.raises(ModelError, match="the description of the columns is damaged"):
        Encoder.from_config(config)


@pytest.mark.parametrize(
    ("columns", "target", "task", "message"),
    [
        ({"y": [1.0, 2.0]}, "y", None, "there is nothing to predict 'y' from"),
        ({"x": [1.0, 2.0], "y": ["a", "a"]}, "y", None, "holds one class only, 'a'"),
        ({"x": [1.0] * 30, "y": [f"id{i}" for i in range(30)]}, "y", None, "30 different values in 30 rows"),
        ({"x": [f"id{i}" for i in range(101)], "y": [0.0, 1] * 50 + [0]}, "y", None, "101 different texts"),
        ({"x": ["1", "2", "three"], "y": [0.5, 1, 2]}, "y", None, "'x' holds 'three' where a number is needed"),
        ({"x": [1.0, np.nan, 2], "y": [0.5, 1, 2]}, "y", None, "'x' has no value"),
        ({"x": [1.0, 2], "y": ["a", "b"]}, "y", "regression", "'y' holds 'a' where a number is needed"),
        ({"x": [1.0, 2], "y": ["a", "b"]}, "z", None, "there is no column 'z'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(columns, target: str, task: str | None, message: str) -> None:
    table = table_of(**columns)
    with pytest.raises(DataError, match=message):
        Encoder.fit(table, target, task).standardised(table)
