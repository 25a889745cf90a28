"""Trees of parameters: what of them is trained, and whether they are what they should be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, NotFiniteError, ShapeError, compose
from twopass.nn import Layer

__all__ = ["Partition", "State", "conforming", "first_not_finite", "not_finite", "place", "read_only"]

Tree = Any


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """What a training step replaces: never changed in place (but for `Resident`), so keeping one costs nothing.

    Parameters
    ----------
    params : tree of arrays
        Parameters of the network; read-only.
    optimizer : tree of arrays
        State of the optimizer.
    """

    params: Any
    optimizer: Any

    @property
    def outline(self) -> Any:
        """The optimizer's state, for those who want to know how it is doing."""
        return self.optimizer

    def with_outline(self, outline: Any) -> State:
        """The state with another optimizer state."""
        return State(self.params, outline)

    def copied(self) -> State:
        """A state that stays as it is: this one."""
        return self

    def settled(self) -> State:
        """The state when a fit has ended: this one."""
        return self

    def first_not_finite(self) -> str | None:
        """The name of the first parameter that holds a NaN or an infinity."""
        return first_not_finite(self.params)


@dataclasses.dataclass(frozen=True)
class Partition:
    """Parameters taken apart: what gradient descent changes, and the rest (statistics, frozen layers).

    The trainable part is a tree like the whole, with None in the other places, so that the optimizer's state names
    its arrays as the parameters are named.

    Parameters
    ----------
    structure : Structure
        Of the whole tree.
    mask : tuple of bool
        Which leaves are trainable.

    Examples
    --------
    >>> from twopass import nn
    >>> net = nn.Sequential(nn.Dense(1, frozen=True), nn.Dense(1))
    >>> params = net.init(0, (1,))
    >>> partition = Partition.of(net, params)
    >>> trainable, rest = partition.split(params)
    >>> trainable[0], len(rest)
    ({'weight': None, 'bias': None}, 2)
    """

    structure: tree.Structure
    mask: tuple[bool, ...]

    @classmethod
    def of(cls, net: Layer, params: Tree) -> Partition:
        """The partition that a network asks for."""
        return cls(tree.structure(params), tuple(tree.leaves(net.trainable(params))))

    def split(self, params: Tree) -> tuple[Tree, list[Any]]:
        """The trainable part as a tree, and the other leaves."""
        leaves = list(zip(self.mask, tree.leaves(params), strict=True))
        trainable = tree.unflatten(self.structure, [leaf if chosen else None for chosen, leaf in leaves])
        return trainable, [leaf for chosen, leaf in leaves if not chosen]

    def rest(self, params: Tree) -> list[Any]:
        """The leaves that are not trainable."""
        return [leaf for chosen, leaf in zip(self.mask, tree.leaves(params), strict=True) if not chosen]

    def join(self, trainable: Tree, rest: Sequence[Any]) -> Tree:
        """The whole tree, from its trainable part and the rest."""
        own, others = iter(tree.leaves(trainable)), iter(rest)
        return tree.unflatten(self.structure, [next(own) if chosen else next(others) for chosen in self.mask])


def place(path: Sequence[Any]) -> str:
    """How to write the way to a leaf.

    Examples
    --------
    >>> place((0, "weight"))
    "params[0]['weight']"
    """
    return "params" + "".join(f"[{key!r}]" for key in path)


def first_not_finite(params: Tree) -> str | None:
    """The name of the first array that holds a NaN or an infinity."""
    if not any(map(not_finite, tree.leaves(params))):
        return None
    return next(place(path) for path, leaf in tree.flatten_with_paths(params) if not_finite(leaf))


def not_finite(leaf: Any) -> bool:
    """Whether an array holds a NaN or an infinity."""
    return not np.isfinite(leaf).all()


def read_only(params: Tree) -> Tree:
    """The same tree, whose arrays nobody can write to any more; the engine needs no defensive copies of them."""
    for leaf in tree.leaves(params):
        if isinstance(leaf, np.ndarray):
            leaf.flags.writeable = False
    return params


def conforming(params: Tree, like: Tree) -> Tree:
    """A read-only copy of parameters, with the structure, shapes and dtypes of others.

    Raises
    ------
    ArgumentError, ShapeError, NotFiniteError
        When they have another structure, another shape, or are not finite.
    """
    if tree.structure(params) != tree.structure(like):
        what = f"the parameters have the structure {tree.structure(params)!r}"
        raise ArgumentError(compose(what, why=f"Those of this network have {tree.structure(like)!r}."))
    paths = iter(tree.flatten_with_paths(like))

    def copied(wanted: Any, given: Any) -> Any:
        name = place(next(paths)[0])
        array = np.array(given, wanted.dtype, order="C")
        if array.shape != wanted.shape:
            what = f"{name} has the shape {array.shape}, and this network needs {wanted.shape}"
            raise ShapeError(compose(what, instead="Assign parameters of a network like this one."))
        if not np.isfinite(array).all():
            raise NotFiniteError(compose(f"{name} holds NaN or infinity", instead="Assign finite parameters."))
        return array

    return read_only(tree.map(copied, like, params))
