"""Linear equations: solutions, inverses and determinants of square matrices, one by one or in stacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach, invoke, is_traced
from twopass.rules.gauge import lost_where
from twopass.rules.kinds import NONZERO, call, composite, custom, operand, unsupported
from twopass.rules.matmul import matmul_first
from twopass.rules.operands import is_moving

__all__ = ["cofactors", "log_determinant", "solve"]

# --- solutions and inverses -----------------------------------------------------------------------------------------


def solve(a: Any, b: Any) -> Any:
    """Solution x of ``a @ x = b``, where `b` has columns."""
    return np.linalg.solve(a, b)


def _solve_push(slot: int, tangent: Any, y: Any, a: Any, b: Any) -> Any:
    return invoke(solve, a, tangent) if slot == 1 else -invoke(solve, a, np.matmul(tangent, y))


def _solve_pull(slot: int, ct: Any, y: Any, a: Any, b: Any) -> Any:
    ct = invoke(solve, a.mT, ct)
    return ct if slot == 1 else -matmul_first(ct, a, y)


custom(
    solve,
    push=_solve_push,
    pull=_solve_pull,
    examples=[call(operand(3, 3), operand(3, 2)), call(operand(2, 1, 2, 2), operand(3, 2, 1))],
)


@composite(
    np.linalg.solve,
    examples=[
        call(operand(3, 3), operand(3)),
        call(operand(3, 3), operand(3, 2)),
        call(operand(2, 3, 3), operand(3)),
        call(operand(3, 3), operand(2, 3, 1)),
        call(operand(2, 2), [[1, 2], [3, 5]]),
        call([[1.0, 2.0], [4.0, 3.0]], b=operand(2)),
    ],
)
def _solve(a: Any, b: Any) -> Any:
    a, b = as_array(a), as_array(b)
    return invoke(solve, a, b[:, None])[..., 0] if b.ndim == 1 else invoke(solve, a, b)


custom(
    np.linalg.inv,
    push=lambda slot, tangent, y, a: -np.matmul(np.matmul(y, tangent), y),
    pull=lambda slot, ct, y, a: -np.matmul(np.matmul(y.mT, ct), y.mT),
    examples=[call(operand(3, 3)), call(operand(2, 2, 2)), call(operand(1, 1, domain=NONZERO)), call(a=operand(2, 2))],
)


@composite(np.linalg.tensorinv, examples=[call(operand(2, 3, 6)), call(a=operand(4, 2, 2), ind=1)])
def _tensorinv(a: Any, ind: int = 2) -> Any:
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rows = math.prod(a.shape[ind:])
    return np.reshape(np.linalg.inv(np.reshape(a, (rows, -1))), (*a.shape[ind:], *a.shape[:ind]))


@composite(
    np.linalg.tensorsolve,
    examples=[
        call(operand(2, 3, 6), operand(2, 3)),
        call(operand(2, 6, 3), operand(2, 3), axes=(1,)),
        call([[2.0, 1.0], [1.0, 3.0]], operand(2)),
    ],
)
def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    a, b = as_array(a), as_array(b)
    order = list(range(a.ndim))
    for axis in () if axes is None else axes:
        order.remove(axis)
        order.append(axis)
    a = np.transpose(a, order)
    shape = a.shape[b.ndim - a.ndim :]
    if a.size != math.prod(shape) ** 2:
        raise np.linalg.LinAlgError(f"a tensor of shape {a.shape} is no square matrix of {shape}")
    return np.reshape(np.linalg.solve(np.reshape(a, (math.prod(shape),) * 2), np.ravel(b)), shape)


# --- determinants ---------------------------------------------------------------------------------------------------


def _factors(a: Any) -> tuple[Any, Any, Any, Any]:
    """The singular value decomposition of the cofactors' matrix, but for their values: ``(sign, u, s, vh)``."""
    u, s, vh = np.linalg.svd(a)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None], np.conjugate(u), s, np.conjugate(vh)


def _products_of_others(s: Any, *left_out: Any) -> Any:
    """The product of all singular values but one, or but two, with which the arrays `left_out` broadcast."""
    zeros = np.count_nonzero(s == 0, axis=-1)[(..., *(None,) * len(left_out))]
    product = np.prod(np.where(s == 0, 1, s), axis=-1)[(..., *(None,) * len(left_out))]
    for value in left_out:
        product = product / np.where(value == 0, 1, value)
        zeros = zeros - (value == 0)
    return np.where(zeros == 0, product, 0)


def cofactors(a: Any) -> Any:
    """The gradient of the determinant, ``det(a) * inv(a).T``, which is finite for singular matrices too."""
    if is_traced(a):
        return invoke(cofactors, a)
    sign, u, s, vh = _factors(a)
    return np.matmul(u * (sign * _products_of_others(s, s)[..., None, :]), vh)


def second_cofactors(a: Any, tangent: Any) -> Any:
    """The second derivative of the determinant times a tangent: a symmetric map, so its own transpose.

    At a diagonal matrix, two elements share a product of the remaining ones if they are in no common row and column.
    """
    if is_moving(a) or is_moving(tangent):
        return invoke(second_cofactors, a, tangent)
    sign, u, s, vh = _factors(a)
    pairs = np.where(np.eye(s.shape[-1], dtype=bool), 0, _products_of_others(s, s[..., :, None], s[..., None, :]))
    inner = np.matmul(np.matmul(u.mT, tangent), vh.mT)
    diagonal = np.matmul(pairs, np.diagonal(inner, axis1=-2, axis2=-1)[..., None])
    core = np.eye(s.shape[-1]) * diagonal - pairs * inner.mT
    return sign * np.matmul(np.matmul(u, core), vh)


def _third_derivative(a: Any, one: Any, other: Any) -> Any:
    """The third derivative of the determinant times two tangents, symmetric in both; NaN near a singular matrix.

    It is the derivative of ``det(a) * (trace(p @ t) * p - p @ t @ p)``, where p is the inverse, which loses digits as
    often as it is multiplied.
    """
    if a.shape[-1] < 3:
        return np.zeros_like(one)
    s = np.linalg.svd(detach(a), compute_uv=False)
    lost = (s[..., -1] <= np.cbrt(np.finfo(s.dtype).eps) * s[..., 0])[..., None, None]
    regular = np.where(lost, np.eye(a.shape[-1], dtype=a.dtype), a)
    p = np.linalg.inv(regular)
    x, y = p @ one, p @ other
    along, across = (np.trace(m, axis1=-2, axis2=-1)[..., None, None] for m in (x, y))
    mixed = np.trace(x @ y, axis1=-2, axis2=-1)[..., None, None]
    core = (along * across - mixed) * p - (across * x + along * y - x @ y - y @ x) @ p
    return lost_where(lost, np.linalg.det(regular)[..., None, None] * core.mT)


_SQUARES = [call(operand(3, 3)), call(operand(2, 2)), call(operand(1, 1)), call(operand(2, 1, 3, 3))]

custom(
    second_cofactors,
    push=lambda slot, tangent, y, a, t: second_cofactors(a, tangent) if slot else _third_derivative(a, t, tangent),
    pull=lambda slot, ct, y, a, t: second_cofactors(a, ct) if slot else _third_derivative(a, t, ct),
    holomorphic=False,
    examples=[call(operand(3, 3), operand(3, 3)), call(operand(2, 2), operand(2, 2))],
)
custom(
    cofactors,
    push=lambda slot, tangent, y, a: second_cofactors(a, tangent),
    pull=lambda slot, ct, y, a: second_cofactors(a, ct),
    holomorphic=False,
    examples=_SQUARES,
)
custom(
    np.linalg.det,
    push=lambda slot, tangent, y, a: np.sum(cofactors(a) * tangent, axis=(-2, -1)),
    pull=lambda slot, ct, y, a: ct[..., None, None] * cofactors(a),
    examples=[*_SQUARES, call(a=operand(4, 4))],
)


def log_determinant(a: Any) -> Any:
    """``np.linalg.slogdet(a)`` as a tuple: the sign, and the logarithm of the absolute value."""
    return tuple(np.linalg.slogdet(a))


def _slogdet_push(slot: int, tangent: Any, y: Any, a: Any) -> Any:
    sign, _ = y
    rate = np.trace(np.linalg.solve(a, tangent), axis1=-2, axis2=-1)
    return 1j * np.imag(rate) * sign if sign.dtype.kind == "c" else np.zeros_like(sign), np.real(rate)


def _slogdet_pull(slot: int, ct: Any, y: Any, a: Any) -> Any:
    ct_sign, ct_log = ct
    if a.dtype.kind == "c":
        ct_log = ct_log + 1j * np.imag(ct_sign * y[0])
    return ct_log[..., None, None] * np.linalg.inv(a).mT


custom(log_determinant, push=_slogdet_push, pull=_slogdet_pull, outputs=True, holomorphic=False, examples=_SQUARES[:1])

_SlogdetResult = type(np.linalg.slogdet(np.eye(1)))


@composite(np.linalg.slogdet, examples=[call(operand(3, 3)), call(operand(2, 1, 2, 2)), call(a=operand(1, 1))])
def _slogdet(a: Any) -> Any:
    return _SlogdetResult(*invoke(log_determinant, a))


# --- what is left out -----------------------------------------------------------------------------------------------

unsupported(np.linalg.matrix_rank, instead="It jumps: write np.linalg.matrix_rank(tp.stop_gradient(a)).")
