"""The verifier accepts what may be compiled, and names what may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.fuzz import generate

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
from twopass.program.verify import InvalidProgramError, verify, verify_kernel

F4, F8, I8, B1 = (np.dtype(t) for t in (np.float32, np.float64, np.int64, np.bool_))
ROW = Access(F8, (1,))
DOUBLE = Loop((4,), 0, (ROW,), (Instruction("add", (0, 0), F8),), (Store(1, ROW),))
SUM = Loop((3, 4), 1, (Access(F8, (4, 1)),), (Instruction("add.reduce", (0,), F8),), (Store(1, Access(F8, (1, 0))),))
PRODUCT = Contraction(
    (), 2, 3, 4, F8, Access(F8, (4, 1)), Access(F8, (3, 1)), (), (), (Store(0, Access(F8, (3, 1))),), (4,), (2,)
)

SCATTER = Scatter((), 5, 3, 2, Access(I8, (1,)), Access(F8, (2, 1)), Access(F8, (2, 1)))


def buffer(name: str, size: int, role: str = "temporary", value: Any = None) -> Buffer:
    return Buffer(name, F8, size, role, value)


def program(*statements: Any, inputs: Any = (), outputs: Any = (), **places: Any) -> Program:
    """A program whose temporaries lie where `places` says: pairs of a buffer and its offset."""
    offsets = dict(places.values())
    return Program(tuple(inputs), tuple(outputs), statements, offsets, 1024)


def double(source: Buffer, target: Buffer, start: int = 0, end: int = 0) -> Launch:
    return Launch(DOUBLE, (Argument(source, start), Argument(target, end)), "doubled")


X, Y, T, U = buffer("x", 4, "input"), buffer("y", 4, "output"), buffer("t", 4), buffer("u", 4)


@pytest.mark.parametrize("make", [generate.loop, generate.contraction, generate.scatter])
def test_generated_kernels_are_valid(make: Callable[..., Any]) -> None:
    for seed in range(150):
        verify_kernel(make(np.random.default_rng(seed)).kernel)


BROKEN_KERNELS = {
    "has no points": replace(DOUBLE, domain=(0,)),
    "cannot be inner": replace(DOUBLE, inner=2),
    "a block of 5": replace(DOUBLE, block=5),
    "strides \\(1,\\) for the domain \\(4, 2\\)": replace(DOUBLE, domain=(4, 2)),
    "kernels have no elements of complex": replace(DOUBLE, inputs=(Access(np.dtype(complex), (1,)),)),
    "not there yet": replace(DOUBLE, body=(Instruction("add", (0, 1), F8),)),
    "instruction 0, add: of float64, float64 is float64, not float32": replace(
        DOUBLE, body=(Instruction("add", (0, 0), F4),)
    ),
    "add: takes no operands of float32, float32, float32": replace(
        DOUBLE, inputs=(Access(F4, (1,)),), body=(Instruction("add", (0, 0, 0), F4),)
    ),
    "there is no such operator": replace(DOUBLE, body=(Instruction("frobnicate", (0,), F8),)),
    "there are no inner axes": replace(DOUBLE, body=(Instruction("add.reduce", (0,), F8),)),
    "value 1 is float64, the elements are float32": replace(DOUBLE, stores=(Store(1, Access(F4, (1,))),)),
    "there is no value 2": replace(DOUBLE, stores=(Store(2, ROW),)),
    "two points of": replace(DOUBLE, stores=(Store(1, Access(F8, (0,))),)),
    "store 0: two points": replace(SUM, stores=(Store(0, Access(F8, (1, 0))),)),
    "cannot be cut into blocks": replace(SUM, inner=2, stores=(Store(1, Access(F8, (0, 0))),), block=1),
    "loads through input 0, which is not an earlier one": replace(DOUBLE, inputs=(Access(F8, (1,), through=(0, 1)),)),
    "loads through input 0 of float64": replace(DOUBLE, inputs=(ROW, Access(F8, (1,), through=(0, 1)))),
    "slack, but no axis": replace(DOUBLE, inputs=(Access(F8, (2,), slack=1),)),
    "panels of 3 rows for 2": replace(PRODUCT, stores=(Store(0, Access(F8, (0, 0), Panels(3, (4,)))),)),
    "panels of 2 columns for 4": replace(SUM, inputs=(Access(F8, (0, 0), Panels(3, (2,))),)),
    "panels \\(8,\\) for blocks": replace(PRODUCT, stores=(Store(0, Access(F8, (0, 0), Panels(2, (8,)))),)),
    "right: stride 2": replace(PRODUCT, right=Access(F8, (6, 2))),
    "input 0: stride 2": replace(PRODUCT, inputs=(Access(F8, (6, 2)),)),
    "store 0: stride 2": replace(PRODUCT, stores=(Store(0, Access(F8, (6, 2))),)),
    "left: float32": replace(PRODUCT, left=Access(F4, (4, 1))),
    "rows \\(1,\\) of 2": replace(PRODUCT, rows=(1,)),
    "columns \\(4, 4\\) of 3": replace(PRODUCT, columns=(4, 4)),
    "sums up nothing": replace(PRODUCT, k=0),
    "adds nothing": replace(SCATTER, count=0),
    "index: float64 is no integer": replace(SCATTER, index=Access(F8, (1,))),
    "table: float32 in a scatter of float64": replace(SCATTER, table=Access(F4, (2, 1))),
    "values: stride 2 along a row": replace(SCATTER, values=Access(F8, (4, 2))),
    "table: two rows have the same element": replace(SCATTER, table=Access(F8, (1, 1))),
}


@pytest.mark.parametrize("message", BROKEN_KERNELS)
def test_broken_kernels_are_named(message: str) -> None:
    with pytest.raises(InvalidProgramError, match=message):
        verify_kernel(BROKEN_KERNELS[message])


def test_good_programs_pass() -> None:
    verify_kernel(SUM)
    verify_kernel(PRODUCT)
    verify_kernel(SCATTER)
    verify(program(double(X, T), double(T, Y), inputs=[X], outputs=[Y], t=(T, 0)))
    # Two temporaries in one place, one after the other.
    verify(program(double(X, T), double(T, T), double(T, Y), inputs=[X], outputs=[Y], t=(T, 0), u=(U, 0)))
    # Axes of length 1 may have any stride.
    odd = replace(DOUBLE, domain=(1, 4), inputs=(Access(F8, (0, 1)),), stores=(Store(1, Access(F8, (4, 1))),))
    verify(program(Launch(odd, (Argument(X), Argument(X))), inputs=[X], outputs=[X]))
    # An input that is updated.
    verify(program(double(X, X), inputs=[X], outputs=[X]))


LONG = buffer("long", 40, "output")
BROKEN_PROGRAMS = {
    "statement 0 \\(doubled\\), input 0: reaches from 1 to 4 in x": program(double(X, Y, 1), inputs=[X], outputs=[Y]),
    "store 0: reaches from -1": program(double(X, Y, 0, -1), inputs=[X], outputs=[Y]),
    "writes the input x": program(double(X, X), inputs=[X], outputs=[]),
    "writes the constant c": program(double(X, buffer("c", 4, "constant", np.zeros(4))), inputs=[X]),
    "the constant c has 3 elements": program(double(buffer("c", 4, "constant", np.zeros(3)), Y), outputs=[Y]),
    "has no place in the arena": program(double(T, Y), outputs=[Y]),
    "reads element \\[0\\] of t, which has not been written": program(double(T, Y), outputs=[Y], t=(T, 0)),
    "output 0, y: element \\[0\\] and 4 in all": program(inputs=[X], outputs=[Y]),
    "which has not been written, or is no longer there": program(
        double(X, T), double(X, U), double(T, Y), inputs=[X], outputs=[Y], t=(T, 0), u=(U, 24)
    ),
    "overlaps input 0, of another buffer in its place": program(
        double(X, T), double(T, U), double(U, Y), inputs=[X], outputs=[Y], t=(T, 0), u=(U, 24)
    ),
    "overlaps input 0 at other points": program(double(LONG, LONG, 0, 1), outputs=[LONG]),
    "t lies at 1000": program(double(X, T), inputs=[X], t=(T, 1000)),
    "t of float64 lies at 4": program(double(X, T), inputs=[X], t=(T, 4)),
    "2 arguments for 3 accesses": program(Launch(PRODUCT, (Argument(X), Argument(Y))), inputs=[X], outputs=[Y]),
    "statement 0.0 \\(doubled\\), store 0: reaches from 0 to 43 in long": program(
        Repeat(11, (Launch(DOUBLE, (Argument(X), Argument(LONG, steps=(4,))), "doubled"),)), inputs=[X], outputs=[LONG]
    ),
    "\\(4,\\) in 0 repetitions": program(Launch(DOUBLE, (Argument(X), Argument(Y, steps=(4,)))), outputs=[Y]),
    "result 0: reaches from 0 to 4 in y": program(
        Call(np.copy, (Operand(Argument(X), (4,), (1,)),), (Operand(Argument(Y), (5,), (1,)),), "copy"),
        inputs=[X],
        outputs=[Y],
    ),
    "elements of float32 in the buffer x of float64": program(
        Launch(
            replace(DOUBLE, inputs=(Access(F4, (1,)),), body=(Instruction("astype", (0,), F8),)),
            (Argument(X), Argument(Y)),
        ),
        inputs=[X],
        outputs=[Y],
    ),
}


@pytest.mark.parametrize("message", BROKEN_PROGRAMS)
def test_broken_programs_are_named(message: str) -> None:
    with pytest.raises(InvalidProgramError, match=message):
        verify(BROKEN_PROGRAMS[message])


@pytest.mark.parametrize("count", [5, 10])
def test_repetitions_are_followed(count: int) -> None:
    long = buffer("long", 4 * count, "output")
    fill = Repeat(count, (Launch(DOUBLE, (Argument(X), Argument(long, steps=(4,)))),))
    verify(program(fill, inputs=[X], outputs=[long]))
    # What the previous iteration has left in t.
    carry = Repeat(count, (double(T, U), double(U, T)))
    verify(program(double(X, T), carry, double(T, Y), inputs=[X], outputs=[Y], t=(T, 0), u=(U, 32)))
    # The same, but u lies where t is still needed by the next iteration.
    lost = Repeat(count, (double(T, Y), double(X, U)))
    with pytest.raises(InvalidProgramError, match="no longer there"):
        verify(program(double(X, T), lost, inputs=[X], outputs=[Y], t=(T, 0), u=(U, 16)))


def test_padding_that_is_written_spoils_what_is_there() -> None:
    long = buffer("long", 8, "output")
    spoiling = replace(DOUBLE, stores=(Store(1, replace(ROW, slack=2)),))
    first, second = (Launch(k, (Argument(X), Argument(long, o))) for k, o in ((spoiling, 0), (DOUBLE, 4)))
    verify(program(first, second, inputs=[X], outputs=[long]))
    with pytest.raises(InvalidProgramError, match="element \\[4\\] and 2 in all are not written"):
        verify(program(second, first, inputs=[X], outputs=[long]))


def test_a_contraction_does_not_write_what_it_multiplies() -> None:
    a, b = buffer("a", 8, "output"), buffer("b", 12, "input")
    launch = Launch(PRODUCT, (Argument(a), Argument(b), Argument(a)))
    with pytest.raises(InvalidProgramError, match="store 0: overlaps left at other points"):
        verify(program(launch, inputs=[a, b], outputs=[a]))
