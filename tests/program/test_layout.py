"""Layouts: what is written is read again, and lies where kernels look for it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.program.layout import Layout, Panels


@st.composite
def panelled(draw: st.DrawFn) -> Layout:
    rows, columns = draw(st.integers(1, 5)), draw(st.integers(1, 20))
    widths: list[int] = []
    while sum(widths) < columns:
        widths.append(draw(st.integers(1, 8)))
    panels = Panels(rows, tuple(widths))
    return Layout((rows, columns), (0, 0), panels.size, panels)


@st.composite
def strided(draw: st.DrawFn) -> Layout:
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    strides, step = [0] * len(shape), 1
    for axis in draw(st.permutations(range(len(shape)))):
        strides[axis] = step
        step *= shape[axis] + draw(st.integers(0, 3))
    return Layout(shape, tuple(strides), max(step, 1))


@given(panelled() | strided())
def test_what_is_packed_is_unpacked(layout: Layout) -> None:
    array = np.arange(1, 1 + math.prod(layout.shape), dtype=np.float32).reshape(layout.shape)
    buffer = np.zeros(layout.size, np.float32)
    layout.pack(array, buffer)
    found = layout.unpack(buffer)
    assert found.flags.c_contiguous and found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert np.count_nonzero(buffer) == array.size
    assert not np.shares_memory(found, buffer)


@given(panelled())
def test_an_element_is_in_its_panel(layout: Layout) -> None:
    assert layout.panels is not None
    rows, columns = layout.shape
    buffer = np.zeros(layout.size, int)
    layout.pack(np.arange(rows * columns).reshape(layout.shape), buffer)
    starts = [0, *itertools.accumulate(layout.panels.widths)]
    for row, column in np.ndindex(layout.shape):
        panel = max(number for number, start in enumerate(starts[:-1]) if start <= column)
        place = layout.panels.start(panel) + row * layout.panels.widths[panel] + column - starts[panel]
        assert buffer[place] == row * columns + column


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_any_dtype(dtype: type) -> None:
    layout = Layout((2, 3), (4, 1), 8)
    buffer = np.zeros(8, dtype)
    layout.pack(np.ones((2, 3), dtype), buffer)
    assert buffer.astype(int).tolist() == [1, 1, 1, 0, 1, 1, 1, 0]
