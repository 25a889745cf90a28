"""Into which tasks contractions are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.program.lower.blocks import Size, blocks_of, halves
from twopass.program.machine import Machine, halves_rows

AVX512, F4 = Machine("avx512", vector_bytes=64, tile_vectors=3), np.dtype(np.float32)
LENGTHS = st.integers(1, 2100)
BATCHES = st.sampled_from(((), (3,)))


def cut(m: int, n: int, k: int, given: tuple[bool, bool]) -> tuple[tuple[int, ...], tuple[int, ...], bool]:
    return blocks_of(Size((), m, n, k), AVX512.panels(n, F4), given, 16)


@given(BATCHES, LENGTHS, LENGTHS, LENGTHS, st.tuples(st.booleans(), st.booleans()), st.sampled_from((16, None)))
def test_blocks_cover_the_result(batch, m, n, k, parameters, lanes) -> None:  # type: ignore[no-untyped-def]
    columns, rows, by_rows = blocks_of(Size(batch, m, n, k), AVX512.panels(n, F4), parameters, lanes)
    assert sum(rows) == m and min(rows) > 0
    assert sum(columns) >= n > sum(columns[:-1]) and all(width % 16 == 0 for width in columns)
    assert not (by_rows and batch)
    if lanes is None:
        assert columns == AVX512.panels(n, F4)


@pytest.mark.parametrize("length", [1, 16, 17, 32, 40, 64, 100])
def test_halves_are_of_whole_vectors(length: int) -> None:
    first, *rest = halves(length)
    assert first + sum(rest) == length
    assert not rest or (first % 16 == 0 and first >= rest[0] > 0)


def test_narrow_layers_are_cut_in_halves_of_the_samples() -> None:
    forward = cut(32, 64, 64, (False, True))
    assert forward == ((32, 32), (16, 16), True)
    backward = cut(64, 32, 64, (True, False))  # the samples are its columns
    assert backward == ((16, 16), (64,), False)


def test_wide_layers_are_cut_in_columns_that_two_threads_share_evenly() -> None:
    columns, rows, by_rows = cut(32, 300, 784, (False, True))
    assert columns == (48, 48, 48, 16, 48, 48, 48) and rows == (16, 16) and not by_rows
    assert halves_rows(columns)


def test_many_samples_are_cut_in_an_even_number_of_equal_blocks() -> None:
    for m in (256, 1000, 1024, 10_000):
        _, rows, by_rows = cut(m, 100, 784, (True, True))
        assert by_rows and len(rows) % 2 == 0
        assert max(rows) - min(rows) <= 15 and 40 <= max(rows) <= 96
        half = len(rows) // 2
        assert abs(sum(rows[:half]) - sum(rows[half:])) <= 15


def test_a_vector_times_a_small_matrix_is_one_task_and_a_large_one_two() -> None:
    assert cut(1, 100, 300, (True, True)) == ((112,), (1,), False)
    assert cut(1, 300, 784, (True, True)) == ((160, 144), (1,), False)
    assert len(cut(1, 2000, 784, (True, True))[0]) > 1


@given(st.integers(1, 3000))
def test_panels_are_no_wider_than_a_tile(n: int) -> None:
    widths = AVX512.panels(n, F4)
    assert sum(widths) == -(-n // 16) * 16 and max(widths) <= 48
    half = len(widths) // 2
    shares = sum(widths) / 2 if halves_rows(widths) else max(sum(widths[:half]), sum(widths[half:]))
    assert len(widths) < 3 or shares <= 0.6 * sum(widths)
