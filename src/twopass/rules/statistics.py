"""Means, variances and covariances, with and without weights or NaN."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from twopass.core.operators import as_array
from twopass.rules.kinds import POSITIVE, call, composite, linear, operand
from twopass.rules.operands import is_known
from twopass.rules.reduce import divide, expand, included, spread

_ABSENT = np._NoValue
_MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
_AXES = [
    call(operand(3, 4)),
    call(operand(3, 4), 0),
    call(operand(2, 3, 4), axis=(0, -1)),
    call(operand(2, 3, 4), axis=(2, 0), keepdims=True),
    call(operand(3, 4), axis=None, keepdims=True),
    call(operand(3, 4), axis=1, where=_MASK),
    call(operand(3, 4), where=_MASK[0]),
    call(a=operand(3, 4), axis=1),
]

# --- means ----------------------------------------------------------------------------------------------------------


def _count(a: Any, axis: Any, where: Any) -> Any:
    """How many elements go into each result; with `where`, an array in which the reduced axes have length 1."""
    if where is not True:
        return np.sum(np.broadcast_to(where, a.shape), axis=axis, keepdims=True)
    if axis is None:
        return a.size
    return math.prod(a.shape[i] for i in (axis if isinstance(axis, tuple) else (axis,)))


def _mean(a: Any, *arguments: Any, **keywords: Any) -> Any:
    """``np.mean``, without its overhead in the case that ends most loss functions."""
    if type(a) is np.ndarray and not arguments and not keywords and a.dtype.char in "fd" and a.size:
        return divide(np.add.reduce(a, None), a.size)
    return np.mean(a, *arguments, **keywords)


@linear(
    np.mean,
    call=_mean,
    structural=True,
    selects=included(6),
    examples=[*_AXES, call(operand()), call(operand(3, 4), axis=())],
)
def _mean_transpose(
    ct: Any,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    return spread(divide(expand(ct, a.ndim, axis, keepdims), _count(a, axis, where)), a, axis, True, where)


@composite(np.nanmean, examples=[*_AXES, call(operand())])
def _nanmean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = True
) -> Any:
    count = np.sum(~np.isnan(a), axis=axis, keepdims=keepdims, where=where)
    return divide(np.nansum(a, axis, dtype, keepdims=keepdims, where=where), count)


def _aligned(weights: Any, a: Any, axis: Any) -> Any:
    """Weights in an order and shape that broadcasts against `a`."""
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError("Axis must be specified when shapes of a and weights differ.")
    axes = normalize_axis_tuple(axis, a.ndim)
    if weights.shape != tuple(a.shape[i] for i in axes):
        raise ValueError("Shape of weights must be consistent with shape of a along specified axis.")
    ordered = np.transpose(weights, np.argsort(axes))
    return np.reshape(ordered, [n if i in axes else 1 for i, n in enumerate(a.shape)])


@composite(
    np.average,
    examples=[
        *[call(operand(3, 4)), call(operand(3, 4), 1), call(operand(3, 4), returned=True, keepdims=True)],
        call(operand(3, 4), weights=operand(3, 4, domain=POSITIVE)),
        call(operand(3, 4), 0, operand(3, domain=POSITIVE), True),
        call(operand(2, 3, 4), axis=(2, 0), weights=operand(4, 2, domain=POSITIVE), keepdims=True),
        call(operand(3), weights=[1, 2, 1]),
        call(np.array([[1, 2, 3], [4, 5, 7]]), axis=-1, weights=operand(3, domain=POSITIVE), returned=True),
    ],
)
def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    a = as_array(a)
    if weights is None:
        mean = np.mean(a, axis, keepdims=keepdims)
        total = np.asarray(a.size / mean.size, dtype=mean.dtype)
    else:
        weights = _aligned(as_array(weights), a, axis)
        a = a if a.dtype.kind in "fc" else a.astype(np.float64)
        dtype = np.result_type(a.dtype, weights.dtype)
        total = np.sum(weights, axis=axis, dtype=dtype, keepdims=keepdims)
        if is_known(np.any(total == 0)):
            raise ZeroDivisionError("weights that sum to zero have no average")
        mean = np.sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (mean, np.broadcast_to(total, mean.shape).copy()[()]) if returned else mean


# --- variances ------------------------------------------------------------------------------------------------------

_SPREADS = [
    *_AXES,
    call(operand(3, 4), ddof=1),
    call(operand(3, 4), 1, None, None, 1, True),
    call(operand(3, 4), axis=1, correction=1, where=_MASK, keepdims=True),
    call(operand(3, 4), axis=0, mean=operand(1, 4)),
]


def _lost_freedom(ddof: Any, correction: Any) -> Any:
    if correction is _ABSENT:
        return ddof
    if ddof != 0:
        raise ValueError("ddof and correction are two names of one parameter: pass one of them")
    return correction


def _squared(deviation: Any) -> Any:
    """The squared absolute value."""
    if deviation.dtype.kind != "c":
        return np.square(deviation)
    return np.square(np.real(deviation)) + np.square(np.imag(deviation))


@composite(np.var, examples=[*_SPREADS, call(operand())])
def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Any:
    a = as_array(a)
    count = _count(a, axis, where)
    if mean is _ABSENT:
        mean = divide(np.sum(a, axis, dtype, keepdims=True, where=where), count)
    total = np.sum(_squared(a - mean), axis, dtype, keepdims=keepdims, where=where)
    freedom = np.maximum(count - _lost_freedom(ddof, correction), 0)
    return divide(total, np.reshape(freedom, total.shape) if where is not True else freedom)


@composite(np.nanvar, examples=_SPREADS)
def _nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = _ABSENT,
    correction: Any = _ABSENT,
) -> Any:
    a = as_array(a)
    number = ~np.isnan(a)
    count = np.sum(number, axis=axis, keepdims=True, where=where)
    if mean is _ABSENT:
        mean = divide(np.nansum(a, axis, dtype, keepdims=True, where=where), count)
    deviation = np.where(number, a - mean, 0)
    total = np.sum(_squared(deviation), axis, dtype, keepdims=keepdims, where=where)
    freedom = count - _lost_freedom(ddof, correction)
    return divide(total, np.reshape(np.where(freedom > 0, freedom, np.nan), total.shape))


def _root(function: Any, variance: Any) -> None:
    """Register a standard deviation. That of a constant has the subgradient 0, as a norm has at the zero vector."""

    @composite(function, examples=_SPREADS)
    def _(*args: Any, **kwargs: Any) -> Any:
        square = variance(*args, **kwargs)
        root = np.where(square == 0, 0, np.sqrt(square))
        return root if root.ndim else root[()]


_root(np.std, np.var)
_root(np.nanstd, np.nanvar)

# --- covariances ----------------------------------------------------------------------------------------------------


def _variables(blocks: list[Any], rowvar: bool, dtype: Any) -> Any:
    """One row for each variable, with the observations as columns."""
    rows = []
    for number, block in enumerate(blocks):
        if block.ndim > 2:
            raise ValueError(f"observations must have at most 2 dimensions, not {block.ndim}")
        table = np.atleast_2d(block)
        is_row = block.ndim == 1 if number == 0 else table.shape[0] == 1
        rows.append(table if rowvar or is_row else table.T)
    return np.concatenate(rows, axis=0).astype(dtype)


def _importance(frequencies: Any, reliabilities: Any, count: int) -> Any:
    """The weight of each observation: how often it was seen, times how reliable it is; None if all are equal."""
    given = [as_array(w).astype(np.float64) for w in (frequencies, reliabilities) if w is not None]
    for weights in given:
        if weights.shape != (count,):
            raise RuntimeError(f"{count} observations need weights of shape ({count},), not {weights.shape}")
        if is_known(np.any(weights < 0)):
            raise ValueError("weights of observations cannot be negative")
    if frequencies is not None and is_known(np.any(given[0] != np.round(given[0]))):
        raise TypeError("fweights must be integer")
    return functools.reduce(np.multiply, given) if given else None


@composite(
    np.cov,
    examples=[
        call(operand(5)),
        call(operand(3, 5)),
        call(operand(5, 3), rowvar=False, bias=True),
        call(operand(2, 5), operand(5), ddof=0),
        call(np.arange(5), operand(5)),
        call(operand(2, 4), fweights=[1, 2, 0, 3]),
        call(operand(2, 4), aweights=np.array([0.5, 1.0, 0.2, 2.0]), fweights=np.array([1, 2, 1, 3])),
        call(operand(2, 4), aweights=[0.5, 1.0, 0.2, 2.0], ddof=0),
    ],
)
def _cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    blocks = [as_array(block) for block in (m, y) if block is not None]
    x = _variables(blocks, rowvar, dtype or np.result_type(np.float64, *(block.dtype for block in blocks)))
    if ddof is None:
        ddof = 0 if bias else 1
    weights = _importance(fweights, aweights, x.shape[1])
    if weights is None:
        mean, total = np.mean(x, axis=1), x.shape[1]
    else:
        mean, totals = np.average(x, axis=1, weights=weights, returned=True)
        total = totals[0]
    deviation = x - mean[:, None]
    lost = ddof if aweights is None or ddof == 0 else ddof * np.sum(weights * as_array(aweights)) / total
    freedom = np.where(total > lost, total - lost, 0)
    weighted = (deviation if weights is None else deviation * weights).T
    products = np.dot(deviation, np.conj(weighted) if weighted.dtype.kind == "c" else weighted)
    return np.squeeze((products * np.true_divide(1, freedom)).astype(products.dtype))


@composite(
    np.corrcoef,
    examples=[
        call(operand(2, 5)),
        call(operand(5)),
        call(operand(5), operand(5)),
        call(operand(5, 3), rowvar=False),
    ],
)
def _corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    covariance = np.cov(x, y, rowvar, dtype=dtype)
    if covariance.ndim == 0:
        return covariance / covariance
    deviation = np.sqrt(np.real(np.diagonal(covariance)))
    correlation = covariance / deviation[:, None] / deviation[None, :]
    if correlation.dtype.kind != "c":
        return np.clip(correlation, -1, 1)
    return np.clip(np.real(correlation), -1, 1) + 1j * np.clip(np.imag(correlation), -1, 1)
