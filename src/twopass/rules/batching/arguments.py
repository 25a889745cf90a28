"""Reading the arguments of a call for a batch: names, and axes counted behind the batch."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from twopass.rules.batching.trace import Batched, Call

__all__ = ["axes_of", "axis_of", "every_axis", "flat", "named"]


@functools.cache
def _names(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def named(call: Call) -> dict[str, Any]:
    """The arguments of a call by name, without those that are NumPy's sign for "not given"."""
    given = {**dict(zip(_names(call.function), call.args, strict=False)), **call.kwargs}
    return {name: value for name, value in given.items() if value is not np._NoValue}


def axis_of(axis: Any, ndim: int) -> int:
    """An axis of an example as one of the batch."""
    return normalize_axis_index(axis, ndim) + 1


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes of an example as axes of the batch; a number without axes counts as a vector, of which none is left."""
    return tuple(place + 1 for place in normalize_axis_tuple(axis, max(ndim, 1)) if place < ndim)


def every_axis(ndim: int) -> tuple[int, ...]:
    """All axes but that of the batch."""
    return tuple(range(1, ndim + 1))


def flat(call: Call, x: Batched) -> Any:
    """The elements of each example in a row."""
    return np.reshape(x.values, (call.size, x.size))
