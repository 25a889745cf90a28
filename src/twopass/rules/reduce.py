"""Reductions over axes: sums, products and extremes.

An element that ``where=`` leaves out is absent: it contributes nothing, even if the slope of what computed it is
infinite. Equal extremes share the cotangent (``docs/kinks.md``); a NaN among the elements leaves no extreme, and so no
derivative.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from twopass.core.operators import as_array
from twopass.rules.kinds import call, composite, constant, custom, linear, operand

__all__ = ["divide", "expand", "included", "rows", "spread", "unrows"]

# --- axes -----------------------------------------------------------------------------------------------------------


def expand(reduced: Any, ndim: int, axis: Any, keepdims: Any) -> Any:
    """Put the reduced axes back, with length 1, so that a reduction broadcasts against its operand."""
    if keepdims or ndim == 0 or axis is None:
        return reduced  # a number broadcasts against anything
    return np.expand_dims(reduced, axis)


def spread(ct: Any, a: Any, axis: Any, keepdims: Any, where: Any) -> Any:
    """The transpose of a sum, but for the broadcasting, which is the sweep's."""
    ct = expand(ct, a.ndim, axis, keepdims)
    return ct if where is True else np.where(where, ct, 0)


def included(place: int) -> Any:
    """For the `selects` of a rule: the argument ``where``, which may also be passed by position, at `place`."""

    def selects(_slot: int, *args: Any, where: Any = True, **_keywords: Any) -> Any:
        mask = args[place] if len(args) > place else where
        return None if mask is True else as_array(mask)

    return selects


#: Up to where each dtype has all the integers.
_EXACT = {np.dtype(kind): 2 << np.finfo(kind).nmant for kind in (np.float16, np.float32, np.float64, np.longdouble)}


def divide(total: Any, count: Any) -> Any:
    """``total / count`` in the dtype of the total, where an array of integers would make float64 of float32.

    The result is that of NumPy's means, which divide in float64 and round.
    """
    dtype = total.dtype
    if isinstance(count, (int, np.integer)) and count <= _EXACT.get(dtype, 0):
        return total / dtype.type(count)  # the count is exact in this dtype, and so the quotient is rounded once
    quotient = total / count
    return quotient if quotient.dtype == total.dtype else quotient.astype(total.dtype)


def _axes(axis: Any, ndim: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    # A number without axes counts as a vector.
    return tuple(place for place in normalize_axis_tuple(axis, max(ndim, 1)) if place < ndim)


def rows(a: Any, axis: Any) -> Any:
    """The given axes merged into one, at the end."""
    axes = _axes(axis, a.ndim)
    kept = [n for i, n in enumerate(a.shape) if i not in axes]
    merged = math.prod(a.shape[i] for i in axes)
    return np.reshape(np.moveaxis(a, axes, range(-len(axes), 0)), (*kept, merged))


def unrows(values: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """The inverse of `rows`, for an array of the given shape; the other axes may be merged too."""
    axes = _axes(axis, len(shape))
    kept = [n for i, n in enumerate(shape) if i not in axes]
    apart = np.reshape(values, (*kept, *(shape[i] for i in axes)))
    return np.moveaxis(apart, range(-len(axes), 0), axes)


_MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
_AXES = [
    call(operand(3, 4)),
    call(operand(3, 4), 0),
    call(operand(2, 3, 4), axis=-2),
    call(operand(2, 3, 4), axis=(0, -1)),
    call(operand(2, 3, 4), axis=(2, 0), keepdims=True),
    call(operand(3, 4), axis=None, keepdims=True),
    call(operand(3, 1), axis=1),
    call(operand(3, 4), axis=()),
    call(operand()),
    call(a=operand(3, 4), axis=1),
]
_MASKED = [
    call(operand(3, 4), axis=1, where=_MASK, initial=0.5),
    call(operand(2, 3, 4), axis=(0, 2), where=_MASK[0], initial=-3.0, keepdims=True),
    call(operand(3, 4), where=_MASK[:, :1], initial=2),
]

# --- sums -----------------------------------------------------------------------------------------------------------


def _sum_of_elements(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    """The sum without the constant ``initial``."""
    return np.sum(a, axis, dtype, None, keepdims, where=where)


@linear(
    np.sum,
    linear_part=_sum_of_elements,
    structural=True,
    selects=included(6),
    examples=[*_AXES, *_MASKED, call(operand(3, 4), 1, None, None, True, 0.5, _MASK), call(operand(), -1)],
)
def _sum_transpose(
    ct: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 0,
    where: Any = True,
) -> Any:
    return spread(ct, a, axis, keepdims, where)


# --- products -------------------------------------------------------------------------------------------------------


def _product_of_others(a: Any, axis: Any, dtype: Any, initial: Any, where: Any) -> Any:
    """For each element, the product of all the others: right whatever the number of zeros, where y / a is not."""
    if dtype is not None:
        a = a.astype(dtype)
    factors = rows(a if where is True else np.where(where, a, 1), axis)
    first = np.ones_like(factors[..., :1])
    before = np.cumprod(np.concatenate([first, factors[..., :-1]], axis=-1), axis=-1)
    after = np.flip(np.cumprod(np.concatenate([first, np.flip(factors, -1)[..., :-1]], axis=-1), axis=-1), -1)
    others = unrows(before * after * initial, a.shape, axis)
    return others if where is True else np.where(where, others, 0)


def _prod_push(
    slot: int,
    tangent: Any,
    y: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    others = _product_of_others(a, axis, dtype, initial, where)
    return np.sum(tangent * others, axis=axis, keepdims=keepdims, where=where)


def _prod_pull(
    slot: int,
    ct: Any,
    y: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = 1,
    where: Any = True,
) -> Any:
    return expand(ct, a.ndim, axis, keepdims) * _product_of_others(a, axis, dtype, initial, where)


custom(
    np.prod,
    push=_prod_push,
    pull=_prod_pull,
    arity=1,
    selects=included(6),
    examples=[*_AXES, *_MASKED],
)

# --- extremes -------------------------------------------------------------------------------------------------------


def _winners(y: Any, a: Any, axis: Any, keepdims: Any, initial: Any, where: Any) -> tuple[Any, Any]:
    """Which elements are equal to the extreme, and how many: with ``initial``, if that is equal to it too."""
    extreme = expand(y, a.ndim, axis, keepdims)
    chosen = a == extreme if where is True else (a == extreme) & where
    # Counted in the operand's precision where that is exact, so that what follows stays in it.
    exact = a.dtype.kind == "f" and a.size <= 2 << np.finfo(a.dtype).nmant
    count = np.sum(chosen, axis=axis, keepdims=True, dtype=a.dtype if exact else None)
    if initial is not None:
        count = count + (extreme == initial)
    return chosen, np.maximum(count, 1)


def _extreme_push(
    slot: int,
    tangent: Any,
    y: Any,
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    chosen, count = _winners(y, a, axis, keepdims, initial, where)
    return np.reshape(divide(np.sum(np.where(chosen, tangent, 0), axis=axis, keepdims=True), count), y.shape)


def _extreme_pull(
    slot: int,
    ct: Any,
    y: Any,
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    chosen, count = _winners(y, a, axis, keepdims, initial, where)
    return np.where(chosen, divide(expand(ct, a.ndim, axis, keepdims), count), 0)


for _function in (np.max, np.min, np.nanmax, np.nanmin):
    custom(
        _function,
        push=_extreme_push,
        pull=_extreme_pull,
        arity=1,
        selects=included(5),
        examples=[*_AXES, *_MASKED, call(operand(), 0)],
    )


def _alias(function: Any, target: Any) -> None:
    """Register a second name of a NumPy function."""

    @composite(function, examples=[call(operand(3, 4), axis=1), call(a=operand(2, 3), initial=0.5)])
    def _(*args: Any, **kwargs: Any) -> Any:
        return target(*args, **kwargs)


_alias(np.amax, np.max)
_alias(np.amin, np.min)


@composite(np.ptp, examples=_AXES)
def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return np.max(a, axis, keepdims=keepdims) - np.min(a, axis, keepdims=keepdims)


# --- sums and products of what is not NaN ---------------------------------------------------------------------------


def _without_nan(function: Any, reduction: Any, neutral: int) -> None:
    """Register a reduction that replaces NaN by the neutral element."""

    @composite(function, examples=[*_AXES, *_MASKED])
    def _(a: Any, *args: Any, **kwargs: Any) -> Any:
        return reduction(np.where(np.isnan(a), neutral, a), *args, **kwargs)


_without_nan(np.nansum, np.sum, 0)
_without_nan(np.nanprod, np.prod, 1)

# --- counts and places ----------------------------------------------------------------------------------------------

constant(np.any, np.all, np.count_nonzero, np.argmax, np.argmin, np.nanargmax, np.nanargmin)
