"""Differences, slopes and integrals of sampled functions."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from twopass.core.operators import as_array
from twopass.core.rule import is_traced
from twopass.rules.kinds import POSITIVE, call, composite, operand

_ABSENT = np._NoValue


def _between(a: Any, start: Any, stop: Any, axis: int) -> Any:
    """``a[start:stop]`` along an axis."""
    return a[(slice(None),) * normalize_axis_index(axis, a.ndim) + (slice(start, stop),)]


# --- differences ----------------------------------------------------------------------------------------------------


@composite(
    np.diff,
    examples=[
        call(operand(5)),
        call(operand(3, 4), 2, axis=0),
        call(operand(3, 4), n=0),
        call(operand(2, 3), prepend=operand(2, 2), append=operand()),
        call(operand(3, 4), 1, 0, 0.5, operand(2, 4)),
        call(np.ones((2, 3)), append=operand(2, 1)),
    ],
)
def _diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = _ABSENT, append: Any = _ABSENT) -> Any:
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"the order of a difference must not be negative, but n={n}")
    a = as_array(a)
    if a.ndim == 0:
        raise ValueError("a difference needs at least one axis")
    given = [as_array(part) for part in (prepend, a, append) if part is not _ABSENT]
    axis = normalize_axis_index(axis, a.ndim)
    edge = tuple(1 if i == axis else length for i, length in enumerate(a.shape))
    parts = [np.broadcast_to(part, edge) if part.ndim == 0 else part for part in given]
    joined = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(n):
        joined = _between(joined, 1, None, axis) - _between(joined, None, -1, axis)
    return joined


@composite(
    np.ediff1d,
    examples=[
        call(operand(5)),
        call(operand(2, 3)),
        call(operand(4), to_end=operand(2), to_begin=operand()),
        call(operand(4), operand(2, 1), [1.0, 2.0]),
        call(operand()),
    ],
)
def _ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    flat = np.ravel(as_array(ary))
    parts = [as_array(part) for part in (to_begin, flat[1:] - flat[:-1], to_end) if part is not None]
    return np.concatenate([np.ravel(part).astype(flat.dtype) for part in parts])


# --- slopes ---------------------------------------------------------------------------------------------------------


def _steps(coordinates: Any, count: int) -> Any:
    """The distances between neighbours on one axis: a scalar, or an array if they differ."""
    if np.ndim(coordinates) == 0:
        return coordinates  # as given: a Python float does not promote float32
    coordinates = as_array(coordinates)
    if coordinates.shape != (count,):
        raise ValueError(f"{count} samples need one distance or {count} coordinates, not shape {coordinates.shape}")
    steps = np.diff(coordinates if coordinates.dtype.kind in "fc" else coordinates.astype(np.float64))
    # NumPy has a simpler formula for even coordinates. A derivative in the coordinates sees them move apart.
    even = not is_traced(steps) and (steps == steps[0]).all()
    return steps[0] if even else steps


def _parabola(left: Any, right: Any, place: int) -> tuple[Any, Any, Any]:
    """Weights of three samples in the slope of the parabola through them, at the first, middle or last of them.

    `left` and `right` are the distances from the middle sample to its neighbours.
    """
    both = left + right
    if place == 0:
        return -(2.0 * left + right) / (left * both), both / (left * right), -left / (right * both)
    if place == 1:
        return -right / (left * both), (right - left) / (left * right), left / (right * both)
    return right / (left * both), -both / (left * right), (2.0 * right + left) / (right * both)


def _weighted(samples: tuple[Any, Any, Any], weights: tuple[Any, Any, Any]) -> Any:
    return weights[0] * samples[0] + weights[1] * samples[1] + weights[2] * samples[2]


def _even_slopes(f: Any, axis: int, h: Any, edge_order: int) -> list[Any]:
    """Slopes at the first, the inner and the last samples, which are a distance `h` apart."""
    n, part = f.shape[axis], functools.partial(_between, f, axis=axis)
    inner = (part(2, None) - part(None, -2)) / (2.0 * h)
    if edge_order == 1:
        return [(part(1, 2) - part(0, 1)) / h, inner, (part(n - 1, n) - part(n - 2, n - 1)) / h]
    first = _weighted((part(0, 1), part(1, 2), part(2, 3)), (-1.5 / h, 2.0 / h, -0.5 / h))
    last = _weighted((part(n - 3, n - 2), part(n - 2, n - 1), part(n - 1, n)), (0.5 / h, -2.0 / h, 1.5 / h))
    return [first, inner, last]


def _uneven_slopes(f: Any, axis: int, steps: Any, edge_order: int) -> list[Any]:
    """Slopes at the first, the inner and the last samples, with an array of distances between them."""
    n, part = f.shape[axis], functools.partial(_between, f, axis=axis)
    h = np.reshape(steps, (n - 1,) + (1,) * (f.ndim - 1 - axis))
    inner = _weighted((part(None, -2), part(1, -1), part(2, None)), _parabola(h[:-1], h[1:], 1))
    if edge_order == 1:
        return [(part(1, 2) - part(0, 1)) / h[:1], inner, (part(n - 1, n) - part(n - 2, n - 1)) / h[-1:]]
    first = _weighted((part(0, 1), part(1, 2), part(2, 3)), _parabola(h[:1], h[1:2], 0))
    last = _weighted((part(n - 3, n - 2), part(n - 2, n - 1), part(n - 1, n)), _parabola(h[-2:-1], h[-1:], 2))
    return [first, inner, last]


@composite(
    np.gradient,
    examples=[
        call(operand(5)),
        call(operand(4), 0.5, edge_order=2),
        call(operand(3, 4), axis=-1),
        call(operand(2, 3, 4), 0.5, axis=(0, 2)),
        call(operand(3, 4), operand(domain=POSITIVE), np.array([0.0, 1.0, 3.0, 4.5])),
        call(operand(3, 4), np.array([0.0, 0.5, 2.0]), axis=0, edge_order=2),
        call(operand(3, 4), np.array([0, 1, 2, 3]), axis=1, edge_order=2),
        call(operand(4), operand(4, domain=POSITIVE)),
        call(operand(2)),
    ],
)
def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = as_array(f)
    if f.dtype.kind not in "fc":
        f = f.astype(np.float64)
    axes = range(f.ndim) if axis is None else normalize_axis_tuple(axis, f.ndim)
    if len(varargs) == 1 and np.ndim(varargs[0]) == 0:
        varargs *= len(axes)
    if edge_order not in (1, 2):
        raise ValueError(f"edge_order must be 1 or 2, not {edge_order}")
    if varargs and len(varargs) != len(axes):
        raise TypeError(f"{len(axes)} axes need that many distances, or one for all, not {len(varargs)}")
    slopes = []
    for i, spacing in zip(axes, varargs or [1.0] * len(axes), strict=True):
        if f.shape[i] <= edge_order:
            raise ValueError(f"a slope with edge_order={edge_order} needs {edge_order + 1} samples, not {f.shape[i]}")
        steps = _steps(spacing, f.shape[i])
        along = _uneven_slopes if np.ndim(steps) else _even_slopes
        slopes.append(np.concatenate(along(f, i, steps, edge_order), axis=i).astype(f.dtype))
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


# --- integrals ------------------------------------------------------------------------------------------------------


@composite(
    np.trapezoid,
    examples=[
        call(operand(5)),
        call(operand(3, 4), dx=0.5, axis=0),
        call(operand(3, 4), operand(4)),
        call(operand(3, 4), x=operand(3), axis=-2),
        call(operand(3, 4), operand(3, 4), axis=1),
        call(y=[1.0, 2.0, 4.0], x=operand(3)),
        call(operand(2, 3), dx=operand(), axis=-1),
    ],
)
def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    y = as_array(y)
    widths = dx if x is None else np.diff(as_array(x), axis=axis if np.ndim(x) > 1 else -1)
    if x is not None and widths.ndim == 1:
        widths = np.reshape(widths, (-1,) + (1,) * (y.ndim - 1 - normalize_axis_index(axis, y.ndim)))
    return np.sum(widths * (_between(y, 1, None, axis) + _between(y, None, -1, axis)) / 2.0, axis=axis)
