"""ONNX files: a graph in normal form, node by node, in operators of ONNX's core."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from twopass.errors import ArgumentError, MissingLibraryError, ModelError, compose
from twopass.files import write_atomically
from twopass.graph.build import axes_of, is_scalar_constant, labels_of
from twopass.graph.ir import Constant, Input, Node, Type, astype
from twopass.io.exports.onnx_operators import ELEMENTS, REDUCTIONS
from twopass.io.exports.rows import Dimension, Forward, Rows, address, check_names, forward, is_elementwise, refuse
from twopass.io.exports.stages import Chain, chain_of

__all__ = ["IR_VERSION", "OPSET", "Writer", "export_onnx", "library", "to_onnx"]

#: Version of the operators, of December 2022: what every runtime that is maintained reads.
OPSET = 18
IR_VERSION = 8
_TARGET = "ONNX"

#: A protocol buffer holds less than 2 GiB.
_MOST_BYTES = (1 << 31) - (1 << 20)
#: Up to so many elements, equal constants are one.
_SMALL = 16


def export_onnx(
    model: Any,
    file: str | os.PathLike[str],
    *,
    before: Callable[[Any], Any] | None = None,
    after: Callable[[Any], Any] | None = None,
    input_shape: Sequence[int] | None = None,
    input_dtype: Any = None,
    output_names: Sequence[str] = ("y",),
    labels: Mapping[str, Sequence[str]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model to an ONNX file, as operators of ONNX's core (opset 18), for any number of rows.

    What is written is the network's own NumPy code, captured: layers and activations of your own are exported too, as
    far as they call functions that ONNX has operators for. Dropout does nothing, and batch normalisation takes its
    running statistics, as in every prediction.

    Parameters
    ----------
    model : Trainer, or path of a model folder
        What to export, with its parameters.
    file : path
        Replaced at one instant, or not at all.
    before, after : callable, optional
        Plain NumPy functions of a batch that become part of the file: the preprocessing, and what makes predictions
        of the network's outputs, such as `nn.softmax`.
    input_shape, input_dtype : optional
        Shape of one row and dtype of what `before` takes; by default those of the network's input.
    output_names : sequence of str
        One for each output.
    labels : mapping of str to sequence of str, optional
        For outputs that are indices, by name: the texts that are given in their place.
    metadata : mapping of str to str, optional
        What else to write into the file.

    Raises
    ------
    ArgumentError
        When something calls a function that ONNX has no operator for (the message names it), a row's outputs depend on
        other rows, or the names do not fit.
    ModelError
        When the folder holds no model, or the file cannot be written.
    MissingLibraryError
        When onnx is not installed.

    Notes
    -----
    The input is called ``x``, or ``x0``, ``x1``, ... if there are several.

    References
    ----------
    .. [1] ONNX operators, https://onnx.ai/onnx/operators/

    Examples
    --------
    >>> import numpy as np, tempfile, twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(8, activation="gelu"), tp.nn.Dense(3))
    >>> trainer = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), seed=0).init((4,))
    >>> folder = tempfile.TemporaryDirectory()
    >>> export_onnx(trainer, f"{folder.name}/model.onnx", after=tp.nn.softmax, output_names=["probabilities"])
    >>> from pathlib import Path
    >>> Path(folder.name, "model.onnx").stat().st_size > 0
    True
    >>> folder.cleanup()
    """
    chain = chain_of(model, before=before, after=after, input_shape=input_shape, input_dtype=input_dtype)
    content = to_onnx(chain, output_names, labels or {}, metadata or {})
    try:
        write_atomically(Path(file).absolute(), content)
    except OSError as error:
        what = f"the ONNX file cannot be written: {error.strerror}"
        raise ModelError(compose(what, where=os.fspath(file))) from error


def to_onnx(
    chain: Chain, output_names: Sequence[str], labels: Mapping[str, Sequence[str]], metadata: Mapping[str, str]
) -> bytes:
    """The content of an ONNX file; see `export_onnx`."""
    onnx = library()
    captured = forward(chain)
    check_names(captured.graph, output_names, labels)
    writer = Writer(onnx, captured)
    constants = (node for node in captured.graph.nodes() if isinstance(node, Constant))
    if sum(node.size * node.dtype.itemsize for node in constants) > _MOST_BYTES:
        raise ArgumentError(compose("the parameters take more than 2 GiB, which one ONNX file cannot hold"))
    model = writer.model(output_names, labels, metadata)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        what = "the model calls a function for a type of numbers that ONNX has it not for"
        raise ArgumentError(compose(what, why=str(error).strip().splitlines()[-1])) from error
    content: bytes = model.SerializeToString()
    return content


def library() -> ModuleType:
    """The optional library onnx."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError as error:
        what = "onnx is not installed, and ONNX files need it"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[onnx]'.")) from error
    return onnx


class _Value(NamedTuple):
    """A name in the file, and the shape of what it stands for: where ONNX stretches by itself, the smaller one."""

    name: str
    shape: tuple[Dimension, ...]


class Writer:
    """Writes the nodes of a graph one after the other."""

    def __init__(self, onnx: ModuleType, captured: Forward) -> None:
        self.onnx = onnx
        self.captured = captured
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.values: dict[int, _Value] = {}
        self._line = ""
        self._numbers: dict[Any, str] = {}
        self._taken: set[str] = set()

    # --- pieces -------------------------------------------------------------------------------------------------------

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """An operator; gives the name of its result."""
        name = self._fresh(f"{self._line.partition(':')[0] or 'inputs'}/{kind}")
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def _fresh(self, wanted: str) -> str:
        """A name that is not taken."""
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted}_{count}"
        self._taken.add(name)
        return name

    def constant(self, array: Any, name: str = "constant") -> str:
        """An array in the file; small ones that are equal are one."""
        array = np.asarray(array, order="C")
        key = (array.dtype, array.shape, array.tobytes()) if array.size <= _SMALL and array.dtype != object else None
        if key in self._numbers:
            return self._numbers[key]
        name = self._fresh(name)
        self.initializers.append(self.onnx.numpy_helper.from_array(array, name))
        if key is not None:
            self._numbers[key] = name
        return name

    def integers(self, values: Sequence[int]) -> str:
        """A list of integers in the file."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float, node: Node) -> str:
        """A number of the dtype of a node's first operand."""
        operand = node.args[0] if node.args[0].dtype.kind != "b" else node
        return self.constant(np.array(value, operand.dtype))

    def cast(self, name: str, dtype: np.dtype[Any]) -> str:
        """Another dtype."""
        return self.op("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(dtype))

    def shape(self, node: Node) -> tuple[Dimension, ...]:
        """The shape of a node."""
        return self.captured.shapes[id(node)]

    def whole(self, node: Node) -> str:
        """The name of a value that has the full shape of its node."""
        value, shape = self.values[id(node)], self.shape(node)
        if value.shape == shape:
            return value.name
        lengths = [length for length in shape if isinstance(length, Rows)]
        has_rows = any(isinstance(length, Rows) for length in value.shape)
        # Expand leaves an axis alone where 1 is asked for.
        target = self.integers([1 if isinstance(length, Rows) else length for length in shape])
        if lengths and not has_rows:
            target = self.op("Concat", *(self._length(length) for length in shape), axis=0)
        name = self.op("Expand", value.name, target)
        self.values[id(node)] = _Value(name, shape)
        return name

    def _length(self, length: Dimension) -> str:
        if not isinstance(length, Rows):
            return self.integers([length])
        first = self.values[id(self.captured.graph.inputs[0])].name
        rows = self.op("Slice", self.op("Shape", first), self.integers([0]), self.integers([1]))
        return self.op("Mul", rows, self.integers([length.multiple]))

    # --- nodes --------------------------------------------------------------------------------------------------------

    def model(
        self, output_names: Sequence[str], labels: Mapping[str, Sequence[str]], metadata: Mapping[str, str]
    ) -> Any:
        """The whole file."""
        from twopass import __version__  # here: the package imports this module before it has a version

        graph, helper = self.captured.graph, self.onnx.helper
        self._taken.update(output_names)
        inputs = []
        for given in graph.inputs:
            self.values[id(given)] = _Value(self._fresh(given.name), self.shape(given))
            inputs.append(self._declaration(given, given.name))
        for node in graph.nodes():
            if not isinstance(node, Input):
                self._line = node.line
                self.values[id(node)] = self._translate(node)
        outputs = []
        for name, node in zip(output_names, graph.outputs, strict=True):
            found = self.whole(node)
            texts = labels.get(name)
            if texts is not None:
                found = self.op("Gather", self.constant(np.array(texts, object), f"{name}_texts"), found)
            self.nodes.append(helper.make_node("Identity", [found], [name], name=f"outputs/{name}"))
            outputs.append(self._declaration(node, name, self.onnx.TensorProto.STRING if texts is not None else None))
        nodes, initializers = self._needed(output_names)
        made = helper.make_model(
            helper.make_graph(nodes, "twopass", inputs, outputs, initializers),
            producer_name="twopass",
            producer_version=__version__,
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        helper.set_model_props(made, dict(metadata))
        return made

    def _needed(self, output_names: Sequence[str]) -> tuple[list[Any], list[Any]]:
        """The nodes and arrays that the outputs are made of: a combination of operators may have left others."""
        wanted = set(output_names)
        nodes = []
        for node in reversed(self.nodes):
            if node.output[0] in wanted:
                nodes.append(node)
                wanted.update(node.input)
        return nodes[::-1], [array for array in self.initializers if array.name in wanted]

    def _declaration(self, node: Node, name: str, kind: int | None = None) -> Any:
        lengths = ["rows" if isinstance(length, Rows) else length for length in self.shape(node)]
        kind = self.onnx.helper.np_dtype_to_tensor_dtype(node.dtype) if kind is None else kind
        return self.onnx.helper.make_tensor_value_info(name, kind, lengths)

    def _translate(self, node: Node) -> _Value:
        if isinstance(node, Constant):
            return _Value(self.constant(node.value, self._name_of(node)), node.shape)
        if not isinstance(node.type, Type):
            refuse(node, _TARGET)
        if is_elementwise(node):
            return self._elementwise(node)
        handler = _STRUCTURE.get(node.function)
        if handler is None:
            refuse(node, _TARGET)
        return handler(self, node)

    def _name_of(self, node: Constant) -> str:
        name = self.captured.names.get(address(node.value), "") if node.value.ndim else ""
        return name or ("constant" if node.size <= 1 else "constants")

    def _elementwise(self, node: Node) -> _Value:
        operands = [arg for arg in node.args if isinstance(arg, Node)]
        given = [self.values[id(operand)] for operand in operands]
        shape = _broadcast([value.shape for value in given])
        names = [value.name for value in given]
        if node.function is astype:
            return _Value(self.cast(names[0], node.dtype), shape)
        if node.function is np.where and _is_relu(node):
            return _Value(self.op("Relu", names[2]), given[2].shape)
        entry = ELEMENTS.get(node.function)
        if entry is None:
            refuse(node, _TARGET)
        return _Value(self.op(entry, *names) if isinstance(entry, str) else entry(self, node, *names), shape)


def _is_relu(node: Node) -> bool:
    """Whether it is ``where(x <= 0, 0, x)``, for which runtimes have an operator that is faster."""
    condition, zero, x = node.args
    return (
        condition.function is np.less_equal
        and condition.args[0] is x
        and is_scalar_constant(condition.args[1], 0)
        and is_scalar_constant(zero, 0)
        and x.dtype.kind == "f"
    )


def _broadcast(shapes: Sequence[tuple[Dimension, ...]]) -> tuple[Dimension, ...]:
    """The shape of operands together."""
    ndim = max(map(len, shapes))
    columns = zip(*((1,) * (ndim - len(shape)) + shape for shape in shapes), strict=True)
    return tuple(next((length for length in column if length != 1), 1) for column in columns)


# --- structure --------------------------------------------------------------------------------------------------------


def _broadcast_to(w: Writer, node: Node) -> _Value:
    """Nothing yet: most of what reads it stretches by itself."""
    return w.values[id(node.args[0])]


def _reshape(w: Writer, node: Node) -> _Value:
    shape = w.shape(node)
    if 0 in shape:
        refuse(node, _TARGET, "The array has no elements.")
    lengths = w.integers([-1 if isinstance(length, Rows) else length for length in shape])
    return _Value(w.op("Reshape", w.whole(node.args[0]), lengths), shape)


def _transpose(w: Writer, node: Node) -> _Value:
    return _Value(w.op("Transpose", w.whole(node.args[0]), perm=list(node.args[1])), w.shape(node))


def _concatenate(w: Writer, node: Node) -> _Value:
    parts, axis = node.args
    return _Value(w.op("Concat", *map(w.whole, parts), axis=axis), w.shape(node))


def _getitem(w: Writer, node: Node) -> _Value:
    """Slices, and positions along one axis."""
    a, index = node.args
    name = w.whole(a)
    for axis, (part, length) in enumerate(zip(index, a.shape, strict=False)):
        if not isinstance(part, slice) or part.indices(length) == (0, length, 1):
            continue
        stop = -length - 1 if part.stop is None else part.stop
        bounds = (w.integers([number]) for number in (part.start, stop, axis, part.step))
        name = w.op("Slice", name, *bounds)
    places = [axis for axis, part in enumerate(index) if not isinstance(part, slice)]
    if len(places) > 1 or not all(isinstance(index[axis], Node) and index[axis].dtype.kind in "iu" for axis in places):
        refuse(node, _TARGET, "Only slices, and positions along one axis, have operators.")
    for axis in places:
        name = w.op("Gather", name, w.cast(w.whole(index[axis]), np.dtype(np.int64)), axis=axis)
    return _Value(name, w.shape(node))


def _reduction(w: Writer, node: Node) -> _Value:
    axes = axes_of(node)
    if axes is None:
        refuse(node, _TARGET)
    a, kind = w.whole(node.args[0]), REDUCTIONS[node.function]
    is_truth = node.args[0].dtype.kind == "b"
    if is_truth:
        a = w.cast(a, np.dtype(np.int32))
    name = w.op(kind, a, w.integers(axes), keepdims=0)
    return _Value(w.cast(name, node.dtype) if is_truth else name, w.shape(node))


def _place_of_extreme(w: Writer, node: Node) -> _Value:
    if set(node.kwargs) != {"axis"} or len(node.args) != 1:
        refuse(node, _TARGET)
    kind = "ArgMax" if node.function is np.argmax else "ArgMin"
    return _Value(w.op(kind, w.whole(node.args[0]), axis=node.kwargs["axis"], keepdims=0), w.shape(node))


def _einsum(w: Writer, node: Node) -> _Value:
    """A product of matrices, or of stacks of them, where it is one."""
    subscripts, *operands = node.args
    if len(operands) != 2:
        refuse(node, _TARGET)
    (left, right), output = labels_of(subscripts)
    names = [w.whole(operand) for operand in operands]
    inner, stack = left[-1:], right[:-2]
    is_product = len(left) > 1 and len(right) > 1 and right[-2] == inner and left.startswith(stack)
    if is_product and output == left[:-1] + right[-1] and (not stack or len(left) == len(right)):
        return _Value(w.op("MatMul", *names), w.shape(node))
    return _Value(w.op("Einsum", *names, equation=subscripts), w.shape(node))


_STRUCTURE: dict[Any, Callable[[Writer, Node], _Value]] = {
    np.broadcast_to: _broadcast_to,
    np.reshape: _reshape,
    np.transpose: _transpose,
    np.concatenate: _concatenate,
    operator.getitem: _getitem,
    **dict.fromkeys(REDUCTIONS, _reduction),
    np.argmax: _place_of_extreme,
    np.argmin: _place_of_extreme,
    np.einsum: _einsum,
}
