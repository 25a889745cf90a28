"""Functions of each element alone: NumPy's ufuncs and their like.

Kinks follow ``docs/kinks.md``: |x|'(0) = 0, hypot(0, 0) has gradient 0, and a tie in maximum or minimum shares the
cotangent equally between the operands.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.rule import detach
from twopass.rules.kinds import (
    ANY,
    NONZERO,
    POSITIVE,
    UNIT,
    call,
    composite,
    constant,
    elementwise,
    linear,
    operand,
    unsupported,
)

_LN2 = 0.6931471805599453094
_LN10 = 2.302585092994045684
_DEGREE = np.pi / 180
#: Small integers, whose products would overflow in their own dtype.
_INT8 = np.array([100, -90, 80, 3], dtype=np.int8)
#: Two operands with broadcasting, scalars included.
_BROADCAST = [
    call(operand(3, 4), operand(4)),
    call(operand(3, 1), operand(2, 1, 4)),
    call(operand(3), operand()),
    call(operand(3), 1.5),
    call(1.5, operand(2, 2)),
    call(_INT8, operand(4)),
    call(operand(4), _INT8 > 0),
]


def _nonzero(x: Any) -> Any:
    """`x` with 1 in the place of 0: a divisor for where the quotient is defined to be 0 anyway."""
    return np.where(x == 0, 1, x)


# --- arithmetic -----------------------------------------------------------------------------------------------------

elementwise(np.add, 1, 1, examples=_BROADCAST)
elementwise(np.subtract, 1, -1, examples=[call(operand(3, 1), operand(2, 1, 4)), call(1.5, operand(3))])
elementwise(np.multiply, lambda _y, _a, b: b, lambda _y, a, _b: a, examples=_BROADCAST)
elementwise(np.true_divide, lambda _y, _a, b: 1 / b, lambda y, _a, b: -y / b, domain=[ANY, NONZERO])
elementwise(np.negative, -1)
elementwise(np.positive, 1)
elementwise(np.square, lambda _y, x: 2 * x)
elementwise(np.reciprocal, lambda y, _x: -y * y, domain=NONZERO)
elementwise(np.sqrt, lambda y, _x: 0.5 / y, domain=POSITIVE)
elementwise(np.cbrt, lambda y, _x: 1 / (3 * y * y), domain=NONZERO, holomorphic=False)


def _power_base(_y: Any, base: Any, exponent: Any) -> Any:
    if isinstance(exponent, (int, float)):
        return exponent * base ** (exponent - 1) if exponent != 0 else np.zeros_like(base)
    # A zero exponent makes the power constant, even at base 0. (At others it is a factor that varies.)
    constant_power = (exponent == 0) & ~(np.abs(base) > 0)
    return np.where(constant_power, 0, exponent * base ** np.where(constant_power, 1, exponent - 1))


def _power_exponent(y: Any, base: Any, _exponent: Any) -> Any:
    # 0 ** p is 0 for all p > 0.
    return np.where(base == 0, 0, y * np.log(_nonzero(base)))


_POWERS = [
    call(operand(3, 4, domain=POSITIVE), operand(4)),
    call(operand(3, 4, domain=NONZERO), 3),
    call(operand(3, 4, domain=NONZERO), -2),
    call(operand(3, 4), 1),
    call(operand(3, 4), 0),
    call(operand(3, 4, domain=POSITIVE), np.array([0, 1, 2, 3])),
    call(2.0, operand(3, 4)),
]
for _power in (np.power, np.float_power):
    elementwise(_power, _power_base, _power_exponent, domain=[POSITIVE, ANY], examples=_POWERS)

# Remainders are x - y * quotient, with a quotient that is constant between its jumps.
_QUOTIENTS = [((0.1, 0.9), (1.1, 1.9)), ((1.0, 1.05), (-1.05, -1.0))]
elementwise(np.remainder, 1, lambda _y, a, b: -np.floor_divide(a, b), domain=_QUOTIENTS, holomorphic=False)
elementwise(np.fmod, 1, lambda _y, a, b: -np.trunc(a / b), domain=_QUOTIENTS, holomorphic=False)


@composite(np.divmod, examples=[call(*(operand(3, 4, domain=domain) for domain in _QUOTIENTS))])
def _divmod(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b), np.remainder(a, b)


@composite(np.modf, examples=[call(operand(3, 4, domain=((0.1, 0.9), (1.1, 1.9), (-0.9, -0.1))))])
def _modf(x: Any) -> Any:
    whole = np.trunc(x)
    return x - whole, whole


# --- exponentials and logarithms ------------------------------------------------------------------------------------

elementwise(np.exp, lambda y, _x: y)
elementwise(np.exp2, lambda y, _x: y * _LN2)
elementwise(np.expm1, lambda y, _x: y + 1)
elementwise(np.log, lambda _y, x: 1 / x, domain=POSITIVE)
elementwise(np.log2, lambda _y, x: 1 / (_LN2 * x), domain=POSITIVE)
elementwise(np.log10, lambda _y, x: 1 / (_LN10 * x), domain=POSITIVE)
elementwise(np.log1p, lambda _y, x: 1 / (1 + x), domain=UNIT)


def _share(exponential: Any, a: Any, b: Any) -> Any:
    """exp(a) / (exp(a) + exp(b)), to the last digits at any size of the operands and of their difference."""
    apart = np.where(np.isinf(a) & (a == b), 0, b - a)
    positive = apart > 0
    small = exponential(np.where(positive, -apart, apart))  # at most 1
    return np.where(positive, small, 1) / (1 + small)


for _logadd, _exponential in ((np.logaddexp, np.exp), (np.logaddexp2, np.exp2)):
    elementwise(
        _logadd,
        lambda _y, a, b, exp=_exponential: _share(exp, a, b),
        lambda _y, a, b, exp=_exponential: _share(exp, b, a),
        examples=[call(operand(3, 4), operand(4)), call(operand(3), 1.5)],
        holomorphic=False,
    )

# --- trigonometry ---------------------------------------------------------------------------------------------------


def _one_less_square(x: Any) -> Any:
    """``1 - x²``, exact near ±1; of a complex number with the sign of its zero, the side of a branch cut."""
    return -(x * x - 1) if x.dtype.kind == "c" else (1 - x) * (1 + x)


elementwise(np.sin, lambda _y, x: np.cos(x))
elementwise(np.cos, lambda _y, x: -np.sin(x))
elementwise(np.tan, lambda y, _x: 1 + y * y, domain=((-1.2, 1.2),))
elementwise(np.arcsin, lambda _y, x: 1 / np.sqrt(_one_less_square(x)), domain=UNIT)
elementwise(np.arccos, lambda _y, x: -1 / np.sqrt(_one_less_square(x)), domain=UNIT)
elementwise(np.arctan, lambda _y, x: 1 / (1 + x * x))
elementwise(np.sinh, lambda _y, x: np.cosh(x))
elementwise(np.cosh, lambda _y, x: np.sinh(x))
elementwise(np.tanh, lambda y, _x: 1 - y * y)
# The minus signs keep that of the zero in an imaginary number on a branch cut.
elementwise(np.arcsinh, lambda _y, x: 1 / (np.sqrt(-(-x * x - 1)) if x.dtype.kind == "c" else np.hypot(x, 1)))
elementwise(np.arccosh, lambda _y, x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)), domain=((1.2, 3.0),))
elementwise(np.arctanh, lambda _y, x: 1 / _one_less_square(x), domain=UNIT)


def _over_square(a: Any, b: Any, part: Any) -> Any:
    """``part / (a**2 + b**2)``, where the squares alone might overflow or vanish."""
    length = np.hypot(a, b)
    return part / length / length


elementwise(
    np.arctan2,
    lambda _y, a, b: _over_square(a, b, b),
    lambda _y, a, b: -_over_square(a, b, a),
    domain=[NONZERO, NONZERO],
    examples=[call(_INT8, operand(4)), call(_INT8 > 0, operand(4, domain=NONZERO))],
    holomorphic=False,
)
elementwise(
    np.hypot,
    lambda y, a, _b: a / _nonzero(y),
    lambda y, _a, b: b / _nonzero(y),
    domain=[NONZERO, NONZERO],
    holomorphic=False,
)
for _radians in (np.radians, np.deg2rad):
    elementwise(_radians, _DEGREE, holomorphic=False)
for _degrees in (np.degrees, np.rad2deg):
    elementwise(_degrees, 1 / _DEGREE, holomorphic=False)


def _sinc_slope(x: Any) -> Any:
    """(cos(pi x) - sinc(x)) / x, by its power series near 0, where the quotient would cancel."""
    near = np.abs(x) < 0.25
    far = np.where(near, 1, x)
    quotient = (np.cos(np.pi * far) - np.sin(np.pi * far) / (np.pi * far)) / far
    close = np.where(near, x, 0)
    square = (np.pi * close) ** 2
    # sinc(x) = sum of (-1)^k (pi x)^(2k) / (2k + 1)!
    total, factorial = 0.0 * close, 1.0
    coefficients = []
    for k in range(1, 14):
        factorial *= 2 * k * (2 * k + 1)
        coefficients.append((-1) ** k * 2 * k / factorial)
    for coefficient in reversed(coefficients):
        total = coefficient + square * total
    return np.where(near, np.pi**2 * close * total, quotient)


elementwise(np.sinc, lambda _y, x: _sinc_slope(x), domain=((-3.0, 3.0),), holomorphic=False)

# --- sign, kinks, rounding ------------------------------------------------------------------------------------------


def _abs_slope(y: Any, x: Any) -> Any:
    if x.dtype.kind == "c":
        return np.conj(x) / _nonzero(y)
    return np.sign(x)


elementwise(np.absolute, _abs_slope, domain=NONZERO, holomorphic=False)
elementwise(np.fabs, lambda _y, x: np.sign(x), domain=NONZERO, holomorphic=False)
elementwise(
    np.copysign, lambda _y, a, b: np.sign(a) * np.copysign(1, b), 0, domain=[NONZERO, NONZERO], holomorphic=False
)
elementwise(np.heaviside, 0, lambda _y, a, _b: a == 0, domain=[NONZERO, ANY], holomorphic=False)


def _wins(a: Any, b: Any) -> Any:
    """1 where a > b, 1/2 where they are equal, else 0."""
    return np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))


def _wins_or_nan(a: Any, b: Any) -> Any:
    """As `_wins`, where the other operand being NaN is a victory too."""
    return np.where(np.isnan(b), np.where(np.isnan(a), 0.5, 1.0), _wins(a, b))


elementwise(np.maximum, lambda _y, a, b: _wins(a, b), lambda _y, a, b: _wins(b, a), holomorphic=False)
elementwise(np.minimum, lambda _y, a, b: _wins(b, a), lambda _y, a, b: _wins(a, b), holomorphic=False)
elementwise(np.fmax, lambda _y, a, b: _wins_or_nan(a, b), lambda _y, a, b: _wins_or_nan(b, a), holomorphic=False)
elementwise(np.fmin, lambda _y, a, b: _wins_or_nan(-a, -b), lambda _y, a, b: _wins_or_nan(-b, -a), holomorphic=False)


@composite(np.sign, self_calling=True, examples=[call(operand(3, 4, domain=NONZERO))])
def _sign(x: Any) -> Any:
    return x / _nonzero(np.absolute(x)) if x.dtype.kind == "c" else np.sign(detach(x))


constant(np.floor, np.ceil, np.trunc, np.rint, np.fix, np.round, np.around, np.floor_divide, np.spacing)

# --- floating-point parts -------------------------------------------------------------------------------------------


def _scale(_y: Any, _x: Any, exponent: Any) -> Any:
    return np.exp2(exponent)  # an integer exponent, promoted to float


elementwise(np.ldexp, _scale, None, examples=[call(operand(3, 4), 3)], holomorphic=False)


@composite(np.frexp, self_calling=True, examples=[call(operand(3, 4, domain=((1.1, 1.9), (0.3, 0.45))))])
def _frexp(x: Any) -> Any:
    exponent = np.frexp(detach(x))[1]
    return np.ldexp(x, -exponent), exponent


unsupported(np.nextafter, instead="Add a small number instead.")

# --- complex parts --------------------------------------------------------------------------------------------------

_COMPLEX = [call(operand(3, 4)), call(operand())]


@linear(np.real, views=True, holomorphic=False, examples=_COMPLEX)
def _real_transpose(ct: Any, val: Any) -> Any:
    return ct


@linear(np.imag, views=True, holomorphic=False, examples=_COMPLEX)
def _imag_transpose(ct: Any, val: Any) -> Any:
    return ct * -1j  # in this order: a Python complex times np.float64 is a Python complex


@linear(np.conjugate, holomorphic=False, examples=_COMPLEX)
def _conjugate_transpose(ct: Any, x: Any) -> Any:
    return np.conjugate(ct)


@composite(np.angle, examples=[call(operand(3, 4, domain=NONZERO)), call(operand(4, domain=NONZERO), deg=True)])
def _angle(z: Any, deg: bool = False) -> Any:
    angle = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(angle) if deg else angle


@composite(np.real_if_close, self_calling=True, examples=[call(operand(3, 4))])
def _real_if_close(a: Any, tol: float = 100) -> Any:
    plain = np.real_if_close(detach(a), tol)
    return a if plain.dtype == a.dtype else np.real(a)


@composite(np.unwrap, self_calling=True, examples=[call(operand(3, 9, domain=((-6.0, 6.0),)))])
def _unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: float = 6.283185307179586) -> Any:
    plain = detach(p)
    return p + (np.unwrap(plain, discont, axis, period=period) - plain)


# --- zero derivative ------------------------------------------------------------------------------------------------

constant(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
constant(np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
constant(np.isfinite, np.isinf, np.isnan, np.isposinf, np.isneginf, np.signbit, np.isnat)
constant(np.iscomplex, np.isreal, np.iscomplexobj, np.isrealobj)
constant(np.isclose, np.allclose, np.array_equal, np.array_equiv)
constant(np.gcd, np.lcm, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift)
constant(np.bitwise_count, np.packbits, np.unpackbits)
