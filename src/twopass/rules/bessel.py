"""The modified Bessel function that NumPy has for its Kaiser window."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.rules.kinds import call, elementwise, operand

__all__ = ["i1"]

_BOUNDARY = 30.0
#: I₁(x) / x in powers of x²/4, highest first (M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 9.6.10).
#: All terms are positive, so none cancels; the last is below the precision of the sum up to the boundary.
_SERIES = [0.5 / (math.factorial(k) * math.factorial(k + 1)) for k in range(64)][::-1]
#: √(2π) exp(-x) √x I₁(x) in powers of 1/x (9.7.1): the terms fall by 1e-17 before they grow again.
_ASYMPTOTIC = [math.prod((4 - (2 * j - 1) ** 2) / (-8 * j) for j in range(1, k + 1)) for k in range(26)][::-1]


def _horner(coefficients: list[float], x: Any) -> Any:
    total = coefficients[0] + 0 * x
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def i1(x: Any) -> Any:
    """The derivative of ``np.i0``, the modified Bessel function of order 1; NumPy code, so that it differentiates."""
    size = np.abs(x)
    near = size <= _BOUNDARY
    close = np.where(near, x, 0)
    far = np.where(near, _BOUNDARY, size)
    tail = np.exp(far) / np.sqrt(2 * np.pi * far) * _horner(_ASYMPTOTIC, 1 / far)
    return np.where(near, close * _horner(_SERIES, close * close / 4), np.sign(x) * tail)


elementwise(
    np.i0,
    lambda _y, x: i1(x),
    domain=((-6.0, 6.0),),
    examples=[call(operand(3, domain=((-60.0, -35.0), (9.0, 25.0), (32.0, 60.0)))), call(operand())],
    holomorphic=False,
)
