"""The native side, as text for every system."""

from __future__ import annotations

import ctypes
import itertools

import pytest

from twopass.backends.llvm import runtime
from twopass.backends.llvm.engine import assemble
from twopass.backends.llvm.layout import find_layout
from twopass.backends.llvm.target import TARGETS

ROWS = {"x86_64": "sse2", "aarch64": "neon"}


@pytest.mark.parametrize(
    ("system", "architecture"),
    list(itertools.product(["linux", "darwin", "win32", "freebsd14"], ["x86_64", "aarch64"])),
)
def test_it_compiles_for_every_system(system: str, architecture: str) -> None:
    text = runtime.text(find_layout(), system=system, architecture=architecture)
    assert "$" not in text
    assert assemble(text, TARGETS[ROWS[architecture]])


def test_other_architectures_keep_their_mode_of_arithmetic() -> None:
    text = runtime.text(None, system="linux", architecture="riscv64")
    assert "call void @set_mode(i64 0)" in text


def test_what_threads_write_is_on_lines_of_their_own() -> None:
    assert ctypes.sizeof(runtime.Pool) == 64 * (4 + runtime.MAX_THREADS)
    fields = (runtime.Pool.arrived, runtime.Pool.turn, runtime.Pool.finished, runtime.Pool.busy, runtime.Pool.slots)
    assert [field.offset for field in fields] == [0, 64, 128, 192, 256]


def test_records_are_what_native_code_takes_them_for() -> None:
    # As declared in native/threads.ll: six integers, eight pointers, an integer of 64 bits, a pointer.
    assert runtime.Frame.run.offset == 24 and runtime.Frame.mode.offset == 88 and ctypes.sizeof(runtime.Frame) == 104
    assert ctypes.sizeof(runtime.Expected) == 24
