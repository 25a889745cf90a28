"""Batching of indexing: reading, writing, and the transpose of reading.

An index that is the same for all examples gets a leading ``:`` for the batch. One that differs from example to example
is made an index of arrays only, with the number of the example as the first of them. NumPy puts the axes of the index
arrays in their place if the arrays stand side by side, and first if they do not. The leading part changes that, so the
axes are put in order afterwards.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from twopass.core.operators import scatter
from twopass.rules.batching.trace import ONE_BY_ONE, Batched, Call, holds_batched
from twopass.rules.kinds import batching
from twopass.rules.operands import take_at


class _Places(NamedTuple):
    """An index for the values of a batch, and the order of the axes of what it selects."""

    parts: tuple[Any, ...]
    batch: int = 0  # the axis of the batch
    arrays: int = 0  # the first axis of the index arrays
    width: int = 0  # how many axes they have
    start: int = 0  # where these are in what the index selects of one example

    def _order(self, ndim: int) -> list[int]:
        arrays = [*range(self.arrays, self.arrays + self.width)]
        rest = [axis for axis in range(ndim) if axis != self.batch and axis not in arrays]
        return [self.batch, *rest[: self.start], *arrays, *rest[self.start :]]

    def to_examples(self, selected: Any) -> Any:
        """What the index selects of the batch, with its axes as the examples have them."""
        order = self._order(selected.ndim)
        return selected if order == sorted(order) else np.transpose(selected, order)

    def from_examples(self, values: Any) -> Any:
        """The inverse, for values that go to what the index selects."""
        order = self._order(values.ndim)
        return values if order == sorted(order) else np.transpose(values, np.argsort(order).tolist())


def _is_basic(part: Any) -> bool:
    if isinstance(part, slice):
        return not holds_batched(part)
    return part is None or part is Ellipsis or (isinstance(part, (int, np.integer)) and not isinstance(part, bool))


def _entries(parts: tuple[Any, ...], ndim: int) -> list[Any] | None:
    """One entry for each axis of an example, and None for each new one; None for an index of a rarer kind."""
    made: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            part = None if holds_batched(part) else np.asarray(part, None if part else np.intp)
            if part is None:
                return None
        if _is_basic(part):
            made.append(part)
        elif not hasattr(part, "dtype") or part.dtype.kind not in "biu":
            return None
        elif part.dtype.kind != "b":
            made.append(part)
        elif isinstance(part, np.ndarray) and part.ndim:
            made += np.nonzero(part)
        else:
            return None  # the shape depends on the values of the mask
    used = sum(part is not None and part is not Ellipsis for part in made)
    whole = [slice(None)] * (ndim - used)
    at = next((i for i, part in enumerate(made) if part is Ellipsis), None)
    return made + whole if at is None else [*made[:at], *whole, *made[at + 1 :]]


def _places(call: Call, index: Any, ndim: int, batched: bool) -> _Places | None:
    """The index for the values of arrays with `ndim` axes, which differ from example to example if `batched`."""
    parts = index if isinstance(index, tuple) else (index,)
    if all(map(_is_basic, parts)):
        return _Places((slice(None), *parts))
    entries = _entries(parts, ndim)
    if entries is None:
        return None
    arrays = [i for i, part in enumerate(entries) if part is not None and not isinstance(part, slice)]
    count = max(np.ndim(entries[i]) for i in arrays)
    together = arrays[-1] - arrays[0] == len(arrays) - 1
    start = arrays[0] if together else 0
    if not holds_batched(entries):
        index = (slice(None), *entries)
        return _Places(index, 0, start + 1, count, start) if together else _Places(index, count, 0, count, 0)
    own = tuple(call.aligned(part, count) for part in entries)
    if not batched:
        return _Places(own, start, start + 1, count, start)
    rows = np.reshape(np.arange(call.size), (call.size, *(1,) * count))
    return _Places((rows, *own), 0, 1, count, start)


def _selected(call: Call, places: _Places, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what an index selects of a batch of arrays, with axes as each example has them."""
    selected = take_at(np.broadcast_to(False, (call.size, *shape)), places.parts)
    return places.to_examples(selected).shape  # type: ignore[no-any-return]


@batching(operator.getitem)
def _getitem(call: Call) -> Any:
    a, index = call.args
    places = _places(call, index, np.ndim(a), isinstance(a, Batched))
    if places is None:
        return ONE_BY_ONE
    return places.to_examples(call.run(a.values if isinstance(a, Batched) else a, places.parts))


@batching(scatter)
def _scatter(call: Call) -> Any:
    (values,), given = call.args, dict(call.kwargs)
    shape, index = given.pop("shape"), given.pop("index")
    places = _places(call, index, len(shape), True)
    if places is None:
        return ONE_BY_ONE
    own = call.whole(values)
    if own.ndim == 1:  # one value for all places
        selected = _selected(call, places, shape)
        own = np.broadcast_to(call.aligned(Batched(own), len(selected) - 1), selected)
    own = places.from_examples(own)
    return call.run(own, shape=(call.size, *shape), index=places.parts, **given)


@batching(operator.setitem)
def _setitem(call: Call) -> Any:
    (a, value), index = call.args, call.kwargs["index"]
    places = _places(call, index, np.ndim(a), True)
    if places is None:
        return ONE_BY_ONE
    values = call.whole(a)
    shape = _selected(call, places, np.shape(a))
    extra = np.ndim(value) - (len(shape) - 1)
    if extra > 0:  # leading axes of length 1, which assignment ignores
        lead = (call.size,) if isinstance(value, Batched) else ()
        cut = np.reshape(value.values if lead else value, (*lead, *np.shape(value)[extra:]))
        value = Batched(cut) if lead else cut
    own = places.from_examples(np.broadcast_to(call.aligned(value, len(shape) - 1), shape))
    return call.run(values, own, index=places.parts)
