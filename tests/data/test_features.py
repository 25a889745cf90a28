"""What columns are to a network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import Flag, Group, Moment, Quantity, Table
from twopass.data.features import as_days, is_date
from twopass.errors import DataError


def table_of(*values: object) -> Table:
    return Table({"a": np.array(values)}, "toys.csv")


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.floats(-1e9, 1e9),
    st.floats(1e-9, 1e9),
    st.sampled_from([3.0, 10.0]),
)
def test_quantities_of_any_size_are_limited_and_keep_their_order(
    values: list[float], center: float, scale: float, reach: float
) -> None:
    scale += 1e-6 * abs(center)
    edges = (center - scale, center, center + scale)
    feature = Quantity("a", center, scale, deviation=scale, edges=edges, reach=reach)
    x = feature.inputs(table_of(*sorted(values)))
    assert x.shape == (len(values), feature.size)
    assert np.isfinite(x).all()
    assert (np.abs(x) <= [reach, 30, 1, 1]).all()
    assert (np.diff(x, axis=0) >= 0).all()


def test_a_missing_number_is_in_the_middle_and_says_so() -> None:
    feature = Quantity("a", 2.0, 1.0, edges=(0.0, 2.0, 4.0), indicator=True)
    assert feature.inputs(table_of("", "3", "NA")).tolist() == [
        [0, 1, 0, 1],
        pytest.approx([1 / np.sqrt(1 + 1 / 9), 1, 0.5, 0]),
        [0, 1, 0, 1],
    ]
    assert not feature.unknown(table_of("", "3")).any()
    assert Quantity("a", 2.0, 1.0).unknown(table_of("", "3")).tolist() == [True, False]


def test_the_edges_of_intervals() -> None:
    feature = Quantity("a", 0.0, 1.0, edges=(0.0, 1.0, 3.0))
    assert feature.inputs(table_of(-1.0, 0.5, 2.0, 9.0))[:, 1:].tolist() == [[0, 0], [0.5, 0], [1, 0.5], [1, 1]]


def test_categories_known_rare_unseen_and_missing() -> None:
    feature = Group("a", ("x", "y"), rare=True, indicator=True, others=("z",))
    table = table_of("y", "x", "z", "new", "")
    assert feature.inputs(table).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert feature.unknown(table).tolist() == [False, False, False, True, False]
    plain = Group("a", ("x", "y"))
    assert plain.inputs(table).tolist() == [[0, 1], [1, 0], [0, 0], [0, 0], [0, 0]]
    assert plain.unknown(table).tolist() == [False, False, True, True, True]


def test_categories_that_are_numbers_are_the_same_however_they_are_written() -> None:
    feature = Group("a", ("1", "2.5"))
    for values in (["1", "2.50", "1.0"], [1.0, 2.5, 1.0]):
        assert feature.inputs(table_of(*values)).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_yes_and_no() -> None:
    assert Flag("a", indicator=True).inputs(table_of("Yes", "FALSE", "", "maybe")).tolist() == [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, 0],
    ]
    assert Flag("a").unknown(table_of("t", "off", "", "maybe")).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("1970-01-02", 1.0),
        ("1970-01-01T12:00", 0.5),
        ("1970-01-01 06:00:00.000000", 0.25),
        ("1970-01-01T12:00:00Z", 0.5),
        ("1970-01-01T12:00:00+06:00", 0.25),
        ("1970-01-01T12:00-0600", 0.75),
    ],
)
def test_dates(text: str, days: float) -> None:
    assert is_date(text)
    assert as_days(table_of(text, ""), "a")[0].tolist() == pytest.approx([days, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-13-01", "yesterday", "2026", "12/31/2026", "2026-01-01T25:00", "3"]
)
def test_what_is_no_date_is_named(text: str) -> None:
    assert not is_date(text)
    with pytest.raises(DataError, match=r"holds '.*' where a date is needed \(at toys.csv, row 1\)"):
        as_days(table_of("2026-01-31", text), "a")


def test_phases_come_round() -> None:
    feature = Moment("a", 0.0, 1.0, ("week", "day"))
    one, later, other = feature.inputs(table_of("1970-01-01T06:00", "1970-01-08T06:00", "1970-01-01T18:00"))[:, 1:]
    assert one == pytest.approx(later, abs=1e-5)
    assert one[2:] == pytest.approx(-other[2:], abs=1e-5)
