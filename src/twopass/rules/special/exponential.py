"""Exponentials, angles in degrees, and integrals of exponentials and of sines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import ANY, NONZERO, POSITIVE, UNIT, call, constant, elementwise, operand
from twopass.rules.special.series import horner, outputs, ufunc_of

__all__ = ["relative_slope"]

_LN10 = math.log(10)
_DEGREE = math.pi / 180

# --- as NumPy's own -------------------------------------------------------------------------------------------------

for _function, _slope, _domain in (
    (sp.exp2, lambda y, _x: y * math.log(2), ANY),
    (sp.exp10, lambda y, _x: y * _LN10, ANY),
    (sp.expm1, lambda y, _x: y + 1, ANY),
    (sp.log1p, lambda _y, x: 1 / (1 + x), UNIT),
    (sp.cbrt, lambda y, _x: 1 / (3 * y * y), NONZERO),
    (sp.cosm1, lambda _y, x: -np.sin(x), ANY),
    (sp.sindg, lambda _y, x: _DEGREE * sp.cosdg(x), ((-300.0, 300.0),)),
    (sp.cosdg, lambda _y, x: -_DEGREE * sp.sindg(x), ((-300.0, 300.0),)),
    (sp.tandg, lambda y, _x: _DEGREE * (1 + y * y), ((-70.0, 70.0),)),
    (sp.cotdg, lambda y, _x: -_DEGREE * (1 + y * y), ((20.0, 160.0),)),
):
    elementwise(_function, _slope, domain=_domain, holomorphic=False)
constant(sp.round)
elementwise(
    sp.powm1,
    lambda _y, x, p: p * x ** (p - 1),
    lambda y, x, _p: (y + 1) * np.log(x),
    domain=[POSITIVE, ANY],
    holomorphic=False,
)

#: The derivative of (exp(x) - 1) / x in powers of x, highest first.
_SERIES = [(k + 1) / math.factorial(k + 2) for k in range(20)][::-1]


def relative_slope(x: Any) -> Any:
    """The derivative of ``exprel(x) = (exp(x) - 1) / x``."""
    near = np.abs(x) < 1
    far = np.where(near, 1, x)
    quotient = (np.exp(far) - np.expm1(far) / far) / far
    return np.where(near, horner(_SERIES, np.where(near, x, 0)), quotient)


elementwise(sp.exprel, lambda _y, x: relative_slope(x), domain=((-4.0, 4.0),), holomorphic=False)

# --- integrals ------------------------------------------------------------------------------------------------------

elementwise(sp.expi, lambda _y, x: np.exp(x) / x, domain=NONZERO, holomorphic=False)
elementwise(sp.exp1, lambda _y, x: -np.exp(-x) / x, domain=POSITIVE, holomorphic=False)


def _order_slope(n: Any, x: Any) -> Any:
    """``-E_{n - 1}(x)``; the integral of order -1 is elementary."""
    return -np.where(n == 0, np.exp(-x) * (1 + x) / (x * x), sp.expn(np.maximum(n - 1, 0), x))


elementwise(
    sp.expn,
    None,
    lambda _y, n, x: _order_slope(n, x),
    examples=[call(np.array([[0.0], [1.0], [4.0]]), operand(4, domain=POSITIVE)), call(2, operand(domain=POSITIVE))],
    holomorphic=False,
)


def _sinhc(x: Any) -> Any:
    """``sinh(x) / x``."""
    zero = x == 0
    divisor = np.where(zero, 1, x)
    return np.where(zero, 1, np.sinh(divisor) / divisor)


# sin(x) / x is np.sinc(x / π), whose derivatives at 0 are right. That of a complex number is a quotient.
outputs(
    sp.sici,
    lambda _y, x: (np.sinc(x / np.pi), np.cos(x) / x),
    slot=0,
    examples=[call(operand(3, 4, domain=POSITIVE))],
    holomorphic=False,
)
outputs(
    sp.shichi,
    lambda _y, x: (_sinhc(x), np.cosh(x) / x),
    slot=0,
    examples=[call(operand(3, 4, domain=POSITIVE))],
    holomorphic=False,
)

# --- logarithms -----------------------------------------------------------------------------------------------------

#: log(1 + u) / u in powers of u, highest first.
_LOG_SERIES = [(-1) ** k / (k + 1) for k in range(24)][::-1]


def _log_ratio(z: Any) -> Any:
    """``log(z) / (z - 1)``."""
    near = np.abs(z - 1) < 0.15
    far = np.where(near, 2, z)
    return np.where(near, horner(_LOG_SERIES, np.where(near, z - 1, 0)), np.log(far) / (far - 1))


elementwise(
    sp.spence,
    lambda _y, x: -_log_ratio(x),
    domain=POSITIVE,
    examples=[call(operand(4, domain=((0.9, 1.1),)))],
    holomorphic=False,
)

#: lambertw(z, k, tol), where only z may be differentiated.
_LAMBERT = ufunc_of(sp.lambertw)
elementwise(
    _LAMBERT,
    lambda y, _z, _k, _tol: np.exp(-y) / (1 + y),
    None,
    None,
    examples=[
        call(operand(3, 4, domain=((-0.3, 3.0),)), 0, 1e-8),
        call(operand(3, domain=((-0.3, -0.1),)), -1, 1e-8),
    ],
    holomorphic=False,
)
elementwise(sp.wrightomega, lambda y, _x: y / (1 + y), holomorphic=False)
