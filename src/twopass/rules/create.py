"""Making arrays: like another one, grids, ranges, and powers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import CREATORS
from twopass.rules.kinds import POSITIVE, call, composite, constant, operand
from twopass.rules.operands import is_known

# --- arrays out of nothing ------------------------------------------------------------------------------------------

# With like=x of a traced x they make a buffer that traced values can be assigned into.
CREATORS.update({np.zeros, np.ones, np.empty, np.full, np.eye, np.identity, np.tri, np.arange, np.fromfunction})
CREATORS.update({np.fromiter, np.frombuffer, np.fromstring, np.require, np.array, np.asarray, np.asanyarray})
CREATORS.update({np.ascontiguousarray, np.asfortranarray})

# --- arrays like another --------------------------------------------------------------------------------------------

# Constants, which stay traced so that traced values can be assigned into them.
constant(np.zeros_like, np.ones_like, np.empty_like, traced=True)


@composite(
    np.full_like,
    examples=[
        call(operand(3, 4), operand()),
        call(operand(2, 3), operand(3), dtype=np.complex128),
        call(operand(3), 2.5, shape=(2, 2)),
        call(operand(3), fill_value=operand(), order="C"),
    ],
)
def _full_like(a: Any, fill_value: Any, *args: Any, **kwargs: Any) -> Any:
    buffer = np.empty_like(a, *args, **kwargs)
    buffer[...] = fill_value
    return buffer


# --- grids, ranges, powers --------------------------------------------------------------------------------------------


@composite(
    np.meshgrid,
    examples=[
        call(operand(3), operand(4)),
        call(operand(3), operand(), operand(2), indexing="ij"),
        call(operand(3), operand(4), sparse=True),
        call(operand(3), [1.0, 2.0], copy=False),
        call(operand(3)),
    ],
)
def _meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: Any = "xy") -> Any:
    vectors = [np.ravel(as_array(x)) for x in xi]
    # NumPy tells the shapes.
    sparse_grids = np.meshgrid(*(np.empty(v.size) for v in vectors), sparse=True, indexing=indexing)
    grids = tuple(np.reshape(v, grid.shape) for v, grid in zip(vectors, sparse_grids, strict=True))
    if not sparse:
        grids = np.broadcast_arrays(*grids)
    return tuple(np.copy(grid) for grid in grids) if copy else grids


@composite(
    np.vander,
    examples=[call(operand(3)), call(operand(3), 2), call(operand(3), N=4, increasing=True), call(operand(3), 0)],
)
def _vander(x: Any, N: Any = None, increasing: bool = False) -> Any:  # noqa: N803 - NumPy's name
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    x = x.astype(np.promote_types(x.dtype, int))
    columns = [np.ones_like(x)]
    for _ in range((x.size if N is None else N) - 1):
        columns.append(columns[-1] * x)
    powers = np.stack(columns, axis=1)[:, :N]
    return powers if increasing else powers[:, ::-1]


@composite(
    np.linspace,
    examples=[
        call(operand(), operand(), 5),
        call(operand(3), 2.0, num=4, endpoint=False, axis=-1),
        call(0.5, operand(2, 3), 3, retstep=True),
        call(operand(), operand(), 1),
        call(operand(), operand(), 0),
    ],
)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    if operator.index(num) < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    parts = num - bool(endpoint)
    width = np.subtract(stop, start)
    steps = np.arange(num, dtype=width.dtype).reshape((-1,) + (1,) * width.ndim)
    step = width / parts if parts > 0 else np.nan
    # NumPy's order of the factors: a step that underflows to zero is not formed.
    exact = parts > 0 and is_known(np.all(step != 0))
    values = (steps * step if exact else (steps / max(parts, 1)) * width) + start
    if endpoint and num > 1:
        values[-1, ...] = stop
    values = np.moveaxis(values, 0, axis).astype(width.dtype if dtype is None else dtype, copy=False)
    return (values, step) if retstep else values


@composite(
    np.logspace,
    examples=[
        call(operand(), operand(), 4),
        call(operand(2), 1.0, 3, base=2.0, axis=-1),
        call(0.0, 1.0, 3, base=operand(domain=POSITIVE)),
    ],
)
def _logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    if np.ndim(base) > 0:
        start, stop, base = np.broadcast_arrays(start, stop, base)
        base = np.expand_dims(base, axis)
    values = np.power(base, np.linspace(start, stop, num, endpoint, axis=axis))
    return values if dtype is None else values.astype(dtype)


@composite(
    np.geomspace,
    examples=[
        call(operand(domain=POSITIVE), operand(domain=POSITIVE), 5),
        call(operand(3, domain=((-2.0, -0.2),)), -2.0, num=4, endpoint=False, axis=-1),
        call(0.5, operand(2, domain=POSITIVE), 1),
        call(1, operand(domain=POSITIVE), 0),
    ],
)
def _geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    start, stop = as_array(start), as_array(stop)
    if is_known(np.any(start == 0)) or is_known(np.any(stop == 0)):
        raise ValueError("Geometric sequence cannot include zero")
    floats = np.result_type(start.dtype, stop.dtype, np.float64)
    # Complex sequences are turned so that they start on the positive axis.
    sign = np.sign(start.astype(floats))
    first, last = start / sign, stop / sign
    values = np.logspace(np.log10(first), np.log10(last), num, endpoint)
    if num > 0:
        values[0, ...] = first
    if num > 1 and endpoint:
        values[-1, ...] = last
    values = np.moveaxis(values * sign, 0, axis)
    return values.astype(floats if dtype is None else dtype, copy=False)
