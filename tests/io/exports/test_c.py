from __future__ import annotations

import ctypes
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io.exports import running

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, ModelError
from twopass.io import export_c


def trainer(dtype: str = "float32", inputs: int = 4) -> tp.Trainer:
    net = nn.Sequential(nn.Dense(8, activation="gelu"), nn.BatchNorm(), nn.Dense(3))
    return tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), seed=0, dtype=dtype).init((inputs,))


def predictions(y: Any) -> Any:
    return nn.softmax(y), np.argmax(y, axis=1).astype(np.int32)


@pytest.mark.parametrize("optimize", ["-O0", "-O3"])
def test_preprocessing_and_predictions_are_in_the_file(optimize: str, tmp_path: Path) -> None:
    model, mean = trainer(), np.array([1.0, 2.0, 3.0, 1e6])

    def before(x: Any) -> Any:
        return ((x - mean) / 7).astype(np.float32)

    files = export_c(
        model, tmp_path / "toy.c", before=before, after=predictions, input_dtype="float64", output_names=["p", "class"]
    )
    x = np.random.default_rng(0).normal(size=(50, 4)) + mean
    expected = predictions(model.predict(before(x)))
    found = running.run_c(running.compile_c([files.source], optimize), "toy", [x], expected)
    running.assert_close(found, expected, 1e-5)


def test_a_model_folder_and_its_trainer_give_the_same_file(tmp_path: Path) -> None:
    model = trainer("float64")
    model.save(tmp_path / "folder")
    one = export_c(model, tmp_path / "one" / "m.c")
    other = export_c(tmp_path / "folder", tmp_path / "other" / "m.c")
    assert one.source.read_bytes() == other.source.read_bytes()
    assert one.header.read_bytes() == other.header.read_bytes()


def test_the_numbers_are_exact(tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        values = np.array(
            [0.1, -1e-3, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, 3]
        )
        values = np.array([values, np.random.default_rng(0).normal(size=6)]).astype(dtype)
        net = nn.Sequential(nn.Activation(lambda x, values=values: x[:, :1, None] * 0 + values))
        model = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), dtype=dtype).init((1,))
        files = export_c(model, tmp_path / f"exact_{dtype}.c")
        library = running.compile_c([files.source], "-O2")
        (found,) = running.run_c(library, f"exact_{dtype}", [np.ones((1, 1), dtype)], [values[None]])
        assert (found == values).all()


def test_labels_are_texts_in_the_file(tmp_path: Path) -> None:
    texts = ['say "ä"', "back\\slash", "", "what??/", "日本"[:2]]
    net = nn.Sequential(nn.Dense(5))
    model = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), seed=0).init((2,))
    files = export_c(
        model,
        tmp_path / "named.c",
        after=lambda y: np.argmax(y, axis=1),
        output_names=["label"],
        labels={"label": texts},
    )
    library = running.compile_c([files.source])
    table = (ctypes.c_char_p * 5).in_dll(library, "named_label_texts")
    assert [text.decode() for text in table] == texts


def test_several_threads_may_call_it(tmp_path: Path) -> None:
    model = trainer()
    library = running.compile_c([export_c(model, tmp_path / "toy.c").source], "-O2")
    x = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    expected = running.run_c(library, "toy", [x], [np.empty((2000, 3), np.float32)])[0]
    found: list[Any] = []

    def call() -> None:
        found.extend(running.run_c(library, "toy", [x], [expected]))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((one == expected).all() for one in found)


def test_a_program_includes_the_header(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler (cc) on this machine")
    model = trainer()
    files = export_c(model, tmp_path / "my model-2.c")
    assert files.header.name == "my model-2.h"
    program = """
    #include <stdio.h>
    #include "my model-2.h"
    int main(void)
    {
        const float x[2 * MY_MODEL_2_X_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
        float y[2 * MY_MODEL_2_Y_SIZE];
        my_model_2_predict(x, y, 2);
        for (int i = 0; i < 2 * MY_MODEL_2_Y_SIZE; ++i) printf("%.9g\\n", y[i]);
        return 0;
    }
    """
    (tmp_path / "main.c").write_text(program)
    command = ["cc", *running.FLAGS, "main.c", files.source.name, "-o", "main", "-lm"]
    subprocess.run(command, check=True, cwd=tmp_path)
    printed = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout
    expected = model.predict(np.arange(1, 9, dtype=np.float32).reshape(2, 4))
    np.testing.assert_allclose(np.array(printed.split(), float), expected.reshape(-1), rtol=1e-5)


def test_names_that_c_has_taken(tmp_path: Path) -> None:
    net = nn.Graph(lambda _, x: (np.tanh(x) + 1, x * 2, x - 3, np.maximum(x, 4), x, -x))
    model = tp.Trainer(net, lambda p, t: 0.0, tp.optim.SGD(0.1)).init((2,))
    names = ["tanhf", "t1", "a b", "a_b", "layer_0_weight", "larger_float"]
    files = export_c(model, tmp_path / "2nd.c", output_names=names)
    x = np.ones((3, 2), np.float32)
    expected = running.as_tuple(net({}, x))
    found = running.run_c(running.compile_c([files.source]), "model_2nd", [x], expected)
    running.assert_close(found, expected, 1e-6)
    for names in (["class", "int", "NAN", "i", "größe 2", "c1"], ["exp", "x1", "n", "row", "place", "isnan"]):
        running.compile_c([export_c(model, tmp_path / f"{names[0]}.c", output_names=names).source])


def test_comments_tell_layers_formulas_and_notes(tmp_path: Path) -> None:
    files = export_c(trainer(), tmp_path / "toy.c", notes=["columns: a*/b, ü"])
    text = files.source.read_text("ascii")
    for line in (
        "/* layer 0: Dense(8, activation='gelu')",
        " * y = activation(x @ weight + bias)",
        " * gelu(x) = x Phi(x) */",
        " * columns: a* /b, ?",
        "static const float layer_0_weight[32] = {",
    ):
        assert line in text
    assert files.constant_bytes == 4 * (32 + 24) and files.stack_bytes > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"file": "model.cpp"}, "does not end in .c"),
        ({"output_names": ["a", "b"]}, "1 outputs"),
        ({"model": "nowhere"}, "there is no such folder"),
        ({"model": 3}, "a int cannot be exported"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ArgumentError, ModelError), match=message):
        export_c(**{"model": trainer(), "file": "model.c"} | arguments)
    assert not list(tmp_path.iterdir())


def test_a_trainer_without_parameters_is_refused(tmp_path: Path) -> None:
    model = tp.Trainer(nn.Sequential(nn.Dense(1)), "mean_squared_error", tp.optim.SGD(0.1))
    with pytest.raises(ArgumentError, match="no parameters yet"):
        export_c(model, tmp_path / "m.c")
