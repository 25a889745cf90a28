"""The gamma function and what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import NONZERO, POSITIVE, call, constant, elementwise, operand
from twopass.rules.special.series import horner, ufunc_of

__all__ = ["trigamma"]

#: Between the poles at 0, -1, -2, ...
_BETWEEN = ((-1.8, -1.2), (-0.8, -0.2), (0.2, 3.0))

# --- polygamma functions --------------------------------------------------------------------------------------------

#: Hurwitz' zeta(s, q), of which the polygamma functions are made; and Riemann's zeta(s).
_HURWITZ = ufunc_of(lambda probe: sp.zeta(2.0, probe))

elementwise(
    _HURWITZ,
    None,
    lambda _y, s, q: -s * _HURWITZ(s + 1, q),
    examples=[call(2.5, operand(3, 4, domain=POSITIVE)), call(np.array([[2.0], [3.0]]), operand(4, domain=POSITIVE))],
    holomorphic=False,
)

#: The Bernoulli numbers B₂, B₄, ..., from the last.
_BERNOULLI = [
    *(8553103 / 6, -236364091 / 2730, 854513 / 138, -174611 / 330, 43867 / 798, -3617 / 510, 7 / 6),
    *(-691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6),
]
_SHIFT = 12


def _trigamma_right(z: Any) -> Any:
    """The trigamma function of complex numbers right of 1/2: shifted, then asymptotic (Abramowitz & Stegun 6.4.12)."""
    total: Any = 0
    for k in range(_SHIFT):
        total = total + 1 / (z + k) ** 2
    u = 1 / (z + _SHIFT)
    return total + u * (1 + u * (0.5 + u * horner(_BERNOULLI, u * u)))


def trigamma(x: Any) -> Any:
    """The derivative of the digamma function."""
    if x.dtype.kind != "c":
        return _HURWITZ(2, x)
    left = np.real(x) < 0.5
    reflected = (np.pi / np.sin(np.pi * np.where(left, x, 0.5))) ** 2 - _trigamma_right(np.where(left, 1 - x, 1))
    return np.where(left, reflected, _trigamma_right(np.where(left, 1, x)))


elementwise(sp.psi, lambda _y, x: trigamma(x), domain=_BETWEEN, holomorphic=False)

# --- gamma ----------------------------------------------------------------------------------------------------------

elementwise(sp.gamma, lambda y, x: y * sp.psi(x), domain=_BETWEEN, holomorphic=False)
elementwise(sp.gammaln, lambda _y, x: sp.psi(x), domain=_BETWEEN, holomorphic=False)
elementwise(sp.loggamma, lambda _y, x: sp.psi(x), domain=POSITIVE, holomorphic=False)
constant(sp.gammasgn)


def _reciprocal_slope(x: Any) -> Any:
    """``-psi(x) / gamma(x)``, left of 1/2 by reflection, which is finite at the poles of both."""
    left = np.real(x) < 0.5
    mirrored = 1 - np.where(left, x, 0.5)
    angle = np.pi * (1 - mirrored)
    reflected = sp.gamma(mirrored) * (np.cos(angle) - np.sin(angle) / np.pi * sp.psi(mirrored))
    right = np.where(left, 1, x)
    return np.where(left, reflected, -sp.psi(right) * sp.rgamma(right))


elementwise(
    sp.rgamma,
    lambda _y, x: _reciprocal_slope(x),
    domain=((-2.5, 3.0),),
    examples=[call(operand(domain=((-1.1, -0.9),)))],
    holomorphic=False,
)

# --- beta and binomial coefficients ---------------------------------------------------------------------------------

elementwise(
    sp.beta,
    lambda y, a, b: y * (sp.psi(a) - sp.psi(a + b)),
    lambda y, a, b: y * (sp.psi(b) - sp.psi(a + b)),
    domain=POSITIVE,
    holomorphic=False,
)
elementwise(
    sp.betaln,
    lambda _y, a, b: sp.psi(a) - sp.psi(a + b),
    lambda _y, a, b: sp.psi(b) - sp.psi(a + b),
    domain=POSITIVE,
    holomorphic=False,
)
elementwise(
    sp.poch,
    lambda y, z, m: y * (sp.psi(z + m) - sp.psi(z)),
    lambda y, z, m: y * sp.psi(z + m),
    domain=POSITIVE,
    examples=[call(operand(3, domain=POSITIVE), 2)],
    holomorphic=False,
)


def _is_pole(x: Any) -> Any:
    """Whether the gamma function has a pole there."""
    return (x <= 0) & (x == np.floor(x))


def _binomial_slope(slot: int, y: Any, n: Any, k: Any) -> Any:
    """The derivative of ``gamma(n + 1) / (gamma(k + 1) gamma(n - k + 1))``, also where it is 0 between poles."""
    top, first, second = n + 1, k + 1, n - k + 1
    zero = _is_pole(first) | _is_pole(second)
    inner = np.where(zero, 1, first), np.where(zero, 1, second)
    factors = sp.rgamma(first) * _reciprocal_slope(second), _reciprocal_slope(first) * sp.rgamma(second)
    if slot == 0:
        regular, singular = y * (sp.psi(np.where(zero, 1, top)) - sp.psi(inner[1])), factors[0]
    else:
        regular, singular = y * (sp.psi(inner[1]) - sp.psi(inner[0])), factors[1] - factors[0]
    return np.where(zero, sp.gamma(np.where(zero, top, 1)) * np.where(zero, singular, 0), regular)


elementwise(
    sp.binom,
    lambda y, n, k: _binomial_slope(0, y, n, k),
    lambda y, n, k: _binomial_slope(1, y, n, k),
    domain=[((2.1, 4.9),), ((0.1, 1.9),)],
    examples=[call(operand(3, domain=((2.5, 5.5),)), np.array([0, 1, 2])), call(4, operand(3, domain=((0.2, 3.8),)))],
    holomorphic=False,
)

# --- incomplete gamma and beta functions ----------------------------------------------------------------------------


def _gamma_density(a: Any, x: Any) -> Any:
    return np.exp(sp.xlogy(a - 1, x) - x - sp.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    return np.exp(sp.xlogy(a - 1, x) + sp.xlog1py(b - 1, -x) - sp.betaln(a, b))


_SHAPES, _ARGUMENTS = np.array([[0.5], [1.0], [2.5]]), operand(3, 4, domain=((0.3, 4.0),))
_SHARES = operand(3, 4, domain=((0.1, 0.9),))

for _function, _sign in ((sp.gammainc, 1), (sp.gammaincc, -1)):
    elementwise(
        _function,
        None,
        lambda _y, a, x, sign=_sign: sign * _gamma_density(a, x),
        examples=[call(_SHAPES, _ARGUMENTS), call(3, operand(2, domain=NONZERO[1:]))],
        holomorphic=False,
    )
for _function, _sign in ((sp.gammaincinv, 1), (sp.gammainccinv, -1)):
    elementwise(
        _function,
        None,
        lambda y, a, _p, sign=_sign: sign / _gamma_density(a, y),
        examples=[call(_SHAPES, _SHARES)],
        holomorphic=False,
    )
for _function, _sign in ((sp.betainc, 1), (sp.betaincc, -1)):
    elementwise(
        _function,
        None,
        None,
        lambda _y, a, b, x, sign=_sign: sign * _beta_density(a, b, x),
        examples=[call(_SHAPES, 1.5, _SHARES), call(2, np.array([1.0, 0.5]), operand(2, domain=((0.2, 0.8),)))],
        holomorphic=False,
    )
for _function, _sign in ((sp.betaincinv, 1), (sp.betainccinv, -1)):
    elementwise(
        _function,
        None,
        None,
        lambda y, a, b, _p, sign=_sign: sign / _beta_density(a, b, y),
        examples=[call(_SHAPES, 1.5, _SHARES)],
        holomorphic=False,
    )
