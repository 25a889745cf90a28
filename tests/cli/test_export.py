from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io.exports import running

import twopass as tp
from twopass.cli.columns import described, summary
from twopass.cli.model import Fitted
from twopass.data import load_digits, read_table


def columns_of(path: Path, fitted: Fitted) -> Any:
    """The input of an exported model: numbers as they are in the file, categories as indices."""
    table, parts = read_table(path), []
    for column in fitted.encoder.features:
        values = described(column).get("values")
        texts = None if values is None else table.texts(column.name).tolist()
        parts.append(table.numbers(column.name) if values is None else np.array([values.index(text) for text in texts]))
    return np.stack(parts, axis=1).astype(np.float64)


def test_a_regression_with_numbers_and_categories(twopass, price_model: str, houses: Path, tmp_path: Path) -> None:
    outcome = twopass("export", price_model, "--onnx", "price.onnx", "--c", "price.c")
    assert (outcome.status, outcome.err) == (0, "")
    assert "price.onnx" in outcome.out and "price.c, price.h" in outcome.out
    rows = list(csv.DictReader(twopass("predict", price_model, str(houses)).out.splitlines()))
    expected = np.array([float(row["prediction"]) for row in rows])
    x = columns_of(houses, Fitted.load(Path(price_model)))
    (found,) = running.run_onnx(tmp_path / "price.onnx", [x])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    (found,) = running.run_c(running.compile_c([tmp_path / "price.c"]), "price", [x], [expected])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    told = ", ".join(map(summary, Fitted.load(Path(price_model)).encoder.features))
    assert "area" in told and "is north" in told and f" *   {told}.\n" in (tmp_path / "price.h").read_text()


def test_a_category_that_was_never_seen_is_no_input(twopass, price_model: str, houses: Path, tmp_path: Path) -> None:
    twopass("export", price_model, "--onnx", "price.onnx")
    prices = running.run_onnx(tmp_path / "price.onnx", [np.array([[100.0, 0], [100, 1], [100, 2], [100, -1]])])[0]
    assert prices[2] == prices[3] and prices[2] not in (prices[0], prices[1])


def test_a_classification(twopass, digits_model: Path, tmp_path: Path) -> None:
    outcome = twopass("export", str(digits_model), "--onnx", "digits.onnx", "--c", "digits.c")
    sizes = dict(line.split(maxsplit=1) for line in outcome.out.splitlines())
    assert sizes["tables"] == f"{4 * (64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10):,} bytes"
    assert ("object" in sizes) == (shutil.which("cc") is not None)
    predicted = list(csv.DictReader(twopass("predict", str(digits_model), "digits").out.splitlines()))
    x = load_digits().x_test
    probabilities, label = running.run_onnx(tmp_path / "digits.onnx", [x])
    assert label.tolist() == [row["prediction"] for row in predicted]
    np.testing.assert_allclose(probabilities.max(axis=1), [float(row["probability"]) for row in predicted], rtol=1e-5)
    library = running.compile_c([tmp_path / "digits.c"])
    found = running.run_c(library, "digits", [x], [probabilities, np.zeros(len(x), np.int32)])
    np.testing.assert_allclose(found[0], probabilities, rtol=1e-4, atol=1e-6)
    assert found[1].astype(str).tolist() == label.tolist()


def test_the_onnx_file_names_the_columns(twopass, price_model: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    twopass("export", price_model, "--onnx", "price.onnx")
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "price.onnx").metadata_props}
    encoder = Fitted.load(Path(price_model)).encoder
    assert metadata == {"columns": list(map(described, encoder.features)), "target": described(encoder.target)}
    assert [column["name"] for column in metadata["columns"]] == ["area", "district"]
    assert sorted(metadata["columns"][1]["values"]) == ["north", "south"]


def test_a_model_that_was_saved_from_python(twopass, tmp_path: Path) -> None:
    net = tp.nn.Sequential(tp.nn.Dense(3, activation="elu"))
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((2,))
    trainer.save("plain")
    assert twopass("export", "plain", "--onnx", "plain.onnx", "--c", "plain.c").status == 0
    x = np.ones((4, 2), np.float32)
    running.assert_close(running.run_onnx(tmp_path / "plain.onnx", [x]), [trainer.predict(x)], 1e-5)
    library = running.compile_c([tmp_path / "plain.c"])
    running.assert_close(running.run_c(library, "plain", [x], [trainer.predict(x)]), [trainer.predict(x)], 1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model"], "nothing says what to export the model to. Add --onnx FILE, --c FILE, or both."),
        (["nowhere", "--c", "m.c"], "there is no such folder (at nowhere)"),
        (["model", "--c", "m.cpp"], "'m.cpp' does not end in .c. Write m.c."),
        (["model", "--onnx", "."], "the ONNX file cannot be written"),
    ],
)
def test_mistakes(twopass, price_model: str, tmp_path: Path, arguments: list[str], message: str) -> None:
    outcome = twopass("export", *[price_model if argument == "model" else argument for argument in arguments])
    assert (outcome.status, outcome.out) == (2, "")
    assert message in outcome.err
    assert not list(tmp_path.iterdir())
