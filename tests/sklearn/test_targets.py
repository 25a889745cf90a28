"""Targets as they are read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from twopass.errors import ArgumentError, DataError
from twopass.sklearn.targets import framed, per_target, read_targets

COLUMNS = {"colour": ["red", None, "blue"], "price": [1.5, None, 3.0], "stars": [1, 2, None]}
FRAMES = [
    pd.DataFrame(COLUMNS),
    pd.DataFrame(COLUMNS).convert_dtypes(),
    pd.DataFrame(COLUMNS).astype({"colour": "category"}),
    pl.DataFrame(COLUMNS),
    pa.table(COLUMNS),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__module__)
def test_frames_are_read_and_made_again(frame):
    targets = read_targets(frame)
    assert targets.names == list(COLUMNS)
    colour, price, stars = targets.columns
    assert colour.known.tolist() == price.known.tolist() == [True, False, True]
    assert stars.known.tolist() == [True, True, False]
    assert list(colour.values[colour.known]) == ["red", "blue"] and not colour.is_numeric
    assert price.is_numeric and stars.is_numeric and stars.values[:2].tolist() == [1, 2]
    again = framed(["colour", "price"], [np.array(["red", "blue"]), np.array([1.0, 2.0])], targets.container)
    assert type(again) is type(frame) and [np.asarray(again[name]).tolist() for name in ("colour", "price")] == [
        ["red", "blue"],
        [1.0, 2.0],
    ]


@pytest.mark.parametrize(
    ("y", "container", "numeric"),
    [
        ([["red", 1.5], ["blue", 2]], "matrix", [False, True]),
        (np.array([["a", "b"], ["c", "d"]]), "matrix", [False, False]),
        (np.array([[True, 1.5], [None, 2]], dtype=object), "matrix", [False, True]),
        ([1, 2, 3], "vector", [True]),
        (np.array(["a", None], dtype=object), "vector", [False]),
    ],
    ids=str,
)
def test_arrays_and_lists_are_read(y, container, numeric):
    targets = read_targets(y)
    assert targets.container == container and len(targets) == len(y)
    assert [column.is_numeric for column in targets.columns] == numeric
    assert targets.names == [f"y{place}" for place in range(len(numeric))]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 3, "classification"),
        ([True, False] * 3, "classification"),
        ([0, 1, 2] * 2, "classification"),
        ([0.0, 1.0, np.nan, 1.0, 0.0], "classification"),
        ([0, 1, 2, 2], "regression"),
        ([0.5, 1.0, 0.5, 1.0], "regression"),
        (list(range(21)) * 2, "regression"),
        (list(range(20)) * 2, "classification"),
    ],
    ids=str,
)
def test_the_task_is_inferred(values, task):
    assert read_targets(values).columns[0].infer_task() == task


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "the target y is None"),
        (np.zeros((2, 2, 2)), "y has the shape"),
        (np.array(["2026-01-01"], dtype="datetime64[D]"), "'y0' has dtype datetime64.*days since"),
        (np.array([1.0, np.inf]), "contains infinity.*'y0'"),
        (np.array([1.0, np.inf, "a"], dtype=object)[:2], "contains infinity"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns with the name 'a'"),
        (pd.DataFrame(index=[1, 2]), "y has no columns"),
        (np.array([1 + 1j]), "has dtype complex128"),
    ],
    ids=str,
)
def test_what_is_no_target_is_refused(y, message):
    with pytest.raises(DataError, match=message):
        read_targets(y)


def test_parameters_for_each_target():
    names = ["colour", "price", 3]
    assert per_target("p", None, names, 1) == [1, 1, 1]
    assert per_target("p", "all", names, 1) == ["all"] * 3
    assert per_target("p", (1, 2, 3), names, 1) == [1, 2, 3]
    assert per_target("p", {"price": 5, 0: 4, 3: 6}, names, 1) == [4, 5, 6]
    with pytest.raises(ArgumentError, match="p names the target 'prize'"):
        per_target("p", {"prize": 1}, names, 1)
    with pytest.raises(ArgumentError, match="p has 2 entries, and there are 3 targets"):
        per_target("p", [1, 2], names, 1)
