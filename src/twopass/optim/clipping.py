"""Links that bound the gradients or add a penalty's: placed before the optimizer in a `chain`."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from twopass import tree
from twopass.checks import NonNegative, NonNegativeCount, Positive
from twopass.optim.transformation import Transformation, Tree, cast

__all__ = ["clip_by_global_norm", "clip_by_norm", "clip_by_value", "weight_decay"]


@dataclasses.dataclass(frozen=True)
class clip_by_value(Transformation):  # noqa: N801 - called, and shown, like a function
    """Bound each element: ``min(max(g, -limit), limit)``. It changes the gradient's direction.

    Examples
    --------
    >>> clip_by_value(1.0).update({"w": np.array([3.0, -0.5])}, {}, None)[0]
    {'w': array([ 1. , -0.5])}
    """

    limit: Positive

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        return tree.map(lambda gradient: np.clip(gradient, -self.limit, self.limit), grads), state


@dataclasses.dataclass(frozen=True)
class clip_by_norm(Transformation):  # noqa: N801
    """Bound the Euclidean norm of each leaf: ``g * min(1, max_norm / norm(g))``.

    Examples
    --------
    >>> clip_by_norm(1.0).update({"w": np.array([3.0, 4.0]), "b": np.array([0.5])}, {}, None)[0]
    {'w': array([0.6, 0.8]), 'b': array([0.5])}
    """

    max_norm: Positive

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        return tree.map(lambda gradient: _scaled(gradient, _square_sum(gradient), self.max_norm), grads), state


@dataclasses.dataclass(frozen=True)
class clip_by_global_norm(Transformation):  # noqa: N801
    """Bound the Euclidean norm of all leaves together, which keeps the gradient's direction.

    ``g * min(1, max_norm / norm(all g))``: Pascanu, Mikolov and Bengio, On the Difficulty of Training Recurrent
    Neural Networks (2013), algorithm 1. Optax's of the same name; PyTorch's ``clip_grad_norm_`` adds 1e-6 to the norm.

    Examples
    --------
    >>> clip_by_global_norm(1.0).update({"w": np.array([3.0]), "b": np.array([4.0])}, {}, None)[0]
    {'w': array([0.6]), 'b': array([0.8])}
    """

    max_norm: Positive

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        squares = sum((_square_sum(leaf) for leaf in tree.leaves(grads)), start=np.float64(0.0))
        return tree.map(lambda gradient: _scaled(gradient, squares, self.max_norm), grads), state


def _square_sum(gradient: Any) -> Any:
    """Sum of squares in float64: float32 squares overflow from 2e19 on."""
    wide = gradient.astype(np.float64)
    return np.sum(wide * wide)


def _scaled(gradient: Any, square_sum: Any, max_norm: float) -> Any:
    return gradient * cast(max_norm / np.maximum(np.sqrt(square_sum), max_norm), gradient)


@dataclasses.dataclass(frozen=True)
class weight_decay(Transformation):  # noqa: N801
    """Add an L2 penalty's gradient: ``g + rate * p``, the gradient of ``rate / 2 * sum(p²)``.

    Parameters
    ----------
    rate : float
        Coefficient of the penalty.
    min_ndim : int
        Leaves with fewer axes are left alone: 2 leaves out biases and normalisation scales.

    Notes
    -----
    Krogh and Hertz, A Simple Weight Decay Can Improve Generalization (1991), eq. 2. Before SGD it is the
    ``weight_decay`` of PyTorch's optimizers; with adaptive optimizers prefer the decoupled decay of `AdamW`.

    Examples
    --------
    >>> params = {"weight": np.ones((1, 2)), "bias": np.ones(2)}
    >>> weight_decay(0.1, min_ndim=2).update({"weight": np.zeros((1, 2)), "bias": np.zeros(2)}, {}, params)[0]
    {'weight': array([[0.1, 0.1]]), 'bias': array([0., 0.])}
    """

    rate: NonNegative
    min_ndim: NonNegativeCount = 0

    def update(self, grads: Tree, state: Tree, params: Tree) -> tuple[Tree, Tree]:
        def decayed(gradient: Any, param: Any) -> Any:
            return gradient if param.ndim < self.min_ndim else gradient + self.rate * param

        return tree.map(decayed, grads, params), state
