"""What code is generated for: one row per family of processors.

A tile of a contraction's result is held in registers: ``rows x vectors`` accumulators, the vectors of the right operand
and one broadcast element of the left one. The tables below give, for each width in vectors, the most rows that LLVM
keeps in registers without spilling (see ``tests/backends/llvm/test_target.py``). Tall narrow tiles load less per
multiplication from the left, flat wide ones less from the right; the accumulators must be enough to hide the latency of
a multiplication (4 cycles times two units on most cores).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, unknown_name
from twopass.program.machine import Machine

__all__ = ["TARGETS", "Target", "host", "target"]


@dataclass(frozen=True, slots=True)
class Target:
    """A processor that code is generated for.

    Attributes
    ----------
    name : str
        Of its row in `TARGETS`.
    triple : str
        LLVM's name of architecture and system.
    cpu, features : str
        What LLVM may use: its name of the processor, and additions such as ``"+avx512f,-avx10.1"``.
    vector_bytes : int
        Bytes of a vector register.
    registers : int
        How many vector registers there are.
    has_fma : bool
        Whether ``a * b + c`` with one rounding is an instruction.
    has_masks : bool
        Whether loading or storing some lanes of a vector is an instruction.
    tiles : tuple of int
        The most rows of a contraction's tile that is 1, 2, ... vectors wide.
    chains : int
        How many multiplications of vectors must be in flight to keep the units busy.
    l1_bytes : int
        The first cache of a core.
    """

    name: str
    triple: str
    cpu: str
    features: str = ""
    vector_bytes: int = 16
    registers: int = 16
    has_fma: bool = True
    has_masks: bool = False
    tiles: tuple[int, ...] = (8, 4)
    chains: int = 8
    l1_bytes: int = 32 << 10

    def lanes(self, dtype: np.dtype[Any]) -> int:
        """Elements of a dtype in a vector.

        Examples
        --------
        >>> TARGETS["avx2"].lanes(np.dtype(np.float64))
        4
        """
        return self.vector_bytes // dtype.itemsize

    def machine(self) -> Machine:
        """What lowering must know of it."""
        return Machine(name=self.name, vector_bytes=self.vector_bytes, tile_vectors=len(self.tiles))

    def llvm(self, *, jit: bool = False, level: int = 2) -> Any:
        """LLVM's machine that emits code for it; with `jit`, code to be run in this process."""
        import llvmlite.binding as binding

        _initialize()
        chosen = binding.Target.from_triple(self.triple)
        return chosen.create_target_machine(cpu=self.cpu, features=self.features, opt=level, jit=jit)


_X86 = "x86_64-unknown-linux-gnu"

#: One row per family, the most capable of an architecture first.
TARGETS = {
    row.name: row
    for row in (
        Target(
            name="avx512",
            triple=_X86,
            cpu="x86-64-v4",
            vector_bytes=64,
            registers=32,
            has_masks=True,
            tiles=(28, 14, 9),
        ),
        Target(name="avx2", triple=_X86, cpu="x86-64-v3", vector_bytes=32, has_masks=True, tiles=(14, 6, 4)),
        Target(name="sse2", triple=_X86, cpu="x86-64", has_fma=False, tiles=(12, 6, 3)),
        Target(name="neon", triple="aarch64-unknown-linux-gnu", cpu="generic", registers=32, tiles=(24, 14, 9)),
        # Any processor that LLVM knows: nothing is assumed of it, and LLVM splits vectors that it does not have.
        Target(name="generic", triple="", cpu="", has_fma=False, tiles=(4, 2)),
    )
}

#: What a processor must have for a row.
_NEEDED = {
    "avx512": ("avx512f", "avx512vl", "avx512bw", "avx512dq", "fma"),
    "avx2": ("avx2", "fma"),
    "sse2": ("sse2",),
    "neon": ("neon",),
}


@functools.cache
def _initialize() -> None:
    """Make every target of this build of LLVM known to it."""
    import llvmlite.binding as binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()


def target(name: str) -> Target:
    """The row of a name, for code that need not run here.

    Raises
    ------
    ArgumentError
        If there is no such row.
    """
    if name not in TARGETS:
        raise ArgumentError(unknown_name("target", name, TARGETS))
    return TARGETS[name]


def row_for(features: dict[str, bool]) -> Target:
    """The most capable row whose needs a processor with these features meets."""
    for name, needed in _NEEDED.items():
        if all(features.get(feature) for feature in needed):
            return TARGETS[name]
    return TARGETS["generic"]


@functools.cache
def host() -> Target:
    """The target of this machine: its row, with LLVM's names for this very processor."""
    import llvmlite.binding as binding

    _initialize()
    features = binding.get_host_cpu_features()
    return replace(
        row_for(features),
        triple=binding.get_process_triple(),
        cpu=binding.get_host_cpu_name(),
        features=features.flatten(),
    )
