from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from twopass.data import load_digits


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def test_predictions_of_a_data_set_are_those_of_its_test_rows(twopass, digits_model: Path) -> None:
    outcome = twopass("predict", str(digits_model), "digits")
    rows, digits = read(outcome.out), load_digits()
    assert len(rows) == 360
    assert np.mean([int(row["prediction"]) for row in rows] == digits.y_test) > 0.8
    assert all(0.1 <= float(row["probability"]) <= 1 for row in rows)


def test_predictions_go_into_a_file(twopass, digits_model: Path, tmp_path: Path) -> None:
    outcome = twopass("predict", str(digits_model), "digits", "--out", "sub/predictions.csv")
    assert (outcome.status, outcome.out) == (0, "")
    assert "360 predictions in sub/predictions.csv" in outcome.err
    assert (tmp_path / "sub" / "predictions.csv").read_text() == twopass("predict", str(digits_model), "digits").out


def test_columns_are_found_by_name_and_values_are_in_their_units(twopass, price_model: str, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("district,owner,area\nsouth,Ann,100\nnorth,Bob,100\n")
    south, north = (float(row["prediction"]) for row in read(twopass("predict", price_model, "new.csv").out))
    assert south == pytest.approx(200_000, rel=0.1)
    assert north == pytest.approx(300_000, rel=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("district,size\nsouth,100\n", "there is no column 'area' (at new.csv). The columns are district, size."),
        ("district,area\nsouth,big\n", "column 'area' holds 'big' where a number is needed (at new.csv, line 2)"),
        ("", "the file holds no rows"),
    ],
)
def test_rows_that_do_not_fit_are_refused(twopass, price_model: str, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "new.csv").write_text(text)
    outcome = twopass("predict", price_model, "new.csv")
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err


def test_evaluate_measures_in_the_units_of_the_target(twopass, price_model: str, houses: Path) -> None:
    outcome = twopass("evaluate", price_model, "houses.csv")
    report = dict(line.rsplit(maxsplit=1) for line in outcome.out.splitlines())
    assert float(report["R2"]) > 0.98
    assert 0 < float(report["mean absolute error"]) < 20_000
    assert report["rows"] == "200"


def test_evaluate_needs_the_target(twopass, price_model: str, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("district,area\nsouth,100\n")
    outcome = twopass("evaluate", price_model, "new.csv")
    assert outcome.status == 2
    assert "there is no column 'price'" in outcome.err


def test_evaluate_reports_the_accuracy_of_classes(twopass, digits_model: Path) -> None:
    report = dict(line.split() for line in twopass("evaluate", str(digits_model), "digits").out.splitlines())
    assert 0.8 < float(report["accuracy"]) <= 1
    assert set(report) == {"rows", "accuracy", "loss"}


def test_evaluate_leaves_rows_without_a_target_out_and_says_so(twopass, price_model: str, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("district,area,price\nsouth,100,200000\nnorth,100,\nsouth,80,160000\n")
    outcome = twopass("evaluate", price_model, "new.csv")
    assert outcome.out.startswith("rows                     2\n")
    assert outcome.err == "note: 1 row has no value in 'price'; left out\n"
    (tmp_path / "new.csv").write_text("district,area,price\nsouth,100,\n")
    assert "no row has a value in 'price' (at new.csv)" in twopass("evaluate", price_model, "new.csv").err
