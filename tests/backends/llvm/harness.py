"""Compiles a scalar operator as a loop over arrays, and measures how far its results are from exact ones."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from twopass.backends.llvm.builder import BOOL, I64, PTR, Function, Value, scalar_type
from twopass.backends.llvm.scalar import OPERATORS

#: The lanes that are tested: one, and as many as fill a vector of the machine with the largest element.
NATIVE = {1: 64, 2: 32, 4: 16, 8: 8}


@functools.cache
def machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2, jit=True
    )


def has_fma() -> bool:
    features = llvm.get_host_cpu_features()
    return bool(features.get("fma", False)) or "aarch64" in llvm.get_process_triple()


def loaded(f: Function, pointer: Value, dtype: np.dtype[Any], index: Value, lanes: int) -> Value:
    stored = scalar_type(dtype)
    value = f.load(f.element(pointer, stored, index), stored.wide(lanes))
    return f.icmp("ne", value, zero(value)) if dtype.kind == "b" else value


def zero(value: Value) -> Value:
    return Value("0" if value.type.lanes == 1 else "zeroinitializer", value.type)


def stored(f: Function, value: Value, pointer: Value, dtype: np.dtype[Any], index: Value) -> None:
    memory = scalar_type(dtype)
    value = f.convert("zext", value, memory) if value.type.scalar == BOOL.scalar else value
    f.store(value, f.element(pointer, memory, index))


def written(name: str, dtypes: tuple[Any, ...], result: Any, lanes: int, fma: bool, constants: tuple[Any, ...]) -> str:
    """The module with the loop ``operator(result, operands..., count)``."""
    pointers = [(PTR, f"x{k}") for k in range(len(dtypes))]
    f = Function("operator", [(PTR, "y"), *pointers, (I64, "n")], internal=False, has_fma=fma)
    y, *xs, n = f.parameters

    def body(i: Value) -> None:
        operands = [loaded(f, x, d, i, lanes) for x, d in zip(xs, dtypes, strict=True)]
        stored(f, OPERATORS[name].emit(f, operands, dtypes, result), y, result, i)

    f.loop(n, body, step=lanes)
    return "\n".join(sorted(f.declared)) + "\n" + f.text()


@functools.cache
def compiled(name: str, dtypes: tuple[Any, ...], result: Any, lanes: int, fma: bool = True) -> Any:
    """The native function, and what must stay alive with it."""
    module = llvm.parse_assembly(written(name, dtypes, result, lanes, fma and has_fma(), ()))
    module.triple = llvm.get_process_triple()
    engine = llvm.create_mcjit_compiler(module, machine())
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (1 + len(dtypes)), ctypes.c_int64)
    return kind(engine.get_function_address("operator")), engine


def run(name: str, *operands: Any, result: Any, lanes: int = 1, fma: bool = True) -> Any:
    """The operator on arrays of one length."""
    arrays = [np.ascontiguousarray(x) for x in operands]
    count = len(arrays[0])
    padded = -(-count // lanes) * lanes
    arrays = [np.concatenate([x, np.repeat(x[-1:], padded - count)]) for x in arrays]
    out = np.zeros(padded, result)
    call, _ = compiled(name, tuple(x.dtype for x in arrays), np.dtype(result), lanes, fma)
    call(out.ctypes.data, *[x.ctypes.data for x in arrays], padded)
    return out[:count]


def ulps(got: Any, exact: Any) -> Any:
    """The error in units in the last place of the exact result (given with more digits).

    Equal infinities and NaNs have error 0, others an infinite one, and so has a zero of the wrong sign.
    """
    dtype = got.dtype
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        unit = np.spacing(np.minimum(np.abs(rounded), np.finfo(dtype).max)).astype(exact.dtype)
        error = np.abs(got.astype(exact.dtype) - exact) / unit
    # A result that rounds to infinity may be the largest number, and the other way round.
    special = ~np.isfinite(rounded) | ~np.isfinite(got)
    same = (np.isnan(got) & np.isnan(rounded)) | (got == rounded)
    error = np.where(special, np.where(same, 0, np.inf), error)
    wrong_zero = (got == 0) & (rounded == 0) & (np.signbit(got) != np.signbit(exact))
    return np.where(wrong_zero, np.inf, error)
