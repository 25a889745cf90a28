"""What all commands have in common: help, mistakes, interruptions, pipes and terminals."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import twopass as package

COMMANDS = ["train", "predict", "evaluate", "export", "datasets", "techniques"]
BRAILLE = re.compile("[\u2801-\u28ff]")


def test_help_lists_the_commands(twopass) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = twopass(*arguments)
        assert outcome.status == 0
        assert [command for command in COMMANDS if re.search(rf"^. {command}  ", outcome.out, re.M)] == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(twopass, command: str) -> None:
    outcome = twopass(command, "--help")
    assert outcome.status == 0
    assert f"twopass {command}" in outcome.out
    assert "\x1b" not in outcome.out


def test_version(twopass) -> None:
    assert twopass("--version").out == f"twopass {package.__version__}\n"


def test_datasets_lists_each_one_and_where_it_is(twopass) -> None:
    outcome = twopass("datasets")
    for name in package.data.DATASETS:
        assert name in outcome.out
    assert "in the package" in outcome.out
    assert "cache" in outcome.out


MISTAKES = {
    "trian": "No such command 'trian'",
    "train --epochs 0": "'--epochs'",
    "train --epochs -3": "'--epochs'",
    "train --epochs many": "'--epochs'",
    "train --nonsense": "No such option: --nonsense",
    "predict": "Missing argument",
    "train mnits": "there is no data set or file named 'mnits'. Did you mean 'mnist'?",
    "train none.csv": "there is no such file (at none.csv)",
    "train notes.txt": "",
    "train houses.csv": "nothing says which column of houses.csv to predict",
    "train houses.csv --target prise": "there is no column 'prise' (at houses.csv). Did you mean 'price'?",
    "train houses.csv --target price --drop prise": "there is no column 'prise'",
    "train houses.csv --target kind --task regression": "column 'kind' holds",
    "train houses.csv --target kind --test 1.5": "--test 1.5 is no share of the rows",
    "train --target class": "--target, --task and --drop are for files",
    "train --hidden 64,x": "--hidden '64,x' is not a list of positive whole numbers",
    "train --hidden 0": "--hidden '0'",
    "train --activation rleu": "Did you mean 'relu'?",
    "train --optimizer adm": "Did you mean 'adam'?",
    "train --loss huber": "--loss 'huber' does not fit. Choose from softmax_cross_entropy.",
    "train --learning-rate -1": "learning_rate",
    "train --dropout 1": "Dropout: rate",
    "train --validation 0": "--validation 0 is no share of the rows",
    "train --out full": "the folder holds other things than a model (at full)",
    "train --out houses.csv": "houses.csv",
    "predict nowhere digits": "there is no such folder (at nowhere)",
    "predict full digits": "there is no model.json (at full)",
    "evaluate damaged digits": "the model is damaged (at damaged)",
    "evaluate foreign digits": "the model does not say which columns it needs (at foreign)",
    "evaluate model wine": "there is no data set or file named 'wine'",
    "predict model houses.csv": "there is no column 'pixel_0_0' (at houses.csv)",
    "predict model digits --out full/notes.txt/predictions.csv": "the predictions cannot be written",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_gets_one_line_and_status_2(
    twopass, command: str, houses: Path, digits_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no table at all\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("keep me")
    shutil.copytree(digits_model, tmp_path / "model")
    shutil.copytree(digits_model, tmp_path / "damaged")
    next((tmp_path / "damaged").glob("*.safetensors")).write_bytes(b"")
    package.io.save_model(tmp_path / "foreign", {}, {})
    before = sorted(tmp_path.rglob("*"))
    outcome = twopass(*command.split())
    assert outcome.status == 2
    assert outcome.err.startswith("twopass: ")
    assert len(outcome.err.splitlines()) == 1
    assert MISTAKES[command] in outcome.err
    assert ".py" not in outcome.err
    assert sorted(tmp_path.rglob("*")) == before


def test_offline_says_which_file_to_put_where(twopass, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(url: str, **options: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    outcome = twopass("train", "mnist")
    assert outcome.status == 2
    assert "no route to host" in outcome.err
    assert str(tmp_path / "cache" / "mnist" / "train-images-idx3-ubyte.gz") in outcome.err


def start(environment: dict[str, str], folder: Path, *arguments: str, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "twopass", *arguments]
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **options)


@pytest.mark.parametrize("before", [False, True], ids=["no model before", "a model before"])
def test_ctrl_c_saves_what_was_learned_but_replaces_no_model(
    environment: dict[str, str], tmp_path: Path, digits_model: Path, before: bool
) -> None:
    if before:
        shutil.copytree(digits_model, tmp_path / "digits-model")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(environment, tmp_path, "train", "--epochs", "1000000", **pipes) as process:
        while not process.stderr.readline().startswith("epoch 1/"):
            assert process.poll() is None
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "twopass: interrupted"
    kept = "digits-model keeps the model from before" if before else "digits-model has the model after epoch"
    assert kept in errors
    epoch = package.Trainer.load(tmp_path / "digits-model").epoch
    assert epoch == 4 if before else epoch >= 1


def test_a_closed_pipe_is_no_error(environment: dict[str, str], tmp_path: Path, digits_model: Path) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(environment, tmp_path, "predict", str(digits_model), "digits", **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert errors == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("colour", [True, False], ids=["colour", "NO_COLOR"])
def test_on_a_terminal_there_are_a_bar_and_braille_unless_colour_is_unwanted(
    environment: dict[str, str], tmp_path: Path, colour: bool
) -> None:
    import pty

    terminal, other_end = pty.openpty()
    settings = {**environment, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"}
    settings.pop("NO_COLOR", None)
    settings.update({} if colour else {"NO_COLOR": "1"})
    with start(settings, tmp_path, "train", "--epochs", "5", stdout=other_end, stderr=other_end) as process:
        os.close(other_end)
        shown = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # Linux reports the end of a pseudo-terminal so
                break
            if not part:
                break
            shown += part
    os.close(terminal)
    text = shown.decode()
    assert process.returncode == 0
    assert "samples/s" in text
    assert bool(BRAILLE.search(text)) == colour
    assert ("\x1b[36m" in text) == colour
