"""Exponentials and logarithms, hyperbolic functions, powers.

Arguments are reduced as in W. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), what is left
is a polynomial (see ``coefficients.py``), and no step branches. Error bounds, in units in the last place, are those of
the table in ``scalar.py``, which the tests check.
"""

from __future__ import annotations

import math

from twopass.backends.llvm.scalars import coefficients
from twopass.backends.llvm.scalars.number import Number, copysign, fma, polynomial, where

LN2 = math.log(2)
#: log(2) in two parts. The first has trailing zeros, so that its product with an exponent is exact even without FMA.
LN2_PARTS = {
    "float32": (0.693145751953125, 1.4286068203094173e-06),
    "float64": (0.6931471803691238, 1.9082149292705877e-10),
}
INF, NAN = math.inf, math.nan


def nearest(x: Number, scale: float) -> tuple[Number, Number]:
    """The integer nearest to ``x * scale``: as a float, and as bits whose low ones are those of the integer."""
    magic = x.format.magic
    shifted = fma(x, scale, magic)
    return shifted - magic, shifted.bits()


def scaled(x: Number, n: Number) -> Number:
    """``x * 2**n`` for the low bits of n (as `nearest` gives them), -2 * bias < n < 2 * bias.

    In two steps, so that results may overflow, or be subnormal, where 2**n itself is not a normal number.
    """
    format = x.format
    biased = n + 2 * format.bias
    half = biased.shift_logical(1)
    return x * (half << format.fraction).float() * ((biased - half) << format.fraction).float()


def two_to_the(n: Number, format_of: Number) -> Number:
    """``2**n`` for the low bits of n, if it is a normal number."""
    format = format_of.format
    return ((n + format.bias) << format.fraction).float()


def exp_reduced(r: Number) -> Number:
    """``exp(r) - 1 - r`` for ``|r| <= log(2) / 2``."""
    return r * r * polynomial(r, coefficients.EXP)


def exp(x: Number) -> Number:
    """``exp(x) = 2**n exp(r)``, with n the integer nearest to x / log(2)."""
    return exp_shifted(x, 0)


def exp_shifted(x: Number, shift: int) -> Number:
    """``exp(x) * 2**shift`` for a small shift, finite where exp(x) itself is not."""
    format = x.format
    high, low = LN2_PARTS[format.name]
    limit = (format.bias + 3) * LN2
    x = x.at_most(limit).at_least(-limit - format.fraction * LN2)
    n, bits = nearest(x, 1 / LN2)
    r = fma(n, -low, fma(n, -high, x))
    return scaled(1 + (r + exp_reduced(r)), bits + shift if shift else bits)


def exp2(x: Number) -> Number:
    """``2**x = 2**n exp((x - n) log(2))``, with n the integer nearest to x."""
    format = x.format
    x = x.at_most(format.bias + 3).at_least(-format.bias - format.fraction - 3)
    n, bits = nearest(x, 1.0)
    r = (x - n) * LN2
    return scaled(1 + (r + exp_reduced(r)), bits)


def expm1(x: Number) -> Number:
    """``exp(x) - 1 = 2**n (exp(r) - 1) + (2**n - 1)``, whose second term is exact."""
    format = x.format
    high, low = LN2_PARTS[format.name]
    # Above the first bound the result overflows, and n stays at the largest exponent; below the second it is -1.
    y = x.at_most((format.bias + 1) * LN2 + 0.1).at_least(-(format.fraction + 3) * LN2)
    n, bits = nearest(y, 1 / LN2)
    r = fma(n, -low, fma(n, -high, y))
    half = two_to_the(bits - 1, x)  # 2**n overflows before the result does
    result = fma(r + exp_reduced(r), half, half - 0.5)
    return copysign(result + result, x)


def sigmoid(x: Number) -> Number:
    """``1 / (1 + exp(-x))``, from ``exp(-|x|)``, which does not overflow."""
    e = exp(-abs(x))
    return where(x < 0, e, 1.0) / (1 + e)


# --- logarithms -----------------------------------------------------------------------------------------------------


def split(x: Number) -> tuple[Number, Number, Number]:
    """The power of two ``2**k`` with x / 2**k in [2/3, 4/3): k as a float and as an integer, and the quotient."""
    format = x.format
    base = x.like(2 / 3).bits()
    bits = x.bits() - base
    k = bits >> format.fraction
    m = ((bits & ((1 << format.fraction) - 1)) + base).float()
    return k.convert("sitofp", x.type), k, m


def log_reduced(f: Number) -> Number:
    """``log(1 + f)`` for ``|f| <= 1/3``."""
    square = f * f
    return fma(square, fma(f, polynomial(f, coefficients.LOG), -0.5), f)


def normal(x: Number) -> tuple[Number, Number]:
    """A positive number out of the subnormal range, and what to add to its binary logarithm."""
    format = x.format
    small = x < format.smallest
    return where(small, x * 2.0 ** (format.fraction + 1), x), where(small, x.like(-format.fraction - 1.0), 0.0)


def log_limits(result: Number, x: Number) -> Number:
    """A logarithm's result with those of zero, negative numbers, infinity and NaN put in."""
    result = where(x < INF, result, x)  # infinity or NaN
    result = where(x < 0, NAN, result)
    return where(x.equals(0.0), -INF, result)


def log(x: Number) -> Number:
    """``k log(2) + log(m)``."""
    y, lower = normal(x)
    k, _, m = split(y)
    k = k + lower
    high, low = LN2_PARTS[x.format.name]
    return log_limits(fma(k, high, fma(k, low, log_reduced(m - 1))), x)


def log2(x: Number) -> Number:
    """``k + log(m) / log(2)``: exact for powers of two."""
    y, lower = normal(x)
    k, _, m = split(y)
    return log_limits(fma(log_reduced(m - 1), 1 / LN2, k + lower), x)


#: log10(2) in two parts, as LN2_PARTS.
LOG10_2_PARTS = {
    "float32": (0.301025390625, 4.605038981195214e-06),
    "float64": (0.3010299955494702, 1.1451100898021838e-10),
}
#: 1 / log(10) in two parts, because one would add its own rounding.
LOG10_E_PARTS = {
    "float32": (0.4342944622039795, 1.9699272335463627e-08),
    "float64": (0.4342944819032518, 1.0983196502167651e-17),
}


def log10(x: Number) -> Number:
    """``k log10(2) + log(m) / log(10)``."""
    y, lower = normal(x)
    k, _, m = split(y)
    k = k + lower
    high, low = LOG10_2_PARTS[x.format.name]
    first, second = LOG10_E_PARTS[x.format.name]
    logarithm = log_reduced(m - 1)
    tail = fma(logarithm, first, fma(logarithm, second, k * low))
    return log_limits(fma(k, high, tail), x)


def log1p(x: Number) -> Number:
    """``log(1 + x) = k log(2) + log(1 + f)``, with ``f = x / 2**k + (1 / 2**k - 1)`` rounded once, not ``1 + x``."""
    format = x.format
    k, integer, m = split(1 + x)
    inverse = two_to_the(-integer, x)
    f = where(x < 2.0 ** (format.fraction + 3), fma(x, inverse, inverse - 1), m - 1)
    high, low = LN2_PARTS[format.name]
    result = copysign(fma(k, high, fma(k, low, log_reduced(f))), x)
    result = where(x < INF, result, x)
    result = where(x < -1, NAN, result)
    return where(x.equals(-1.0), -INF, result)


def tanh(x: Number) -> Number:
    """In float32 a quotient of polynomials; in float64 ``E / (E + 2)`` with ``E = exp(2x) - 1``."""
    if x.format.name == "float64":
        e = expm1(2 * abs(x).at_most(20.0))
        return copysign(e / (e + 2), x)
    y = x.at_most(9.02).at_least(-9.02)
    z = y * y
    above = y * polynomial(z, coefficients.TANH_ABOVE)
    # Rounding may take the quotient a little beyond 1.
    return (above / polynomial(z, coefficients.TANH_BELOW)).at_most(1.0).at_least(-1.0)
