"""Checks of parameters when a specification is made, so that a bad one never trains."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.nn.types import Shape

__all__ = ["check_integer", "check_number", "check_shape"]


def _contains(interval: str, value: float) -> bool:
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    return above and below


def check_number(owner: str, name: str, value: Any, interval: str) -> float:
    """A parameter that must be a real number of an interval written as in mathematics.

    Raises
    ------
    ArgumentError
        Naming the parameter and the interval.

    Examples
    --------
    >>> check_number("Dropout", "rate", 0.5, "[0, 1)")
    0.5
    >>> check_number("Dropout", "rate", 1, "[0, 1)")
    Traceback (most recent call last):
        ...
    twopass.errors.ArgumentError: Dropout: rate must be a number in [0, 1), got 1 ...
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not _contains(interval, float(value)):
        raise ArgumentError(compose(f"{owner}: {name} must be a number in {interval}, got {value!r}"))
    return float(value)


def check_integer(owner: str, name: str, value: Any, minimum: int) -> int:
    """A parameter that must be an integer of at least `minimum`.

    Raises
    ------
    ArgumentError
        Naming the parameter and the minimum.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < minimum:
        raise ArgumentError(compose(f"{owner}: {name} must be an integer of at least {minimum}, got {value!r}"))
    return number


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
