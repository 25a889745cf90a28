"""What turns gradients into parameter updates: a pair of pure functions that chains."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, compose
from twopass.optim.specification import Specification

__all__ = ["Transformation", "advanced", "apply_updates", "cast", "chain", "map_leaves", "zeros_like"]

Tree = Any


@dataclasses.dataclass(frozen=True)
class Transformation(Specification, abc.ABC, abstract=True):
    """Base of everything that maps gradients to updates.

    A transformation holds hyper-parameters only. What changes from step to step is its *state*, a tree of arrays that
    `init` makes and `update` replaces, so that it can be saved, restored and compiled. Both are pure: they change
    none of their arguments, and `update` is plain NumPy without Python decisions on array values.

    To write one, derive a frozen dataclass and define `update` (and `init`, if it has a state).

    Examples
    --------
    >>> import dataclasses, numpy as np, twopass as tp
    >>> @dataclasses.dataclass(frozen=True)
    ... class SignDescent(tp.optim.Transformation):
    ...     step_size: float
    ...
    ...     def update(self, grads, state, params):
    ...         return tp.tree.map(lambda g: -self.step_size * np.sign(g), grads), state
    >>> SignDescent(0.5).update({"w": np.array([3.0, -2.0])}, {}, None)
    ({'w': array([-0.5,  0.5])}, {})
    """

    def init(self, params: Tree) -> Tree:
        """State before the first step, for parameters of these shapes and dtypes."""
        return {}

    @abc.abstractmethod
    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        """Updates for one step, and the next state.

        Parameters
        ----------
        grads : tree of float arrays
            Gradients, or the updates of the previous link of a chain.
        state : tree of arrays
            From `init` or the previous `update`.
        params : tree of float arrays
            The parameters that the gradients belong to.

        Returns
        -------
        updates : tree of float arrays
            What `apply_updates` adds to the parameters: structure, shapes and dtypes of `grads`.
        state : tree of arrays
            To be passed to the next `update`.
        """

    def current_learning_rate(self, state: Tree) -> float | None:
        """Learning rate, or factor on it, that the next `update` uses; None where there is none."""
        return None

    def with_learning_rate(self, learning_rate: Any) -> Transformation:
        """The same transformation with another learning rate (a number or a schedule)."""
        return self

    def observe(self, state: Tree, value: float) -> Tree:
        """Next state, given what an epoch achieved: the validation loss, or else the training loss."""
        return state


@dataclasses.dataclass(frozen=True, init=False)
class chain(Transformation):  # noqa: N801 - called, and shown, like a function
    """Transformations one after the other: each receives the updates of the one before.

    Parameters
    ----------
    *transformations : Transformation
        Applied from left to right.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> optimizer = tp.optim.chain(tp.optim.clip_by_global_norm(1.0), tp.optim.SGD(0.1))
    >>> params = {"w": np.zeros(2)}
    >>> updates, state = optimizer.update({"w": np.array([30.0, -40.0])}, optimizer.init(params), params)
    >>> tp.optim.apply_updates(params, updates)
    {'w': array([-0.06,  0.08])}
    """

    transformations: tuple[Transformation, ...]

    def __init__(self, *transformations: Transformation) -> None:
        for link in transformations:
            if not isinstance(link, Transformation):
                what = f"chain takes transformations, not {link!r}"
                raise ArgumentError(compose(what, instead="Write chain(clip_by_global_norm(1.0), Adam(1e-3))."))
        self._set(transformations=transformations)

    def __repr__(self) -> str:
        return f"chain({', '.join(map(repr, self.transformations))})"

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> chain:
        return cls(*fields["transformations"])

    def init(self, params: Tree) -> Tree:
        return [link.init(params) for link in self.transformations]

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        following = []
        for link, own in zip(self.transformations, state, strict=True):
            grads, own = link.update(grads, own, params)
            following.append(own)
        return grads, following

    def current_learning_rate(self, state: Tree) -> float | None:
        pairs = zip(self.transformations, state, strict=True)
        rates = [rate for link, own in pairs if (rate := link.current_learning_rate(own)) is not None]
        return float(np.prod(rates)) if rates else None

    def with_learning_rate(self, learning_rate: Any) -> chain:
        return chain(*(link.with_learning_rate(learning_rate) for link in self.transformations))

    def observe(self, state: Tree, value: float) -> Tree:
        return [link.observe(own, value) for link, own in zip(self.transformations, state, strict=True)]


def apply_updates(params: Tree, updates: Tree) -> Tree:
    """Parameters after one step: ``params + updates``, leaf by leaf, in the parameters' dtypes.

    Examples
    --------
    >>> apply_updates({"w": 1.0}, {"w": -0.25})
    {'w': 0.75}
    """
    return tree.map(lambda param, update: param + update, params, updates)


def map_leaves(function: Callable[..., tuple[Any, ...]], count: int, first: Tree, *rest: Tree) -> tuple[Tree, ...]:
    """`tree.map` for a function with `count` results: one tree for each."""
    results: list[tuple[Any, ...]] = []
    tree.map(lambda *leaves: results.append(function(*leaves)), first, *rest)
    structure = tree.structure(first)
    columns = zip(*results, strict=True) if results else [()] * count
    return tuple(tree.unflatten(structure, column) for column in columns)


def zeros_like(params: Tree) -> Tree:
    """One zero array for each parameter, which must be real floating-point."""
    for path, leaf in tree.flatten_with_paths(params):
        if np.result_type(leaf).kind != "f":
            at = "".join(f"[{key!r}]" for key in path)
            what = f"the parameter params{at} has dtype {np.result_type(leaf)}"
            instead = "Convert it with .astype(np.float32); write a complex number as two real ones."
            raise ArgumentError(compose(what, why="Optimizers update real floating-point numbers.", instead=instead))
    return tree.map(lambda leaf: np.zeros(np.shape(leaf), np.result_type(leaf)), params)


def cast(scalar: Any, like: Any) -> Any:
    """A scalar in the dtype of an array, so that a float64 coefficient leaves a float32 array float32."""
    dtype = getattr(like, "dtype", np.dtype(np.float64))  # a Python number has float64's precision
    return scalar.astype(dtype) if hasattr(scalar, "astype") else dtype.type(scalar)


def advanced(counter: Any) -> Any:
    """The next value of a step counter, still a 0-d array (NumPy makes scalars of sums of 0-d arrays)."""
    return np.reshape(counter + 1, ())
