"""Trigonometric functions and their inverses.

Arguments are reduced by multiples of π in parts so short that products are exact (W. Cody and W. Waite, 1980), or,
where products are fused with sums, that the first difference is exact. This holds up to a limit; vectors with a larger
argument, which are rare, are left to the C library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from twopass.backends.llvm.builder import Value
from twopass.backends.llvm.scalars import coefficients
from twopass.backends.llvm.scalars.exponential import nearest
from twopass.backends.llvm.scalars.number import Number, any_lane, choose, copysign, fma, polynomial, root, where

#: π to 256 bits after the point.
PI = Fraction(0x3243F6A8885A308D313198A2E03707344A4093822299F31D0082EFA98EC4E6C89, 1 << 256)

#: Bits of the parts of π, and the largest argument: with fused products, and without.
_PARTS = {
    ("float32", True): ((24, 24, 24), 2.0**17),
    ("float64", True): ((53, 53, 53), 2.0**30),
    ("float32", False): ((11, 11, 11, 24), 2.0**13),
    ("float64", False): ((33, 33, 33, 53), 2.0**20),
}


def parts(number: Fraction, widths: tuple[int, ...]) -> list[float]:
    """A number as a sum of floats with so many bits."""
    result = []
    for width in widths:
        exponent = math.frexp(float(number))[1]
        unit = Fraction(2) ** (exponent - width)
        result.append(float(number // unit * unit))
        number -= Fraction(result[-1])
    return result


def rest(x: Number, n: Number, factor: Fraction = Fraction(1)) -> Number:
    """``x - n * factor * π``."""
    widths, _ = _PARTS[x.format.name, x.f.has_fma]
    for part in parts(PI * factor, widths):
        x = fma(n, -part, x)
    return x


def library(x: Number, name: str) -> Number:
    """The C library's function, lane by lane."""
    f, lanes, scalar = x.f, x.type.lanes, x.type.wide(1)
    symbol = name + ("f" if x.format.name == "float32" else "")
    if lanes == 1:
        return x.same(f.call(symbol, [x.value], scalar))
    memory = f.slot(x.type)
    f.store(x.value, memory)

    def lane(i: Value) -> None:
        place = f.element(memory, scalar, i)
        f.store(f.call(symbol, [f.load(place, scalar)], scalar), place)

    f.loop(lanes, lane)
    return x.same(f.load(memory, x.type))


def reduced(x: Number, name: str, quick: Callable[[], Number]) -> Number:
    """The quick code, unless the argument of a lane is too large for it, infinite or NaN."""
    _, limit = _PARTS[x.format.name, x.f.has_fma]
    return choose(any_lane(abs(x).compare("uge", limit)), lambda: library(x, name), quick)


def sin_reduced(r: Number) -> Number:
    """``sin(r)`` for ``|r| <= π / 2``. The sign is that of r, also of zero."""
    square = r * r
    return copysign(fma(r * square, polynomial(square, coefficients.SIN), r), r)


def flipped(x: Number, n: Number) -> Number:
    """The number with the other sign where the integer is odd."""
    return (x.bits() ^ (n << (x.format.bits - 1))).float()


def sin(x: Number) -> Number:
    """``(-1)**n sin(x - n π)``, with n the integer nearest to x / π."""

    def quick() -> Number:
        n, bits = nearest(x, 1 / math.pi)
        return flipped(sin_reduced(rest(x, n)), bits)

    return reduced(x, "sin", quick)


def cos(x: Number) -> Number:
    """``-(-1)**n sin(x - (n + 1/2) π)``, with n the integer nearest to x / π - 1/2."""

    def quick() -> Number:
        n, bits = nearest(fma(x, 1 / math.pi, -0.5), 1.0, 1)
        return flipped(sin_reduced(rest(x, n + 0.5)), bits)

    return reduced(x, "cos", quick)


def tan(x: Number) -> Number:
    """``t = tan(x - n π / 2)``, or ``-1 / t`` for odd n, with n the integer nearest to 2x / π."""

    def quick() -> Number:
        n, bits = nearest(x, 2 / math.pi)
        r = rest(x, n, Fraction(1, 2))
        square = r * r
        t = copysign(fma(r * square, polynomial(square, coefficients.TAN), r), r)
        return where((bits & 1).differs(0), -1 / t, t)

    return reduced(x, "tan", quick)


# --- inverse functions ----------------------------------------------------------------------------------------------

#: π / 2 beyond its nearest float, which sums would miss.
_TAIL = {
    "float32": float(PI / 2 - Fraction(1.57079637050628662109375)),
    "float64": float(PI / 2 - Fraction(math.pi / 2)),
}


def _tail(x: Number) -> float:
    return _TAIL[x.format.name]


def _arcsin_parts(x: Number) -> tuple[Number, Number]:
    """Whether ``|x| > 1/2``, and the arcsine of |x|, or there of ``sqrt((1 - |x|) / 2)``."""
    size = abs(x)
    large = size > 0.5
    square = where(large, fma(size, -0.5, 0.5), size * size)
    y = where(large, root(square), size)
    return large, fma(y * square, polynomial(square, coefficients.ARCSIN), y)


def arcsin(x: Number) -> Number:
    """A polynomial up to 1/2, beyond that ``π/2 - 2 arcsin(sqrt((1 - |x|) / 2))``."""
    large, angle = _arcsin_parts(x)
    return copysign(where(large, fma(angle, -2.0, math.pi / 2), angle), x)


def arccos(x: Number) -> Number:
    """``π/2 - arcsin(x)``, of which the part beyond 1/2 needs no difference."""
    large, angle = _arcsin_parts(x)
    twice = angle + angle
    beyond = where(x < 0, math.pi - (twice - 2 * _tail(x)), twice)
    return where(large, beyond, math.pi / 2 - (copysign(angle, x) - _tail(x)))


def _angle(above: Number, below: Number) -> Number:
    """``arctan(above / below)`` for ``0 <= above <= below``: of the angle to the diagonal, where that is nearer."""
    diagonal = above > below * math.tan(math.pi / 8)
    t = where(diagonal, above - below, above) / where(diagonal, above + below, below)
    t = where(below.equals(0.0), above, t)
    square = t * t
    angle = fma(t * square, polynomial(square, coefficients.ARCTAN), t)
    return where(diagonal, math.pi / 4 + (angle + 0.5 * _tail(t)), angle)


def arctan(x: Number) -> Number:
    """The angle of x to 1, from that of the smaller of both to the larger."""
    size = abs(x)
    steep = size > 1
    angle = _angle(where(steep, 1.0, size), where(steep, size, 1.0))
    return copysign(where(steep, math.pi / 2 - (angle - _tail(x)), angle), x)


def arctan2(y: Number, x: Number) -> Number:
    """The angle of the point (x, y), from that of the smaller coordinate to the larger."""
    height, width = abs(y), abs(x)
    steep = height > width
    above, below = where(steep, width, height), where(steep, height, width)
    # Infinite coordinates count as equal, and the sum of large ones must not overflow.
    both = above.equals(math.inf) & below.equals(math.inf)
    above, below = where(both, 1.0, above), where(both, 1.0, below)
    scale = where(below > 2.0 ** (x.format.bias - 1), x.like(0.25), 1.0)
    angle = _angle(above * scale, below * scale)
    angle = where(steep, math.pi / 2 - (angle - _tail(x)), angle)
    return copysign(where(x.bits() < 0, math.pi - (angle - 2 * _tail(x)), angle), y)
