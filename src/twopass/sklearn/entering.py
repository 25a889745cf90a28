"""Networks whose input is a sparse matrix, which stays one: it is multiplied outside of what is differentiated."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from twopass import nn
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.sklearn.network import Decayed
from twopass.sklearn.rows import SparseRows

__all__ = ["Entered", "through_sparse"]


@dataclasses.dataclass(frozen=True)
class Entered(nn.Layer):
    """A dense layer whose input comes multiplied by its weight, as a sparse matrix is multiplied outside."""

    dense: nn.Dense

    @classmethod
    def of(cls, net: Decayed) -> Decayed:
        """A network whose first layer is one."""
        first, *others = net.net.children().values()
        assert isinstance(first, nn.Dense)
        return Decayed(nn.Sequential(cls(first), *others))

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        return self.dense.init(seed, input_shape, dtype)

    def output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        activation = self.dense.activation
        y = x + params["bias"]
        return (y if activation is None else nn.activations.get(activation)(y)), params


def through_sparse(gradient: Any) -> Any:
    """The gradient of a network whose input is sparse: it enters, and is differentiated, by two sparse products."""

    def through(at: Any, rest: Any, x: SparseRows, y: Any, weight: Any, key: Any) -> Any:
        entering = at["net"][0]["weight"]
        value, (slopes, outer) = gradient(at, rest, x.matrix @ entering, y, weight, key)
        first, *others = slopes["net"]
        first = {**first, "weight": first["weight"] + x.matrix.T @ outer}  # what is there comes from the penalty
        return value, {**slopes, "net": [first, *others]}

    return through
