"""Products of vectors, matrices and tensors; convolutions. Einstein sums have a chapter of their own."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import Spec, bilinear, call, composite, operand

# --- the matrix product ---------------------------------------------------------------------------------------------


def _contract(left: Any, right: Any, batch: tuple[int, ...]) -> Any:
    """``left @ right``, summed over the axes along which an operand with the batch axes `batch` was stretched.

    Such an axis joins the contracted one, and rows that meet the same matrix join too: the gradient of a weight that
    all examples share is one product of large matrices, not a sum of many small ones.
    """
    if left.ndim == right.ndim == 2:
        return np.matmul(left, right)
    full = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    batch = (1,) * (len(full) - len(batch)) + batch
    summed = [i for i, n in enumerate(full) if batch[i] != n]
    if summed:
        ends = range(-2 - len(summed), 0)
        left = np.moveaxis(_padded(left, len(full) + 2), [-2, *summed, -1], ends)
        right = np.moveaxis(_padded(right, len(full) + 2), [*summed, -2, -1], ends)
        inner = math.prod(left.shape[-1 - len(summed) :])
        left = np.reshape(left, (*left.shape[: -1 - len(summed)], inner))
        right = np.reshape(right, (*right.shape[: -2 - len(summed)], inner, right.shape[-1]))
    if right.ndim == 2 < left.ndim:
        rows = np.reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
        return np.reshape(np.matmul(rows, right), (*left.shape[:-1], right.shape[-1]))
    return np.matmul(left, right)


def _padded(a: Any, ndim: int) -> Any:
    """`a` with axes of length 1 in front."""
    return a[(None,) * (ndim - a.ndim)]


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    return value if value.shape == shape else np.reshape(value, shape)


def _matmul_first(ct: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        ct, b = ct[..., None], b[:, None]
    if a.ndim == 1:
        ct = ct[..., None, :]
    return _shaped(_contract(ct, np.swapaxes(b, -1, -2), a.shape[:-2]), a.shape)


def _matmul_second(ct: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        ct = ct[..., None]
    if a.ndim == 1:
        ct, a = ct[..., None, :], a[None, :]
    return _shaped(_contract(np.swapaxes(a, -1, -2), ct, b.shape[:-2]), b.shape)


def _last(x: Any, axes: Any) -> Any:
    """`x` with its core axes, an integer or several, at the end."""
    axes = axes if isinstance(axes, tuple) else (axes,)
    if type(x) is Spec:
        return Spec(_last(np.broadcast_to(0, x.shape), axes).shape, x.dtype)
    return np.moveaxis(x, axes, range(-len(axes), 0))


def _from_last(x: Any, axes: Any) -> Any:
    """The inverse of `_last`."""
    axes = axes if isinstance(axes, tuple) else (axes,)
    return np.moveaxis(x, range(-len(axes), 0), axes)


def _anywhere(transpose: Any, slot: int) -> Any:
    """The transpose of a product whose core axes may be elsewhere than last, at ``axes=``."""

    def general(ct: Any, a: Any, b: Any, *, axes: Any = None, **_keywords: Any) -> Any:
        if axes is None:
            return transpose(ct, a, b)
        first, second, result = axes
        return _from_last(transpose(_last(ct, result), _last(a, first), _last(b, second)), axes[slot])

    return general


bilinear(
    np.matmul,
    _anywhere(_matmul_first, 0),
    _anywhere(_matmul_second, 1),
    examples=[
        call(operand(3, 4), operand(4, 2)),
        call(operand(4), operand(4)),
        call(operand(4), operand(4, 2)),
        call(operand(3, 4), operand(4)),
        call(operand(2, 3, 4), operand(4)),
        call(operand(4), operand(2, 4, 3)),
        call(operand(2, 3, 4), operand(4, 5)),
        call(operand(3, 4), operand(2, 4, 5)),
        call(operand(2, 1, 3, 4), operand(5, 4, 2)),
        call(operand(2, 1, 3, 4), operand(2, 5, 4, 2)),
        call(operand(1, 3, 4), operand(1, 4, 2)),
        call(operand(2, 3), np.arange(6).reshape(3, 2)),
        call(operand(2, 4, 3), operand(2, 3, 4), axes=[(0, 2), (1, 0), (-1, 0)]),
        call(operand(3, 2), operand(3), axes=[(1, 0), 0, 0]),
    ],
)


def _alias(function: Any, target: Any, *examples: Any) -> None:
    """Register a second name of a NumPy function."""

    @composite(function, examples=examples)
    def _(*args: Any, **kwargs: Any) -> Any:
        return target(*args, **kwargs)


_alias(np.linalg.matmul, np.matmul, call(operand(3, 4), operand(4, 2)))

# --- products of vectors, and of vectors with matrices ---------------------------------------------------------------


def _conjugate(x: Any) -> Any:
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _vecdot_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(_conjugate(a)[..., None, :], b[..., :, None], **keywords)[..., 0, 0]


def _matvec_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(a, b[..., :, None], **keywords)[..., 0]


def _vecmat_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(_conjugate(a)[..., None, :], b, **keywords)[..., 0, :]


def _product(function: Any, core: Any, *examples: Any) -> None:
    """Register a product of vectors or matrices in the last axes of arrays, or in those that ``axes=`` names."""

    @composite(function, examples=examples)
    def _(a: Any, b: Any, /, *, axes: Any = None, **keywords: Any) -> Any:
        a, b = as_array(a), as_array(b)
        if axes is None:
            return core(a, b, **keywords)
        first, second, result = axes
        return _from_last(core(_last(a, first), _last(b, second), **keywords), result)


@composite(
    np.vecdot,
    examples=[
        call(operand(4), operand(4)),
        call(operand(3, 4), operand(4)),
        call(operand(2, 1, 4), operand(3, 4)),
        call(operand(4, 3), operand(4, 1), axis=0),
        call(operand(4, 3), operand(4, 3), axis=0, keepdims=True),
        call(operand(4, 3), operand(3, 4), axes=[0, 1, ()]),
        call([1, 2, 3], operand(3)),
    ],
)
def _vecdot(a: Any, b: Any, /, *, axes: Any = None, axis: Any = -1, keepdims: bool = False, **keywords: Any) -> Any:
    first, second, result = axes or (axis, axis, axis)
    product = _vecdot_core(_last(as_array(a), first), _last(as_array(b), second), **keywords)
    return np.expand_dims(product, result) if keepdims else product


@composite(np.linalg.vecdot, examples=[call(operand(3, 4), operand(4)), call(operand(4, 3), operand(4, 3), axis=0)])
def _linalg_vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Any:
    return np.vecdot(a, b, axis=axis)


if hasattr(np, "matvec"):  # since NumPy 2.2
    _product(
        np.matvec,
        _matvec_core,
        call(operand(3, 4), operand(4)),
        call(operand(2, 3, 4), operand(5, 1, 4)),
        call(operand(4, 3, 2), operand(4, 2), axes=[(1, 0), 0, 1]),
    )
    _product(
        np.vecmat,
        _vecmat_core,
        call(operand(3), operand(3, 4)),
        call(operand(5, 1, 3), operand(2, 3, 4)),
        call(operand(2, 3), operand(4, 3, 2), axes=[1, (1, 0), 0]),
    )


@composite(
    np.vdot,
    examples=[call(operand(4), operand(4)), call(operand(2, 3), operand(3, 2)), call(operand(), operand())],
)
def _vdot(a: Any, b: Any, /) -> Any:
    return np.dot(_conjugate(np.ravel(as_array(a))), np.ravel(as_array(b)))


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
        return _matmul_first(ct, a, b)
    # dot(a, b)[i, ..., j, ..., n] = sum_k a[i, ..., k] b[j, ..., k, n]
    return np.tensordot(ct, b, (range(a.ndim - 1, ct.ndim), [*range(b.ndim - 2), b.ndim - 1]))


def _dot_second(ct: Any, a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return ct * a
    if b.ndim <= 2:
        return _matmul_second(ct, a, b)
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
        call([1, 2], operand(2)),
    ],
)
def _inner(a: Any, b: Any, /) -> Any:
    b = as_array(b)
    return np.dot(as_array(a), np.swapaxes(b, -1, -2) if b.ndim > 1 else b)


def _pairs(axes: Any, first: int, second: int) -> tuple[list[int], list[int]]:
    """The contracted axes of two tensors with the given numbers of axes."""
    if np.ndim(axes) == 0:
        count = operator.index(axes)
        return list(range(first - count, first)), list(range(count))
    left, right = ([x] if np.ndim(x) == 0 else list(x) for x in axes)
    return [i % first for i in left], [i % second for i in right]


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


_alias(
    np.linalg.tensordot, np.tensordot, call(operand(2, 3), operand(3, 4), axes=1), call(operand(2, 3), operand(2, 3))
)


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
    pairs = list(zip(_padded(a, ndim).shape, _padded(b, ndim).shape, strict=True))
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


# --- products of several matrices -----------------------------------------------------------------------------------


def _best_order(shape: tuple[int, ...]) -> Any:
    """Where to split a chain of matrices, so that its product takes the fewest multiplications.

    The matrices have the shapes ``(shape[i], shape[i + 1])``. Dynamic programming over the subchains (T. Cormen et
    al., Introduction to Algorithms, section 15.2); the first of equally good splits is taken, as NumPy does.
    """

    @functools.cache
    def best(first: int, stop: int) -> tuple[int, int]:
        """Multiplications for the matrices from `first` to before `stop`, and the place of the last one."""
        if stop - first == 1:
            return 0, first
        return min(
            (best(first, k)[0] + best(k, stop)[0] + shape[first] * shape[k] * shape[stop], k)
            for k in range(first + 1, stop)
        )

    return lambda first, stop: best(first, stop)[1]


@composite(
    np.linalg.multi_dot,
    examples=[
        call([operand(2, 3), operand(3, 2)]),
        call([operand(2, 3), operand(3, 4), operand(4, 2)]),
        call([operand(3), operand(3, 4), operand(4, 2)]),
        call([operand(3), operand(3, 2), np.ones((2, 4)), operand(4)]),
        call((operand(2, 5), operand(5, 1), operand(1, 4), operand(4, 3), operand(3))),
    ],
)
def _multi_dot(arrays: Any, *, out: Any = None) -> Any:
    chain = [as_array(a) for a in arrays]
    if len(chain) < 2:
        raise ValueError("a product needs at least two arrays")
    if len(chain) == 2:
        return np.dot(*chain)
    shape = chain[0].shape[:-1] + chain[-1].shape[1:]
    chain[0], chain[-1] = np.atleast_2d(chain[0]), chain[-1] if chain[-1].ndim > 1 else chain[-1][:, None]
    if any(a.ndim != 2 for a in chain):
        raise np.linalg.LinAlgError("all arrays but the first and the last must be matrices")
    split = _best_order((*(a.shape[0] for a in chain), chain[-1].shape[1]))

    def product(first: int, stop: int) -> Any:
        if stop - first == 1:
            return chain[first]
        middle = split(first, stop)
        return np.dot(product(first, middle), product(middle, stop))

    return np.reshape(product(0, len(chain)), shape)[()]


@composite(
    np.linalg.matrix_power,
    examples=[call(operand(3, 3), n) for n in (1, 2, 3, 6)] + [call(operand(2, 3, 3), 5), call(operand(2, 2), 0)],
)
def _matrix_power(a: Any, n: Any) -> Any:
    n = operator.index(n)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError(f"the power of a matrix needs square matrices, not shape {a.shape}")
    if n == 0:
        return np.zeros_like(a) + np.eye(a.shape[-1], dtype=a.dtype)
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 3:
        return a @ a @ a  # NumPy's order
    square, power = a, None
    while True:
        n, bit = divmod(n, 2)
        if bit:
            power = square if power is None else power @ square
        if n == 0:
            return power
        square = square @ square


# --- convolutions ---------------------------------------------------------------------------------------------------


def _convolve_transpose(ct: Any, size: int, other: Any, mode: str) -> Any:
    """Cotangent of an operand with `size` elements, from that of its convolution with another.

    The full convolution is transposed by correlating with the other operand; the modes "same" and "valid" are slices
    of it. For "valid", that would compute mostly zeros.
    """
    if mode[0] == "v" and size >= other.size:
        return np.convolve(ct, np.flip(other), "full")
    if mode[0] == "v":
        return np.flip(np.convolve(other, np.flip(ct), "valid"))
    start = 0 if mode[0] == "f" else (min(size, other.size) - 1) // 2
    stop = size + other.size - 1 - start - ct.size
    return np.convolve(np.pad(ct, (start, stop)), np.flip(other), "valid")


def _convolve_first(ct: Any, a: Any, v: Any, mode: str = "full") -> Any:
    return np.reshape(_convolve_transpose(ct, a.size, np.ravel(v), mode), a.shape)


def _convolve_second(ct: Any, a: Any, v: Any, mode: str = "full") -> Any:
    return np.reshape(_convolve_transpose(ct, v.size, np.ravel(a), mode), v.shape)


def _convolve_signature(a: Any, v: Any, mode: str = "full") -> None: ...


_CONVOLUTIONS = [
    call(operand(n), operand(m), mode)
    for mode in ("full", "same", "valid")
    for n, m in ((6, 3), (5, 2), (3, 6), (2, 5), (4, 4), (1, 3))
]
bilinear(
    np.convolve,
    _convolve_first,
    _convolve_second,
    signature=_convolve_signature,
    examples=[*_CONVOLUTIONS, call(a=[1.0, 2.0], v=operand(3), mode="same"), call(operand(4), operand())],
)


@composite(np.correlate, examples=[*_CONVOLUTIONS, call(operand(5), v=[1, 2, 3]), call(operand(4), operand(2))])
def _correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    a, v = as_array(a), _conjugate(as_array(v))
    if a.size >= v.size:
        return np.convolve(a, np.flip(v), mode)
    return np.flip(np.convolve(v, np.flip(a), mode))
