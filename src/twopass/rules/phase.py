"""The phases of complex vectors of decompositions, which LAPACK fixes where it can."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.rule import detach, is_traced
from twopass.errors import GaugeError, compose
from twopass.rules.gauge import largest, lost_where, matters, rounding_of

__all__ = ["Phase"]


class Phase:
    """How the phases of complex vectors (columns) are fixed: which component of each one is real.

    Parameters
    ----------
    vectors : array of shape (..., n, k)
        The vectors. Real ones have no phase: they are let alone.
    real : boolean array of a shape that broadcasts with it
        The component that is made real, if it turns out to be so.
    of : str
        The function whose vectors they are.
    """

    #: A smaller component magnifies rounding errors too much to fix the phase.
    SMALLEST = 1e-4

    def __init__(self, vectors: Any, real: Any, of: str) -> None:
        self.vectors = vectors
        self.of = of
        #: Whose phase is not determined.
        self.free: Any = None
        if vectors.dtype.kind == "c":
            known = detach(vectors)
            definite = (np.abs(np.imag(known)) <= 8 * rounding_of(known)) & (np.abs(known) >= self.SMALLEST)
            self.real = (real & definite).astype(known.real.dtype)
            self.fixed = np.any(self.real, axis=-2)
            self.free = ~self.fixed

    def _over_component(self, x: Any) -> Any:
        """`x` divided by the real component of each vector; 0 if there is none."""
        component = np.sum(self.real * np.real(self.vectors), axis=-2)
        return np.where(self.fixed, x / np.where(self.fixed, component, 1), 0 * x)

    def follow(self, turned: Any) -> Any:
        """Tangents of the vectors, turned so that the component stays real."""
        if turned.dtype.kind != "c":
            return turned
        angle = -self._over_component(np.sum(self.real * np.imag(turned), axis=-2))
        return turned + self.vectors * (1j * angle)[..., None, :]

    def follow_back(self, cotangents: Any) -> Any:
        """The transpose of `follow`, in the inner product ``Re(sum(conj(a) * b))``; raises if a free phase matters."""
        if cotangents.dtype.kind != "c":
            return cotangents
        turning = np.sum(np.imag(cotangents * np.conjugate(self.vectors)), axis=-2)
        scale = largest(cotangents)[..., 0]
        lost = self.free & matters(turning, scale)
        if is_traced(lost):
            turning = lost_where(lost, turning)
        elif np.any(lost):
            self._refuse()
        return cotangents - 1j * self.real * self._over_component(turning)[..., None, :]

    def _refuse(self) -> None:
        what = f"a result depends on the phases of complex vectors of np.{self.of}, which are not determined"
        why = "The component that LAPACK makes real is too small to fix them, or one of several."
        instead = "Use what does not depend on phases, such as np.abs(v) or products v[:, i] * np.conj(v[:, i])."
        raise GaugeError(compose(what, why=why, instead=instead))
