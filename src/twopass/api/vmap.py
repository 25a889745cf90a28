"""Batching: a function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.loops import place
from twopass.api.tracing import Function, raise_cause
from twopass.core.array import Array
from twopass.core.operators import as_array
from twopass.core.trace import OPEN
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.rules.batching import Batched, BatchTrace
from twopass.rules.infinitesimal import standard

__all__ = ["axes_of_leaves", "one_by_one", "vmap"]

Axis = int | None


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """Function that computes a function for every example of a batch, all at once.

    ``vmap(f)(xs)[i] = f(xs[i])``, without a loop of Python: each NumPy call of `f` is made once, for all examples.

    Parameters
    ----------
    f : callable
        Plain NumPy code for one example; derivatives (`grad`, `jvp`, `hessian`, ...) and loops (`scan`) included. It
        must make the same calls whatever the values of the example are: no ``if`` on an element (write ``np.where``).
        A compiled function runs uncompiled here: compile the batched one, ``compile(vmap(f))``.
    in_axes : int, None, or a tuple (or list) with one entry for each argument
        Which axis of each array is the batch; None for what all examples share. The entry of an argument that is a
        container is one axis for all its arrays, or such a container itself, as deep as axes differ.
    out_axes : int, None, or a tree of these
        Where the batch goes in the results; None for a result that all examples share.

    Returns
    -------
    callable
        Takes the arguments of `f`, with one more axis where `in_axes` says so. Arguments passed by keyword are shared.

    Raises
    ------
    ArgumentError, ShapeError
        When the axes do not fit to the arguments, or have different lengths.
    CaptureError
        When `f` needs the value of a batched array, as ``if``, ``float()`` and the like do, or gives results whose
        shapes differ from example to example.

    Notes
    -----
    NumPy functions for which twopass knows no form for a batch run for one example after the other, and the results are
    stacked: that is as right, but as slow as a loop. ``docs/vmap.md`` has the list of those that run at once.

    The name and the semantics are JAX's.

    Examples
    --------
    The gradient of the error of each example by itself, for two examples:

    >>> import numpy as np, twopass as tp
    >>> def error(w, x, y):
    ...     return (np.sum(w * x) - y) ** 2
    >>> x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 0.0])
    >>> tp.vmap(tp.grad(error), in_axes=(None, 0, 0))(np.ones(2), x, y)
    array([[ 4.,  8.],
           [42., 56.]])
    """

    @functools.wraps(f)
    def batched(*args: Any, **kwargs: Any) -> Any:
        _check_keywords(kwargs)
        axes = _input_axes(in_axes, args)
        leaves, structure = tree.flatten(args)
        trace = BatchTrace(_size(args, axes))
        token = OPEN.set((*OPEN.get(), trace))
        try:
            inputs = [_input(trace, leaf, axis) for leaf, axis in zip(leaves, axes, strict=True)]
            out = f(*tree.unflatten(structure, inputs), **kwargs)
            found, structure = tree.flatten(out)
            where = axes_of_leaves(out_axes, out, "out_axes")
            taken: set[int] = set()
            results = [_output(trace, y, axis, taken) for y, axis in zip(found, where, strict=True)]
            return tree.unflatten(structure, results)
        except ValueError as error:
            raise_cause(error)
            raise
        finally:
            OPEN.reset(token)
            trace.closed = True

    return batched


def one_by_one(f: Function, in_axes: Any) -> Function:
    """What `vmap` gives, by a loop, for a function that cannot be batched; `in_axes` is 0 or None everywhere."""

    def looped(*args: Any) -> Any:
        axes = axes_of_leaves(in_axes, args, "in_axes")
        leaves, structure = tree.flatten(args)
        size = next(len(leaf) for leaf, axis in zip(leaves, axes, strict=True) if axis is not None)

        def example(number: int) -> Any:
            rows = [leaf if axis is None else leaf[number] for leaf, axis in zip(leaves, axes, strict=True)]
            return f(*tree.unflatten(structure, rows))

        if not size:
            raise ShapeError(compose("an empty batch of a function that runs example by example", instead="Skip it."))
        return tree.map(lambda *ys: np.stack([as_array(y) for y in ys]), *map(example, range(size)))

    return looped


# --- axes -------------------------------------------------------------------------------------------------------------


def _check_keywords(kwargs: dict[str, Any]) -> None:
    for path, leaf in tree.flatten_with_paths(kwargs):
        if isinstance(leaf, (np.ndarray, Array)) and leaf.ndim:
            what = f"vmap got an array as the keyword argument {place('', path)[2:-2]!r}"
            why = "in_axes does not say whether it is batched."
            raise ArgumentError(compose(what, why=why, instead="Pass it by position, with in_axes=None to share it."))


def _input_axes(in_axes: Any, args: tuple[Any, ...]) -> list[Axis]:
    """The axis of each leaf of the arguments."""
    if isinstance(in_axes, (tuple, list)):
        if len(in_axes) != len(args):
            what = f"in_axes has {len(in_axes)} entries, but {len(args)} positional arguments were passed"
            raise ArgumentError(compose(what, instead="Give an axis, or None, for each argument."))
        in_axes = tuple(in_axes)
    axes = axes_of_leaves(in_axes, args, "in_axes")
    if all(axis is None for axis in axes):
        what = "vmap has nothing to batch: in_axes is None for every argument" if args else "vmap got no argument"
        raise ArgumentError(compose(what, instead="Give the axis of at least one array."))
    return axes


def axes_of_leaves(axes: Any, value: Any, name: str, path: Sequence[Any] = ()) -> list[Axis]:
    """The axis of each leaf of a value, from a tree of axes that may end earlier than the value's."""
    count = tree.structure(value).leaf_count
    if axes is None:
        return [None] * count
    if isinstance(axes, (int, np.integer)) and not isinstance(axes, bool):
        return [int(axes)] * count
    own, given = tree.children(axes), tree.children(value)
    if own is None:
        what = f"{place(name, path)} is {axes!r}, which is no axis"
        raise ArgumentError(compose(what, instead="Write an integer, None, or a container of these."))
    if given is None or set(own) != set(given):
        what = f"{place(name, path)} is {axes!r}, which does not fit to {tree.structure(value)!r}"
        raise ArgumentError(compose(what, instead=f"Build {name} like what it belongs to, or give one axis for all."))
    return [axis for key, part in given.items() for axis in axes_of_leaves(own[key], part, name, (*path, key))]


def _size(args: tuple[Any, ...], axes: Sequence[Axis]) -> int:
    """The length of the batch."""
    lengths: dict[str, int] = {}
    for (path, leaf), axis in zip(tree.flatten_with_paths(args), axes, strict=True):
        if axis is None:
            continue
        name = place(f"argument {path[0] + 1}", path[1:])  # type: ignore[operator]
        if type(leaf) is not np.ndarray and not isinstance(leaf, (np.memmap, np.generic, Array)):
            what = f"{name} is a {type(leaf).__name__}, which has no axis to batch"
            instead = "Pass an array (np.asarray(...)), or give in_axes=None for what all examples share."
            raise ArgumentError(compose(what, instead=instead))
        if leaf.dtype.kind not in "biufc":
            what = f"{name} is an array of {leaf.dtype}"
            raise ArgumentError(compose(what, instead="Batch arrays of numbers."))
        if not -leaf.ndim <= axis < leaf.ndim:
            what = f"{name} has shape {leaf.shape}, and so no axis {axis} to batch"
            raise ShapeError(compose(what, instead="Give its axis, or None to share it, in in_axes."))
        lengths[name] = leaf.shape[axis]
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ShapeError(compose(f"the batches have different lengths ({told})", instead="Cut them to one length."))
    return next(iter(lengths.values()))


# --- in and out -------------------------------------------------------------------------------------------------------


def _input(trace: BatchTrace, leaf: Any, axis: Axis) -> Any:
    if axis is None:
        # As an array of the trace, since a plain one cannot be indexed at places that differ from example to example.
        return trace.constant(leaf) if type(leaf) is np.ndarray and leaf.ndim else leaf
    leaf = leaf._clone() if type(leaf) is Array else np.asarray(leaf)
    return trace.array(np.moveaxis(leaf, axis, 0))


def _output(trace: BatchTrace, leaf: Any, axis: Axis, taken: set[int]) -> Any:
    """One leaf of the result, which shares no memory with an argument or with another leaf."""
    leaf = trace.lowered(leaf)
    if axis is None:
        if isinstance(leaf, Batched):
            what = "a result differs from example to example, and out_axes is None for it"
            raise ArgumentError(compose(what, instead="Give the axis for the batch."))
        return leaf.copy() if type(leaf) is np.ndarray else leaf
    if not isinstance(leaf, (Batched, np.ndarray, np.generic, Array, bool, int, float, complex)):
        what = f"the batched function gives a {type(leaf).__name__}, which cannot be stacked"
        raise ArgumentError(compose(what, instead="Give arrays and numbers, or out_axes=None for it."))
    values = standard(trace.values_of(leaf))
    if not -values.ndim <= axis < values.ndim:
        what = f"a result of shape {values.shape[1:]} has no axis {axis} for the batch"
        raise ShapeError(compose(what, instead="Give another axis in out_axes."))
    if axis == 0 and type(values) is np.ndarray and _is_fresh(values) and id(values) not in taken:
        taken.add(id(values))
        return values
    moved: Any = np.moveaxis(values, 0, axis)
    return moved._clone() if type(moved) is Array else np.array(moved, order="C")


def _is_fresh(values: Any) -> bool:
    """Whether an array was made by an operation of the batched function: what came in is a view."""
    flags = values.flags
    return bool(flags.owndata and flags.writeable and flags.c_contiguous)
