"""Text to machine code."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import pytest

from twopass.backends.llvm.engine import assemble, load, version
from twopass.backends.llvm.target import host, target

TWICE = "define i64 @twice(i64 %x) {\n  %y = add i64 %x, %x\n  ret i64 %y\n}\n"
CALLER = """
declare i64 @helper_of_a_test(i64)
define i64 @f(i64 %x) {
  %y = call i64 @helper_of_a_test(i64 %x)
  ret i64 %y
}
"""
COSINE = """
declare double @cos(double)
define double @f(double %x) {
  %y = call double @cos(double %x)
  ret double %y
}
"""

Integers = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


def test_text_becomes_a_function() -> None:
    code = load(assemble(TWICE, host()), host())
    assert Integers(code.address("twice"))(21) == 42
    assert code.size > 0


def test_modules_of_several_levels_call_each_other() -> None:
    caller = "declare i64 @twice(i64)\ndefine i64 @f(i64 %x) {\n %y = call i64 @twice(i64 %x)\n ret i64 %y\n}"
    code = load(assemble({2: TWICE, 0: caller}, host()), host())
    assert Integers(code.address("f"))(21) == 42 and Integers(code.address("twice"))(4) == 8


def test_functions_of_the_c_library_and_given_ones() -> None:
    helper = Integers(lambda x: x + 1)
    address = ctypes.cast(helper, ctypes.c_void_p).value
    assert address is not None
    code = load(assemble(CALLER, host()), host(), {"helper_of_a_test": address})
    assert Integers(code.address("f"))(41) == 42
    code = load(assemble(COSINE, host()), host())
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("f"))(0.0) == 1.0


def test_bad_text_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="parsing error"):
        assemble("define nonsense", host())
    with pytest.raises(RuntimeError, match="undefined value"):
        assemble("define i64 @f() {\n ret i64 %missing\n}", host())


def test_a_function_that_is_not_there() -> None:
    code = load(assemble(TWICE, host()), host())
    with pytest.raises(LookupError, match="no function named 'thrice'"):
        code.address("thrice")


def test_code_for_other_machines() -> None:
    assert len({assemble(TWICE, target(name)) for name in ("sse2", "neon")}) == 2


def test_the_version_names_both() -> None:
    assert version().startswith("llvmlite ") and ", LLVM " in version()


def test_code_is_freed(run_python: Callable[..., str]) -> None:
    program = """
from twopass.backends.llvm.engine import assemble, load
from twopass.backends.llvm.target import host
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
def once(number):
    text = f"define i64 @f(i64 %x) {{\\n  %y = mul i64 %x, {number}\\n  ret i64 %y\\n}}"
    load(assemble(text, host()), host()).address("f")
for number in range(50):
    once(number)
before = resident()
for number in range(50, 550):
    once(number)
print(resident() - before)
"""
    assert int(run_python(program)) < 1 << 20
