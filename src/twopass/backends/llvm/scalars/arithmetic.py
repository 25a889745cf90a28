"""Arithmetic, comparisons, selection and rounding, of floats and of integers, as NumPy defines them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from twopass.backends.llvm.builder import BOOL, I32, I64, Type, Value, literal, scalar_type
from twopass.backends.llvm.scalars.number import Number, any_lane, choose, copysign, fma, where

# --- conversions ----------------------------------------------------------------------------------------------------


def register_type(dtype: np.dtype[np.generic]) -> Type:
    """The type of an element in registers, where a boolean is one bit."""
    return BOOL if dtype.kind == "b" else scalar_type(dtype)


def convert(x: Number, source: np.dtype[np.generic], target: np.dtype[np.generic]) -> Number:
    """A conversion as NumPy makes it. A float out of an integer's range gives some number, as in C."""
    to = register_type(target)
    if source == target:
        return x
    if target.kind == "b":
        return x.differs(0)
    if target.kind == "f":
        if source.kind == "f":
            return x.convert("fpext" if target.itemsize > source.itemsize else "fptrunc", to)
        return x.convert("sitofp" if source.kind == "i" else "uitofp", to)
    if source.kind == "f":
        return _to_integer(x, target, to)
    if to.bytes < x.type.bytes:
        return x.convert("trunc", to)
    return x.convert("sext" if source.kind == "i" else "zext", to)


def _to_integer(x: Number, target: np.dtype[np.generic], to: Type) -> Number:
    """Towards zero; through a wider integer, as C does, so that what a small type cannot hold wraps around."""
    if target == np.uint64:
        return _frozen(x.convert("fptoui", I64))
    wide = I64 if target.itemsize == 8 or target == np.uint32 else I32
    result = _frozen(x.convert("fptosi", wide))
    return result.convert("trunc", to) if to.bytes < wide.bytes else result


def _frozen(x: Number) -> Number:
    """Some number, where LLVM leaves it open and could otherwise assume that this does not happen."""
    return x.same(x.f.emit(f"freeze {x.type} {x.value}", x.type))


# --- sums and products ----------------------------------------------------------------------------------------------


def add(a: Number, b: Number) -> Number:
    """``a + b``."""
    return a + b


def subtract(a: Number, b: Number) -> Number:
    """``a - b``."""
    return a - b


def multiply(a: Number, b: Number) -> Number:
    """``a * b``."""
    return a * b


def true_divide(a: Number, b: Number) -> Number:
    """``a / b``."""
    return a / b


def negative(x: Number) -> Number:
    """``-x``."""
    return -x


def square(x: Number) -> Number:
    """``x * x``."""
    return x * x


def reciprocal(x: Number) -> Number:
    """``1 / x``."""
    return 1 / x


def multiply_add(a: Number, b: Number, c: Number) -> Number:
    """``a * b + c``."""
    return fma(a, b, c) if a.type.is_float else a * b + c


def degrees(x: Number) -> Number:
    """Radians in degrees."""
    return x * (180 / math.pi)


def radians(x: Number) -> Number:
    """Degrees in radians."""
    return x * (math.pi / 180)


def both(a: Number, b: Number) -> Number:
    """And."""
    return a & b


def either(a: Number, b: Number) -> Number:
    """Or, of each bit."""
    return a | b


def differing(a: Number, b: Number) -> Number:
    """Exclusive or, of each bit."""
    return a ^ b


def inverted(x: Number) -> Number:
    """Not, of each bit."""
    return ~x


# --- signs and extremes ---------------------------------------------------------------------------------------------


def absolute(x: Number) -> Number:
    """The magnitude of a float."""
    return abs(x)


def absolute_integer(x: Number) -> Number:
    """The magnitude of a signed integer; the smallest one has none and stays."""
    return where(x < 0, -x, x)


def sign(x: Number) -> Number:
    """-1, 0 or 1, of zero 0, of NaN NaN."""
    if not x.type.is_float:
        return where(x > 0, 1, (x < 0).convert("sext", x.type.wide(1)))
    result = where(x < 0, -1.0, where(x > 0, x.like(1.0), 0.0))
    return where(x.is_nan(), x, result)


def sign_unsigned(x: Number) -> Number:
    """0 or 1."""
    return x.differs(0).convert("zext", x.type.wide(1))


def heaviside(x: Number, middle: Number) -> Number:
    """0 below zero, 1 above, `middle` at zero, of NaN NaN."""
    result = where(x.equals(0.0), middle, where(x < 0, x.like(0.0), 1.0))
    return where(x.is_nan(), x, result)


def _known(x: Number) -> bool:
    """Whether it is a literal and finite, so that one comparison settles what a NaN would need two for."""
    return x.is_literal and not any(exponent in x.value.text for exponent in ("0x7FF", "0xFFF"))


def maximum(a: Number, b: Number) -> Number:
    """The larger; NaN if either is; of equal zeros the second."""
    if _known(b):
        return where(a.compare("ugt", b), a, b)
    return where(a.is_nan(), a, where(a > b, a, b))


def minimum(a: Number, b: Number) -> Number:
    """The smaller; NaN if either is; of equal zeros the second."""
    if _known(b):
        return where(a.compare("ult", b), a, b)
    return where(a.is_nan(), a, where(a < b, a, b))


def fmax(a: Number, b: Number) -> Number:
    """The larger, or the one that is a number."""
    return where(b.is_nan(), a, where(a > b, a, b))


def fmin(a: Number, b: Number) -> Number:
    """The smaller, or the one that is a number."""
    return where(b.is_nan(), a, where(a < b, a, b))


def larger(a: Number, b: Number) -> Number:
    """The larger of signed integers."""
    return where(a > b, a, b)


def smaller(a: Number, b: Number) -> Number:
    """The smaller of signed integers."""
    return where(a < b, a, b)


def larger_unsigned(a: Number, b: Number) -> Number:
    """The larger of unsigned integers."""
    return where(a.compare(" ugt", b), a, b)


def smaller_unsigned(a: Number, b: Number) -> Number:
    """The smaller of unsigned integers."""
    return where(a.compare(" ult", b), a, b)


# --- rounding, remainders -------------------------------------------------------------------------------------------


def floor(x: Number) -> Number:
    """The integer below."""
    return x.same(x.f.intrinsic("llvm.floor", x.value))


def ceil(x: Number) -> Number:
    """The integer above."""
    return x.same(x.f.intrinsic("llvm.ceil", x.value))


def trunc(x: Number) -> Number:
    """The integer towards zero."""
    return x.same(x.f.intrinsic("llvm.trunc", x.value))


def rint(x: Number) -> Number:
    """The nearest integer, of two the even one."""
    return x.same(x.f.intrinsic("llvm.rint", x.value))


def exact_fmod(a: Number, b: Number) -> Number:
    """``a - b * trunc(a / b)`` by the C library, which takes long for large quotients."""
    return a.same(a.f.binary("frem", a.value, b.value))


def fmod(a: Number, b: Number) -> Number:
    """``a - b * trunc(a / b)``, exactly."""
    if not a.f.has_fma:
        return exact_fmod(a, b)
    quotient = abs(a / b)
    # Below the limit, the truncated quotient is right or one too large, and the fused product leaves an exact rest.
    size = abs(b)
    normal = (size < math.inf) & (abs(a) > a.format.smallest * 2.0 ** (a.format.fraction + 1))
    simple = normal & (quotient < 2.0 ** (a.format.fraction - 2))

    def quick() -> Number:
        rest = fma(-trunc(quotient), size, abs(a))
        return copysign(where(rest < 0, rest + size, rest), a)

    return choose(any_lane(~simple), lambda: exact_fmod(a, b), quick)


def remainder(a: Number, b: Number) -> Number:
    """The rest of the division rounded down: it has the sign of the divisor, as Python's."""
    rest = fmod(a, b)
    wrong = rest.differs(0.0) & ((rest < 0) ^ (b < 0))
    rest = where(wrong, rest + b, rest)
    return where(rest.equals(0.0), copysign(rest, b), rest)


def floor_divide(a: Number, b: Number) -> Number:
    """The quotient rounded down, from the exact remainder."""
    rest = fmod(a, b)
    wrong = rest.differs(0.0) & ((rest < 0) ^ (b < 0))
    quotient = (a - rest) / b
    quotient = where(wrong, quotient - 1, quotient)
    down = floor(quotient)
    down = where(quotient - down > 0.5, down + 1, down)
    ratio = a / b
    down = where(quotient.equals(0.0), copysign(a.like(0.0), ratio), down)
    return where(b.equals(0.0), ratio, down)


def _divided(a: Number, b: Number) -> tuple[Number, Number, Number]:
    """Quotient towards zero and rest of signed integers, and where they are defined: the divisor is not zero.

    The smallest number divided by -1 overflows; NumPy gives it back, and the machine would trap.
    """
    smallest = -(1 << (8 * a.type.bytes - 1))
    zero = b.equals(0)
    safe = where(zero | (a.equals(smallest) & b.equals(-1)), 1, b)
    quotient = a.same(a.f.binary("sdiv", a.value, safe.value))
    return quotient, a - quotient * safe, ~zero


def _divided_unsigned(a: Number, b: Number) -> tuple[Number, Number, Number]:
    zero = b.equals(0)
    safe = where(zero, 1, b)
    quotient = a.same(a.f.binary("udiv", a.value, safe.value))
    return quotient, a - quotient * safe, ~zero


def floor_divide_signed(a: Number, b: Number) -> Number:
    """The quotient rounded down; 0 for the divisor 0."""
    quotient, rest, defined = _divided(a, b)
    wrong = rest.differs(0) & ((rest ^ b) < 0)
    return where(defined, where(wrong, quotient - 1, quotient), 0)


def floor_divide_unsigned(a: Number, b: Number) -> Number:
    """The quotient; 0 for the divisor 0."""
    quotient, _, defined = _divided_unsigned(a, b)
    return where(defined, quotient, 0)


def remainder_signed(a: Number, b: Number) -> Number:
    """The rest with the sign of the divisor; 0 for the divisor 0."""
    _, rest, defined = _divided(a, b)
    wrong = rest.differs(0) & ((rest ^ b) < 0)
    return where(defined, where(wrong, rest + b, rest), 0)


def fmod_signed(a: Number, b: Number) -> Number:
    """The rest with the sign of the dividend; 0 for the divisor 0."""
    _, rest, defined = _divided(a, b)
    return where(defined, rest, 0)


def remainder_unsigned(a: Number, b: Number) -> Number:
    """The rest; 0 for the divisor 0."""
    _, rest, defined = _divided_unsigned(a, b)
    return where(defined, rest, 0)


def reciprocal_signed(x: Number) -> Number:
    """``1 / x`` towards zero; what NumPy gives for 0 is that of a conversion from infinity."""
    smallest = -(1 << (8 * x.type.bytes - 1)) if x.type.bytes >= 4 else 0
    return where(x.equals(0), smallest, where((x + 1).compare(" ule", 2), x, 0))


def reciprocal_unsigned(x: Number) -> Number:
    """``1 / x`` towards zero."""
    return where(x.equals(1), x, 0)


def power_integer(base: Number, exponent: Number) -> Number:
    """Squarings and products that wrap around; a negative exponent, which NumPy refuses, is taken as unsigned."""
    f = base.f

    def bit(_: Value, *carried: Value) -> list[Value]:
        result, factor, rest = (Number(f, value) for value in carried)
        raised = where((rest & 1).differs(0), result * factor, result)
        return [raised.value, (factor * factor).value, rest.shift_logical(1).value]

    return Number(f, f.loop(8 * base.type.bytes, bit, [base.like(1).value, base.value, exponent.value])[0])


# --- shifts ---------------------------------------------------------------------------------------------------------


def left_shift(x: Number, count: Number) -> Number:
    """``x << count``; 0 for a count beyond the width."""
    width = 8 * x.type.bytes
    inside = count.compare(" ult", width)
    return where(inside, x << where(inside, count, 0), 0)


def right_shift(x: Number, count: Number) -> Number:
    """``x >> count`` of signed integers; all sign for a count beyond the width."""
    width = 8 * x.type.bytes
    return x >> where(count.compare(" ult", width), count, width - 1)


def right_shift_unsigned(x: Number, count: Number) -> Number:
    """``x >> count`` of unsigned integers; 0 for a count beyond the width."""
    width = 8 * x.type.bytes
    inside = count.compare(" ult", width)
    return where(inside, x.shift_logical(where(inside, count, 0)), 0)


def ldexp(x: Number, exponent: Number) -> Number:
    """``x * 2**exponent``, in four steps, because the factor may be far from a normal number."""
    format = x.format
    limit = 2 * (format.bias + format.fraction)
    n = exponent.convert("sext", I32) if exponent.type.bytes < 4 else exponent
    n = where(n > limit, limit, where(n < -limit, -limit, n))
    n = n.convert("sext" if n.type.bytes < format.integer.bytes else "trunc", format.integer)
    quarter = n >> 2
    step = ((quarter + format.bias) << format.fraction).float()
    last = ((n - 3 * quarter + format.bias) << format.fraction).float()
    return x * step * step * step * last


# --- tests ----------------------------------------------------------------------------------------------------------


def isnan(x: Number) -> Number:
    """Whether it is NaN."""
    return x.is_nan()


def isinf(x: Number) -> Number:
    """Whether it is infinite."""
    return abs(x).equals(math.inf)


def isfinite(x: Number) -> Number:
    """Whether it is a number and not infinite."""
    return abs(x) < math.inf


def signbit(x: Number) -> Number:
    """Whether the sign is minus, also that of zero and NaN."""
    return x.bits() < 0


def always(x: Number) -> Number:
    """True."""
    return x.same(literal(True, x.type.of(BOOL)))


def never(x: Number) -> Number:
    """False."""
    return x.same(literal(False, x.type.of(BOOL)))


def less(a: Number, b: Number) -> Number:
    """``a < b``."""
    return a < b


def less_equal(a: Number, b: Number) -> Number:
    """``a <= b``."""
    return a <= b


def greater(a: Number, b: Number) -> Number:
    """``a > b``."""
    return a > b


def greater_equal(a: Number, b: Number) -> Number:
    """``a >= b``."""
    return a >= b


def equal(a: Number, b: Number) -> Number:
    """``a == b``."""
    return a.equals(b)


def not_equal(a: Number, b: Number) -> Number:
    """``a != b``."""
    return a.differs(b)


def unsigned(predicate: str) -> Callable[[Number, Number], Number]:
    """The comparison of unsigned integers by one of LLVM's predicates."""
    return lambda a, b: a.compare(f" {predicate}", b)
