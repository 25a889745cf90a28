"""Functions of vectors and reductions, applied along chosen axes of an array."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.rules.kinds import call, composite, operand


@composite(
    np.apply_along_axis,
    examples=[
        call(np.sum, 0, operand(3, 4)),
        call(lambda v: np.multiply.outer(v, v[:2]), 1, operand(2, 3, 4)),
        call(lambda v, k: v[k] * v, -1, operand(4), 2),
    ],
)
def _apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    axis = np.lib.array_utils.normalize_axis_index(axis, arr.ndim)
    vectors = np.moveaxis(arr, axis, -1)
    outer = vectors.shape[:-1]
    if 0 in outer:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    results = [as_array(func1d(vectors[(*place, ...)], *args, **kwargs)) for place in np.ndindex(outer)]
    joined = np.reshape(np.stack(results), outer + results[0].shape)
    # The axes of a result take the place of the axis that the function was applied along.
    return np.transpose(joined, (*range(axis), *range(len(outer), joined.ndim), *range(axis, len(outer))))


@composite(
    np.apply_over_axes,
    examples=[
        call(np.sum, operand(2, 3, 4), (0, -1)),
        call(np.max, operand(2, 3), 1),
        call(np.cumsum, operand(3), [0]),
    ],
)
def _apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    for axis in np.atleast_1d(axes).tolist():
        axis = np.lib.array_utils.normalize_axis_index(axis, a.ndim)
        result = func(a, axis)
        if result.ndim != a.ndim:
            result = np.expand_dims(result, axis)
        if result.ndim != a.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        a = result
    return a
