"""Small programs for the tests of what runs programs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

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
    Store,
)

F4, F8, I8 = np.dtype("f4"), np.dtype("f8"), np.dtype("i8")


def elementwise(operator: str, n: int, operands: int, *, block: int = 0, stride: int = 1, dtype: Any = F4) -> Loop:
    """One operation at each of n places; with stride -1 the operands are read from their ends."""
    loads = tuple(Access(dtype, (stride,)) for _ in range(operands))
    body = (Instruction(operator, tuple(range(operands)), dtype),)
    return Loop((n,), 0, loads, body, (Store(operands, Access(dtype, (1,))),), block)


def placed(*temporaries: Buffer) -> dict[str, Any]:
    """The arena of temporaries, one after the other."""
    offsets, end = {}, 0
    for buffer in temporaries:
        offsets[buffer] = end
        end += -(-buffer.nbytes // 64) * 64
    return {"offsets": offsets, "arena": end}


def launch(kernel: Any, *arguments: Buffer | Argument) -> Launch:
    return Launch(kernel, tuple(a if isinstance(a, Argument) else Argument(a) for a in arguments))


def whole(buffer: Buffer) -> Operand:
    return Operand(Argument(buffer), (buffer.size,), (1,))


def sums(count: int, n: int = 64) -> Program:
    """``count + 1`` inputs; output k is input k plus input k + 1."""
    inputs = [Buffer(f"x{k}", F4, n, "input") for k in range(count + 1)]
    outputs = [Buffer(f"y{k}", F4, n, "output") for k in range(count)]
    add = elementwise("add", n, 2)
    statements = tuple(launch(add, inputs[k], inputs[k + 1], outputs[k]) for k in range(count))
    return Program(tuple(inputs), tuple(outputs), statements, {}, 0)


def ping_pong(n: int, count: int, blocks: int = 8) -> Program:
    """Reverse and negate 2 * count times: every element goes from one thread to another and back."""
    x, y = Buffer("x", F4, n, "input"), Buffer("y", F4, n, "output")
    a, b = Buffer("a", F4, n), Buffer("b", F4, n)
    block = -(-n // blocks)
    straight = elementwise("negative", n, 1, block=block)
    turned = elementwise("negative", n, 1, block=block, stride=-1)
    last = n - 1
    body = (launch(turned, Argument(a, last), b), launch(turned, Argument(b, last), a))
    statements = (launch(straight, x, a), Repeat(count, body), launch(straight, a, y))
    return Program((x,), (y,), statements, **placed(a, b))


def rows(n: int, count: int) -> Program:
    """Running sums of the rows of a table, ``y[i] = y[i - 1] + x[i]``, for as many rows as a limit says."""
    x, limit = Buffer("x", F8, n * count, "input"), Buffer("limit", I8, 1, "input")
    y, total = Buffer("y", F8, n * count, "output"), Buffer("total", F8, n)
    zero = Loop((n,), 0, (), (Instruction("literal", (), F8, (0.0,)),), (Store(0, Access(F8, (1,))),))
    wipe = Loop((n * count,), 0, (), (Instruction("literal", (), F8, (0.0,)),), (Store(0, Access(F8, (1,))),))
    flat = Access(F8, (1,))
    add = Loop((n,), 0, (flat, flat), (Instruction("add", (0, 1), F8),), (Store(2, flat), Store(2, flat)), 4)
    step = launch(add, total, Argument(x, 0, (n,)), total, Argument(y, 0, (n,)))
    statements = (launch(zero, total), launch(wipe, y), Repeat(count, (step,), Argument(limit)))
    return Program((x, limit), (y,), statements, **placed(total))


def with_call(function: Any, n: int = 16, count: int = 3) -> Program:
    """``x + x``, then `function` on it, `count` times, then negated."""
    x, y, a = Buffer("x", F4, n, "input"), Buffer("y", F4, n, "output"), Buffer("a", F4, n)
    add, negative = elementwise("add", n, 2, block=4), elementwise("negative", n, 1, block=4)
    call = Call(function, (whole(a),), (whole(a),), "function")
    statements = (launch(add, x, x, a), Repeat(count, (call,)), launch(negative, a, y))
    return Program((x,), (y,), statements, **placed(a))


def layers(batch: int, widths: tuple[int, ...], *, block: int = 8) -> Program:
    """Products with matrices in panels of 16 columns, one after the other."""
    n = len(widths) - 1
    x, y = Buffer("x", F4, batch * widths[0], "input"), Buffer("y", F4, batch * widths[-1], "output")
    weights = [Buffer(f"w{k}", F4, a * b, "input") for k, (a, b) in enumerate(pairwise(widths))]
    between = [Buffer(f"z{k}", F4, batch * width) for k, width in enumerate(widths[1:-1])]
    values = [x, *between, y]
    statements = []
    for k in range(n):
        rows, columns = widths[k], widths[k + 1]
        panels = (16,) * (columns // 16)
        kernel = Contraction(
            *((), batch, columns, rows, F4),
            left=Access(F4, (rows, 1)),
            right=Access(F4, (0, 0), Panels(rows, panels)),
            inputs=(),
            body=(),
            stores=(Store(0, Access(F4, (columns, 1))),),
            columns=panels,
            rows=(block,) * (batch // block),
        )
        statements.append(launch(kernel, values[k], weights[k], values[k + 1]))
    return Program((x, *weights), (y,), tuple(statements), **placed(*between))
