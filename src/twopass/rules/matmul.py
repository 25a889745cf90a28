"""Products of matrices, of vectors with matrices, and of several matrices."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import Spec
from twopass.rules.kinds import bilinear, call, composite, operand

__all__ = ["conjugated", "matmul_first", "matmul_second", "padded"]

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
        left = np.moveaxis(padded(left, len(full) + 2), [-2, *summed, -1], ends)
        right = np.moveaxis(padded(right, len(full) + 2), [*summed, -2, -1], ends)
        inner = math.prod(left.shape[-1 - len(summed) :])
        left = np.reshape(left, (*left.shape[: -1 - len(summed)], inner))
        right = np.reshape(right, (*right.shape[: -2 - len(summed)], inner, right.shape[-1]))
    if right.ndim == 2 < left.ndim:
        rows = np.reshape(left, (math.prod(left.shape[:-1]), left.shape[-1]))
        return np.reshape(np.matmul(rows, right), (*left.shape[:-1], right.shape[-1]))
    return np.matmul(left, right)


def padded(a: Any, ndim: int) -> Any:
    """`a` with axes of length 1 in front."""
    return a[(None,) * (ndim - a.ndim)]


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    return value if value.shape == shape else np.reshape(value, shape)


def matmul_first(ct: Any, a: Any, b: Any) -> Any:
    """Cotangent of `a` in ``a @ b``: ``ct @ b.T``."""
    if len(a.shape) == b.ndim == 2:
        return np.matmul(ct, b.mT)  # as below; most products are this one
    if b.ndim == 1:
        ct, b = ct[..., None], b[:, None]
    if a.ndim == 1:
        ct = ct[..., None, :]
    return _shaped(_contract(ct, b.mT, a.shape[:-2]), a.shape)


def matmul_second(ct: Any, a: Any, b: Any) -> Any:
    """Cotangent of `b` in ``a @ b``: ``a.T @ ct``."""
    if a.ndim == len(b.shape) == 2:
        return np.matmul(a.mT, ct)
    if b.ndim == 1:
        ct = ct[..., None]
    if a.ndim == 1:
        ct, a = ct[..., None, :], a[None, :]
    return _shaped(_contract(a.mT, ct, b.shape[:-2]), b.shape)


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
    _anywhere(matmul_first, 0),
    _anywhere(matmul_second, 1),
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


@composite(np.linalg.matmul, examples=[call(operand(3, 4), operand(4, 2)), call([1.0, 2.0], operand(2, 3))])
def _linalg_matmul(a: Any, b: Any, /) -> Any:
    return np.matmul(a, b)


# --- products of vectors, and of vectors with matrices ---------------------------------------------------------------


def conjugated(x: Any) -> Any:
    """The complex conjugate; a real array unchanged."""
    return np.conjugate(x) if x.dtype.kind == "c" else x


def _vecdot_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(conjugated(a)[..., None, :], b[..., :, None], **keywords)[..., 0, 0][()]


def _matvec_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(a, b[..., :, None], **keywords)[..., 0]


def _vecmat_core(a: Any, b: Any, **keywords: Any) -> Any:
    return np.matmul(conjugated(a)[..., None, :], b, **keywords)[..., 0, :]


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
def _vecdot(a: Any, b: Any, /, *, axes: Any = None, axis: Any = -1, keepdims: Any = False, **keywords: Any) -> Any:
    first, second, result = axes or (axis, axis, axis)
    product = _vecdot_core(_last(as_array(a), first), _last(as_array(b), second), **keywords)
    return np.expand_dims(product, result) if keepdims else product


@composite(np.linalg.vecdot, examples=[call(operand(3, 4), operand(4)), call(operand(4, 3), operand(4, 3), axis=0)])
def _linalg_vecdot(a: Any, b: Any, /, *, axis: int = -1) -> Any:
    return _vecdot(a, b, axis=axis)


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
