from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twopass.cli.source import Choice, encode, open_rows, read_samples
from twopass.data import load_digits
from twopass.errors import ArgumentError, DataError


def rows_of(part: tuple[np.ndarray, np.ndarray]) -> int:
    assert len(part[0]) == len(part[1])
    return len(part[0])


@pytest.fixture
def toys(tmp_path: Path) -> str:
    """A table with a column of each kind: 40 toys of two kinds, small red ones and large blue ones."""
    rows = [f"{size},{('red', 'blue')[size % 2]},{40 + size}" for size in range(40)]
    (tmp_path / "toys.csv").write_text("\n".join(["size,colour,price", *rows]))
    return str(tmp_path / "toys.csv")


def test_digits_are_the_arrays_of_the_data_set() -> None:
    samples, digits = read_samples(Choice("digits")), load_digits()
    assert rows_of(samples.train) + rows_of(samples.validation) == len(digits.x_train)
    assert np.array_equal(samples.test[1], digits.y_test)
    assert np.array_equal(encode(samples.encoder, open_rows("digits"))[0], digits.x_test)


def test_a_table_is_split_and_scaled_over_its_training_rows(toys: str) -> None:
    samples = read_samples(Choice(toys, "price", validation="0.1"))
    assert [rows_of(part) for part in (samples.train, samples.validation, samples.test)] == [28, 4, 8]
    assert samples.train[0][:, 0].mean() == pytest.approx(0, abs=1e-3)  # but for the bend far out
    assert samples.train[0][:, 0].std() == pytest.approx(1, abs=2e-2)
    assert samples.train[1].mean() == pytest.approx(0, abs=1e-6)
    assert samples.train[1].std() == pytest.approx(1, abs=1e-6)
    prices = samples.encoder.target.decode(np.concatenate([samples.train[1], samples.validation[1], samples.test[1]]))
    assert sorted(prices.round()) == list(range(40, 80))


def test_classes_keep_their_shares(toys: str) -> None:
    samples = read_samples(Choice(toys, "colour", drop=["price"]))
    assert np.bincount(samples.test[1]).tolist() == [4, 4]
    assert [feature.name for feature in samples.encoder.features] == ["size"]


def test_the_seed_decides_which_rows_are_held_out(toys: str) -> None:
    first, again, other = (read_samples(Choice(toys, "price", seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.test[1], again.test[1])
    assert not np.array_equal(first.test[1], other.test[1])


@pytest.mark.parametrize("rows", [2000, 3000])
def test_small_tables_have_no_rows_to_validate_on(rows: int, toys: str, tmp_path: Path) -> None:
    assert [rows_of(read_samples(Choice(toys, "price")).validation)] == [0]
    table = tmp_path / "many.csv"
    table.write_text("\n".join(["size,price", *(f"{size},{size % 7}" for size in range(rows))]))
    held_out = {"auto": 0 if rows == 2000 else 240, "none": 0, "0.25": rows // 5}
    for validation, count in held_out.items():
        assert rows_of(read_samples(Choice(str(table), "price", validation=validation)).validation) == count


def test_data_sets_have_rows_to_validate_on_unless_told_otherwise() -> None:
    assert rows_of(read_samples(Choice("digits")).validation) > 100
    whole = read_samples(Choice("digits", validation="none"))
    assert (rows_of(whole.train), rows_of(whole.validation)) == (len(load_digits().x_train), 0)


def test_rows_to_validate_on_can_be_in_a_file(toys: str) -> None:
    samples = read_samples(Choice(toys, "price", validation=toys))
    assert [rows_of(part) for part in (samples.train, samples.validation, samples.test)] == [32, 40, 8]


def test_options_of_files_are_refused_for_data_sets() -> None:
    with pytest.raises(ArgumentError, match="--target, --task and --drop are for files, and 'digits' is a data set"):
        read_samples(Choice("digits", "pixel_0_0"))
    with pytest.raises(ArgumentError, match=r"--validation 'rows\.csv' is no share of the rows"):
        read_samples(Choice("digits", validation="rows.csv"))


def test_a_file_needs_a_target(toys: str) -> None:
    with pytest.raises(ArgumentError, match=r"which column of toys\.csv to predict.*--target.*size, colour, price"):
        read_samples(Choice(toys))


def test_an_unknown_source_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"there is no data set or file named 'digit'\. Did you mean 'digits'"):
        open_rows("digit")
    with pytest.raises(DataError, match="Known names: california-housing, digits"):
        open_rows("wine")
    with pytest.raises(DataError, match=r"there is no such file \(at none.csv\)"):
        open_rows("none.csv")
