"""A layer with a way around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.layer import Container, Layer
from twopass.nn.random import fold_in
from twopass.nn.types import Array, Key, Params, Shape

__all__ = ["Residual"]


@dataclass(frozen=True)
class Residual(Container):
    """Add the input of a layer to its output [1]_: ``y = body(x) + x``, or ``y = body(x) + projection(x)``.

    Parameters
    ----------
    body : Layer
        The layer to go around; often a `Sequential`.
    projection : Layer, optional
        Brings the input to the shape of the output where they differ, for example ``Dense(units, use_bias=False)``.
    frozen : bool, default False
        Whether training leaves the parameters and statistics of both as they are.

    Raises
    ------
    ArgumentError
        When an argument is no layer.
    ShapeError
        When the two shapes to add differ.

    Notes
    -----
    Parameters: ``{"body": ...}`` or ``{"body": ..., "projection": ...}``.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", CVPR 2016, equations 1
       and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from twopass import nn
    >>> block = nn.Residual(nn.Dense(2, weight_initializer="zeros"))
    >>> block(block.init(0, (2,)), np.float32([[1, 2]]))
    array([[1., 2.]], dtype=float32)
    """

    body: Layer
    projection: Layer | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, layer in (("body", self.body), ("projection", self.projection)):
            if not (isinstance(layer, Layer) or (name == "projection" and layer is None)):
                what = f"Residual: {name} must be a layer, got {layer!r}"
                raise ArgumentError(compose(what, instead="Put several layers into one nn.Sequential(...)."))
        self._set(**self._freeze(self.children()))

    def children(self) -> Mapping[str, Layer]:
        """The body, and the projection if there is one."""
        return {"body": self.body} if self.projection is None else {"body": self.body, "projection": self.projection}

    def child_inputs(self, input_shape: Shape) -> dict[str, Shape]:
        """Both get the input."""
        self.output_shape(input_shape)
        return dict.fromkeys(self.children(), input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the body's output."""
        out = self.body.output_shape(input_shape)
        around = tuple(input_shape) if self.projection is None else self.projection.output_shape(input_shape)
        if out != around:
            what = f"Residual cannot add the shape {around} to the body's output of shape {out}"
            raise ShapeError(compose(what, instead=f"Write projection=nn.Dense({out[-1]}) or the like."))
        return out

    def check_values(self, x: Any) -> None:
        """Both get the input; see `Layer.check_values`."""
        for layer in self.children().values():
            layer.check_values(x)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        """The forward pass; see `Layer.apply`."""
        outputs: dict[str, Array] = {"projection": x}
        kept: dict[str, Params] = {}
        for index, (name, layer) in enumerate(self.children().items()):
            own_key = None if key is None else fold_in(key, index)
            outputs[name], kept[name] = layer.apply(params[name], x, training=training, key=own_key)
        return outputs["body"] + outputs["projection"], kept
