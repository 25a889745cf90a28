"""Eigenvalues and eigenvectors of symmetric (Hermitian) matrices.

NumPy reads one triangle of a matrix that it takes to be symmetric, so the derivative belongs to that triangle, and that
in the other one is 0. What eigenvectors leave open is dealt with in `twopass.rules.gauge`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.rule import invoke, is_traced
from twopass.rules.gauge import (
    adjoint,
    conjugate,
    diagonal,
    equal_pairs,
    is_absent,
    largest,
    loosened,
    over,
    scale_of,
    skew,
    spun,
    told_apart,
)
from twopass.rules.kinds import call, composite, custom, operand
from twopass.rules.operands import is_moving
from twopass.rules.phase import Phase

__all__ = ["hermitian", "hermitian_decomposition", "projectors"]


def projectors(vectors: Any) -> Any:
    """``v v^H`` of each column: what is left of vectors if their factors do not count."""
    columns = vectors.mT
    return columns[..., :, None] * conjugate(columns)[..., None, :]


# --- values and vectors ---------------------------------------------------------------------------------------------


def hermitian(a: Any, lower: bool) -> Any:
    """The Hermitian matrix that has a triangle of `a`; the imaginary part of its diagonal is ignored."""
    triangle = np.tril(a, -1) if lower else np.triu(a, 1)
    return triangle + adjoint(triangle) + np.eye(a.shape[-1], dtype=a.real.dtype) * np.real(a)


def hermitian_transpose(ct: Any, lower: bool) -> Any:
    """The transpose of `hermitian`."""
    both = ct + adjoint(ct)
    return (np.tril(both, -1) if lower else np.triu(both, 1)) + np.eye(ct.shape[-1], dtype=ct.real.dtype) * np.real(ct)


def hermitian_decomposition(a: Any, *, lower: bool) -> Any:
    """Eigenvalues and eigenvectors of a Hermitian matrix, as a tuple."""
    if is_moving(a):
        return invoke(hermitian_decomposition, a, lower=lower)
    return tuple(np.linalg.eigh(a, "L" if lower else "U"))  # which is what a graph has, for its derivatives too


def _gaps(values: Any) -> Any:
    """``values[j] - values[i]``, and 1 on the diagonal."""
    return values[..., None, :] - values[..., :, None] + np.eye(values.shape[-1], dtype=values.dtype)


def _off_diagonal(a: Any) -> Any:
    return a * ~np.eye(a.shape[-1], dtype=bool)


def _phase(vectors: Any, lower: bool) -> Phase:
    """LAPACK reduces a Hermitian matrix by reflections that leave the first coordinate alone, or the last one."""
    row = np.arange(vectors.shape[-2])[:, None]
    return Phase(vectors, row == (0 if lower else vectors.shape[-2] - 1), "linalg.eigh")


def _loose(y: Any, lower: bool) -> Any:
    """Eigenvalues and eigenvectors that go the ways that are left open."""
    values, vectors = y
    return told_apart(values), loosened(vectors, equal_pairs(values), _phase(vectors, lower).free)


def _decomposed(a: Any, lower: bool) -> Any:
    return _loose(hermitian_decomposition(a, lower=lower), lower)


def _eigh_push(slot: int, tangent: Any, y: Any, a: Any, *, lower: bool) -> Any:
    values, vectors = _loose(y, lower)
    inner = adjoint(vectors) @ hermitian(tangent, lower) @ vectors
    turned = over(_off_diagonal(inner), _gaps(values), scale=largest(inner), values=values, along=a)
    phase = _phase(vectors, lower)
    return np.real(diagonal(inner)), spun(phase.follow(vectors @ turned), vectors, None, phase.free)


def _eigh_pull(slot: int, ct: Any, y: Any, a: Any, *, lower: bool) -> Any:
    if is_absent(ct[1]):
        return _values_pull(slot, ct[0], y[0], a, lower=lower)
    values, vectors = _loose(y, lower)
    to_vectors = _phase(vectors, lower).follow_back(conjugate(ct[1]))
    inner = adjoint(vectors) @ to_vectors
    turning = over(
        _off_diagonal(skew(inner)), _gaps(values), scale=scale_of(inner, ct[0], values), values=values, of="linalg.eigh"
    )
    along = turning + np.eye(values.shape[-1], dtype=values.dtype) * ct[0][..., None, :]
    return conjugate(hermitian_transpose(vectors @ along @ adjoint(vectors), lower))


def _reads_lower(triangle: str) -> bool:
    if triangle.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return triangle.upper() == "L"


def _invariants(decomposition: Any) -> Any:
    return decomposition[0], projectors(decomposition[1])


custom(
    hermitian_decomposition,
    push=_eigh_push,
    pull=_eigh_pull,
    outputs=True,
    holomorphic=False,
    examples=[
        call(operand(3, 3), lower=True).seen_by(_invariants),
        call(operand(2, 2, 2), lower=False).seen_by(_invariants),
    ],
)

_EighResult = type(np.linalg.eigh(np.eye(1)))
_SYMMETRIC = [call(operand(3, 3)), call(operand(2, 2), "U"), call(operand(2, 3, 3), UPLO="U"), call(a=operand(1, 1))]


@composite(np.linalg.eigh, examples=[example.seen_by(_invariants) for example in _SYMMETRIC], self_calling=True)
def _eigh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    return _EighResult(*_decomposed(a, _reads_lower(UPLO)))


# --- eigenvalues alone ----------------------------------------------------------------------------------------------
#
# The derivative of a function of the eigenvalues alone does not divide by their differences, so it has a rule of its
# own. Its second derivative does; there, the numerators vanish with the denominators in forward mode, too.


def hermitian_values(a: Any, *, lower: bool) -> Any:
    """Eigenvalues of a Hermitian matrix."""
    if is_traced(a):
        return invoke(hermitian_values, a, lower=lower)
    return np.linalg.eigvalsh(a, "L" if lower else "U")


def spectral(a: Any, slopes: Any, *, lower: bool) -> Any:
    """``v @ diag(slopes) @ v^H``, with the eigenvectors of `a`: the derivative of a function of its eigenvalues."""
    if is_traced(a) or is_traced(slopes):
        return invoke(spectral, a, slopes, lower=lower)
    return _spectrum(slopes, hermitian_decomposition(a, lower=lower)[1])


def _spectrum(slopes: Any, vectors: Any) -> Any:
    return (vectors * slopes[..., None, :]) @ adjoint(vectors)


def _values_push(slot: int, tangent: Any, y: Any, a: Any, *, lower: bool) -> Any:
    vectors = _decomposed(a, lower)[1]
    return np.real(diagonal(adjoint(vectors) @ hermitian(tangent, lower) @ vectors))


def _values_pull(slot: int, ct: Any, y: Any, a: Any, *, lower: bool) -> Any:
    return conjugate(hermitian_transpose(spectral(a, ct, lower=lower), lower))


def _divided_differences(slopes: Any, values: Any) -> Any:
    numerator = slopes[..., None, :] - slopes[..., :, None]
    return over(numerator, _gaps(values), scale=largest(slopes[..., None]), values=values)


def _spectral_push(slot: int, tangent: Any, y: Any, a: Any, slopes: Any, *, lower: bool) -> Any:
    values, vectors = _decomposed(a, lower)
    if slot == 1:
        return _spectrum(tangent, vectors)
    inner = adjoint(vectors) @ hermitian(tangent, lower) @ vectors
    return vectors @ (inner * _divided_differences(slopes, values)) @ adjoint(vectors)


def _spectral_pull(slot: int, ct: Any, y: Any, a: Any, slopes: Any, *, lower: bool) -> Any:
    values, vectors = _decomposed(a, lower)
    inner = adjoint(vectors) @ conjugate(ct) @ vectors
    if slot == 1:
        return conjugate(diagonal(inner))
    along = vectors @ (inner * conjugate(_divided_differences(slopes, values))) @ adjoint(vectors)
    return conjugate(hermitian_transpose(along, lower))


custom(
    hermitian_values,
    push=_values_push,
    pull=_values_pull,
    holomorphic=False,
    examples=[call(operand(3, 3), lower=True), call(operand(2, 2, 2), lower=False)],
)
custom(
    spectral,
    push=_spectral_push,
    pull=_spectral_pull,
    holomorphic=False,
    examples=[call(operand(3, 3), operand(3), lower=True), call(operand(2, 2, 2), operand(2, 2), lower=False)],
)


@composite(np.linalg.eigvalsh, examples=_SYMMETRIC)
def _eigvalsh(a: Any, UPLO: str = "L") -> Any:  # noqa: N803 - NumPy's name
    return told_apart(hermitian_values(a, lower=_reads_lower(UPLO)))
