"""The pool of threads: waiting, waking, sharing one processor, forking, ending."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.llvm import programs
from backends.llvm.programs import F4
from twopass.backends import llvm
from twopass.backends.llvm import cost
from twopass.backends.llvm.runtime import MAX_THREADS
from twopass.backends.llvm.threads import POOL, allowed, check_threads, ensure
from twopass.errors import ArgumentError
from twopass.program.interpreter import interpret

#: What programs for other processes begin with: every launch is shared, however small it is.
PREAMBLE = """
import os, sys, threading, time
sys.path.insert(0, "tests")
import numpy as np
from backends.llvm import programs
from twopass.backends import llvm
from twopass.backends.llvm import build, cost
cost.worth_sharing = lambda program, target, least=0: [True] * len(program.launches())
x = np.arange(1000, dtype="f4")

def check(run):
    assert np.array_equal(run([x])[0], x), "wrong"
"""


@pytest.fixture(autouse=True)
def _share_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "worth_sharing", lambda program, target, least=0: [True] * len(program.launches()))


def test_the_number_of_threads_is_what_may_run() -> None:
    assert 1 <= allowed() <= (os.cpu_count() or 1)


def test_other_processors_are_left_alone(run_python: Callable[..., str]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not bind processes to processors")
    program = """
import os
from twopass.backends.llvm.threads import allowed
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(allowed())
"""
    assert run_python(program).strip() == "1"


@pytest.mark.parametrize("threads", [0, -1, MAX_THREADS + 1])
def test_a_number_of_threads_that_cannot_be(threads: int) -> None:
    with pytest.raises(ArgumentError, match=rf"threads={threads} is not a number of threads .*Write 1 to"):
        check_threads(threads)
    with pytest.raises(ArgumentError):
        llvm.compile(programs.sums(1), threads=threads)


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_every_value_is_seen_by_the_others(threads: int) -> None:
    program = programs.ping_pong(600, 500, blocks=12)
    arrays = [np.arange(600, dtype=F4)]
    expected = interpret(programs.ping_pong(600, 1, blocks=12), arrays)[0]
    run = llvm.compile(program, threads=threads)
    assert run.barriers == 2
    for _ in range(20):
        assert np.array_equal(run(arrays)[0], expected)


def test_threads_are_woken_after_they_have_fallen_asleep() -> None:
    run = llvm.compile(programs.ping_pong(600, 3), threads=2)
    arrays = [np.arange(600, dtype=F4)]
    for _ in range(5):
        assert np.array_equal(run(arrays)[0], arrays[0])
        time.sleep(0.02)


def short() -> tuple[Any, list[Any], Any]:
    """A program that two threads share, and that takes a few microseconds."""
    program = programs.ping_pong(600, 2, blocks=12)
    arrays = [np.arange(600, dtype=F4)]
    run = llvm.compile(program, threads=2)
    for frame in run._frames:
        frame.native.hold = 1  # as the cost model has it
    return run, arrays, interpret(program, arrays)[0]


def test_short_programs_do_not_wait_for_sleepers() -> None:
    run, arrays, expected = short()
    POOL.missed = POOL.patience = longest = 0
    end = time.perf_counter() + 20
    while longest < 8 and time.perf_counter() < end:
        time.sleep(0.002)
        before = POOL.slots[1].job
        slept = POOL.slots[1].sleepers
        assert np.array_equal(run(arrays)[0], expected)
        longest = max(longest, POOL.patience)
        if slept and POOL.missed:
            assert POOL.slots[1].job == before  # it was left alone
    assert longest >= 8  # woken ever more seldom


def test_short_programs_in_a_row_are_shared() -> None:
    run, arrays, expected = short()
    time.sleep(0.02)
    before = POOL.slots[1].job
    end = time.perf_counter() + 20
    shared = 0
    while shared < 100 and time.perf_counter() < end:
        for _ in range(200):
            assert np.array_equal(run(arrays)[0], expected)
        shared = POOL.slots[1].job - before
    assert shared >= 100


def test_short_and_long_programs_at_any_distance() -> None:
    run, arrays, expected = short()
    long = llvm.compile(programs.ping_pong(600, 50, blocks=12), threads=2)
    rng = np.random.default_rng(0)
    for pause in rng.choice([0, 0, 0, 1e-5, 5e-5, 1e-4, 1e-3], 500):
        if pause:
            time.sleep(pause)
        assert np.array_equal(run(arrays)[0], expected)
        if rng.random() < 0.3:
            assert np.array_equal(long(arrays)[0], arrays[0])


def test_idle_threads_use_no_processor_time() -> None:
    llvm.compile(programs.ping_pong(600, 3), threads=2)([np.zeros(600, F4)])
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_the_pool_has_as_many_threads_as_were_asked_for() -> None:
    ensure(3)
    ensure(2)
    assert POOL.ready >= 3
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("twopass-")]
    assert len(names) == len(set(names)) == POOL.ready - 1
    assert all(thread.daemon for thread in threading.enumerate() if thread.name in names)


def test_programs_with_fewer_threads_than_the_pool() -> None:
    arrays = [np.arange(600, dtype=F4)]
    runs = [llvm.compile(programs.ping_pong(600, 10), threads=threads) for threads in (4, 2, 3, 1)]
    for _ in range(50):
        for run in runs:
            assert np.array_equal(run(arrays)[0], arrays[0])


def test_a_system_without_more_threads_makes_do_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    run = llvm.compile(programs.ping_pong(600, 10), threads=POOL.ready + 1)
    arrays = [np.arange(600, dtype=F4)]
    assert np.array_equal(run(arrays)[0], arrays[0])
    assert run.threads == 1
    assert np.array_equal(run(arrays)[0], arrays[0])


def test_a_busy_pool_leaves_a_program_to_its_caller() -> None:
    run = llvm.compile(programs.ping_pong(600, 10), threads=2)
    arrays = [np.arange(600, dtype=F4)]
    run(arrays)
    POOL.busy = 1
    try:
        assert np.array_equal(run(arrays)[0], arrays[0])
        assert POOL.busy == 1
    finally:
        POOL.busy = 0


@pytest.mark.parametrize("threads", [1, 2])
def test_the_mode_of_arithmetic_is_the_callers_again(threads: int) -> None:
    llvm.compile(programs.ping_pong(600, 3), threads=threads)([np.zeros(600, F4)])
    subnormal = np.full(64, 1e-310) * 0.5
    assert (subnormal > 0).all()


def test_a_child_process_has_threads_of_its_own(run_python: Callable[..., str]) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    program = """
import warnings
run = llvm.compile(programs.ping_pong(1000, 10), threads=2)
check(run)
warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: fork with threads
child = os.fork()
if child == 0:
    check(run)
    check(llvm.compile(programs.ping_pong(1000, 11), threads=3))
    print([t.name for t in threading.enumerate() if t.name.startswith("twopass")], flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
assert status == 0, status
check(run)
"""
    assert run_python(PREAMBLE + program).strip() == "['twopass-1', 'twopass-2']"


def test_a_child_of_a_busy_parent(run_python: Callable[..., str]) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    program = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
run = llvm.compile(programs.ping_pong(1000, 2000), threads=2)
check(run)
end = False
def work():
    while not end:
        check(run)
worker = threading.Thread(target=work)
worker.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        check(run)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
end = True
worker.join()
"""
    run_python(PREAMBLE + program)


@pytest.mark.parametrize("moment", ["asleep", "spinning", "working"])
def test_a_process_ends_whatever_its_threads_do(moment: str, run_python: Callable[..., str]) -> None:
    program = """
run = llvm.compile(programs.ping_pong(1000, 2000), threads=2)
check(run)
if sys.argv[1] == "asleep":
    time.sleep(0.05)
if sys.argv[1] == "working":
    def work():
        while True:
            run([x])
    threading.Thread(target=work, daemon=True).start()
    time.sleep(0.02)
print("done")
"""
    assert run_python(PREAMBLE + program, moment).strip() == "done"


def test_an_interrupt_leaves_everything_usable(run_python: Callable[..., str]) -> None:
    program = """
import signal
run = llvm.compile(programs.ping_pong(1000, 2000), threads=2)
check(run)
caught = 0
for delay in range(20):
    timer = threading.Timer(0.001 + delay * 0.0003, signal.raise_signal, (signal.SIGINT,))
    try:
        timer.start()
        for _ in range(2000):
            run([x])
    except KeyboardInterrupt:
        caught += 1
    timer.join()
    check(run)
print(caught)
"""
    assert int(run_python(PREAMBLE + program)) == 20


def test_importing_and_compiling_start_no_threads(run_python: Callable[..., str]) -> None:
    program = """
llvm.compile(programs.ping_pong(1000, 2), threads=2)
print(threading.active_count())
"""
    assert run_python(PREAMBLE + program).strip() == "1"


def test_two_threads_on_one_processor(run_python: Callable[..., str]) -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not bind processes to processors")
    program = """
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
n = 100_000
x = np.arange(n, dtype="f4")
runs = [llvm.compile(programs.ping_pong(n, 20), threads=threads) for threads in (1, 2)]
times = [[], []]
for _ in range(15):
    for run, taken in zip(runs, times):
        start = time.process_time()  # of both threads: others may be using the processor, too
        run([x])
        taken.append(time.process_time() - start)
print(min(times[1]) / min(times[0]))
"""
    assert float(run_python(PREAMBLE + program)) < 2
