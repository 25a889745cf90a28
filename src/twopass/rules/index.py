"""Indexing: reading and writing elements of an array.

Functions that write into their first argument (`np.put`, ``np.add.at``, ...) do so by assignment, which traced arrays
support; a plain array cannot take traced values, and says so.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from twopass.core.operators import Scatter, as_array, assign_part, holds_traced, scatter
from twopass.core.rule import invoke, is_traced
from twopass.errors import BUFFER, DetachedError, compose
from twopass.rules.kinds import call, composite, linear, operand, ufunc_method
from twopass.rules.operands import take_at

# --- getitem and its transpose --------------------------------------------------------------------------------------


def _is_basic(part: Any) -> bool:
    """Whether a part of an index selects each place at most once, by itself."""
    if isinstance(part, (bool, np.bool_)):
        return False
    return part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice))


def _is_distinct(index: Any) -> bool:
    """Whether an index is known to select each element at most once: it is basic but for one boolean mask."""
    parts = index if isinstance(index, tuple) else (index,)
    others = [part for part in parts if not _is_basic(part)]
    return not others or (len(others) == 1 and getattr(others[0], "dtype", None) == np.bool_)


_POSITIONS = np.array([2, 0, 2])
_INDEXED = [
    call(operand(3, 4), 1),
    call(operand(3, 4), (slice(None, None, 2), None, -1)),
    call(operand(2, 3, 4), (..., slice(3, None, -2))),
    call(operand(3, 4), _POSITIONS),
    call(operand(3, 4), [0, 0]),
    call(operand(3, 4), (_POSITIONS, slice(1, 3))),
    call(operand(3, 4), (_POSITIONS[:, None], np.array([[3, 3]]))),
    call(operand(2, 3, 4), (1, slice(None), _POSITIONS)),
    call(operand(3), np.array([True, False, True])),
    call(operand(3, 4), (np.array([True, False, True]), slice(0, 2))),
    call(operand(2, 2), np.array([[True, False], [True, True]])),
    call(operand(3), 1),
    call(operand(), ()),
    call(operand(), None),
]


@linear(operator.getitem, call=take_at, views=True, structural=True, examples=_INDEXED)
def _getitem_transpose(ct: Any, a: Any, index: Any) -> Any:
    return Scatter(a.shape, index, ct, _is_distinct(index))


@linear(
    scatter,
    structural=True,
    examples=[
        call(operand(3), shape=(4,), index=_POSITIONS),
        call(operand(3, 2), shape=(3, 4), index=(_POSITIONS, slice(1, 3))),
        call(operand(2), shape=(3, 4), index=(1, slice(0, 2)), distinct=True),
    ],
)
def _scatter_transpose(ct: Any, values: Any, *, shape: Any, index: Any, distinct: bool = False) -> Any:
    return take_at(ct, index)


# --- setitem --------------------------------------------------------------------------------------------------------


def _assign(a: Any, value: Any, *, index: Any) -> Any:
    """A copy of `a` with ``a[index] = value``."""
    if is_traced(a) or is_traced(value) or holds_traced(index):
        return invoke(operator.setitem, a, value, index=index)
    changed = np.copy(a)
    changed[index] = value
    return changed


def _last_writer(shape: tuple[int, ...], index: Any) -> Any:
    """Which of the assigned values remain: of several written to one place, the last."""
    places = take_at(np.arange(int(np.prod(shape))).reshape(shape), index)
    order = np.arange(places.size).reshape(places.shape)
    written = _assign(np.zeros(shape, dtype=np.int64), order, index=index)
    return take_at(written, index) == order


def _assign_selects(slot: int, a: Any, value: Any, *, index: Any) -> Any:
    if slot == 1:
        return None if _is_distinct(index) else _last_writer(a.shape, index)
    return _assign(np.ones(a.shape, dtype=bool), np.False_, index=index)


@linear(
    operator.setitem,
    call=_assign,
    joint=True,
    structural=True,
    selects=_assign_selects,
    examples=[
        call(operand(3, 4), operand(4), index=1),
        call(operand(3, 4), operand(1, 1), index=1),
        call(operand(3, 4), operand(), index=(slice(None), slice(0, 2))),
        call(operand(3, 4), operand(3, 1), index=(_POSITIONS,)),
        call(operand(3, 4), np.ones(4), index=(..., 0, slice(None))),
        call(operand(3, 4), operand(2, 4), index=np.array([True, False, True])),
        call(operand(), operand(), index=()),
    ],
)
def _assign_transpose(slot: int, ct: Any, given: Any, *, index: Any) -> Any:
    if slot == 0:
        return _assign(ct, np.zeros_like(ct, shape=()), index=index)
    taken = take_at(ct, index)
    return taken if _is_distinct(index) else np.where(_last_writer(ct.shape, index), taken, 0)


@linear(
    assign_part,
    joint=True,
    holomorphic=False,
    examples=[
        call(np.array([1 + 2j, 3j]), operand(2), part="real"),
        call(np.array([1 + 2j, 3j]), operand(), part="imag"),
    ],
)
def _assign_part_transpose(slot: int, ct: Any, given: Any, *, part: Any) -> Any:
    if slot == 0:
        return assign_part(ct, np.zeros_like(np.real(ct)), part=part)
    return np.real(ct) if part == "real" else -np.imag(ct)


# --- functions that write in place ----------------------------------------------------------------------------------


def _check_target(name: str, target: Any) -> None:
    if not is_traced(target):
        what = f"np.{name} cannot write traced values into a plain array"
        instead = f"To assign into it, {BUFFER}."
        raise DetachedError(compose(what, why="Their derivative would be lost.", instead=instead))


def _wrapped(indices: Any, length: int, mode: Any) -> Any:
    """Indices out of range as `mode` of np.take and np.put treats them."""
    if mode == "clip" and is_traced(indices):
        return np.clip(indices, 0, length - 1)
    if mode == "wrap" and is_traced(indices):
        return np.remainder(indices, length)
    if mode != "raise":
        return np.take(np.arange(length), indices, mode=mode)
    indices = as_array(indices)
    return indices.astype(np.intp) if indices.dtype == bool else indices


@composite(np.put, in_place=True, examples=[call(operand(4), [0, 2], [1.0, 2.0])])
def _put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    _check_target("put", a)
    a.flat[_wrapped(ind, a.size, mode)] = v


@composite(np.place, in_place=True, examples=[call(operand(4), np.array([True, False, True, True]), [1.0, 2.0])])
def _place(arr: Any, mask: Any, vals: Any) -> None:
    _check_target("place", arr)
    if np.size(mask) != arr.size:
        raise ValueError("place: mask and data must be the same size")
    arr.flat[np.flatnonzero(mask)] = vals


@composite(np.putmask, in_place=True, examples=[call(operand(4), np.array([True, False, True, True]), [1.0, 2.0])])
def _putmask(a: Any, mask: Any, values: Any) -> None:
    _check_target("putmask", a)
    places = np.flatnonzero(mask)
    a.flat[places] = np.resize(values, a.size)[places]


@composite(np.copyto, in_place=True, examples=[call(operand(2, 3), operand(3))])
def _copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    _check_target("copyto", dst)
    src = as_array(src)
    if not np.can_cast(src.dtype, dst.dtype, casting):
        raise TypeError(f"Cannot cast array data from {src.dtype} to {dst.dtype} according to the rule {casting!r}")
    dst[...] = src if where is True else np.where(where, src, dst)


@composite(np.put_along_axis, in_place=True, examples=[call(operand(3, 2), np.array([[0, 1]]), operand(1, 2), 0)])
def _put_along_axis(arr: Any, indices: Any, values: Any, axis: Any = -1) -> None:
    _check_target("put_along_axis", arr)
    if axis is None:
        arr.flat[indices] = values
    else:
        arr[_along_axis(arr, indices, axis)] = values


@composite(np.fill_diagonal, in_place=True, examples=[call(operand(3, 3), operand())])
def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    _check_target("fill_diagonal", a)
    diagonal = np.zeros(a.shape, dtype=bool)
    np.fill_diagonal(diagonal, True, wrap)
    a.flat[np.flatnonzero(diagonal)] = val


@ufunc_method("at", np.add, np.subtract)
def _accumulate_at(ufunc: Any, a: Any, indices: Any, b: Any) -> None:
    _check_target(f"{ufunc.__name__}.at", a)
    shape = take_at(np.broadcast_to(False, a.shape), indices).shape
    a[...] = ufunc(a, scatter(np.broadcast_to(as_array(b), shape), shape=a.shape, index=indices))


@composite(
    np.bincount,
    examples=[call(np.array([0, 2, 0]), operand(3)), call(np.array([1, 1]), weights=operand(2), minlength=4)],
)
def _bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    places = np.asarray(x)
    if places.shape != weights.shape:
        raise ValueError("The weights and list don't have the same length.")
    # NumPy adds up in double precision.
    return scatter(weights.astype(np.float64), shape=(len(np.bincount(places, minlength=minlength)),), index=places)


# --- gathering ------------------------------------------------------------------------------------------------------


@composite(
    np.take,
    examples=[
        call(operand(3, 4), _POSITIONS),
        call(operand(3, 4), [[0, 1], [2, 2]], axis=-1),
        call(operand(4), 5, mode="wrap"),
        call(operand(3, 4), [-2, 7], 0, mode="clip"),
        call(operand(), 0),
        call(operand(), [0, -1], axis=0),
    ],
)
def _take(a: Any, indices: Any, axis: Any = None, mode: Any = "raise") -> Any:
    a = as_array(a)
    if axis is None or a.ndim == 0:
        a, axis = np.ravel(a), axis or 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    return take_at(a, (slice(None),) * axis + (_wrapped(indices, a.shape[axis], mode),))


def _along_axis(arr: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that pairs each place with one element along an axis."""
    if np.ndim(indices) != arr.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    index = list(np.indices(arr.shape, sparse=True))
    index[axis] = as_array(indices)
    return tuple(index)


@composite(
    np.take_along_axis,
    examples=[
        call(operand(3, 4), np.array([[0, 0], [3, 1], [2, 2]]), axis=-1),
        call(operand(3, 4), np.array([[2, 0, 0, 1]]), 0),
        call(operand(2, 2), np.array([3, 0, 0]), axis=None),
    ],
)
def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    return take_at(np.ravel(arr), indices) if axis is None else take_at(arr, _along_axis(arr, indices, axis))


@composite(
    np.compress,
    examples=[
        call([True, False, True], operand(3, 2), axis=0),
        call([False, True], operand(2, 3)),
        call(np.array([1, 0, 1]), operand(2, 3), -1),
    ],
)
def _compress(condition: Any, a: Any, axis: Any = None) -> Any:
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
    chosen = np.zeros(a.shape[axis], dtype=bool)  # the condition may be shorter
    chosen[np.flatnonzero(condition)] = True
    return a[(slice(None),) * axis + (chosen,)]


@composite(np.extract, examples=[call(np.array([[True, False, True]]), operand(3)), call([1, 0], operand(2, 2))])
def _extract(condition: Any, arr: Any) -> Any:
    return np.compress(np.ravel(condition), np.ravel(arr))


@composite(np.ix_, examples=[call(operand(3), operand(2)), call([0, 1], operand(2), np.array([True, False]))])
def _ix(*args: Any) -> tuple[Any, ...]:
    # Values among the indices are arranged as the indices are.
    grids = np.ix_(*(np.arange(len(a)) if is_traced(a) else a for a in args))
    return tuple(np.reshape(a, grid.shape) if is_traced(a) else grid for a, grid in zip(args, grids, strict=True))


# --- diagonals and triangles ----------------------------------------------------------------------------------------


@linear(
    np.diagonal,
    views=True,
    structural=True,
    examples=[
        call(operand(3, 4)),
        call(operand(3, 4), -1),
        call(operand(2, 3, 4), offset=1, axis1=-1, axis2=0),
        call(operand(3, 4), 9),
    ],
)
def _diagonal_transpose(ct: Any, a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    places = np.diagonal(np.arange(a.size).reshape(a.shape), offset, axis1, axis2)
    return Scatter(a.shape, np.unravel_index(places, a.shape), ct, True)


@composite(np.diag, examples=[call(operand(3)), call(operand(3), -2), call(operand(3, 4), k=1)])
def _diag(v: Any, k: int = 0) -> Any:
    if v.ndim != 1:
        if v.ndim != 2:
            raise ValueError("Input must be 1- or 2-d.")
        return np.diagonal(v, k)
    n, along = v.size + abs(k), np.arange(v.size)
    return scatter(v, shape=(n, n), index=(along + max(0, -k), along + max(0, k)), distinct=True)


@composite(np.diagflat, examples=[call(operand(2, 2)), call(operand(), k=1)])
def _diagflat(v: Any, k: int = 0) -> Any:
    return np.diag(np.ravel(v), k)


def _triangle(m: Any, k: int) -> Any:
    """Mask of the elements on and below a diagonal of the last two axes (of a square, for a vector)."""
    return np.tri(m.shape[-2:][0], m.shape[-1], k, dtype=bool)


@composite(np.tril, examples=[call(operand(3, 4)), call(operand(2, 3, 3), k=-1), call(operand(3))])
def _tril(m: Any, k: int = 0) -> Any:
    return np.where(_triangle(m, k), m, np.zeros(1, m.dtype))


@composite(np.triu, examples=[call(operand(3, 4)), call(operand(2, 3, 3), k=1), call(operand(3))])
def _triu(m: Any, k: int = 0) -> Any:
    return np.where(_triangle(m, k - 1), np.zeros(1, m.dtype), m)
