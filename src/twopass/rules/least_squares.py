"""Pseudo-inverses and least squares."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from twopass.core.operators import as_array, is_known
from twopass.core.registry import composite, custom, invoke
from twopass.core.rule import NONZERO, call, detach, is_traced, operand
from twopass.errors import DifferentiationError, compose
from twopass.rules.eigen import spectral
from twopass.rules.gauge import adjoint, conjugate
from twopass.rules.singular import singular_spectrum

__all__ = ["least_squares"]

_ABSENT = np._NoValue

# --- pseudo-inverses ------------------------------------------------------------------------------------------------


def _reciprocals(values: Any, rcond: Any, name: str) -> Any:
    """``1 / values``, and 0 for those that are small; raises if those are nothing but rounding.

    Between a matrix of full rank and one of lower rank the pseudo-inverse has no limit.
    """
    size = np.abs(detach(values))
    cutoff = np.asarray(rcond)[..., None] * np.max(size, axis=-1, keepdims=True, initial=0)
    large = size > cutoff
    rounding = size.shape[-1] * 1e3 * np.finfo(size.dtype).eps * np.max(size, axis=-1, keepdims=True, initial=0)
    if not is_traced(large) and np.any(~large & (cutoff <= rounding)):
        rank = int(np.min(np.count_nonzero(large, axis=-1)))
        what = f"np.{name} has no derivative at a matrix of rank {rank}, which is not the full one"
        why = "It jumps to infinity when the matrix changes."
        instead = (
            "Add a small multiple of the identity (ridge regression), or pass an rcond well above rounding."
        )
        raise DifferentiationError(compose(what, why=why, instead=instead))
    return np.where(large, 1 / np.where(large, values, 1), 0)


@composite(
    np.linalg.pinv,
    examples=[
        *[call(operand(3, 3)), call(operand(4, 2)), call(operand(2, 2, 3)), call(operand(3, 2), 0.3)],
        *[call(operand(3, 3), hermitian=True), call(a=operand(2, 3, 2), rcond=np.array([1e-3, 0.2]))],
        *[call(operand(2, 3), rtol=1e-3), call(operand(2, 2), rtol=None)],
    ],
)
def _pinv(a: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = _ABSENT) -> Any:
    a = as_array(a)
    if rcond is None:
        rounding = max(a.shape[-2:]) * np.finfo(a.dtype).eps
        rcond = 1e-15 if rtol is _ABSENT else rounding if rtol is None else rtol
    elif rtol is not _ABSENT:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if 0 in a.shape[-2:]:
        return a.mT
    # As functions of the eigenvalues or singular values: these have their derivatives where values are equal, too.
    if hermitian:
        return spectral(a, _reciprocals(np.linalg.eigvalsh(a), rcond, "linalg.pinv"), lower=True)
    slopes = _reciprocals(np.linalg.svdvals(a), rcond, "linalg.pinv")
    return adjoint(singular_spectrum(a, slopes))


# --- least squares --------------------------------------------------------------------------------------------------


def least_squares(a: Any, b: Any) -> Any:
    """The shortest x that minimizes ``|a @ x - b|``, where `a` has full rank and `b` has columns."""
    if is_traced(a) or is_traced(b):
        return invoke(least_squares, a, b)
    return np.linalg.lstsq(a, b)[0]


def _least_squares_push(slot: int, tangent: Any, y: Any, a: Any, b: Any) -> Any:
    """G. Golub and V. Pereyra, The differentiation of pseudo-inverses (1973), equation 4.12."""
    inverse = np.linalg.pinv(a)
    if slot == 1:
        return inverse @ tangent
    turned = adjoint(tangent)
    inward = turned @ (adjoint(inverse) @ y)
    return inverse @ (adjoint(inverse) @ (turned @ (b - a @ y)) - tangent @ y) + inward - inverse @ (a @ inward)


def _least_squares_pull(slot: int, ct: Any, y: Any, a: Any, b: Any) -> Any:
    inverse, ct = np.linalg.pinv(a), conjugate(ct)
    outward = adjoint(inverse) @ ct
    if slot == 1:
        return conjugate(outward)
    inward = ct - inverse @ (a @ ct)
    along = (b - a @ y) @ adjoint(inverse @ outward) - outward @ adjoint(y) + (adjoint(inverse) @ y) @ adjoint(inward)
    return conjugate(along)


custom(
    least_squares,
    push=_least_squares_push,
    pull=_least_squares_pull,
    holomorphic=False,
    examples=[call(operand(*a), operand(*b)) for a, b in (((3, 3), (3, 2)), ((4, 2), (4, 1)), ((2, 3), (2, 2)))],
)


@composite(
    np.linalg.lstsq,
    self_calling=True,
    examples=[
        *[call(operand(4, 2), operand(4)), call(operand(4, 2), operand(4, 3)), call(operand(2, 4), operand(2, 2))],
        *[call(operand(3, 3), operand(3)), call(operand(4, 2), [1.0, 2.0, 0.0, 1.0], rcond=None)],
        *[call([[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]], b=operand(3)), call(operand(4, 3), operand(4), 0.4)],
    ],
)
def _lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    plain = np.linalg.lstsq(detach(a), detach(b), rcond)
    columns = b[:, None] if b.ndim == 1 else b
    rank, least = plain[2], min(a.shape)
    if is_known(rank == least):
        x = least_squares(a, columns)
    else:
        smallest = np.finfo(np.result_type(a, b)).eps * max(a.shape) if rcond is None else rcond
        x = np.linalg.pinv(a, smallest) @ columns
    residuals = plain[1]
    if residuals.size:
        rest = columns - a @ x
        residuals = np.sum(np.real(rest * conjugate(rest)), axis=0)
    return x[:, 0] if b.ndim == 1 else x, residuals, rank, np.linalg.svdvals(a)


@composite(
    np.polyfit,
    examples=[
        *[call(operand(5), operand(5), 2), call([0.0, 1.0, 2.0, 4.0], operand(4), 1)],
        *[call(operand(5), operand(5, 2), 1, w=operand(5, domain=NONZERO)), call(operand(5), operand(5), 1, cov=True)],
        *[call(operand(5), operand(5, 2), 1, cov="unscaled"), call(operand(5), operand(5), 2, full=True)],
        call(x=operand(6), y=operand(6, 2), deg=1, cov=True),
    ],
)
def _polyfit(x: Any, y: Any, deg: Any, rcond: Any = None, full: Any = False, w: Any = None, cov: Any = False) -> Any:
    x, y = as_array(x) + 0.0, as_array(y) + 0.0
    count, order = x.shape[0] if x.ndim else 0, int(deg) + 1
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1 or count == 0 or y.ndim not in (1, 2) or y.shape[0] != count:
        raise TypeError(f"a polynomial is fitted to points x and values y of one length, not {x.shape} and {y.shape}")
    rcond = count * np.finfo(x.dtype).eps if rcond is None else rcond
    lhs, rhs = np.vander(x, order), y
    if w is not None:
        w = as_array(w) + 0.0
        if w.shape != (count,):
            raise TypeError(f"{count} points need as many weights, not {w.shape}")
        lhs, rhs = lhs * w[:, None], rhs * (w[:, None] if rhs.ndim == 2 else w)
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    lhs = lhs / scale
    solution, residuals, rank, s = np.linalg.lstsq(lhs, rhs, rcond)
    coefficients = (solution.T / scale).T
    if full:
        return coefficients, residuals, rank, s, rcond
    if is_known(rank != order):
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=4)
    if not cov:
        return coefficients
    base = np.linalg.inv(lhs.T @ lhs) / (scale[:, None] * scale)
    unscaled = isinstance(cov, str) and cov == "unscaled"
    if count <= order and not unscaled:
        raise ValueError("the number of data points must exceed order to scale the covariance matrix")
    factor = 1 if unscaled else residuals / (count - order)
    return coefficients, base * factor if y.ndim == 1 else base[:, :, None] * factor
