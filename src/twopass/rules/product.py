"""Products of vectors and tensors. Matrix products and Einstein sums have chapters of their own."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from twopass.core.operators import as_array
from twopass.rules.kinds import bilinear, call, composite, operand
from twopass.rules.matmul import conjugated, matmul_first, matmul_second, padded

# --- products of vectors -------------------------------------------------------------------------------------------


@composite(
    np.vdot,
    examples=[call(operand(4), operand(4)), call(operand(2, 3), operand(3, 2)), call(operand(), operand())],
)
def _vdot(a: Any, b: Any, /) -> Any:
    return np.dot(conjugated(np.ravel(as_array(a))), np.ravel(as_array(b)))


@composite(
    np.outer,
    examples=[call(operand(3), operand(2)), call(operand(2, 2), 2.0), call(a=[1, 2], b=operand(2, 1))],
)
def _outer(a: Any, b: Any, out: Any = None) -> Any:
    return np.multiply(np.ravel(as_array(a))[:, None], np.ravel(as_array(b))[None, :])


@composite(np.linalg.outer, examples=[call(operand(3), operand(2))])
def _linalg_outer(a: Any, b: Any, /) -> Any:
    if np.ndim(a) != 1 or np.ndim(b) != 1:
        raise ValueError(f"np.linalg.outer takes two vectors, not arrays of {np.ndim(a)} and {np.ndim(b)} dimensions")
    return np.outer(a, b)


def _components(vectors: Any, axis: int) -> list[Any]:
    """The components of vectors along an axis; a vector in the plane has the third component 0."""
    vectors = np.moveaxis(vectors, axis, -1)
    return [vectors[..., i] for i in range(vectors.shape[-1])] + [0] * (3 - vectors.shape[-1])


@composite(
    np.cross,
    examples=[
        call(operand(3), operand(3)),
        call(operand(2, 3), operand(3)),
        call(operand(3, 2), operand(4, 1, 3), 0, axisb=-1, axisc=0),
        call(operand(3, 2), operand(3, 2), axis=0),
        call([1.0, 2.0, 3.0], operand(2, 3)),
    ],
)
def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    a, b = as_array(a), as_array(b)
    if axis is not None:
        axisa = axisb = axisc = axis
    planar = a.shape[axisa] == b.shape[axisb] == 2
    np.cross(np.ones(a.shape[axisa]), np.ones(b.shape[axisb]))  # NumPy says which dimensions it allows
    (a0, a1, a2), (b0, b1, b2) = _components(a, axisa), _components(b, axisb)
    if planar:
        return a0 * b1 - a1 * b0
    return np.stack(np.broadcast_arrays(a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0), axis=axisc)


@composite(np.linalg.cross, examples=[call(operand(2, 3), operand(3)), call(operand(3, 2), operand(3, 2), axis=0)])
def _linalg_cross(a: Any, b: Any, /, *, axis: int = -1) -> Any:
    a, b = as_array(a), as_array(b)
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ValueError(f"np.linalg.cross takes vectors of length 3, not {a.shape[axis]} and {b.shape[axis]}")
    return np.cross(a, b, axis=axis)


# --- products of tensors --------------------------------------------------------------------------------------------


def _dot_first(ct: Any, a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return ct * b
    if b.ndim <= 2:
        return matmul_first(ct, a, b)
    # dot(a, b)[i, ..., j, ..., n] = sum_k a[i, ..., k] b[j, ..., k, n]
    return np.tensordot(ct, b, (range(a.ndim - 1, ct.ndim), [*range(b.ndim - 2), b.ndim - 1]))


def _dot_second(ct: Any, a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return ct * a
    if b.ndim <= 2:
        return matmul_second(ct, a, b)
    return np.moveaxis(np.tensordot(a, ct, (range(a.ndim - 1), range(a.ndim - 1))), 0, -2)


def _dot_signature(a: Any, b: Any, out: Any = None) -> None: ...


bilinear(
    np.dot,
    _dot_first,
    _dot_second,
    signature=_dot_signature,
    examples=[
        call(operand(4), operand(4)),
        call(operand(3, 4), operand(4)),
        call(operand(4), operand(4, 2)),
        call(a=operand(3, 4), b=operand(4, 2)),
        call(operand(), operand(3, 2)),
        call(operand(2, 3), 2.0),
        call(operand(), operand()),
        call(operand(2, 3, 4), operand(4)),
        call(operand(2, 3, 4), operand(4, 2)),
        call(operand(4), operand(2, 4, 3)),
        call(operand(2, 3, 4), operand(3, 2, 4, 2)),
    ],
)


@composite(
    np.inner,
    examples=[
        call(operand(4), operand(4)),
        call(operand(3, 4), operand(4)),
        call(operand(2, 4), operand(3, 2, 4)),
        call(operand(2, 3), operand()),
        call(operand(), operand(2, 3)),
        call([1, 2], operand(2)),
    ],
)
def _inner(a: Any, b: Any, /) -> Any:
    a, b = as_array(a), as_array(b)
    return np.dot(a, np.swapaxes(b, -1, -2) if a.ndim > 0 and b.ndim > 1 else b)


def _pairs(axes: Any, first: int, second: int) -> tuple[list[int], list[int]]:
    """The contracted axes of two tensors with the given numbers of axes."""
    if np.ndim(axes) == 0:
        count = operator.index(axes)
        return list(range(first - count, first)), list(range(count))
    left, right = axes
    return list(normalize_axis_tuple(left, first)), list(normalize_axis_tuple(right, second))


@composite(
    np.tensordot,
    examples=[
        call(operand(2, 3, 4), operand(3, 4, 2)),
        call(operand(2, 3), operand(3, 4), 1),
        call(operand(2), operand(3), axes=0),
        call(operand(2, 3, 4), operand(4, 2), axes=([0, -1], [1, 0])),
        call(operand(2, 3, 4), operand(5, 3), axes=(1, 1)),
        call(np.arange(6).reshape(2, 3), operand(3, 2), axes=[(0, 1), (1, 0)]),
    ],
)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    a, b = as_array(a), as_array(b)
    left, right = _pairs(axes, a.ndim, b.ndim)
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ValueError(f"axes {left} of shape {a.shape} do not match axes {right} of shape {b.shape}")
    free_a = [i for i in range(a.ndim) if i not in left]
    free_b = [i for i in range(b.ndim) if i not in right]
    shape = [a.shape[i] for i in free_a], [b.shape[i] for i in free_b]
    inner = math.prod(a.shape[i] for i in left)
    rows = np.reshape(np.transpose(a, free_a + left), (math.prod(shape[0]), inner))
    columns = np.reshape(np.transpose(b, right + free_b), (inner, math.prod(shape[1])))
    return np.reshape(np.dot(rows, columns), shape[0] + shape[1])


@composite(
    np.linalg.tensordot, examples=[call(operand(2, 3), operand(3, 4), axes=1), call(operand(2, 3), operand(2, 3))]
)
def _linalg_tensordot(a: Any, b: Any, /, *, axes: Any = 2) -> Any:
    return np.tensordot(a, b, axes)


@composite(
    np.kron,
    examples=[
        call(operand(3), operand(2)),
        call(operand(2, 3), operand(3, 2)),
        call(operand(2), operand(2, 1, 3)),
        call(2.0, operand(2)),
        call([[1, 0], [0, 1]], operand(2, 2)),
    ],
)
def _kron(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    pairs = list(zip(padded(a, ndim).shape, padded(b, ndim).shape, strict=True))
    blocks = np.reshape(a, [k for n, _ in pairs for k in (n, 1)]) * np.reshape(b, [k for _, n in pairs for k in (1, n)])
    return np.reshape(blocks, [n * m for n, m in pairs])


@composite(
    np.trace,
    examples=[
        call(operand(3, 3)),
        call(operand(3, 4), 1),
        call(operand(4, 3), offset=-1),
        call(operand(2, 3, 4), 0, -1, 0),
    ],
)
def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@composite(np.linalg.trace, examples=[call(operand(2, 3, 4), offset=1)])
def _linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    return np.trace(x, offset, -2, -1, dtype)


@composite(np.linalg.diagonal, examples=[call(operand(2, 3, 4)), call(operand(3, 4), offset=-1)])
def _linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(x, offset, -2, -1)


@composite(np.linalg.matrix_transpose, examples=[call(operand(3, 4)), call(operand(2, 3, 4))])
def _linalg_matrix_transpose(x: Any, /) -> Any:
    if x.ndim < 2:
        raise ValueError(f"a matrix has at least 2 dimensions, not {x.ndim}")
    return np.swapaxes(x, -1, -2)
