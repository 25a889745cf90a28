"""Values told apart by an infinitesimal, for derivatives that are 0 / 0 where two values are equal.

Eigenvectors of equal eigenvalues are an arbitrary basis. What does not depend on the basis still has a derivative, but
a backward pass meets it as a quotient of two zeros; its limit is a quotient of slopes. So equal eigenvalues are told
apart: ``w[i]`` goes on as ``w[i] + d[i] * epsilon``, a dual number, and what is computed with it carries its slope along
as any forward-mode trace does. A rule that divides by ``w[j] - w[i]`` finds both slopes there.

`EPSILON` is older than every other trace, so that whoever differentiates computes with such numbers without knowing
it, and `standard` takes them off what is handed to the user.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twopass.core.abstract import Abstract
from twopass.core.array import Array
from twopass.core.rule import Rule
from twopass.core.trace import ForwardTrace

__all__ = ["LIMITS", "split", "standard"]

#: Functions that find a limit from slopes, by the operator that has no value there: ``limit(args, slopes)`` gives the
#: value and its slope.
LIMITS: dict[Any, Callable[..., tuple[Any, Any]]] = {}


class _Epsilon(ForwardTrace):
    """Carries the coefficients of epsilon. There is one such trace, and it never closes."""

    __slots__ = ()

    def __init__(self) -> None:
        self.level = 0
        self.closed = False

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        limit = LIMITS.get(rule.function)
        if limit is None:
            return super().record(rule, args, kwargs, slots, marks)
        slopes = dict(zip(slots, marks, strict=True))
        return limit(args, [slopes.get(i, 0.0) for i in range(len(args))])


_EPSILON = _Epsilon()


def split(value: Any, slopes: Callable[[Any], Any]) -> Any:
    """A value plus ``slopes(value)`` times epsilon, below all its traces; None from `slopes` leaves it as it is."""
    if isinstance(value, Abstract):
        return value
    if type(value) is not Array:
        own = slopes(value)
        return value if own is None else Array(_EPSILON, value, own)
    if value._trace is not _EPSILON:
        return Array(value._trace, split(value._primal, slopes), value._mark)
    own = slopes(value._primal)
    return value if own is None else Array(_EPSILON, value._primal, own if value._mark is None else value._mark + own)


def standard(value: Any) -> Any:
    """A value without its infinitesimal part."""
    return value._primal if type(value) is Array and value._trace is _EPSILON else value
