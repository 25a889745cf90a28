from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twopass.cli.source import read_rows, read_samples
from twopass.data import load_digits
from twopass.errors import ArgumentError, DataError

DEFAULTS = {"target": None, "task": None, "drop": (), "test": 0.2, "seed": 0}


@pytest.fixture
def toys(tmp_path: Path) -> str:
    """A table with a column of each kind: 40 toys of two kinds, small red ones and large blue ones."""
    rows = [f"{size},{('red', 'blue')[size % 2]},{40 + size}" for size in range(40)]
    (tmp_path / "toys.csv").write_text("\n".join(["size,colour,price", *rows]))
    return str(tmp_path / "toys.csv")


def test_digits_are_the_arrays_of_the_data_set() -> None:
    samples, digits = read_samples("digits", **DEFAULTS), load_digits()
    assert np.array_equal(samples.x_train, digits.x_train)
    assert np.array_equal(samples.y_test, digits.y_test)
    assert np.array_equal(samples.encoder.inputs(read_rows("digits")), digits.x_test)


def test_a_table_is_split_and_scaled_over_its_training_rows(toys: str) -> None:
    samples = read_samples(toys, **{**DEFAULTS, "target": "price"})
    assert (len(samples.x_train), len(samples.x_test)) == (32, 8)
    assert samples.x_train[:, 0].mean() == pytest.approx(0, abs=1e-6)
    assert samples.x_train[:, 0].std() == pytest.approx(1, abs=1e-6)
    assert samples.y_train.std() == pytest.approx(1, abs=1e-6)
    prices = samples.encoder.target.decode(np.concatenate([samples.y_train, samples.y_test]))
    assert sorted(prices.round()) == list(range(40, 80))


def test_classes_keep_their_shares(toys: str) -> None:
    samples = read_samples(toys, **{**DEFAULTS, "target": "colour", "drop": ["price"]})
    assert np.bincount(samples.y_test).tolist() == [4, 4]
    assert [feature.name for feature in samples.encoder.features] == ["size"]


def test_the_seed_decides_which_rows_are_held_out(toys: str) -> None:
    first, again, other = (read_samples(toys, **{**DEFAULTS, "target": "price", "seed": seed}) for seed in (1, 1, 2))
    assert np.array_equal(first.y_test, again.y_test)
    assert not np.array_equal(first.y_test, other.y_test)


def test_options_of_files_are_refused_for_data_sets() -> None:
    with pytest.raises(ArgumentError, match="--target, --task and --drop are for files, and 'digits' is a data set"):
        read_samples("digits", **{**DEFAULTS, "target": "pixel_0_0"})


def test_a_file_needs_a_target(toys: str) -> None:
    with pytest.raises(ArgumentError, match=r"which column of toys\.csv to predict.*--target.*size, colour, price"):
        read_samples(toys, **DEFAULTS)


def test_an_unknown_source_gets_a_suggestion() -> None:
    with pytest.raises(DataError, match=r"there is no data set or file named 'digit'\. Did you mean 'digits'"):
        read_rows("digit")
    with pytest.raises(DataError, match="Known names: california-housing, digits"):
        read_rows("wine")
    with pytest.raises(DataError, match=r"there is no such file \(at none.csv\)"):
        read_rows("none.csv")
