"""Which bytes tasks touch, and where threads wait for each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backends.llvm import programs
from backends.llvm.programs import F4, elementwise, launch, placed
from twopass.backends.llvm.reach import touched
from twopass.backends.llvm.schedule import Planned, plan, share
from twopass.program.interpreter import addresses
from twopass.program.ir import Access, Argument, Buffer, Contraction, Panels, Program, Repeat, Store


def barriers(program: Program, threads: int = 2, shared: bool = True) -> list[Any]:
    """Whether there is a barrier before each statement; for repetitions, with those of the body."""

    def shown(planned: list[Planned]) -> list[Any]:
        return [(p.barrier, shown(p.body)) if isinstance(p.statement, Repeat) else p.barrier for p in planned]

    return shown(plan(program, threads, [shared] * len(program.launches())))


def sequence(*statements: Any, temporaries: tuple[Buffer, ...]) -> Program:
    return Program((), (), statements, **placed(*temporaries))


@pytest.mark.parametrize("count", [0, 1, 5, 8, 1000])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_task_is_one_threads(count: int, threads: int) -> None:
    parts = [share(count, thread, threads) for thread in range(threads)]
    assert [task for begin, end in parts for task in range(begin, end)] == list(range(count))
    assert max(end - begin for begin, end in parts) - min(end - begin for begin, end in parts) <= 1


@pytest.mark.parametrize(
    ("access", "domain"),
    [
        (Access(F4, (7, 1)), (5, 7)),
        (Access(F4, (-7, 2)), (5, 3)),
        (Access(F4, (0, 1), slack=3), (4, 9)),
        (Access(F4, (0, 0), Panels(6, (4, 4, 2))), (6, 10)),
        (Access(F4, (60, 0, 0), Panels(6, (4, 4, 2))), (3, 6, 9)),
    ],
)
def test_no_element_is_outside_of_what_is_touched(access: Access, domain: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    places = np.broadcast_to(addresses(access, domain), domain)
    for _ in range(50):
        starts = [int(rng.integers(0, length)) for length in domain]
        stops = [int(rng.integers(start + 1, length + 1)) for start, length in zip(starts, domain, strict=True)]
        found = touched(access, tuple(zip(starts, stops, strict=True)))
        inside = places[tuple(slice(*pair) for pair in zip(starts, stops, strict=True))]
        assert found is not None
        assert found[0] <= inside.min() and inside.max() + access.slack < found[1]


def test_nothing_is_touched_by_an_empty_part() -> None:
    assert touched(Access(F4, (1,)), ((3, 3),)) is None


def test_same_parts_of_the_same_buffer_need_no_barrier() -> None:
    a, b, c = (Buffer(name, F4, 64) for name in "abc")
    step = elementwise("negative", 64, 1, block=8)
    assert barriers(sequence(launch(step, a, b), launch(step, b, c), temporaries=(a, b, c))) == [False, False]


def test_another_threads_elements_are_waited_for() -> None:
    a, b, c = (Buffer(name, F4, 64) for name in "abc")
    straight = elementwise("negative", 64, 1, block=8)
    turned = elementwise("negative", 64, 1, block=8, stride=-1)
    read_after_write = sequence(launch(straight, a, b), launch(turned, Argument(b, 63), c), temporaries=(a, b, c))
    assert barriers(read_after_write) == [False, True]
    write_after_read = sequence(launch(turned, Argument(b, 63), c), launch(straight, a, b), temporaries=(a, b, c))
    assert barriers(write_after_read) == [False, True]
    halves = [elementwise("negative", 32, 1, block=4), elementwise("negative", 64, 1, block=16)]
    write_after_write = sequence(launch(halves[0], a, b), launch(halves[1], a, b), temporaries=(a, b))
    assert barriers(write_after_write) == [False, True]


def test_two_values_in_one_place_are_one_memory() -> None:
    a, b, c, d = (Buffer(name, F4, 64) for name in "abcd")
    step, turned = elementwise("negative", 64, 1, block=8), elementwise("negative", 64, 1, block=8, stride=-1)
    statements = (launch(turned, Argument(a, 63), b), launch(step, c, d))
    apart = Program((), (), statements, {a: 0, b: 256, c: 512, d: 768}, 1024)
    shared = Program((), (), statements, {a: 0, b: 256, c: 512, d: 0}, 1024)
    assert barriers(apart) == [False, False]
    assert barriers(shared) == [False, True]


def test_small_kernels_follow_each_other_on_one_thread() -> None:
    program = programs.ping_pong(64, 3)
    assert barriers(program, shared=False) == [False, (False, [False, False]), False]


def test_the_end_of_an_iteration_meets_the_next_beginning() -> None:
    program = programs.ping_pong(64, 3)
    assert barriers(program) == [False, (False, [True, True]), False]
    assert barriers(programs.ping_pong(64, 1)) == [False, (True, [False, True]), False]


def test_a_barrier_for_the_first_iteration_is_outside() -> None:
    program = programs.rows(16, 5)
    planned = plan(program, 2, [False, False, True])
    assert [item.barrier for item in planned] == [False, False, True]
    assert not planned[2].body[0].barrier


def test_a_call_is_followed_by_a_barrier_of_its_own() -> None:
    program = programs.with_call(np.negative)
    assert barriers(program) == [False, (True, [False]), False]


def test_constants_are_never_waited_for() -> None:
    a = Buffer("a", F4, 64)
    constant = Buffer("c", F4, 64, "constant", np.ones(64, F4))
    step, turned = elementwise("negative", 64, 1, block=8), elementwise("negative", 64, 1, block=8, stride=-1)
    program = sequence(launch(step, constant, a), launch(turned, Argument(constant, 63), a), temporaries=(a,))
    assert barriers(program) == [False, False]


def update(panels: Panels) -> Contraction:
    """``W += X^T Z`` on panels."""
    weights = Access(F4, (0, 0), panels)
    n = sum(panels.widths)
    return Contraction(
        *((), panels.rows, n, 32, F4),
        left=Access(F4, (1, panels.rows)),
        right=Access(F4, (n, 1)),
        inputs=(weights,),
        body=(),
        stores=(Store(0, weights),),
        columns=panels.widths,
        rows=(8,) * (panels.rows // 8),
    )


def test_whoever_owns_panels_need_not_wait() -> None:
    panels = Panels(16, (32, 32, 32, 32))
    x, z = Buffer("x", F4, 32 * 16, "input"), Buffer("z", F4, 32 * 128, "input")
    w = Buffer("w", F4, panels.size)
    step = launch(update(panels), x, z, w, w)
    product = Contraction(
        *((), 32, 128, 16, F4),
        left=Access(F4, (16, 1)),
        right=Access(F4, (0, 0), panels),
        inputs=(),
        body=(),
        stores=(Store(0, Access(F4, (128, 1))),),
        columns=panels.widths,
        rows=(8,) * 4,
    )
    y = Buffer("y", F4, 32 * 128)
    program = Program((x, z), (), (step, launch(product, x, w, y)), **placed(w, y))
    assert barriers(program, 2) == [False, False]
    # Three threads cut a panel in two, each in its own way.
    assert barriers(program, 3) == [False, True]


def layer(rows: int, width: int) -> Contraction:
    """``Y = X W``, whose tasks are the halves of the samples."""
    return Contraction(
        *((), rows, width, width, F4),
        left=Access(F4, (width, 1)),
        right=Access(F4, (width, 1)),
        inputs=(),
        body=(),
        stores=(Store(0, Access(F4, (width, 1))),),
        columns=(16,) * (width // 16),
        rows=(rows // 2, rows // 2),
        by_rows=True,
    )


def test_layers_that_are_shared_by_samples_need_not_wait() -> None:
    w = Buffer("w", F4, 64 * 64, "input")
    x, y, z = (Buffer(name, F4, 32 * 64) for name in "xyz")
    forward = (launch(layer(32, 64), x, w, y), launch(layer(32, 64), y, w, z))
    assert barriers(Program((w,), (), forward, **placed(x, y, z))) == [False, False]
    by_columns = Contraction(
        *((), 32, 64, 64, F4, Access(F4, (64, 1)), Access(F4, (64, 1)), (), ()),
        (Store(0, Access(F4, (64, 1))),),
        columns=(32, 32),
        rows=(32,),
    )
    mixed = (launch(layer(32, 64), x, w, y), launch(by_columns, y, w, z))
    assert barriers(Program((w,), (), mixed, **placed(x, y, z))) == [False, True]


def backward(columns: tuple[int, ...]) -> Contraction:
    """``dX^T = W dY^T``, whose tasks are parts of the samples, which are its columns."""
    return Contraction(
        *((), 64, 32, 64, F4, Access(F4, (64, 1)), Access(F4, (32, 1)), (), ()),
        (Store(0, Access(F4, (32, 1))),),
        columns=columns,
        rows=(64,),
    )


def test_columns_of_a_matrix_lie_beside_each_other() -> None:
    w = Buffer("w", F4, 64 * 64, "input")
    x, y, z = (Buffer(name, F4, 64 * 32) for name in "xyz")

    def chain(*parts: tuple[int, ...], offset: int = 0) -> list[Any]:
        places = {x: 0, y: 1 << 14, z: 1 << 15}
        first, second = (backward(columns) for columns in parts)
        steps = (launch(first, w, x, y), launch(second, w, Argument(y, offset), z))
        return barriers(Program((w,), (), steps, places, 1 << 16))

    assert chain((16, 16), (16, 16)) == [False, False]
    assert chain((16, 16), (8, 24)) == [False, True]
    assert chain((16, 16), (16, 16), offset=16) == [False, True]
