"""Powers and roots.

A power needs more digits than its factors have: an error of the logarithm is multiplied by the exponent. Sums and
products of pairs of numbers carry them (T. Dekker, *A floating-point technique for extending the available precision*,
1971).
"""

from __future__ import annotations

from fractions import Fraction

from twopass.backends.llvm.scalars import coefficients
from twopass.backends.llvm.scalars.arithmetic import trunc
from twopass.backends.llvm.scalars.exponential import INF, LN2, NAN, nearest, scaled, split
from twopass.backends.llvm.scalars.number import Number, copysign, fma, polynomial, root, where

Pair = tuple[Number, Number]

#: 1 / log(2) to 128 bits after the point, and 2/3.
LOG2_E = Fraction(0x171547652B82FE1777D0FFDA0D23A7D11, 1 << 128)
TWO_THIRDS = Fraction(2, 3)


def constant(x: Number, number: Fraction) -> Pair:
    """A number as a pair of literals."""
    high = x.format.rounded(float(number))
    return x.like(high), x.like(float(number - Fraction(high)))


def quick_sum(a: Number, b: Number) -> Pair:
    """The sum and its rounding error, if the first is the larger or zero."""
    total = a + b
    return total, b - (total - a)


def exact_product(a: Number, b: Number) -> Pair:
    """The product and its rounding error."""
    product = a * b
    if a.f.has_fma:
        return product, fma(a, b, -product)
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(a: Number) -> Pair:
    """Two numbers of half the digits whose sum it is (G. Veltkamp, 1968)."""
    moved = a * (2.0 ** ((a.format.fraction + 2) // 2) + 1)
    high = moved - (moved - a)
    return high, a - high


def product(a: Pair, b: Pair) -> Pair:
    """The product of pairs, not normalised."""
    high, low = exact_product(a[0], b[0])
    return high, low + fma(a[0], b[1], a[1] * b[0])


def log2_pair(x: Number) -> Pair:
    """The binary logarithm of a positive normal number, to about twice the digits.

    ``log(m) = 2 s + 2/3 s³ + s⁵ P(s²)`` with ``s = (m - 1) / (m + 1)``, as the series of arctanh; only the last term,
    which is small, does without pairs.
    """
    k, m = split(x)
    above = m - 1
    below = m + 1
    below_low = m - (below - 1)
    inverse = 1 / below
    quotient = above * inverse
    whole, part = exact_product(quotient, below)
    s = quotient, ((above - whole) - part - quotient * below_low) * inverse
    square = product(s, s)
    third = product(square, constant(x, TWO_THIRDS))
    last = square[0] * square[0] * polynomial(square[0], coefficients.LOG_POWER)
    total, error = quick_sum(third[0], last)
    factor, factor_low = quick_sum(x.like(2.0), total)
    log_m = product(s, (factor, factor_low + (error + third[1])))
    binary = product(log_m, constant(x, LOG2_E))
    result, low = quick_sum(k.convert("sitofp", x.type), binary[0])
    return quick_sum(result, low + binary[1])


def power(x: Number, y: Number) -> Number:
    """``2**(y log2(|x|))``, with C's results for special numbers, which are NumPy's."""
    format = x.format
    size = abs(x)
    small = size < format.smallest
    raised = format.fraction + 1.0
    high, low = log2_pair(where(small, size * 2.0**raised, size))
    high = high - where(small, x.like(raised), 0.0)
    high = where(size < INF, high, size)
    high = where(size.equals(0.0), -INF, high)
    exponent, error = exact_product(y, high)
    error = where(abs(exponent) < 4.0 * format.bias, error + y * low, 0.0)
    exponent = exponent.at_most(format.bias + 3).at_least(-format.bias - format.fraction - 3)
    n, biased = nearest(exponent, 1.0, 2 * format.bias)
    r = ((exponent - n) + error) * LN2
    result = scaled(polynomial(r, coefficients.EXP, 1.0, 1.0), biased)
    return _signed(where(y.equals(0.0) | size.equals(1.0), 1.0, result), x, y)


def _signed(result: Number, x: Number, y: Number) -> Number:
    """The power of |x| as that of x: negative for odd y, NaN for a negative x and y that is no integer."""
    whole = trunc(y).equals(y)
    odd = whole & (trunc(y * 0.5) * 2).differs(y)
    result = where((x.bits() < 0) & odd, -result, result)
    undefined = (x < 0) & (x > -INF) & ~whole
    result = where(undefined, NAN, result)
    return where(y.equals(0.0), 1.0, result)


def cbrt(x: Number) -> Number:
    """The cube root: a third of the exponent, then steps of E. Halley, each of which triples the digits."""
    format = x.format
    thirds = format.fraction - 3  # 8**thirds takes numbers, and differences of theirs, out of the subnormal range
    size = abs(x)
    small, large = size < format.smallest * 4.0**format.fraction, size > 2.0 ** (format.bias - 4)
    a = size * where(small, x.like(8.0**thirds), where(large, x.like(8.0**-thirds), 1.0))
    t = _third_of_bits(a)
    for _ in range(2 if format.name == "float32" else 3):
        cube = t * t * t
        t = fma(t, (a - cube) / (cube + cube + a), t)
    t = t * where(small, x.like(2.0**-thirds), where(large, x.like(2.0**thirds), 1.0))
    return where((size > 0) & (size < INF), copysign(t, x), x)


def _third_of_bits(a: Number) -> Number:
    """The cube root to 4%: bits are nearly a logarithm, so their third is that of the root, but for the bias."""
    format = a.format
    offset = int((2 / 3 * format.bias - 0.033) * 2**format.fraction)
    third = a.same(a.f.binary("udiv", a.bits().value, a.bits().like(3).value))
    return (third + offset).float()


def hypot(x: Number, y: Number) -> Number:
    """``sqrt(x² + y²)``, of numbers scaled so that their squares neither overflow nor vanish."""
    bias = x.format.bias
    x, y = abs(x), abs(y)
    largest = where(x > y, x, y)
    down, up = largest > 2.0 ** (bias // 2), largest < 2.0 ** -(bias * 2 // 5)
    shrink, grow = bias // 2 + 3, bias * 4 // 5
    scale = where(down, x.like(2.0**-shrink), where(up, x.like(2.0**grow), 1.0))
    back = where(down, x.like(2.0**shrink), where(up, x.like(2.0**-grow), 1.0))
    a, b = x * scale, y * scale
    result = root(fma(a, a, b * b)) * back
    return where(x.equals(INF) | y.equals(INF), INF, result)
