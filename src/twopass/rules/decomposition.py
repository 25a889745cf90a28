"""Factorizations into triangular and orthogonal matrices: Cholesky's and QR. They leave nothing open but signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import GaugeError, UnsupportedOperatorError, compose
from twopass.rules.eigen import hermitian, hermitian_transpose
from twopass.rules.gauge import adjoint, conjugate, diagonal, lost_where, tiny
from twopass.rules.kinds import POSITIVE, call, composite, custom, operand

__all__ = ["reduced_qr"]

# --- Cholesky's decomposition ---------------------------------------------------------------------------------------


def _halved(a: Any) -> Any:
    """The lower triangle with half the diagonal: the lower factor L of ``a = L + L^H``."""
    return np.tril(a) - np.eye(a.shape[-1], dtype=a.real.dtype) / 2 * a


def _cholesky_push(slot: int, tangent: Any, y: Any, a: Any, /, *, upper: bool = False) -> Any:
    """``dL = L @ halved(L^-1 @ da @ L^-H)`` (I. Murray, Differentiation of the Cholesky decomposition, 2016)."""
    factor = adjoint(y) if upper else y
    half = np.linalg.solve(factor, hermitian(tangent, not upper))
    change = factor @ _halved(adjoint(np.linalg.solve(factor, adjoint(half))))
    return adjoint(change) if upper else change


def _cholesky_pull(slot: int, ct: Any, y: Any, a: Any, /, *, upper: bool = False) -> Any:
    if upper:
        y, ct = adjoint(y), adjoint(ct)
    inner = np.linalg.solve(y.mT, _halved(y.mT @ ct))
    return hermitian_transpose(np.linalg.solve(adjoint(y), inner.mT).mT, not upper)


custom(
    np.linalg.cholesky,
    push=_cholesky_push,
    pull=_cholesky_pull,
    holomorphic=False,
    examples=[call(operand(1, 1, domain=POSITIVE)), call(operand(3, 1, 1, domain=POSITIVE), upper=True)],
)

# --- QR -------------------------------------------------------------------------------------------------------------


def reduced_qr(a: Any) -> Any:
    """``q @ r`` with as many columns of `q` as of a matrix that is not wide; LAPACK makes the diagonal of `r` real."""
    if is_traced(a):
        return invoke(reduced_qr, a)
    return tuple(np.linalg.qr(a))


def _over_triangle(x: Any, r: Any) -> Any:
    """``x @ r^-1``."""
    return np.linalg.solve(r.mT, x.mT).mT


def _strictly_lower(a: Any) -> Any:
    return np.tril(a, -1)


def _refuse(why: str, instead: str) -> None:
    raise GaugeError(compose("np.linalg.qr has no derivative here", why=why, instead=instead))


def _of_full_rank(r: Any) -> Any:
    """The triangular factor; raises if columns are dependent, or gives NaN in compiled code."""
    size = np.abs(diagonal(detach(r)))
    deficient = np.any(size <= tiny(size) * np.max(size, axis=-1, keepdims=True, initial=0), axis=-1)
    if is_traced(deficient):
        return lost_where(deficient[..., None, None], r)
    if np.any(deficient):
        why = "The leading columns depend on each other, so that those of q are an arbitrary basis."
        _refuse(why, "Use np.linalg.svd, or leave the dependent columns out.")
    return r


def _qr_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    """With ``c = q^H @ da @ r^-1``, ``q^H @ dq`` is skew-Hermitian, and c below the diagonal; that of r stays real."""
    q, r = y[0], _of_full_rank(y[1])
    moved = _over_triangle(tangent, r)
    inner = adjoint(q) @ moved
    lower = _strictly_lower(inner)
    turned = lower - adjoint(lower)
    if q.dtype.kind == "c":
        turned = turned + 1j * np.eye(r.shape[-1]) * np.imag(inner)
    return q @ (turned - inner) + moved, np.triu((inner - turned) @ r)


def _qr_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    q, r = y[0], _of_full_rank(y[1])
    to_q, to_r = conjugate(ct[0]), np.triu(conjugate(ct[1]))
    along_r = to_r @ adjoint(r)
    turning = adjoint(q) @ to_q - along_r
    inner = along_r + _strictly_lower(turning - adjoint(turning)) - adjoint(q) @ to_q
    if q.dtype.kind == "c":
        inner = inner + 1j * np.eye(r.shape[-1]) * np.imag(turning)
    return conjugate(_over_triangle(q @ inner + to_q, adjoint(r)))


_SIGNS = [call(operand(3, 3)), call(operand(4, 2)), call(operand(2, 3, 2)), call(operand(1, 1))]

custom(reduced_qr, push=_qr_push, pull=_qr_pull, outputs=True, holomorphic=False, examples=_SIGNS)


def _completed(q: Any) -> Any:
    """The further columns of LAPACK's square q, from the first ones.

    ``q = 1 - v @ t @ v^H``, where v is lower trapezoidal. So ``y = q[:, :k] - 1 = -v @ t @ v1^H``, and the rows of v
    below the first k are ``y2 @ y1^-1 @ v1``, from which the other columns follow. (G. Ballard et al., Reconstructing
    Householder vectors from Tall-Skinny QR, 2014, section 4.)
    """
    rows, count = q.shape[-2:]
    unit = np.eye(rows, dtype=q.dtype)
    y = q - unit[:, :count]
    top, bottom = y[..., :count, :], y[..., count:, :]
    lost = (np.abs(np.linalg.det(detach(top))) < 0.5)[..., None, None]
    if not is_traced(lost) and np.any(lost):
        _refuse_basis()
    top = np.where(lost, unit[:count, :count], top)
    return lost_where(lost, unit[:, count:] + y @ np.linalg.solve(adjoint(top), adjoint(bottom)))


def _refuse_basis() -> None:
    why = "A column has zeros only below the diagonal; the further columns of the square q jump when that changes."
    _refuse(why, "Use mode='reduced'; the projector on the other columns is 1 - q @ q.T.")


_QRResult = type(np.linalg.qr(np.eye(1)))


@composite(
    np.linalg.qr,
    self_calling=True,
    examples=[
        *_SIGNS,
        *[call(operand(2, 4)), call(operand(3, 2), "complete"), call(operand(2, 4, 2), mode="complete")],
        *[call(operand(2, 3), mode="complete"), call(operand(3, 2), mode="r"), call(a=operand(2, 3), mode="r")],
    ],
)
def _qr(a: Any, mode: Any = "reduced") -> Any:
    a = as_array(a)
    if mode not in ("reduced", "complete", "r"):
        if mode not in ("raw", "f", "full", "e", "economic"):
            raise ValueError(f"Unrecognized mode '{mode}'")
        what = f"np.linalg.qr(mode={mode!r}) is not supported on traced arrays"
        raise UnsupportedOperatorError(compose(what, instead="Use mode='reduced', 'complete' or 'r'."))
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"qr takes matrices, not an array of {a.ndim} dimensions")
    rows, columns = a.shape[-2:]
    q, r = reduced_qr(a[..., : min(rows, columns)])
    if columns > rows:
        r = np.concatenate([r, adjoint(q) @ a[..., rows:]], axis=-1)
    if mode == "r":
        return r
    if mode == "complete" and rows > columns:
        q = np.concatenate([q, _completed(q)], axis=-1)
        r = np.concatenate([r, np.zeros_like(r, shape=(*r.shape[:-2], rows - columns, columns))], axis=-2)
    return _QRResult(q, r)
