"""Norms of vectors and of matrices. At zero, where a norm has a kink, its subgradient is 0 (``docs/kinks.md``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from twopass.core.operators import as_array
from twopass.core.rule import detach
from twopass.rules.gauge import without_slope
from twopass.rules.kinds import NONZERO, call, composite, operand

_FROBENIUS = (None, "fro", "f")


def _rooted(total: Any, root: Any) -> Any:
    """``root(total)``, with slope 0 where that is 0."""
    zero = total == 0
    return np.where(zero, 0, root(np.where(zero, 1, total)))[()]


def _euclidean(x: Any, axis: Any, keepdims: Any) -> Any:
    squares = np.real(x) ** 2 + np.imag(x) ** 2 if x.dtype.kind == "c" else x * x
    return _rooted(np.sum(squares, axis=axis, keepdims=keepdims), np.sqrt)


def _of_order(size: Any, order: Any, axis: Any, keepdims: Any) -> Any:
    """``sum(size ** p) ** (1 / p)``.

    An element that is 0 is at the bottom of a kink or a cusp if p < 1, and makes the whole norm 0 if p < 0.
    """
    power = np.asarray(order, dtype=size.dtype)[()]
    zero = (size == 0) & (power < 1)
    terms = np.where(zero, 0, np.where(zero, 1, size) ** power) if np.any(power < 1) else size**power
    norm = _rooted(np.sum(terms, axis=axis, keepdims=keepdims), lambda total: total ** (1 / power))
    return (
        np.where(np.any(zero & (power < 0), axis=axis, keepdims=keepdims), 0, norm)[()] if np.any(power < 0) else norm
    )


def _norm_of_vectors(x: Any, order: Any, axis: Any, keepdims: Any) -> Any:
    if order is None or order == 2:
        return _euclidean(x, axis, keepdims)
    if isinstance(order, str):
        raise ValueError(f"Invalid norm order '{order}' for vectors")
    if order == 0:
        return np.sum((x != 0).astype(np.real(x).dtype), axis=axis, keepdims=keepdims)
    size = np.abs(x)
    if order == np.inf:
        return np.max(size, axis=axis, keepdims=keepdims, initial=0)
    if order == -np.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if order == 1:
        return np.sum(size, axis=axis, keepdims=keepdims)
    return _of_order(size, order, axis, keepdims)


def _is_zero(s: Any) -> Any:
    """Which singular values are nothing but rounding."""
    s = detach(s)
    return s <= max(s.shape[-1], 4) * np.finfo(s.dtype).eps * np.max(s, axis=-1, keepdims=True, initial=0)


def _positive_values(x: Any) -> Any:
    """Singular values, of which those that are 0 have slope 0: the middle between those of both signs."""
    s = np.linalg.svdvals(x)
    return np.where(_is_zero(s), detach(s), s)


def _norm_of_matrices(x: Any, order: Any) -> Any:
    """Norms of the matrices in the last two axes."""
    if order in _FROBENIUS:
        return _euclidean(x, (-2, -1), False)
    if order == 2:
        return np.max(_positive_values(x), axis=-1, initial=0)
    if order == -2:
        return np.min(_positive_values(x), axis=-1)
    if order == "nuc":
        return np.sum(_positive_values(x), axis=-1)
    if order not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    sums = np.sum(np.abs(x), axis=-2 if abs(order) == 1 else -1)
    return np.max(sums, axis=-1, initial=0) if order > 0 else np.min(sums, axis=-1)


@composite(
    np.linalg.norm,
    examples=[
        *[call(operand(4)), call(operand(3, 4)), call(operand(2, 3, 2)), call(operand(3, 4), keepdims=True)],
        *[call(operand(4), order) for order in (1, 2, 3, -1, -2, 2.5, np.inf, -np.inf)],
        *[call(operand(4, domain=NONZERO), order) for order in (0.5, -3)],
        *[call(operand(3, 4), order) for order in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)],
        *[call(operand(3, 4), axis=0), call(operand(3, 4), 3, -1, True), call(operand(2, 3, 4), None, (0, 2))],
        *[call(operand(2, 3, 4), order, axis=(2, 0), keepdims=True) for order in (1, np.inf, "nuc")],
        *[call(operand(1), keepdims=True), call(x=operand(2, 3), ord=2, axis=(-1,))],
    ],
)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    x = as_array(x)
    if axis is None and ord is None:
        return _euclidean(x, None, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (int(axis),)
    if len(axes) == 1:
        return _norm_of_vectors(x, ord, axes, keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    row, column = (normalize_axis_index(i, x.ndim) for i in axes)
    if row == column:
        raise ValueError("Duplicate axes given.")
    norms = _norm_of_matrices(np.moveaxis(x, (row, column), (-2, -1)), ord)
    return np.expand_dims(norms, (row, column)) if keepdims else norms


@composite(
    np.linalg.matrix_norm,
    examples=[call(operand(3, 4)), call(operand(2, 3, 4), ord=1, keepdims=True), call(operand(2, 3), ord="nuc")],
)
def _matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    return _norm(x, ord, (-2, -1), keepdims)


@composite(
    np.linalg.vector_norm,
    examples=[
        *[call(operand(4)), call(operand(3, 4)), call(operand(2, 3, 4), axis=(0, 2), ord=3, keepdims=True)],
        *[call(operand(3, 4), axis=-1, ord=1), call(operand(2, 3, 4), keepdims=True), call(operand(3, 4), ord=np.inf)],
    ],
)
def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    x = as_array(x)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    rest = [i for i in range(x.ndim) if i not in axes]
    lengths = (math.prod(x.shape[i] for i in axes), *(x.shape[i] for i in rest))
    norms = _norm_of_vectors(np.reshape(np.transpose(x, (*axes, *rest)), lengths), ord, 0, False)
    return np.reshape(norms, [1 if i in axes else n for i, n in enumerate(x.shape)]) if keepdims else norms


# --- condition numbers ----------------------------------------------------------------------------------------------


@composite(
    np.linalg.cond,
    self_calling=True,
    examples=[
        *[call(operand(2, 2)), call(operand(2, 2, 2), p=-2), call(operand(3, 2), 2)],
        *[call(operand(2, 2), p) for p in ("fro", "nuc", 1, -1, np.inf, -np.inf)],
    ],
)
def _cond(x: Any, p: Any = None) -> Any:
    x = as_array(x)
    if 0 in x.shape[-2:]:
        raise np.linalg.LinAlgError("cond is not defined on empty arrays")
    with np.errstate(all="ignore"):
        if p is None or p in (2, -2):
            s = np.linalg.svdvals(x)
            largest, smallest = s[..., 0], s[..., -1]
            ratio = smallest / largest if p == -2 else largest / smallest
            ratio = np.where(np.isnan(ratio) & ~np.any(np.isnan(x), axis=(-2, -1)), np.inf, ratio)
            return np.where(_is_zero(s)[..., -1], detach(ratio) + without_slope(x), ratio)[()]
        singular = np.isinf(np.linalg.cond(detach(x), p))
        regular = np.where(singular[..., None, None], np.eye(x.shape[-1], dtype=x.dtype), x)
        product = _norm(regular, p, (-2, -1)) * _norm(np.linalg.inv(regular), p, (-2, -1))
        return np.where(singular, np.inf + without_slope(x), product)[()]
