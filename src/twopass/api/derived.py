"""Jacobians, Hessians and products with them, composed of the two modes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from twopass import tree
from twopass.api.forward import check_tuples, jvp
from twopass.api.reverse import grad, positions, pull
from twopass.api.tracing import Function, Inputs, Traced, trace_forward, trace_reverse
from twopass.errors import ArgumentError, compose

__all__ = ["hessian", "hvp", "jacobian"]

Mode = Literal["auto", "forward", "reverse"]


def _basis(leaves: Sequence[Any]) -> Any:
    """For each element of each leaf, in order: leaves of zeros with a one there."""
    for i, leaf in enumerate(leaves):
        for place in np.ndindex(np.shape(leaf)):
            unit = [np.zeros(np.shape(other), other.dtype) for other in leaves]
            unit[i][place] = 1
            yield unit


def _size(leaves: Sequence[Any]) -> int:
    return sum(int(np.prod(np.shape(leaf), dtype=np.int64)) for leaf in leaves)


def jacobian(f: Function, argnums: int | tuple[int, ...] = 0, mode: Mode = "auto") -> Function:
    """Function that computes all first derivatives of a function.

    ``J[i, j] = d out[i] / d x[j]``, where i and j run over all axes of the output and of the argument.

    Parameters
    ----------
    f : callable
        Plain NumPy code with a tree of real arrays as result.
    argnums : int or tuple of int
        Position of the argument (a tree of float arrays), or of several.
    mode : {"auto", "forward", "reverse"}
        Forward costs one run of `f` for each element of the arguments, reverse one backward pass for each element of
        the output; "auto" takes the cheaper one.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``out.shape + x.shape``. If the output is a tree, the
        result is that tree with such an array, or a tree of them built like the argument, at each leaf; a tuple of
        these if `argnums` is a tuple.

    Raises
    ------
    ArgumentError
        For an unknown mode, or complex inputs or outputs (use `vjp` and `jvp`).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.jacobian(lambda x: x[:2] * x[1:])(np.array([1.0, 2.0, 3.0]))
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    if mode not in ("auto", "forward", "reverse"):
        what = f"unknown mode {mode!r}"
        raise ArgumentError(compose(what, instead='Use "auto", "forward" or "reverse".'))

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = positions(argnums, len(args))
        call = functools.partial(f, **kwargs) if kwargs else f
        traced = trace_reverse(call, args, numbers)
        for leaf in (*traced.leaves, *traced.inputs.leaves):
            if np.iscomplexobj(leaf):
                what = "jacobian is defined for real inputs and outputs only"
                raise ArgumentError(compose(what, instead="Use tp.vjp or tp.jvp for complex values."))
        forward = mode == "forward" or (mode == "auto" and _size(traced.inputs.leaves) < _size(traced.leaves))
        rows = _columns_forward(call, args, numbers, traced) if forward else _rows_reverse(traced)
        return assemble(rows, traced.inputs, traced.structure, isinstance(argnums, (tuple, list)))

    return differentiated


def _rows_reverse(traced: Traced) -> list[list[Any]]:
    """``[output leaf][input leaf]``, by one backward pass for each output element."""
    outs, inputs = traced.leaves, traced.inputs
    pulled = [tree.leaves(pull(traced, unit)) for unit in _basis([np.asarray(_like(leaf)) for leaf in outs])]
    blocks, start = [], 0
    for out in outs:
        count = _size([out])
        rows = pulled[start : start + count]
        start += count
        blocks.append(
            [
                np.reshape(np.stack([row[i] for row in rows]), (*np.shape(out), *leaf.shape))
                if rows
                else np.zeros((*np.shape(out), *leaf.shape), leaf.dtype)
                for i, leaf in enumerate(inputs.leaves)
            ]
        )
    return blocks


def _like(leaf: Any) -> Any:
    return np.zeros(np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else np.float64)


def _columns_forward(f: Function, args: Sequence[Any], numbers: Sequence[int], traced: Traced) -> list[list[Any]]:
    """``[output leaf][input leaf]``, by one forward pass for each input element."""
    inputs: Inputs = traced.inputs

    def of_inputs(*chosen: Any) -> Any:
        replaced = dict(zip(numbers, chosen, strict=True))
        return f(*[replaced.get(i, value) for i, value in enumerate(args)])

    primals = inputs.regroup(inputs.leaves)
    pushed = []
    for unit in _basis(inputs.leaves):
        run = trace_forward(of_inputs, primals, inputs.regroup(unit))
        pushed.append([np.zeros_like(leaf) if t is None else t for leaf, t in zip(run.leaves, run.marks, strict=True)])
    blocks = []
    for i, out in enumerate(traced.leaves):
        row, start = [], 0
        for leaf in inputs.leaves:
            columns = [column[i] for column in pushed[start : start + _size([leaf])]]
            start += len(columns)
            shape = (*np.shape(out), *leaf.shape)
            row.append(np.reshape(np.stack(columns, axis=-1), shape) if columns else np.zeros(shape))
        blocks.append(row)
    return blocks


def assemble(blocks: list[list[Any]], inputs: Inputs, outputs: tree.Structure, several: bool) -> Any:
    """Blocks ``[output leaf][input leaf]`` as the output's containers, with the arguments' at each leaf."""
    rows = [inputs.regroup([block[()] if block.ndim == 0 else block for block in row]) for row in blocks]
    per_argument = [tree.unflatten(outputs, [row[k] for row in rows]) for k in range(len(inputs.structures))]
    return tuple(per_argument) if several else per_argument[0]


def hessian(f: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Function that computes all second derivatives of a scalar function.

    ``H[i, j] = d^2 f / dx[i] dx[j]``.

    Parameters
    ----------
    f : callable
        Plain NumPy code with one real scalar as result.
    argnums : int or tuple of int
        Position of the argument, or of several.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``x.shape + x.shape``, or nested containers of them: the
        outer level is the first derivative's, the inner one the second's.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.hessian(lambda v: v[0] ** 2 * v[1] + v[1] + 2)(np.array([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])
    """
    gradient = grad(f, argnums)
    if not isinstance(argnums, (tuple, list)):
        return jacobian(gradient, argnums)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        blocks = jacobian(gradient, argnums)(*args, **kwargs)  # [second argument][first argument]
        count = len(blocks)
        return tuple(tuple(blocks[j][i] for j in range(count)) for i in range(count))

    return differentiated


def hvp(f: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hessian of a scalar function times a vector, without forming the Hessian.

    ``H(primals) @ tangents``, by forward mode over reverse mode, at a small multiple of the cost of `f`.

    Parameters
    ----------
    f : callable
        Plain NumPy code with one real scalar as result.
    primals, tangents : tuples of trees
        Where, and along which direction.

    Returns
    -------
    tuple of trees
        One for each primal, built like it.

    Notes
    -----
    B. A. Pearlmutter, Fast Exact Multiplication by the Hessian (1994).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    check_tuples(primals, tangents)
    gradient = grad(f, tuple(range(len(primals))))
    return tuple(jvp(lambda *args: gradient(*args), tuple(primals), tuple(tangents))[1])
