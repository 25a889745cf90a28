"""Padding an array at its borders."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array, holds_traced
from twopass.core.rule import invoke
from twopass.errors import UnsupportedOperatorError, compose
from twopass.rules.kinds import call, composite, linear, operand

_STATISTICS = {"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}


def pad_zeros(a: Any, widths: Any) -> Any:
    """``np.pad(a, widths)``."""
    return np.pad(a, widths)


@linear(
    pad_zeros,
    structural=True,
    examples=[call(operand(3, 4), widths=[(1, 2), (0, 3)]), call(operand(2), widths=[(0, 0)])],
)
def _pad_zeros_transpose(ct: Any, a: Any, widths: Any) -> Any:
    return ct[tuple(slice(before, before + n) for (before, _), n in zip(widths, a.shape, strict=True))]


def _pairs(value: Any, ndim: int) -> Any:
    """One thing before and one after, for each axis; NumPy's shorthands give one for all, or one pair for all axes."""
    if isinstance(value, dict):
        given: dict[int, Any] = {axis % ndim: width for axis, width in value.items()}
        value = [np.broadcast_to(given.get(axis, 0), 2) for axis in range(ndim)]
    return np.broadcast_to(as_array(value), (ndim, 2))


@composite(
    np.pad,
    examples=[
        call(operand(3), 2),
        call(operand(), 1),
        call(operand(2, 3), ((1, 0), (2, 1))),
        call(operand(2, 3), (1, 2), constant_values=((1.0, 2.0), (3.0, 4.0))),
        call(operand(2, 3), 1, mode="constant", constant_values=(operand(), 2.0)),
        call(operand(2, 3), ((1, 2), (3, 0)), "edge"),
        call(operand(4, 3), ((5, 2), (1, 4)), "reflect"),
        call(operand(4), (3, 9), "reflect", reflect_type="odd"),
        call(operand(4, 3), ((5, 2), (1, 4)), "symmetric"),
        call(operand(3), (4, 8), "symmetric", reflect_type="odd"),
        call(operand(4, 3), ((5, 2), (1, 4)), "wrap"),
        call(operand(2, 3), ((2, 1), (0, 3)), "linear_ramp", end_values=(operand(), 1.5)),
        call(operand(2, 3), 2, "linear_ramp"),
        call(operand(3, 4), ((2, 1), (0, 3)), "maximum"),
        call(operand(3, 4), 2, "minimum", stat_length=2),
        call(operand(3, 4), ((2, 1), (0, 3)), "mean", stat_length=((1, 2), (3, 2))),
        call(operand(3, 4), 1, "median"),
    ],
)
def _pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if callable(mode):
        what = "np.pad with a function as mode is not supported on traced arrays"
        raise UnsupportedOperatorError(compose(what, instead="Join the borders with np.concatenate."))
    widths = _pairs(pad_width, array.ndim).tolist()
    if not widths:
        return np.copy(array)
    if mode == "empty" or (mode == "constant" and not holds_traced(kwargs.get("constant_values", 0))):
        padded = invoke(pad_zeros, array, widths=widths)
        return padded + np.pad(np.zeros(array.shape, array.dtype), widths, mode, **kwargs) if kwargs else padded
    padded = np.copy(array)
    for axis, width in enumerate(widths):
        if any(width):
            padded = _pad_axis(padded, axis, width, mode, dict(kwargs))
    return padded


def _pad_axis(a: Any, axis: int, width: Any, mode: Any, keywords: dict[str, Any]) -> Any:
    """Pad one axis; NumPy, too, takes them one by one, so that later axes extend the borders of earlier ones."""
    if mode == "constant":
        borders = _pairs(keywords.pop("constant_values"), a.ndim)[axis]
    elif mode == "linear_ramp":
        borders = _ramps(a, axis, width, _pairs(keywords.pop("end_values", 0), a.ndim)[axis])
    elif mode in _STATISTICS:
        lengths = keywords.pop("stat_length", None)
        borders = _statistics(a, axis, _STATISTICS[mode], lengths if lengths is None else _pairs(lengths, a.ndim)[axis])
    elif keywords.get("reflect_type") == "odd" and a.shape[axis] > 1:
        return _reflect_odd(a, axis, width, symmetric=mode == "symmetric")
    else:
        # NumPy tells which element each place is a copy of.
        return np.take(a, np.pad(np.arange(a.shape[axis]), width, mode, **keywords), axis)
    if keywords:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {set(keywords)}")
    shapes = [(*a.shape[:axis], n, *a.shape[axis + 1 :]) for n in width]
    before, after = (
        np.broadcast_to(as_array(border).astype(a.dtype, copy=False), shape)
        for border, shape in zip(borders, shapes, strict=True)
    )
    return np.concatenate([before, a, after], axis)


def _ramps(a: Any, axis: int, width: Any, ends: Any) -> Any:
    """Ramps from the end values to the edges of an axis."""
    first, last = np.take(a, 0, axis), np.take(a, -1, axis)
    before, after = (
        np.linspace(end, edge, n, endpoint=False, dtype=a.dtype, axis=axis)
        for end, edge, n in zip(ends, (first, last), width, strict=True)
    )
    return before, np.flip(after, axis)


def _statistics(a: Any, axis: int, statistic: Any, lengths: Any) -> Any:
    """A statistic of so many elements at either end of an axis (of all, if None)."""
    before, after = (None, None) if lengths is None else lengths
    n = a.shape[axis]
    parts = (slice(0, before), slice(0 if after is None else max(0, n - after), n))
    return [statistic(a[(slice(None),) * axis + (part,)], axis=axis, keepdims=True) for part in parts]


def _reflect_odd(a: Any, axis: int, width: Any, symmetric: bool) -> Any:
    """Continue an axis by point reflections at its ends: ``f(-i) = 2 f(0) - f(i)``, and so on periodically."""
    n = a.shape[axis]
    period = 2 * n if symmetric else 2 * n - 2
    turns, place = np.divmod(np.arange(-width[0], n + width[1]), period)
    mirrored = place >= n
    source = np.where(mirrored, period - symmetric - place, place)
    # One period further, the function is higher by twice the distance of its ends.
    factors = (1 - 2 * mirrored, -2 * turns, 2 * (turns + mirrored))
    along = (-1,) + (1,) * (a.ndim - 1 - axis)
    sign, firsts, lasts = (np.reshape(factor.astype(a.dtype), along) for factor in factors)
    return sign * np.take(a, source, axis) + firsts * np.take(a, [0], axis) + lasts * np.take(a, [-1], axis)
