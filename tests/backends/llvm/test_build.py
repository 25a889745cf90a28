"""From programs to executables, and how code is shared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.llvm import programs
from backends.llvm.programs import F4, elementwise, launch
from twopass.backends import llvm
from twopass.backends.llvm import build
from twopass.backends.llvm.build import structure
from twopass.program.ir import Argument, Buffer, Program, Repeat


def with_constant(values: Any) -> Program:
    c, x, y = Buffer("c", F4, 4, "constant", values), Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output")
    return Program((x,), (y,), (launch(elementwise("add", 4, 2), c, x, y),), {}, 0)


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that were compiled."""
    texts: list[str] = []
    usual = build.assemble
    monkeypatch.setattr(build, "assemble", lambda text, target: texts.append(text) or usual(text, target))
    monkeypatch.setenv("TWOPASS_CACHE", "off")
    monkeypatch.setattr(build, "_codes", type(build._codes)())
    return texts


def test_equal_programs_share_code_whatever_their_constants(assembled: list[str]) -> None:
    first, second = llvm.compile(with_constant(np.ones(4, F4))), llvm.compile(with_constant(np.zeros(4, F4)))
    assert len(assembled) == 1
    assert first([np.ones(4, F4)])[0].tolist() == [2] * 4 and second([np.ones(4, F4)])[0].tolist() == [1] * 4


def test_the_number_of_kept_programs_is_bounded(assembled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "KEPT", 2)
    for n in (8, 9, 8, 10, 8, 9):
        llvm.compile(programs.sums(1, n))
    assert len(assembled) == 4
    assert len(build._codes) == 2


def test_structures_tell_programs_apart() -> None:
    x, y, t = Buffer("x", F4, 8, "input"), Buffer("y", F4, 8, "output"), Buffer("t", F4, 8)
    add, subtract = elementwise("add", 8, 2), elementwise("subtract", 8, 2)

    def program(*statements: Any, offset: int = 0) -> Program:
        return Program((x,), (y,), statements, {t: offset}, 1000)

    step = launch(add, x, x, y)
    variants = [
        program(step),
        program(launch(subtract, x, x, y)),
        program(launch(add, x, y, y)),
        program(launch(add, x, x, t), launch(add, t, t, y)),
        program(launch(add, x, x, t), launch(add, t, t, y), offset=64),
        program(step, step),
        program(Repeat(2, (step,))),
        program(Repeat(3, (step,))),
        program(Repeat(3, (step,), Argument(x))),
        program(Repeat(3, (launch(add, Argument(x, 0, (1,)), x, y),))),
        program(launch(elementwise("add", 4, 2), Argument(x, 4), x, y)),
        program(launch(elementwise("add", 4, 2), x, x, y)),
        programs.with_call(np.negative, count=1),
        programs.with_call(np.negative, count=2),
    ]
    assert len({structure(variant) for variant in variants}) == len(variants)


def test_names_and_identities_are_not_structure() -> None:
    assert structure(programs.ping_pong(64, 2)) == structure(programs.ping_pong(64, 2))
    assert structure(programs.with_call(np.sin)) == structure(programs.with_call(np.cos))


def test_code_is_found_on_disk_in_the_next_process(run_python: Callable[..., str], tmp_path: Any) -> None:
    program = """
import os, sys
os.environ["TWOPASS_CACHE"] = sys.argv[1]
sys.path.insert(0, "tests")
import numpy as np
from backends.llvm import programs
from twopass.backends import llvm
from twopass.backends.llvm import build, runtime
calls = []
def assemble(text, target):
    calls.append(len(text))
    return usual(text, target)
usual = build.assemble
build.assemble = runtime.assemble = assemble
build.write = lambda *a, **k: calls.append("written") or usual_write(*a, **k)
from twopass.backends.llvm.module import write as usual_write
run = llvm.compile(programs.layers(8, (16, 16)), threads=2)
out = run([np.ones(128, "f4"), np.ones(256, "f4")])[0]
assert (out == 16).all()
print(len(calls))
"""
    assert [run_python(program, str(tmp_path)).strip() for _ in range(2)] == ["3", "0"]
