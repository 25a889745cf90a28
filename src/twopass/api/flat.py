"""A tree of arrays as one vector, and back: what linear algebra and solvers work on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.core.array import Array
from twopass.errors import ArgumentError, compose

__all__ = ["Layout", "ravel"]


class Layout:
    """Where the leaves of a tree are in a vector.

    Parameters
    ----------
    value : tree of arrays
        An example.
    name : str
        What it is called in errors.
    dtype : dtype, optional
        Of the leaves that `unravel` gives; by default those of the example, where integers become float64.

    Raises
    ------
    ArgumentError
        For a leaf that is no real number or array.
    """

    def __init__(self, value: Any, name: str, dtype: Any = None) -> None:
        paths = tree.flatten_with_paths(value)
        self.structure = tree.structure(value)
        self.shapes = [np.shape(leaf) for _, leaf in paths]
        found = [_dtype_of(leaf, name + "".join(f"[{key!r}]" for key in path)) for path, leaf in paths]
        self.dtypes = [dtype or own for own in found]
        self.sizes = [int(np.prod(shape, dtype=np.int64)) for shape in self.shapes]

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(self.sizes)

    def unravel(self, vector: Any) -> Any:
        """The tree of a vector."""
        leaves, start = [], 0
        for shape, dtype, size in zip(self.shapes, self.dtypes, self.sizes, strict=True):
            leaf = np.reshape(vector[start : start + size], shape) if shape else vector[start]
            leaves.append(leaf if leaf.dtype == dtype else leaf.astype(dtype))
            start += size
        return tree.unflatten(self.structure, leaves)


def _dtype_of(leaf: Any, name: str) -> Any:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.kind != "f":
        kind = "complex" if dtype.kind == "c" else f"a {type(leaf).__name__}"
        what = f"{name} is {kind}, not a real number or array"
        raise ArgumentError(compose(what, instead="Use real arrays; a complex one is two, .real and .imag."))
    return dtype


def ravel(value: Any) -> Any:
    """The elements of all leaves of a tree, in one vector."""
    leaves: Sequence[Any] = tree.leaves(value)
    parts = [np.ravel(leaf if type(leaf) is Array else np.asarray(leaf)) for leaf in leaves]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.zeros(0)
