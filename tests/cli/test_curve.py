from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from twopass.cli.curve import draw

CURVES = st.dictionaries(
    st.sampled_from(["loss", "val_loss"]), st.lists(st.floats(width=32), min_size=1, max_size=50), min_size=1
)


@given(CURVES, st.integers(20, 100), st.integers(2, 12), st.booleans())
def test_every_picture_has_the_asked_size(
    curves: dict[str, list[float]], width: int, height: int, braille: bool
) -> None:
    *lines, legend = draw(curves, width=width, height=height, braille=braille)
    assert len(lines) == height
    assert {len(line) for line in lines} == {width}
    assert all(name in legend.plain for name in curves)


@given(CURVES)
def test_ascii_is_ascii(curves: dict[str, list[float]]) -> None:
    assert all(line.plain.isascii() for line in draw(curves, width=40, height=4, braille=False))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=80), st.booleans())
def test_a_curve_is_connected_and_reaches_its_extremes(values: list[float], braille: bool) -> None:
    *lines, _ = draw({"loss": values}, width=40, height=5, braille=braille)
    rows = [line.plain.split("│" if braille else "|")[1] for line in lines]
    filled = [{row for row in range(5) if rows[row][column] != " "} for column in range(len(rows[0]))]
    assert all(filled)
    assert all(max(column) - min(column) + 1 == len(column) for column in filled)
    assert all(min(abs(a - b) for a in left for b in right) <= 1 for left, right in itertools.pairwise(filled))


def test_the_range_is_on_the_left_and_each_curve_has_its_mark() -> None:
    curves = {"loss": [4.0, math.nan, 1.0], "val_loss": [4.5, 4.5, 4.5]}
    lines = [line.plain.rstrip() for line in draw(curves, width=16, height=3, braille=False)]
    assert lines == [
        "4.5 |+++++++++++",
        "    |  ******",
        "  1 |        ***",
        "     * loss   + val_loss",
    ]


def test_braille_dots_are_where_the_values_are() -> None:
    lines = draw({"loss": [1.0, 0.0]}, width=5, height=2, braille=True)
    assert [line.plain for line in lines[:2]] == ["1 │⠱⡀", "0 │ ⢣"]
