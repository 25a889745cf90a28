"""Batching of what changes the shape, the order of axes or the layout, and of what joins arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.core.operators import as_integers, assign_part
from twopass.rules.batching.arguments import axes_of, axis_of, every_axis, flat, named
from twopass.rules.batching.trace import ONE_BY_ONE, Batched, Call, elementwise, holds_batched
from twopass.rules.join import concatenate, stack
from twopass.rules.kinds import batching
from twopass.rules.pad import pad_zeros

# --- reshaping --------------------------------------------------------------------------------------------------------


def _resolved(shape: Any, size: int) -> tuple[int, ...]:
    """A shape with the length that NumPy is to find in the place of -1."""
    lengths = [int(n) for n in ((shape,) if np.ndim(shape) == 0 else shape)]
    if -1 in lengths:
        known = -math.prod(lengths)
        lengths[lengths.index(-1)] = size // known if known > 0 else 0
    return tuple(lengths)


@batching(np.reshape)
def _reshape(call: Call) -> Any:
    given = named(call)
    a, shape = given["a"], given.get("shape", given.get("newshape"))
    if not isinstance(a, Batched) or holds_batched(shape):
        return ONE_BY_ONE
    lengths = _resolved(shape, a.size)
    if math.prod(lengths) != a.size:
        raise ValueError(f"cannot reshape array of size {a.size} into shape {shape}")
    order = given.get("order") or "C"
    return _in_order(call, a, lengths, order)


def _in_order(call: Call, a: Batched, shape: tuple[int, ...], order: str) -> Any:
    """Examples with another shape; with order "F" the first index runs fastest."""
    if order.upper() != "F":
        return np.reshape(a.values, (call.size, *shape))
    turned = np.transpose(a.values, (0, *reversed(every_axis(a.ndim))))
    made = np.reshape(turned, (call.size, *reversed(shape)))
    return np.transpose(made, (0, *reversed(every_axis(len(shape)))))


@batching(np.ravel)
def _ravel(call: Call) -> Any:
    given = named(call)
    return _in_order(call, given["a"], (given["a"].size,), given.get("order") or "C")


@batching(np.squeeze)
def _squeeze(call: Call) -> Any:
    given = named(call)
    a, axis = given["a"], given.get("axis")
    axes = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else axis
    return call.run(a.values, axes_of(axes, a.ndim))


@batching(np.expand_dims)
def _expand_dims(call: Call) -> Any:
    given = named(call)
    a, axis = given["a"], given["axis"]
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return call.run(a.values, axes_of(axes, a.ndim + len(axes)))


@batching(np.transpose)
def _transpose(call: Call) -> Any:
    given = named(call)
    a, axes = given["a"], given.get("axes")
    order = tuple(reversed(every_axis(a.ndim))) if axes is None else tuple(axis_of(axis, a.ndim) for axis in axes)
    return call.run(a.values, (0, *order))


# --- stretching and repeating -----------------------------------------------------------------------------------------


@batching(np.broadcast_to)
def _broadcast_to(call: Call) -> Any:
    given = named(call)
    shape = (given["shape"],) if np.ndim(given["shape"]) == 0 else tuple(given["shape"])
    return call.run(call.aligned(given["array"], len(shape)), (call.size, *shape))


@batching(np.repeat)
def _repeat(call: Call) -> Any:
    given = named(call)
    a, repeats, axis = given["a"], given["repeats"], given.get("axis")
    if holds_batched(repeats):
        return ONE_BY_ONE
    if axis is None or not a.ndim:
        return call.run(flat(call, a), repeats, 1)
    return call.run(a.values, repeats, axis_of(axis, a.ndim))


@batching(np.tile)
def _tile(call: Call) -> Any:
    given = named(call)
    reps = tuple(np.atleast_1d(given["reps"]).tolist())
    values = call.aligned(given["A"], len(reps))
    return call.run(values, (*(1,) * (values.ndim - len(reps)), *reps))


@batching(np.lib.stride_tricks.sliding_window_view)
def _sliding_window_view(call: Call) -> Any:
    given = named(call)
    x, window, axis = given.pop("x"), given.pop("window_shape"), given.pop("axis", None)
    axes = every_axis(x.ndim) if axis is None else tuple(axis_of(one, x.ndim) for one in np.atleast_1d(axis).tolist())
    return call.run(x.values, window, axes, **given)


@batching(np.diagonal)
def _diagonal(call: Call) -> Any:
    given = named(call)
    a, first, second = given["a"], given.get("axis1", 0), given.get("axis2", 1)
    return call.run(a.values, given.get("offset", 0), axis_of(first, a.ndim), axis_of(second, a.ndim))


@batching(pad_zeros)
def _pad_zeros(call: Call) -> Any:
    given = named(call)
    return call.run(given["a"].values, [(0, 0), *given["widths"]])


# --- elements ---------------------------------------------------------------------------------------------------------

batching(np.real, np.imag, np.conjugate, as_integers)(elementwise)
batching(np.round, np.around, np.fix, np.isposinf, np.isneginf, np.iscomplex, np.isreal, np.isclose)(elementwise)
batching(np.unravel_index)(elementwise)


@batching(assign_part)
def _assign_part(call: Call) -> Any:
    a, value = call.args
    return call.run(call.whole(a), call.aligned(value, np.ndim(a)), **call.kwargs)


@batching(np.zeros_like, np.ones_like, np.empty_like)
def _like(call: Call) -> Any:
    given = named(call)
    a, shape = given.pop("a", None), given.pop("shape", None)
    a = given.pop("prototype", a)
    if shape is None:
        return call.run(a.values, **given)
    return call.run(a.values, shape=(call.size, *((shape,) if np.ndim(shape) == 0 else shape)), **given)


@batching(np.searchsorted, np.digitize)
def _search(call: Call) -> Any:
    # The table first, then what is looked up; np.digitize has them the other way round.
    table, looked_up = (0, 1) if call.function is np.searchsorted else (1, 0)
    given = named(call)
    names = list(given)
    if isinstance(given[names[table]], Batched) or not isinstance(given[names[looked_up]], Batched):
        return ONE_BY_ONE
    return call.run(**{**given, names[looked_up]: given[names[looked_up]].values})


@batching(np.isin)
def _isin(call: Call) -> Any:
    given = named(call)
    if holds_batched(given["test_elements"]):
        return ONE_BY_ONE
    return call.run(given.pop("element").values, **given)


# --- joining ----------------------------------------------------------------------------------------------------------


@batching(concatenate, stack)
def _joining(call: Call) -> Any:
    given = dict(call.kwargs)
    axis = axis_of(given.pop("axis"), np.ndim(call.args[0]) + (call.function is stack))
    return call.run(*map(call.whole, call.args), axis=axis, **given)
