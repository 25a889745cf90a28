"""Choosing between values by a condition.

What is not chosen contributes nothing, in both modes and to any order, even where its own derivative is infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import invoke, is_traced
from twopass.errors import UnsupportedOperatorError, compose
from twopass.rules.kinds import call, composite, operand, selection
from twopass.rules.operands import as_operand, is_known

_MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, True]])

# --- where ----------------------------------------------------------------------------------------------------------


def where(condition: Any, x: Any, y: Any) -> Any:
    """``np.where(condition, x, y)``."""
    return np.where(condition, x, y)


selection(
    where,
    lambda slot, condition, _x, _y: condition if slot == 1 else np.logical_not(condition),
    operands=(1, 2),
    examples=[call(_MASK, operand(3, 4), operand(3, 4)), call(_MASK[0], operand(3, 1), operand(2, 1, 4))],
)


def _as_mask(condition: Any) -> Any:
    if not is_traced(condition):
        return np.asarray(condition, dtype=bool)
    return condition if condition.dtype.kind == "b" else np.not_equal(condition, 0)


@composite(
    np.where,
    examples=[
        call(_MASK, operand(3, 4), operand(3, 4)),
        call(_MASK, operand(4), 0.0),
        call(_MASK, operand(), operand(3, 1)),
        call(_MASK[0], [1.0, 2.0, 3.0, 4.0], operand(4)),
        call([1, 0, 2], operand(3), operand(3)),
    ],
)
def _where(condition: Any, *branches: Any) -> Any:
    if len(branches) == 1:
        raise ValueError("either both or neither of x and y should be given")
    condition = _as_mask(condition)
    return invoke(where, condition, *map(as_operand, branches)) if branches else np.nonzero(condition)


# --- clip -----------------------------------------------------------------------------------------------------------


def clip(a: Any, a_min: Any, a_max: Any, **keywords: Any) -> Any:
    """``np.clip(a, a_min, a_max)``."""
    return np.clip(a, a_min, a_max, **keywords)


def _clip_selects(slot: int, a: Any, a_min: Any, a_max: Any, **_: Any) -> Any:
    """It is `a` between the bounds, and at them; where the bounds are equal or in the wrong order, the upper one."""
    low = a < (-np.inf if a_min is None else a_min)
    if a_max is None:
        return (~low, low, np.zeros_like(low))[slot]
    high = np.where(low, a_min, a) > a_max if a_min is not None else a > a_max
    if a_min is not None and not is_known(np.all(np.less(a_min, a_max))):
        high = high | np.greater_equal(a_min, a_max)
    return (~low & ~high, low & ~high, high)[slot]


selection(
    clip,
    _clip_selects,
    operands=(0, 1, 2),
    examples=[call(operand(3, 4), operand(4, domain=((-1.0, 0.0),)), operand(3, 1, domain=((0.1, 1.0),)))],
)

_UNSET = object()


@composite(
    np.clip,
    examples=[
        call(operand(3, 4), -0.5, 1.0),
        call(operand(3, 4), None, operand(4)),
        call(operand(3, 4), a_min=operand(), a_max=None),
        call(operand(3, 4), operand(4), operand(4)),
        call(operand(3), [-1.0, 0.0, 1.0], 2),
        call(1.5, operand(3), None),
    ],
)
def _clip(
    a: Any, a_min: Any = _UNSET, a_max: Any = _UNSET, *, min: Any = _UNSET, max: Any = _UNSET, **keywords: Any
) -> Any:
    if (a_min is _UNSET) != (a_max is _UNSET):
        raise TypeError("clip() takes a_min and a_max together; one of them may be None")
    if a_min is _UNSET:
        a_min, a_max = (None if bound is _UNSET else bound for bound in (min, max))
    elif min is not _UNSET or max is not _UNSET:
        raise ValueError("clip() takes a_min and a_max, or min and max, not both")
    if "where" in keywords:
        what = "np.clip with where= is not supported on traced arrays"
        raise UnsupportedOperatorError(compose(what, instead="Write np.where(condition, np.clip(...), x)."))
    bounds = (None if bound is None else as_operand(bound) for bound in (a_min, a_max))
    return invoke(clip, as_operand(a), *bounds, **keywords)


# --- several conditions ---------------------------------------------------------------------------------------------


@composite(
    np.select,
    examples=[
        call([_MASK, ~_MASK], [operand(3, 4), operand(4)]),
        call([_MASK, _MASK[0]], [operand(), operand(3, 1)], default=operand(4)),
        call([np.True_, np.False_], [operand(), 1.0]),
    ],
)
def _select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if len(condlist) == 0:
        raise ValueError("select with an empty condition list is not possible")
    choices = [as_operand(choice) for choice in (*choicelist, default)]
    chosen = choices[-1]
    for i, condition in reversed(list(enumerate(condlist))):
        if condition.dtype != bool:
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
        chosen = np.where(condition, choices[i], chosen)
    return chosen.astype(np.result_type(*choices), copy=False)


def _scalar(y: Any) -> Any:
    """A result without axes as a scalar, as most functions give it; `np.where` and `np.select` give an array."""
    return y if y.ndim else y[()]


@composite(
    np.choose,
    examples=[
        call(np.array([0, 1, 2, 1]), [operand(4), operand(), 2.5]),
        call(np.array([[0], [1]]), operand(2, 3)),
        call([4, -1], [operand(2), operand(2), operand(2)], mode="wrap"),
        call([4, -1], (operand(2), np.ones(2)), mode="clip"),
        call(1, [operand(), operand()]),
    ],
)
def _choose(a: Any, choices: Any, mode: Any = "raise") -> Any:
    if is_traced(a) and a.dtype.kind in "iu":
        # Captured numbers: which ones there are is not known.
        last = len(choices) - 1
        numbers = np.clip(a, 0, last) if mode == "clip" else np.remainder(a, last + 1) if mode == "wrap" else a
    else:
        numbers = np.choose(np.asarray(a), list(range(len(choices))), mode=mode)
    return _scalar(np.select([as_array(numbers == k) for k in range(len(choices))], list(choices)))


_STEPS = np.array([True, False, True]), np.array([False, True, False])


@composite(
    np.piecewise,
    examples=[
        call(operand(3), list(_STEPS), [np.sin, lambda v: v * v]),
        call(operand(3), _STEPS[0], [lambda v, scale: v * scale, -1.0], 3.0),
        call(operand(3), [_STEPS[1]], [2.0]),
        call(operand(), [True, False], [np.exp, np.sin]),
    ],
)
def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    single = np.isscalar(condlist) or (not isinstance(condlist[0], (list, np.ndarray)) and x.ndim != 0)
    conditions = np.asarray([condlist] if single else condlist, dtype=bool)
    if len(conditions) == len(funclist) - 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    if len(conditions) != len(funclist):
        n = len(conditions)
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected")
    y = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            y[condition] = function
        elif np.any(condition):
            y[condition] = function(x[condition], *args, **kw)
    return y


# --- numbers that are not finite ------------------------------------------------------------------------------------


@composite(
    np.nan_to_num,
    examples=[call(operand(3, 4)), call(operand(3), nan=1.0, posinf=2.0), call(operand(), neginf=-1.0)],
)
def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    if x.dtype.kind == "c":
        real, imag = (np.nan_to_num(part, True, nan, posinf, neginf) for part in (np.real(x), np.imag(x)))
        finite = real + 1j * imag
    else:
        limits = np.finfo(x.dtype)
        replacements = [nan, limits.max if posinf is None else posinf, limits.min if neginf is None else neginf]
        finite = _select([np.isnan(x), np.isposinf(x), np.isneginf(x)], replacements, x)
    if copy:
        return _scalar(finite.astype(x.dtype, copy=False))
    x[...] = finite
    return x
