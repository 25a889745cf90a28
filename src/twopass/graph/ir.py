"""The graph: a function as the NumPy calls that it makes, on arrays of known shape and dtype.

A node is one call of a NumPy function, which is the operator's name here as it is everywhere in twopass; its type is
the shape and dtype of the result. Nodes are frozen, and refer to the nodes that they read, so a graph is what its
outputs reach. Nothing here is recursive: a graph may be deeper than Python's stack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from twopass.core.operators import astype, scatter

__all__ = ["Constant", "Graph", "Input", "Node", "Type", "astype", "nodes_in", "pick", "scatter", "substitute"]


class Type(NamedTuple):
    """What is known of an array before the program runs."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One call of a NumPy function.

    Attributes
    ----------
    function : callable
        The NumPy function, or one of ours: its name is the operator's.
    args, kwargs
        The arguments as the function takes them: nodes, static values, and sequences of both.
    type : Type, or tuple of Type for a function with several results (see `pick`)
        Shape and dtype of the result.
    call : callable
        Computes the result from `args` and `kwargs`; most often `function` itself.
    line : str
        ``file:line`` of the user's code that made the call, for messages; empty if not known.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    type: Any
    call: Callable[..., Any]
    line: str = ""
    #: The nodes among the arguments, in order, each as often as it is used.
    operands: tuple[Node, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found: list[Node] = []
        for value in (*self.args, *self.kwargs.values()) if self.kwargs else self.args:
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, _CONTAINERS):
                _collect(value, found)
        object.__setattr__(self, "operands", tuple(found))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return self.type.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements of the result."""
        return self.type.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        return len(self.type.shape)

    @property
    def size(self) -> int:
        """Number of elements of the result."""
        return math.prod(self.type.shape)


def _refuse(*_args: Any, **_kwargs: Any) -> Any:
    raise AssertionError("a leaf of a graph has no function")


@dataclass(frozen=True, eq=False, slots=True)
class Input(Node):
    """A value that comes from outside.

    Attributes
    ----------
    name : str
        For messages and the printer.
    weak : bool
        Whether it is a Python number, which takes the dtype of what it meets.
    """

    name: str = ""
    weak: bool = False

    @classmethod
    def of(cls, type: Type, name: str, weak: bool = False) -> Input:
        """An input of a type."""
        return cls(_refuse, (), {}, type, _refuse, name=name, weak=weak)


@dataclass(frozen=True, eq=False, slots=True)
class Constant(Node):
    """An array that is known when the graph is made; nobody may change it."""

    value: Any = field(default=None)

    @classmethod
    def of(cls, value: Any) -> Constant:
        """A constant of an array or NumPy scalar, which must be read-only or belong to nobody else."""
        array = np.asarray(value)
        return cls(_refuse, (), {}, Type(array.shape, array.dtype), _refuse, value=array)


def pick(outputs: Sequence[Any], number: int) -> Any:
    """One of the results of a function that has several."""
    return outputs[number]


#: What the nodes among arguments may be in.
_CONTAINERS = (tuple, list, dict, slice)


def _collect(value: Any, found: list[Node]) -> None:
    if isinstance(value, Node):
        found.append(value)
    elif isinstance(value, (tuple, list)):
        for item in value:
            _collect(item, found)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, found)
    elif isinstance(value, slice):
        _collect((value.start, value.stop, value.step), found)


def substitute(value: Any, replacement: Callable[[Node], Any]) -> Any:
    """Arguments of a node with every node among them replaced."""
    if isinstance(value, Node):
        return replacement(value)
    if isinstance(value, (tuple, list)):
        items = [substitute(item, replacement) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return {key: substitute(item, replacement) for key, item in value.items()}
    return value


@dataclass(frozen=True, eq=False)
class Graph:
    """Outputs as functions of inputs.

    Attributes
    ----------
    inputs : tuple of Input
        In the order in which values are passed; some may be unused.
    outputs : tuple of Node
        In the order in which results are returned; one node may be there twice.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Node, ...]

    def nodes(self) -> list[Node]:
        """Every node that the outputs reach, and all inputs, operands before what reads them."""
        return nodes_in(self.outputs, self.inputs)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes())

    def __str__(self) -> str:
        from twopass.graph.printer import to_text  # which imports this module

        return to_text(self)


def nodes_in(outputs: Sequence[Node], first: Sequence[Node] = ()) -> list[Node]:
    """What some nodes reach, in an order in which it can be computed: depth first, and the same every time."""
    order: list[Node] = []
    done: set[int] = set()
    for root in (*first, *outputs):
        if id(root) in done:
            continue
        done.add(id(root))
        stack = [(root, iter(root.operands))]
        while stack:
            node, rest = stack[-1]
            for operand in rest:
                if id(operand) not in done:
                    done.add(id(operand))
                    stack.append((operand, iter(operand.operands)))
                    break
            else:
                order.append(node)
                stack.pop()
    return order
