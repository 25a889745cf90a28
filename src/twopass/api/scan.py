"""Loops as one operation: what carries a value from one step to the next."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.loops import Step, checked, dtype_of, place, settled
from twopass.core.operators import as_array, first_row
from twopass.core.trace import CAPTURING
from twopass.errors import ArgumentError, ShapeError, compose

__all__ = ["scan"]


def scan(
    step: Step, carry: Any, xs: Any, length: int | None = None, reverse: bool = False, *, limit: Any = None
) -> tuple[Any, Any]:
    """Loop over the first axis of arrays, carrying a value along: ``carry, y = step(carry, x)`` for each ``x``.

    In plain Python::

        ys = []
        for x in xs:
            carry, y = step(carry, x)
            ys.append(y)
        return carry, np.stack(ys)

    and this is how it runs. In a function that is being compiled it is one operation, whose step is compiled once: the
    loop of a recurrent network or of a solver of differential equations.

    Parameters
    ----------
    step : callable
        ``step(carry, x) -> (carry, y)``: plain NumPy code. The carry that it gives has the structure, shapes and
        dtypes of the carry that it takes. It may use arrays from outside.
    carry : tree of arrays
        What the first step takes. A Python number gets the dtype that the step gives back.
    xs : tree of arrays
        What to loop over: all have the same length. None, with a `length`, to take no ``x``.
    length : int, optional
        How many steps, if `xs` does not say.
    reverse : bool
        Whether to go from the last ``x`` to the first; ``ys`` is in the order of ``xs`` all the same.

    Returns
    -------
    carry : tree
        What the last step gave.
    ys : tree
        What all steps gave, stacked along a new first axis.

    Other Parameters
    ----------------
    limit : 0-d integer array, optional
        Make so many steps only: the other ``ys`` mean nothing. Unlike `length` it may differ from call to call of
        compiled code; a loop with a limit cannot be differentiated there.

    Raises
    ------
    ShapeError, ArgumentError
        When the lengths differ, or a step changes the structure, shape or dtype of the carry.

    Notes
    -----
    The semantics are those of JAX's ``lax.scan``. Reverse mode through a compiled loop is backpropagation through time
    (P. Werbos, 1990): it keeps the carry of each step, and computes the rest again.

    Examples
    --------
    Compound interest, year by year:

    >>> import numpy as np, twopass as tp
    >>> def year(balance, rate):
    ...     balance = balance * (1 + rate)
    ...     return balance, balance
    >>> tp.scan(year, 100.0, np.array([0.1, 0.2]))
    (np.float64(132.0), array([110., 132.]))
    >>> tp.grad(lambda rates: tp.scan(year, 100.0, rates)[0])(np.array([0.1, 0.2]))
    array([120., 110.])
    """
    count = _length(xs, length)
    carry = settled(step, carry, tree.map(first_row, xs))
    step = checked(step)
    trace = CAPTURING.get()
    if trace is not None:
        return trace.scan(step, carry, xs, count, reverse, limit)
    return _loop(step, carry, xs, count, reverse, limit)


def _length(xs: Any, length: int | None) -> int:
    """How many steps there are."""
    lengths = {}
    for path, leaf in tree.flatten_with_paths(xs):
        shape = np.shape(leaf)
        if not shape:
            what = f"scan loops over the first axis of xs, and {place('xs', path)} has none"
            raise ShapeError(compose(what, instead="Let the step use it from outside, or put it into the carry."))
        lengths[place("xs", path)] = shape[0]
    if length is not None:
        lengths["length"] = operator.index(length)
    if not lengths:
        raise ArgumentError(compose("scan has nothing to loop over", instead="Pass xs, or length=."))
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {n}" for name, n in lengths.items())
        raise ShapeError(compose(f"scan got different lengths ({told})", instead="Cut xs to one length."))
    return int(next(iter(lengths.values())))


# --- as a loop of Python ----------------------------------------------------------------------------------------------


def _loop(step: Step, carry: Any, xs: Any, length: int, reverse: bool, limit: Any) -> tuple[Any, Any]:
    steps = length if limit is None else min(max(int(limit), 0), length)
    ys: list[Any] = [None] * length
    for number in range(steps):
        place = length - 1 - number if reverse else number
        carry, ys[place] = step(carry, tree.map(lambda leaf, at=place: leaf[at], xs))
    if steps < length or not length:
        # What has no value has a type all the same.
        with np.errstate(all="ignore"):
            missing = step(carry, tree.map(first_row, xs))[1]
        if not length:
            return carry, tree.map(lambda leaf: np.zeros((0, *np.shape(leaf)), dtype_of(leaf)), missing)
        empty = tree.map(lambda leaf: np.zeros(np.shape(leaf), dtype_of(leaf)), missing)
        ys = [empty if y is None else y for y in ys]
    return carry, tree.map(lambda *leaves: np.stack([as_array(leaf) for leaf in leaves]), *ys)
