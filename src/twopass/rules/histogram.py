"""Histograms: differentiable in the weights of the elements, not in the elements."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from twopass.core.operators import as_array, holds_traced, scatter
from twopass.errors import UnsupportedOperatorError, compose
from twopass.rules.kinds import POSITIVE, call, composite, operand, unsupported

_INSTEAD = (
    "A count of elements has no derivative: pass tp.stop_gradient(x), or write a smooth one, such as the sum over the "
    "elements of np.exp(-0.5 * ((centres - x[:, None]) / width) ** 2)."
)
unsupported(np.histogram2d, np.histogramdd, np.histogram_bin_edges, instead=_INSTEAD)


def _refuse() -> NoReturn:
    what = "np.histogram of a traced array is not supported"
    raise UnsupportedOperatorError(compose(what, instead=_INSTEAD))


_DATA = np.array([0.3, 1.7, 0.9, 2.0, 0.0, 1.1, 3.5])


@composite(
    np.histogram,
    self_calling=True,
    examples=[
        call(_DATA, 4, weights=operand(7)),
        call(_DATA, 3, (0.0, 2.0), weights=operand(7)),
        call(_DATA, [0.0, 0.5, 2.0], density=True, weights=operand(7, domain=POSITIVE)),
        call(_DATA.reshape(1, 7), bins=2, weights=operand(1, 7)),
    ],
)
def _histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    if holds_traced(a) or holds_traced(bins) or holds_traced(range):
        _refuse()
    a, weights = np.asarray(a), as_array(weights)
    if a.shape != weights.shape:
        raise ValueError("weights should have the same shape as a.")
    if isinstance(bins, str):
        raise TypeError("automated estimation of the number of bins is not supported for weighted data")
    edges = np.histogram_bin_edges(a, bins, range)
    elements = np.ravel(a)
    places = np.searchsorted(edges, elements, "right") - 1
    places[elements == edges[-1]] = edges.size - 2  # the last bin has both its ends
    inside = np.flatnonzero((places >= 0) & (places < edges.size - 1))
    totals = scatter(np.ravel(weights)[inside], shape=(edges.size - 1,), index=places[inside])
    if density:
        totals = totals / np.diff(edges) / np.sum(totals)
    return totals, edges
