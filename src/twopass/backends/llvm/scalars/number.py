"""The notation of scalar functions: values that are computed with Python's operators.

A `Number` is a value of a function being written, in one lane or several. ``x * y + 1`` emits a product and a sum, so
that a definition reads like its formula, and holds for any count of lanes and for both precisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.backends.llvm.builder import BOOL, F32, F64, I32, I64, Function, Type, Value, literal

__all__ = ["Format", "Number", "any_lane", "choose", "copysign", "fma", "polynomial", "root", "where"]

Operand = Any  # a Number, or a Python or NumPy scalar


@dataclass(frozen=True)
class Format:
    """How a float is laid out: IEEE 754's binary32 or binary64."""

    name: str
    integer: Type
    fraction: int
    bias: int

    @property
    def bits(self) -> int:
        """The width."""
        return 8 * self.integer.bytes

    @property
    def smallest(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def largest(self) -> float:
        """The largest number."""
        return float(np.finfo(self.name).max)

    def rounded(self, number: float) -> float:
        """The nearest number of the format."""
        return float(np.dtype(self.name).type(number))

    @property
    def magic(self) -> float:
        """The sum of this and a small number has its nearest integer in the low bits.

        It is 1.5 times the power of two from where on floats are integers, so that small negative numbers do not leave
        the binade.
        """
        return 1.5 * 2.0**self.fraction


_FORMATS = {F32: Format("float32", I32, 23, 127), F64: Format("float64", I64, 52, 1023)}


class Number:
    """A value in each lane. Python's scalars on either side of an operator become literals of the same type."""

    __slots__ = ("f", "value")

    def __init__(self, f: Function, value: Value) -> None:
        self.f = f
        self.value = value

    @property
    def type(self) -> Type:
        """LLVM's type."""
        return self.value.type

    @property
    def format(self) -> Format:
        """The layout of the float."""
        return _FORMATS[self.type.wide(1)]

    @property
    def is_literal(self) -> bool:
        """Whether the value is known."""
        return not self.value.text.startswith("%")

    def like(self, operand: Operand) -> Number:
        """A scalar as a literal of this type."""
        return operand if isinstance(operand, Number) else Number(self.f, literal(operand, self.type))

    def same(self, value: Value) -> Number:
        """A value of the same function."""
        return Number(self.f, value)

    def _binary(self, operations: str, other: Operand, *, swap: bool = False) -> Number:
        """The first operation for floats, the second for integers."""
        a, b = self, self.like(other)
        a, b = (b, a) if swap else (a, b)
        floating, _, integer = operations.partition(" ")
        return self.same(self.f.binary(floating if self.type.is_float else integer, a.value, b.value))

    def __add__(self, other: Operand) -> Number:
        return self._binary("fadd add", other)

    def __radd__(self, other: Operand) -> Number:
        return self._binary("fadd add", other, swap=True)

    def __sub__(self, other: Operand) -> Number:
        return self._binary("fsub sub", other)

    def __rsub__(self, other: Operand) -> Number:
        return self._binary("fsub sub", other, swap=True)

    def __mul__(self, other: Operand) -> Number:
        return self._binary("fmul mul", other)

    def __rmul__(self, other: Operand) -> Number:
        return self._binary("fmul mul", other, swap=True)

    def __truediv__(self, other: Operand) -> Number:
        return self._binary("fdiv", other)

    def __rtruediv__(self, other: Operand) -> Number:
        return self._binary("fdiv", other, swap=True)

    def __neg__(self) -> Number:
        return self.same(self.f.fneg(self.value)) if self.type.is_float else 0 - self

    def __abs__(self) -> Number:
        """The magnitude of a float."""
        return self.same(self.f.intrinsic("llvm.fabs", self.value))

    # --- integers and booleans ----------------------------------------------------------------------------------------

    def __and__(self, other: Operand) -> Number:
        return self._binary(" and", other)

    def __or__(self, other: Operand) -> Number:
        return self._binary(" or", other)

    def __xor__(self, other: Operand) -> Number:
        return self._binary(" xor", other)

    def __invert__(self) -> Number:
        return self ^ (True if self.type.scalar == "i1" else -1)

    def __lshift__(self, other: Operand) -> Number:
        return self._binary(" shl", other)

    def __rshift__(self, other: Operand) -> Number:
        """Shift right, filling with the sign."""
        return self._binary(" ashr", other)

    def shift_logical(self, other: Operand) -> Number:
        """Shift right, filling with zeros."""
        return self._binary(" lshr", other)

    # --- comparisons --------------------------------------------------------------------------------------------------

    def compare(self, predicates: str, other: Operand) -> Number:
        """The first of LLVM's predicates for floats, the second for integers."""
        floating, _, integer = predicates.partition(" ")
        if self.type.is_float:
            return self.same(self.f.fcmp(floating, self.value, self.like(other).value))
        return self.same(self.f.icmp(integer, self.value, self.like(other).value))

    def __lt__(self, other: Operand) -> Number:
        return self.compare("olt slt", other)

    def __le__(self, other: Operand) -> Number:
        return self.compare("ole sle", other)

    def __gt__(self, other: Operand) -> Number:
        return self.compare("ogt sgt", other)

    def __ge__(self, other: Operand) -> Number:
        return self.compare("oge sge", other)

    def equals(self, other: Operand) -> Number:
        """Whether the numbers are equal (and no NaN)."""
        return self.compare("oeq eq", other)

    def differs(self, other: Operand) -> Number:
        """Whether the numbers are not equal (or one is NaN)."""
        return self.compare("une ne", other)

    def is_nan(self) -> Number:
        """Whether it is NaN."""
        return self.compare("uno", 0.0)

    # --- bits and conversions -----------------------------------------------------------------------------------------

    def bits(self) -> Number:
        """The bits of a float, as an integer."""
        return self.same(self.f.convert("bitcast", self.value, self.format.integer))

    def float(self) -> Number:
        """The float that has these bits."""
        return self.same(self.f.convert("bitcast", self.value, F32 if self.type.scalar == "i32" else F64))

    def convert(self, operation: str, scalar: Type) -> Number:
        """One of LLVM's conversions: ``sitofp``, ``fpext``, ``trunc``..."""
        return self.same(self.f.convert(operation, self.value, scalar))

    def at_most(self, bound: Operand) -> Number:
        """The smaller of this and a bound; NaN stays NaN."""
        bound = self.like(bound)
        return where(bound < self, bound, self)

    def at_least(self, bound: Operand) -> Number:
        """The larger of this and a bound; NaN stays NaN."""
        bound = self.like(bound)
        return where(bound > self, bound, self)


def where(condition: Number, yes: Operand, no: Operand) -> Number:
    """`yes` in the lanes where the condition holds, else `no`; at least one is a Number."""
    like = yes if isinstance(yes, Number) else no
    yes, no = like.like(yes), like.like(no)
    return like.same(like.f.select(condition.value, yes.value, no.value))


def fma(a: Number, b: Operand, c: Operand) -> Number:
    """``a * b + c``: rounded once where the machine has such an instruction, else twice."""
    return a.same(a.f.fma(a.value, a.like(b).value, a.like(c).value))


def root(x: Number) -> Number:
    """The square root, correctly rounded."""
    return x.same(x.f.intrinsic("llvm.sqrt", x.value))


def copysign(x: Number, sign: Number) -> Number:
    """The magnitude of one with the sign of another."""
    return x.same(x.f.intrinsic("llvm.copysign", x.value, sign.value))


def polynomial(x: Number, coefficients: Sequence[float] | Mapping[str, Sequence[float]], *first: float) -> Number:
    """``first[0] + first[1] x ... + c[0] x**len(first) ...``; tables are looked up by the format of x.

    By Horner's rule: its chain of operations is long, but it takes the fewest, and neighbouring iterations of a loop
    over arrays run beside each other. (G. Estrin's scheme of pairs measured the same or slower.)
    """
    numbers = coefficients[x.format.name] if isinstance(coefficients, Mapping) else coefficients
    result, *rest = (x.like(c) for c in reversed((*first, *numbers)))
    for c in rest:
        result = fma(result, x, c)
    return result


def any_lane(condition: Number) -> Number:
    """Whether a condition holds in any lane, as a single boolean."""
    lanes = condition.type.lanes
    if lanes == 1:
        return condition
    word = condition.f.emit(f"bitcast {condition.type} {condition.value} to i{lanes}", Type(f"i{lanes}"))
    return condition.same(condition.f.icmp("ne", word, Value("0", word.type)))


def choose(condition: Number, yes: Callable[[], Number], no: Callable[[], Number]) -> Number:
    """Run one of two pieces of code: for what is rare and slow."""
    assert condition.type == BOOL
    return condition.same(condition.f.choose(condition.value, lambda: yes().value, lambda: no().value))
