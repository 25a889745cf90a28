"""What is wrong with a table is said in one sentence with file, row, column and remedy; or what becomes of it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.faults import COLUMNS, PREDICT, TRAIN, Fault, good
from twopass.cli import main


def write(folder: Path, fault: Fault) -> None:
    content = fault.change(good())
    data = content.encode() if isinstance(content, str) else content
    if fault.file != "fruits.csv":
        (folder / fault.file).write_bytes(data)


@pytest.mark.parametrize("name", TRAIN)
def test_training(twopass, tmp_path: Path, name: str) -> None:
    fault = TRAIN[name]
    write(tmp_path, fault)
    outcome = twopass("train", fault.file, *fault.options.split(), "--dry-run")
    if fault.refused:
        assert (outcome.status, outcome.out, outcome.err) == (2, "", f"twopass: {fault.message}\n")
    else:
        assert (outcome.status, outcome.err) == (0, f"note: {fault.message}\n")


@pytest.mark.parametrize("name", COLUMNS)
def test_the_table_of_columns(twopass, tmp_path: Path, name: str) -> None:
    fault = COLUMNS[name]
    write(tmp_path, fault)
    outcome = twopass("train", fault.file, *fault.options.split(), "--dry-run")
    assert (outcome.status, outcome.err) == (0, "")
    assert fault.message in " ".join(outcome.out.split())


@pytest.fixture(scope="module")
def fruit_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("fruit")
    (folder / "fruit.csv").write_text("\n".join(good()))
    with pytest.raises(SystemExit) as exit_:
        main(["train", str(folder / "fruit.csv"), "--target", "kind", "--quiet", "--out", str(folder / "model")])
    assert not exit_.value.code
    return str(folder / "model")


@pytest.mark.parametrize("name", PREDICT)
def test_prediction(twopass, tmp_path: Path, fruit_model: str, name: str) -> None:
    fault = PREDICT[name]
    write(tmp_path, fault)
    outcome = twopass("predict", fruit_model, fault.file, "--out", "predictions.csv")
    if fault.refused:
        assert (outcome.status, outcome.out, outcome.err) == (2, "", f"twopass: {fault.message}\n")
        assert not (tmp_path / "predictions.csv").exists()
    else:
        said = f"60 predictions in predictions.csv\nnote: {fault.message}\n"
        assert (outcome.status, outcome.err) == (0, said)


def test_other_order_and_more_columns_change_no_prediction(twopass, tmp_path: Path, fruit_model: str) -> None:
    rows = [line.split(",") for line in good()]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, rows)))
    (tmp_path / "b.csv").write_text("\n".join(",".join(["new", *reversed(fields)]) for fields in rows))
    first, second = (twopass("predict", fruit_model, file) for file in ("a.csv", "b.csv"))
    assert first.out == second.out
    assert len(first.out.splitlines()) == 61
    assert first.err == second.err == ""


def test_there_are_forty_of_them() -> None:
    assert len(TRAIN) + len(COLUMNS) + len(PREDICT) >= 40
