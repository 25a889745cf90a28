"""Medians and quantiles: the elements at some places of the sorted data, or a blend of two neighbours there.

Where those places are, NumPy says itself: asked for the quantile of the *ranks* 0, 1, ..., n - 1 of the data, with the
same arguments, it answers with a position in the sorted data, whose integer part is the place and whose fraction is
the blend. This holds for every method, for weights, and for NaN.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, NamedTuple

import numpy as np

from twopass.core.operators import scatter
from twopass.core.rule import detach
from twopass.rules.kinds import call, custom, operand
from twopass.rules.operands import take_at
from twopass.rules.reduce import rows, unrows
from twopass.rules.sort import share_ties


class _Blend(NamedTuple):
    """Results as ``weight_below * sorted[below] + weight_above * sorted[above]``, with the data in rows."""

    shape: tuple[int, ...]  # of the data
    axis: Any  # what a row runs over
    order: Any  # index that sorts the rows
    ordered: Any  # the sorted rows
    below: Any  # indices of the sorted rows, for each result
    above: Any
    weight_below: Any  # both 0 for a result that is NaN
    weight_above: Any

    def share(self, values: Any) -> Any:
        """The mean over each run of equal elements: their order is an accident."""
        return share_ties(values, self.ordered, -1)

    def of(self, tangent: Any) -> Any:
        """The blend of a tangent."""
        flat = np.reshape(rows(tangent, self.axis), self.order[1].shape)
        ordered = self.share(take_at(flat, self.order))
        return take_at(ordered, self.below) * self.weight_below + take_at(ordered, self.above) * self.weight_above

    def transpose(self, ct: Any) -> Any:
        """Cotangent of the data, for one of the results."""
        ct = np.reshape(ct, self.weight_below.shape)
        shape = self.order[1].shape
        below = scatter(ct * self.weight_below, shape=shape, index=self.below)
        above = scatter(ct * self.weight_above, shape=shape, index=self.above)
        flat = scatter(self.share(below + above), shape=shape, index=self.order, distinct=True)
        return unrows(flat, self.shape, self.axis)


def _blend(function: Any, a: Any, args: Any, kwargs: Any) -> _Blend:
    """The blend that a call computes."""
    parameters = inspect.signature(function).bind(a, *args, **kwargs).arguments
    axis = parameters.get("axis")
    data = rows(detach(a), axis)
    data = np.reshape(data, (math.prod(data.shape[:-1]), data.shape[-1]))

    def ask(values: Any) -> Any:
        return function(**{**parameters, "a": unrows(values, a.shape, axis), "keepdims": False})

    row = np.arange(data.shape[0])[:, None]
    order = np.argsort(data, axis=-1)
    ranks = np.argsort(order, axis=-1).astype(np.float64)
    position = ask(np.where(np.isnan(data), np.nan, ranks))
    known = ~np.isnan(position)
    position = np.where(known, position, 0)
    place = np.floor(position)
    of_row = ask(np.broadcast_to(row, data.shape).astype(np.float64)).astype(np.intp)
    return _Blend(
        shape=a.shape,
        axis=axis,
        order=(row, order),
        ordered=take_at(data, (row, order)),
        below=(of_row, place.astype(np.intp)),
        above=(of_row, np.ceil(position).astype(np.intp)),
        weight_below=np.where(known, 1 - (position - place), 0),
        weight_above=np.where(known, position - place, 0),
    )


def _order_statistic(function: Any, *examples: Any) -> None:
    """Register a median or a quantile; its other arguments must be plain."""

    def push(slot: int, tangent: Any, y: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
        return np.reshape(_blend(function, a, args, kwargs).of(tangent), y.shape)

    def pull(slot: int, ct: Any, y: Any, a: Any, *args: Any, **kwargs: Any) -> Any:
        return _blend(function, a, args, kwargs).transpose(ct)

    custom(function, push=push, pull=pull, arity=1, holomorphic=False, signature=function, examples=examples)


for _median in (np.median, np.nanmedian):
    _order_statistic(
        _median,
        *[call(operand(5)), call(operand(2, 3)), call(operand(3, 4), 0), call(operand(2, 3, 2), axis=-2)],
        *[call(operand(2, 2, 3), axis=(2, 0), keepdims=True), call(operand()), call(a=operand(2, 4), axis=1)],
    )

_METHODS = (
    *("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen"),
    *("weibull", "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest"),
)
for _quantile, _one in ((np.quantile, 1), (np.nanquantile, 1), (np.percentile, 100), (np.nanpercentile, 100)):
    _order_statistic(
        _quantile,
        call(operand(4), 0.3 * _one),
        call(operand(2, 4), np.array([0.1, 0.5, 1.0]) * _one, axis=1),
        call(operand(3, 3), [0.25 * _one, 0.6 * _one], 0, keepdims=True),
        call(operand(2, 3, 2), np.array([[0.0, 0.2], [0.7, 0.9]]) * _one, axis=(2, 0)),
        call(a=operand(4, 3), q=0.45 * _one, axis=0),
        call(operand(5), 0.6 * _one, weights=np.array([1.0, 2.0, 0.5, 1.0, 3.0]), method="inverted_cdf"),
        *[call(operand(5), np.array([0.2, 0.65]) * _one, axis=-1, method=method) for method in _METHODS],
    )
