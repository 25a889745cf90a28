"""What a loop asks of its step: the carry keeps its structure, shapes and dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.core.array import stand_in
from twopass.errors import ArgumentError, ShapeError, compose

__all__ = ["Step", "checked", "dtype_of", "pair", "place", "settled"]

Step = Callable[[Any, Any], tuple[Any, Any]]


def place(name: str, path: Sequence[Any]) -> str:
    """How to write the way to a leaf."""
    return name + "".join(f"[{key!r}]" for key in path)


def dtype_of(leaf: Any) -> Any:
    """The dtype of an array or number."""
    return leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype


def _is_number(leaf: Any) -> bool:
    return type(stand_in(leaf)) in (bool, int, float, complex)


def settled(step: Step, carry: Any, x: Any) -> Any:
    """The first carry, with arrays in the place of Python numbers: in the dtype that a step gives back."""
    leaves, structure = tree.flatten(carry)
    if not any(map(_is_number, leaves)):
        return carry
    with np.errstate(all="ignore"):
        after = tree.leaves(pair(step(carry, x))[0])
    if len(after) != len(leaves):
        return carry  # which the check of the carry will say
    return tree.unflatten(structure, [_strong(leaf, new) for leaf, new in zip(leaves, after, strict=True)])


def _strong(leaf: Any, new: Any) -> Any:
    """A number as an array of the dtype that a step makes of it."""
    if not _is_number(leaf):
        return leaf
    dtype = np.result_type(type(stand_in(leaf))(0), dtype_of(new))
    return leaf.astype(dtype) if hasattr(leaf, "dtype") else np.asarray(leaf).astype(dtype)[()]


def pair(value: Any) -> tuple[Any, Any]:
    """The result of a step, if it is one."""
    if not isinstance(value, tuple) or len(value) != 2:
        what = f"the step of a scan must return (carry, y), not a {type(value).__name__}"
        raise ArgumentError(compose(what, instead="Return (carry, None) if there is nothing to collect."))
    return value


def checked(step: Step) -> Step:
    """The step, which raises unless it gives a pair with a carry like the one that it took."""

    def run(carry: Any, x: Any) -> tuple[Any, Any]:
        after, y = pair(step(carry, x))
        _check_carry(carry, after)
        return after, y

    return run


def _check_carry(before: Any, after: Any) -> None:
    """Raise unless a step gives a carry like the one that it took."""
    if tree.structure(before) != tree.structure(after):
        what = f"a step of a scan takes the carry {tree.structure(before)!r} and gives {tree.structure(after)!r}"
        raise ArgumentError(compose(what, instead="Give back what is carried on in the same containers."))
    for (path, old), new in zip(tree.flatten_with_paths(before), tree.leaves(after), strict=True):
        if np.shape(old) != np.shape(new):
            what = f"a step of a scan changes the shape of {place('carry', path)}: {np.shape(old)} to {np.shape(new)}"
            why = "What is carried on keeps its shape, since each step is the same code."
            raise ShapeError(compose(what, why=why, instead="Start with an array of the final shape."))
        if dtype_of(old) != dtype_of(new):
            what = f"a step of a scan changes the dtype of {place('carry', path)}: {dtype_of(old)} to {dtype_of(new)}"
            instead = (
                f"Start with .astype({str(dtype_of(new))!r}), or let the step end with .astype({str(dtype_of(old))!r})."
            )
            raise ArgumentError(compose(what, why="What is carried on keeps its dtype.", instead=instead))
