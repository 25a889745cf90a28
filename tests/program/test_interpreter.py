"""The interpreter gives each record its meaning."""

from __future__ import annotations

import numpy as np
import pytest

from twopass.program.interpreter import addresses, interpret, run_kernel
from twopass.program.ir import (
    Access,
    Argument,
    Buffer,
    Call,
    Contraction,
    Instruction,
    Launch,
    Loop,
    Operand,
    Panels,
    Program,
    Repeat,
    Scatter,
    Store,
)

F4, F8, I8, B1 = (np.dtype(t) for t in (np.float32, np.float64, np.int64, np.bool_))


def test_panels_hold_columns_one_panel_after_the_other() -> None:
    panels = Panels(rows=2, widths=(3, 2))
    found = addresses(Access(F8, (0, 0), panels), (2, 4))
    assert found.tolist() == [[0, 1, 2, 6], [3, 4, 5, 8]]
    assert panels.size == 10 and panels.start(1) == 6


def test_a_loop_reads_strides_and_writes_in_place() -> None:
    x = np.arange(6.0)
    # x[i, j] -> 10 * y[j] + x[i, j], where x is stored by columns
    body = (Instruction("literal", (), F8, (10.0,)), Instruction("fma", (2, 1, 0), F8))
    access = Access(F8, (1, 2))
    kernel = Loop((2, 3), 0, (access, Access(F8, (0, -1))), body, (Store(3, access),))
    run_kernel(kernel, [x, np.array([1.0, 2.0, 3.0]), x], [0, 2, 0])
    assert x.tolist() == [30, 31, 22, 23, 14, 15]


def test_a_loop_is_a_softmax() -> None:
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    body = (
        Instruction("maximum.reduce", (0,), F4),
        Instruction("subtract", (0, 1), F4),
        Instruction("exp", (2,), F4),
        Instruction("add.reduce", (3,), F4),
        Instruction("true_divide", (3, 4), F4),
    )
    kernel = Loop((4, 5), 1, (Access(F4, (5, 1)),), body, (Store(5, Access(F4, (5, 1))), Store(4, Access(F4, (1, 0)))))
    y, total = np.zeros(20, np.float32), np.zeros(4, np.float32)
    run_kernel(kernel, [x.ravel(), y, total])
    e = np.exp(x - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(y.reshape(4, 5), e / e.sum(axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(total, e.sum(axis=1), rtol=1e-6)


def test_rows_are_gathered_through_another_input() -> None:
    table, order, y = np.arange(12.0), np.array([2, 0, 2]), np.zeros(12)
    gather = Access(F8, (0, 1), through=(0, 4))
    kernel = Loop((3, 4), 0, (Access(I8, (1, 0)), gather), (), (Store(1, Access(F8, (4, 1))),))
    run_kernel(kernel, [order, table, y])
    assert y.reshape(3, 4).tolist() == table.reshape(3, 4)[order].tolist()
    with pytest.raises(IndexError, match="reaches from"):
        run_kernel(kernel, [order + 1, table, y])


def test_rows_are_added_up_in_a_table() -> None:
    index, values, table = np.array([2, 0, 2]), np.arange(6.0), np.full(8, np.nan)
    kernel = Scatter((), 3, 4, 2, Access(I8, (1,)), Access(F8, (2, 1)), Access(F8, (2, 1)))
    run_kernel(kernel, [index, values, table])
    assert table.reshape(4, 2).tolist() == [[2, 3], [0, 0], [4, 6], [0, 0]]
    with pytest.raises(IndexError, match="rows from 2 to 4 of a table of 4"):
        run_kernel(kernel, [index + 2, values, table])


def test_positions_count_and_wrap_around() -> None:
    kernel = Loop((2, 3), 0, (), (Instruction("position", (), I8, (-1, (10, 1))),), (Store(0, Access(I8, (3, 1))),))
    y = np.zeros(6, np.int64)
    run_kernel(kernel, [y])
    assert y.tolist() == [-1, 0, 1, 9, 10, 11]


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_a_contraction_is_a_product_with_a_body(batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    m, k, n = 3, 4, 5
    a, b, bias = rng.normal(size=(*batch, m, k)), rng.normal(size=(*batch, k, n)), rng.normal(size=n)

    def whole(*lengths: int) -> tuple[int, ...]:
        shape = (*batch, *lengths)
        return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))

    zero = Instruction("literal", (), F8, (0.0,))
    kernel = Contraction(
        batch,
        m,
        n,
        k,
        F8,
        Access(F8, whole(m, k)),
        Access(F8, whole(k, n)),
        (Access(F8, (*(0 for _ in batch), 0, 1)),),
        (Instruction("add", (0, 1), F8), zero, Instruction("maximum", (2, 3), F8)),
        (Store(4, Access(F8, whole(m, n))),),
        columns=(8,),
        rows=(2, 1),
    )
    y = np.zeros((*batch, m, n))
    run_kernel(kernel, [a.ravel(), b.ravel(), bias, y.reshape(-1)])
    np.testing.assert_allclose(y, np.maximum(a @ b + bias, 0))


def test_a_program_repeats_and_calls() -> None:
    x, y, t = Buffer("x", F8, 6, "input"), Buffer("y", F8, 3, "output"), Buffer("t", F8, 2)
    double = Loop((2,), 0, (Access(F8, (1,)),), (Instruction("add", (0, 0), F8),), (Store(1, Access(F8, (1,))),))
    body = (
        Launch(double, (Argument(x, steps=(2,)), Argument(t))),
        Call(np.sum, (Operand(Argument(t), (2,), (1,)),), (Operand(Argument(y, steps=(1,)), (), ()),), "sum"),
    )
    program = Program((x,), (y,), (Repeat(3, body),), {t: 0}, 16)
    given = np.arange(6.0).reshape(3, 2)
    (result,) = interpret(program, [given])
    assert result.tolist() == (2 * given.sum(axis=1)).tolist()
    assert given.tolist() == [[0, 1], [2, 3], [4, 5]]
