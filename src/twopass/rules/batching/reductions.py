"""Batching of reductions, running sums, sorting, order statistics: what works along axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.rules.batching.arguments import axes_of, axis_of, every_axis, flat, named
from twopass.rules.batching.trace import ONE_BY_ONE, Batched, Call, holds_batched
from twopass.rules.cumulative import running_extreme
from twopass.rules.kinds import batching
from twopass.rules.methods import log_sum, segment_sum

# --- reductions over some axes ----------------------------------------------------------------------------------------


@batching(np.sum, np.prod, np.max, np.min, np.nanmax, np.nanmin, np.mean, np.any, np.all, np.count_nonzero, log_sum)
def _reduction(call: Call) -> Any:
    given = named(call)
    a, where = given.pop("a"), given.get("where", True)
    axis = given.pop("axis", 0 if call.function is log_sum else None)
    if holds_batched(given.get("initial")):
        return ONE_BY_ONE
    ndim = np.ndim(a)
    if isinstance(where, Batched):
        given["where"] = call.aligned(where, ndim)
    return call.run(call.whole(a), axis=every_axis(ndim) if axis is None else axes_of(axis, ndim), **given)


@batching(np.argmax, np.argmin, np.nanargmax, np.nanargmin)
def _place_of_extreme(call: Call) -> Any:
    given = named(call)
    a, axis = given.pop("a"), given.pop("axis", None)
    if axis is None or not a.ndim:
        places = call.run(flat(call, a), axis=1)
        return np.reshape(places, (call.size, *(1,) * a.ndim)) if given.get("keepdims") else places
    return call.run(a.values, axis=axis_of(axis, a.ndim), **given)


# --- what keeps the length of an axis ---------------------------------------------------------------------------------


@batching(np.cumsum, np.cumprod, np.sort, np.partition, np.argsort, np.argpartition)
def _along(call: Call) -> Any:
    given = named(call)
    a = given.pop("a")
    running = call.function in (np.cumsum, np.cumprod)
    axis = given.pop("axis", None if running else -1)
    if holds_batched(given) or not (a.ndim or running):
        return ONE_BY_ONE
    if axis is None or not a.ndim:
        return call.run(flat(call, a), axis=1, **given)
    return call.run(a.values, axis=axis_of(axis, a.ndim), **given)


@batching(running_extreme, segment_sum)
def _along_first(call: Call) -> Any:
    (a,), given = call.args, dict(call.kwargs)
    axis = given.pop("axis", 0)
    return ONE_BY_ONE if holds_batched(given) else call.run(a.values, axis=axis_of(axis, a.ndim), **given)


@batching(np.unwrap)
def _unwrap(call: Call) -> Any:
    given = named(call)
    p, axis = given.pop("p"), given.pop("axis", -1)
    return ONE_BY_ONE if holds_batched(given) else call.run(p.values, axis=axis_of(axis, p.ndim), **given)


@batching(np.roll)
def _roll(call: Call) -> Any:
    given = named(call)
    a, shift, axis = given["a"], given["shift"], given.get("axis")
    if holds_batched(shift):
        return ONE_BY_ONE
    if axis is None:
        return np.reshape(call.run(flat(call, a), shift, 1), a.values.shape)
    # The same axis may be named several times.
    axes = tuple(axis_of(one, a.ndim) for one in np.atleast_1d(axis).tolist())
    return call.run(a.values, shift, axes)


# --- order statistics -------------------------------------------------------------------------------------------------


@batching(np.median, np.nanmedian, np.quantile, np.nanquantile, np.percentile, np.nanpercentile)
def _order_statistic(call: Call) -> Any:
    given = named(call)
    a, axis = given.pop("a"), given.pop("axis", None)
    if not isinstance(a, Batched) or holds_batched(given) or given.get("weights") is not None or not a.ndim:
        return ONE_BY_ONE
    if np.ndim(given.get("q", 0)) > 1 and call.function in (np.nanquantile, np.nanpercentile):
        return ONE_BY_ONE  # for such q NumPy mixes up the axes of the result
    found = call.run(a.values, axis=every_axis(a.ndim) if axis is None else axes_of(axis, a.ndim), **given)
    return np.moveaxis(found, np.ndim(given.get("q", 0)), 0)  # the axes of q come first


# --- Fourier transforms -----------------------------------------------------------------------------------------------


@batching(np.fft.fft, np.fft.ifft, np.fft.rfft, np.fft.irfft, np.fft.hfft, np.fft.ihfft)
def _transform(call: Call) -> Any:
    given = named(call)
    a, axis = given.pop("a"), given.pop("axis", -1)
    return ONE_BY_ONE if holds_batched(given) else call.run(a.values, axis=axis_of(axis, a.ndim), **given)


@batching(
    np.fft.fft2, np.fft.ifft2, np.fft.fftn, np.fft.ifftn, np.fft.rfft2, np.fft.irfft2, np.fft.rfftn, np.fft.irfftn
)
def _transforms(call: Call) -> Any:
    given = named(call)
    a, axes, s = given.pop("a"), given.pop("axes", None), given.get("s")
    if axes is None:
        flat_pair = call.function in (np.fft.fft2, np.fft.ifft2, np.fft.rfft2, np.fft.irfft2)
        axes = (-2, -1) if flat_pair else range(-(a.ndim if s is None else len(s)), 0)
    # The same axis may be transformed several times.
    return call.run(a.values, axes=tuple(axis_of(axis, a.ndim) for axis in axes), **given)


@batching(np.fft.fftshift, np.fft.ifftshift)
def _shift(call: Call) -> Any:
    given = named(call)
    x, axes = given["x"], given.get("axes")
    return call.run(x.values, every_axis(x.ndim) if axes is None else axes_of(axes, x.ndim))
