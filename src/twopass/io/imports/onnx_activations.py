"""Activations in ONNX files: operators of their own, or spelled with several.

PyTorch and Keras write SiLU, GELU and Mish as products and sums of other functions, each in its own way. Such a part of
a graph is recognised by its values: it is computed at many points, and compared to every activation that has a name.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from twopass import nn

__all__ = ["ACTIVATIONS", "recognised"]

Array = np.ndarray[Any, np.dtype[Any]]
Attributes = Mapping[str, Any]


def _elu(given: Attributes) -> Any:
    alpha = given.get("alpha", 1.0)
    return nn.elu if alpha == 1 else functools.partial(nn.elu, alpha=alpha)


def _leaky_relu(given: Attributes) -> Any:
    slope = given.get("alpha", 0.01)
    return nn.leaky_relu if slope == 0.01 else functools.partial(nn.leaky_relu, slope=slope)


def _selu(given: Attributes) -> Any:
    """That of the paper; ONNX would allow other constants."""
    usual = (1.6732632, 1.0507010)
    return nn.selu if np.allclose([given.get("alpha", usual[0]), given.get("gamma", usual[1])], usual) else None


def _gelu(given: Attributes) -> Any:
    return nn.gelu_tanh if given.get("approximate", b"none") == b"tanh" else nn.gelu


#: From the attributes of an operator to the activation; None if there is none.
ACTIVATIONS: dict[str, Callable[[Attributes], Any]] = {
    "Relu": lambda _: nn.relu,
    "Sigmoid": lambda _: nn.sigmoid,
    "Tanh": lambda _: nn.tanh,
    "Softplus": lambda _: nn.softplus,
    "Mish": lambda _: nn.mish,
    "Elu": _elu,
    "Selu": _selu,
    "LeakyRelu": _leaky_relu,
    "Gelu": _gelu,
    "Swish": lambda given: nn.silu if given.get("alpha", 1.0) == 1 else None,
    "Softmax": lambda _: nn.softmax,
    "LogSoftmax": lambda _: nn.log_softmax,
    "Sin": lambda _: np.sin,
}

#: What an activation may be spelled with.
_PIECES: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.true_divide,
    "Neg": np.negative,
    "Exp": np.exp,
    "Log": np.log,
    "Pow": np.power,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Abs": np.abs,
    "Max": np.maximum,
    "Min": np.minimum,
    "Erf": np.vectorize(math.erf, otypes=[float]),
    "Tanh": np.tanh,
    "Sigmoid": nn.sigmoid,
    "Softplus": nn.softplus,
    "Relu": nn.relu,
}

#: Those that are worth spelling; of x alone.
_KNOWN = [nn.relu, nn.sigmoid, nn.silu, nn.gelu, nn.gelu_tanh, nn.mish, nn.softplus, nn.tanh]

_POINTS = np.linspace(-12, 12, 2402)
#: The constants in a file are rounded to float32.
_TOLERANCE = 1e-6


def recognised(
    value: str, nodes: Sequence[Any], arrays: Mapping[str, Array], output: str
) -> tuple[list[Any], Callable[..., Any]] | None:
    """The nodes at the beginning of a chain that spell an activation, and that activation.

    Parameters
    ----------
    value : str
        What the activation would be of.
    nodes : sequence of NodeProto
        In an order in which they can be computed.
    arrays : mapping
        Constants by name.
    output : str
        The result of the whole graph.
    """
    known = {value: _POINTS}
    used: list[Any] = []
    for node in nodes:
        operands = [known.get(name, arrays.get(name)) for name in node.input]
        if node.op_type not in _PIECES or not any(name in known for name in node.input):
            continue
        if any(operand is None or operand.size not in (1, _POINTS.size) for operand in operands):
            continue
        with np.errstate(all="ignore"):
            result = _PIECES[node.op_type](*(np.asarray(operand, np.float64).reshape(-1) for operand in operands))
        used.append(node)
        known[node.output[0]] = result
        rest = [other for other in nodes if not any(other is one for one in used)]
        read_later = {name for other in rest for name in other.input} | {output}
        if read_later & known.keys() == {node.output[0]}:
            for activation in _KNOWN:
                if np.allclose(result, activation(_POINTS), rtol=_TOLERANCE, atol=_TOLERANCE):
                    return used, activation
    return None
