"""Eigenvalues and eigenvectors of square matrices in general.

``a @ v = v @ diag(w)`` gives ``dw = diag(v^-1 @ da @ v)`` and ``v^-1 @ dv = (v^-1 @ da @ v) / (w[j] - w[i])`` off the
diagonal (M. Giles, Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic Differentiation, 2008,
section 3.1); the diagonal follows from how LAPACK scales the vectors: of length 1, and with a real component of largest
absolute value if they are complex.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import DifferentiationError, compose
from twopass.rules.eigen import projectors
from twopass.rules.gauge import (
    adjoint,
    conjugate,
    diagonal,
    equal_pairs,
    is_absent,
    largest,
    loosened,
    lost_where,
    over,
    scale_of,
    spun,
    told_apart,
)
from twopass.rules.kinds import POSITIVE, call, composite, custom, operand
from twopass.rules.operands import is_moving
from twopass.rules.phase import Phase

__all__ = ["eigen_decomposition"]

_EigResult = type(np.linalg.eig(np.eye(1)))


def eigen_decomposition(a: Any) -> Any:
    """Eigenvalues and eigenvectors of a square matrix, as a tuple; real if all eigenvalues of a real matrix are."""
    if is_moving(a):
        return invoke(eigen_decomposition, a)
    return tuple(np.linalg.eig(a))  # which is what a graph has, for its derivatives too


def _parts(y: Any) -> tuple[Any, Any, Any]:
    """Eigenvalues, eigenvectors, and the differences ``w[j] - w[i]``, with 1 on the diagonal."""
    values, vectors = _loose(y)
    gaps = values[..., None, :] - values[..., :, None] + np.eye(values.shape[-1], dtype=values.real.dtype)
    return values, vectors, gaps


def _loose(y: Any) -> Any:
    """Eigenvalues and eigenvectors that go the ways that are left open."""
    values, vectors = y
    return told_apart(values), loosened(vectors, equal_pairs(values), _phase(vectors).free)


def _phase(vectors: Any) -> Phase:
    """LAPACK makes the component of largest absolute value real, if there is but one."""
    size = np.abs(detach(vectors))
    largest_ones = size >= (1 - np.sqrt(np.finfo(size.dtype).eps)) * np.max(size, axis=-2, keepdims=True, initial=0)
    return Phase(vectors, largest_ones & (np.sum(largest_ones, axis=-2, keepdims=True) == 1), _NAME)


_NAME = "linalg.eig"


def _regular(vectors: Any) -> Any:
    """Eigenvectors; any others in the place of those that are exactly dependent, which cannot be solved for."""
    return np.where(
        np.linalg.det(detach(vectors))[..., None, None] == 0, np.eye(vectors.shape[-1], dtype=vectors.dtype), vectors
    )


def _has_derivative(values: Any, vectors: Any) -> Any:
    """Which eigenvalues have a derivative, as far as rounding lets us know.

    A defective matrix has fewer eigenvectors than eigenvalues; computed ones are nearly parallel, and their eigenvalues
    close, so that the condition numbers, the lengths of the rows of ``v^-1``, times rounding exceed their distance.
    """
    values, vectors = detach(values), detach(vectors)
    eps = np.finfo(vectors.dtype).eps
    condition = np.linalg.norm(np.linalg.inv(_regular(vectors)), axis=-1)
    condition = np.where(np.linalg.det(vectors)[..., None] == 0, np.inf, condition)
    size = np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
    distance = np.abs(values[..., None, :] - values[..., :, None])
    nearest = np.min(np.where(np.eye(values.shape[-1], dtype=bool), np.inf, distance), axis=-1, initial=np.inf)
    return (condition <= eps**-0.25) | (eps**0.75 * condition * size <= nearest)


def _eig_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    values, vectors, gaps = _parts(y)
    inner = np.linalg.solve(_regular(vectors), tangent @ vectors)
    exists = _has_derivative(y[0], vectors)
    off_diagonal = inner * ~np.eye(values.shape[-1], dtype=bool)
    turned = vectors @ over(off_diagonal, gaps, scale=largest(inner), values=values, along=a)
    turned = turned - vectors * np.real(np.sum(conjugate(vectors) * turned, axis=-2, keepdims=True))
    phase = _phase(vectors)
    turned = spun(phase.follow(turned), vectors, None, phase.free)
    return lost_where(~exists, diagonal(inner)), lost_where(~exists[..., None, :], turned)


def _eig_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    values, vectors, gaps = _parts(y)
    unit = np.eye(values.shape[-1], dtype=bool)
    along = unit * _unless_defective(ct[0], y[0], vectors)[..., None, :]
    if not is_absent(ct[1]):
        to_vectors = _phase(vectors).follow_back(conjugate(ct[1]))
        to_vectors = to_vectors - vectors * np.real(np.sum(conjugate(vectors) * to_vectors, axis=-2, keepdims=True))
        inner = adjoint(vectors) @ to_vectors
        along = along + over(
            inner * ~unit, conjugate(gaps), scale=scale_of(inner, ct[0], values), values=values, of=_NAME
        )
    return conjugate(np.linalg.solve(adjoint(_regular(vectors)), along @ adjoint(vectors)))


def _unless_defective(to_values: Any, values: Any, vectors: Any) -> Any:
    """Cotangents of eigenvalues; raises, or gives NaN in compiled code, where there are not enough eigenvectors."""
    exists = _has_derivative(values, vectors)
    if is_traced(exists):
        return lost_where(~exists, conjugate(to_values))
    if np.all(exists):
        return conjugate(to_values)
    lost = np.unique(detach(values)[~exists])
    what = f"np.{_NAME} has no derivative at a matrix without a full set of eigenvectors"
    why = f"Its eigenvalues {', '.join(f'{value:.6g}' for value in lost[:4])} split like a square root when it changes."
    instead = "Sums, products and powers of eigenvalues are np.trace, np.linalg.det and np.linalg.matrix_power."
    raise DifferentiationError(compose(what, why=why, instead=instead))


def _invariants(decomposition: Any) -> Any:
    """Eigenvalues and projectors ``v v^H``, which for vectors of length 1 do not depend on their phases."""
    return decomposition[0], projectors(decomposition[1])


_REAL = [call(operand(2, 2, domain=POSITIVE)), call(operand(3, 2, 2, domain=POSITIVE)), call(a=operand(1, 1))]

custom(
    eigen_decomposition,
    push=_eig_push,
    pull=_eig_pull,
    outputs=True,
    holomorphic=False,
    examples=[call(operand(2, 2, domain=POSITIVE)).seen_by(_invariants)],
)


@composite(np.linalg.eig, examples=[example.seen_by(_invariants) for example in _REAL], self_calling=True)
def _eig(a: Any) -> Any:
    return _EigResult(*_loose(eigen_decomposition(as_array(a))))


@composite(np.linalg.eigvals, examples=_REAL, self_calling=True)
def _eigvals(a: Any) -> Any:
    a = as_array(a)
    values, known = _eig(a)[0], np.linalg.eigvals(detach(a))
    # LAPACK finds eigenvalues in another order if it need not find vectors, but seldom.
    distance = np.abs(known[..., :, None] - detach(values)[..., None, :])
    order, place = np.argmin(distance, axis=-1), np.arange(a.shape[-1])
    matched = np.all(np.sort(order, axis=-1) == place, axis=-1, keepdims=True)
    return np.take_along_axis(values, np.where(matched, order, place), axis=-1)
