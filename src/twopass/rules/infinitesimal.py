"""Values told apart by an infinitesimal, for derivatives that are 0 / 0 where two values are equal.

Eigenvectors of equal eigenvalues are an arbitrary basis. What does not depend on the basis still has a derivative, but
a backward pass meets it as a quotient of two zeros; its limit is a quotient of slopes. So equal eigenvalues are told
apart: ``w[i]`` goes on as ``w[i] + d[i] * epsilon``, a dual number, and what is computed with it carries its slope
along as any forward-mode trace does. A rule that divides by ``w[j] - w[i]`` finds both slopes there.

That a function does not depend on the basis is checked in the same way: eigenvectors go on with the slope of a
rotation of the basis (by another infinitesimal, that of `GAUGE`), and what should vanish must have no such slope.

Both traces are older than every other one, so that whoever differentiates computes with such numbers without knowing
it, and `standard` takes them off what is handed to the user. Where values are captured, or are a batch, the one of
`GAUGE` is just newer than the trace that captures (`gauge_over`): so the slope becomes code beside the other code.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.core.array import Array
from twopass.core.rule import Rule, detach, is_traced
from twopass.core.trace import ForwardTrace, Trace, Unknown

__all__ = ["EPSILON", "GAUGE", "LIMITS", "gauge_over", "infinitesimal", "perturb", "slope_in", "standard"]

#: Functions that find a limit from slopes, by the operator that has no value there: ``limit(args, slopes)`` gives the
#: value and its slope.
LIMITS: dict[Any, Callable[..., tuple[Any, Any]]] = {}


class _Infinitesimal(ForwardTrace):
    """Carries the coefficients of an infinitesimal; it never closes."""

    __slots__ = ()

    def __init__(self, level: float) -> None:
        self.level = level
        self.closed = False


class _Gauge(_Infinitesimal):
    """That by which a basis turns."""

    __slots__ = ("__weakref__",)


class _Epsilon(_Infinitesimal):
    """That which tells equal values apart."""

    __slots__ = ()

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        limit = LIMITS.get(rule.function)
        if limit is None:
            return super().record(rule, args, kwargs, slots, marks)
        slopes = dict(zip(slots, marks, strict=True))
        return limit(args, [slopes.get(i, 0.0) for i in range(len(args))])


EPSILON = _Epsilon(0)
GAUGE = _Gauge(-1)

#: Those between traces that capture and the next ones, by level, as long as there are values that hold them.
_GAUGES: weakref.WeakValueDictionary[float, _Gauge] = weakref.WeakValueDictionary()


def gauge_over(value: Any) -> Trace:
    """`GAUGE`, or where the value is not known the one that is just newer than the trace that captures it."""
    known = detach(value)
    if not is_traced(known):
        return GAUGE
    level = known._trace.level + 0.5
    return _GAUGES.setdefault(level, _Gauge(level))


def perturb(value: Any, trace: Trace, slopes: Callable[[Any], Any]) -> Any:
    """A value plus ``slopes(value)`` times an infinitesimal, below all newer traces; unchanged if that is None."""
    if isinstance(value, Unknown):
        if value.values is not None:  # of a batch, all examples at once
            value = copy.copy(value)
            value.values = perturb(value.values, trace, slopes)
        return value
    if type(value) is Array and value._trace.level > trace.level:
        return Array(value._trace, perturb(value._primal, trace, slopes), value._mark)
    below, mark = value, None
    if type(value) is Array and value._trace is trace:
        below, mark = value._primal, value._mark
    own = slopes(detach(below))
    return value if own is None else Array(trace, below, own if mark is None else mark + own)


def slope_in(value: Any, trace: Trace) -> Any:
    """The coefficient of an infinitesimal in a value, or None; that of `GAUGE` is any by which a basis turns."""
    while type(value) is Array:
        if value._trace is trace or (trace is GAUGE and isinstance(value._trace, _Gauge)):
            return detach(value._mark)
        if isinstance(value._primal, Unknown) and value._primal.values is not None and trace is GAUGE:
            return _slope_of_batch(value, trace)
        value = value._primal
    return None


def _slope_of_batch(value: Any, trace: Trace) -> Any:
    """`slope_in` the values of a batch, as a batch."""
    found = slope_in(value._primal.values, trace)
    if found is None:
        return None
    slopes = copy.copy(value._primal)
    slopes.values = found
    return Array(value._trace, slopes, None)


def infinitesimal(value: Any, trace: Trace) -> Any:
    """A value times an infinitesimal."""
    one = np.ones((), np.finfo(value.dtype).dtype)[()]
    return value * Array(trace, 0 * one, one)


def standard(value: Any) -> Any:
    """A value without its infinitesimal parts."""
    while type(value) is Array and isinstance(value._trace, _Infinitesimal):
        value = value._primal
    return value
