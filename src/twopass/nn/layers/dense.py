"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.checks import Count
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn import activations, initializers
from twopass.nn.layer import Layer
from twopass.nn.penalties import Constraint, Penalty
from twopass.nn.random import child_seed
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.nn.validation import check_shape

__all__ = ["Dense"]


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected layer: ``y = activation(x @ weight + bias)``.

    Acts on the last axis: ``(..., inputs) -> (..., units)``. To connect a unit to all numbers of a sample with more
    axes, such as an image, put `Flatten` before.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str or callable, optional
        Name of one of `twopass.nn.activations`, or any function of one array. None for none.
    use_bias : bool, default True
        Whether to add a bias.
    weight_initializer : str, callable or array, default "auto"
        Name of one of `twopass.nn.initializers`, a function ``(generator, shape, dtype) -> array``, or the values.
        ``"auto"`` suits the activation: He normal for relu, leaky_relu, elu, gelu, silu and mish, LeCun normal for
        selu, Glorot uniform otherwise.
    bias_initializer : str, callable or array, default "zeros"
        As `weight_initializer`.
    weight_penalty : Penalty, optional
        What the weights add to the loss: `L1`, `L2` or `L1L2`. The bias is free.
    weight_constraint : Constraint, optional
        What holds for the weights after each update: `MaxNorm`.
    frozen : bool, default False
        Whether training leaves the parameters as they are.

    Raises
    ------
    ArgumentError
        When a parameter is none of these.
    ShapeError
        When the last axis of the input is not the one that the weights were made for.

    Notes
    -----
    Parameters: ``{"weight": (inputs, units), "bias": (units,)}``. As everywhere in NumPy, leading axes are a stack:
    with a weight of shape ``(k, inputs, units)`` and a bias of ``(k, 1, units)`` the layer is k layers at once.

    Examples
    --------
    >>> layer = Dense(2, activation="relu", weight_initializer=np.array([[1.0, -1.0], [2.0, 0.0]]))
    >>> params = layer.init(0, input_shape=(2,))
    >>> layer(params, np.float32([[1, 1]]))
    array([[3., 0.]], dtype=float32)
    """

    units: Count
    activation: Any = None
    use_bias: bool = True
    weight_initializer: Any = "auto"
    bias_initializer: Any = "zeros"
    weight_penalty: Penalty | None = None
    weight_constraint: Constraint | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation is not None:
            self._set(activation=activations.ACTIVATIONS.canonical(self.activation))
        if not self._initializes_automatically:
            self._set(weight_initializer=initializers.canonical(self.weight_initializer))
        self._set(bias_initializer=initializers.canonical(self.bias_initializer))
        for name, kind, example in (
            ("weight_penalty", Penalty, "L2(1e-4)"),
            ("weight_constraint", Constraint, "MaxNorm(3.0)"),
        ):
            value = getattr(self, name)
            if not (value is None or isinstance(value, kind)):
                what = f"Dense: {name} must be a {kind.__name__} or None, got {value!r}"
                raise ArgumentError(compose(what, instead=f"Write for example {name}=tp.nn.{example}."))

    @property
    def _initializes_automatically(self) -> bool:
        return isinstance(self.weight_initializer, str) and self.weight_initializer == "auto"

    def output_shape(self, input_shape: Shape) -> Shape:
        """``(..., inputs) -> (..., units)``."""
        shape = check_shape(input_shape)
        if not shape:
            what = "Dense needs samples with at least one axis, got single numbers"
            raise ShapeError(compose(what, instead="Write x[:, np.newaxis] to make each a vector of length 1."))
        return (*shape[:-1], self.units)

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        """Make weight and bias; see `Layer.init`."""
        self.output_shape(input_shape)
        inputs = input_shape[-1]
        chosen = (
            initializers.for_activation(self.activation) if self._initializes_automatically else self.weight_initializer
        )
        weight = initializers.make(chosen, child_seed(seed, 0), (inputs, self.units), dtype)
        if not self.use_bias:
            return {"weight": weight}
        bias = initializers.make(self.bias_initializer, child_seed(seed, 1), (self.units,), dtype)
        return {"weight": weight, "bias": bias}

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        weight = params["weight"]
        if x.ndim == 0 or x.shape[-1] != weight.shape[-2]:
            what = f"{self!r} has a weight of shape {weight.shape}, and x has the shape {x.shape}"
            why = f"The last axis of x must have {weight.shape[-2]} features."
            raise ShapeError(compose(what, why=why, instead="Make the parameters with init(seed, x.shape[1:])."))
        y = x @ weight
        if self.use_bias:
            y = y + params["bias"]
        if self.activation is not None:
            y = activations.get(self.activation)(y)
        return y, params

    def penalty(self, params: Params) -> Array:
        """The penalty of the weights."""
        return 0.0 if self.weight_penalty is None else self.weight_penalty(params["weight"])

    def constrain(self, params: Params) -> Params:
        """The parameters with the constraint of the weights enforced."""
        if self.weight_constraint is None:
            return params
        return {**params, "weight": self.weight_constraint(params["weight"])}
