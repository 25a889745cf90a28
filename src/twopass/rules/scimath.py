"""The functions of ``np.emath``: complex where a real result does not exist."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.rules.kinds import NONZERO, POSITIVE, UNIT, call, elementwise, operand

_NEGATIVE = ((-2.0, -0.2),)
_LARGE = ((1.2, 2.0), (-2.0, -1.2))


def _as_seen(y: Any, x: Any) -> Any:
    """The operand as the function saw it: complex if the result is."""
    return x + 0j if y.dtype.kind == "c" and x.dtype.kind != "c" else x


def _root(y: Any, x: Any) -> Any:
    """``√(1 - x²)``, on the side of the branch cut that the sign of the zero says."""
    z = _as_seen(y, x)
    return np.sqrt(-(z * z - 1))


for _function, _partial, _inside, _outside in (
    (np.emath.sqrt, lambda y, _x: 0.5 / y, POSITIVE, _NEGATIVE),
    (np.emath.log, lambda _y, x: 1 / x, POSITIVE, _NEGATIVE),
    (np.emath.log2, lambda _y, x: 1 / (math.log(2) * x), POSITIVE, _NEGATIVE),
    (np.emath.log10, lambda _y, x: 1 / (math.log(10) * x), POSITIVE, _NEGATIVE),
    (np.emath.arcsin, lambda y, x: 1 / _root(y, x), UNIT, _LARGE),
    (np.emath.arccos, lambda y, x: -1 / _root(y, x), UNIT, _LARGE),
    (np.emath.arctanh, lambda _y, x: 1 / ((1 - x) * (1 + x)), UNIT, _LARGE),
):
    elementwise(_function, _partial, domain=_inside, examples=[call(operand(3, domain=_outside))], holomorphic=False)

elementwise(
    np.emath.logn,
    lambda y, n, _x: -y / (n * np.emath.log(n)),
    lambda _y, n, x: 1 / (x * np.emath.log(n)),
    domain=[((1.5, 3.0),), POSITIVE],
    examples=[call(2.0, operand(3, domain=_NEGATIVE))],
    holomorphic=False,
)


def _log_of_base(y: Any, x: Any) -> Any:
    """The logarithm of a base; of 0, whose powers are 0, as if it were 1."""
    return np.log(_as_seen(y, np.where(x == 0, 1, x)))


elementwise(
    np.emath.power,
    lambda _y, x, p: p * np.emath.power(x, p - 1),
    lambda y, x, _p: y * _log_of_base(y, x),
    domain=[POSITIVE, POSITIVE],
    examples=[call(operand(3, domain=_NEGATIVE), 1.5), call(operand(3, domain=NONZERO), -2)],
    holomorphic=False,
)
