"""Sorting, searching, and the positions of elements.

Equal elements share the derivative equally, so that it does not depend on the order in which they came.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import scatter
from twopass.core.rule import detach
from twopass.rules.kinds import call, composite, constant, custom, operand, unsupported
from twopass.rules.operands import is_known, take_at

__all__ = ["share_ties"]

# --- sorting --------------------------------------------------------------------------------------------------------


def share_ties(values: Any, keys: Any, axis: int) -> Any:
    """Average the values over runs of equal keys along an axis."""
    values, keys = np.moveaxis(values, axis, -1), np.moveaxis(keys, axis, -1)
    first = np.ones((*keys.shape[:-1], min(keys.shape[-1], 1)), dtype=bool)
    starts = np.concatenate([first, keys[..., 1:] != keys[..., :-1]], axis=-1)
    if not is_known(np.all(starts)):
        run, flat = np.cumsum(starts) - 1, np.ravel(values)
        sums, lengths = (scatter(part, shape=flat.shape, index=run) for part in (flat, np.ones_like(flat)))
        values = np.reshape(take_at(sums, run) / take_at(lengths, run), values.shape)
    return np.moveaxis(values, -1, axis)


def _follow(values: Any, source: Any, target: Any, axis: Any) -> Any:
    """Move the values as the elements of `source` were moved to make `target`; equal elements share theirs equally."""
    if axis is None:
        axis, values, source, shape, target = 0, np.ravel(values), np.ravel(source), target.shape, np.ravel(target)
        return np.reshape(_follow(values, source, target, axis), shape)
    order = np.argsort(source, axis=axis, kind="stable")
    shared = share_ties(np.take_along_axis(values, order, axis), np.take_along_axis(source, order, axis), axis)
    places = np.argsort(np.argsort(target, axis=axis, kind="stable"), axis=axis)
    return np.take_along_axis(shared, places, axis)


def _sort_push(slot: int, tangent: Any, y: Any, a: Any, axis: Any = -1, *_: Any, **keywords: Any) -> Any:
    return _follow(tangent, detach(a), detach(y), axis)


def _sort_pull(slot: int, ct: Any, y: Any, a: Any, axis: Any = -1, *_: Any, **keywords: Any) -> Any:
    return _follow(ct, detach(y), detach(a), axis)


custom(
    np.sort,
    push=_sort_push,
    pull=_sort_pull,
    signature=np.sort,
    examples=[
        call(operand(5)),
        call(operand(3, 4), axis=0),
        call(operand(3, 4), None),
        call(a=operand(2, 3), kind="stable"),
    ],
)
custom(
    np.partition,
    push=lambda slot, tangent, y, a, kth, axis=-1, *_, **keywords: _sort_push(slot, tangent, y, a, axis),
    pull=lambda slot, ct, y, a, kth, axis=-1, *_, **keywords: _sort_pull(slot, ct, y, a, axis),
    signature=np.partition,
    holomorphic=False,
    examples=[call(operand(5), 2), call(operand(4, 3), (0, 2), axis=0), call(operand(3, 4), 5, None)],
)


@composite(np.sort_complex, examples=[call(operand(3, 4))])
def _sort_complex(a: Any) -> Any:
    return np.sort(a).astype(np.sort_complex(np.empty(0, a.dtype)).dtype)


# --- positions ------------------------------------------------------------------------------------------------------

constant(np.nonzero, np.flatnonzero, np.argwhere, np.argsort, np.argpartition, np.lexsort, np.searchsorted, np.digitize)
constant(np.unravel_index, np.ravel_multi_index, np.isin)
constant(np.tril_indices_from, np.triu_indices_from, np.diag_indices_from)

unsupported(
    *(np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values),
    *(np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d),
    instead="Index with positions: np.ravel(x)[np.unique(tp.stop_gradient(x), return_index=True)[1]].",
)
