"""Elliptic integrals and functions, in the modulus where that is their only argument, else in the amplitude.

Near m = 0 the formulas of M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*, 17.3, for the derivatives
of K and E divide 0 by 0; there, the derivatives of the series 17.3.11 and 17.3.12 take their place.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import call, elementwise, operand
from twopass.rules.special.series import horner, outputs

_NEAR = 0.2
_COEFFICIENTS = [math.pi / 2 * (math.comb(2 * n, n) / 4**n) ** 2 for n in range(28)]
#: Derivatives of K and E in powers of m, highest first.
_K = [n * c for n, c in enumerate(_COEFFICIENTS)][:0:-1]
_E = [-n * c / (2 * n - 1) for n, c in enumerate(_COEFFICIENTS)][:0:-1]

_DOMAIN = ((-3.0, -0.3), (-0.15, 0.15), (0.3, 0.9))


def _near_zero(series: list[float], m: Any, formula: Any) -> Any:
    near = np.abs(m) < _NEAR
    return np.where(near, horner(series, np.where(near, m, 0)), formula(np.where(near, 0.5, m)))


def _first_slope(m: Any) -> Any:
    return _near_zero(_K, m, lambda m: (sp.ellipe(m) / (1 - m) - sp.ellipk(m)) / (2 * m))


def _complementary_slope(p: Any) -> Any:
    """The derivative of K(1 - p): as `_first_slope`, but with all the digits of a small p."""
    near = np.abs(1 - p) < _NEAR
    far = np.where(near, 0.5, p)
    formula = (sp.ellipe(1 - far) / far - sp.ellipkm1(far)) / (2 * (1 - far))
    return -np.where(near, horner(_K, np.where(near, 1 - p, 0)), formula)


elementwise(sp.ellipk, lambda _y, m: _first_slope(m), domain=_DOMAIN, holomorphic=False)
elementwise(
    sp.ellipkm1, lambda _y, p: _complementary_slope(p), domain=((0.1, 0.75), (0.9, 1.1), (1.3, 3.0)), holomorphic=False
)
elementwise(
    sp.ellipe,
    lambda _y, m: _near_zero(_E, m, lambda m: (sp.ellipe(m) - sp.ellipk(m)) / (2 * m)),
    domain=_DOMAIN,
    holomorphic=False,
)


def _root(phi: Any, m: Any) -> Any:
    return np.sqrt(1 - m * np.sin(phi) ** 2)


_AMPLITUDES = [call(operand(3, 4), np.array([-1.0, 0.0, 0.5, 0.9])), call(operand(), 0.3)]
elementwise(sp.ellipkinc, lambda _y, phi, m: 1 / _root(phi, m), None, examples=_AMPLITUDES, holomorphic=False)
elementwise(sp.ellipeinc, lambda _y, phi, m: _root(phi, m), None, examples=_AMPLITUDES, holomorphic=False)
outputs(
    sp.ellipj,
    lambda y, _u, m: (y[1] * y[2], -y[0] * y[2], -m * y[0] * y[1], y[2]),
    slot=0,
    examples=[call(operand(3, 4), np.array([0.0, 0.2, 0.5, 0.9]))],
    holomorphic=False,
)
