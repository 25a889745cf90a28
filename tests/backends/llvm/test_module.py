"""Modules of programs: kernels once each, and the driver."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np

from backends.llvm import programs
from backends.llvm.programs import F4, elementwise, launch, placed
from twopass.backends import llvm
from twopass.backends.llvm.builder import I64, PTR, Function
from twopass.backends.llvm.module import calls, externals, kernel_key, write
from twopass.backends.llvm.schedule import plan
from twopass.backends.llvm.target import host
from twopass.program.interpreter import interpret
from twopass.program.ir import Access, Argument, Buffer, Instruction, Loop, Program, Repeat, Store


def module(program: Program, threads: int = 1, **options: Any) -> str:
    planned = plan(program, threads, [True] * len(program.launches()))
    return "\n".join(write(program, planned, host(), threads=threads, **options).values())


def defined(text: str) -> list[str]:
    return re.findall(r"^define .*@([\w.]+)\(", text, re.MULTILINE)


def test_equal_kernels_are_one_function() -> None:
    text = module(programs.sums(20))
    assert len([name for name in defined(text) if name.startswith("kernel")]) == 1
    assert len(re.findall(r"call void @kernel0\(", text)) == 20


def test_literals_that_compare_equal_are_different_kernels() -> None:
    def constant(value: Any, dtype: Any = F4) -> Loop:
        return Loop((4,), 0, (), (Instruction("literal", (), dtype, (value,)),), (Store(0, Access(dtype, (1,))),))

    assert constant(0.0) == constant(-0.0)
    keys = {kernel_key(constant(value)) for value in (0.0, -0.0, 1, True, 1.0, float("nan"))}
    assert len(keys) == 6
    y, z = Buffer("y", F4, 4, "output"), Buffer("z", F4, 4, "output")
    program = Program((), (y, z), (launch(constant(0.0), y), launch(constant(-0.0), z)), {}, 0)
    positive, negative = llvm.compile(program)([])
    assert not np.signbit(positive).any() and np.signbit(negative).all()


def test_kernels_are_written_by_what_the_table_says() -> None:
    seen = []

    def emit(kernel: Any, name: str, target: Any) -> list[Function]:
        seen.append((kernel, name, target))
        return [Function(name, [(PTR, "p0"), (PTR, "p1"), (PTR, "p2"), (I64, "begin"), (I64, "end")])]

    program = programs.sums(1)
    text = module(program, emitters={Loop: emit})
    assert seen == [(program.launches()[0].kernel, "kernel0", host())]
    assert "void @kernel0(ptr %p0, ptr %p1, ptr %p2, i64 %begin, i64 %end)" in text


def test_one_thread_needs_no_shares_and_no_barriers() -> None:
    alone, shared = module(programs.ping_pong(64, 3)), module(programs.ping_pong(64, 3), threads=2)
    assert "udiv" not in alone.partition("@part0")[2] and "call void %" not in alone
    assert "udiv" in shared and "call void %" in shared


def test_externals_are_inputs_outputs_and_constants_once_each() -> None:
    x, y, c = Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output"), Buffer("c", F4, 4, "constant", np.ones(4, F4))
    add = elementwise("add", 4, 2)
    program = Program((x,), (y, x), (launch(add, c, x, y), launch(add, c, c, y)), {}, 0)
    assert externals(program) == [x, y, c]


def test_calls_are_numbered_in_the_order_of_the_program() -> None:
    program = programs.with_call(np.negative)
    assert [call.function for call in calls(program)] == [np.negative]


def test_nested_repetitions_move_pointers() -> None:
    x, y = Buffer("x", F4, 2 * 3 * 5, "input"), Buffer("y", F4, 5 * 3 * 2, "output")
    one = elementwise("negative", 1, 1)
    # y[i, j, k] = -x[k, j, i]
    step = launch(one, Argument(x, 0, (1, 5, 15)), Argument(y, 0, (6, 2, 1)))
    program = Program((x,), (y,), (Repeat(5, (Repeat(3, (Repeat(2, (step,)),)),)),), {}, 0)
    array = np.arange(30, dtype=F4).reshape(2, 3, 5)
    assert np.array_equal(llvm.compile(program)([array])[0], -array.transpose(2, 1, 0).ravel())


def test_a_repetition_of_nothing() -> None:
    x, y = Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output")
    step = launch(elementwise("negative", 4, 1), x, y)
    program = Program((x,), (y,), (step, Repeat(0, (step,)), Repeat(3, ())), {}, 0)
    assert llvm.compile(program)([np.ones(4, F4)])[0].tolist() == [-1] * 4


def chain(count: int) -> Program:
    """Many launches, one after the other."""
    x, y, a, b = Buffer("x", F4, 64, "input"), Buffer("y", F4, 64, "output"), Buffer("a", F4, 64), Buffer("b", F4, 64)
    step = elementwise("negative", 64, 1, block=16)
    values = [x, *([a, b] * count)[: count - 1], y]
    statements = tuple(launch(step, values[k], values[k + 1]) for k in range(count))
    return Program((x,), (y,), statements, **placed(a, b))


def test_long_programs_are_cut_and_compile_quickly() -> None:
    program = chain(3000)
    functions = [name for name in defined(module(program)) if name.startswith("part")]
    assert len(functions) == -(-3000 // 64)
    start = time.process_time()
    run = llvm.compile(program, threads=2)
    assert time.process_time() - start < 4
    array = np.arange(64, dtype=F4)
    assert np.array_equal(run([array])[0], interpret(program, [array])[0])
