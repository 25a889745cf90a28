from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twopass.errors import ArgumentError
from twopass.nn.random import as_seed, bits, child_seed, fold_in, uniform

KEYS = st.integers(0, 2**64 - 1)
MASK = 2**64 - 1


def splitmix64(state: int, count: int) -> list[int]:
    """The generator as its authors write it, with a state."""
    out = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        out.append(z ^ (z >> 31))
    return out


@given(KEYS, st.integers(0, 20))
def test_bits_are_splitmix64(key: int, count: int) -> None:
    assert bits(key, (count,)).tolist() == splitmix64(key, count)


def test_published_values() -> None:
    """The first numbers for the seed 1234567, as the Rosetta Code page on SplitMix64 lists them."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert bits(1234567, (4,)).tolist() == expected


@given(KEYS)
def test_position_counts_in_c_order(key: int) -> None:
    np.testing.assert_array_equal(bits(key, (2, 3, 4)).ravel(), bits(key, (24,)))


@given(KEYS)
def test_keys_may_be_of_any_integer_type(key: int) -> None:
    for same in (np.uint64(key), np.array(key, np.uint64)):
        np.testing.assert_array_equal(bits(same, (5,)), bits(key, (5,)))
        assert fold_in(same, np.int64(3)) == fold_in(key, 3) == fold_in(key, np.array(3, np.uint8))


@given(KEYS)
def test_uniform_takes_the_top_bits(key: int) -> None:
    top = np.array(bits(key, (50,)).tolist(), dtype=object)
    single, double = uniform(key, (50,)), uniform(key, (50,), np.float64)
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    assert single.tolist() == [number / 2**24 for number in top // 2**40]
    assert double.tolist() == [number / 2**53 for number in top // 2**11]
    assert (single >= 0).all()
    assert (single < 1).all()


def test_uniform_is_uniform() -> None:
    counts = np.histogram(uniform(7, (100_000,)), bins=100, range=(0, 1))[0]
    chi_square = np.sum((counts - 1000) ** 2 / 1000)
    assert 50 < chi_square < 160  # 99 degrees of freedom: mean 99, deviation 14


def test_other_dtypes_are_refused() -> None:
    with pytest.raises(ArgumentError, match="float32 or float64 numbers, not float16"):
        uniform(0, (1,), np.float16)


def test_folded_keys_differ_from_each_other_and_from_the_stream() -> None:
    keys = [int(fold_in(parent, data)) for parent in range(30) for data in range(30)]
    numbers = [number for key in range(30) for number in bits(key, (30,)).tolist()]
    assert len({*keys, *numbers}) == 1800


class TestSeeds:
    def test_children_are_those_of_spawn(self) -> None:
        expected = [child.generate_state(4).tolist() for child in np.random.SeedSequence(5).spawn(3)]
        assert [child_seed(5, index).generate_state(4).tolist() for index in range(3)] == expected

    def test_asking_changes_nothing(self) -> None:
        seed = np.random.SeedSequence(5)
        first = child_seed(child_seed(seed, 1), 2).generate_state(2)
        np.testing.assert_array_equal(child_seed(child_seed(seed, 1), 2).generate_state(2), first)
        assert seed.n_children_spawned == 0

    @pytest.mark.parametrize("bad", [-1, 0.5, None, True, "0"])
    def test_what_is_no_seed(self, bad: object) -> None:
        with pytest.raises(ArgumentError, match="seed must be a non-negative integer"):
            as_seed(bad)
