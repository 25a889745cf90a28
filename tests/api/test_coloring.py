"""Colourings of random patterns keep what recovery needs; of known ones they find the fewest colours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twopass.api.coloring import Pattern, color_columns, color_symmetric


def pattern(array):
    return Pattern(array.shape, *np.nonzero(array))


@st.composite
def tables(draw, square=False):
    rows = draw(st.integers(0, 9))
    columns = rows if square else draw(st.integers(0, 9))
    density = draw(st.floats(0, 1))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random((rows, columns)) < density


@settings(max_examples=60, deadline=None)
@given(tables())
def test_no_row_has_two_columns_of_one_color(table):
    colors = color_columns(pattern(table))
    for row in table:
        own = colors[row]
        assert len(set(own.tolist())) == len(own)
    assert colors.max(initial=-1) < max(table.shape[1], 1)


@settings(max_examples=60, deadline=None)
@given(tables(square=True))
def test_star_colorings(table):
    table = table | table.T
    colors = color_symmetric(pattern(table))
    edges = table & ~np.eye(len(table), dtype=bool)
    for i, j in zip(*np.nonzero(edges), strict=True):
        assert colors[i] != colors[j]
        in_row = np.sum(edges[i] & (colors == colors[j]))
        in_mirror = np.sum(edges[j] & (colors == colors[i]))
        assert in_row == 1 or in_mirror == 1


def banded(n, width):
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= width


@pytest.mark.parametrize("width", [0, 1, 2, 4])
def test_bands_take_as_many_colors_as_they_are_wide(width):
    assert color_columns(pattern(banded(40, width))).max() == 2 * width


def test_an_arrowhead_is_two_stars():
    arrow = np.eye(50, dtype=bool)
    arrow[0] = arrow[:, 0] = True
    assert color_symmetric(pattern(arrow)).max() == 1
    assert color_columns(pattern(arrow)).max() == 49


def test_blocks():
    blocks = np.kron(np.eye(7, dtype=bool), np.ones((3, 3), dtype=bool))
    assert color_columns(pattern(blocks)).max() == 2


def test_empty_rows_and_columns_take_no_color_of_their_own():
    table = np.zeros((4, 5), dtype=bool)
    table[1, 2:4] = True
    assert color_columns(pattern(table)).max() == 1
    assert color_columns(pattern(np.zeros((3, 4), dtype=bool))).max() == 0
