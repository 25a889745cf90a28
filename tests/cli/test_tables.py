"""``twopass train`` on tables: the plan, the choices, the comparison, the page, the memory."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import polars
import pytest
from benchmarks.tables import peak_memory, write_large

import twopass as tp
from twopass.cli import settings
from twopass.io import load_model


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """400 shops with one of each kind of column; whether they last depends on three of them."""
    rng = np.random.default_rng(0)
    area = rng.lognormal(4, 1, 400).round(1)
    kind = rng.choice(["food", "books", "shoes"], 400)
    day = (np.datetime64("2024-01-01") + rng.integers(0, 700, 400)).astype(str)
    lasts = np.where((area > 50) ^ (kind == "books"), "yes", "no")
    columns = [area.astype(str), kind, day, rng.choice(["true", "false"], 400), lasts]
    columns[0] = np.where(rng.random(400) < 0.05, "", columns[0])
    rows = [",".join(row) for row in zip(*columns, strict=True)]
    (tmp_path / "shops.csv").write_text("\n".join(["area,kind,opened,corner,lasts", *rows]) + "\n")
    return tmp_path / "shops.csv"


def test_a_dry_run_prints_the_plan_and_does_nothing(twopass, shops: Path, tmp_path: Path) -> None:
    outcome = twopass("train", "shops.csv", "--target", "lasts", "--dry-run")
    assert outcome.status == 0
    for line in (
        r"area +number +\d\.\d% +centred on",
        "kind +category",
        "opened +date",
        "corner +yes or no",
        "lasts +target",
    ):
        assert re.search(line, outcome.out), line
    assert "320 rows to train on, 80 to test" in outcome.out
    held_out = twopass("train", "shops.csv", "--target", "lasts", "--dry-run", "--validation", "0.1")
    assert "288 rows to train on, 32 to validate, 80 to test" in held_out.out
    assert "training  100 epochs, batches of 32, adamw" in outcome.out
    assert list(tmp_path.iterdir()) == [shops]
    assert "epoch" not in outcome.err


def test_it_beats_the_baselines_that_it_prints(twopass, shops: Path) -> None:
    out = twopass("train", "shops.csv", "--target", "lasts").out
    found = {who: float(re.search(rf"^{who} +([\d.]+)", out, re.M)[1]) for who in ("linear model", "this network")}
    assert found["this network"] > found["linear model"] + 0.05
    assert "most frequent class" in out
    importances = re.findall(r"^(area|kind|opened|corner) +(-?[\d.]+)", out.split("without the column")[1], re.M)
    assert {importances[0][0], importances[1][0]} == {"area", "kind"}


def test_a_config_sets_options_and_what_is_typed_wins(twopass, shops: Path, tmp_path: Path) -> None:
    lines = [
        'source = "shops.csv"',
        'target = "lasts"',
        "epochs = 3",
        "batch-size = 16",
        'drop = ["corner"]',
        "quiet = true",
    ]
    (tmp_path / "run.toml").write_text("\n".join(lines))
    outcome = twopass("train", "--config", "run.toml", "--epochs", "2")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")
    trainer = tp.Trainer.load("shops-model")
    assert trainer.epoch == 2
    encoder = load_model("shops-model").config["extra"]["encoder"]
    assert {"name": "corner", "why": "dropped"} in encoder["left_out"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "run.toml: there is no option named 'epoch'. Did you mean 'epochs'?"),
        ("epochs 3", "--config is not TOML"),
        ("epochs = [1, 2]", "epochs is [1, 2] (at run.toml). Give it one value: epochs = ..."),
        ("epochs = 'many'", "'--epochs'"),
        ("task = 'ranking'", "'--task'"),
    ],
)
def test_a_wrong_config_is_named(twopass, shops: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.toml").write_text(text)
    outcome = twopass("train", "shops.csv", "--target", "lasts", "--config", "run.toml")
    assert outcome.status == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert twopass("train", "--config", "none.toml").err == (
        "twopass: --config cannot be read: No such file or directory (at none.toml).\n"
    )


def test_the_page_is_whole_and_its_command_makes_the_model_again(twopass, shops: Path, tmp_path: Path) -> None:
    outcome = twopass(
        "train", "shops.csv", "--target", "lasts", "--seed", "3", "--epochs", "20", "--report", "page.html", "-q"
    )
    assert outcome.status == 0, outcome.err
    page = (tmp_path / "page.html").read_text()
    assert not re.search(r"(src|href)=\"(?!#|data:)|url\(http|<script", page)
    for title in ("Data", "Network and training", "Quality on the test rows", "What the columns contribute"):
        assert f"<h2>{title}</h2>" in page
    pictures = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(pictures) == 3
    for picture in pictures:
        ElementTree.fromstring(picture)
    command = re.search(r"<pre>twopass (.*)</pre>", page)[1]
    assert command == "train shops.csv --target lasts --epochs 20 --seed 3"
    before = load_model("shops-model").tensors
    assert twopass(*command.split(), "--quiet").status == 0
    assert all(np.array_equal(before[name], tensor) for name, tensor in load_model("shops-model").tensors.items())


def test_a_page_that_cannot_be_written_is_known_before_the_training(twopass, shops: Path) -> None:
    for path, message in (("page.txt", "is no page"), ("none/page.html", "the folder of the report does not exist")):
        outcome = twopass("train", "shops.csv", "--target", "lasts", "--report", path)
        assert (outcome.status, outcome.out) == (2, "")
        assert message in outcome.err


def test_rare_classes_count_more(twopass, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    rows = [f"{a:.3f},{'fault' if a + rng.normal() > 2.6 else 'fine'}" for a in x]
    (tmp_path / "parts.csv").write_text("\n".join(["x,state", *rows]))
    plan = twopass("train", "parts.csv", "--target", "state", "--epochs", "40")
    assert "unbalanced; weighted by" in plan.out
    assert "balanced accuracy" in plan.out
    plain = twopass("train", "parts.csv", "--target", "state", "--epochs", "40", "--class-weight", "none")
    assert "weighted by" not in plain.out
    scores = [float(re.search(r"balanced accuracy ([\d.]+)", out)[1]) for out in (plan.out, plain.out)]
    assert scores[0] > scores[1]
    refused = twopass("train", "parts.csv", "--target", "x", "--class-weight", "balanced")
    assert "--class-weight is for classes, and 'x' is a number" in refused.err


def test_rows_to_validate_on_from_a_file(twopass, shops: Path, tmp_path: Path) -> None:
    (tmp_path / "later.csv").write_text("\n".join(shops.read_text().splitlines()[:41]))
    outcome = twopass("train", "shops.csv", "--target", "lasts", "--validation", "later.csv", "--epochs", "2")
    assert "320 rows to train on, 40 to validate, 80 to test" in outcome.out


def test_parquet_in_and_out_is_csv_in_and_out(twopass, shops: Path, tmp_path: Path) -> None:
    polars.read_csv("shops.csv", try_parse_dates=True).write_parquet("shops.parquet")
    for source in ("shops.parquet", "shops.csv"):
        options = ["--target", "lasts", "--epochs", "5", "--quiet", "--out", source.split(".")[1]]
        assert twopass("train", source, *options).status == 0
    csv, parquet = (load_model(folder) for folder in ("csv", "parquet"))
    assert csv.config["extra"] == parquet.config["extra"]
    for file in ("shops.csv", "shops.parquet"):
        assert twopass("predict", "parquet", file, "--out", f"{file}.out.csv").status == 0
    assert Path("shops.csv.out.csv").read_text() == Path("shops.parquet.out.csv").read_text()
    assert "400 predictions" in twopass("predict", "csv", "shops.csv", "--out", "out.parquet").err
    found, expected = polars.read_parquet("out.parquet"), polars.read_csv("shops.csv.out.csv")
    assert found["prediction"].to_list() == expected["prediction"].to_list()
    assert found["probability"].to_list() == pytest.approx(expected["probability"].to_list(), rel=1e-6)


def test_the_larger_the_table_the_fewer_the_epochs() -> None:
    sizes = [100, 1_000, 5_000, 20_000, 50_000, 200_000, 10_000_000]
    chosen = [settings.for_table(size) for size in sizes]
    assert [each.epochs for each in chosen] == sorted((each.epochs for each in chosen), reverse=True)
    assert [each.batch_size for each in chosen] == sorted(each.batch_size for each in chosen)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of a process")
def test_training_takes_little_memory_beside_the_inputs(tmp_path: Path) -> None:
    # Large enough to be read in pieces.
    write_large(tmp_path / "large.csv", rows=50_000, columns=20)
    options = ["--target", "y", "--epochs", "1", "--hidden", "8", "--quiet", "--out", str(tmp_path / "model")]
    peak, _ = peak_memory(["train", str(tmp_path / "large.csv"), *options])
    assert peak < 500e6
