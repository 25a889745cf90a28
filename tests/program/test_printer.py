"""Programs read like formulas, and say what they cost."""

from __future__ import annotations

import numpy as np

from twopass.program.explain import cost, explain, peak_memory
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
from twopass.program.printer import listing

F4, I8, B1 = (np.dtype(t) for t in (np.float32, np.int64, np.bool_))


def layer() -> Contraction:
    """``maximum(x @ w + b, 0)`` for 32 rows, 784 inputs and 300 outputs, with the weight in panels."""
    columns = (48,) * 5 + (32, 32)
    body = (
        Instruction("add", (0, 1), F4),
        Instruction("literal", (), F4, (0.0,)),
        Instruction("maximum", (2, 3), F4),
    )
    weight, bias, result = Access(F4, (0, 0), Panels(784, columns)), Access(F4, (0, 1)), Access(F4, (304, 1), slack=4)
    return Contraction(
        (), 32, 300, 784, F4, Access(F4, (784, 1)), weight, (bias,), body, (Store(4, result),), columns, (8,) * 4
    )


def softmax() -> Loop:
    """Rows of a table that are found through their numbers, as probabilities."""
    body = (
        Instruction("maximum.reduce", (1,), F4),
        Instruction("subtract", (1, 2), F4),
        Instruction("exp", (3,), F4),
        Instruction("add.reduce", (4,), F4),
        Instruction("true_divide", (4, 5), F4),
    )
    rows = (Access(I8, (1, 0)), Access(F4, (0, 1), through=(0, 10)))
    return Loop((32, 10), 1, rows, body, (Store(6, Access(F4, (10, 1))),), block=8)


def example() -> Program:
    x, order = Buffer("x", F4, 100 * 32 * 784, "input"), Buffer("order", I8, 3200, "input")
    y, z = Buffer("y", F4, 320, "output"), Buffer("z", F4, 300, "output")
    w, b, a = (
        Buffer("w", F4, 784 * 304, "constant", np.zeros(784 * 304)),
        Buffer("b", F4, 300, "input"),
        Buffer("a", F4, 32 * 304),
    )
    table = Buffer("a", F4, 1000, "input")
    step = (
        Launch(layer(), (Argument(x, 0, (32 * 784,)), Argument(w), Argument(b), Argument(a)), "a1"),
        Launch(softmax(), (Argument(order, 0, (32,)), Argument(table, 100), Argument(y)), "probabilities"),
    )
    call = Call(
        np.sort, (Operand(Argument(a), (300,), (1,)),), (Operand(Argument(z), (300,), (1,)),), "sort", "model.py:3"
    )
    return Program((x, order, b, table), (y, z), (Repeat(100, step), call), {a: 0}, 38912)


def test_a_program_reads_like_formulas() -> None:
    assert listing(example()) == (
        "x      float32  2,508,800    10 MB  input\n"
        "order  int64        3,200  25.6 kB  input\n"
        "b      float32        300   1.2 kB  input\n"
        "a      float32      1,000     4 kB  input\n"
        "y      float32        320  1.28 kB  output\n"
        "z      float32        300   1.2 kB  output\n"
        "a.2    float32      9,728  38.9 kB  arena at 0\n"
        "w      float32    238,336   953 kB  constant\n"
        "\n"
        "repeat 100 times, t:\n"
        "    for m in 32, n in 300, k in 784, tiles of 8*4 x 48*5+32*2:  a1\n"
        "        a.2[m, n] = maximum(sum_k(x[t, m, k] * w[k, n]) + b[n], 0.0)\n"
        "    for i in 32; j in 10, blocks of 8:  probabilities\n"
        "        v1 = exp(a[order[t, i], j; 100] - max_j(a[order[t, i], j; 100]))\n"
        "        y[i, j] = v1 / sum_j(v1)\n"
        "z[300] = numpy sort(a.2[300])  at model.py:3"
    )


def test_formulas_have_the_parentheses_that_they_need() -> None:
    body = (
        Instruction("add", (0, 1), F4),
        Instruction("multiply", (2, 2), F4),
        Instruction("subtract", (0, 3), F4),
        Instruction("negative", (4,), F4),
        Instruction("subtract", (1, 5), F4),
        Instruction("position", (), I8, (-2, (3,))),
        Instruction("astype", (7,), F4),
        Instruction("fma", (8, 6, 2), F4),
        Instruction("less", (9, 0), B1),
    )
    kernel = Loop((4,), 0, (Access(F4, (1,)), Access(F4, (-2,))), body, (Store(10, Access(B1, (1,))),))
    x, y = Buffer("x", F4, 4, "input"), Buffer("y", B1, 4, "output")
    program = Program((x,), (y,), (Launch(kernel, (Argument(x), Argument(x, 3), Argument(y))),), {}, 0)
    assert listing(program).splitlines()[3:] == [
        "for i in 4:",
        "    v1 = x[i] + x[-2*i; 3]",
        "    y[i] = float32((-2 + 3*i)) * (x[-2*i; 3] - -(x[i] - v1 * v1)) + v1 < x[i]",
    ]


def test_costs_are_counted() -> None:
    product = cost(layer())
    assert product.flops == 32 * 300 * (2 * 784 + 2)
    assert product.read == 4 * (32 * 784 + 784 * 300 + 300) and product.written == 4 * 32 * 300
    assert product.tasks == 28
    normalised = cost(softmax())
    # Two reductions, a subtraction, an exponential and a division for each element.
    assert normalised.flops == 320 * (1 + 1 + 1 + 12 + 4)
    assert normalised.tasks == 4


def test_a_scatter_reads_like_a_sum() -> None:
    index, values, table = Buffer("i", I8, 15, "input"), Buffer("v", F4, 30, "input"), Buffer("t", F4, 24, "output")
    kernel = Scatter((3,), 5, 4, 2, Access(I8, (5, 1)), Access(F4, (10, 2, 1)), Access(F4, (8, 2, 1)))
    program = Program(
        (index, values), (table,), (Launch(kernel, tuple(map(Argument, (index, values, table))), "t1"),), {}, 0
    )
    assert listing(program).endswith("for b in 3, i in 5, j in 2:  t1\n    t[b, i[b, i], j] += v[b, i, j]")
    assert "scatter  3 x 5 x 2 to 4" in explain(program)
    assert cost(kernel).tasks == 3


def test_explain_shows_kernels_calls_and_memory() -> None:
    text = explain(example())
    assert "product    32 x 784 x 300   100" in text
    assert "2 kernels, 1.51 GFLOP" in text
    assert "left to NumPy:\n  sort(float32[300]) at model.py:3" in text
    assert peak_memory(example()) == 38912 + 4 * (2_508_800 + 300 + 1000 + 320 + 300 + 784 * 304) + 8 * 3200
    assert "planned peak memory 11.1 MB: 38.9 kB intermediate results, 953 kB constants" in text


def test_a_program_that_does_nothing_can_be_shown() -> None:
    x = Buffer("x", F4, 4, "output")
    program = Program((x,), (x,), (), {}, 0)
    assert listing(program) == "x  float32  4  16 B  input, updated in place\n"
    assert "nothing is left to NumPy" in explain(program)
