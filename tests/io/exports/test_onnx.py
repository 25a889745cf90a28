from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.io.exports import running

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError, MissingLibraryError, ModelError
from twopass.io import export_onnx
from twopass.io.exports.onnx import IR_VERSION, OPSET

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def trainer() -> tp.Trainer:
    net = nn.Sequential(nn.Flatten(), nn.Dense(8, activation="mish"), nn.Dropout(0.5), nn.Dense(3))
    return tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), seed=0).init((2, 2))


def test_the_file_tells_its_types_and_versions(tmp_path: Path) -> None:
    export_onnx(trainer(), tmp_path / "m.onnx", metadata={"target": "kind"})
    model = onnx.load(tmp_path / "m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(used.domain, used.version) for used in model.opset_import] == [
        ("", OPSET)
    ] and model.ir_version == IR_VERSION
    (given,), (made,) = model.graph.input, model.graph.output
    shapes = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (given, made)]
    assert (given.name, made.name, shapes) == ("x", "y", [["rows", 2, 2], ["rows", 3]])
    assert {node.domain for node in model.graph.node} == {""}
    assert {entry.key: entry.value for entry in model.metadata_props} == {"target": "kind"}
    assert "layer_1_weight" in {array.name for array in model.graph.initializer}


@pytest.mark.parametrize("rows", [0, 1, 3, 1000])
def test_any_number_of_rows_with_preprocessing_and_labels(rows: int, tmp_path: Path) -> None:
    model, labels = trainer(), ["red", "blue", "grün"]
    export_onnx(
        model,
        tmp_path / "m.onnx",
        before=lambda x: ((x.reshape(-1, 2, 2) - 100) / 7).astype(np.float32),
        after=lambda y: (nn.softmax(y), np.argmax(y, axis=1)),
        input_shape=(4,),
        input_dtype="float64",
        output_names=["probabilities", "label"],
        labels={"label": labels},
    )
    x = np.random.default_rng(0).normal(100, 7, size=(rows, 4))
    y = model.predict(((x.reshape(-1, 2, 2) - 100) / 7).astype(np.float32))
    probabilities, label = running.run_onnx(tmp_path / "m.onnx", [x])
    np.testing.assert_allclose(probabilities, nn.softmax(y), rtol=1e-5, atol=1e-6)
    assert label.tolist() == [labels[i] for i in y.argmax(axis=1)]


def test_a_model_folder_and_its_trainer_give_the_same_file(tmp_path: Path) -> None:
    model = trainer()
    model.save(tmp_path / "folder")
    export_onnx(model, tmp_path / "one.onnx")
    export_onnx(tmp_path / "folder", tmp_path / "other.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


def test_a_network_that_is_code_is_exported_from_the_trainer(tmp_path: Path) -> None:
    net = nn.Graph(lambda net, x: net.out(np.sin(x)) ** 2, out=nn.Dense(2))
    model = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    model.save(tmp_path / "folder")
    with pytest.raises(ModelError, match="saved without its network"):
        export_onnx(tmp_path / "folder", tmp_path / "m.onnx")
    export_onnx(model, tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    running.assert_close(running.run_onnx(tmp_path / "m.onnx", [x]), [model.predict(x)], 1e-5)


def test_types_that_onnx_has_no_operator_for(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Dense(2), nn.Activation(lambda x: np.where((x > 0) + (x > 1), x, 0)))
    model = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    with pytest.raises(ArgumentError, match="for a type of numbers that ONNX has it not for"):
        export_onnx(model, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_relu_is_one_operator_and_the_dead_branch_is_gone(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Dense(2, activation="relu"))
    model = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    export_onnx(model, tmp_path / "m.onnx")
    kinds = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert kinds == ["MatMul", "Add", "Relu", "Identity"]


def test_labels_are_for_indices(tmp_path: Path) -> None:
    for labels in ({"z": ["a"]}, {"y": ["a"]}):
        with pytest.raises(ArgumentError, match=r"labels are given for '.', which is no output of integers"):
            export_onnx(trainer(), tmp_path / "m.onnx", labels=labels)


@pytest.mark.parametrize("names", [[], ["a", "b"], ["x"]])
def test_output_names_have_to_fit(names: list[str], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="1 outputs"):
        export_onnx(trainer(), tmp_path / "m.onnx", output_names=names)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError, match="the ONNX file cannot be written"):
        export_onnx(trainer(), tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_without_the_library_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[onnx\]'"):
        export_onnx(trainer(), tmp_path / "m.onnx")
