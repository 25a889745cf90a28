"""Running sums, products and extremes along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.rules.kinds import call, composite, custom, linear, operand

__all__ = ["running_extreme"]

_RUNS = [
    call(operand(7)),
    call(operand(3, 4)),
    call(operand(3, 4), 0),
    call(operand(2, 5, 3), axis=-2),
    call(operand(3, 1), axis=1),
    call(operand()),
    call(a=operand(2, 3), axis=1),
]

# --- recurrences ----------------------------------------------------------------------------------------------------


def _recurrence(gain: Any, drive: Any) -> Any:
    """Solution of ``y[k] = gain[k] * y[k - 1] + drive[k]``, ``y[-1] = 0``, along the last axis.

    Odd-even elimination: every second unknown obeys a recurrence of half the length. It takes O(n) work in O(log n)
    operations on whole arrays, and no division, so that a gain may be zero (G. Blelloch, Prefix sums and their
    applications, 1990, section 1.4).
    """
    n = drive.shape[-1]
    if n < 2:
        return drive
    paired = n // 2 * 2
    even_gain, odd_gain = gain[..., :paired:2], gain[..., 1:paired:2]
    even_drive, odd_drive = drive[..., :paired:2], drive[..., 1:paired:2]
    odd = _recurrence(odd_gain * even_gain, odd_gain * even_drive + odd_drive)
    even = np.concatenate([drive[..., :1], gain[..., 2::2] * odd[..., : (n - 1) // 2] + drive[..., 2::2]], axis=-1)
    pairs = np.stack([even[..., : n // 2], odd], axis=-1)
    solution = np.reshape(pairs, (*drive.shape[:-1], paired))
    return solution if paired == n else np.concatenate([solution, even[..., -1:]], axis=-1)


def _delayed(x: Any) -> Any:
    """`x` one place later along the last axis, behind a 1."""
    return np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1)


def _recurrence_transposed(gain: Any, ct: Any) -> Any:
    """Cotangent of the drive of a recurrence: ``g[k] = ct[k] + gain[k + 1] * g[k + 1]``, which runs backwards."""
    return np.flip(_recurrence(_delayed(np.flip(gain, -1)), np.flip(ct, -1)), -1)


def _along(axis: Any, *arrays: Any) -> list[Any]:
    """Arrays with the running axis (None: all of them, in C order) at the end."""
    return [np.ravel(a) if axis is None or a.ndim == 0 else np.moveaxis(a, axis, -1) for a in arrays]


def _back(values: Any, shape: tuple[int, ...], axis: Any) -> Any:
    """The inverse of `_along`, for an array of the given shape."""
    return np.reshape(values, shape) if axis is None or len(shape) < 2 else np.moveaxis(values, -1, axis)


# --- running sums and products --------------------------------------------------------------------------------------


@linear(np.cumsum, structural=True, examples=_RUNS)
def _cumsum_transpose(ct: Any, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    axis = 0 if axis is None else axis
    return np.reshape(np.flip(np.cumsum(np.flip(ct, axis), axis), axis), a.shape)


def _cumprod_push(slot: int, tangent: Any, y: Any, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    y_run, factors, t = _along(axis, y, a, tangent)
    return _back(_recurrence(factors, _delayed(y_run) * t), y.shape, axis)


def _cumprod_pull(slot: int, ct: Any, y: Any, a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    y_run, factors, c = _along(axis, y, a, ct)
    return _back(_delayed(y_run) * _recurrence_transposed(factors, c), a.shape, axis)


custom(np.cumprod, push=_cumprod_push, pull=_cumprod_pull, arity=1, examples=_RUNS)


def _standard(function: Any, running: Any, identity: int) -> None:
    """Register the array API's spelling of a running operation."""

    @composite(
        function,
        examples=[
            call(operand(5)),
            call(operand(3, 4), axis=-1),
            call(operand(3, 4), axis=0, include_initial=True),
            call(operand()),
        ],
    )
    def _(x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False) -> Any:
        x = np.atleast_1d(x)
        if axis is None:
            if x.ndim > 1:
                raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
            axis = 0
        total = running(x, axis=axis, dtype=dtype)
        if not include_initial:
            return total
        shape = list(x.shape)
        shape[axis] = 1
        return np.concatenate([np.full(shape, identity, dtype=total.dtype), total], axis=axis)


def _without_nan(function: Any, running: Any, identity: int) -> None:
    """Register a running operation that takes NaN for its identity."""

    @composite(function, examples=_RUNS)
    def _(a: Any, *args: Any, **kwargs: Any) -> Any:
        return running(np.where(np.isnan(a), identity, a), *args, **kwargs)


_without_nan(np.nancumsum, np.cumsum, 0)
_without_nan(np.nancumprod, np.cumprod, 1)
if hasattr(np, "cumulative_sum"):  # since NumPy 2.1
    _standard(np.cumulative_sum, np.cumsum, 0)
    _standard(np.cumulative_prod, np.cumprod, 1)

# --- running extremes -----------------------------------------------------------------------------------------------


def running_extreme(a: Any, *, ufunc: Any, axis: Any) -> Any:
    """``np.maximum.accumulate`` and its like. As in `np.max`, the elements that are equal to an extreme share it."""
    return ufunc.accumulate(a, axis=axis)


def _shares(y: Any, a: Any) -> tuple[Any, Any, Any]:
    """Where an extreme is still the one before, which elements are equal to it, and how many of them so far."""
    holds = (y == np.concatenate([y[..., :1], y[..., :-1]], axis=-1)).astype(np.float64)
    chosen = a == y
    return holds, chosen, np.maximum(_recurrence(holds, chosen.astype(np.float64)), 1)


def _running_push(slot: int, tangent: Any, y: Any, a: Any, *, ufunc: Any, axis: Any) -> Any:
    y_run, elements, t = _along(axis, y, a, tangent)
    holds, chosen, count = _shares(y_run, elements)
    return _back(_recurrence(holds, np.where(chosen, t, 0)) / count, y.shape, axis)


def _running_pull(slot: int, ct: Any, y: Any, a: Any, *, ufunc: Any, axis: Any) -> Any:
    y_run, elements, c = _along(axis, y, a, ct)
    holds, chosen, count = _shares(y_run, elements)
    return _back(np.where(chosen, _recurrence_transposed(holds, c / count), 0), a.shape, axis)


custom(
    running_extreme,
    push=_running_push,
    pull=_running_pull,
    examples=[
        call(operand(9), ufunc=np.maximum, axis=0),
        call(operand(3, 6), ufunc=np.minimum, axis=1),
        call(operand(5, 2, 2), ufunc=np.fmax, axis=0),
        call(operand(2, 5), ufunc=np.fmin, axis=-1),
    ],
)
