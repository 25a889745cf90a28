"""The mathematics: the derivative of every NumPy function that twopass knows, one file a chapter."""

from twopass.rules import (
    calculus,
    create,
    cumulative,
    einsum,
    elementwise,
    index,
    join,
    methods,
    pad,
    product,
    quantile,
    reduce,
    select,
    shape,
    statistics,
)

__all__ = [
    "calculus",
    "create",
    "cumulative",
    "einsum",
    "elementwise",
    "index",
    "join",
    "methods",
    "pad",
    "product",
    "quantile",
    "reduce",
    "select",
    "shape",
    "statistics",
]
