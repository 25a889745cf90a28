"""Joining arrays and taking them apart."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import invoke
from twopass.rules.kinds import call, composite, linear, operand
from twopass.rules.operands import as_operand

# --- joining --------------------------------------------------------------------------------------------------------


def concatenate(*arrays: Any, starts: Any, axis: int, **keywords: Any) -> Any:
    """``np.concatenate(arrays, axis)``; `starts` are the places along the axis where each array begins, and the end."""
    return np.concatenate(arrays, axis, **keywords)


@linear(
    concatenate,
    joint=True,
    structural=True,
    examples=[call(operand(3), operand(2), starts=(0, 3, 5), axis=0)],
)
def _concatenate_transpose(slot: int, ct: Any, a: Any, *, starts: Any, axis: int, **keywords: Any) -> Any:
    return ct[(slice(None),) * (axis % ct.ndim) + (slice(starts[slot], starts[slot + 1]),)]


_MIXED = [operand(2, 3), np.ones((1, 3)), operand(4, 3)]


@composite(
    np.concatenate,
    examples=[
        call([operand(3), operand(2)]),
        call(_MIXED),
        call((operand(2, 3), [[1.0], [2.0]]), axis=-1),
        call([operand(2, 2), operand(3), operand()], axis=None),
        call([operand(2, 3), np.zeros((0, 3))], 0),
        call(operand(2, 3), 0),
        call([operand(3), operand(2)], dtype=np.complex128, casting="safe"),
    ],
)
def _concatenate(arrays: Any, axis: Any = 0, **keywords: Any) -> Any:
    if axis is None:
        operands = [as_operand(a) for a in arrays]
        dtype = np.result_type(*operands)
        arrays, axis = [np.ravel(a if hasattr(a, "dtype") else np.asarray(a, dtype)) for a in operands], 0
    arrays = [as_array(a) for a in arrays]
    lengths = [a.shape[axis] if -a.ndim <= axis < a.ndim else 0 for a in arrays]
    starts = tuple(itertools.accumulate(lengths, initial=0))
    return invoke(concatenate, *arrays, starts=starts, axis=axis, **keywords)


def stack(*arrays: Any, axis: int, **keywords: Any) -> Any:
    """``np.stack(arrays, axis)``."""
    return np.stack(arrays, axis, **keywords)


@linear(stack, joint=True, structural=True, examples=[call(operand(2, 3), operand(2, 3), axis=1)])
def _stack_transpose(slot: int, ct: Any, a: Any, *, axis: int, **keywords: Any) -> Any:
    return ct[(slice(None),) * (axis % ct.ndim) + (slot,)]


@composite(
    np.stack,
    examples=[
        call([operand(3), operand(3)]),
        call((operand(2, 3), np.ones((2, 3)), operand(2, 3)), -1),
        call([operand(), 1.5, operand()], axis=0),
        call(operand(2, 3), axis=1),
        call([operand(2), operand(2)], dtype=np.complex128, casting="safe"),
    ],
)
def _stack(arrays: Any, axis: int = 0, **keywords: Any) -> Any:
    return invoke(stack, *[as_array(a) for a in arrays], axis=axis, **keywords)


@composite(
    np.vstack,
    examples=[call([operand(3), operand(2, 3)]), call([operand(), 1.0]), call([operand(2, 3)], dtype=complex)],
)
def _vstack(tup: Any, **keywords: Any) -> Any:
    return np.concatenate([np.atleast_2d(as_array(a)) for a in tup], 0, **keywords)


@composite(
    np.hstack,
    examples=[call([operand(3), operand(), [1.0, 2.0]]), call([operand(2, 3), operand(2, 1)], casting="same_kind")],
)
def _hstack(tup: Any, **keywords: Any) -> Any:
    arrays = [np.atleast_1d(as_array(a)) for a in tup]
    return np.concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, **keywords)


@composite(np.dstack, examples=[call([operand(3), operand(1, 3)]), call([operand(2, 3, 1), operand(2, 3)])])
def _dstack(tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(as_array(a)) for a in tup], 2)


@composite(np.column_stack, examples=[call([operand(3), operand(3, 2), [1.0, 2.0, 3.0]]), call([operand(), 2.0])])
def _column_stack(tup: Any) -> Any:
    arrays = [as_array(a) for a in tup]
    return np.concatenate([np.reshape(a, (-1, 1)) if a.ndim < 2 else a for a in arrays], 1)


def _depth(arrays: Any) -> int:
    """How deep the lists of a block are nested."""
    return 1 + max(map(_depth, arrays), default=0) if isinstance(arrays, list) else 0


def _most_axes(arrays: Any) -> int:
    return max(map(_most_axes, arrays)) if isinstance(arrays, list) else np.ndim(arrays)


def _joined(arrays: Any, depth: int, ndim: int) -> Any:
    """The block of nested lists: the innermost are joined along the last axis, the next along the one before it."""
    if isinstance(arrays, list):
        return np.concatenate([_joined(item, depth - 1, ndim) for item in arrays], -depth)
    return np.reshape(arrays, (1,) * (ndim - np.ndim(arrays)) + np.shape(arrays))


@composite(
    np.block,
    examples=[
        call([[operand(2, 2), operand(2, 1)], [np.ones((1, 2)), operand(1, 1)]]),
        call([operand(3), 2.0, operand()]),
        call([[operand()], [operand(1)]]),
        call(operand(2)),
    ],
)
def _block(arrays: Any) -> Any:
    # NumPy itself checks the nesting and the shapes.
    np.block(_zeros(arrays))
    depth = _depth(arrays)
    joined = _joined(arrays, depth, max(depth, _most_axes(arrays)))
    return joined if depth else np.copy(joined)


def _zeros(arrays: Any) -> Any:
    if isinstance(arrays, (list, tuple)):
        return type(arrays)([_zeros(item) for item in arrays])
    return np.broadcast_to(False, np.shape(arrays))


@composite(
    np.append,
    examples=[
        call(operand(2, 2), operand(3)),
        call(operand(2, 3), [[1.0, 2.0, 3.0]], axis=0),
        call([1.0, 2.0], operand()),
        call(operand(2, 1), values=operand(2, 2), axis=-1),
    ],
)
def _append(arr: Any, values: Any, axis: Any = None) -> Any:
    return np.concatenate([as_array(arr), as_array(values)], axis)


# --- putting in and taking out --------------------------------------------------------------------------------------


@composite(
    np.insert,
    examples=[
        call(operand(4), 1, operand()),
        call(operand(2, 3), [0, 2, 2], operand(3), axis=1),
        call(operand(2, 3), 1, operand(3), axis=0),
        call(operand(2, 3), -1, operand(2, 2), axis=1),
        call(operand(2, 3), [1], [[1.0], [2.0]], axis=1),
        call(operand(3), [2, 0], operand(2)),
        call(operand(2, 2), slice(0, 4, 2), operand()),
        call(operand(3), [], operand(0)),
    ],
)
def _insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    arr, values = as_array(arr), as_array(values)
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis, n = axis % arr.ndim, arr.shape[axis]
    places: Any = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    places = np.flatnonzero(places) if places.dtype == bool else places.astype(np.intp)
    count = places.size
    if count == 1:
        # Any number of values may go to one place. A scalar place takes the first axis of the values away.
        values = np.reshape(values, (1,) * (arr.ndim - values.ndim) + values.shape)
        values = np.moveaxis(values, 0, axis) if places.ndim == 0 else values
        places, count = places.item(), values.shape[axis]
    block = np.broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1 :]))
    # NumPy tells where each element of the result comes from: old ones are counted from 0, new ones from n.
    origin = np.insert(np.arange(n), places, n + np.arange(count))
    return np.take(np.concatenate([arr, block.astype(arr.dtype)], axis), origin, axis)


@composite(
    np.delete,
    examples=[
        call(operand(4), 1),
        call(operand(2, 3), [0, -1], axis=1),
        call(operand(2, 3), slice(0, 4, 2)),
        call(operand(3, 2), np.array([True, False, True]), 0),
        call(operand(3), []),
    ],
)
def _delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    if axis is None:
        arr, axis = np.ravel(arr), 0
    axis, n = axis % arr.ndim, arr.shape[axis]
    kept = np.isin(np.arange(n), np.delete(np.arange(n), obj))
    return arr[(slice(None),) * axis + (kept,)]


# --- taking apart ---------------------------------------------------------------------------------------------------


def _cut(ary: Any, indices_or_sections: Any, axis: int, split: Any) -> list[Any]:
    """The parts of an array along an axis, as views."""
    n = ary.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        lengths = [len(part) for part in split(np.arange(n), indices_or_sections)]
        bounds = list(itertools.accumulate(lengths, initial=0))
    else:
        bounds = [0, *indices_or_sections, n]
    before = (slice(None),) * (axis % ary.ndim)
    return [ary[(*before, slice(start, stop))] for start, stop in itertools.pairwise(bounds)]


@composite(
    np.array_split,
    examples=[call(operand(5), 3), call(operand(3, 4), [1, 3], axis=-1), call(operand(3), [2, 1, 5])],
)
def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _cut(ary, indices_or_sections, axis, np.array_split)


@composite(np.split, examples=[call(operand(4), 2), call(operand(3, 4), (1, 3), axis=1)])
def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    return _cut(ary, indices_or_sections, axis, np.split)


def _split_along(function: Any, axis: int) -> None:
    """Register a split along an axis that the array must have (or, of a vector, along its only one)."""
    fewest = {np.vsplit: 2, np.hsplit: 1, np.dsplit: 3}[function]
    examples = [call(operand(4, 4, 4), 2), call(operand(2, 3, 5), [1])]

    @composite(function, examples=examples if fewest > 1 else [*examples, call(operand(4), 2)])
    def split_along(ary: Any, indices_or_sections: Any) -> list[Any]:
        if ary.ndim < fewest:
            raise ValueError(f"{function.__name__} only works on arrays of {fewest} or more dimensions")
        return _cut(ary, indices_or_sections, min(axis, ary.ndim - 1), np.split)


_split_along(np.vsplit, 0)
_split_along(np.hsplit, 1)
_split_along(np.dsplit, 2)

if hasattr(np, "unstack"):

    @composite(np.unstack, examples=[call(operand(3)), call(operand(2, 3), axis=-1)])
    def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
        if x.ndim == 0:
            raise ValueError("Input array must be at least 1-d.")
        return tuple(np.moveaxis(x, axis, 0))
