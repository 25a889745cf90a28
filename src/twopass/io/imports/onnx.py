"""Networks from ONNX files: chains of dense layers, normalizations and activations."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twopass import nn
from twopass.errors import ModelError, compose
from twopass.io.exports.onnx import library
from twopass.io.imports.onnx_activations import ACTIVATIONS, recognised
from twopass.io.imports.onnx_scaling import OPERATORS, SPELLED, further, is_spelled, neutral

__all__ = ["read_onnx"]

Array = np.ndarray[Any, np.dtype[Any]]


def read_onnx(file: str | os.PathLike[str]) -> tuple[nn.Sequential, Any]:
    """The network in an ONNX file, and its parameters.

    Read are chains of ``Gemm``, ``MatMul`` and ``Add``, ``BatchNormalization``, ``LayerNormalization``, ``Flatten``,
    ``Dropout`` and activations, as PyTorch, Keras and others export multilayer perceptrons. Sums and products with a
    number for each feature, as which Keras writes its ``BatchNormalization``, become a `nn.BatchNorm` of unit variance:
    what the network computes is the same, but it has no statistics to train on with.

    Parameters
    ----------
    file : path
        The ONNX file.

    Returns
    -------
    net : nn.Sequential
        An activation that follows a dense layer is part of it.
    params : list of dict of ndarray
        In the dtype of the file.

    Raises
    ------
    ModelError
        When the file is not ONNX, or is more than such a chain; the message names the operator.
    MissingLibraryError
        When onnx is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    >>> ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xy"]
    >>> numbers = {"w": np.eye(2, dtype=np.float32), "b": np.zeros(2, np.float32)}
    >>> arrays = [numpy_helper.from_array(array, name) for name, array in numbers.items()]
    >>> model = helper.make_model(helper.make_graph(nodes, "toy", ends[:1], ends[1:], arrays))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "toy.onnx")
    ...     _ = file.write_bytes(model.SerializeToString())
    ...     net, params = read_onnx(file)
    >>> net
    Sequential(Dense(2, activation='relu'))
    """
    onnx = library()
    try:
        model = onnx.load_model_from_string(Path(file).read_bytes())
        onnx.checker.check_model(model)
    except OSError as error:
        raise ModelError(compose(f"the file cannot be read: {error.strerror}", where=os.fspath(file))) from error
    except Exception as error:  # protocol buffers and the checker raise classes of their own
        why = f"{(str(error).strip() or type(error).__name__).splitlines()[0].rstrip('.')}."
        raise ModelError(compose("the file is not a valid ONNX model", where=os.fspath(file), why=why)) from error
    return _Reader(onnx, model, os.fspath(file)).network()


class _Reader:
    """Follows the chain from the input to the output."""

    def __init__(self, onnx: Any, model: Any, file: str) -> None:
        self.file = file
        self.graph = model.graph
        self.attribute_of = onnx.helper.get_attribute_value
        self.opset = next((used.version for used in model.opset_import if used.domain in ("", "ai.onnx")), 0)
        self.arrays = {given.name: _numbers(onnx, given) for given in self.graph.initializer}
        #: Other names of values, by nodes that change nothing.
        self.same: dict[str, str] = {}
        self.nodes = self._relevant(onnx, model)
        self.layers: list[nn.Layer] = []
        self.params: list[dict[str, Array]] = []
        #: Lengths of the axes of the input, and how many axes the value has that the chain has come to.
        self.shape: list[int] = []
        self.ndim = 0

    def _relevant(self, onnx: Any, model: Any) -> list[Any]:
        """The nodes that compute something from the input; what the others make is in `arrays` and `same`."""
        inferred = onnx.shape_inference.infer_shapes(model).graph
        typed = (*inferred.input, *inferred.value_info, *inferred.output)
        kind_of = {value.name: value.type.tensor_type.elem_type for value in typed}
        nodes = []
        for node in self.graph.node:
            for number, name in enumerate(node.input):
                node.input[number] = self.same.get(name, name)
            source, made = (node.input[0] if node.input else ""), node.output[0]
            if node.op_type == "Constant":
                ((kind, value),) = self.attributes(node).items()
                self.arrays[made] = _numbers(onnx, value) if kind == "value" else np.array(value)
            elif source in self.arrays and node.op_type in ("Identity", "Cast"):
                to = self.attributes(node).get("to")
                dtype = None if to is None else onnx.helper.tensor_dtype_to_np_dtype(to)
                self.arrays[made] = _usual(self.arrays[source].astype(dtype or self.arrays[source].dtype))
            elif node.op_type == "Identity" or (
                node.op_type == "Cast" and self.attributes(node)["to"] == kind_of.get(source)
            ):
                self.same[made] = source
            else:
                nodes.append(node)
        return nodes

    def attributes(self, node: Any) -> dict[str, Any]:
        """The attributes of a node; float32 numbers with the digits that they were written with."""
        given = {attribute.name: self.attribute_of(attribute) for attribute in node.attribute}
        return {name: _shortest(value) if isinstance(value, float) else value for name, value in given.items()}

    def refuse(self, node: Any, why: str = "") -> ModelError:
        """The error for a node that cannot be read."""
        what = f"the operator {node.op_type} (node {node.name or node.output[0]!r}) cannot be read"
        why = why or "Read are chains of dense layers, normalizations and activations."
        return ModelError(compose(what, where=self.file, why=why))

    def network(self) -> tuple[nn.Sequential, Any]:
        inputs = [given for given in self.graph.input if given.name not in self.arrays]
        if len(inputs) != 1 or len(self.graph.output) != 1:
            what = (
                f"the model has {len(inputs)} inputs and {len(self.graph.output)} outputs, and a chain has one of each"
            )
            raise ModelError(compose(what, where=self.file))
        self.shape = [axis.dim_value for axis in inputs[0].type.tensor_type.shape.dim]
        self.ndim = len(self.shape)
        value, output = inputs[0].name, self.graph.output[0].name
        output = self.same.get(output, output)
        rest = self.nodes
        while rest:
            readers = [node for node in rest if value in node.input]
            spelled = None
            if len(readers) != 1 or readers[0].op_type not in _WHOLE:
                spelled = recognised(value, rest, self.arrays, output)
            if spelled is not None:
                used, activation = spelled
                self._activate(activation)
            elif len(readers) == 1:
                used = readers
                self._read(used[0], value)
            else:
                raise self._no_chain(readers[1] if readers else rest[0])
            value = used[-1].output[0]
            rest = [node for node in rest if not any(node is other for other in used)]
        if value != output:
            raise ModelError(compose("the output of the model is not the end of the chain", where=self.file))
        net = nn.Sequential(*self.layers)
        self._try(net, self.shape[1:])
        return net, self.params

    def _try(self, net: nn.Sequential, shape: list[int]) -> None:
        """Raise unless the network takes rows of a shape, if that is known."""
        if all(length > 0 for length in shape):
            try:
                with np.errstate(all="ignore"):
                    net(self.params, np.zeros((1, *shape), np.float32))
            except ValueError as error:
                what = "the numbers in the file do not fit together"
                raise ModelError(compose(what, where=self.file, why=str(error))) from error

    def _no_chain(self, node: Any) -> ModelError:
        return self.refuse(
            node, "The operators do not form a chain: a value is used twice, or not made from the input."
        )

    def _read(self, node: Any, value: str) -> None:
        """Make a layer of a node."""
        if node.domain not in ("", "ai.onnx"):
            raise self.refuse(node, f"It is one of {node.domain}, not of ONNX's core.")
        operands = [name for name in node.input if name]
        if any(name != value and name not in self.arrays for name in operands):
            raise self._no_chain(node)
        given = self.attributes(node)
        if node.op_type in ACTIVATIONS:
            function = ACTIVATIONS[node.op_type](given)
            if function is None or (function in (nn.softmax, nn.log_softmax) and not self._is_last(given)):
                raise self.refuse(node, f"Its attributes are {given}.")
            self._activate(function)
        elif node.op_type in _LAYERS:
            _LAYERS[node.op_type](self, node, [self.arrays.get(name) for name in operands], given)
        elif node.op_type != "Dropout":
            raise self.refuse(node)

    def _is_last(self, given: Mapping[str, Any]) -> bool:
        """Whether an operator goes along the last axis."""
        if self.opset < 13:  # the axes from the given one on, which is 1 by default, were one axis
            return self.ndim == 2 and given.get("axis", 1) in (1, -1)
        return given.get("axis", -1) in (-1, self.ndim - 1 if self.ndim else -1)

    def _add(self, layer: nn.Layer, **params: Array) -> None:
        self.layers.append(layer)
        self.params.append(params)

    def _activate(self, function: Callable[..., Any]) -> None:
        """An activation, as a part of the dense layer before it."""
        last = self.layers[-1] if self.layers else None
        if isinstance(last, nn.Dense) and last.activation is None:
            self.layers[-1] = nn.Dense(last.units, activation=function, use_bias=last.use_bias)
        else:
            self._add(nn.Activation(function))

    # --- layers -------------------------------------------------------------------------------------------------------

    def gemm(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """``alpha x B + beta C``."""
        x, b, *c = operands
        if x is not None or b is None or b.ndim != 2 or given.get("transA", 0):
            raise self.refuse(node, "The second operand, and no other, must be a matrix of numbers.")
        weight = np.array(b.T if given.get("transB", 0) else b, order="C") * b.dtype.type(given.get("alpha", 1.0))
        if not c or c[0] is None:
            self._add(nn.Dense(weight.shape[1], use_bias=False), weight=weight)
            return
        bias = self._vector(node, c[0], weight.shape[1]) * b.dtype.type(given.get("beta", 1.0))
        self._add(nn.Dense(weight.shape[1]), weight=weight, bias=bias)

    def matmul(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """``x W``."""
        x, weight = operands
        if x is not None or weight is None or weight.ndim != 2:
            raise self.refuse(node, "The second operand, and no other, must be a matrix of numbers.")
        self._add(nn.Dense(weight.shape[1], use_bias=False), weight=np.array(weight))

    def add(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """The bias of the dense layer before, or a shift of each feature."""
        last = self.layers[-1] if self.layers else None
        bias = next((array for array in operands if array is not None), None)
        if bias is None or not isinstance(last, nn.Dense) or last.use_bias or last.activation is not None:
            self.affine(node, operands, given)
            return
        self.layers[-1] = nn.Dense(last.units)
        self.params[-1]["bias"] = self._vector(node, bias, last.units)

    def _vector(self, node: Any, array: Array, length: int) -> Array:
        """An array that is the same for each row, as a vector."""
        if array.size not in (1, length) or (array.ndim > 1 and array.shape[0] != 1):
            raise self.refuse(node, f"The bias has the shape {array.shape}, and there are {length} units.")
        return np.array(np.broadcast_to(array.reshape(-1), length))

    def batch_norm(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """Normalization by running statistics."""
        x, *numbers = operands
        if x is not None or len(numbers) != 4 or any(array is None for array in numbers):
            raise self.refuse(node, "Scale, shift, mean and variance must be numbers.")
        if given.get("training_mode", 0) or self.ndim != 2:
            raise self.refuse(node, "It is read for rows of features, and with running statistics.")
        names = ("scale", "shift", "mean", "variance")
        layer = nn.BatchNorm(epsilon=given.get("epsilon", 1e-5))
        self._add(layer, **{name: np.array(array) for name, array in zip(names, numbers, strict=True)})

    def affine(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """A sum or product with one number for each feature: part of a normalization that is spelled out."""
        numbers = next((array for array in operands if array is not None), None)
        width = self._width()
        swapped = node.op_type in ("Sub", "Div") and operands[0] is not None
        by_zero = node.op_type == "Div" and numbers is not None and not numbers.all()
        if numbers is None or numbers.dtype.kind != "f" or swapped or by_zero or self.ndim != 2 or not width:
            raise self.refuse(node, "It is read if it is of rows of features and of a number for each feature.")
        vector = self._vector(node, numbers, width)
        if not self.layers or not is_spelled(self.layers[-1], self.params[-1]):
            self._add(SPELLED, **neutral(vector))
        self.params[-1] = further(self.params[-1], node.op_type, vector)

    def _width(self) -> int:
        """How many features a row of the current value has; 0 if that is not known."""
        for layer, params in zip(reversed(self.layers), reversed(self.params), strict=True):
            if params:
                return layer.units if isinstance(layer, nn.Dense) else len(params["scale"])
        return self.shape[1] if len(self.shape) == 2 else 0

    def layer_norm(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """Normalization of each sample, over its last axis."""
        x, scale, *shift = operands
        if x is not None or scale is None or scale.ndim != 1 or given.get("axis", -1) not in (-1, self.ndim - 1):
            raise self.refuse(node, "It must go over the last axis, with a scale of numbers.")
        moved = shift[0] if shift and shift[0] is not None else np.zeros_like(scale)
        self._add(nn.LayerNorm(epsilon=given.get("epsilon", 1e-5)), scale=np.array(scale), shift=np.array(moved))

    def flatten(self, node: Any, operands: list[Array | None], given: Mapping[str, Any]) -> None:
        """Each row as a vector."""
        if node.op_type == "Reshape":
            shape = operands[1]
            if shape is None or shape.size != 2 or shape[0] not in (0, -1) or (shape[0] == -1) == (shape[1] == -1):
                raise self.refuse(node, "A Reshape is read if it makes a vector of each row.")
        elif given.get("axis", 1) != 1:
            raise self.refuse(node, "A Flatten is read if it makes a vector of each row.")
        self._add(nn.Flatten())
        self.ndim = 2


def _numbers(onnx: Any, tensor: Any) -> Array:
    """An array of the file."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        what = f"the numbers of {tensor.name!r} are in another file"
        raise ModelError(compose(what, instead="Save the model with all its data in one file."))
    return _usual(onnx.numpy_helper.to_array(tensor))


def _usual(array: Array) -> Array:
    """Floats of other precisions become float32."""
    is_known = array.dtype in (np.float32, np.float64) or array.dtype.kind in "iub"
    return array if is_known or array.dtype.kind not in "fV" else array.astype(np.float32)


def _shortest(value: float) -> float:
    """The number with the fewest digits that is the same in float32: 0.01, not 0.009999999776."""
    return float(str(np.float32(value)))


_LAYERS: dict[str, Callable[..., None]] = {
    "Gemm": _Reader.gemm,
    "MatMul": _Reader.matmul,
    "Add": _Reader.add,
    "Sub": _Reader.affine,
    "Mul": _Reader.affine,
    "Div": _Reader.affine,
    "BatchNormalization": _Reader.batch_norm,
    "LayerNormalization": _Reader.layer_norm,
    "Flatten": _Reader.flatten,
    "Reshape": _Reader.flatten,
}

#: Operators that are not a part of something that is spelled with several.
_WHOLE = {*ACTIVATIONS, *_LAYERS, "Dropout"} - OPERATORS.keys()
