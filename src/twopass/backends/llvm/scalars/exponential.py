"""Exponentials and logarithms, hyperbolic functions, powers.

Arguments are reduced as in W. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), what is left
is a polynomial (see ``coefficients.py``), and no step branches. Error bounds, in units in the last place, are those of
the table in ``table.py``, which the tests check.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from twopass.backends.llvm.scalars import coefficients
from twopass.backends.llvm.scalars.number import Number, any_lane, choose, copysign, fma, polynomial, root, where

LN2 = math.log(2)
#: log(2) in two parts. The first has trailing zeros, so that its product with an exponent is exact even without FMA.
LN2_PARTS = {
    "float32": (0.693145751953125, 1.4286068203094173e-06),
    "float64": (0.6931471803691238, 1.9082149292705877e-10),
}
INF, NAN = math.inf, math.nan


# --- exponentials ---------------------------------------------------------------------------------------------------


def nearest(x: Number, scale: float, added: int = 0) -> tuple[Number, Number]:
    """The integer n nearest to ``x * scale``: as a float, and as bits whose low ones are those of ``n + added``."""
    magic = x.format.magic + added
    shifted = fma(x, scale, magic)
    return shifted - magic, shifted.bits()


def less_multiple(x: Number, n: Number) -> Number:
    """``x - n * log(2)``, by a constant in two parts."""
    high, low = LN2_PARTS[x.format.name]
    return fma(n, -low, fma(n, -high, x))


def scaled(x: Number, biased: Number) -> Number:
    """``x * 2**n`` for the low bits of ``n + 2 * bias``, -2 * bias < n < 2 * bias.

    In two steps, so that results may overflow, or be subnormal, where 2**n itself is not a normal number.
    """
    half = biased.shift_logical(1)
    return x * power_of_two(half, x) * power_of_two(biased - half, x)


def power_of_two(biased: Number, like: Number) -> Number:
    """``2**n`` for the low bits of ``n + bias``, if it is a normal number."""
    return (biased << like.format.fraction).float()


def exp(x: Number, shift: int = 0) -> Number:
    """``2**n exp(r)``, with n the integer nearest to x / log(2); times ``2**shift``, which may avoid overflow."""
    format = x.format
    x = x.at_most((format.bias + 3) * LN2).at_least(-(format.bias + format.fraction + 3) * LN2)
    n, biased = nearest(x, 1 / LN2, 2 * format.bias + shift)
    return scaled(polynomial(less_multiple(x, n), coefficients.EXP, 1.0, 1.0), biased)


def exp2(x: Number) -> Number:
    """``2**x = 2**n exp((x - n) log(2))``, with n the integer nearest to x."""
    format = x.format
    x = x.at_most(format.bias + 3).at_least(-format.bias - format.fraction - 3)
    n, biased = nearest(x, 1.0, 2 * format.bias)
    return scaled(polynomial((x - n) * LN2, coefficients.EXP, 1.0, 1.0), biased)


def expm1_reduced(r: Number) -> Number:
    """``exp(r) - 1`` for ``|r| <= log(2) / 2``."""
    return fma(r * r, polynomial(r, coefficients.EXP), r)


def expm1(x: Number) -> Number:
    """``exp(x) - 1 = 2**n (exp(r) - 1) + (2**n - 1)``, whose second term is exact."""
    format = x.format
    # Above the first bound the result overflows, and n stays at the largest exponent; below the second it is -1.
    y = x.at_most((format.bias + 1) * LN2 + 0.1).at_least(-(format.fraction + 3) * LN2)
    n, biased = nearest(y, 1 / LN2, format.bias - 1)
    half = power_of_two(biased, x)  # 2**n overflows before the result does
    result = fma(expm1_reduced(less_multiple(y, n)), half, half - 0.5)
    # Where x is its own result, which is most of the range, half of it may be subnormal, or it is a zero with a sign.
    return where(abs(x) < 2.0 ** -(format.fraction + 2), x, result + result)


def tanh(x: Number) -> Number:
    """``H / (H + 1)`` with ``H = (exp(2 |x|) - 1) / 2``; everything is halved, which costs nothing."""
    format = x.format
    size = abs(x).at_most(10.0 if format.name == "float32" else 20.0)  # from where on it rounds to 1
    n, biased = nearest(size, 2 / LN2, format.bias)
    # One part of log(2) is enough: where n is large, the quotient hardly depends on H.
    r = fma(n, -LN2 / 2, size)
    halves = [2.0 ** (i + 1) * c for i, c in enumerate(coefficients.EXP[format.name])]
    power = power_of_two(biased, x)
    h = fma(fma(r * r, polynomial(r, halves), r), power, fma(power, 0.5, -0.5))
    return copysign(h / (h + 1), x)


def sigmoid(x: Number) -> Number:
    """``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which does not overflow."""
    e = exp(-abs(x))
    return where(x < 0, e, 1.0) / (1 + e)


# --- logarithms -----------------------------------------------------------------------------------------------------


def split(x: Number, lower: Number | None = None) -> tuple[Number, Number]:
    """The k with ``x / 2**k`` in [2/3, 4/3), as an integer, and that quotient; `lower` is subtracted from k."""
    fraction = x.format.fraction
    base = x.like(2 / 3).bits()
    bits = x.bits() - base
    m = ((bits & ((1 << fraction) - 1)) + base).float()
    return (bits if lower is None else bits - (lower << fraction)) >> fraction, m


def log_reduced(f: Number) -> Number:
    """``log(1 + f)`` for ``|f| <= 1/3``."""
    square = f * f
    return fma(square, polynomial(f, coefficients.LOG, -0.5), f)


def logarithm(x: Number, join: Callable[[Number, Number], Number]) -> Number:
    """What `join` makes of ``k`` and ``log(m)``, for ``x = 2**k m``.

    Vectors in which all numbers are positive, normal and finite take the quick way; others branch to one that is right
    for all.
    """
    format = x.format
    smallest = x.like(format.smallest).bits()
    infinity = x.like(INF).bits()
    usual = (x.bits() - smallest).compare(" ult", infinity - smallest)

    def joined(k: Number, m: Number) -> Number:
        return join(k.convert("sitofp", x.type), log_reduced(m - 1))

    def careful() -> Number:
        small = x < format.smallest
        raised = format.fraction + 1
        normal = where(small, x * 2.0**raised, x)
        result = joined(*split(normal, where(small, smallest.like(raised), 0)))
        result = where(x < INF, result, x)  # infinity or NaN
        result = where(x < 0, NAN, result)
        return where(x.equals(0.0), -INF, result)

    return choose(any_lane(~usual), careful, lambda: joined(*split(x)))


def log(x: Number) -> Number:
    """``k log(2) + log(m)``."""
    return logarithm(x, lambda k, log_m: fma(k, LN2, log_m))


def log2(x: Number) -> Number:
    """``k + log(m) / log(2)``: exact for powers of two."""
    return logarithm(x, lambda k, log_m: fma(log_m, 1 / LN2, k))


#: log10(2) in two parts, as LN2_PARTS, and 1 / log(10), where one part would add its own rounding.
LOG10_2_PARTS = {
    "float32": (0.301025390625, 4.605038981195214e-06),
    "float64": (0.3010299955494702, 1.1451100898021838e-10),
}
LOG10_E_PARTS = {
    "float32": (0.4342944622039795, 1.9699272335463627e-08),
    "float64": (0.4342944819032518, 1.098319650216765e-17),
}


def log10(x: Number) -> Number:
    """``k log10(2) + log(m) / log(10)``."""
    high, low = LOG10_2_PARTS[x.format.name]
    first, second = LOG10_E_PARTS[x.format.name]
    return logarithm(x, lambda k, log_m: fma(k, high, fma(log_m, first, fma(log_m, second, k * low))))


def log1p(x: Number) -> Number:
    """``log(1 + x) = k log(2) + log(1 + f)``, with ``f = x / 2**k + (1 / 2**k - 1)`` rounded once, not ``1 + x``."""
    format = x.format
    k, m = split(1 + x)
    inverse = power_of_two(format.bias - k, x)
    # Where 2**-k is not normal, 1 + x is x, and m is exact.
    f = where(x < 2.0 ** (format.fraction + 3), fma(x, inverse, inverse - 1), m - 1)
    result = copysign(fma(k.convert("sitofp", x.type), LN2, log_reduced(f)), x)
    result = where(x < INF, result, x)
    result = where(x < -1, NAN, result)
    return where(x.equals(-1.0), -INF, result)


def logaddexp(x: Number, y: Number) -> Number:
    """``log(exp(x) + exp(y)) = max(x, y) + log(1 + exp(-|x - y|))``.

    Where the terms cancel, the error is that of the larger operand.
    """
    result = where(x > y, x, y) + log1p(exp(-abs(x - y)))
    return where(x.equals(y), x + LN2, result)  # also of equal infinities


def logaddexp2(x: Number, y: Number) -> Number:
    """The same with powers of two."""
    result = where(x > y, x, y) + log1p(exp2(-abs(x - y))) * (1 / LN2)
    return where(x.equals(y), x + 1, result)


# --- hyperbolic functions -------------------------------------------------------------------------------------------


def sinh(x: Number) -> Number:
    """``h - 1 / 4h`` with ``h = exp(|x|) / 2``; up to 1 a polynomial."""
    size = abs(x)
    h = exp(size, -1)
    square = size * size
    small = fma(size * square, polynomial(square, coefficients.SINH), size)
    return copysign(where(size < 1, small, h - 0.25 / h), x)


def cosh(x: Number) -> Number:
    """``h + 1 / 4h`` with ``h = exp(|x|) / 2``."""
    h = exp(abs(x), -1)
    return h + 0.25 / h


def arcsinh(x: Number) -> Number:
    """``log(1 + t)`` with ``t = |x| + x² / (1 + sqrt(1 + x²))``; ``log(2 |x|)`` where x² is much more than 1."""
    size = abs(x)
    square = size * size
    t = size + square / (1 + root(1 + square))
    return copysign(_log1p_or_double(t, size), x)


def arccosh(x: Number) -> Number:
    """``log(1 + t)`` with ``t = (x - 1) + sqrt((x - 1) (x + 1))``; ``log(2x)`` where x² is much more than 1."""
    over = x - 1
    t = over + root(over * (x + 1))
    return where(x < 1, NAN, _log1p_or_double(t, x))


def _log1p_or_double(t: Number, size: Number) -> Number:
    """``log(1 + t)``, or ``log(2 size)`` where size is so large that its square may overflow."""
    large = size > 2.0 ** (size.format.fraction + 3)
    return log1p(where(large, size, t)) + where(large, size.like(LN2), 0.0)


def arctanh(x: Number) -> Number:
    """``log(1 + 2 |x| / (1 - |x|)) / 2``."""
    size = abs(x)
    return copysign(0.5 * log1p((size + size) / (1 - size)), x)
