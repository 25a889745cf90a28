"""Singular values and vectors, and what is computed with them.

With ``a = u @ diag(s) @ v^H`` and ``p = u^H @ da @ v``, split into ``p = h + k``, Hermitian and skew-Hermitian, the
vectors turn by ``u^H @ du = x + y`` and ``v^H @ dv = x - y``, where ``x = h / (s[j] - s[i])`` and
``y = k / (s[j] + s[i])``. What the vectors leave open is dealt with in `twopass.rules.gauge`. (J. Townsend,
Differentiating the singular value decomposition, 2016, has the same in terms of ``s[j]**2 - s[i]**2``, which loses
digits.)
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import GaugeError, compose
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
    matters,
    over,
    scale_of,
    skew,
    spun,
    tiny,
    told_apart,
)
from twopass.rules.infinitesimal import GAUGE, perturb
from twopass.rules.kinds import call, composite, custom, operand
from twopass.rules.operands import is_moving
from twopass.rules.phase import Phase

__all__ = ["singular_decomposition", "singular_values"]


def singular_decomposition(a: Any, *, full: bool) -> Any:
    """The singular value decomposition ``u @ diag(s) @ vh``, as a tuple; if it is `full`, with square `u` and `vh`."""
    if is_moving(a):
        return invoke(singular_decomposition, a, full=full)
    return tuple(np.linalg.svd(a, full_matrices=full))  # which is what a graph has, for its derivatives too


def _parts(y: Any) -> tuple[Any, Any, Any, Any, Any]:
    """``u, s, v`` with as many columns as there are singular values, and the further columns of `u` and `v`."""
    u, s, vh = y
    v, count = adjoint(vh), s.shape[-1]
    return u[..., :, :count], told_apart(s, signed=False), v[..., :, :count], u[..., :, count:], v[..., :, count:]


def _loose(y: Any) -> tuple[Any, Any, Any, Any, Any]:
    """`_parts` that go the ways that are left open.

    Both vectors of a pair turn together, but where the singular value is 0 each for itself, and out of their space; the
    further columns turn as they like.
    """
    u, s, v, more_u, more_v = _parts(y)
    known, equal, free = detach(s), equal_pairs(s), _phase(u, v).free
    u, v = loosened(u, equal, free), loosened(v, equal, free)
    more_u, more_v = (loosened(x, *_open(x)) for x in (more_u, more_v))
    if is_traced(known):
        return u, s, v, more_u, more_v
    zero = known <= tiny(known) * np.max(known, axis=-1, keepdims=True, initial=0)
    is_complex = u.dtype.kind == "c"
    if np.any(zero):
        u = loosened(u, None if equal is None else equal & zero[..., None, :], zero if is_complex else None)
        u, v = (perturb(x, GAUGE, functools.partial(_leaving, columns=zero)) for x in (u, v))
    return u, s, v, more_u, more_v


def _open(more: Any) -> tuple[Any, Any]:
    """Which pairs of further columns may turn, and whose phases: all of them."""
    count = more.shape[-1]
    equal = ~np.eye(count, dtype=bool) if count > 1 else None
    return equal, np.ones(count, bool) if more.dtype.kind == "c" and count else None


def _leaving(vectors: Any, *, columns: Any) -> Any:
    """Directions out of the space of some vectors for some of them."""
    anywhere = np.random.default_rng(0).uniform(0.5, 1.5, vectors.shape[-2:]).astype(vectors.dtype)
    return _outside(vectors, np.broadcast_to(anywhere, vectors.shape)) * columns[..., None, :]


def _gaps_and_sums(s: Any) -> tuple[Any, Any]:
    rows, columns = s[..., :, None], s[..., None, :]
    return columns - rows + np.eye(s.shape[-1], dtype=s.dtype), columns + rows


def _outside(vectors: Any, x: Any) -> Any:
    """The part of the columns of `x` that is orthogonal to the columns of `vectors`."""
    if vectors.shape[-2] == vectors.shape[-1]:
        return np.zeros_like(x)  # exactly: not rounding errors, which a division by a small number would magnify
    return x - vectors @ (adjoint(vectors) @ x)


def _phase(u: Any, v: Any) -> Phase:
    """The phase that a pair of vectors shares, as the columns ``[v, u]``.

    LAPACK reduces a tall matrix to an upper bidiagonal one, by reflections from the right that leave the first
    coordinate alone, and a wide matrix to a lower one, by such reflections from the left.
    """
    both = np.concatenate([v, u], axis=-2)
    return Phase(both, np.arange(both.shape[-2])[:, None] == (0 if u.shape[-2] >= v.shape[-2] else v.shape[-2]), _NAME)


_NAME = "linalg.svd"


def _svd_push(slot: int, tangent: Any, y: Any, a: Any, *, full: bool) -> Any:
    u, s, v, more_u, more_v = _loose(y)
    inner = adjoint(u) @ tangent @ v
    gaps, sums = _gaps_and_sums(s)
    scale = largest(inner)
    mean = (inner + adjoint(inner)) / 2 * ~np.eye(s.shape[-1], dtype=bool)
    together = over(mean, gaps, scale=scale, values=s, along=a)
    apart = over(skew(inner), sums, scale=scale, values=s, along=a)
    size, columns = largest(tangent), s[..., None, :]
    new_u = u @ (together + apart) + over(_outside(u, tangent @ v), columns, scale=size, values=s, along=a)
    new_v = v @ (together - apart) + over(_outside(v, adjoint(tangent) @ u), columns, scale=size, values=s, along=a)
    phase, both = _phase(u, v), np.concatenate([v, u], axis=-2)
    turned = spun(phase.follow(np.concatenate([new_v, new_u], axis=-2)), both, None, phase.free)
    new_v, new_u = turned[..., : v.shape[-2], :], turned[..., v.shape[-2] :, :]
    if full:
        new_u, new_v = (
            np.concatenate([new, _turned_outside(vectors, new, more)], axis=-1)
            for vectors, new, more in ((u, new_u, more_u), (v, new_v, more_v))
        )
    return new_u, np.real(diagonal(inner)), adjoint(new_v)


def _turned_outside(vectors: Any, turned: Any, more: Any) -> Any:
    """Tangents of the further columns: they stay orthogonal to the first ones."""
    return spun(-vectors @ (adjoint(turned) @ more), more, *_open(more))


def _check_basis(vectors: Any, cotangents: Any) -> Any:
    """Cotangents of a basis of a null space; raises if the result depends on it, or gives NaN in compiled code."""
    turning, scale = skew(adjoint(vectors) @ cotangents), largest(cotangents)
    lost = np.any(matters(turning, scale), axis=(-2, -1), keepdims=True)
    if is_traced(lost):
        return lost_where(lost, cotangents)
    if not np.any(lost):
        return cotangents
    what = f"a result depends on the further vectors of np.{_NAME}(full_matrices=True)"
    why = "They are an arbitrary basis of a null space, so it jumps when the matrix changes, and has no derivative."
    raise GaugeError(compose(what, why=why, instead="Pass full_matrices=False, or use their projector v @ v.T alone."))


def _svd_pull(slot: int, ct: Any, y: Any, a: Any, *, full: bool) -> Any:
    if is_absent(ct[0]) and is_absent(ct[2]):
        return _values_pull(slot, ct[1], y[1], a)
    u, s, v, more_u, more_v = _loose(y)
    count = s.shape[-1]
    to_u, to_v = conjugate(ct[0]), ct[2].mT
    to_u, to_v = (
        to_vectors[..., :, :count] - more @ (adjoint(_check_basis(more, to_vectors[..., :, count:])) @ vectors)
        for vectors, more, to_vectors in ((u, more_u, to_u), (v, more_v, to_v))
    )
    both = _phase(u, v).follow_back(np.concatenate([to_v, to_u], axis=-2))
    to_v, to_u = both[..., : v.shape[-2], :], both[..., v.shape[-2] :, :]
    along_u, along_v = adjoint(u) @ to_u, adjoint(v) @ to_v
    gaps, sums = _gaps_and_sums(s)
    scale = scale_of(np.concatenate([to_u, to_v], axis=-2), ct[1], s)
    off_diagonal = ~np.eye(count, dtype=bool)
    inner = over(skew(along_u + along_v) * off_diagonal, gaps, scale=scale, values=s, of=_NAME)
    inner = inner + over(skew(along_u - along_v), sums, scale=scale, values=s, of=_NAME)
    inner = inner + np.eye(count, dtype=s.dtype) * ct[1][..., None, :]
    columns = s[..., None, :]
    outside_u = over(_outside(u, to_u), columns, scale=scale, values=s, of=_NAME)
    outside_v = over(_outside(v, to_v), columns, scale=scale, values=s, of=_NAME)
    return conjugate((u @ inner + outside_u) @ adjoint(v) + u @ adjoint(outside_v))


def _invariants(decomposition: Any) -> Any:
    """The singular values, the projectors and the products ``u[:, k] @ vh[k]``; those do not depend on phases."""
    u, s, vh = decomposition
    count = s.shape[-1]
    left, right = u[..., :, :count], adjoint(vh)[..., :, :count]
    pairs = left.mT[..., :, :, None] * conjugate(right.mT)[..., :, None, :]
    rest = [x[..., :, count:] @ adjoint(x[..., :, count:]) for x in (u, adjoint(vh))]
    return s, pairs, projectors(left), *rest


custom(
    singular_decomposition,
    push=_svd_push,
    pull=_svd_pull,
    outputs=True,
    holomorphic=False,
    examples=[
        call(operand(*shape), full=full).seen_by(_invariants)
        for shape, full in (((3, 3), False), ((4, 2), False), ((2, 2, 3), False))
    ],
)


# --- singular values alone ------------------------------------------------------------------------------------------


def singular_values(a: Any) -> Any:
    """Singular values. One that is 0 is at a kink; the derivative is that of a branch with a sign."""
    if is_traced(a):
        return invoke(singular_values, a)
    return np.linalg.svd(a, compute_uv=False)


def _values_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    u, _, v, _, _ = _loose(singular_decomposition(a, full=False))
    return np.real(np.sum(conjugate(u) * (tangent @ v), axis=-2))


def _values_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    return conjugate(singular_spectrum(a, ct))


def singular_spectrum(a: Any, slopes: Any) -> Any:
    """``u @ diag(slopes) @ vh``: the derivative of a function of the singular values of `a`."""
    if is_traced(a) or is_traced(slopes):
        return invoke(singular_spectrum, a, slopes)
    u, _, vh = singular_decomposition(a, full=False)
    return (u * slopes[..., None, :]) @ vh


def _quotients(slopes: Any, s: Any) -> tuple[Any, Any, Any]:
    """Differences of slopes over those of singular values, sums over sums, and slopes over singular values."""
    gaps, sums = _gaps_and_sums(s)
    rows, columns, scale = slopes[..., :, None], slopes[..., None, :], largest(slopes[..., None])
    return (
        over(columns - rows, gaps, scale=scale, values=s),
        over(columns + rows, sums, scale=scale, values=s),
        over(columns, s[..., None, :], scale=scale, values=s),
    )


def _spectrum_push(slot: int, tangent: Any, y: Any, a: Any, slopes: Any) -> Any:
    u, s, v, _, _ = _loose(singular_decomposition(a, full=False))
    if slot == 1:
        return (u * tangent[..., None, :]) @ adjoint(v)
    differences, sums, ratios = _quotients(slopes, s)
    inner = adjoint(u) @ tangent @ v
    mean = (inner + adjoint(inner)) / 2
    change = u @ (mean * differences + skew(inner) * sums) + _outside(u, tangent @ v) * ratios
    return change @ adjoint(v) + (u * ratios) @ adjoint(_outside(v, adjoint(tangent) @ u))


def _spectrum_pull(slot: int, ct: Any, y: Any, a: Any, slopes: Any) -> Any:
    u, s, v, _, _ = _loose(singular_decomposition(a, full=False))
    ct = conjugate(ct)
    inner = adjoint(u) @ ct @ v
    if slot == 1:
        return conjugate(diagonal(inner))
    differences, sums, ratios = map(conjugate, _quotients(slopes, s))
    along = inner * differences
    change = u @ ((along + adjoint(along)) / 2 + skew(inner * sums)) + _outside(u, ct @ v) * ratios
    return conjugate(change @ adjoint(v) + u @ adjoint(_outside(v, adjoint(ct) @ u) * conjugate(ratios)))


custom(
    singular_values,
    push=_values_push,
    pull=_values_pull,
    holomorphic=False,
    examples=[call(operand(3, 3)), call(operand(2, 4, 2)), call(operand(2, 3))],
)
custom(
    singular_spectrum,
    push=_spectrum_push,
    pull=_spectrum_pull,
    holomorphic=False,
    examples=[call(operand(3, 3), operand(3)), call(operand(2, 4, 2), operand(2, 2)), call(operand(2, 3), operand(2))],
)

# --- NumPy's functions ----------------------------------------------------------------------------------------------

_SVDResult = type(np.linalg.svd(np.eye(1)))


def _told(s: Any) -> Any:
    return told_apart(s, signed=False)


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    """By eigenvalues, as NumPy does it: largest first, with their signs in `vh`; a row of that jumps where one is 0."""
    w, v = np.linalg.eigh(a) if compute_uv else (np.linalg.eigvalsh(a), None)
    size = w * np.where(detach(w) < 0, -1, 1).astype(w.dtype)  # an absolute value whose branch at 0 is the positive one
    if v is None:
        return np.sort(size, axis=-1)[..., ::-1]
    signs = np.sign(w) + np.where(w == 0, np.sqrt(0 * w), 0)  # with the slope NaN at 0
    order = np.argsort(detach(size), axis=-1)[..., ::-1]
    w, signs = (np.take_along_axis(x, order, axis=-1) for x in (size, signs))
    v = np.take_along_axis(v, order[..., None, :], axis=-1)
    return _SVDResult(v, w, adjoint(v * signs[..., None, :]))


@composite(
    np.linalg.svd,
    self_calling=True,
    examples=[
        call(operand(2, 3, 2), compute_uv=False),
        call(operand(3, 3), True, False, True),
        *[
            example.seen_by(_invariants)
            for example in (
                call(operand(3, 2), full_matrices=False),
                call(operand(2, 3), False),
                call(operand(2, 2)),
                call(a=operand(2, 4, 2)),
                call(operand(3, 3), hermitian=True),
            )
        ],
    ],
)
def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    a = as_array(a)
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    if not compute_uv:
        return _told(singular_values(a))
    y = singular_decomposition(a, full=full_matrices and a.ndim > 1 and a.shape[-1] != a.shape[-2])
    u, s, v, more_u, more_v = _loose(y)
    u, v = (np.concatenate(x, axis=-1) if x[1].shape[-1] else x[0] for x in ((u, more_u), (v, more_v)))
    return _SVDResult(u, s, adjoint(v))


@composite(np.linalg.svdvals, examples=[call(operand(3, 4)), call(operand(2, 3, 3)), call(operand(1, 3))])
def _svdvals(x: Any, /) -> Any:
    return _told(singular_values(as_array(x)))
