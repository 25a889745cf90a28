"""Checks of shapes, so that a network that does not fit its data never trains."""

from __future__ import annotations

import operator
from typing import Any

from twopass.errors import ShapeError, compose
from twopass.nn.types import Shape

__all__ = ["check_shape"]


def check_shape(input_shape: Any) -> Shape:
    """The shape of one sample, as a tuple of integers.

    Raises
    ------
    ShapeError
        When it is a bare number, or has a length that is unknown or negative.
    """
    try:
        shape = tuple(operator.index(length) for length in input_shape)
    except TypeError:
        what = f"input_shape must be the lengths of one sample's axes, got {input_shape!r}"
        raise ShapeError(compose(what, instead="Write a tuple without the batch axis: x.shape[1:].")) from None
    if any(length < 0 for length in shape):
        raise ShapeError(compose(f"input_shape has a negative length: {shape}", instead="Write x.shape[1:]."))
    return shape
