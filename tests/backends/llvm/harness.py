"""Compiles a scalar operator as a loop over arrays, and measures how far its results are from exact ones."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from twopass.backends.llvm.builder import BOOL, I32, I64, PTR, Function, Value, literal, scalar_type
from twopass.backends.llvm.scalars import OPERATORS


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


def written(name: str, dtypes: tuple[Any, ...], result: Any, lanes: int, fma: bool, flush: bool = False) -> str:
    """The module with the loop ``operator(result, operands..., count)``."""
    pointers = [(PTR, f"x{k}") for k in range(len(dtypes))]
    f = Function("operator", [(PTR, "y"), *pointers, (I64, "n")], internal=False, has_fma=fma)
    y, *xs, n = f.parameters

    def body(i: Value) -> None:
        operands = [loaded(f, x, d, i, lanes) for x, d in zip(xs, dtypes, strict=True)]
        stored(f, OPERATORS[name].emit(f, operands, dtypes, result), y, result, i)

    saved = _flushing(f) if flush else None
    f.loop(n, body, step=lanes)
    if saved is not None:
        f.call("llvm.x86.sse.ldmxcsr", [saved])
    return "\n".join(sorted(f.declared)) + "\n" + f.text()


def _flushing(f: Function) -> Value | None:
    """Flush subnormal numbers from here on, as kernels do; the state to restore. Only on x86."""
    if not llvm.get_process_triple().startswith(("x86_64", "i686")):
        return None
    old, new = f.slot(I32), f.slot(I32)
    f.call("llvm.x86.sse.stmxcsr", [old])
    f.store(f.binary("or", f.load(old, I32), literal(0x8040, I32)), new)
    f.call("llvm.x86.sse.ldmxcsr", [new])
    return old


@functools.cache
def compiled(name: str, dtypes: tuple[Any, ...], result: Any, lanes: int, fma: bool, flush: bool) -> Any:
    """The native function, and what must stay alive with it."""
    module = llvm.parse_assembly(written(name, dtypes, result, lanes, fma and has_fma(), flush))
    module.triple = llvm.get_process_triple()
    engine = llvm.create_mcjit_compiler(module, machine())
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (1 + len(dtypes)), ctypes.c_int64)
    return kind(engine.get_function_address("operator")), engine


def assembly(name: str, dtypes: tuple[Any, ...], result: Any, lanes: int, triple: str) -> str:
    """The code for the plainest processor of another kind of machine."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(written(name, dtypes, result, lanes, "x86" not in triple))
    module.triple = triple
    return str(llvm.Target.from_triple(triple).create_target_machine(opt=2).emit_assembly(module))


def run(name: str, *operands: Any, result: Any, lanes: int = 1, fma: bool = True, flush: bool = False) -> Any:
    """The operator on arrays of one length."""
    arrays = [np.ascontiguousarray(x) for x in operands]
    count = len(arrays[0])
    padded = -(-count // lanes) * lanes
    arrays = [np.concatenate([x, np.repeat(x[-1:], padded - count)]) for x in arrays]
    out = np.zeros(padded, result)
    call, _ = compiled(name, tuple(x.dtype for x in arrays), np.dtype(result), lanes, fma, flush)
    call(out.ctypes.data, *[x.ctypes.data for x in arrays], padded)
    return out[:count]


def ulps(got: Any, exact: Any, scale: Any = 0) -> Any:
    """The error in units in the last place of the exact result (given with more digits), or of `scale` if larger.

    Equal infinities and NaNs have error 0, others an infinite one, and so has a zero of the wrong sign.
    """
    dtype = got.dtype
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        unit = np.spacing(np.minimum(np.maximum(np.abs(rounded), scale), np.finfo(dtype).max)).astype(exact.dtype)
        error = np.abs(got.astype(exact.dtype) - exact) / unit
    # A result that rounds to infinity may be the largest number, and the other way round.
    special = ~np.isfinite(rounded) | ~np.isfinite(got)
    same = (np.isnan(got) & np.isnan(rounded)) | (got == rounded)
    error = np.where(special, np.where(same, 0, np.inf), error)
    wrong_zero = (got == 0) & (rounded == 0) & (np.signbit(got) != np.signbit(exact))
    return np.where(wrong_zero, np.inf, error)
