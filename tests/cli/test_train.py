from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import twopass as tp
from twopass.io import load_model


def quality(text: str, name: str) -> float:
    return float(re.search(rf"{name} (-?[\d.]+)", text)[1])


@pytest.mark.parametrize("seed", ["0", "1"])
def test_without_arguments_it_learns_to_read_digits(twopass, tmp_path: Path, seed: str) -> None:
    outcome = twopass("train", "--seed", seed)
    assert outcome.status == 0, outcome.err
    test = next(line for line in outcome.out.splitlines() if line.startswith("test"))
    assert quality(test, "accuracy") >= 0.97
    assert (tmp_path / "digits-model" / "model.json").is_file()


def test_into_a_pipe_goes_plain_text(twopass) -> None:
    outcome = twopass("train", "--epochs", "2")
    assert outcome.out.isascii()
    assert "\x1b" not in outcome.out + outcome.err
    assert all(len(line) <= 80 for line in outcome.out.splitlines())
    assert "epoch 2/2" in outcome.err
    assert "* loss   + val_loss" in outcome.out


def test_the_next_commands_that_it_prints_work(twopass) -> None:
    lines = twopass("train", "--epochs", "2").out.splitlines()
    commands = [line.split()[1:] for line in lines if line.startswith("  twopass ")]
    assert [command[0] for command in commands] == ["evaluate", "predict"]
    for command in commands:
        assert twopass(*command).status == 0


def test_quiet_prints_nothing(twopass) -> None:
    outcome = twopass("train", "--epochs", "1", "--quiet")
    assert (outcome.status, outcome.out, outcome.err) == (0, "", "")


def test_the_same_seed_gives_the_same_model(twopass, tmp_path: Path) -> None:
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        twopass("train", "--epochs", "2", "--seed", seed, "--out", out, "--quiet")
    a, b, c = (load_model(tmp_path / name).tensors for name in "abc")
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not all(np.array_equal(a[name], c[name]) for name in a)


def test_every_option_reaches_the_trainer(twopass, tmp_path: Path) -> None:
    options = "--hidden 16,8 --activation tanh --dropout 0.1 --optimizer sgd --learning-rate 0.05 --epochs 3"
    more = "--batch-size 64 --early-stopping 2 --seed 5 --validation 0.2 --out m --quiet"
    assert twopass("train", *options.split(), *more.split()).status == 0
    trainer = tp.Trainer.load(tmp_path / "m")
    dense, dropout = tp.nn.Dense, tp.nn.Dropout
    assert trainer.net == tp.nn.Sequential(
        dense(16, activation="tanh"), dropout(0.1), dense(8, activation="tanh"), dropout(0.1), dense(10)
    )
    assert trainer.optimizer == tp.optim.SGD(learning_rate=0.05)
    assert trainer.seed == 5
    assert trainer.epoch == 3


def test_a_file_of_classes(twopass, houses: Path) -> None:
    outcome = twopass("train", str(houses), "--target", "kind", "--drop", "price")
    assert outcome.status == 0, outcome.err
    assert "kind (classification)" in outcome.out
    assert quality(outcome.out.split("\ntest")[1], "accuracy") >= 0.9


@pytest.mark.parametrize("loss", [None, "mean_absolute_error", "huber", "log_cosh"])
def test_a_file_of_numbers(twopass, houses: Path, loss: str | None) -> None:
    options = ["--loss", loss] if loss else []
    outcome = twopass("train", str(houses), "--target", "price", "--drop", "kind", "--epochs", "150", *options)
    assert outcome.status == 0, outcome.err
    assert "price (regression)" in outcome.out
    assert quality(outcome.out.split("\ntest")[1], "R2") >= 0.98
    assert quality(outcome.out, "mean absolute error") < 20_000


def test_the_task_can_be_chosen(twopass, tmp_path: Path) -> None:
    (tmp_path / "stars.csv").write_text("x,stars\n" + "".join(f"{i},{i // 10}\n" for i in range(50)))
    assert "classification" in twopass("train", "stars.csv", "--target", "stars", "--epochs", "1").out
    options = ["--target", "stars", "--epochs", "1", "--task", "regression"]
    assert "regression" in twopass("train", "stars.csv", *options).out


def test_an_npz_file(twopass, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(100, 3))
    np.savez(tmp_path / "rows.npz", x=x, y=x[:, 0] > 0)
    assert twopass("train", "rows.npz", "--target", "y", "--epochs", "2", "--quiet").status == 0


def test_a_linear_model(twopass, tmp_path: Path) -> None:
    assert twopass("train", "--hidden", "none", "--epochs", "2", "--quiet").status == 0
    assert tp.Trainer.load(tmp_path / "digits-model").net == tp.nn.Sequential(tp.nn.Dense(10))


def test_early_stopping_says_so(twopass, houses: Path) -> None:
    options = ["--target", "kind", "--early-stopping", "0", "--epochs", "500", "--learning-rate", "0.1"]
    outcome = twopass("train", str(houses), *options)
    assert "stopped: val_loss has not improved" in outcome.err


def test_early_stopping_needs_rows_to_validate_on(twopass, houses: Path) -> None:
    outcome = twopass("train", str(houses), "--target", "kind", "--early-stopping", "3", "--validation", "none")
    assert outcome.status == 2
    assert "no rows to validate on. Write --validation 0.1" in outcome.err


def test_without_rows_to_validate_on_all_epochs_are_made(twopass, houses: Path, tmp_path: Path) -> None:
    page = tmp_path / "houses.html"
    outcome = twopass("train", str(houses), "--target", "kind", "--epochs", "7", "--report", str(page))
    assert outcome.status == 0
    assert "to validate" not in outcome.out
    assert "7 epochs in" in outcome.out
    assert "val_" not in outcome.out + outcome.err
    assert "7 of 7 epochs" in page.read_text()


def test_a_diverging_run_explains_itself(twopass, houses: Path) -> None:
    options = ["--target", "price", "--optimizer", "sgd", "--learning-rate", "1e30"]
    outcome = twopass("train", str(houses), *options)
    assert outcome.status == 2
    assert re.search("became (nan|inf|NaN).*Lower the learning rate", outcome.err)
    assert not Path("houses-model").exists()
