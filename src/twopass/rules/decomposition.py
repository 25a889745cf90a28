"""Decompositions of matrices: Cholesky's, eigenvalues of symmetric matrices, and singular values.

NumPy reads one triangle of a matrix that it takes to be symmetric (Hermitian), so the derivative belongs to that
triangle, and that in the other one is 0.

Values that are equal, up to rounding, share their cotangents, as equal elements of ``np.sort`` do: any symmetric
function of them has the right derivative. Their vectors are an arbitrary basis; a result that depends on it has no
derivative, and gets NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.registry import composite, custom, invoke
from twopass.core.rule import POSITIVE, call, detach, operand
from twopass.errors import UnsupportedOperatorError, compose

__all__ = ["hermitian_decomposition", "singular_decomposition"]


def _adjoint(a: Any) -> Any:
    return np.conjugate(a).mT if a.dtype.kind == "c" else a.mT


def _diagonal(a: Any) -> Any:
    return np.diagonal(a, axis1=-2, axis2=-1)


def _hermitian(a: Any, lower: bool) -> Any:
    """The Hermitian matrix that has a triangle of `a`; the imaginary part of its diagonal is ignored."""
    triangle = np.tril(a, -1) if lower else np.triu(a, 1)
    return triangle + _adjoint(triangle) + np.eye(a.shape[-1]) * np.real(a)


def _hermitian_transpose(ct: Any, lower: bool) -> Any:
    both = ct + _adjoint(ct)
    return (np.tril(both, -1) if lower else np.triu(both, 1)) + np.eye(ct.shape[-1]) * np.real(ct)


# --- Cholesky's decomposition ---------------------------------------------------------------------------------------


def _halved(a: Any) -> Any:
    """The lower triangle with half the diagonal: the lower factor L of ``a = L + L.T``."""
    return np.tril(a) - np.eye(a.shape[-1]) / 2 * a


def _cholesky_push(slot: int, tangent: Any, y: Any, a: Any, /, *, upper: bool = False) -> Any:
    """``dL = L @ halved(L^-1 @ da @ L^-H)`` (I. Murray, Differentiation of the Cholesky decomposition, 2016)."""
    factor = _adjoint(y) if upper else y
    half = np.linalg.solve(factor, _hermitian(tangent, not upper))
    change = factor @ _halved(_adjoint(np.linalg.solve(factor, _adjoint(half))))
    return _adjoint(change) if upper else change


def _cholesky_pull(slot: int, ct: Any, y: Any, a: Any, /, *, upper: bool = False) -> Any:
    if upper:
        y, ct = _adjoint(y), _adjoint(ct)
    inner = np.linalg.solve(y.mT, _halved(y.mT @ ct))
    return _hermitian_transpose(np.linalg.solve(_adjoint(y), inner.mT).mT, not upper)


custom(
    np.linalg.cholesky,
    push=_cholesky_push,
    pull=_cholesky_pull,
    holomorphic=False,
    examples=[call(operand(1, 1, domain=POSITIVE)), call(operand(3, 1, 1, domain=POSITIVE), upper=True)],
)

# --- clusters of equal values ---------------------------------------------------------------------------------------


def _equal(values: Any) -> Any:
    """Which pairs of the values of each matrix are equal, up to rounding."""
    values = detach(values)
    size = np.max(np.abs(values), axis=-1, initial=0)[..., None, None]
    distance = np.abs(values[..., :, None] - values[..., None, :])
    return distance <= values.shape[-1] * np.finfo(values.dtype).eps * size


def _shared(values: Any, slopes: Any) -> Any:
    """The mean of `slopes` over each cluster of equal values."""
    equal = _equal(values).astype(values.dtype)
    return (equal @ slopes[..., None] / np.sum(equal, axis=-1, keepdims=True))[..., 0]


def _ratio(numerator: Any, denominator: Any) -> Any:
    """A quotient in which 0 / 0 is 0: a cotangent of 0 needs no derivative."""
    unused = (detach(numerator) == 0) & (detach(denominator) == 0)
    return np.where(unused, 0, numerator / np.where(unused, 1, denominator))


def _over_gaps(values: Any, numerator: Any) -> Any:
    """``numerator[i, j] / (values[j] - values[i])``, 0 on the diagonal; NaN between equal values, but for 0 / 0."""
    equal = _equal(values)
    unused = np.eye(values.shape[-1], dtype=bool) | (equal & (detach(numerator) == 0))
    gaps = np.where(equal, np.nan, values[..., None, :] - values[..., :, None])
    return np.where(unused, 0, numerator / np.where(unused, 1, gaps))


# --- eigenvalues and eigenvectors -----------------------------------------------------------------------------------


def hermitian_decomposition(a: Any, *, lower: bool) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian matrix, as a tuple."""
    return tuple(np.linalg.eigh(a, "L" if lower else "U"))


def _fixed_row(lower: bool) -> int:
    """The row in which LAPACK makes complex eigenvectors real, which fixes their phases."""
    return 0 if lower else -1


def _eigh_push(slot: int, tangent: Any, y: Any, a: Any, *, lower: bool) -> Any:
    values, vectors = y
    inner = _adjoint(vectors) @ _hermitian(tangent, lower) @ vectors
    turned = vectors @ _over_gaps(values, inner)
    if vectors.dtype.kind == "c":
        row = _fixed_row(lower)
        turned = (
            turned - vectors * _ratio(1j * np.imag(turned[..., row, :]), np.real(vectors[..., row, :]))[..., None, :]
        )
    return _shared(values, np.real(_diagonal(inner))), turned


def _eigh_pull(slot: int, ct: Any, y: Any, a: Any, *, lower: bool) -> Any:
    values, vectors = y
    ct_values, ct_vectors = ct
    inner = vectors.mT @ ct_vectors
    if vectors.dtype.kind == "c":
        row = np.real(vectors[..., _fixed_row(lower), :])
        inner = inner - row[..., :, None] * _ratio(1j * np.imag(_diagonal(inner)), row)[..., None, :]
    inner = _over_gaps(values, inner) + np.eye(values.shape[-1]) * _shared(values, ct_values)[..., None, :]
    return _hermitian_transpose(np.conjugate(vectors) @ inner @ vectors.mT, lower)


_SQUARES = [call(operand(3, 3)), call(operand(2, 2), "U"), call(operand(2, 3, 3), UPLO="U"), call(a=operand(1, 1))]

custom(
    hermitian_decomposition,
    push=_eigh_push,
    pull=_eigh_pull,
    outputs=True,
    holomorphic=False,
    examples=[call(operand(3, 3), lower=True), call(operand(2, 2, 2), lower=False)],
)


def _reads_lower(triangle: str) -> bool:
    if triangle.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return triangle.upper() == "L"


_EighResult = type(np.linalg.eigh(np.eye(1)))


@composite(np.linalg.eigh, examples=_SQUARES)
def _eigh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    return _EighResult(*invoke(hermitian_decomposition, a, lower=_reads_lower(UPLO)))


@composite(np.linalg.eigvalsh, examples=_SQUARES)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    return _eigh(a, UPLO)[0]


# --- singular values ------------------------------------------------------------------------------------------------


def singular_decomposition(a: Any) -> Any:
    """The reduced singular value decomposition ``u @ diag(s) @ vh``, as a tuple."""
    return tuple(np.linalg.svd(a, full_matrices=False))


def _outside(vectors: Any, x: Any) -> Any:
    """The part of the columns of `x` that is orthogonal to the columns of `vectors`."""
    if vectors.shape[-2] == vectors.shape[-1]:
        return np.zeros_like(x)  # exactly: not rounding errors, which a division by a small number would magnify
    return x - vectors @ (_adjoint(vectors) @ x)


def _positive_part(s: Any, slopes: Any) -> Any:
    """What equal singular values share of their slopes; 0 at a kink, the singular value 0."""
    values = detach(s)
    zero = values <= s.shape[-1] * np.finfo(s.dtype).eps * np.max(values, axis=-1, keepdims=True, initial=0)
    return np.where(zero, 0, _shared(s, slopes))


def _over_square_gaps(s: Any, numerator: Any) -> Any:
    return _ratio(_over_gaps(s, numerator), s[..., None, :] + s[..., :, None])


def _right_is_fixed(u: Any, vh: Any) -> bool:
    """Whether LAPACK made the first components of the right singular vectors real, else those of the left ones.

    It reduces a tall matrix to an upper bidiagonal one, and a wide matrix to a lower one. Another library may choose
    other phases; then there is no derivative rather than a wrong one.
    """
    u, vh = detach(u), detach(vh)
    for right, row in ((True, vh[..., :, 0]), (False, u[..., 0, :])):
        if np.all(np.abs(np.imag(row)) <= 8 * np.finfo(row.real.dtype).eps):
            return right
    what = "np.linalg.svd of a complex matrix cannot be differentiated in its vectors here"
    raise UnsupportedOperatorError(
        compose(what, why="How the library chooses their phases is not known.", instead="Use np.linalg.svdvals.")
    )


def _turned(u: Any, s: Any, v: Any, tangent: Any) -> tuple[Any, Any, Any]:
    """Tangents of ``u, s, v``; if they are complex, the first row of `v` stays real."""
    inner = _adjoint(u) @ tangent @ v
    rows, columns = s[..., :, None], s[..., None, :]
    turn_u = _over_square_gaps(s, inner * columns + rows * _adjoint(inner))
    turn_v = _over_square_gaps(s, rows * inner + _adjoint(inner) * columns)
    new_u = u @ turn_u + _ratio(_outside(u, tangent @ v), columns)
    new_v = v @ turn_v + _ratio(_outside(v, _adjoint(tangent) @ u), columns)
    if u.dtype.kind == "c":
        phase_v = -_ratio(np.imag(new_v[..., 0, :]), np.real(v[..., 0, :]))
        phase_u = phase_v + _ratio(np.imag(_diagonal(inner)), s)
        new_u = new_u + u * (1j * phase_u)[..., None, :]
        new_v = new_v + v * (1j * phase_v)[..., None, :]
    return new_u, _positive_part(s, np.real(_diagonal(inner))), new_v


def _turned_adjoint(u: Any, s: Any, v: Any, to_u: Any, to_s: Any, to_v: Any) -> Any:
    """The adjoint of `_turned` in the inner product ``Re(sum(conj(a) * b))``."""
    rows, columns = s[..., :, None], s[..., None, :]
    along_u, along_v = _adjoint(u) @ to_u, _adjoint(v) @ to_v
    diagonal = _positive_part(s, to_s)
    if u.dtype.kind == "c":
        phase_u, phase_v = np.imag(_diagonal(along_u)), np.imag(_diagonal(along_v))
        first = np.real(v[..., 0, :])
        correction = -1j * _ratio(phase_u + phase_v, first)[..., None, :]
        along_v = along_v + first[..., :, None] * correction
        to_v = to_v + np.eye(v.shape[-2], 1) * correction
        diagonal = diagonal + 1j * _ratio(phase_u, s)
    turn_u, turn_v = _over_square_gaps(s, along_u), _over_square_gaps(s, along_v)
    inner = (turn_u + _adjoint(turn_u)) * columns + rows * (turn_v + _adjoint(turn_v))
    inner = inner + np.eye(s.shape[-1]) * diagonal[..., None, :]
    result = u @ inner @ _adjoint(v) + _ratio(_outside(u, to_u), columns) @ _adjoint(v)
    return result + u @ _adjoint(_ratio(_outside(v, to_v), columns))


def _svd_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    u, s, vh = y
    if u.dtype.kind == "c" and not _right_is_fixed(u, vh):
        new_v, new_s, new_u = _turned(_adjoint(vh), s, u, _adjoint(tangent))
    else:
        new_u, new_s, new_v = _turned(u, s, _adjoint(vh), tangent)
    return new_u, new_s, _adjoint(new_v)


def _svd_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    u, s, vh = y
    to_u, to_s, to_v = np.conjugate(ct[0]), ct[1], ct[2].mT
    if u.dtype.kind == "c" and not _right_is_fixed(u, vh):
        return _turned_adjoint(_adjoint(vh), s, u, to_v, to_s, to_u).mT
    return np.conjugate(_turned_adjoint(u, s, _adjoint(vh), to_u, to_s, to_v))


custom(
    singular_decomposition,
    push=_svd_push,
    pull=_svd_pull,
    outputs=True,
    holomorphic=False,
    examples=[call(operand(3, 3)), call(operand(4, 2)), call(operand(2, 2, 3))],
)

_SVDResult = type(np.linalg.svd(np.eye(1)))


@composite(
    np.linalg.svd,
    examples=[
        *[call(operand(3, 2), full_matrices=False), call(operand(2, 3), False), call(operand(2, 2))],
        *[call(operand(2, 3, 2), compute_uv=False), call(a=operand(2, 2, 2), full_matrices=True)],
    ],
)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    if hermitian:
        raise UnsupportedOperatorError(
            compose("np.linalg.svd(hermitian=True) is not supported on traced arrays", instead="Use np.linalg.eigh.")
        )
    if compute_uv and full_matrices and a.ndim > 1 and a.shape[-2] != a.shape[-1]:
        what = "np.linalg.svd of a rectangular matrix cannot be differentiated with full_matrices=True"
        why = "The further vectors are an arbitrary basis of a null space."
        raise UnsupportedOperatorError(compose(what, why=why, instead="Pass full_matrices=False."))
    factors = invoke(singular_decomposition, a)
    return _SVDResult(*factors) if compute_uv else factors[1]


@composite(np.linalg.svdvals, examples=[call(operand(3, 4)), call(operand(2, 3, 3)), call(operand(1, 3))])
def _svdvals(x: Any, /) -> Any:
    return _svd(x, compute_uv=False)
