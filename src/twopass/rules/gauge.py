"""What decompositions leave open, and how their derivatives deal with it.

Eigenvectors and singular vectors are determined up to a factor: a sign, which cannot change gradually, or a phase if
they are complex. Those of equal values are any basis of their space. A function of them that does not depend on these
choices (it is "gauge invariant": eigenvalues, projectors, matrix functions ``v @ np.diag(f(w)) @ v.T``) has a
derivative all the same, which the rules find:

- A backward pass divides by differences of eigenvalues. Where two are equal its numerator vanishes, too, and the
  quotient is a limit (`quotient`, with the dual numbers of `twopass.rules.infinitesimal`). If the numerator does not
  vanish, the function depends on the basis, and `over` raises.
- LAPACK makes one component of each complex vector real, and the derivative follows it (`twopass.rules.phase`). Where
  that component is too small to tell the phase, the backward pass checks that the phase does not matter, and raises if
  it does.

A forward pass cannot know what will become of the vectors: between equal values it gives NaN for their derivative. If
NaN comes out, it is repeated with tangents that are infinitesimal themselves (`divided`). Where only a phase or a basis
of a null space is open, it lets them turn by an infinitesimal, of which nothing may be left (`determined`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.rule import detach, invoke, is_traced
from twopass.errors import GaugeError, compose
from twopass.rules.infinitesimal import EPSILON, GAUGE, LIMITS, gauge_over, infinitesimal, perturb, slope_in
from twopass.rules.kinds import NONZERO, call, custom, operand

__all__ = [
    "adjoint",
    "conjugate",
    "determined",
    "diagonal",
    "divided",
    "equal_pairs",
    "is_absent",
    "largest",
    "loosened",
    "lost_where",
    "matters",
    "over",
    "quotient",
    "rounding_of",
    "scale_of",
    "skew",
    "spun",
    "tiny",
    "told_apart",
    "without_slope",
]


def conjugate(a: Any) -> Any:
    """The complex conjugate; a real array as it is."""
    return np.conjugate(a) if a.dtype.kind == "c" else a


def adjoint(a: Any) -> Any:
    """The conjugate transpose."""
    return conjugate(a).mT


def diagonal(a: Any) -> Any:
    """The diagonals of matrices."""
    return np.diagonal(a, axis1=-2, axis2=-1)


def skew(a: Any) -> Any:
    """The skew-Hermitian part, which is what an inner product with a skew-Hermitian matrix sees."""
    return (a - adjoint(a)) / 2


def scale_of(along_vectors: Any, to_values: Any, values: Any) -> Any:
    """How large cotangents of a decomposition are, as a change of the result: rounding errors are relative to it."""
    of_values = np.abs(detach(to_values)) * np.max(np.abs(detach(values)), axis=-1, keepdims=True, initial=0)
    return np.maximum(largest(along_vectors), np.max(of_values, axis=-1, initial=0)[..., None, None])


def is_absent(cotangent: Any) -> bool:
    """Whether a cotangent is a constant 0, as it is of an output that is not used."""
    return not is_traced(cotangent) and not np.any(cotangent)


def rounding_of(a: Any) -> float:
    """The distance between 1 and the next number of this precision."""
    return float(np.finfo(a.dtype).eps)


def largest(a: Any) -> Any:
    """The largest absolute value of each matrix, as a matrix of one element."""
    return np.max(np.abs(detach(a)), axis=(-2, -1), keepdims=True, initial=0)


def lost_where(lost: Any, a: Any) -> Any:
    """An array, but NaN where it is `lost`: so are its derivatives then, which np.where would make 0."""
    return a * np.where(lost, np.nan, 1).astype(a.real.dtype)


def without_slope(a: Any) -> Any:
    """The number 0 for each matrix, with the derivative NaN."""
    return np.sqrt(0 * np.sum(np.abs(a), axis=(-2, -1)))


# --- equal values ---------------------------------------------------------------------------------------------------


def _together(values: Any, distance: Any) -> Any:
    """Which pairs of values belong together, because they, or values between them, are close to each other."""
    near = np.abs(values[..., :, None] - values[..., None, :]) <= distance[..., None]
    if np.count_nonzero(near) <= values.size:
        return None
    reached = near
    for _ in range(int(values.shape[-1]).bit_length()):
        reached = reached @ reached
    return reached


def told_apart(values: Any, *, signed: bool = True) -> Any:
    """Values of which those that are close to each other are told apart by an infinitesimal.

    Closer than ``sqrt(eps)``, a quotient of slopes is more exact than one of differences. If they are not `signed`,
    zero is one of them: what is close to it is moved away from it.
    """

    def slopes(values: Any) -> Any:
        distance = np.sqrt(rounding_of(values)) * np.max(np.abs(values), axis=-1, keepdims=True, initial=0)
        together = _together(values, distance)
        vanishing = np.any(np.abs(values) <= distance) and not signed
        if together is None:
            if not vanishing:
                return None
            together = np.eye(values.shape[-1], dtype=bool)
        # Around the middle of a cluster, so that the slopes of two equal values are those at their mean.
        place = np.arange(values.shape[-1])
        own = place - np.sum(np.where(together, place, 0), axis=-1) / np.sum(together, axis=-1)
        if vanishing:
            own = np.where(np.any(together & (values <= distance)[..., None, :], axis=-1), place + 1, own)
        return own.astype(values.dtype)

    return perturb(values, EPSILON, slopes)


def equal_pairs(values: Any) -> Any:
    """Which pairs of values are equal up to rounding, and not the same one; None if there are none."""
    known = detach(values)
    if is_traced(known):
        return None
    together = _together(known, tiny(known) * np.max(np.abs(known), axis=-1, keepdims=True, initial=0))
    return None if together is None else together & ~np.eye(known.shape[-1], dtype=bool)


def loosened(vectors: Any, equal: Any, free: Any = None) -> Any:
    """Vectors (columns) that turn by an infinitesimal where that is left open.

    That is within the spaces of `equal` pairs, and in the phases of those that are `free`.
    """
    if not _is_open(equal, free):
        return vectors
    return perturb(vectors, gauge_over(vectors), lambda vectors: _rotation(vectors, equal, free))


def _is_open(equal: Any, free: Any) -> bool:
    """Whether vectors may turn; also if that is not known."""
    return equal is not None or (free is not None and (is_traced(free) or bool(np.any(free))))


def _rotation(vectors: Any, equal: Any, free: Any) -> Any:
    """How vectors move in some rotation of what is open. Any does: what does not depend on it has no slope in it."""
    rates = np.random.default_rng(0).uniform(0.5, 1.5, (vectors.shape[-1],) * 2)
    rates = np.triu(rates, 1) - np.triu(rates, 1).T
    turn = np.zeros(vectors.shape[-1:] * 2) if equal is None else np.where(equal, rates, 0)
    turn = turn.astype(vectors.dtype)
    if free is not None:
        turn = turn + 1j * np.where(free[..., None, :], np.eye(vectors.shape[-1]), 0)
    return (vectors @ turn).astype(vectors.dtype)


def spun(turned: Any, vectors: Any, equal: Any, free: Any = None) -> Any:
    """Tangents of vectors plus an infinitesimal rotation, where that is open: nothing of it may be left in a result."""
    if not _is_open(equal, free):
        return turned
    rotation = _rotation(vectors, equal, free)
    return turned + infinitesimal(rotation, gauge_over(rotation))


def matters(value: Any, scale: Any) -> Any:
    """Where what should vanish does not, or does so by chance, because it is stationary in the choice of the basis."""
    known, slope = detach(value), slope_in(value, GAUGE)
    small = np.sqrt(rounding_of(known)) * scale
    return (np.abs(known) > small) | (np.abs(slope) > small if slope is not None else False)


def quotient(numerator: Any, denominator: Any, scale: Any, size: Any, linear: bool = False) -> Any:
    """``numerator / denominator``, elementwise; where both vanish, the limit if it is known, else NaN.

    A denominator is nothing but rounding if it is that small beside `size`, a numerator beside `scale`. `linear` says
    that numerators have no slope but the one that they carry along, so that the slope of a limit is known to be 0.
    """
    zero = np.abs(denominator) <= tiny(denominator) * size
    return np.where(zero, np.nan, numerator / np.where(zero, 1, denominator))


def tiny(values: Any) -> float:
    """What is left of equal values, relative to their size."""
    return 8.0 * int(values.shape[-1]) * rounding_of(values)


def _limit(args: Any, slopes: Any) -> tuple[Any, Any]:
    """The quotient of dual numbers (l'Hopital), where the denominators are too small to divide by."""
    numerator, denominator, scale, size, linear = args
    rise, run = slopes[:2]
    known, below, up, along = map(detach, (numerator, denominator, rise, run))
    with np.errstate(all="ignore"):
        close = np.broadcast_to(along != 0, known.shape)
        zero = np.abs(below) <= tiny(below) * size
        slope = np.where(close, up / np.where(close, along, 1), np.nan)
        # The difference that the slope accounts for, up to rounding.
        noise = np.where(zero, np.sqrt(rounding_of(below)), 32 * tiny(below)) * scale
        explained = close & (np.abs(known - np.where(zero, 0, slope * below)) <= noise)
        limit = np.where(explained, rise / np.where(close, run, 1), quotient(numerator, denominator, scale, size))
        value = np.where((known == 0) & (up == 0), 0 * numerator, limit)
        further = (up - detach(value) * along) / np.where(explained | zero, np.nan, below)
        if linear or type(rise) is float:  # that is absent if the numerator is a constant
            further = np.where(known == 0, np.where(explained | (up == 0), 0, further), further)
    return value, further.astype(value.dtype)


LIMITS[quotient] = _limit


def _quotient_push(
    slot: int, tangent: Any, y: Any, numerator: Any, denominator: Any, scale: Any, size: Any, linear: bool
) -> Any:
    numerator = tangent if slot == 0 else -y * tangent
    return invoke(quotient, numerator, denominator, largest(numerator), size, False)


custom(
    quotient,
    push=_quotient_push,
    pull=_quotient_push,
    examples=[call(operand(2, 3), operand(2, 3, domain=NONZERO), np.ones((1, 1)), np.ones((1, 1)), False)],
)


def over(numerator: Any, denominator: Any, *, scale: Any, values: Any, of: str = "", along: Any = None) -> Any:
    """`quotient`, where differences or sums of `values` are the denominators.

    In forward mode, `along` is the matrix that the numerators are tangents of. There, and where values are not known,
    closer values count as equal: there are no slopes, or none that come with what tells whether they explain a
    difference.

    If the numerator does not vanish with the denominator, the result of the function `of` depends on the choice of
    a basis: that raises, where the values are known.
    """
    size, known = np.max(np.abs(detach(values)), axis=-1, initial=0)[..., None, None], detach(denominator)
    if along is not None or is_traced(known):
        size = size * (rounding_of(denominator) ** (2 / 3) / tiny(denominator))
    linear = along is not None and slope_in(along, EPSILON) is None
    result = invoke(quotient, numerator, denominator, scale, size, linear)
    zero = np.abs(known) <= tiny(known) * size
    if is_traced(zero):
        return lost_where(zero, result)  # compiled code knows no infinitesimals that tell values apart
    if of:
        lost = zero & np.isfinite(detach(numerator)) & matters(numerator, scale)
        if is_traced(lost):
            return lost_where(lost, result)
        if np.any(lost):
            _refuse_basis(of, lost, detach(values))
    return result


def _refuse_basis(of: str, lost: Any, values: Any) -> None:
    matrix = next(zip(*np.nonzero(np.any(lost, axis=(-2, -1))), strict=True)) if lost.ndim > 2 else ()
    involved = np.unique(np.concatenate(np.nonzero(lost[matrix])))
    equal = ", ".join(f"{values[matrix][i]:.6g}" for i in involved if i < values.shape[-1])
    what = f"a derivative through vectors of np.{of} does not exist, or is not known"
    why = f"Those of equal values ({equal}) are an arbitrary basis. What depends on it jumps when the matrix changes; "
    why += "of what does not, such as v @ np.diag(f(w)) @ v.T or v @ v.T, only the first derivative is known."
    instead = "Use the values alone (in any order of derivative), or what does not depend on the basis."
    raise GaugeError(compose(what, why=why, instead=instead))


def divided(tangent: Any) -> Any:
    """A tangent that came of infinitesimal ones, divided by the infinitesimal; NaN if it is no multiple of it."""
    slope = slope_in(tangent, EPSILON)
    flat, one = np.reshape(tangent, (1, -1)), np.ones((1, 1), tangent.dtype)
    scale = (0 if slope is None else np.max(np.abs(slope), initial=0)) * one.real
    result = invoke(quotient, flat, perturb(0 * one, EPSILON, lambda _: one), scale, one.real, True)
    return determined(np.reshape(result, tangent.shape), np.zeros(()), slope_in(tangent, GAUGE))


def determined(tangent: Any, value: Any, chance: Any) -> Any:
    """A tangent, or NaN where it depends on what is open, as its slope `chance` in that says."""
    if chance is None:
        return tangent
    eps = rounding_of(chance)
    sizes = (np.max(np.abs(detach(x)), initial=0, where=np.isfinite(detach(x))) for x in (tangent, value))
    scale = np.maximum(*sizes)
    return lost_where(~(np.abs(chance) <= np.sqrt(eps) * scale + 100 * eps), tangent)[()]
