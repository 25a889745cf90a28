"""Estimates of time, and the number of threads that they lead to."""

from __future__ import annotations

import pytest

from backends.llvm import programs
from twopass.backends.llvm.cost import DRIVER, cold, distribute, kernel_key, seconds, worth_sharing
from twopass.backends.llvm.schedule import plan
from twopass.backends.llvm.target import target
from twopass.program.ir import Program, Repeat

AVX512 = target("avx512")


def estimate(program: Program) -> float:
    return sum(seconds(launch, AVX512) for launch in program.launches())


def test_the_estimate_of_a_known_network() -> None:
    # Three products of 784-300-100 with 32 rows, forward: 2 * 32 * (784 * 304 + 304 * 112) operations. One core has
    # been measured at 155 to 173 GFLOP/s on them.
    program = programs.layers(32, (784, 304, 112))
    assert 60e-6 < estimate(program) < 200e-6


def test_twice_the_work_takes_twice_as_long() -> None:
    small, large = (estimate(programs.layers(batch, (512, 512, 512))) for batch in (64, 128))
    assert large / small == pytest.approx(2, rel=0.1)


def test_what_is_small_stays_on_one_thread() -> None:
    small = programs.layers(32, (16, 64, 64, 16))
    assert worth_sharing(small, AVX512) == [False, False, False]
    assert distribute(small, AVX512, 8).threads == 1
    assert distribute(programs.sums(50, 64), AVX512, 8).threads == 1


def test_what_is_large_gets_all_threads() -> None:
    large = programs.layers(256, (1024, 1024, 1024))
    assert worth_sharing(large, AVX512) == [True, True]
    assert distribute(large, AVX512, 1).threads == 1
    assert distribute(large, AVX512, 2).threads == 2
    assert distribute(large, AVX512, 6).threads == 6


def test_middling_programs_get_some_of_many_threads() -> None:
    chosen = distribute(programs.layers(32, (784, 304, 112)), AVX512, 64).threads
    assert 2 <= chosen < 64


def test_repetitions_count() -> None:
    once = programs.layers(32, (128, 128))
    many = Program(once.inputs, once.outputs, (Repeat(1000, once.statements),), once.offsets, once.arena)
    assert distribute(once, AVX512, 2).threads == 1
    assert distribute(many, AVX512, 2).threads == 2


def test_what_takes_little_of_the_time_need_not_be_fast() -> None:
    large, small = programs.layers(32, (512, 512)), programs.sums(1)
    programs_of = Program((), (), (Repeat(100, large.statements), *small.statements), {}, 0)
    keys = [kernel_key(launch.kernel) for launch in programs_of.launches()]
    lines = dict.fromkeys([*keys, DRIVER], 100)
    assert cold(plan(programs_of, 1, [False] * len(keys)), AVX512, lines) == {keys[-1], DRIVER}
    assert cold(plan(small, 1, [False]), AVX512, lines) == set()
