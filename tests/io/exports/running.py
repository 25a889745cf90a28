"""Exported models, run: C through the system's compiler, ONNX through onnxruntime."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[Any]]

#: As strict as a compiler gets.
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def compile_c(sources: Sequence[Path], optimize: str = "-O0") -> ctypes.CDLL:
    """C files as a library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) on this machine")
    library = sources[0].with_name(f"{sources[0].stem}{optimize}.so")  # a library of its own: a name is loaded once
    command = [compiler, *FLAGS, optimize, "-fPIC", "-shared", *map(str, sources), "-o", str(library), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(library))


def run_c(library: ctypes.CDLL, name: str, inputs: Sequence[Array], like: Sequence[Array]) -> list[Array]:
    """What a model in a library gives for some rows; the results are of these shapes and dtypes."""
    inputs = [np.ascontiguousarray(array) for array in inputs]
    results = [np.zeros(array.shape, array.dtype) for array in like]
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*inputs, *results)]
    getattr(library, f"{name}_predict")(*pointers, ctypes.c_size_t(len(inputs[0])))
    return results


def run_onnx(file: Path, inputs: Sequence[Array]) -> list[Array]:
    """What a model in an ONNX file gives for some rows."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    found: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
    return found


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def assert_close(found: Sequence[Array], expected: Sequence[Array], tolerance: float, what: Any = "") -> None:
    """Equal shapes and dtypes, and values up to a tolerance, which is relative for large ones."""
    for one, other in zip(found, expected, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype), what
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=str(what))
