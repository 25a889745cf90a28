"""The error function and its like.

The derivatives of `erfcx`, `dawsn` and `wofz` are differences of two nearly equal terms where the argument is large; an
asymptotic series (M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*, 7.1.23) takes their place there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import POSITIVE, UNIT, call, elementwise, operand
from twopass.rules.special.series import horner, outputs

__all__ = ["log_cdf_slope", "normal_density"]

_ROOT_PI = math.sqrt(math.pi)
_ROOT_2PI = math.sqrt(2 * math.pi)
_FAR = 12.0
#: 1·3·5···(2 k + 1) / 2^k, of the highest power first.
_ODD = [math.prod(range(1, 2 * k + 2, 2)) / 2**k for k in range(20)][::-1]


def _decay(square: Any) -> Any:
    """``1 + 3/2 s + 15/4 s² + ...`` for the reciprocal s of `square`: minus the derivative of 1/z + ..., times z²."""
    return horner(_ODD, 1 / square)


def _where_far(far: Any, z: Any, close: Any, asymptotic: Any) -> Any:
    """``close(z)``, or ``asymptotic(z)`` where `far`, each computed where it is taken."""
    return np.where(far, asymptotic(np.where(far, z, _FAR)), close(np.where(far, 0, z)))


# --- erf and its inverse --------------------------------------------------------------------------------------------

elementwise(sp.erf, lambda _y, x: 2 / _ROOT_PI * np.exp(-x * x))
elementwise(sp.erfc, lambda _y, x: -2 / _ROOT_PI * np.exp(-x * x))
elementwise(sp.erfi, lambda _y, x: 2 / _ROOT_PI * np.exp(x * x))
elementwise(sp.erfinv, lambda y, _x: _ROOT_PI / 2 * np.exp(y * y), domain=UNIT, holomorphic=False)
elementwise(sp.erfcinv, lambda y, _x: -_ROOT_PI / 2 * np.exp(y * y), domain=((0.1, 1.9),), holomorphic=False)


def _scaled_slope(x: Any) -> Any:
    return _where_far(
        np.real(x) - np.abs(np.imag(x)) > _FAR,
        x,
        lambda x: 2 * x * sp.erfcx(x) - 2 / _ROOT_PI,
        lambda x: -_decay(-x * x) / (_ROOT_PI * x * x),
    )


def _dawson_slope(x: Any) -> Any:
    return _where_far(
        np.abs(np.real(x)) - np.abs(np.imag(x)) > _FAR,
        x,
        lambda x: 1 - 2 * x * sp.dawsn(x),
        lambda x: -0.5 * _decay(x * x) / (x * x),
    )


def _faddeeva_slope(z: Any) -> Any:
    return _where_far(
        np.imag(z) + np.abs(np.real(z)) * (np.imag(z) > -1e-3 * np.abs(np.real(z))) > 2 * _FAR,
        z,
        lambda z: 2j / _ROOT_PI - 2 * z * sp.wofz(z),
        lambda z: -1j * _decay(z * z) / (_ROOT_PI * z * z),
    )


_WIDE = [call(operand(4, domain=((9.0, 11.9), (12.1, 40.0))))]
elementwise(sp.erfcx, lambda _y, x: _scaled_slope(x), examples=_WIDE, holomorphic=False)
elementwise(sp.dawsn, lambda _y, x: _dawson_slope(x), examples=_WIDE, holomorphic=False)
elementwise(sp.wofz, lambda _y, x: _faddeeva_slope(x), holomorphic=False)

# --- the normal distribution ----------------------------------------------------------------------------------------


def normal_density(x: Any) -> Any:
    """The density of the standard normal distribution."""
    return np.exp(-0.5 * x * x) / _ROOT_2PI


def log_cdf_slope(x: Any) -> Any:
    """The density of the standard normal distribution divided by its cumulative, to the last digits in both tails."""
    return math.sqrt(2 / math.pi) / sp.erfcx(-math.sqrt(0.5) * x)


elementwise(sp.ndtr, lambda _y, x: normal_density(x), holomorphic=False)
elementwise(
    sp.log_ndtr,
    lambda _y, x: log_cdf_slope(x),
    examples=[call(operand(4, domain=((-40.0, -5.0), (2.0, 5.0))))],
    holomorphic=False,
)
elementwise(sp.ndtri, lambda y, _p: _ROOT_2PI * np.exp(0.5 * y * y), domain=((0.1, 0.9),), holomorphic=False)
elementwise(sp.ndtri_exp, lambda y, _p: 1 / log_cdf_slope(y), domain=((-5.0, -0.1), (-80.0, -20.0)), holomorphic=False)
elementwise(
    sp.owens_t,
    lambda _y, h, a: -0.5 * normal_density(h) * sp.erf(math.sqrt(0.5) * a * h),
    lambda _y, h, a: np.exp(-0.5 * h * h * (1 + a * a)) / (2 * np.pi * (1 + a * a)),
    holomorphic=False,
)

# --- Voigt's profile ------------------------------------------------------------------------------------------------


def _voigt_slope(x: Any, sigma: Any, gamma: Any) -> tuple[Any, Any]:
    """Where the Faddeeva function is taken, and its slope there, times what makes it the slope of the profile."""
    z = (x + 1j * gamma) / (math.sqrt(2) * sigma)
    return z, _faddeeva_slope(z) / (2 * _ROOT_PI * sigma * sigma)


elementwise(
    sp.voigt_profile,
    lambda _y, x, sigma, gamma: np.real(_voigt_slope(x, sigma, gamma)[1]),
    lambda y, x, sigma, gamma: -y / sigma - math.sqrt(2) * np.real(np.prod(np.stack(_voigt_slope(x, sigma, gamma)), 0)),
    lambda _y, x, sigma, gamma: -np.imag(_voigt_slope(x, sigma, gamma)[1]),
    domain=[((-3.0, 3.0),), POSITIVE, POSITIVE],
    holomorphic=False,
)

# --- Fresnel's integrals --------------------------------------------------------------------------------------------

outputs(
    sp.fresnel,
    lambda _y, x: (np.sin(0.5 * np.pi * x * x), np.cos(0.5 * np.pi * x * x)),
    slot=0,
    examples=[call(operand(3, 4))],
    holomorphic=False,
)
