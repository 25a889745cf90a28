from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.data import load_digits, split
from twopass.errors import ArgumentError


@given(n=st.integers(2, 60), data=st.data(), seed=st.integers(0, 10), stratify=st.booleans())
def test_split_is_a_partition_of_the_asked_size(n: int, data: st.DataObject, seed: int, stratify: bool) -> None:
    size = data.draw(st.integers(1, n - 1))
    x = np.arange(n)
    y = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    x_kept, y_kept, x_held, y_held = split(x, y, size, seed=seed, stratify=stratify)
    assert len(x_held) == size
    assert sorted([*x_kept, *x_held]) == list(range(n))
    assert np.array_equal(y[x_kept], y_kept)
    assert np.array_equal(y[x_held], y_held)
    if stratify:
        counts = np.bincount(y_held, minlength=4)
        assert np.all(np.abs(counts - np.bincount(y, minlength=4) * size / n) < 1 + 1e-9)


def test_split_depends_on_the_seed_alone() -> None:
    x = np.arange(100)
    first, again, other = (split(x, x, 0.2, seed=seed)[2] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_split_by_fraction_rounds_up() -> None:
    assert len(split(np.arange(11), np.arange(11), 0.1)[2]) == 2


@pytest.mark.parametrize("size", [0, -1, 10, 11, 0.0, 1.0, 1.5, 2.5, float("nan")])
def test_split_refuses_sizes_that_leave_nothing(size: float) -> None:
    with pytest.raises(ArgumentError, match="cannot be held out from 10 rows"):
        split(np.arange(10), np.arange(10), size)


def test_split_refuses_unequal_lengths() -> None:
    with pytest.raises(ArgumentError, match="x has 3 rows and y has 2"):
        split(np.arange(3), np.arange(2), 1)


def test_dataset_refuses_rows_that_its_description_does_not_fit() -> None:
    digits = load_digits()
    with pytest.raises(ArgumentError, match="test rows of 'digits'"):
        dataclasses.replace(digits, x_test=digits.x_test[:, :10])


def test_validation_split_keeps_the_shares_of_the_classes() -> None:
    digits = load_digits()
    x_train, y_train, x_validation, y_validation = digits.validation_split(143)
    assert (len(x_train), len(y_train), len(x_validation)) == (1294, 1294, 143)
    assert set(np.bincount(y_validation)) <= {13, 14, 15}


def test_table_names_the_classes() -> None:
    digits = load_digits()
    table = digits.table("train")
    assert len(table) == 1437
    assert np.array_equal(table.column("pixel_2_3"), digits.x_train[:, 2 * 8 + 3])
    assert np.array_equal(table.column("class").astype(int), digits.y_train)
