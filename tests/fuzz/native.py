"""Kernels as machine code, for comparison with the interpreter."""

from __future__ import annotations

import ctypes
import functools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from twopass.backends.llvm.builder import I64, PTR, Function
from twopass.backends.llvm.engine import assemble, load
from twopass.backends.llvm.module import COLD, EMITTERS, HOT
from twopass.backends.llvm.target import TARGETS, Target, host
from twopass.program.ir import Kernel

Runner = Callable[[Sequence[int], int, int], None]


def emit(kernel: Kernel, name: str, target: Target) -> list[Function]:
    """The functions of a kernel, itself last."""
    return list(EMITTERS[type(kernel)](kernel, name, target))


def compile_kernel(kernel: Kernel, target: Target, level: int | None = None) -> Runner:
    """A kernel as a function of the addresses of its arguments and a range of tasks.

    Without a level, one is chosen for it: the same one for equal kernels.
    """
    functions = emit(kernel, "kernel", target)
    entry = Function("entry", [(PTR, "arguments"), (I64, "begin"), (I64, "end")], internal=False)
    arguments, begin, end = entry.parameters
    pointers = [
        entry.load(entry.element(arguments, PTR, number), PTR) for number in range(len(functions[-1].parameters) - 2)
    ]
    listed = ", ".join(f"{value.type} {value}" for value in (*pointers, begin, end))
    entry.line(f"call void @kernel({listed})")
    declared = sorted({line for function in functions for line in function.declared})
    text = "\n".join([*declared, *(function.text() for function in (*functions, entry))])
    if level is None:
        level = (COLD, HOT)[zlib.crc32(text.encode()) % 2]
    code = load(assemble(text, target, level=level), target)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(code.address("entry"))

    def run(addresses: Sequence[int], start: int, stop: int) -> None:
        # `code` is alive as long as this function is.
        assert code.size
        pointers = (ctypes.c_void_p * len(addresses))(*addresses)
        call(ctypes.addressof(pointers), start, stop)

    return run


@functools.cache
def targets() -> tuple[Target, ...]:
    """This machine, and other targets whose code it runs."""
    here = host()
    family = {"avx512": ("avx2", "sse2"), "avx2": ("sse2",)}.get(here.name, ())
    return (here, *(replace(TARGETS[name], triple=here.triple) for name in (*family, "generic")))
