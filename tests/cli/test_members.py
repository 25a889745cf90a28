"""``twopass train --members``, and what the other commands make of such a model."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.cli.test_export import columns_of
from tests.io.exports import running

import twopass as tp
from twopass.cli.model import Fitted
from twopass.data import TableFile

TRAIN = ("--members", "3", "--epochs", "8", "--hidden", "8", "--batch-size", "64")


@pytest.fixture
def house(twopass, houses: Path) -> Path:
    """The model of 200 houses, by three networks."""
    assert twopass("train", str(houses), "--target", "price", *TRAIN, "--out", "house", "--quiet").status == 0
    return houses


def test_the_plan_says_how_many(twopass, houses: Path) -> None:
    out = twopass("train", str(houses), "--target", "price", *TRAIN, "--dry-run").out
    assert "network   3 x (5 -> 8 -> 1), 171 parameters" in out


def test_a_number_has_mean_and_spread(twopass, house: Path) -> None:
    rows = list(csv.DictReader(twopass("predict", "house", str(house)).out.splitlines()))
    fitted = Fitted.load(Path("house"))
    (chunk,) = TableFile(house)
    outputs = fitted.trainer.predict(fitted.encoder.inputs(chunk))
    assert outputs.shape == (200, 3, 1)
    each = np.stack([fitted.encoder.target.decode(outputs[:, index]) for index in range(3)])
    np.testing.assert_allclose([float(row["prediction"]) for row in rows], each.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose([float(row["spread"]) for row in rows], each.std(axis=0), rtol=1e-5)


def test_evaluating_judges_the_mean(twopass, house: Path) -> None:
    found = dict(line.rsplit(maxsplit=1) for line in twopass("evaluate", "house", str(house)).out.splitlines())
    rows = list(csv.DictReader(twopass("predict", "house", str(house)).out.splitlines()))
    true = np.array([float(row["price"]) for row in csv.DictReader(house.read_text().splitlines())])
    predicted = np.array([float(row["prediction"]) for row in rows])
    error = np.mean((predicted - true) ** 2)
    assert float(found["R2"]) == pytest.approx(1 - error / true.var(), abs=1e-4)


def test_exported_it_gives_the_mean(twopass, house: Path, tmp_path: Path) -> None:
    assert twopass("export", "house", "--onnx", "m.onnx", "--c", "m.c").status == 0
    rows = list(csv.DictReader(twopass("predict", "house", str(house)).out.splitlines()))
    expected = np.array([float(row["prediction"]) for row in rows])
    x = columns_of(house, Fitted.load(Path("house")))
    (found,) = running.run_onnx(tmp_path / "m.onnx", [x])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    (found,) = running.run_c(running.compile_c([tmp_path / "m.c"]), "m", [x], [expected])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_classes_and_the_page(twopass, houses: Path, tmp_path: Path) -> None:
    options = ["--target", "kind", *TRAIN, "--out", "kinds", "--report", "page.html"]
    outcome = twopass("train", str(houses), *options)
    assert outcome.status == 0, outcome.err
    assert "this network" in outcome.out
    assert "Ensemble" in (tmp_path / "page.html").read_text()
    assert isinstance(tp.Trainer.load("kinds").net, tp.nn.Ensemble)
    assert twopass("export", "kinds", "--onnx", "m.onnx").status == 0
    rows = list(csv.DictReader(twopass("predict", "kinds", str(houses)).out.splitlines()))
    probabilities, label = running.run_onnx(tmp_path / "m.onnx", [columns_of(houses, Fitted.load(Path("kinds")))])
    assert label.tolist() == [row["prediction"] for row in rows]
    np.testing.assert_allclose(probabilities.max(axis=1), [float(row["probability"]) for row in rows], rtol=1e-5)
    assert all(0 <= float(row["spread"]) <= 0.5 for row in rows)


def test_there_is_at_least_one(twopass, houses: Path) -> None:
    outcome = twopass("train", str(houses), "--target", "price", "--members", "0")
    assert outcome.status == 2
    assert "--members" in outcome.err


def test_small_tables_have_several_and_any_optimizer(twopass, houses: Path) -> None:
    plan = ("train", str(houses), "--target", "price", "--dry-run")
    assert "network   5 x (5 -> 64 -> 64 -> 1)" in twopass(*plan).out
    assert "adamw, 0.003 one-cycle, weight decay 1\n" in twopass(*plan).out
    assert "network   5 -> 64 -> 64 -> 1" in twopass(*plan, "--members", "1").out
    assert "adam, 0.003 one-cycle\n" in twopass(*plan, "--optimizer", "adam").out
    assert "weight decay 0.1\n" in twopass(*plan, "--weight-decay", "0.1").out
    options = ["--optimizer", "adam", "--weight-decay", "0.1"]
    outcome = twopass("train", str(houses), "--target", "price", *options)
    assert outcome.err == "twopass: Adam has no weight decay. Write --optimizer adamw, or leave --weight-decay out.\n"
    assert twopass("train", str(houses), "--target", "price", "--optimizer", "adam", "--epochs", "1").status == 0
