"""Polynomials and their roots."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import DifferentiationError, compose
from twopass.rules.gauge import lost_where
from twopass.rules.kinds import POSITIVE, call, composite, custom, operand
from twopass.rules.operands import is_known

__all__ = ["characteristic_polynomial", "roots"]

# --- roots ----------------------------------------------------------------------------------------------------------


def roots(p: Any) -> Any:
    """The roots of the polynomial with the coefficients `p`, that of the highest power first.

    ``p(r) = 0`` gives ``dr = -dp(r) / p'(r)``.
    """
    return np.roots(p)


def _powers(y: Any, count: int) -> Any:
    """The powers ``count - 1, ..., 0`` of each root, in rows."""
    return np.vander(y, count)


def _slopes(y: Any, p: Any) -> Any:
    """The derivative of the polynomial at each of its roots, which is 0 at a repeated one."""
    degrees = np.arange(p.shape[0] - 1, 0, -1)
    slopes = _powers(y, p.shape[0] - 1) @ (p[:-1] * degrees)
    exists = _are_simple(detach(y), detach(p))
    if not is_traced(exists) and not np.all(exists):
        repeated = ", ".join(f"{root:.6g}" for root in detach(y)[~exists][:4])
        what = "np.roots has no derivative at a repeated root"
        why = f"The roots {repeated} are equal up to rounding, and split like a square root when it changes."
        raise DifferentiationError(compose(what, why=why, instead="Use the coefficients: they are smooth."))
    return lost_where(~exists, slopes)


def _are_simple(y: Any, p: Any) -> Any:
    """Which roots are further from the next one than rounding moves them (by Newton's estimate of both)."""
    degrees, size = np.arange(p.shape[0] - 1, -1, -1), np.abs(_powers(y, p.shape[0])) @ np.abs(p)
    eps = np.finfo(np.result_type(y, p)).eps
    slope = _powers(y, p.shape[0] - 1) @ (p * degrees)[:-1] if p.shape[0] > 1 else np.ones_like(y)
    curvature = _powers(y, p.shape[0] - 2) @ (p * degrees * (degrees - 1))[:-2] if p.shape[0] > 2 else np.zeros_like(y)
    return (slope != 0) & (eps**0.75 * size * np.abs(curvature) <= np.abs(slope) ** 2)


custom(
    roots,
    push=lambda slot, tangent, y, p: -(_powers(y, p.shape[0]) @ tangent) / _slopes(y, p),
    pull=lambda slot, ct, y, p: -(ct / _slopes(y, p)) @ _powers(y, p.shape[0]),
    holomorphic=False,
    examples=[call(operand(4)), call(operand(2, domain=POSITIVE))],
)


@composite(np.roots, examples=[call(operand(4)), call(p=operand(3)), call(operand(6)), call([operand(), 1.0, -2.0])])
def _roots(p: Any) -> Any:
    p = np.atleast_1d(as_array(p))
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    return invoke(roots, p)


# --- polynomials ----------------------------------------------------------------------------------------------------


def characteristic_polynomial(a: Any) -> Any:
    """The coefficients of ``det(z - a)``, that of the highest power first."""
    return np.poly(a)


def _cofactors(y: Any, a: Any) -> list[Any]:
    """The matrices m[k] of ``adj(z - a) = sum(m[k] * z**(n - 1 - k))``, by Faddeev and LeVerrier.

    ``d det(z - a) = -trace(adj(z - a) @ da)`` is right where eigenvalues are equal, too.
    """
    unit = np.eye(a.shape[-1], dtype=a.dtype)
    found = [unit]
    for coefficient in y[1:-1]:
        found.append(a @ found[-1] + coefficient * unit)
    return found


custom(
    characteristic_polynomial,
    push=lambda slot, tangent, y, a: np.stack([0 * y[0], *(-np.sum(m.mT * tangent) for m in _cofactors(y, a))]),
    pull=lambda slot, ct, y, a: -sum(c * m.mT for c, m in zip(ct[1:], _cofactors(y, a), strict=True)),
    holomorphic=False,
    examples=[call(operand(3, 3)), call(operand(1, 1))],
)


@composite(np.poly, examples=[call(operand(3)), call(operand(3, 3)), call([operand(), 1.0]), call(operand(2, 2))])
def _poly(seq_of_zeros: Any) -> Any:
    zeros = np.atleast_1d(as_array(seq_of_zeros))
    if zeros.ndim == 2 and zeros.shape[0] == zeros.shape[1] and zeros.size:
        return invoke(characteristic_polynomial, zeros)
    if zeros.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    if zeros.shape[0] == 0:
        return 1.0
    coefficients = np.ones_like(zeros, shape=(1,))
    for zero in zeros:
        coefficients = np.convolve(coefficients, np.stack([np.ones_like(zero), -zero]))
    known = detach(zeros)
    if known.dtype.kind == "c" and is_known(np.all(np.sort(known) == np.sort(np.conjugate(known)))):
        return np.real(coefficients)
    return coefficients
