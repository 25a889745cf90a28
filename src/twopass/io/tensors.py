"""Trees of arrays as named tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, ModelError, compose

__all__ = ["pack", "unpack"]

Array = np.ndarray[Any, np.dtype[Any]]


def pack(values: Any, prefix: str = "") -> dict[str, Array]:
    """Name each leaf of a tree by the keys that lead to it, joined by dots.

    Parameters
    ----------
    values : tree of arrays or numbers
    prefix : str
        Put in front of every name, with a dot.

    Raises
    ------
    ArgumentError
        When two leaves would have one name, because a key holds a dot.

    Examples
    --------
    >>> pack([{"weight": np.ones((2, 3)), "bias": np.zeros(3)}, {}], prefix="params").keys()
    dict_keys(['params.0.weight', 'params.0.bias'])
    """
    named: dict[str, Array] = {}
    for path, leaf in tree.flatten_with_paths(values):
        name = ".".join(map(str, (prefix, *path) if prefix else path))
        if name in named:
            raise ArgumentError(compose(f"two tensors would be called {name!r}", instead="Use keys without dots."))
        named[name] = np.asarray(leaf)
    return named


def unpack(tensors: Mapping[str, Array], like: Any, prefix: str = "") -> Any:
    """Put named tensors into a tree; the inverse of `pack`.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        Names that do not start with `prefix` are left alone.
    like : tree of arrays
        What the tree shall look like: its structure, and the shape and dtype of each leaf.
    prefix : str
        As it was for `pack`.

    Raises
    ------
    ModelError
        When a tensor is missing, is one too many, or has another shape or dtype.

    Examples
    --------
    >>> like = [{"weight": np.zeros((1, 2)), "bias": np.zeros(2)}, {}]
    >>> unpack({"0.bias": np.ones(2), "0.weight": np.ones((1, 2))}, like)
    [{'weight': array([[1., 1.]]), 'bias': array([1., 1.])}, {}]
    """
    wanted = pack(like, prefix)
    start = f"{prefix}." if prefix else ""
    given = {name: tensor for name, tensor in tensors.items() if name.startswith(start)}
    if given.keys() != wanted.keys():
        difference = ", ".join(sorted(given.keys() ^ wanted.keys())[:4])
        why = f"One of them lacks {difference}."
        raise ModelError(compose("the tensors are not those of this network", why=why))
    for name, leaf in wanted.items():
        if (given[name].shape, given[name].dtype) != (leaf.shape, leaf.dtype):
            what = f"the tensor {name!r} has the shape {given[name].shape} and dtype {given[name].dtype}"
            raise ModelError(compose(what, why=f"The network needs {leaf.shape} and {leaf.dtype}."))
    return tree.unflatten(tree.structure(like), [given[name] for name in wanted])
