"""Pseudo-inverses and least squares."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import DifferentiationError, compose
from twopass.rules.eigen import spectral
from twopass.rules.gauge import adjoint, conjugate, without_slope
from twopass.rules.kinds import NONZERO, call, composite, custom, operand
from twopass.rules.operands import is_known
from twopass.rules.singular import singular_spectrum

__all__ = ["least_squares"]

_ABSENT = np._NoValue

# --- pseudo-inverses ------------------------------------------------------------------------------------------------


def pseudo_inverse(a: Any) -> Any:
    """The pseudo-inverse of a matrix of full rank."""
    if is_traced(a):
        return invoke(pseudo_inverse, a)
    return np.linalg.pinv(a)


def _pinv_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    """``dp = -p da p + p p^H da^H (1 - a p) + (1 - p a) da^H p^H p``.

    G. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate (1973), equation 4.12. Of the projectors one is 0, because the rank is full.
    """
    change, turned = -y @ tangent @ y, adjoint(tangent)
    if a.shape[-2] > a.shape[-1]:
        inward = y @ (adjoint(y) @ turned)
        return change + inward - inward @ a @ y
    if a.shape[-2] < a.shape[-1]:
        inward = turned @ adjoint(y) @ y
        return change + inward - y @ (a @ inward)
    return change


def _pinv_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    turned = ct.mT  # the adjoint of the cotangent in the inner product Re(sum(conj(a) * b))
    along = -adjoint(y @ turned @ y)
    if a.shape[-2] > a.shape[-1]:
        outward = turned @ y @ adjoint(y)
        along = along + outward - a @ (y @ outward)
    elif a.shape[-2] < a.shape[-1]:
        outward = adjoint(y) @ y @ turned
        along = along + outward - (outward @ y) @ a
    return conjugate(along)


custom(
    pseudo_inverse,
    push=_pinv_push,
    pull=_pinv_pull,
    holomorphic=False,
    examples=[call(operand(*shape)) for shape in ((3, 3), (4, 2), (2, 2, 3))],
)


def _large(values: Any, rcond: Any) -> tuple[Any, Any]:
    """Which values are not taken for 0, and in which matrices those that are may be so by rounding only.

    Between a matrix of full rank and one of lower rank the pseudo-inverse has no limit: that raises, if it is known.
    """
    size = np.abs(detach(values))
    largest = np.max(size, axis=-1, keepdims=True, initial=0)
    large = size > np.asarray(rcond)[..., None] * largest
    jumps = np.any(~large & (np.asarray(rcond)[..., None] <= _rounding(size)), axis=-1)
    if is_known(np.any(jumps)):
        rank = int(np.min(np.count_nonzero(large, axis=-1)))
        what = f"np.linalg.pinv has no derivative at a matrix of rank {rank}, which is not the full one"
        why = "It jumps to infinity when the matrix changes."
        instead = "Add a small multiple of the identity (ridge regression), or pass an rcond well above rounding."
        raise DifferentiationError(compose(what, why=why, instead=instead))
    return large, jumps


def _rounding(values: Any) -> Any:
    """An rcond below this is there for rounding errors only."""
    return values.shape[-1] * 1e3 * np.finfo(values.dtype).eps


@composite(
    np.linalg.pinv,
    examples=[
        *[call(operand(3, 3)), call(operand(4, 2)), call(operand(2, 3), rtol=None), call(operand(3, 2), 0.3)],
        *[call(operand(3, 3), hermitian=True), call(a=operand(2, 3, 2), rcond=np.array([1e-3, 0.2]))],
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
    values = np.linalg.eigvalsh(a) if hermitian else np.linalg.svdvals(a)
    large, jumps = _large(values, rcond)
    # What is cut off is so as a function of the eigenvalues or singular values.
    slopes = np.where(large, 1 / np.where(large, values, 1), 0)
    if hermitian:
        inverse = spectral(a, slopes, lower=True)
    elif np.all(np.asarray(rcond) <= _rounding(values)) or is_known(np.all(large)):
        inverse = pseudo_inverse(a)
    else:
        inverse = adjoint(singular_spectrum(a, slopes))
    return inverse + np.where(jumps, without_slope(a), 0)[..., None, None] if is_traced(jumps) else inverse


# --- least squares --------------------------------------------------------------------------------------------------


def least_squares(a: Any, b: Any) -> Any:
    """The shortest x that minimizes ``|a @ x - b|``, where `a` has full rank and `b` has columns."""
    if is_traced(a) or is_traced(b):
        return invoke(least_squares, a, b)
    return np.linalg.lstsq(a, b)[0]


def _least_squares_push(slot: int, tangent: Any, y: Any, a: Any, b: Any) -> Any:
    """The derivative of ``pseudo_inverse(a) @ b``."""
    inverse = pseudo_inverse(a)
    if slot == 1:
        return inverse @ tangent
    turned = adjoint(tangent)
    inward = turned @ (adjoint(inverse) @ y)
    return inverse @ (adjoint(inverse) @ (turned @ (b - a @ y)) - tangent @ y) + inward - inverse @ (a @ inward)


def _least_squares_pull(slot: int, ct: Any, y: Any, a: Any, b: Any) -> Any:
    inverse, ct = pseudo_inverse(a), conjugate(ct)
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
