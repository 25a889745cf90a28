"""A chain of functions as a graph for any number of rows.

The chain is captured for two numbers of rows. What differs between the two graphs is the number of rows: a length that
is 5 in one and 7 in the other is that number, and one that is 20 and 28 is four times it. The comparison also finds out
whether each row is computed from itself alone: every array made from the input must have one axis of rows, which
nothing sums over, cuts, joins or takes for another axis. Then a prediction may be computed for one row at a time.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, compose
from twopass.graph.capture import capture
from twopass.graph.ir import Constant, Graph, Input, Node, Type, astype, substitute
from twopass.graph.passes import run
from twopass.graph.spellings import operator_name
from twopass.io.exports.stages import Chain, Stage

__all__ = ["Dimension", "Forward", "Rows", "address", "check_names", "forward", "is_elementwise", "refuse", "steps"]


class Rows(NamedTuple):
    """A length that is a multiple of the number of rows."""

    multiple: int = 1


Dimension = int | Rows

#: Numbers of rows to capture with; the second pair is for the case that one of the first is taken for another length.
_PAIRS = ((5, 7), (11, 13), (17, 19))


class Forward(NamedTuple):
    """What is exported, captured.

    Parameters
    ----------
    graph : Graph
        For some number of rows, in normal form.
    row : Graph
        For one row, in normal form.
    shapes : dict
        The shape of each node of `graph`, by identity, with `Rows` for the axis of rows.
    names : dict
        Names of constants, by the address of their numbers.
    stages : tuple of Stage
        By the title that the nodes have as their line.
    """

    graph: Graph
    row: Graph
    shapes: dict[int, tuple[Dimension, ...]]
    names: dict[int, str]
    stages: dict[str, Stage]


def forward(chain: Chain) -> Forward:
    """Capture a chain.

    Raises
    ------
    ArgumentError
        When a row's outputs depend on other rows, or on how many there are.
    CaptureError
        When a function needs the values of arrays.
    """
    names = {address(array): name for stage in chain.stages for name, array in stage.named().items()}
    stages = {stage.title: stage for stage in chain.stages}
    row = run(_graph(chain, 1))
    for pair in _PAIRS:
        first, second = (run(_graph(chain, n)) for n in pair)
        if _same_form(first, second):
            shapes = _shapes(first, second, pair)
            _check_rows(second, shapes, pair[1])
            return Forward(second, row, shapes, names, stages)
    what = "what the model computes depends on the number of rows"
    raise ArgumentError(compose(what, instead="Make it a function of each row alone."))


def check_names(graph: Graph, output_names: Sequence[str], labels: Mapping[str, Sequence[str]]) -> None:
    """Check the names of the outputs, and that those with labels are indices.

    Raises
    ------
    ArgumentError
        When they do not fit to the graph.
    """
    inputs = [node.name for node in graph.inputs]
    if len(output_names) != len(graph.outputs) or len({*output_names, *inputs}) != len([*output_names, *inputs]):
        what = f"output_names is {list(output_names)}, and the model has {len(graph.outputs)} outputs"
        instead = f"Pass a name for each, all different, and other ones than {', '.join(inputs)}."
        raise ArgumentError(compose(what, instead=instead))
    kinds = dict(zip(output_names, (node.dtype.kind for node in graph.outputs), strict=True))
    wrong = [name for name in labels if kinds.get(name) not in ("i", "u")]
    if wrong:
        what = f"labels are given for {wrong[0]!r}, which is no output of integers"
        raise ArgumentError(compose(what, instead="Return np.argmax(y, axis=1) from `after`."))


def address(array: np.ndarray[Any, Any]) -> int:
    """Where the numbers of an array are."""
    return int(array.__array_interface__["data"][0])


def refuse(node: Node, target: str, why: str = "") -> NoReturn:
    """Raise for what cannot be exported."""
    what = f"{_name(node)} cannot be exported to {target}"
    why = why or f"There is no counterpart in {target}, or none of this spelling."
    instead = "Write the layer with other functions: arithmetic, np.where, sums, products, np.exp and the like."
    raise ArgumentError(compose(what, where=node.line or None, why=why, instead=instead))


def _name(node: Node) -> str:
    """A node's function as users write it."""
    name = operator_name(node.function) or repr(node.function)
    return "an index" if name == "getitem" else f"np.{name}" if getattr(np, name.partition(".")[0], None) else name


# --- capture ----------------------------------------------------------------------------------------------------------


def _graph(chain: Chain, n: int) -> Graph:
    """The graph for a number of rows; the line of each node is the title of its stage."""
    shape = chain.input_shape
    several = any(isinstance(part, tuple) for part in shape)
    examples = [np.zeros((n, *part), chain.dtype) for part in (shape if several else (shape,))]
    names = [f"x{number}" for number in range(len(examples))] if several else ["x"]
    inputs = [Input.of(Type(a.shape, a.dtype), name) for a, name in zip(examples, names, strict=True)]
    nodes: list[Node] = list(inputs)
    structure = tree.structure(tuple(examples) if several else examples[0])
    for stage in chain.stages:
        value = tree.unflatten(structure, [np.zeros(node.shape, node.dtype) for node in nodes])
        part, outputs = capture(stage.function, (stage.params, value))
        if any(kind == "static" for kind, _ in outputs.leaves):
            what = f"{stage.title} gives something other than arrays"
            raise ArgumentError(compose(what, instead="Return an array, or a tuple of arrays."))
        # Parameters are inputs first, because a layer may do with them what it can do with traced arrays alone.
        constants = [Constant.of(leaf) for leaf in tree.leaves(stage.params)]
        nodes, structure = _continued(part, [*constants, *nodes], stage.title), outputs.structure
        nodes = [nodes[number] for _, number in outputs.leaves]
    return Graph(tuple(inputs), tuple(nodes))


def _continued(part: Graph, values: Sequence[Node], line: str) -> list[Node]:
    """The outputs of a graph whose inputs are nodes of another one."""
    done: dict[int, Node] = {id(given): value for given, value in zip(part.inputs, values, strict=True)}
    for node in part.nodes():
        if isinstance(node, Constant):
            done[id(node)] = node
        elif not isinstance(node, Input):
            args = substitute(node.args, lambda operand: done[id(operand)])
            kwargs = substitute(dict(node.kwargs), lambda operand: done[id(operand)])
            done[id(node)] = Node(node.function, args, kwargs, node.type, node.call, line)
    return [done[id(output)] for output in part.outputs]


# --- the number of rows -----------------------------------------------------------------------------------------------


def _same_form(first: Graph, second: Graph) -> bool:
    """Whether two graphs make the same calls of the same dtypes, with the same constants."""
    pairs = list(zip(first.nodes(), second.nodes(), strict=False))
    if len(pairs) != len(first.nodes()) or len(pairs) != len(second.nodes()):
        return False
    for a, b in pairs:
        if a.function is not b.function or not isinstance(a.type, Type) or not isinstance(b.type, Type):
            return a.function is b.function  # several results: the translation refuses those
        if (a.dtype, a.ndim, len(a.operands)) != (b.dtype, b.ndim, len(b.operands)):
            return False
        if isinstance(a, Constant) and isinstance(b, Constant) and a.value.tobytes() != b.value.tobytes():
            return False
    return True


def _shapes(first: Graph, second: Graph, pair: tuple[int, int]) -> dict[int, tuple[Dimension, ...]]:
    """The shape of each node of the second graph."""
    shapes: dict[int, tuple[Dimension, ...]] = {}
    for a, b in zip(first.nodes(), second.nodes(), strict=True):
        if isinstance(b.type, Type):
            shapes[id(b)] = tuple(_dimension(b, lengths, pair) for lengths in zip(a.shape, b.shape, strict=True))
    return shapes


def _dimension(node: Node, lengths: tuple[int, int], pair: tuple[int, int]) -> Dimension:
    if lengths[0] == lengths[1]:
        return lengths[0]
    multiple, rest = divmod(lengths[1], pair[1])
    if rest or multiple * pair[0] != lengths[0]:
        _mixes(node)
    return Rows(multiple)


def _mixes(node: Node) -> NoReturn:
    what = "the outputs for one row depend on other rows, and a model that is exported takes each row by itself"
    why = f"{_name(node)} is applied along the axis of the rows."
    raise ArgumentError(compose(what, where=node.line or None, why=why, instead="Leave the first axis alone."))


def _axis_of_rows(shape: Sequence[Dimension]) -> int | None:
    """Which axis is that of the rows."""
    return next((axis for axis, length in enumerate(shape) if isinstance(length, Rows)), None)


def _check_rows(graph: Graph, shapes: dict[int, tuple[Dimension, ...]], n: int) -> None:
    """Raise unless each row is computed from itself alone."""
    for node in graph.nodes():
        if not isinstance(node.type, Type):
            continue
        shape = shapes[id(node)]
        if sum(isinstance(length, Rows) for length in shape) > 1:
            _mixes(node)
        given = [shapes[id(operand)] for operand in node.operands if id(operand) in shapes]
        from_rows = any(_axis_of_rows(operand) is not None for operand in given)
        if from_rows and (_axis_of_rows(shape) is None or not _keeps_rows(node, shapes, n)):
            _mixes(node)
    for output in graph.outputs:
        if isinstance(output.type, Type) and shapes[id(output)][:1] != (Rows(1),):
            _mixes(output)


def _keeps_rows(node: Node, shapes: dict[int, tuple[Dimension, ...]], n: int) -> bool:
    """Whether a node whose operands have an axis of rows leaves the rows where they are."""
    shape = shapes[id(node)]
    place = _axis_of_rows(shape)
    if node.function is np.reshape:
        return _before(shapes[id(node.args[0])]) == _before(shape)
    if node.function is np.concatenate:
        return bool(node.args[1] != place)
    if node.function is operator.getitem:
        given = shapes[id(node.args[0])]
        axis = _axis_of_rows(given)
        if axis is None or axis >= len(node.args[1]):
            return True  # the positions have the rows, or the index ends before them
        part, whole = node.args[1][axis], node.args[0].shape[axis]
        return isinstance(part, slice) and part.indices(whole) == (0, whole, 1)
    # All other functions that are translated keep the order along the axes that they keep.
    return True


def _before(shape: Sequence[Dimension]) -> tuple[int, ...]:
    """How many elements lie between two rows' first ones, and how many rows an element of a row is away."""
    place = _axis_of_rows(shape)
    return () if place is None else (math.prod(shape[:place]),)  # type: ignore[arg-type]


def is_elementwise(node: Node) -> bool:
    """Whether each element of the result is a function of the operands' elements there."""
    ufunc = isinstance(node.function, np.ufunc) and node.function.signature is None and node.function.nout == 1
    return (ufunc and not node.kwargs) or node.function in (np.where, astype)


def steps(graph: Graph) -> Iterator[Node]:
    """The nodes that compute something, in order."""
    return (node for node in graph.nodes() if not isinstance(node, (Input, Constant)))
