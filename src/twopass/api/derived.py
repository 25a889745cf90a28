"""Jacobians, Hessians and products with them, composed of the two modes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from twopass import tree
from twopass.api.forward import check_tuples, jvp
from twopass.api.products import Seeds, pull_many, push_many, size_of
from twopass.api.reverse import grad, positions
from twopass.api.sparse import SparseDerivative
from twopass.api.tracing import Function, Inputs, Traced, trace_reverse
from twopass.errors import ArgumentError, compose

__all__ = ["hessian", "hvp", "jacobian"]

Mode = Literal["auto", "forward", "reverse"]


def jacobian(f: Function, argnums: int | tuple[int, ...] = 0, mode: Mode = "auto", *, sparsity: Any = None) -> Function:
    """Function that computes all first derivatives of a function.

    ``J[i, j] = d out[i] / d x[j]``, where i and j run over all axes of the output and of the argument.

    Parameters
    ----------
    f : callable
        Plain NumPy code with a tree of real arrays as result.
    argnums : int or tuple of int
        Position of the argument (a tree of float arrays), or of several.
    mode : {"auto", "forward", "reverse"}
        Forward takes a tangent for each element of the arguments, reverse a cotangent for each element of the output;
        "auto" takes what is fewer. Many go through `f` as a batch (`vmap`).
    sparsity : array or scipy.sparse matrix, or "detect", optional
        The elements of the Jacobian that may be nonzero: a matrix with a row for each element of the output and a
        column for each of the arguments, whose nonzero elements count. The result is a matrix of SciPy then, for
        which few tangents or cotangents are enough: one for each colour. "detect" follows, in the first call, which
        inputs each element of each intermediate result depends on, whatever their values are; it needs the memory of
        that many booleans.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``out.shape + x.shape``. If the output is a tree, the
        result is that tree with such an array, or a tree of them built like the argument, at each leaf; a tuple of
        these if `argnums` is a tuple. With `sparsity`, returns a ``scipy.sparse.csr_array``, whose rows and columns are
        the elements of all leaves in order; ``.compression.count`` of the callable is the number of colours.

    Raises
    ------
    ArgumentError
        For an unknown mode, or complex inputs or outputs (use `vjp` and `jvp`), or when derivatives outside of
        `sparsity` are not zero: each call compares one product with a random vector.
    ShapeError
        When the shape of `sparsity` does not fit to the function.
    MissingLibraryError
        For `sparsity` without SciPy.

    Notes
    -----
    A. Curtis, M. Powell and J. Reid, On the estimation of sparse Jacobian matrices (1974); A. Gebremedhin, F. Manne and
    A. Pothen, What color is your Jacobian? (2005), algorithm 3.2 in the order of largest degree.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.jacobian(lambda x: x[:2] * x[1:])(np.array([1.0, 2.0, 3.0]))
    array([[2., 1., 0.],
           [0., 3., 2.]])

    A tridiagonal Jacobian, for whose 1,000 columns three tangents are enough:

    >>> def flow(u):
    ...     left, right = np.append(0.0, u[:-1]), np.append(u[1:], 0.0)
    ...     return left - 2 * u + right + u**2
    >>> of_flow = tp.jacobian(flow, sparsity="detect")
    >>> matrix = of_flow(np.ones(1000))
    >>> matrix.shape, matrix.nnz, of_flow.compression.count
    ((1000, 1000), 2998, 3)
    """
    if mode not in ("auto", "forward", "reverse"):
        what = f"unknown mode {mode!r}"
        raise ArgumentError(compose(what, instead='Use "auto", "forward" or "reverse".'))
    if sparsity is not None:
        return SparseDerivative(f, argnums, mode, sparsity)

    @functools.wraps(f)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = positions(argnums, len(args))
        call = functools.partial(f, **kwargs) if kwargs else f
        traced = trace_reverse(call, args, numbers)
        for leaf in (*traced.leaves, *traced.inputs.leaves):
            if np.iscomplexobj(leaf):
                what = "jacobian is defined for real inputs and outputs only"
                raise ArgumentError(compose(what, instead="Use tp.vjp or tp.jvp for complex values."))
        forward = mode == "forward" or (mode == "auto" and size_of(traced.inputs.leaves) < size_of(traced.leaves))
        rows = _columns_forward(call, args, numbers, traced) if forward else _rows_reverse(traced)
        return assemble(rows, traced.inputs, traced.structure, isinstance(argnums, (tuple, list)))

    return differentiated


def _identity(size: int) -> Seeds:
    return lambda start, stop: np.eye(stop - start, size, start)


def _rows_reverse(traced: Traced) -> list[list[Any]]:
    """``[output leaf][input leaf]``, by a backward pass for each output element."""
    count = size_of(traced.leaves)
    if not count:
        return _no_blocks(traced)
    rows = pull_many(traced, count, _identity(count))
    blocks, start = [], 0
    for out in traced.leaves:
        stop = start + size_of([out])
        pairs = zip(rows, traced.inputs.leaves, strict=True)
        blocks.append([np.reshape(part[start:stop], (*np.shape(out), *leaf.shape)) for part, leaf in pairs])
        start = stop
    return blocks


def _no_blocks(traced: Traced) -> list[list[Any]]:
    inputs = traced.inputs.leaves
    return [[np.zeros((*np.shape(out), *leaf.shape), leaf.dtype) for leaf in inputs] for out in traced.leaves]


def _columns_forward(f: Function, args: Sequence[Any], numbers: Sequence[int], traced: Traced) -> list[list[Any]]:
    """``[output leaf][input leaf]``, by a forward pass for each input element."""
    inputs = traced.inputs.leaves
    count = size_of(inputs)
    if not count:
        return _no_blocks(traced)
    pushed = push_many(f, args, numbers, traced.inputs, size_of(traced.leaves), count, _identity(count))
    columns = [np.moveaxis(part, 0, -1) for part in pushed]
    blocks: list[list[Any]] = [[] for _ in columns]
    start = 0
    for leaf in inputs:
        stop = start + size_of([leaf])
        for row, part in zip(blocks, columns, strict=True):
            row.append(np.reshape(part[..., start:stop], (*part.shape[:-1], *leaf.shape)))
        start = stop
    return blocks


def assemble(blocks: list[list[Any]], inputs: Inputs, outputs: tree.Structure, several: bool) -> Any:
    """Blocks ``[output leaf][input leaf]`` as the output's containers, with the arguments' at each leaf."""
    rows = [inputs.regroup([block[()] if block.ndim == 0 else block for block in row]) for row in blocks]
    per_argument = [tree.unflatten(outputs, [row[k] for row in rows]) for k in range(len(inputs.structures))]
    return tuple(per_argument) if several else per_argument[0]


def hessian(f: Function, argnums: int | tuple[int, ...] = 0, *, sparsity: Any = None) -> Function:
    """Function that computes all second derivatives of a scalar function.

    ``H[i, j] = d^2 f / dx[i] dx[j]``.

    Parameters
    ----------
    f : callable
        Plain NumPy code with one real scalar as result.
    argnums : int or tuple of int
        Position of the argument, or of several.
    sparsity : array or scipy.sparse matrix, or "detect", optional
        The elements that may be nonzero, as for `jacobian`. One of two places ``[i, j]`` and ``[j, i]`` is enough.

    Returns
    -------
    callable
        Takes the arguments of `f`; returns an array of shape ``x.shape + x.shape``, or nested containers of them: the
        outer level is the first derivative's, the inner one the second's. With `sparsity`, a
        ``scipy.sparse.csr_array``.

    Raises
    ------
    ArgumentError, ShapeError, MissingLibraryError
        As for `jacobian`.

    Notes
    -----
    With `sparsity`, by products of the Hessian with one vector for each colour of a star colouring: T. Coleman and
    J. Moré, Estimation of sparse Hessian matrices and graph coloring problems (1984); A. Gebremedhin, F. Manne and
    A. Pothen, What color is your Jacobian? (2005), algorithm 4.1.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> tp.hessian(lambda v: v[0] ** 2 * v[1] + v[1] + 2)(np.array([3.0, 4.0]))
    array([[8., 6.],
           [6., 0.]])

    Each variable meets the next one:

    >>> chain = lambda x: np.sum((x[1:] - x[:-1] ** 2) ** 2)
    >>> matrix = tp.hessian(chain, sparsity="detect")(np.ones(4))
    >>> matrix.toarray()
    array([[ 8., -4.,  0.,  0.],
           [-4., 10., -4.,  0.],
           [ 0., -4., 10., -4.],
           [ 0.,  0., -4.,  2.]])
    """
    gradient = grad(f, argnums)
    if sparsity is not None:
        return SparseDerivative(gradient, argnums, "forward", sparsity, symmetric=True)
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
