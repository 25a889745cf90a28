"""Tables with many categories: the same commands with ``--embeddings``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.io.exports import running

import twopass as tp
from twopass.cli.model import Fitted
from twopass.io import load_model


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    """900 sales of 30 shops, whose effects are all that there is to learn besides a number; some without a shop."""
    rng = np.random.default_rng(0)
    shop, size = rng.integers(0, 30, 900), rng.normal(size=900)
    price = 10 + size + 3 * rng.normal(size=30)[shop]
    names = np.where(rng.random(900) < 0.05, "", np.char.add("shop ", shop.astype(str)))
    rows = [f"{name},{one:.3f},{kind},{y:.3f}" for name, one, kind, y in zip(names, size, shop % 3, price, strict=True)]
    text = "\n".join(["shop,size,kind,price", *rows]).replace(",0,", ",food,").replace(",1,", ",books,")
    (tmp_path / "sales.csv").write_text(text.replace(",2,", ",shoes,") + "\n")
    return tmp_path / "sales.csv"


def test_train_predict_evaluate_export(twopass, sales: Path, tmp_path: Path) -> None:
    outcome = twopass("train", "sales.csv", "--target", "price", "--embeddings", "10", "--epochs", "40", "--out", "m")
    assert outcome.status == 0, outcome.err
    assert "a vector of 3 for each of 30 categories" in outcome.out
    assert "one input for each of 3 categories" in outcome.out
    scores = {
        who: float(line.split()[2])
        for line in outcome.out.splitlines()
        for who in ("linear", "this")
        if line.startswith(f"{who} ")
    }
    assert scores["this"] > 0.8 and scores["linear"] > 0.8
    assert outcome.out.split("without the column")[1].split()[2] == "shop"

    net = tp.Trainer.load("m").net.net  # of several members
    assert net.layers[0] == tp.nn.EmbeddedColumns((0,), (tp.nn.Embedding(32, 3),))
    described = load_model("m").config["extra"]["encoder"]["features"][0]
    assert described["kind"] == "vocabulary" and len(described["known"]) == 30 and described["indicator"]

    assert "R2" in twopass("evaluate", "m", "sales.csv").out
    Path("new.csv").write_text("shop,size,kind\nshop 3,0.5,food\nelsewhere,0.5,food\n,0.5,food\n")
    outcome = twopass("predict", "m", "new.csv")
    predicted = [float(row["prediction"]) for row in csv.DictReader(outcome.out.splitlines())]
    assert "holds 'elsewhere'" in outcome.err and "taken as a rare one" in outcome.err
    assert "has no value" not in outcome.err  # some of the training rows had none
    fitted = Fitted.load(Path("m"))
    known, kinds = fitted.encoder.features[0].known, fitted.encoder.features[2].known
    x = np.array([[known.index("shop 3"), 0.5], [-1, 0.5], [np.nan, 0.5]])
    x = np.concatenate([x, np.full((3, 1), kinds.index("food"))], axis=1)
    assert twopass("export", "m", "--onnx", "m.onnx", "--c", "m.c").status == 0
    (found,) = running.run_onnx(tmp_path / "m.onnx", [x])
    np.testing.assert_allclose(found, predicted, rtol=1e-5)
    (found,) = running.run_c(running.compile_c([tmp_path / "m.c"]), "m", [x], [np.array(predicted)])
    np.testing.assert_allclose(found, predicted, rtol=1e-5)


def test_what_no_row_had_has_the_mean_vector(twopass, sales: Path) -> None:
    command = ("train", "sales.csv", "--target", "price", "--embeddings", "10", "--epochs", "2", "-q", "--out", "m")
    assert twopass(*command).status == 0
    for vectors in tp.Trainer.load("m").params[0][0]["weight"]:  # of each member
        assert (vectors[30] >= vectors[:30].min(axis=0)).all() and (vectors[30] <= vectors[:30].max(axis=0)).all()


@pytest.mark.parametrize(
    ("options", "found"), [((), "one input for each of 30"), (("--embeddings", "none"), "one input for each of 30")]
)
def test_few_categories_have_inputs_by_default(twopass, sales: Path, options: tuple[str, ...], found: str) -> None:
    assert found in twopass("train", "sales.csv", "--target", "price", "--dry-run", *options).out


def test_more_than_255_categories_are_embedded_by_default(twopass, tmp_path: Path) -> None:
    rows = [f"item {n % 256},{n % 256 + n % 2}" for n in range(3072)]
    (tmp_path / "items.csv").write_text("\n".join(["item,y", *rows]) + "\n")
    assert "a vector of 4 for each of 256 categories" in twopass("train", "items.csv", "--target", "y", "--dry-run").out
    outcome = twopass("train", "items.csv", "--target", "y", "--dry-run", "--embeddings", "none")
    assert "one input for each of" in outcome.out


def test_a_wrong_number(twopass, sales: Path) -> None:
    outcome = twopass("train", "sales.csv", "--target", "price", "--embeddings", "many")
    assert outcome.status == 2
    assert "--embeddings 'many' is not a number of categories. Write auto, none, or a whole number" in outcome.err
