"""Discrete Fourier transforms, by four rules: `fft`, `ifft`, `rfft` and `irfft` of one axis.

The matrix of `fft` is symmetric, and so is that of `ifft`: each is its own transpose, at any ``norm=``. The real
transforms keep the first half of the bins, of which all but the first (and, for an even length, the last) stand for
two, because X[n - k] = conj(X[k]) for real x. `rfft` is transposed by `irfft` and the other way round, with those bins
weighted. Of the bins that stand for themselves, `irfft` does not read the imaginary part: their cotangents are real.

The transforms of several axes are those of one axis after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from twopass.rules.kinds import call, composite, linear, operand
from twopass.rules.matmul import conjugated

#: The norm= that gives an inverse transform the factor which a forward transform has with this one.
_SWAPPED: dict[Any, Any] = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def _fitted(a: Any, n: int, axis: int) -> Any:
    """`a` with length `n` along an axis, cropped or filled up with zeros, as the transforms treat their operand."""
    axis = normalize_axis_index(axis, a.ndim)
    if a.shape[axis] >= n:
        return a[(slice(None),) * axis + (slice(n),)]
    return np.pad(a, [(0, n - a.shape[axis]) if i == axis else (0, 0) for i in range(a.ndim)])


def _multiplicity(n: int, ndim: int, axis: int, dtype: Any) -> Any:
    """How many of the n bins of a real signal each of its first half stands for."""
    counts = np.full(n // 2 + 1, 2, dtype=np.finfo(dtype).dtype)
    counts[0] = 1
    if n % 2 == 0:
        counts[-1] = 1
    return counts[(slice(None),) + (None,) * (ndim - 1 - normalize_axis_index(axis, ndim))]


_LENGTHS = [
    call(operand(5)),
    call(operand(4)),
    call(operand(1)),
    call(operand(3, 4), axis=0),
    call(operand(2, 3, 2), None, 1, "ortho"),
    call(operand(2, 5), 3),
    call(operand(2, 5), n=8, norm="forward"),
    call(operand(6, 2), n=7, axis=-2, norm="backward"),
]


for _transform in (np.fft.fft, np.fft.ifft):

    @linear(_transform, holomorphic=False, examples=_LENGTHS)  # complex step needs a real result
    def _transpose(ct: Any, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, _own: Any = _transform) -> Any:
        return _fitted(_own(ct, axis=axis, norm=norm), a.shape[axis], axis)


@linear(np.fft.rfft, holomorphic=False, examples=_LENGTHS)
def _rfft_transpose(ct: Any, a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    n = a.shape[axis] if n is None else n
    halves = np.conjugate(ct) / _multiplicity(n, a.ndim, axis, ct.dtype)
    return _fitted(np.fft.irfft(halves, n, axis, _SWAPPED[norm]), a.shape[axis], axis)


@linear(np.fft.irfft, holomorphic=False, examples=[*_LENGTHS[:2], *_LENGTHS[3:], call(operand(1), 1)])
def _irfft_transpose(ct: Any, a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    n = ct.shape[axis]
    bins = np.conjugate(np.fft.rfft(ct, n, axis, _SWAPPED[norm])) * _multiplicity(n, ct.ndim, axis, ct.dtype)
    return _fitted(bins, a.shape[axis], axis)


# --- Hermitian signals ----------------------------------------------------------------------------------------------


@composite(np.fft.hfft, examples=[*_LENGTHS[:2], *_LENGTHS[3:]])
def _hfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.fft.irfft(conjugated(a), n, axis, _SWAPPED.get(norm, norm))


@composite(np.fft.ihfft, examples=_LENGTHS)
def _ihfft(a: Any, n: Any = None, axis: Any = -1, norm: Any = None) -> Any:
    return np.conjugate(np.fft.rfft(a, n, axis, _SWAPPED.get(norm, norm)))


# --- several axes ---------------------------------------------------------------------------------------------------


def _axes(a: Any, s: Any, axes: Any) -> list[tuple[int | None, int]]:
    """The transforms to make, first to last, as (length or None, axis)."""
    if s is None:
        axes = range(a.ndim) if axes is None else axes
        return [(None, axis) for axis in axes]
    axes = range(-len(s), 0) if axes is None else axes
    if len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return [(a.shape[axis] if n == -1 else n, axis) for n, axis in zip(s, axes, strict=True)]


_PLANE = (-2, -1)
_SHAPES = [
    call(operand(3, 4)),
    call(operand(2, 3, 4), (5, 2), (0, -1)),
    call(operand(2, 3, 4), s=(2, -1), axes=(2, 1), norm="ortho"),
    call(operand(3, 4), axes=(0,), norm="forward"),
]


def _one_by_one(function: Any, one: Any, default: Any) -> None:
    """Register a transform of several axes, the last one first."""

    @composite(function, examples=_SHAPES)
    def _(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        for n, axis in reversed(_axes(a, s, axes)):
            a = one(a, n, axis, norm)
        return a


for _several, _one, _default in (
    (np.fft.fftn, np.fft.fft, None),
    (np.fft.ifftn, np.fft.ifft, None),
    (np.fft.fft2, np.fft.fft, _PLANE),
    (np.fft.ifft2, np.fft.ifft, _PLANE),
):
    _one_by_one(_several, _one, _default)


def _real_by_one(function: Any, default: Any) -> None:
    """Register a real transform: the last axis is that of the real one."""

    @composite(function, examples=_SHAPES)
    def _(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        *others, (n, axis) = _axes(a, s, axes)
        a = np.fft.rfft(a, n, axis, norm)
        for n, axis in reversed(others):
            a = np.fft.fft(a, n, axis, norm)
        return a


def _real_inverse(function: Any, default: Any) -> None:
    """Register the inverse of a real transform: the last axis is that of the real one."""

    @composite(function, examples=_SHAPES)
    def _(a: Any, s: Any = None, axes: Any = default, norm: Any = None) -> Any:
        *others, (n, axis) = _axes(a, s, axes)
        for length, other in others:
            a = np.fft.ifft(a, length, other, norm)
        return np.fft.irfft(a, n, axis, norm)


_real_by_one(np.fft.rfftn, None)
_real_by_one(np.fft.rfft2, _PLANE)
_real_inverse(np.fft.irfftn, None)
_real_inverse(np.fft.irfft2, _PLANE)

# --- shifts ---------------------------------------------------------------------------------------------------------

_SHIFTS = [call(operand(5)), call(operand(3, 4)), call(operand(3, 4), 1), call(operand(2, 3, 5), axes=(0, -1))]


def _shift(function: Any, direction: int) -> None:
    @composite(function, examples=_SHIFTS)
    def _(x: Any, axes: Any = None) -> Any:
        axes = range(x.ndim) if axes is None else (axes,) if np.ndim(axes) == 0 else axes
        halves = [x.shape[axis] // 2 if direction > 0 else -(x.shape[axis] // 2) for axis in axes]
        return np.roll(x, halves, tuple(axes))


_shift(np.fft.fftshift, 1)
_shift(np.fft.ifftshift, -1)
