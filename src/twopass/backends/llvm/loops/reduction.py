"""Reductions: how values are combined, and in which order.

Sums are taken in blocks of a fixed length, whose sums are added up in blocks again, so that the rounding error of a sum
of n numbers grows with the logarithm of n; see N. Higham, "The accuracy of floating point summation" (1993). Which
numbers meet which does not depend on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass.backends.llvm.body import number_literal
from twopass.backends.llvm.builder import I64, Function, Value, literal

__all__ = ["BLOCK", "blocked", "combine", "fold", "identity", "tree"]

DType = np.dtype[Any]

#: How many numbers are added up one after the other.
BLOCK = 128

_FLOAT = {"add.reduce": "fadd", "multiply.reduce": "fmul", "maximum.reduce": "ogt", "minimum.reduce": "olt"}
_INTEGER = {"add.reduce": "add", "multiply.reduce": "mul", "maximum.reduce": "gt", "minimum.reduce": "lt"}
_BOOL = {"add.reduce": "or", "multiply.reduce": "and", "maximum.reduce": "or", "minimum.reduce": "and"}


def identity(operator: str, dtype: DType, *, empty: bool = False) -> Value:
    """What leaves any number as it is; with `empty`, the reduction of no numbers.

    The two differ for sums: ``-0.0 + x`` is x for every x, but the empty sum is ``0.0``.
    """
    if operator == "add.reduce":
        return number_literal(-0.0 if dtype.kind == "f" and not empty else 0, dtype)
    if operator == "multiply.reduce":
        return number_literal(1, dtype)
    least = operator == "maximum.reduce"
    if dtype.kind == "f":
        return number_literal(-math.inf if least else math.inf, dtype)
    if dtype.kind == "b":
        return number_literal(not least, dtype)
    limits = np.iinfo(dtype)
    return number_literal(limits.min if least else limits.max, dtype)


def combine(f: Function, operator: str, dtype: DType, a: Value, b: Value) -> Value:
    """One step of a reduction: of what there is, `a`, and another number.

    Extrema are NaN if a number is. ``select(b > a, b, a)`` is one instruction on most machines and gives `a` if
    either is NaN, so that only a NaN in `b` needs care.
    """
    if dtype.kind == "b":
        return f.binary(_BOOL[operator], a, b)
    sums = operator in ("add.reduce", "multiply.reduce")
    if dtype.kind != "f":
        if sums:
            return f.binary(_INTEGER[operator], a, b)
        predicate = ("s" if dtype.kind == "i" else "u") + _INTEGER[operator]
        return f.select(f.icmp(predicate, b, a), b, a)
    if sums:
        return f.binary(_FLOAT[operator], a, b)
    best = f.select(f.fcmp(_FLOAT[operator], b, a), b, a)
    return f.select(f.fcmp("uno", b, b), b, best)


def tree(values: Sequence[Value], join: Callable[[Value, Value], Value]) -> Value:
    """Several values combined, neighbours first."""
    values = list(values)
    while len(values) > 1:
        paired = [join(a, b) for a, b in zip(values[::2], values[1::2], strict=False)]
        values = paired + values[2 * len(paired) :]
    return values[0]


def fold(f: Function, value: Value, join: Callable[[Value, Value], Value]) -> Value:
    """The lanes of a vector (a power of two) combined, halves first."""
    lanes = value.type.lanes
    while lanes > 1:
        lanes //= 2
        low = f.shuffle(value, value, range(lanes)) if lanes > 1 else f.extract(value, 0)
        high = f.shuffle(value, value, range(lanes, 2 * lanes)) if lanes > 1 else f.extract(value, 1)
        value = join(low, high)
    return value


def blocked(
    f: Function,
    count: int,
    body: Callable[..., Sequence[Value]],
    carried: Sequence[Value],
    fresh: Callable[[], Sequence[Value]],
    merge: Callable[[Sequence[Value], Sequence[Value]], Sequence[Value]],
    weight: int = 1,
) -> list[Value]:
    """Run ``body(i, *carried)`` for i from 0 to before `count`, in blocks that start with fresh values.

    Each run of the body combines `weight` numbers with each of the carried values.
    """
    block = 1 << max(0, (BLOCK // weight).bit_length() - 1)

    def run(start: Value | int, stop: Value | int, most: int, carried: Sequence[Value]) -> list[Value]:
        if most <= block or not carried:
            return f.loop(stop, body, carried, start=start)
        size = block
        while size * BLOCK < most:
            size *= BLOCK
        first = literal(start, I64) if isinstance(start, int) else start
        last = literal(stop, I64) if isinstance(stop, int) else stop

        def one(number: Value, *totals: Value) -> Sequence[Value]:
            begin = f.add(first, f.mul(number, literal(size, I64)))
            after = f.binary("add", begin, literal(size, I64))
            end = f.select(f.icmp("slt", after, last), after, last)
            return merge(totals, run(begin, end, size, fresh()))

        span = f.binary("add", f.binary("sub", last, first), literal(size - 1, I64))
        return f.loop(f.binary("lshr", span, literal(size.bit_length() - 1, I64)), one, carried)

    return run(0, count, count, carried)
