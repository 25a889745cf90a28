"""What is exported of an encoder is what it does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.io.exports import running

from twopass import nn
from twopass.cli.columns import preprocessing, summary
from twopass.data import Category, Encoder, Number, Table, features
from twopass.errors import ArgumentError
from twopass.io import export_c, export_onnx


def check(encoder: Any, table: Table, x: Any, tmp_path: Path) -> None:
    """The encoder's inputs of a table are the exported function's of an array, in both formats."""
    before, expected = preprocessing(encoder), encoder.inputs(table)
    np.testing.assert_allclose(before(x), expected, rtol=1e-6, atol=1e-7)
    net = nn.Graph(lambda _, x: before(x))
    model = SimpleNamespace(net=net, params={}, input_shape=x.shape[1:], dtype=np.dtype("float64"))
    export_onnx(model, tmp_path / "m.onnx")
    running.assert_close(running.run_onnx(tmp_path / "m.onnx", [x]), [expected], 1e-5)
    library = running.compile_c([export_c(model, tmp_path / "m.c").source])
    running.assert_close(running.run_c(library, "m", [x], [expected]), [expected], 1e-5)


def test_numbers_and_categories(tmp_path: Path) -> None:
    columns = {
        "size": np.array([1.0, 5, 1e6, -3]),
        "weight": np.array([2.0, 2, 3, 1e9]),
        "colour": np.array(["red", "blue", "red", "green"]),
        "price": np.array([1e7, 2e7, 3e7, 1e7]),
        "raw": np.array([1.0, 2, 3, 4]),
    }
    features = (
        Number("size", 3.0, 2.0, 10.0),
        Number("weight", 1.0, 3.0),
        Category("colour", ("blue", "green", "red")),
        Number("price", 1e7, 5e6),
        Number("raw"),
    )
    x = np.array([[1.0, 5, 1e6, -3], [2.0, 2, 3, 1e9], [2, 0, 2, 1], [1e7, 2e7, 3e7, 1e7], [1.0, 2, 3, 4]]).T
    check(Encoder(features, Number("target")), Table(columns, "toys.csv"), x, tmp_path)


def test_columns_that_are_taken_as_they_are_need_nothing() -> None:
    assert preprocessing(Encoder((Number("a"), Number("b")), Number("target"))) is None


def test_quantities_groups_flags_and_dates(tmp_path: Path) -> None:
    columns = {
        "size": np.array([1.0, np.nan, 5.0, 1e300]),
        "age": np.array([10.0, 20, np.nan, -5]),
        "colour": np.array(["red", "blue", "mauve", ""]),
        "shape": np.array(["round", "", "odd", "flat"]),
        "sold": np.array(["yes", "No", "", "yes"]),
        "day": np.array(["1970-01-01", "1970-01-08", "", "2026-07-31T12:00"]),
    }
    made = (
        features.Quantity("size", 1.0, 2.0, edges=(0.0, 2.0, 6.0), indicator=True),
        features.Quantity("age", 15.0, 4.0, deviation=9.0, reach=10.0),
        features.Group("colour", ("blue", "red"), rare=True),
        features.Group("shape", ("flat", "round"), indicator=True),
        features.Flag("sold", True),
        features.Moment("day", 3.0, 7.0, ("year", "week", "day"), True),
    )
    nan = np.nan
    days = float((np.datetime64("2026-07-31T12:00") - np.datetime64("1970-01-01T00:00")) / np.timedelta64(1, "D"))
    x = np.array(
        [
            columns["size"],
            columns["age"],
            [1, 0, 7, nan],
            [1, nan, 9, 0],
            [1, 0, nan, 1],
            [0, 7, nan, days],
        ]
    ).T
    check(Encoder(made, Number("target")), Table(columns, "toys.csv"), x, tmp_path)
    told = [summary(column) for column in made]
    assert told[2:] == [
        "colour (0 is blue, 1 is red, others are rare)",
        "shape (0 is flat, 1 is round)",
        "sold (1 is yes, 0 is no)",
        "day (days since 1970)",
    ]


def test_another_kind_of_column_is_refused_by_name() -> None:
    class Text(SimpleNamespace):
        pass

    with pytest.raises(ArgumentError, match="column 'notes' is of a kind that cannot be exported: Text"):
        preprocessing(SimpleNamespace(features=(Number("a", 1.0), Text(name="notes"))))
