"""Compiled programs as functions of arrays."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest

from backends.llvm import programs
from backends.llvm.programs import F4, F8, I8, launch
from twopass.backends import llvm
from twopass.backends.llvm.executable import Executable
from twopass.errors import ArgumentError, ShapeError
from twopass.program.interpreter import interpret
from twopass.program.ir import Access, Buffer, Instruction, Loop, Program, Store


def inputs(program: Program, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(buffer.size).astype(buffer.dtype) for buffer in program.inputs]


@pytest.fixture(scope="module")
def sums() -> Executable:
    return llvm.compile(programs.sums(2, 6), shapes=[(2, 3), (6,)])


def test_outputs_have_the_shapes_that_were_asked_for(sums: Executable) -> None:
    a, b = sums([np.ones((2, 3), F4), np.full(6, 2, F4), np.full((3, 2), 3, F4)])
    assert a.tolist() == [[3, 3, 3], [3, 3, 3]] and b.tolist() == [5] * 6


def test_outputs_are_new_arrays_each_time(sums: Executable) -> None:
    arrays = [np.ones(6, F4)] * 3
    first, second = sums(arrays), sums(arrays)
    assert not any(np.shares_memory(a, b) for a in first for b in second)
    assert all(array.flags.owndata and array.flags.writeable for array in first)


def test_outputs_are_written_to_given_arrays(sums: Executable) -> None:
    given = [np.zeros((2, 3), F4), np.zeros(6, F4)]
    got = sums([np.ones(6, F4)] * 3, out=given)
    assert all(a is b for a, b in zip(got, given, strict=True))
    assert given[0].sum() == 12 and given[1].sum() == 12


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.tolist(),
        lambda a: a.astype(F4)[::-1][::-1].copy()[::1],
        lambda a: np.repeat(a, 2)[::2],
        lambda a: np.asfortranarray(np.stack([a, a]))[0],
        lambda a: a.view(np.ndarray).astype(">f4"),
        lambda a: a.view(np.recarray),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), F4, offset=1),
        lambda a: np.lib.stride_tricks.as_strided(a, (1, 6), (99, 4)),
    ],
    ids=["list", "copy", "strided", "row", "big-endian", "subclass", "unaligned", "odd strides"],
)
def test_inputs_that_are_not_as_expected_are_converted(sums: Executable, change: Any) -> None:
    a = np.arange(6, dtype=F4)
    given = change(a)
    if isinstance(given, list):
        given = np.array(given, F4)
    got, _ = sums([given, a, a])
    assert got.ravel().tolist() == (2 * a).tolist()


def test_read_only_inputs_are_fine_and_read_only_outputs_are_not(sums: Executable) -> None:
    a = np.arange(6, dtype=F4)
    a.flags.writeable = False
    assert sums([a, a, a])[1].tolist() == (2 * a).tolist()
    with pytest.raises(ArgumentError, match="read-only"):
        sums([a, a, a], out=[np.zeros(6, F4), a])


def test_what_cannot_be_converted_is_refused(sums: Executable) -> None:
    a = np.ones(6, F4)
    with pytest.raises(ArgumentError, match=r"got 4 arrays instead of 5.*3 inputs and 2 outputs"):
        sums([a, a])
    with pytest.raises(ArgumentError, match=r"float64 was given to a program that was compiled for float32"):
        sums([a, a.astype(F8), a])
    with pytest.raises(ShapeError, match="5 elements was given to a program that was compiled for 6"):
        sums([a, a, a[1:]])
    with pytest.raises(ArgumentError, match="not an ndarray of float32"):
        sums([a, a, a], out=[np.zeros(6), np.zeros(6, F4)])
    assert sums([a, a, a])[0].sum() == 12


def test_scalars_are_inputs_and_outputs() -> None:
    x, y = Buffer("x", F8, 1, "input"), Buffer("y", F8, 1, "output")
    twice = Loop((), 0, (Access(F8, ()),), (Instruction("add", (0, 0), F8),), (Store(1, Access(F8, ())),))
    run = llvm.compile(Program((x,), (y,), (launch(twice, x, y),), {}, 0), shapes=[()])
    for value in (1.5, np.float64(1.5), np.array(1.5), np.array([1.5])):
        (got,) = run([value])
        assert got.shape == () and got == 3.0


def test_arrays_without_elements() -> None:
    x, y = Buffer("x", F4, 1, "input"), Buffer("y", F4, 1, "output")
    (got,) = llvm.compile(Program((x,), (y,), (), {}, 0), shapes=[(0, 3)])([np.zeros((0, 5), F4)])
    assert got.shape == (0, 3)


def test_one_output_twice_is_one_array() -> None:
    x, y = Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output")
    step = programs.elementwise("negative", 4, 1)
    a, b = llvm.compile(Program((x,), (y, y), (launch(step, x, y),), {}, 0))([np.ones(4, F4)])
    assert a is b and a.tolist() == [-1] * 4


def test_an_output_that_is_an_input_is_updated_in_place() -> None:
    x, y = Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output")
    step = programs.elementwise("negative", 4, 1)
    run = llvm.compile(Program((x,), (y, x), (launch(step, x, y), launch(step, x, x)), {}, 0))
    a = np.ones(4, F4)
    first, second = run([a])
    assert second is a and a.tolist() == [-1] * 4 and first.tolist() == [-1] * 4
    with pytest.raises(ArgumentError, match="written to"):
        run([[1.0, 2.0, 3.0, 4.0]])


def test_constants_are_the_programs_own() -> None:
    values = np.arange(4, dtype=F4)
    c, x, y = Buffer("c", F4, 4, "constant", values), Buffer("x", F4, 4, "input"), Buffer("y", F4, 4, "output")
    run = llvm.compile(Program((x,), (y,), (launch(programs.elementwise("add", 4, 2), c, x, y),), {}, 0))
    values[:] = 99
    assert run([np.ones(4, F4)])[0].tolist() == [1, 2, 3, 4]
    assert run.constants == 16


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_temporaries_and_repetitions(threads: int) -> None:
    program = programs.ping_pong(1000, 5)
    arrays = inputs(program)
    assert llvm.compile(program, threads=threads)(arrays)[0].tolist() == interpret(program, arrays)[0].tolist()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("limit", [-1, 0, 1, 3, 5, 100])
def test_a_repetition_ends_at_its_limit(limit: int, threads: int) -> None:
    program = programs.rows(8, 5)
    arrays = [np.arange(40.0), np.array([limit], I8)]
    assert llvm.compile(program, threads=threads)(arrays)[0].tolist() == interpret(program, arrays)[0].tolist()


def test_products_of_layers() -> None:
    program = programs.layers(32, (64, 96, 32, 16))
    arrays = inputs(program)
    (expected,) = interpret(program, arrays)
    results = [llvm.compile(program, threads=threads)(arrays)[0] for threads in (1, 2, 3)]
    np.testing.assert_allclose(results[0], expected, rtol=1e-4, atol=1e-3)
    assert all(np.array_equal(results[0], other) for other in results)


# --- NumPy inside -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_computes_what_no_kernel_does(threads: int) -> None:
    program = programs.with_call(lambda a: np.sort(a)[::-1] + 1)
    arrays = inputs(program)
    assert llvm.compile(program, threads=threads)(arrays)[0].tolist() == interpret(program, arrays)[0].tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_an_exception_in_numpy_ends_the_program_and_reaches_the_caller(threads: int) -> None:
    seen = []

    def fail(a: Any) -> Any:
        seen.append(a.copy())
        if len(seen) == 2:
            raise ZeroDivisionError("the second time")
        return a

    run = llvm.compile(programs.with_call(fail), threads=threads)
    arrays, out = [np.ones(16, F4)], [np.zeros(16, F4)]
    with pytest.raises(ZeroDivisionError, match="the second time"):
        run(arrays, out=out)
    assert len(seen) == 2 and not out[0].any()
    assert run(arrays)[0].tolist() == [-2.0] * 16


def test_operands_of_calls_are_read_only() -> None:
    def write(a: Any) -> Any:
        a[0] = 1
        return a

    with pytest.raises(ValueError, match="read-only"):
        llvm.compile(programs.with_call(write))([np.ones(16, F4)])


def test_a_program_may_call_itself() -> None:
    depth = []

    def nested(a: Any) -> Any:
        if len(depth) == 3:
            return a
        depth.append(None)
        return run([a])[0]

    run = llvm.compile(programs.with_call(nested, count=1), threads=2)
    assert run([np.ones(16, F4)])[0].tolist() == [-16.0 * -1.0] * 16


@pytest.mark.parametrize("threads", [1, 2])
def test_numpy_computes_with_subnormal_numbers_and_kernels_without(threads: int) -> None:
    tiny, half = np.full(4, 1e-40, F4), np.float32(0.5)
    seen: list[Any] = []
    kernel, call = programs.sums(1, 4), programs.with_call(lambda a: seen.append(tiny * half) or a)
    assert llvm.compile(kernel, threads=threads)([tiny, tiny])[0].tolist() == [0.0] * 4
    llvm.compile(call, threads=threads)([np.ones(16, F4)])
    assert all((array > 0).all() for array in (*seen, tiny * half))


# --- threads and memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_several_python_threads_at_once(threads: int) -> None:
    program = programs.ping_pong(4096, 20)
    run = llvm.compile(program, threads=threads)
    wrong = []

    def work(seed: int) -> None:
        arrays = inputs(program, seed)
        expected = interpret(program, arrays)[0]
        wrong.extend(seed for _ in range(50) if not np.array_equal(run(arrays)[0], expected))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_an_executable_is_freed_with_its_memory() -> None:
    run = llvm.compile(programs.with_call(np.negative))
    run([np.ones(16, F4)])
    frame = weakref.ref(run._frames[0])
    gc.disable()
    try:
        del run
        assert frame() is None, "something refers to it in a cycle"
    finally:
        gc.enable()


def test_memory_does_not_grow_with_calls_or_compilations(run_python: Any) -> None:
    program = """
import gc, sys
sys.path.insert(0, "tests")
import numpy as np
from backends.llvm import programs
from twopass.backends import llvm
from twopass.backends.llvm import build
build.KEPT = 4

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def once(n):
    run = llvm.compile(programs.sums(2, n), threads=1)
    run([np.ones(n, "f4")] * 3)

for n in range(1, 301):  # LLVM, the allocator and Python's caches have what they want after some hundred
    once(n)
before = resident()
for n in range(301, 501):
    once(n)
print(resident() - before)
"""
    assert int(run_python(program)) < 1 << 20
