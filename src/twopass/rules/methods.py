"""Methods of ufuncs: reduce, accumulate, reduceat and outer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from twopass.core.operators import scatter
from twopass.core.rule import detach, invoke
from twopass.rules.cumulative import running_extreme
from twopass.rules.kinds import call, custom, linear, operand, ufunc_method
from twopass.rules.reduce import expand, included

# --- methods that have a function -----------------------------------------------------------------------------------


def _is(ufunc: Any, method: str, function: Any) -> None:
    """Register a method that is a NumPy function, but for its default axis."""

    @ufunc_method(method, ufunc)
    def _(_ufunc: Any, array: Any, axis: Any = 0, **keywords: Any) -> Any:
        return function(array, axis=axis, **keywords)


_is(np.add, "reduce", np.sum)
_is(np.multiply, "reduce", np.prod)
_is(np.maximum, "reduce", np.max)
_is(np.minimum, "reduce", np.min)
_is(np.fmax, "reduce", np.nanmax)
_is(np.fmin, "reduce", np.nanmin)
_is(np.add, "accumulate", np.cumsum)
_is(np.multiply, "accumulate", np.cumprod)


@ufunc_method("accumulate", np.maximum, np.minimum, np.fmax, np.fmin)
def _accumulate_extreme(ufunc: Any, array: Any, axis: int = 0) -> Any:
    return invoke(running_extreme, array, ufunc=ufunc, axis=axis)


# --- sums of exponentials -------------------------------------------------------------------------------------------


def log_sum(a: Any, *, ufunc: Any, **keywords: Any) -> Any:
    """``log(sum(exp(a)))`` without overflow: ``np.logaddexp.reduce``, or the same in base 2."""
    return ufunc.reduce(a, **keywords)


def _shares(ufunc: Any, a: Any, axis: Any = 0, initial: Any = -np.inf, where: Any = True, **_keywords: Any) -> Any:
    """The softmax: what each term contributes to the sum. Its value does not depend on the shift by the largest."""
    power = np.exp if ufunc is np.logaddexp else np.exp2
    initial = -np.inf if initial is None else initial
    largest = np.max(detach(a), axis=axis, keepdims=True, initial=initial, where=where)
    gap = np.where(np.isfinite(largest), a - largest, -np.inf)
    terms = power(np.where(np.isinf(a) & (a == largest), 0, gap))  # equal infinities share
    terms = terms if where is True else np.where(where, terms, 0)
    total = np.sum(terms, axis=axis, keepdims=True)
    if initial != -np.inf:
        total = total + power(np.where(largest == initial, 0, initial - largest))
    return terms / total


def _log_sum_push(
    slot: int, tangent: Any, y: Any, a: Any, *, ufunc: Any, axis: Any = 0, keepdims: Any = False, **keywords: Any
) -> Any:
    return np.sum(tangent * _shares(ufunc, a, axis, **keywords), axis=axis, keepdims=keepdims)


def _log_sum_pull(
    slot: int, ct: Any, y: Any, a: Any, *, ufunc: Any, axis: Any = 0, keepdims: Any = False, **keywords: Any
) -> Any:
    return expand(ct, a.ndim, axis, keepdims) * _shares(ufunc, a, axis, **keywords)


custom(
    log_sum,
    push=_log_sum_push,
    pull=_log_sum_pull,
    selects=included(1),
    holomorphic=False,
    examples=[
        call(operand(3, 4), ufunc=np.logaddexp),
        call(operand(2, 3, 4), ufunc=np.logaddexp2, axis=1, keepdims=True),
        call(operand(3), ufunc=np.logaddexp, initial=0.5, where=np.array([True, False, True])),
    ],
)


@ufunc_method("reduce", np.logaddexp, np.logaddexp2)
def _reduce_log_sum(ufunc: Any, array: Any, **keywords: Any) -> Any:
    return invoke(log_sum, array, ufunc=ufunc, **keywords)


# --- sums of segments -----------------------------------------------------------------------------------------------


def segment_sum(a: Any, *, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    """``np.add.reduceat``: sums of ``a[indices[i]:indices[i + 1]]``, or ``a[indices[i]]`` for an empty segment."""
    return np.add.reduceat(a, indices, axis, dtype)


@linear(
    segment_sum,
    structural=True,
    examples=[
        call(operand(7), indices=np.array([0, 2, 5])),
        call(operand(3, 6), indices=[1, 4, 2, 2, 5], axis=1),
        call(operand(4, 2), indices=(3, 0)),
    ],
)
def _segment_sum_transpose(ct: Any, a: Any, *, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    starts = np.asarray(indices)
    lengths = np.maximum(np.diff(starts, append=a.shape[axis]), 1)
    segments = np.repeat(np.arange(len(starts)), lengths)
    offsets = np.arange(len(segments)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    members = starts[segments] + offsets
    leading = (slice(None),) * normalize_axis_index(axis, a.ndim)
    return scatter(ct[(*leading, segments)], shape=a.shape, index=(*leading, members))


@ufunc_method("reduceat", np.add)
def _reduceat_add(ufunc: Any, array: Any, indices: Any, axis: int = 0, dtype: Any = None) -> Any:
    return invoke(segment_sum, array, indices=indices, axis=axis, dtype=dtype)


# --- all pairs ------------------------------------------------------------------------------------------------------


@ufunc_method("outer")
def _outer(ufunc: Any, a: Any, b: Any, **keywords: Any) -> Any:
    if ufunc.signature is not None or ufunc.nin != 2:
        raise ValueError(f"np.{ufunc.__name__} has no outer: it is for ufuncs of two elements")
    return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b, **keywords)


# --- truth values ---------------------------------------------------------------------------------------------------


def _is_constant(method: str) -> None:
    """Register a method of the logical ufuncs: its result has no derivative to lose."""

    @ufunc_method(method, np.logical_and, np.logical_or, np.logical_xor, self_calling=True)
    def _(ufunc: Any, array: Any, *args: Any, **keywords: Any) -> Any:
        return getattr(ufunc, method)(detach(array), *args, **keywords)


for _method in ("reduce", "accumulate", "reduceat"):
    _is_constant(_method)
