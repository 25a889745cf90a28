"""Every function in the tables of operators, alone: the layers of a user may call them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.io.exports import running

from twopass import nn
from twopass.io import export_c, export_onnx
from twopass.io.exports.c_expressions import CALLS, HELPERS, INFIX, LOGIC, MACROS
from twopass.io.exports.onnx_operators import ELEMENTS, REDUCTIONS

ONNX_FUNCTIONS = list(ELEMENTS)
C_FUNCTIONS = list(dict.fromkeys([*CALLS, *HELPERS, *INFIX, *LOGIC, *MACROS, np.negative, np.reciprocal]))

#: What onnxruntime computes for float32 alone.
SINGLE = {np.arcsin, np.arccos, np.arctan}

TRUTH = {np.invert, np.bitwise_and, np.bitwise_or, np.bitwise_xor}

#: Where a function is finite: the numbers from -3 to 3, or these.
DOMAINS: dict[Any, Callable[[Any], Any]] = {
    **dict.fromkeys(
        [np.log, np.log2, np.log10, np.sqrt, np.power, np.float_power, np.reciprocal], lambda x: np.abs(x) + 0.1
    ),
    **dict.fromkeys([np.arcsin, np.arccos, np.arctanh, np.log1p], lambda x: x * 0.3),
    np.arccosh: lambda x: np.abs(x) + 1,
}


def layer(function: Any) -> Callable[[Any], Any]:
    """A function of one array that calls another one, on numbers or truth values."""

    def apply(x: Any) -> Any:
        x = DOMAINS.get(function, lambda x: x)(x)
        operands = [x, x[:, ::-1] * 0.7, x * x][: 2 if function is np.where else function.nin]
        if function is np.where:
            return np.where(x > 0.5, *operands)
        if function in TRUTH:
            operands = [operand > 0.5 for operand in operands]
        y = function(*operands)
        return np.where(y, x, -x) if y.dtype.kind == "b" else y

    return apply


def model(functions: list[Callable[[Any], Any]], dtype: str, inputs: int = 4) -> Any:
    """A network with one output for each function."""
    net = nn.Graph(lambda _, x: tuple(function(x) for function in functions))
    return SimpleNamespace(net=net, params={}, input_shape=(inputs,), dtype=np.dtype(dtype))


def samples(dtype: str) -> Any:
    return np.linspace(-3, 3, 52).reshape(13, 4).astype(dtype)


def expected(functions: list[Callable[[Any], Any]], x: Any) -> list[Any]:
    with np.errstate(all="ignore"):
        return [np.asarray(function(x)) for function in functions]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_of_elements(dtype: str, tmp_path: Path) -> None:
    x = samples(dtype)
    onnx = [layer(function) for function in ONNX_FUNCTIONS if dtype == "float32" or function not in SINGLE]
    names = [f"y{number}" for number in range(len(onnx))]
    export_onnx(model(onnx, dtype), tmp_path / "m.onnx", output_names=names)
    running.assert_close(running.run_onnx(tmp_path / "m.onnx", [x]), expected(onnx, x), running.TOLERANCE[dtype])

    c = [layer(function) for function in C_FUNCTIONS]
    wanted = expected(c, x)
    files = export_c(model(c, dtype), tmp_path / "m.c", output_names=[f"y{number}" for number in range(len(c))])
    found = running.run_c(running.compile_c([files.source]), "m", [x], wanted)
    running.assert_close(found, wanted, running.TOLERANCE[dtype])


def test_the_derived_functions_are_right_far_out_and_near_zero(tmp_path: Path) -> None:
    functions = [np.expm1, np.log1p, np.logaddexp, np.hypot, np.sinh, np.cosh, np.arcsinh, np.sign, np.heaviside]
    layers = [lambda x, f=f: f(x[:, 0], x[:, 1]) if f.nin == 2 else f(x[:, 0]) for f in functions]
    special = [np.nan, np.inf, -np.inf, 0.0, 1e-18, -1e-18, 1e-5, 700.0, -0.5, 1e300]
    x = np.array([[a, b] for a in special for b in special])
    x = x[~(np.isnan(x).any(axis=1) & np.isinf(x).any(axis=1))]  # what hypot gives for those is a question of taste
    net = model(layers, "float64", inputs=2)
    names = [f"y{number}" for number in range(len(layers))]
    wanted = expected(layers, x)
    export_onnx(net, tmp_path / "m.onnx", output_names=names)
    files = export_c(net, tmp_path / "m.c", output_names=names)
    library = running.compile_c([files.source])
    for results in (running.run_onnx(tmp_path / "m.onnx", [x]), running.run_c(library, "m", [x], wanted)):
        for function, one, other in zip(functions, results, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=0, err_msg=function.__name__)


REDUCING = [lambda x, f=f: f(x * 0.5 if f not in (np.any, np.all) else x > 0, axis=-1) for f in REDUCTIONS]
TABLE = np.arange(12.0).reshape(3, 4)
STRUCTURES: list[Callable[[Any], Any]] = [
    *(lambda x, f=f: np.where(f(x)[:, None], x, 1) if f(x).dtype.kind == "b" else f(x) for f in REDUCING),
    lambda x: np.mean(x, axis=1, keepdims=True) * x,
    lambda x: np.std(x, axis=-1),
    lambda x: np.argmax(np.round(x), axis=1),
    lambda x: np.argmin(x.reshape(-1, 2, 2), axis=1),
    lambda x: x.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4),
    lambda x: np.moveaxis(x.reshape(-1, 2, 2), 1, 0)[1] * x[:, :2],
    lambda x: np.concatenate([x, np.ones((len(x), 2), x.dtype), x[:, :1]], axis=1),
    lambda x: np.stack([x, x * x], axis=1),
    lambda x: x[:, ::-2],
    lambda x: x[:, [2, 0, -1]],
    lambda x: np.asarray(TABLE, like=x)[np.clip(x[:, 0] + 1, 0, 2).astype(int)],
    lambda x: np.take(np.asarray(TABLE, like=x), (x[:, :2] > 0).astype(np.int32) - 2, axis=0),
    lambda x: np.pad(x, ((0, 0), (1, 2))),
    lambda x: np.tile(x, (1, 2)),
    lambda x: np.repeat(x, 2, axis=1),
    lambda x: np.roll(x, 1, axis=1),
    lambda x: np.einsum("ni,nj->nij", x, x),
    lambda x: np.einsum("ni,ni->n", x, x),
    lambda x: np.outer(np.ones(1, x.dtype), np.arange(4).astype(x.dtype)) + 0 * x,
    lambda x: x @ np.arange(8).reshape(2, 4).T.astype(x.dtype),
    lambda x: x.reshape(-1, 2, 2) @ x.reshape(-1, 2, 2),
    lambda x: np.var(x, axis=1, ddof=1),
    lambda x: (x.reshape(-1, 1) * 2 + np.zeros((1, 3), x.dtype)).reshape(-1, 12),
    lambda x: x.astype(np.int32),
    lambda x: np.clip(x, -1, None),
    lambda x: np.broadcast_to(np.float32(3).astype(x.dtype), (len(x), 2)) + x[:, :2],
    lambda x: np.log(np.sum(np.exp(x), axis=1)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_structure(dtype: str, tmp_path: Path) -> None:
    x = samples(dtype)
    functions = STRUCTURES
    names, wanted = [f"y{number}" for number in range(len(functions))], expected(functions, x)
    export_onnx(model(functions, dtype), tmp_path / "m.onnx", output_names=names)
    files = export_c(model(functions, dtype), tmp_path / "m.c", output_names=names)
    running.assert_close(running.run_onnx(tmp_path / "m.onnx", [x]), wanted, running.TOLERANCE[dtype])
    found = running.run_c(running.compile_c([files.source]), "m", [x], wanted)
    running.assert_close(found, wanted, running.TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_activations_far_out_and_of_what_is_no_number(dtype: str, tmp_path: Path) -> None:
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4, 1e-30, -1e-30, 30, -30, 100, -100]
    x = np.tile(np.array(special, dtype)[:, None], (1, 2))
    names = nn.activations.names()
    functions = [nn.activations.get(name) for name in names]
    wanted = expected(functions, x)
    network = model(functions, dtype, inputs=2)
    export_onnx(network, tmp_path / "m.onnx", output_names=names)
    files = export_c(network, tmp_path / "m.c", output_names=names)
    library = running.compile_c([files.source], "-O2")
    for results in (running.run_onnx(tmp_path / "m.onnx", [x]), running.run_c(library, "m", [x], wanted)):
        for name, one, other in zip(names, results, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=running.TOLERANCE[dtype], atol=1e-30, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_conversions_to_whole_numbers_are_defined_in_c(dtype: str, tmp_path: Path) -> None:
    kinds = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32]
    network = model([lambda x, kind=kind: x.astype(kind) for kind in kinds], dtype, inputs=1)
    names = [f"y{number}" for number in range(len(kinds))]
    library = running.compile_c([export_c(network, tmp_path / "m.c", output_names=names).source], "-O2")
    x = np.array([[1.9], [-0.9], [127.5], [100], [np.nan], [1e30], [-1e30]], dtype)
    found = running.run_c(library, "m", [x], [np.zeros((7, 1), kind) for kind in kinds])
    for one, kind in zip(found, kinds, strict=True):
        assert one[:, 0].tolist() == [1, 0, 127, 100, *[np.iinfo(kind).min] * 3]


def test_positions_outside_of_a_table_read_nothing_else_in_c(tmp_path: Path) -> None:
    network = model([lambda x: np.asarray(TABLE, like=x)[x.astype(int)[:, 0]]], "float64")
    library = running.compile_c([export_c(network, tmp_path / "m.c").source])
    x = np.array([[0.0], [2], [-1], [-3], [3], [1e9], [-1e9]]) * np.ones(4)
    (found,) = running.run_c(library, "m", [x], [np.zeros((7, 4))])
    assert (found == TABLE[[0, 2, -1, -3, 2, 2, 0]]).all()
