from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from peers import peer
from twopass import nn
from twopass.errors import ModelError
from twopass.io import export_onnx, read_onnx

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnx.external_data_helper", reason="this onnx has no external data")

Array = np.ndarray[Any, np.dtype[Any]]


def write(
    path: Path,
    nodes: list[Any],
    numbers: dict[str, Array],
    shape: tuple[Any, ...] = ("n", 3),
    opset: int = 18,
    **graph: Any,
) -> Path:
    """An ONNX file made by hand: x to y."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = {"x": shape, "y": ("n", "m"), **graph}
    infos = {name: helper.make_tensor_value_info(name, kind, axes) for name, axes in ends.items()}
    arrays = [onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()]
    inputs = [info for name, info in infos.items() if name.startswith("x")]
    outputs = [info for name, info in infos.items() if name.startswith("y")]
    made = helper.make_model(
        helper.make_graph(nodes, "by hand", inputs, outputs, arrays),
        opset_imports=[helper.make_opsetid("", opset), helper.make_opsetid("com.other", 1)],
        ir_version=8,
    )
    path.write_bytes(made.SerializeToString())
    return path


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, inputs.split(), [output], **attributes)


def run(path: Path, x: Array) -> Array:
    evaluator = pytest.importorskip("onnx.reference", reason="this onnx has no reference evaluator")
    (y,) = evaluator.ReferenceEvaluator(str(path)).run(None, {"x": x})
    return np.asarray(y)


def arrays(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-0.5, 1.5, shape).astype(np.float32) for shape in shapes]


def test_gemm_matmul_and_normalizations(tmp_path: Path) -> None:
    a, b, c, d, e = arrays((4, 3), (4,), (4, 5), (1, 5), (5, 2))
    scale, shift, mean, variance, g = (np.abs(array) + 0.1 for array in arrays((4,), (4,), (4,), (4,), (5,)))
    nodes = [
        node("Gemm", "x a b", "1", transB=1, alpha=0.5, beta=2.0),
        node("Relu", "1", "2"),
        node("BatchNormalization", "2 s t m v", "3", epsilon=1e-2),
        node("Dropout", "3", "4"),
        node("MatMul", "4 c", "5"),
        node("Add", "d 5", "6"),
        node("LayerNormalization", "6 g", "7", axis=-1),
        node("Mul", "8 7", "9"),
        node("Gemm", "9 e", "10"),
        node("Identity", "10", "y"),
    ]
    nodes.insert(7, node("Sigmoid", "7", "8"))
    numbers = dict(zip("abcdestmvg", [a, b, c, d, e, scale, shift, mean, variance, g], strict=True))
    file = write(tmp_path / "m.onnx", nodes, numbers)
    net, params = read_onnx(file)
    expected = nn.Sequential(
        nn.Dense(4, activation="relu"),
        nn.BatchNorm(epsilon=1e-2),
        nn.Dense(5),
        nn.LayerNorm(epsilon=1e-5),
        nn.Activation("silu"),
        nn.Dense(2, use_bias=False),
    )
    assert net == expected
    x = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(net(params, x), run(file, x), rtol=1e-4, atol=1e-5)
    assert len(net.init(0, (3,))) == len(params)


ACTIVATIONS = {
    **{kind: {} for kind in ("Relu", "Sigmoid", "Tanh", "Softplus", "Mish", "Selu", "Elu", "LeakyRelu", "Sin")},
    "Gelu": {},
    "Softmax": {"axis": -1},
    "LogSoftmax": {"axis": 1},
}
PARAMETERS = [("Elu", {"alpha": 0.5}), ("LeakyRelu", {"alpha": 0.25}), ("Gelu", {"approximate": "tanh"})]


@pytest.mark.parametrize(("kind", "attributes"), [*ACTIVATIONS.items(), *PARAMETERS])
def test_activations(kind: str, attributes: dict[str, Any], tmp_path: Path) -> None:
    (w,) = arrays((3, 4))
    nodes = [node("MatMul", "x w", "h"), node(kind, "h", "y", **attributes)]
    file = write(tmp_path / "m.onnx", nodes, {"w": w}, opset=20)
    net, params = read_onnx(file)
    x = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(net(params, x), run(file, x), rtol=1e-4, atol=1e-5)


def spelled() -> dict[str, tuple[list[Any], Any]]:
    """How PyTorch and Keras write activations that older versions of ONNX have no operator for."""
    half, one, root, cube, slope = "half", "one", "root", "cube", "slope"
    return {
        "silu": ([node("Sigmoid", "h", "1"), node("Mul", "h 1", "y")], nn.silu),
        "mish": ([node("Softplus", "h", "1"), node("Tanh", "1", "2"), node("Mul", "h 2", "y")], nn.mish),
        "gelu": (
            [
                *(node("Div", f"h {root}", "1"), node("Erf", "1", "2"), node("Add", f"2 {one}", "3")),
                *(node("Mul", "h 3", "4"), node("Mul", f"4 {half}", "y")),
            ],
            nn.gelu,
        ),
        "gelu of Keras": (
            [
                *(node("Mul", f"{half} h", "1"), node("Div", f"h {root}", "2"), node("Erf", "2", "3")),
                *(node("Add", f"{one} 3", "4"), node("Mul", "1 4", "y")),
            ],
            nn.gelu,
        ),
        "gelu_tanh": (
            [
                *(node("Mul", "h h", "1"), node("Mul", "1 h", "2"), node("Mul", f"2 {cube}", "3")),
                *(node("Add", "h 3", "4"), node("Mul", f"4 {slope}", "5"), node("Tanh", "5", "6")),
                *(node("Add", f"6 {one}", "7"), node("Mul", f"h {half}", "8"), node("Mul", "8 7", "y")),
            ],
            nn.gelu_tanh,
        ),
    }


@pytest.mark.parametrize("name", spelled())
def test_activations_that_are_spelled_out(name: str, tmp_path: Path) -> None:
    nodes, activation = spelled()[name]
    numbers = {"half": 0.5, "one": 1.0, "root": 2**0.5, "cube": 0.044715, "slope": (2 / np.pi) ** 0.5}
    constants = {key: np.array(value, np.float32) for key, value in numbers.items()}
    (w,) = arrays((3, 4))
    chain = [node("MatMul", "x w", "a"), node("Identity", "b0", "b"), node("Add", "a b", "h"), *nodes]
    bias = np.ones(4, np.float32)
    net, _ = read_onnx(write(tmp_path / "m.onnx", chain, {"w": w, "b0": bias, **constants}))
    assert net == nn.Sequential(nn.Dense(4, activation=activation))
    chain[-1].output[0] = "z"
    longer = [*chain, node("MatMul", "z v", "u"), node("Tanh", "u", "y")]
    net, _ = read_onnx(write(tmp_path / "m.onnx", longer, {"w": w, "b0": bias, "v": w.T.copy(), **constants}))
    assert net == nn.Sequential(nn.Dense(4, activation=activation), nn.Dense(3, activation="tanh", use_bias=False))
    constants["half"] += np.float32(1e-3)
    if "gelu" in name:
        with pytest.raises(ModelError, match="cannot be read"):
            read_onnx(write(tmp_path / "m.onnx", longer, {"w": w, "b0": bias, "v": w.T.copy(), **constants}))


def test_numbers_for_each_feature_are_a_normalization(tmp_path: Path) -> None:
    """As Keras writes it: mean, slope and shift; and as scalers do: mean and deviation."""
    w, b, mean, slope, deviation = arrays((3, 4), (4,), (1, 3), (1, 4), (3,))
    chain = [
        *(node("Sub", "x mean", "1"), node("Div", "1 deviation", "2"), node("MatMul", "2 w", "3")),
        *(node("Add", "3 b", "4"), node("Relu", "4", "5"), node("Sub", "5 b", "6"), node("Mul", "6 slope", "7")),
        *(node("Add", "7 b", "8"), node("Mul", "8 two", "9"), node("Sub", "9 b", "10"), node("Tanh", "10", "y")),
    ]
    numbers = {"w": w, "b": b, "mean": mean, "slope": slope, "deviation": deviation, "two": np.float32([2])}
    file = write(tmp_path / "m.onnx", chain, numbers)
    net, params = read_onnx(file)
    assert net == nn.Sequential(nn.BatchNorm(), nn.Dense(4, activation="relu"), nn.BatchNorm(), nn.Activation(nn.tanh))
    x = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(net(params, x), run(file, x), rtol=1e-4, atol=1e-6)


def test_casts_that_change_nothing_are_passed_over(tmp_path: Path) -> None:
    (w,) = arrays((3, 4))
    chain = [
        *(node("Cast", "x", "1", to=1), node("Cast", "half", "v", to=1), node("MatMul", "1 v", "2")),
        *(
            node("Cast", "2", "3", to=1),
            node("Sigmoid", "3", "4"),
            node("Mul", "3 4", "5"),
            node("Cast", "5", "y", to=1),
        ),
    ]
    net, params = read_onnx(write(tmp_path / "m.onnx", chain, {"half": w.astype(np.float16)}))
    assert net == nn.Sequential(nn.Dense(4, activation=nn.silu, use_bias=False))
    assert params[0]["weight"].dtype == np.float32


@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_a_network_of_keras_itself(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed, with which Keras writes ONNX")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed, with which Keras writes ONNX")
    keras = peer("keras")
    layers = [
        keras.layers.Dense(8, activation="mish"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6,)), *layers])
    x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    model.compile("adam", "mean_squared_error")
    model.fit(x, np.eye(3, dtype=np.float32)[np.arange(60) % 3], epochs=2, verbose=0)  # moves the running statistics
    if keras.backend.backend() != "torch":
        pytest.skip(f"Keras computes with {keras.backend.backend()}, and only with torch it writes ONNX without more")
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    net, params = read_onnx(tmp_path / "m.onnx")
    assert net == nn.Sequential(nn.Dense(8, activation=nn.mish), nn.BatchNorm(), nn.Dense(3, activation=nn.softmax))
    np.testing.assert_allclose(net(params, x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("nodes", [[("Flatten", "x", {})], [("Reshape", "x shape", {})]])
def test_rows_that_are_arrays_are_made_vectors(nodes: list[Any], tmp_path: Path) -> None:
    ((kind, inputs, attributes),) = nodes
    (w,) = arrays((6, 2))
    chain = [node(kind, inputs, "f", **attributes), node("MatMul", "f w", "y")]
    file = write(tmp_path / "m.onnx", chain, {"w": w, "shape": np.array([0, -1])}, shape=("n", 2, 3))
    net, params = read_onnx(file)
    x = np.random.default_rng(1).normal(size=(7, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(net(params, x), x.reshape(7, 6) @ w, rtol=1e-4)


def faults() -> dict[str, tuple[list[Any], str]]:
    """Models that are valid, and no chain."""
    dense = node("MatMul", "x w", "h")
    return {
        "Conv": ([node("Conv", "x k", "y")], "the operator Conv .* cannot be read"),
        "Cos": ([dense, node("Cos", "h", "y")], "the operator Cos .* cannot be read"),
        "residual": ([dense, node("Add", "h x", "y")], "Add .*do not form a chain"),
        "Sub from a constant": ([node("Sub", "b x", "y")], "Sub .*of rows of features and of a number for each"),
        "Add of a matrix": ([dense, node("Relu", "h", "r"), node("Add", "r w", "y")], "the bias has the shape"),
        "Div by zero": ([node("Div", "x none", "y")], "the operator Div"),
        "Cast": ([dense, node("Cast", "h", "i", to=7), node("Cast", "i", "y", to=1)], "the operator Cast .* cannot"),
        "product of two": ([node("Gemm", "w x", "y")], "the operator Gemm .*second operand"),
        "transposed": ([node("Gemm", "x w", "y", transA=1)], "the operator Gemm"),
        "softmax over rows": ([dense, node("Softmax", "h", "y", axis=0)], "the operator Softmax"),
        "selu": ([dense, node("Selu", "h", "y", alpha=1.0)], "the operator Selu"),
        "bias of rows": ([dense, node("Add", "h w", "y")], "the bias has the shape"),
        "dead end": ([dense, node("Relu", "x", "y")], "do not form a chain"),
    }


@pytest.mark.parametrize("name", faults())
def test_what_is_no_chain_is_refused_by_name(name: str, tmp_path: Path) -> None:
    nodes, message = faults()[name]
    w, b, k = arrays((3, 3), (3,), (1, 1, 3))
    numbers = {"w": w, "b": b, "k": k, "none": np.zeros(3, np.float32)}
    file = write(tmp_path / "m.onnx", nodes, numbers, shape=("n", 1, 3) if name == "Conv" else ("n", 3))
    with pytest.raises(ModelError, match=f"(?i){message}"):
        read_onnx(file)


def test_the_axis_of_old_softmax_and_of_normalizations_of_images(tmp_path: Path) -> None:
    (s,) = arrays((2,))
    softmax = write(tmp_path / "a.onnx", [node("Softmax", "x", "y")], {}, shape=("n", 2, 3), opset=11)
    norm = write(tmp_path / "b.onnx", [node("BatchNormalization", "x s s s s", "y")], {"s": s}, shape=("n", 2, 3))
    for file, name in ((softmax, "Softmax"), (norm, "BatchNormalization")):
        with pytest.raises(ModelError, match=f"the operator {name}"):
            read_onnx(file)
    old = write(tmp_path / "c.onnx", [node("Softmax", "x", "y")], {}, opset=11)
    assert read_onnx(old)[0] == nn.Sequential(nn.Activation("softmax"))


def test_other_domains_and_several_inputs_are_refused(tmp_path: Path) -> None:
    other = onnx.helper.make_node("Fast", ["x"], ["y"], domain="com.other")
    with pytest.raises(ModelError, match=r"the operator Fast .* one of com\.other"):
        read_onnx(write(tmp_path / "m.onnx", [other], {}))
    with pytest.raises(ModelError, match="2 inputs and 1 outputs"):
        read_onnx(write(tmp_path / "m.onnx", [node("Add", "x x2", "y")], {}, x2=("n", 3)))


def test_numbers_that_do_not_fit_or_are_elsewhere_are_refused(tmp_path: Path) -> None:
    a, b = arrays((3, 4), (5, 2))
    nodes = [node("MatMul", "x a", "h"), node("MatMul", "h b", "y")]
    with pytest.raises(ModelError, match="the numbers in the file do not fit together"):
        read_onnx(write(tmp_path / "m.onnx", nodes, {"a": a, "b": b}))
    model = onnx.load(write(tmp_path / "m.onnx", nodes[:1], {"a": a}))
    onnx.external_data_helper.convert_model_to_external_data(model, size_threshold=0, location="numbers")
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"another file|not a valid ONNX model"):
        read_onnx(tmp_path / "m.onnx")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    (w,) = arrays((3, 3))
    whole = write(tmp_path / "m.onnx", [node("MatMul", "x w", "y")], {"w": w}).read_bytes()
    rng = np.random.default_rng(0)
    cuts = [whole[:n] for n in range(0, len(whole), 13)]
    for content in [b"", b"not ONNX", b"PK\x03\x04", rng.bytes(500), *cuts]:
        (tmp_path / "m.onnx").write_bytes(content)
        with pytest.raises(ModelError):
            read_onnx(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_onnx(tmp_path / "none.onnx")


def test_what_export_has_written_is_read_where_it_is_a_chain(tmp_path: Path) -> None:
    import twopass as tp

    net = nn.Sequential(nn.Dense(4, activation="tanh"), nn.Dense(2))
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    trainer.params = tp.tree.map(lambda leaf: leaf + 0.25, trainer.params)
    export_onnx(trainer, tmp_path / "m.onnx")
    found, params = read_onnx(tmp_path / "m.onnx")
    assert found == net
    x = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(found(params, x), trainer.predict(x), rtol=1e-5)
