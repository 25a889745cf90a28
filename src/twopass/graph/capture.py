"""Capture: run a function once, and write down the NumPy calls that it makes as a graph.

It is one more trace of the engine that differentiates (`twopass.core`): NumPy hands every call on a captured array to
it. So whatever the function does with NumPy is captured, and so is what differentiation does: a forward and a backward
pass become one graph. Derivatives inside the function have newer traces than the capture, which therefore sees the
calls of their rules.

The type of a result is that of the same call on example values (see `twopass.graph.abstract`): NumPy's own shapes,
dtypes and promotion. The values themselves never get into the graph.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

import twopass.rules  # noqa: F401 - fills the registry
from twopass import tree
from twopass.core.array import Array
from twopass.core.rule import QUESTIONS, TEXTS, Rule
from twopass.core.trace import CAPTURING, OPEN, Trace, snapshot
from twopass.errors import CaptureError, UnknownShapeError, compose, name_of, user_location
from twopass.graph.abstract import Abstract
from twopass.graph.ir import Constant, Graph, Input, Node, Type, pick

__all__ = ["Arguments", "GraphTrace", "Outputs", "capture", "split"]

#: Functions whose result has a shape that depends on the values of these arguments (by position and name).
SHAPES_FROM_VALUES: dict[Callable[..., Any], tuple[int | str, ...]] = {
    **dict.fromkeys([np.nonzero, np.flatnonzero, np.argwhere, np.trim_zeros], (0,)),
    **dict.fromkeys([np.unique, np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values], (0,)),
    **dict.fromkeys([np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d], (0, 1)),
    **dict.fromkeys([np.compress, np.extract, np.bincount], (0, "condition", "x")),
    **dict.fromkeys([np.repeat, np.delete, np.insert], (1, "repeats", "obj")),
    **dict.fromkeys([getattr(np.emath, name) for name in np.emath.__all__], (0, 1)),  # the dtype
    **dict.fromkeys([np.arange, np.linspace, np.tile, np.resize, np.broadcast_to, np.reshape], (1, 2)),
}
SHAPES_FROM_VALUES[np.linspace] = (2, "num")
SHAPES_FROM_VALUES[np.arange] = (0, 1, 2)

#: From how many multiplications on the example of a product is not computed: NumPy's products start threads.
_LARGE = 1 << 14
#: From how many elements on an example has only one, in all places: it would take memory as the real array does.
_HUGE = 1 << 20


def _product(a: Any, b: Any, *rest: Any, **options: Any) -> Any:
    """An example of ``a @ b``; of a large product an identity matrix, which whatever factors matrices can factor."""
    known = not rest and not options and all(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in (a, b))
    if not known or a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2] or a.size * b.shape[-1] < _LARGE:
        return np.matmul(a, b, *rest, **options)
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows, columns, dtype = a.shape[-2], b.shape[-1], np.result_type(a, b)
    matrix = np.ones((1, 1), dtype) if rows * columns >= _HUGE else np.eye(rows, columns, dtype=dtype)
    return np.broadcast_to(matrix, (*stack, rows, columns))


#: What examples of results are made by, for functions that take long.
PREVIEWS: dict[Callable[..., Any], Callable[..., Any]] = {np.matmul: _product}


def _is_even(value: Any) -> bool:
    """Whether an array has one element in many places."""
    return isinstance(value, np.ndarray) and value.size >= _HUGE and not any(value.strides)


def _result(call: Callable[..., Any], by_element: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of a call on examples; of many elements only the first is computed, if the examples allow it."""
    if not any(map(_is_even, args)):
        return call(*args, **kwargs)
    if by_element and not kwargs:
        firsts = [value[(slice(1),) * value.ndim] if isinstance(value, np.ndarray) else value for value in args]
        return np.broadcast_to(call(*firsts), np.broadcast_shapes(*map(np.shape, args)))
    if ".linalg" in (getattr(call, "__module__", None) or ""):
        args = tuple(_regular(value) if _is_even(value) else value for value in args)
    return call(*args, **kwargs)


def _regular(value: Any) -> Any:
    """An example that whatever factors matrices can factor."""
    return np.broadcast_to(np.eye(*value.shape[-2:], dtype=value.dtype), value.shape)


class GraphTrace(Trace):
    """Records calls as nodes; an array's primal is an `Abstract`, and it has no mark."""

    __slots__ = ("_constants",)

    captures = True

    def __init__(self) -> None:
        super().__init__()
        #: Plain arrays that were met, by identity: what they are, and the constants made of them.
        self._constants: dict[int, tuple[Any, Constant]] = {}

    # --- leaves ---------------------------------------------------------------------------------------------------

    def input(self, example: Any, name: str) -> Array:
        """A captured array that comes from outside; the example is protected, for it may be the caller's own."""
        if isinstance(example, np.ndarray):
            example = example.view()
            example.flags.writeable = False
        weak = isinstance(example, (int, float, complex)) and not isinstance(example, (bool, np.generic))
        return self.array(example, Input.of(type_of(example), name, weak))

    def array(self, example: Any, node: Node) -> Array:
        """The captured array of a node."""
        return Array(self, Abstract(example, node), None)

    def constant(self, value: Any) -> Array:
        return self.array(value, self._constant(value))

    def _constant(self, value: Any) -> Node:
        """A plain array as a node: as it is now."""
        if isinstance(value, np.ndarray) and value.size > 1 and not any(value.strides):
            same = Constant.of(np.array(value[(0,) * value.ndim]))
            return Node(np.broadcast_to, (same, value.shape), {}, type_of(value), np.broadcast_to)
        known = self._constants.get(id(value))
        if known is not None and (known[1].value is value or _same_bits(value, known[1].value)):
            return known[1]
        kept = snapshot(np.asarray(value))
        if kept.flags.writeable:
            kept = kept.view()
            kept.flags.writeable = False
        node = Constant.of(kept)
        self._constants[id(value)] = (value, node)
        return node

    def foreign(self, array: Array) -> Abstract:
        """What stands for an array of an older trace, which the function has not got as an argument."""
        what = "the function closes over a traced array"
        why = "It would be taken for a constant, and its derivative lost."
        raise CaptureError(compose(what, why=why, instead="Pass it to the compiled function as an argument."))

    # --- calls ----------------------------------------------------------------------------------------------------

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        y, node = self._run(rule.function, rule.call, tuple(args), kwargs, rule.preview, by_element=rule.by_element)
        if not isinstance(node.type, Type):
            parts = [Abstract(part, picked(node, number)) for number, part in enumerate(y)]
            return tuple(parts), (None,) * len(parts)
        return Abstract(y, node), None

    def capture(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if function in QUESTIONS:
            examples = _examples(self._abstract(args))
            return function(*examples, **_examples(self._abstract(kwargs)))
        if function in TEXTS:
            Abstract(0, None).refuse(f"np.{name_of(function)}")
        y, node = self._run(function, function, args, kwargs)
        if isinstance(node.type, Type):
            return self.array(y, node)
        parts = [self.array(part, picked(node, number)) for number, part in enumerate(y)]
        return type(y)(*parts) if hasattr(y, "_fields") else type(y)(parts)

    def scan(self, step: Any, carry: Any, xs: Any, length: int, reverse: bool, limit: Any) -> tuple[Any, Any]:
        from twopass.graph.scan import capture_scan  # which captures the body

        return capture_scan(step, carry, xs, length, reverse, limit)

    def _run(
        self,
        function: Any,
        call: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preview: Any = None,
        *,
        by_element: bool = False,
    ) -> tuple[Any, Node]:
        """Compute the example of a result, and make its node."""
        if self.closed:
            self.check_open()
        args, kwargs = self._abstract(args), self._abstract(kwargs)
        _check_shape_is_known(function, args, kwargs)
        with np.errstate(all="ignore"):
            y = _result(preview or PREVIEWS.get(function, call), by_element, _examples(args), _examples(kwargs))
        if y is None:
            what = f"np.{name_of(function)} changes an array in place, in a way that cannot be captured"
            raise CaptureError(compose(what, instead="Compute a new array, or assign to x[...]."))
        type = tuple(map(type_of, y)) if isinstance(y, (tuple, list)) else type_of(y)
        return y, Node(function, self._nodes(args), self._nodes(kwargs), type, call, user_location() or "")

    def _abstract(self, value: Any) -> Any:
        """Arguments with everything of this trace replaced by what is known of it."""
        if isinstance(value, Array):
            value._refresh()
            return value._primal if value._trace is self else self.foreign(value)
        return _nested(value, self._abstract)

    def _nodes(self, value: Any) -> Any:
        """Arguments as a node has them: nodes for all arrays, numbers and the like as they are."""
        if isinstance(value, Abstract):
            return value.node
        if isinstance(value, (np.ndarray, np.generic)):
            return self._constant(value)
        return _nested(value, self._nodes)

    def detached(self, array: Any) -> Any:
        return array

    def check_writeable(self, primal: Any) -> None:
        if isinstance(primal, Abstract) and isinstance(primal.node, Input):
            what = f"the captured function changes its argument {primal.node.name} in place"
            why = "Compiled code leaves the caller's arrays as they are."
            raise CaptureError(compose(what, why=why, instead="Write x = x + y for x += y, or x = x.copy() before it."))

    def node(self, array: Array) -> Node:
        """The node of an array of this trace."""
        abstract = self._abstract(array)
        return abstract.node  # type: ignore[no-any-return]


@contextmanager
def running(trace: GraphTrace) -> Iterator[None]:
    """While a function runs that a trace captures."""
    token, before = CAPTURING.set(trace), OPEN.set((*OPEN.get(), trace))
    try:
        yield
    except ValueError as error:
        # NumPy says "setting an array element with a sequence" where float(x) was refused.
        if isinstance(error.__cause__, CaptureError):
            raise error.__cause__ from None
        raise
    finally:
        CAPTURING.reset(token)
        OPEN.reset(before)
        trace.closed = True


def picked(node: Node, number: int) -> Node:
    """One of the results of a node."""
    return Node(pick, (node, number), {}, node.type[number], pick, node.line)


def type_of(value: Any) -> Type:
    """The type of an array, NumPy scalar or Python number."""
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        if not isinstance(value, (bool, int, float, complex)):
            what = f"a call gives a {type(value).__name__}, which is no array"
            raise CaptureError(compose(what, instead="Leave it out of the function that is compiled."))
        dtype = np.dtype(type(value))
    if dtype.kind not in "biufc":
        what = f"arrays of {dtype} cannot be captured"
        raise CaptureError(compose(what, instead="Convert them to numbers outside of the function that is compiled."))
    return Type(np.shape(value), dtype)


def _nested(value: Any, replace: Callable[[Any], Any]) -> Any:
    """A container with its items replaced; everything else as it is."""
    if not isinstance(value, (tuple, list, dict, slice)):
        return value
    if isinstance(value, (tuple, list)):
        items = [replace(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: replace(item) for key, item in value.items()}
    if isinstance(value, slice):
        parts = [replace(part) for part in (value.start, value.stop, value.step)]
        if any(isinstance(part, Abstract) for part in parts):
            what = "the bounds of a slice depend on values, and so does its length"
            instead = "Write np.take(x, start + np.arange(length), axis=0)."
            raise UnknownShapeError(compose(what, instead=instead))
        return value
    return value


def _examples(value: Any) -> Any:
    return value.example if isinstance(value, Abstract) else _nested(value, _examples)


def _same_bits(a: Any, b: Any) -> bool:
    a = np.asarray(a)
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _check_shape_is_known(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise for a result whose shape depends on values."""
    places = SHAPES_FROM_VALUES.get(function, ())
    given = [args[place] if isinstance(place, int) else kwargs.get(place) for place in places if _has(args, place)]
    if function is operator.getitem and len(args) > 1:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        given = [part for part in index if isinstance(part, Abstract) and part.dtype.kind == "b"]
    if function is operator.setitem and np.ndim(_examples(args[1])):
        index = kwargs["index"] if isinstance(kwargs["index"], tuple) else (kwargs["index"],)
        given = [part for part in index if isinstance(part, Abstract) and part.dtype.kind == "b"]
    if any(map(_holds_abstract, given)):
        what = f"the shape or dtype of the result of np.{name_of(function)} depends on values"
        if function in (operator.getitem, operator.setitem):
            what = "the shape of x[mask] depends on the values of the mask"
        why = "The shapes of all arrays must be known when a function is compiled."
        instead = "Keep the shape: np.where(mask, x, 0), or np.sum(x, where=mask)."
        raise UnknownShapeError(compose(what, why=why, instead=instead))


def _has(args: tuple[Any, ...], place: int | str) -> bool:
    return isinstance(place, str) or place < len(args)


def _holds_abstract(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_holds_abstract, value))
    return isinstance(value, Abstract)


# --- whole functions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arguments:
    """Arguments of a call, taken apart.

    Attributes
    ----------
    leaves : tuple
        The arrays, NumPy scalars and Python floats: what a graph has inputs for.
    names : tuple of str
        How to write the way to each of them.
    static : tuple
        (place, value) of the other leaves: they are part of the graph.
    structure : Structure
        The tree of the arguments.
    """

    leaves: tuple[Any, ...]
    names: tuple[str, ...]
    static: tuple[tuple[int, Any], ...]
    structure: tree.Structure

    def rebuild(self, leaves: Sequence[Any]) -> Any:
        """The arguments with other values in the place of the leaves."""
        static, rest = dict(self.static), iter(leaves)
        count = self.structure.leaf_count
        return tree.unflatten(self.structure, [static[i] if i in static else next(rest) for i in range(count)])


def split(args: tuple[Any, ...]) -> Arguments:
    """Take the arguments of a call apart.

    Arrays, NumPy scalars and Python floats become inputs. A Python float stays what it is to NumPy: it takes the
    precision of the arrays that it meets. Everything else (integers, booleans, text, functions) is static.
    """
    leaves: list[Any] = []
    names: list[str] = []
    static: list[tuple[int, Any]] = []
    for place, (path, leaf) in enumerate(tree.flatten_with_paths(args)):
        if isinstance(leaf, (np.ndarray, np.generic)) or type(leaf) is float or isinstance(leaf, Array):
            leaves.append(leaf)
            names.append("_".join(map(str, path)))
        else:
            static.append((place, leaf))
    return Arguments(tuple(leaves), tuple(names), tuple(static), tree.structure(args))


@dataclass(frozen=True)
class Outputs:
    """How the results of a graph make up the result of the function.

    Attributes
    ----------
    structure : Structure
        The tree of the result.
    leaves : tuple
        For each leaf ``("array", n)`` or ``("scalar", n)``, with the number of the graph's output, or
        ``("static", value)``.
    """

    structure: tree.Structure
    leaves: tuple[tuple[str, Any], ...]

    def build(self, values: Sequence[Any]) -> Any:
        """The result of the function, from those of the graph."""
        return tree.unflatten(self.structure, [_output(kind, what, values) for kind, what in self.leaves])


def _output(kind: str, what: Any, values: Sequence[Any]) -> Any:
    if kind == "static":
        return what
    value = values[what]
    if kind == "scalar":
        return value[()]
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def capture(f: Callable[..., Any], args: tuple[Any, ...], names: Sequence[str] = ()) -> tuple[Graph, Outputs]:
    """The graph of a function, and how to put its results together.

    Parameters
    ----------
    f : callable
        A function of positional arguments.
    args : tuple
        Arguments of the types that the graph is for. Its inputs are the leaves of `split`.
    names : sequence of str
        Names of the parameters, for those of the inputs; by default the function's own.

    Raises
    ------
    CaptureError
        When the function needs values.
    """
    given = split(args)
    names = names or _parameters(f)
    trace = GraphTrace()
    arrays = [trace.input(leaf, _name(path, names)) for leaf, path in zip(given.leaves, given.names, strict=True)]
    inputs = tuple(array._primal.node for array in arrays)
    with running(trace):
        leaves, structure = tree.flatten(f(*given.rebuild(arrays)))
        nodes: list[Node] = []
        found = [_found(trace, leaf, nodes) for leaf in leaves]
    return Graph(inputs, tuple(nodes)), Outputs(structure, tuple(found))


def _parameters(f: Callable[..., Any]) -> list[str]:
    """The names of a function's parameters, as far as they are known."""
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def _name(path: str, names: Sequence[str]) -> str:
    first, _, rest = path.partition("_")
    number = int(first)
    head = names[number] if number < len(names) else f"x{number}"
    return f"{head}_{rest}" if rest else head


def _found(trace: GraphTrace, leaf: Any, nodes: list[Node]) -> tuple[str, Any]:
    """Note a leaf of the result among the nodes to be computed."""
    if isinstance(leaf, np.ndarray):
        leaf = trace.constant(leaf)
    if not isinstance(leaf, Array):
        return "static", leaf
    abstract = trace._abstract(leaf)
    nodes.append(abstract.node)
    return "array" if isinstance(abstract.example, np.ndarray) else "scalar", len(nodes) - 1
