"""The limit of the machine: how many multiplications and additions its cores do in a second.

A loop of independent fused multiply-adds, all in registers, in machine code that LLVM makes for this processor. No
program that computes with float32 (or float64) vectors is faster. ``python -m benchmarks.peak`` prints it.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from benchmarks.workers import Worker

#: Accumulators: enough to hide the latency of 4 cycles on two units, few enough for the registers of every target.
CHAINS = 12
#: Bits of the vectors to try. Which are fastest depends on the processor: some halve the wide ones.
WIDTHS = (512, 256, 128)
BITS = {"float": 32, "double": 64}


def loop(scalar: str, lanes: int) -> str:
    """The LLVM IR of ``spin(n, x)``: n rounds of `CHAINS` fused multiply-adds of vectors."""
    vector = f"<{lanes} x {scalar}>"
    fma = f"@llvm.fma.v{lanes}f{BITS[scalar]}"
    chains = range(CHAINS)
    lines = [
        f"declare {vector} {fma}({vector}, {vector}, {vector})",
        f"define {scalar} @spin(i64 %n, {scalar} %x) {{",
        "entry:",
        f"  %first = insertelement {vector} poison, {scalar} %x, i32 0",
        f"  %a = shufflevector {vector} %first, {vector} poison, <{lanes} x i32> zeroinitializer",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [0, %entry], [%next, %loop]",
        *(f"  %old{k} = phi {vector} [%a, %entry], [%new{k}, %loop]" for k in chains),
        *(f"  %new{k} = call {vector} {fma}({vector} %old{k}, {vector} %a, {vector} %a)" for k in chains),
        "  %next = add i64 %i, 1",
        "  %again = icmp ult i64 %next, %n",
        "  br i1 %again, label %loop, label %done",
        "done:",  # every chain goes into the result, or the compiler would remove it
        f"  %sum0 = fadd {vector} %new0, %a",
        *(f"  %sum{k} = fadd {vector} %sum{k - 1}, %new{k}" for k in chains if k > 0),
        f"  %result = extractelement {vector} %sum{CHAINS - 1}, i32 0",
        f"  ret {scalar} %result",
        "}",
    ]
    return "\n".join(lines)


def compiled(source: str, scalar: str) -> tuple[Callable[..., float], Any]:
    """The function of the source, for this processor, and the engine that its code lives in."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=2)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(source), machine)
    engine.finalize_object()
    number = {"float": ctypes.c_float, "double": ctypes.c_double}[scalar]
    # ctypes lets go of the interpreter's lock during the call, so that threads run at once.
    return ctypes.CFUNCTYPE(number, ctypes.c_int64, number)(engine.get_function_address("spin")), engine


def _together(spin: Callable[..., float], threads: int, rounds: int) -> float:
    """Seconds in which each of the threads does the rounds."""
    running = [threading.Thread(target=spin, args=(rounds, 0.5)) for _ in range(threads)]
    start = time.perf_counter()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return time.perf_counter() - start


def measure(threads: int, scalar: str = "float", tries: int = 12, seconds: float = 0.02) -> float:
    """Operations a second of these threads together, the best of several short tries of every width of vectors.

    A fused multiply-add counts as two operations, as in the count of a matrix product.
    """
    best = 0.0
    for width in WIDTHS:
        lanes = width // BITS[scalar]
        spin, engine = compiled(loop(scalar, lanes), scalar)
        rounds = round(1e5 * seconds / _together(spin, threads, 100_000))
        taken = min(_together(spin, threads, rounds) for _ in range(tries))
        best = max(best, 2 * CHAINS * lanes * rounds * threads / taken)
        del engine  # after the last call of its code
    return best


class Peak:
    """The peaks of one thread and of two: the best that was seen so far.

    It is measured again between the contests, because another program may have run at the first time.
    """

    def __init__(self, scalar: str = "float") -> None:
        self._measure = functools.partial(measure, scalar=scalar)
        self._worker = Worker()
        self.operations = {1: 0.0, 2: 0.0}
        self.update()

    def update(self) -> None:
        """Measure once more."""
        for threads, best in self.operations.items():
            self.operations[threads] = max(best, self._worker.call(self._measure, threads))

    def __str__(self) -> str:
        one, two = (value / 1e9 for value in self.operations.values())
        return f"FMA peak {one:.0f} GFLOP/s on one thread, {two:.0f} on two"

    def close(self) -> None:
        """End its process."""
        self._worker.close()


if __name__ == "__main__":
    for kind in BITS:
        print(kind, Peak(kind))
