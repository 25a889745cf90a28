from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import Table, read_table
from twopass.errors import DataError


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_survive_text(values: list[float]) -> None:
    table = Table({"a": np.array([repr(value) for value in values])}, "memory")
    assert table.numbers("a").tolist() == values


@pytest.mark.parametrize("spelling", ["", "NA", "nan", "NULL", "?"])
def test_a_missing_value_is_named_with_its_row_and_column(csv, spelling: str) -> None:
    table = read_table(csv(f"a,b\n1,x\n\n{spelling},{spelling}\n,\n"))
    for read in (table.numbers, table.texts):
        with pytest.raises(DataError, match=r"column 'a' has no value \(at toys.csv, line 4\). 2 rows are like this"):
            read("a")
    with pytest.raises(DataError, match="column 'b' has no value"):
        table.texts("b")


def test_text_and_infinity_in_a_column_of_numbers_are_named(csv) -> None:
    table = read_table(csv("a,b\n1,1\nabc,inf\n3,3\n"))
    with pytest.raises(DataError, match=r"column 'a' holds 'abc' where a number is needed \(at toys.csv, line 3\)"):
        table.numbers("a")
    with pytest.raises(DataError, match="column 'b' holds inf, which is not finite"):
        table.numbers("b")


def test_an_unknown_column_gets_a_suggestion() -> None:
    table = Table({"height": np.zeros(1), "weight": np.zeros(1)}, "people.csv")
    with pytest.raises(DataError, match=r"no column 'heigth' .*Did you mean 'height'. The columns are height, weight"):
        table.column("heigth")


def test_a_column_is_numeric_when_most_of_it_is() -> None:
    columns = {"mostly": ["1", "2", "x", "NA"], "hardly": ["1", "x", "y", ""], "never": ["x", "y", "z", "z"]}
    table = Table({name: np.array(values) for name, values in columns.items()}, "memory")
    assert [table.is_numeric(name) for name in columns] == [True, False, False]


def test_rows_keep_their_places_in_the_file(csv) -> None:
    table = read_table(csv("a\n1\n2\nx\n4\n")).rows(np.array([3, 2]))
    with pytest.raises(DataError, match=r"toys.csv, line 4\)"):
        table.numbers("a")


def test_without_drops_columns_and_names_unknown_ones() -> None:
    table = Table({"a": np.zeros(2), "b": np.ones(2)}, "memory")
    assert list(table.without(["a"]).columns) == ["b"]
    with pytest.raises(DataError, match="no column 'c'"):
        table.without(["c"])
