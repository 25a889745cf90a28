"""Scalar functions beside NumPy's: speed on arrays that fit the cache, and the largest error on random numbers.

    python -m benchmarks.functions [NAME...]

One core; the fastest of interleaved runs; billions of elements a second. Errors are in units in the last place.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from benchmarks.timing import table
from twopass.backends.llvm.builder import I64, PTR, Function, scalar_type
from twopass.backends.llvm.scalars import OPERATORS

#: Where each function is sampled, operand by operand.
DOMAINS: dict[str, list[tuple[float, float]]] = {
    **{name: [(-80, 80)] for name in ("exp", "exp2")},
    **{name: [(-5, 5)] for name in ("expm1", "tanh", "sigmoid", "sinh", "cosh", "arcsinh", "arctan", "cbrt", "erf")},
    **{name: [(1e-3, 100)] for name in ("log", "log2", "log10", "log1p", "sqrt")},
    **{name: [(-10, 10)] for name in ("sin", "cos", "tan", "erfc")},
    **{name: [(-1, 1)] for name in ("arcsin", "arccos", "arctanh")},
    "arccosh": [(1, 100)],
    "power": [(0, 3), (-3, 3)],
    **{name: [(-5, 5), (-5, 5)] for name in ("arctan2", "hypot", "logaddexp", "remainder", "floor_divide", "maximum")},
}


def sigmoid(x: Any) -> Any:
    """As one writes it in NumPy."""
    return 1 / (1 + np.exp(-x))


def reference(name: str) -> Callable[..., Any] | None:
    """NumPy's function, or what is written in its place."""
    return sigmoid if name == "sigmoid" else getattr(np, name, None)


def native(name: str, count: int, dtype: np.dtype[Any]) -> tuple[Callable[..., None], Any]:
    """The operator as a loop over arrays, and the engine that owns the code."""
    features = llvm.get_host_cpu_features()
    lanes = (64 if features.get("avx512f") else 32 if features.get("avx") else 16) // dtype.itemsize
    f = Function("loop", [(PTR, "y"), *[(PTR, f"x{k}") for k in range(count)], (I64, "n")], internal=False)
    y, *xs, n = f.parameters
    scalar = scalar_type(dtype)

    def body(i: Any) -> None:
        operands = [f.load(f.element(x, scalar, i), scalar.wide(lanes)) for x in xs]
        f.store(OPERATORS[name].emit(f, operands, [dtype] * count, dtype), f.element(y, scalar, i))

    f.loop(n, body, step=lanes)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly("\n".join(sorted(f.declared)) + "\n" + f.text())
    module.triple = llvm.get_process_triple()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=2, jit=True
    )
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (count + 1), ctypes.c_int64)
    return kind(engine.get_function_address("loop")), engine


def fastest(contestants: list[Callable[[], object]], rounds: int = 40, repeats: int = 10) -> list[float]:
    """Seconds of one run of each, in turns."""
    best = [float("inf")] * len(contestants)
    for _ in range(rounds):
        for k, run in enumerate(contestants):
            start = time.perf_counter()
            for _ in range(repeats):
                run()
            best[k] = min(best[k], (time.perf_counter() - start) / repeats)
    return best


def error(got: Any, exact: Any) -> float:
    """The largest error in units in the last place."""
    unit = np.spacing(np.abs(exact.astype(got.dtype)))
    return float(np.nanmax(np.abs(got.astype(exact.dtype) - exact) / unit))


def measured(name: str, dtype: np.dtype[Any], size: int = 4096) -> list[str]:
    """A row of the table."""
    rng = np.random.default_rng(0)
    operands = [rng.uniform(low, high, size).astype(dtype) for low, high in DOMAINS[name]]
    ours, theirs = np.empty(size, dtype), np.empty(size, dtype)
    call, _engine = native(name, len(operands), dtype)
    addresses = [array.ctypes.data for array in (ours, *operands)]
    numpy_function = reference(name)
    contestants: list[Callable[[], object]] = [lambda: call(*addresses, size)]
    if numpy_function is not None:
        contestants.append(
            lambda: (
                numpy_function(*operands, out=theirs)
                if isinstance(numpy_function, np.ufunc)
                else np.copyto(theirs, numpy_function(*operands))
            )
        )
    seconds = fastest(contestants)
    row = [f"{name} {dtype}", f"{size / seconds[0] / 1e9:.2f}"]
    if numpy_function is None:
        return [*row, "", "", "", ""]
    exact = numpy_function(*[x.astype(np.float64 if dtype == np.float32 else np.longdouble) for x in operands])
    ratio = f"{seconds[1] / seconds[0]:.2f}x"
    return [*row, f"{size / seconds[1] / 1e9:.2f}", ratio, f"{error(ours, exact):.2f}", f"{error(theirs, exact):.2f}"]


def main(names: list[str]) -> None:
    """Print the table."""
    chosen = names or [name for name in DOMAINS if name in OPERATORS]
    rows = [measured(name, np.dtype(dtype)) for dtype in ("float32", "float64") for name in chosen]
    print(table(["function", "Gelements/s", "NumPy", "faster", "error", "NumPy's"], rows))


if __name__ == "__main__":
    main(sys.argv[1:])
