"""Polynomials as arrays of coefficients, the highest power first.

Where NumPy leaves leading zeros out of a result, its length depends on values; the coefficients that remain depend on
the zeros, too, and their derivatives say how. ``np.poly1d`` objects hold traced coefficients like any others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach
from twopass.rules.kinds import NONZERO, call, composite, operand


def _coefficients(p: Any) -> Any:
    """The coefficients of a polynomial, which may be a ``np.poly1d``, as a vector."""
    return np.atleast_1d(p.coeffs if isinstance(p, np.poly1d) else as_array(p))


def _like(result: Any, *operands: Any) -> Any:
    """A polynomial as NumPy gives it: a ``np.poly1d`` if an operand is one."""
    return np.poly1d(result) if any(isinstance(p, np.poly1d) for p in operands) else result


_PAIRS = [call(operand(3), operand(3)), call(operand(2), operand(4)), call(operand(4), [1.0, 2.0]), call(2, operand(3))]


@composite(
    np.polyval,
    examples=[
        call(operand(4), operand(3)),
        call(operand(3), operand()),
        call([1, 0, 2], operand(2, 3)),
        call(operand(3), np.array([0, 1, 2])),
        call(operand(1), operand(2)),
    ],
)
def _polyval(p: Any, x: Any) -> Any:
    p = _coefficients(p)
    y: Any = 0
    if not isinstance(x, np.poly1d):
        x = as_array(x)
        y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


def _sum(function: Any, combine: Any) -> None:
    """Register the sum or the difference of two polynomials."""

    @composite(function, examples=_PAIRS)
    def _(a1: Any, a2: Any) -> Any:
        first, second = _coefficients(a1), _coefficients(a2)
        length = max(len(first), len(second))
        padded = [p if len(p) == length else np.pad(p, (length - len(p), 0)) for p in (first, second)]
        return _like(combine(*padded), a1, a2)


_sum(np.polyadd, np.add)
_sum(np.polysub, np.subtract)


def _leading_zeros(p: Any) -> int:
    """How many coefficients NumPy leaves out, at most all but the last."""
    return p.size - max(1, np.trim_zeros(detach(p), "f").size)  # type: ignore[no-any-return]


@composite(np.polymul, examples=_PAIRS)
def _polymul(a1: Any, a2: Any) -> Any:
    first, second = _coefficients(a1), _coefficients(a2)
    product = np.convolve(first, second)
    return _like(product[_leading_zeros(first) + _leading_zeros(second) :], a1, a2)


_DIVISOR = operand(2, domain=NONZERO)


@composite(
    np.polydiv,
    examples=[
        call(operand(4), _DIVISOR),
        call(operand(3), operand(3, domain=NONZERO)),
        call(operand(2), operand(3, domain=NONZERO)),
        call(operand(4), [2.0, 1.0]),
        call([1, 2], operand(3, domain=NONZERO)),
    ],
)
def _polydiv(u: Any, v: Any) -> Any:
    dividend, divisor = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    steps = len(dividend) - len(divisor) + 1
    scale = 1.0 / divisor[0]
    rest, digits = dividend, []
    for k in range(steps):
        digits.append(scale * rest[k])
        product = digits[-1] * divisor
        rest = rest - np.pad(product, [(k, steps - 1 - k)] + [(0, 0)] * (product.ndim - 1))
    dtype = np.result_type(dividend.dtype, divisor.dtype)
    quotient = np.stack(digits) if digits else np.zeros_like(dividend, shape=1)
    # NumPy leaves out what is 0 but for rounding.
    counts = np.where(np.isclose(detach(rest), 0, rtol=1e-14), 0.0, 1.0)
    rest = rest[_leading_zeros(counts) :]
    return _like(quotient.astype(dtype), u, v), _like(rest.astype(dtype), u, v)


@composite(
    np.polyint,
    examples=[
        call(operand(3)),
        call(operand(3), 2),
        call(operand(2), m=2, k=operand(2)),
        call(operand(2), 3, operand()),
        call(operand(3), 0),
    ],
)
def _polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    order = int(m)
    if order < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(order) if k is None else np.atleast_1d(as_array(k))
    if constants.size == 1 and order > 1:
        constants = np.repeat(constants, order)
    if constants.size < order:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    integral = _coefficients(p)
    for i in range(order):
        integral = np.concatenate([integral / np.arange(integral.size, 0, -1), constants[i : i + 1]])
    return _like(integral, p)


@composite(np.polyder, examples=[call(operand(4)), call(operand(4), 2), call(operand(2), m=3), call(operand(3), 0)])
def _polyder(p: Any, m: int = 1) -> Any:
    order = int(m)
    if order < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    derivative = _coefficients(p)
    for _ in range(order):
        derivative = derivative[:-1] * np.arange(derivative.size - 1, 0, -1)
    return _like(derivative, p)
