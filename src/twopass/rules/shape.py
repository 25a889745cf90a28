"""Changing the shape, the order of axes, or the dtype of an array; repeating and shifting its elements.

Almost all of these move elements, so their transposes move them back and sum those that were repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import Scatter, as_array, as_integers, astype
from twopass.errors import UnsupportedOperatorError, compose
from twopass.rules.kinds import call, composite, constant, elementwise, linear, operand

# --- reshaping ------------------------------------------------------------------------------------------------------


def _order_of(a: Any, order: Any) -> Any:
    """Whether the last index or the first one runs fastest: "C" or "F"."""
    order = "C" if order is None else order.upper()
    if order in "CF" or a.ndim < 2:
        return "F" if order == "F" else "C"
    what = f"order={order!r} is not supported on traced arrays"
    why = "The elements would be taken in the order in which they happen to lie in memory."
    raise UnsupportedOperatorError(compose(what, why=why, instead='Write order="C" or order="F".'))


def _reshape(a: Any, shape: Any, order: Any = "C", **keywords: Any) -> Any:
    return np.reshape(a, shape, order=_order_of(a, order), **keywords)


@linear(
    np.reshape,
    call=_reshape,
    views=True,
    structural=True,
    examples=[
        call(operand(3, 4), (2, 6)),
        call(operand(3, 4), -1),
        call(operand(3, 4), (2, -1, 3), order="F"),
        call(operand(4), (2, 2), "A"),
        call(operand(), (1, 1)),
        call(operand(1, 1), ()),
    ],
)
def _reshape_transpose(ct: Any, a: Any, shape: Any, order: Any = "C", *, copy: Any = None) -> Any:
    return np.reshape(ct, a.shape, order=_order_of(a, order))


def _ravel(a: Any, order: Any = "C") -> Any:
    return np.ravel(a, order=_order_of(a, order))


@linear(
    np.ravel,
    call=_ravel,
    views=True,
    structural=True,
    examples=[call(operand(3, 4)), call(operand(2, 3, 2), order="F"), call(operand(4), "K"), call(operand())],
)
def _ravel_transpose(ct: Any, a: Any, order: Any = "C") -> Any:
    return np.reshape(ct, a.shape, order=_order_of(a, order))


@linear(
    np.squeeze,
    views=True,
    structural=True,
    examples=[call(operand(1, 3, 1)), call(operand(1, 3, 1), axis=-1), call(operand(1, 3, 1), (0, 2)), call(operand())],
)
def _squeeze_transpose(ct: Any, a: Any, axis: Any = None) -> Any:
    return np.reshape(ct, a.shape)


@linear(
    np.expand_dims,
    views=True,
    structural=True,
    examples=[call(operand(3, 4), 1), call(operand(3), (0, -1)), call(operand(), axis=0)],
)
def _expand_dims_transpose(ct: Any, a: Any, axis: Any) -> Any:
    return np.reshape(ct, a.shape)


def _with_shape(a: Any, shape: tuple[int, ...]) -> Any:
    return a if a.shape == shape else np.reshape(a, shape)


def _at_least(function: Any) -> None:
    examples = [call(operand()), call(operand(3)), call(operand(2, 3)), call(operand(2, 3, 4)), call(operand(3), 1.5)]

    @composite(function, examples=examples)
    def at_least(*arys: Any) -> Any:
        grown = tuple(_with_shape(a, function(np.broadcast_to(0, a.shape)).shape) for a in map(as_array, arys))
        return grown[0] if len(grown) == 1 else grown


for _function in (np.atleast_1d, np.atleast_2d, np.atleast_3d):
    _at_least(_function)


@composite(np.trim_zeros, examples=[call(operand(4)), call(operand(3), trim="f")])
def _trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    trim = trim.lower()
    if trim not in ("fb", "bf", "f", "b"):
        raise ValueError(f"unexpected character(s) in `trim`: {trim!r}")
    places = np.argwhere(filt)
    box = [slice(None)] * filt.ndim
    for i in range(filt.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, filt.ndim):
        first, last = (places[:, i].min(), places[:, i].max()) if len(places) else (0, -1)
        whole = len(places) > 0
        box[i] = slice(None if whole and "f" not in trim else first, None if whole and "b" not in trim else last + 1)
    return filt[tuple(box)]


# --- order of axes --------------------------------------------------------------------------------------------------


@linear(
    np.transpose,
    views=True,
    structural=True,
    examples=[call(operand(3, 4)), call(operand(2, 3, 4), (1, 2, 0)), call(operand(2, 3, 4), axes=(-1, 0, 1))],
)
def _transpose_transpose(ct: Any, a: Any, axes: Any = None) -> Any:
    return np.transpose(ct) if axes is None else np.transpose(ct, np.argsort([i % a.ndim for i in axes]))


def _permutation(function: Any, *examples: Any) -> None:
    """Register a function that permutes the axes."""

    @composite(function, examples=examples)
    def permuted(a: Any, *args: Any, **kwargs: Any) -> Any:
        # An empty array with the axes' numbers as lengths lets NumPy tell the order.
        order = function(np.empty(range(a.ndim)), *args, **kwargs).shape
        return np.transpose(a, order)


_permutation(np.swapaxes, call(operand(2, 3, 4), 0, -1), call(operand(2, 3), axis1=1, axis2=0))
_permutation(np.moveaxis, call(operand(2, 3, 4), 0, -1), call(operand(2, 3, 4), (0, 1), destination=(-1, 0)))
_permutation(np.rollaxis, call(operand(2, 3, 4), 2), call(operand(2, 3, 4), 0, start=2))
_permutation(np.matrix_transpose, call(operand(3, 4)), call(operand(2, 3, 4)))


def _flipped(m: Any, axis: Any) -> tuple[slice, ...]:
    axes = range(m.ndim) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, m.ndim)
    return tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(m.ndim))


@composite(np.flip, examples=[call(operand(3, 4)), call(operand(3, 4), -1), call(operand(2, 3, 4), axis=(0, 2))])
def _flip(m: Any, axis: Any = None) -> Any:
    return m[_flipped(m, axis)]


@composite(np.flipud, examples=[call(operand(3)), call(operand(3, 4))])
def _flipud(m: Any) -> Any:
    return m[::-1, ...]


@composite(np.fliplr, examples=[call(operand(3, 4)), call(operand(2, 3, 4))])
def _fliplr(m: Any) -> Any:
    if m.ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return m[:, ::-1]


@composite(
    np.rot90,
    examples=[*(call(operand(2, 3), k) for k in range(4)), call(operand(2, 3, 4), k=-1, axes=(1, 2))],
)
def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    first, second = np.lib.array_utils.normalize_axis_tuple(axes, m.ndim, "axes")
    if k % 4 == 0:
        return m[:]
    if k % 4 == 2:
        return np.flip(m, (first, second))
    return np.flip(np.swapaxes(m, first, second), first if k % 4 == 1 else second)


# --- repeating and shifting -----------------------------------------------------------------------------------------


@linear(
    np.broadcast_to,
    views=True,
    structural=True,
    examples=[
        call(operand(4), (3, 4)),
        call(operand(3, 1), (2, 3, 4)),
        call(operand(), 5),
        call(operand(1), shape=(3,)),
        call(operand(3, 1), (3, 0)),
    ],
)
def _broadcast_to_transpose(ct: Any, array: Any, shape: Any, subok: bool = False) -> Any:
    return ct  # the sweep sums over the stretched axes


@composite(
    np.broadcast_arrays,
    examples=[call(operand(3, 1), operand(4)), call(operand(2, 1), operand(), 1.5), call(operand(3))],
)
def _broadcast_arrays(*args: Any, subok: bool = False) -> Any:
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*(a.shape for a in arrays))
    # As NumPy has it: arrays that have the shape already are themselves in the result.
    return tuple(a if a.shape == shape else np.broadcast_to(a, shape) for a in arrays)


@linear(
    np.roll,
    structural=True,
    examples=[
        call(operand(5), 2),
        call(operand(3, 4), -1),
        call(operand(3, 4), 1, axis=1),
        call(operand(3, 4), (1, -2), (0, -1)),
        call(operand(3, 4), 1, (0, 1)),
    ],
)
def _roll_transpose(ct: Any, a: Any, shift: Any, axis: Any = None) -> Any:
    return np.roll(ct, np.negative(shift), axis)


@linear(
    np.repeat,
    structural=True,
    examples=[
        call(operand(3), 2),
        call(operand(3, 2), 3, axis=-1),
        call(operand(3, 2), [2, 0, 1], 0),
        call(operand(2, 2), np.array([1, 2, 0, 3])),
        call(operand(), 3),
        call(operand(), 2, axis=-1),
        call(operand(2, 3), [2], axis=1),
    ],
)
def _repeat_transpose(ct: Any, a: Any, repeats: Any, axis: Any = None) -> Any:
    shape = a.shape if axis is not None and a.ndim else (a.size,)
    axis = 0 if axis is None else axis % len(shape)
    if np.size(repeats) == 1:
        copies = np.reshape(ct, (*shape[: axis + 1], int(np.reshape(repeats, ())), *shape[axis + 1 :]))
        return np.reshape(np.sum(copies, axis=axis + 1), a.shape)
    source = np.repeat(np.arange(shape[axis]), repeats)
    if shape != a.shape:
        return Scatter(a.shape, np.unravel_index(source, a.shape), ct, False)
    return Scatter(a.shape, (slice(None),) * axis + (source,), ct, False)


@linear(
    np.tile,
    structural=True,
    examples=[
        call(operand(3), 2),
        call(operand(2, 3), (2, 2)),
        call(operand(3), (2, 1, 2)),
        call(operand(2, 3), 2),
        call(operand(), (2, 2)),
        call(operand(2), 0),
        call(operand(2, 3), ()),
    ],
)
def _tile_transpose(ct: Any, A: Any, reps: Any) -> Any:  # noqa: N803 - NumPy's name
    reps = (1,) * (ct.ndim - np.size(reps)) + tuple(np.atleast_1d(reps))
    shape = (1,) * (ct.ndim - A.ndim) + A.shape
    copies = np.reshape(ct, [n for pair in zip(reps, shape, strict=True) for n in pair])
    return np.reshape(np.sum(copies, axis=tuple(range(0, copies.ndim, 2))), A.shape)


@composite(np.resize, examples=[call(operand(3), 5), call(operand(2, 3), (2, 2)), call(operand(), (2, 2))])
def _resize(a: Any, new_shape: Any) -> Any:
    if a.size == 0:
        return np.zeros_like(a, shape=new_shape)
    return np.ravel(a)[np.resize(np.arange(a.size), new_shape)]


@linear(
    np.lib.stride_tricks.sliding_window_view,
    views=True,
    structural=True,
    examples=[call(operand(5), 3), call(operand(4, 5), (2, 3)), call(operand(4, 5), 2, axis=-1)],
)
def _sliding_window_view_transpose(
    ct: Any, x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis) % x.ndim
    total = np.zeros_like(ct, shape=x.shape)
    # For each place in the window, one shifted block of the array.
    for place in np.ndindex(*np.atleast_1d(window_shape)):
        starts = [0] * x.ndim
        for i, offset in zip(axes, place, strict=True):
            starts[i] += offset
        block = tuple(slice(start, start + n) for start, n in zip(starts, ct.shape[: x.ndim], strict=True))
        total[block] += ct[(..., *place)]
    return total


# --- copies and dtypes ----------------------------------------------------------------------------------------------


elementwise(np.copy, 1, signature=np.copy, examples=[call(operand()), call(a=operand(3), order="F")])
# The sweeps take the real part of the derivative where a complex array was made real.
elementwise(astype, 1, None, examples=[call(operand(3), np.complex128), call(operand(), np.dtype(complex))])
constant(as_integers)

if hasattr(np, "astype"):

    @composite(np.astype, examples=[call(operand(3, 4), np.complex128), call(operand(3), complex, copy=False)])
    def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        return x.astype(dtype, copy=copy)


# --- questions about an array ---------------------------------------------------------------------------------------

constant(np.shape, np.ndim, np.size)
constant(np.array2string, np.array_repr, np.array_str)
constant(np.result_type, np.can_cast, np.common_type, np.min_scalar_type, np.may_share_memory, np.shares_memory)
