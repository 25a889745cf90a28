"""Numbers and categories, and which of them a target is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import Category, Number, Table, infer_task
from twopass.errors import DataError

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
