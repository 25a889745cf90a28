"""Sums of exponentials, without overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

__all__ = ["log_softmax", "logsumexp", "softmax"]

_LARGEST_POWER = 700.0


def softmax(x: Any, axis: Any = None) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis: positive numbers that sum to 1.

    Parameters
    ----------
    x : array
        Real, of any shape.
    axis : int or tuple of ints, optional
        What the numbers sum to 1 along; by default all axes.

    Examples
    --------
    >>> softmax(np.array([1e4, 1e4, -1e4]))
    array([0.5, 0.5, 0. ])
    """
    # The result does not depend on what is subtracted, so neither do its derivatives.
    exponentials = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return exponentials / np.sum(exponentials, axis=axis, keepdims=True)


def log_softmax(x: Any, axis: Any = None) -> Any:
    """``x - log(sum(exp(x)))`` along an axis: the logarithm of `softmax`, finite where that is 0.

    Parameters
    ----------
    x : array
        Real, of any shape.
    axis : int or tuple of ints, optional
        What the exponentials are summed over; by default all axes.

    Examples
    --------
    >>> log_softmax(np.array([1e4, -1e4]))
    array([     0., -20000.])
    """
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def _in_rows(a: Any, axes: tuple[int, ...]) -> Any:
    """`a` with some axes moved to the end and made one."""
    a = np.moveaxis(a, axes, range(-len(axes), 0))
    kept = a.shape[: a.ndim - len(axes)]
    return np.reshape(a, (*kept, math.prod(a.shape[len(kept) :])))


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """``log(sum(b * exp(a)))``, which does not overflow and keeps its digits near 0.

    With i the place of the largest element, that is ``a[i] + log(b[i] + sum(b[j] * exp(a[j] - a[i]) for j != i))``.
    Its gradient is the softmax (times b). Equal infinities share it equally, minus infinity everywhere included.

    Parameters
    ----------
    a : array
        Real or complex, of any shape.
    axis : int or tuple of ints, optional
        What is summed over; by default all axes.
    b : array, optional
        Weights, which may be negative or 0; broadcast against `a`.
    keepdims : bool, default False
        Whether the axes that are summed over stay, with length 1.
    return_sign : bool, default False
        Whether to return the sign of the sum, too, and the logarithm of its absolute value. Without it, a negative sum
        gives NaN, as in SciPy.

    Returns
    -------
    array, or (array, array) with `return_sign`

    References
    ----------
    P. Blanchard, D. J. Higham and N. J. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA
    Journal of Numerical Analysis 41 (2021) 2311-2330, eq. (3.8).

    Examples
    --------
    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    >>> logsumexp(np.array([[0.0, -50.0], [-np.inf, -np.inf]]), axis=1)
    array([1.92874985e-22, -inf])
    >>> logsumexp(np.array([[0.0, 1.0]]), axis=1, b=np.array([1.0, -1.0]), return_sign=True)
    (array([0.54132485]), array([-1.]))
    """
    a = _floats(a)
    weights = None if b is None else _floats(b)
    if weights is not None and weights.shape != a.shape:
        a, weights = np.broadcast_arrays(a, weights)
    axes = normalize_axis_tuple(range(a.ndim) if axis is None else axis, a.ndim)
    rows = _in_rows(a, axes)
    if weights is None and rows.dtype.kind != "c":
        total = _log_of_sum(rows)
        total = (np.expand_dims(total, sorted(axes)) if keepdims else total)[()]
        if not return_sign:
            return total
        return total, np.select([np.isnan(total), np.isneginf(total)], [np.nan, 0.0], 1.0)[()]
    largest, rest = _factored(rows, np.ones_like(rows) if weights is None else _in_rows(weights, axes))
    if keepdims:
        largest, rest = (np.expand_dims(part, sorted(axes)) for part in (largest, rest))
    with np.errstate(divide="ignore"):  # the logarithm of a sum that is 0 is -inf
        if rest.dtype.kind == "c" and not return_sign:
            return (largest + np.log(rest))[()]
        total = largest + np.log(np.abs(rest))
    if return_sign:
        return total[()], np.sign(rest)[()]
    return np.where(rest < 0, np.nan, total)[()]


def _log_of_sum(rows: Any) -> Any:
    """The logarithm of the sum of the exponentials along the last axis."""
    if rows.shape[-1] == 0:
        return np.full(rows.shape[:-1], -np.inf, dtype=rows.dtype)
    # The place is a constant: what follows is true for any.
    place = np.argmax(rows, axis=-1)[..., None]
    largest = np.take_along_axis(rows, place, axis=-1)
    finite = np.isfinite(largest)
    others = finite & (np.arange(rows.shape[-1]) != place)
    gaps = np.where(others, rows - np.where(finite, largest, 0), -np.inf)
    total = largest[..., 0] + np.log1p(np.sum(np.exp(gaps), axis=-1))
    return np.where(finite[..., 0], total, np.max(rows, axis=-1))


def _factored(rows: Any, weights: Any) -> tuple[Any, Any]:
    """The weighted sum of the exponentials as ``exp(largest) * rest``, with a real `largest`."""
    if rows.shape[-1] == 0:
        return np.full(rows.shape[:-1], -np.inf), np.zeros(rows.shape[:-1], dtype=rows.dtype)
    sizes = np.where(weights == 0, -np.inf, np.real(rows))
    place = np.argmax(sizes, axis=-1)[..., None]
    largest = np.take_along_axis(np.real(rows), place, axis=-1)
    infinite = np.isinf(largest)
    # Of infinite terms, the equal ones count.
    gaps = np.where(infinite, np.where(sizes == largest, 0, -np.inf), rows - np.where(infinite, 0, largest))
    # A weight of 0 makes any term 0; its derivative says what the term would be otherwise.
    gaps = np.where((weights == 0) & (np.real(gaps) > _LARGEST_POWER), _LARGEST_POWER, gaps)
    rest = np.sum(weights * np.exp(gaps), axis=-1)
    nothing = (infinite & (largest < 0))[..., 0]
    return np.where(infinite[..., 0], np.max(sizes, axis=-1), largest[..., 0]), np.where(nothing, 0, rest)


def _floats(x: Any) -> Any:
    """An array of floats."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)
