"""Normalizations in ONNX files that are spelled with sums and products of a number for each feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from twopass import nn

__all__ = ["OPERATORS", "SPELLED", "further", "is_spelled", "neutral"]

Array = np.ndarray[Any, np.dtype[Any]]

#: What such a normalization is read as: its deviation, the root of variance plus epsilon, is 1.
SPELLED = nn.BatchNorm()
_VARIANCE = 1 - SPELLED.epsilon


def neutral(vector: Array) -> dict[str, Array]:
    """The parameters of a normalization that changes nothing."""
    zero, one = np.zeros_like(vector), np.ones_like(vector)
    return {"scale": one, "shift": zero, "mean": zero, "variance": one * vector.dtype.type(_VARIANCE)}


def is_spelled(layer: nn.Layer, params: Mapping[str, Array]) -> bool:
    """Whether a layer is such a normalization."""
    return layer == SPELLED and bool((params["variance"] == params["variance"].dtype.type(_VARIANCE)).all())


def further(own: Mapping[str, Array], operator: str, vector: Array) -> dict[str, Array]:
    """The parameters of a normalization whose result goes through one more operator."""
    return {**own, **OPERATORS[operator](own, vector)}


def _times(own: Mapping[str, Array], factor: Array) -> dict[str, Array]:
    return {"scale": own["scale"] * factor, "shift": own["shift"] * factor}


def _minus(own: Mapping[str, Array], vector: Array) -> dict[str, Array]:
    """The subtrahend is the mean, if it comes first."""
    if (own["scale"] == 1).all() and not own["shift"].any():
        return {"mean": own["mean"] + vector}
    return {"shift": own["shift"] - vector}


#: What an operator changes.
OPERATORS: dict[str, Callable[[Mapping[str, Array], Array], dict[str, Array]]] = {
    "Add": lambda own, vector: {"shift": own["shift"] + vector},
    "Sub": _minus,
    "Mul": _times,
    "Div": lambda own, vector: _times(own, 1 / vector),
}
