from __future__ import annotations

import json

import numpy as np
import pytest

from twopass.data import Encoder, Number, Table, load_digits
from twopass.errors import DataError, ModelError


def table_of(**columns: list) -> Table:
    return Table({name: np.array(values) for name, values in columns.items()}, "memory")


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
