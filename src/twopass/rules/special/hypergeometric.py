"""Hypergeometric functions and orthogonal polynomials, in their argument; not in their parameters.

The derivatives are M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*, 15.2.1, 13.4.8, 13.4.21 and 22.8,
each with the parameters moved by one, which unlike the other formulas has no pole at the ends of the interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import POSITIVE, UNIT, call, elementwise, operand

elementwise(
    sp.hyp2f1,
    *(None, None, None),
    lambda _y, a, b, c, z: a * b / c * sp.hyp2f1(a + 1, b + 1, c + 1, z),
    examples=[call(0.5, np.array([[1.0], [1.5], [-2.0]]), 2.5, operand(3, 4, domain=UNIT))],
    holomorphic=False,
)
elementwise(
    sp.hyp1f1,
    *(None, None),
    lambda _y, a, b, z: a / b * sp.hyp1f1(a + 1, b + 1, z),
    examples=[call(np.array([[0.5], [1.0], [-2.0]]), 2.5, operand(3, 4))],
    holomorphic=False,
)
elementwise(
    sp.hyp0f1,
    None,
    lambda _y, v, z: sp.hyp0f1(v + 1, z) / v,
    examples=[call(np.array([[0.5], [1.0], [2.5]]), operand(3, 4))],
    holomorphic=False,
)
elementwise(
    sp.hyperu,
    *(None, None),
    lambda _y, a, b, z: -a * sp.hyperu(a + 1, b + 1, z),
    examples=[call(np.array([[0.5], [1.0], [1.5]]), 1.25, operand(3, 4, domain=POSITIVE))],
    holomorphic=False,
)


# --- orthogonal polynomials -----------------------------------------------------------------------------------------


def _lowered(n: Any, factor: Any, polynomial: Any) -> Any:
    """``factor * polynomial(n - 1)``, which is 0 for the constant polynomial; degrees stay integers if they can."""
    whole = np.real(np.asarray(n))
    if (whole == np.floor(whole)).all():
        whole = whole.astype(np.int64)
    return np.where(whole == 0, 0, factor * polynomial(np.maximum(whole, 1) - 1))


_DEGREES = np.array([[0], [1], [4]])
_X = operand(3, 4, domain=((-0.95, 0.95),))


def _polynomial(function: Any, slope: Any, *parameters: float, domain: Any = UNIT) -> None:
    """Register a polynomial of degree n, with parameters, in x: ``slope(n, *parameters, x)``."""
    elementwise(
        function,
        *(None,) * (1 + len(parameters)),
        lambda _y, *arguments: slope(*arguments),
        examples=[call(_DEGREES, *parameters, operand(3, 4, domain=domain))],
        holomorphic=False,
    )


_polynomial(
    sp.eval_jacobi,
    lambda n, a, b, x: _lowered(n, 0.5 * (n + a + b + 1), lambda k: sp.eval_jacobi(k, a + 1, b + 1, x)),
    *(0.5, 1.5),
)
_polynomial(
    sp.eval_sh_jacobi,
    lambda n, p, q, x: _lowered(n, n, lambda k: sp.eval_sh_jacobi(k, p + 2, q + 1, x)),
    *(3.0, 1.5),
    domain=((0.05, 0.95),),
)
_polynomial(sp.eval_legendre, lambda n, x: _lowered(n, 0.5 * (n + 1), lambda k: sp.eval_jacobi(k, 1.0, 1.0, x)))
_polynomial(
    sp.eval_sh_legendre,
    lambda n, x: _lowered(n, n + 1, lambda k: sp.eval_jacobi(k, 1.0, 1.0, 2 * x - 1)),
    domain=((0.05, 0.95),),
)
_polynomial(sp.eval_gegenbauer, lambda n, a, x: _lowered(n, 2 * a, lambda k: sp.eval_gegenbauer(k, a + 1, x)), 0.75)
_polynomial(sp.eval_chebyt, lambda n, x: _lowered(n, n, lambda k: sp.eval_chebyu(k, x)))
_polynomial(sp.eval_chebyu, lambda n, x: _lowered(n, 2, lambda k: sp.eval_gegenbauer(k, 2.0, x)))
_polynomial(
    sp.eval_sh_chebyt,
    lambda n, x: _lowered(n, 2 * n, lambda k: sp.eval_sh_chebyu(k, x)),
    domain=((0.05, 0.95),),
)
_polynomial(
    sp.eval_sh_chebyu,
    lambda n, x: _lowered(n, 4, lambda k: sp.eval_gegenbauer(k, 2.0, 2 * x - 1)),
    domain=((0.05, 0.95),),
)
_polynomial(sp.eval_chebyc, lambda n, x: _lowered(n, n, lambda k: sp.eval_chebyu(k, 0.5 * x)))
_polynomial(sp.eval_chebys, lambda n, x: _lowered(n, 1, lambda k: sp.eval_gegenbauer(k, 2.0, 0.5 * x)))
_polynomial(sp.eval_hermite, lambda n, x: _lowered(n, 2 * n, lambda k: sp.eval_hermite(k, x)))
_polynomial(sp.eval_hermitenorm, lambda n, x: _lowered(n, n, lambda k: sp.eval_hermitenorm(k, x)))
_polynomial(sp.eval_laguerre, lambda n, x: _lowered(n, -1, lambda k: sp.eval_genlaguerre(k, 1.0, x)), domain=POSITIVE)
_polynomial(
    sp.eval_genlaguerre,
    lambda n, a, x: _lowered(n, -1, lambda k: sp.eval_genlaguerre(k, a + 1, x)),
    0.5,
    domain=POSITIVE,
)
