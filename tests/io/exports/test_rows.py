"""An exported model takes each row by itself."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twopass import nn
from twopass.errors import ArgumentError, CaptureError
from twopass.io import export_c, export_onnx

MIXING: list[Callable[[Any], Any]] = [
    lambda x: x - np.mean(x, axis=0),
    lambda x: x / np.sum(x),
    lambda x: x[::-1],
    lambda x: x[1:],
    lambda x: x * x[:1],
    lambda x: x / len(x),
    lambda x: nn.softmax(x, axis=0),
    lambda x: x.T,
    lambda x: x @ x.T @ x,
    lambda x: x.T.reshape(-1, 4),
    lambda x: x.T.reshape(4, -1).T.reshape(-1, 4)[:, ::-1].reshape(4, -1).T,
    lambda x: np.concatenate([x, x]),
    lambda x: x * np.arange(len(x))[:, None],
    lambda x: np.argmax(x, axis=0),
    lambda x: x[:, None, 0] - x[None, :, 0],
    lambda x: x[np.argmax(x[:, 0])] + x,
    lambda x: x.reshape(-1),
    lambda x: np.einsum("ni,mi->nm", x, x) @ x,
    lambda x: np.cumsum(x, axis=0),
    lambda x: np.sort(x, axis=0),
    lambda x: np.roll(x, 1, axis=0),
]


def model(function: Callable[[Any], Any]) -> Any:
    return SimpleNamespace(
        net=nn.Graph(lambda _, x: function(x)), params={}, input_shape=(4,), dtype=np.dtype("float64")
    )


@pytest.mark.parametrize("number", range(len(MIXING)))
def test_outputs_that_depend_on_other_rows_are_refused(number: int, tmp_path: Any) -> None:
    for export, name in ((export_onnx, "m.onnx"), (export_c, "m.c")):
        with pytest.raises(ArgumentError, match=r"row|cannot be exported"):
            export(model(MIXING[number]), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: np.fft.fft(x, axis=1).real, "np.fft.fft"),
        (lambda x: np.sort(x, axis=1), "np.sort"),
        (lambda x: np.linalg.qr(x[:, None] * np.eye(4))[1], "qr"),
    ],
)
def test_what_has_no_counterpart_is_named(function: Callable[[Any], Any], name: str, tmp_path: Any) -> None:
    net = nn.Sequential(nn.Activation(np.tanh), nn.Activation(function))
    wrong = SimpleNamespace(net=net, params=[{}, {}], input_shape=(4,), dtype=np.dtype("float64"))
    for export, file in ((export_onnx, "m.onnx"), (export_c, "m.c")):
        with pytest.raises(ArgumentError, match=f"{name} cannot be exported to .* \\(at layer 1: Activation"):
            export(wrong, tmp_path / file)
    assert not list(tmp_path.iterdir())


def test_a_function_that_needs_values_is_refused(tmp_path: Any) -> None:
    with pytest.raises(CaptureError, match=r"np\.where"):
        export_c(model(lambda x: x if x.max() > 0 else -x), tmp_path / "m.c")
    with pytest.raises(ArgumentError, match="something other than arrays"):
        export_c(model(lambda x: (x, "text")), tmp_path / "m.c")


def test_a_result_that_no_input_reaches_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ArgumentError, match="row"):
        export_onnx(model(lambda x: np.ones(4)), tmp_path / "m.onnx")


@pytest.mark.parametrize("size", [5, 7, 11, 13, 20, 35])
def test_lengths_that_are_numbers_of_rows_by_accident(size: int, tmp_path: Any) -> None:
    net = nn.Sequential(nn.Dense(size), nn.LayerNorm(), nn.Residual(nn.Dense(size, activation="softmax")), nn.Dense(7))
    params = net.init(0, (size,), np.float64)
    export_onnx(
        SimpleNamespace(net=net, params=params, input_shape=(size,), dtype=np.dtype("float64")), tmp_path / "m.onnx"
    )
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    for rows in (0, 1, 5, 7, 8, size):
        x = np.random.default_rng(rows).normal(size=(rows, size))
        (found,) = session.run(None, {"x": x})
        np.testing.assert_allclose(found, net(params, x), rtol=1e-12, atol=1e-12)
