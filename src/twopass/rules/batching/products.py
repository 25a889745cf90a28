"""Batching of products, and of linear algebra, which NumPy does for stacks of matrices anyway."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.rules.batching.arguments import axis_of, named
from twopass.rules.batching.trace import ONE_BY_ONE, Batched, Call, elementwise, holds_batched
from twopass.rules.einsum import LETTERS, einsum, labels
from twopass.rules.kinds import batching
from twopass.rules.linalg import cofactors, log_determinant, solve

# --- products of matrices and vectors ---------------------------------------------------------------------------------


@batching(np.matmul)
def _matmul(call: Call) -> Any:
    a, b = call.args
    if call.kwargs.get("axes") is not None:
        return ONE_BY_ONE
    if isinstance(a, Batched) and not isinstance(b, Batched) and np.ndim(b) <= 2:
        return _shared_second(call, a, b)
    if np.ndim(a) <= 2 and np.ndim(b) == 1 and not isinstance(a, Batched):
        return call.run(b.values, a if np.ndim(a) == 1 else np.transpose(a), **call.kwargs)
    ndim = max(np.ndim(a), np.ndim(b), 2)
    left = call.aligned(_with_axis(a, -2), ndim)
    right = call.aligned(_with_axis(b, -1), ndim)
    product = call.run(left, right, **call.kwargs)
    if np.ndim(a) == 1:
        product = product[..., 0, :]
    return product[..., 0] if np.ndim(b) == 1 else product


def _shared_second(call: Call, a: Batched, b: Any) -> Any:
    """All examples times one matrix or vector: one large product instead of many small ones."""
    if a.ndim < 2 or np.ndim(b) == 1:
        return call.run(a.values, b, **call.kwargs)
    rows = np.reshape(a.values, (call.size * math.prod(a.shape[:-1]), a.shape[-1]))
    return np.reshape(call.run(rows, b, **call.kwargs), (call.size, *a.shape[:-1], np.shape(b)[-1]))


def _with_axis(x: Any, axis: int) -> Any:
    """A vector as a matrix with one row or column."""
    if np.ndim(x) != 1:
        return x
    return Batched(np.expand_dims(x.values, axis)) if isinstance(x, Batched) else np.expand_dims(x, axis)


@batching(np.dot)
def _dot(call: Call) -> Any:
    given = named(call)
    a, b = given["a"], given["b"]
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return elementwise(call._replace(run=np.multiply, args=(a, b), kwargs={}))
    if np.ndim(b) <= 2:
        return _matmul(call._replace(run=np.matmul, args=(a, b), kwargs={}))
    # dot(a, b)[i, ..., j, ..., n] = sum_k a[i, ..., k] b[j, ..., k, n]
    own, other = LETTERS[: np.ndim(a) - 1], LETTERS[np.ndim(a) - 1 : np.ndim(a) + np.ndim(b) - 3]
    subscripts = f"{own}y,{other}yz->{own}{other}z"
    return _einsum(call._replace(run=einsum, args=(a, b), kwargs={"subscripts": subscripts}))


@batching(einsum)
def _einsum(call: Call) -> Any:
    given = dict(call.kwargs)
    subscripts = given.pop("subscripts")
    inputs, output = labels(subscripts, [np.ndim(x) for x in call.args])
    letter = next(letter for letter in LETTERS if letter not in subscripts and letter not in "".join([*inputs, output]))
    terms = [letter + term if isinstance(x, Batched) else term for x, term in zip(call.args, inputs, strict=True)]
    values = [x.values if isinstance(x, Batched) else x for x in call.args]
    return call.run(*values, subscripts=f"{','.join(terms)}->{letter}{output}", **given)


@batching(np.convolve)
def _convolve(call: Call) -> Any:
    """Each element is a product of the shorter operand, reversed, with a window of the longer one."""
    given = {**dict(zip(("a", "v", "mode"), call.args, strict=False)), **call.kwargs}
    a, v, mode = call.whole(given["a"]), call.whole(given["v"]), given.get("mode", "full")
    a, v = np.reshape(a, (call.size, -1)), np.reshape(v, (call.size, -1))
    if not call.size or mode not in ("full", "same", "valid"):
        return ONE_BY_ONE
    long, short = (a, v) if a.shape[1] >= v.shape[1] else (v, a)
    m = short.shape[1]
    before, after = {"full": (m - 1, m - 1), "same": (m // 2, (m - 1) // 2), "valid": (0, 0)}[mode]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(long, ((0, 0), (before, after))), m, axis=1)
    return np.matmul(windows, np.flip(short, 1)[:, :, None])[..., 0]


# --- linear algebra ---------------------------------------------------------------------------------------------------


@batching(
    *(np.linalg.inv, np.linalg.det, cofactors, log_determinant, np.linalg.slogdet, np.linalg.cholesky, np.linalg.qr),
    *(np.linalg.eig, np.linalg.eigh, np.linalg.eigvals, np.linalg.eigvalsh, np.linalg.svd, np.linalg.svdvals),
    *(np.linalg.pinv, np.linalg.matrix_rank, np.linalg.cond, np.linalg.matrix_norm),
)
def _of_matrices(call: Call) -> Any:
    """A function of the last two axes."""
    first, *others = call.args or (None,)
    if not isinstance(first, Batched) or holds_batched(others) or holds_batched(call.kwargs):
        return ONE_BY_ONE
    return call.run(first.values, *others, **call.kwargs)


@batching(solve)
def _solve(call: Call) -> Any:
    return elementwise(call)  # whose axes are aligned as those of stacks of matrices are


@batching(np.linalg.norm, np.linalg.vector_norm)
def _norm(call: Call) -> Any:
    given = named(call)
    x, axis = given.pop("x"), given.pop("axis", None)
    if holds_batched(given) or not isinstance(x, Batched) or not x.ndim:
        return ONE_BY_ONE
    if axis is not None:
        axes = axis if isinstance(axis, tuple) else (axis,)
        moved = tuple(axis_of(one, x.ndim) for one in axes)
        return call.run(x.values, axis=moved if isinstance(axis, tuple) else moved[0], **given)
    if given.get("keepdims"):
        return ONE_BY_ONE
    if call.function is np.linalg.norm and given.get("ord") is not None:
        return call.run(x.values, axis=(-2, -1) if x.ndim == 2 else -1, **given) if x.ndim <= 2 else ONE_BY_ONE
    return call.run(np.reshape(x.values, (call.size, x.size)), axis=-1, **given)
