"""A graph of one row as loops in C.

Sums, products and what several loops read are kept in arrays; everything else is an expression inside of the loop that
reads it. Arrays are flat, in C order; every index is a sum of multiples of the loops' variables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from twopass.graph.build import axes_of, identity_of, labels_of
from twopass.graph.ir import Constant, Graph, Input, Node, Type
from twopass.io.exports.c_expressions import TYPES, Expression, Helpers, expression, literal
from twopass.io.exports.c_indices import Index, flat, index_of_operand, index_within, is_view, keeps_axes
from twopass.io.exports.rows import address, is_elementwise, refuse, steps

__all__ = ["Loops"]

_VARIABLES = "ijklmpqrstuvwzabcdefgh"
#: The longest expression that is put into another one.
_LONGEST = 60
#: How each reduction takes one element more.
_JOIN: dict[Any, Any] = {
    np.sum: np.add,
    np.prod: np.multiply,
    np.max: np.maximum,
    np.min: np.minimum,
    np.any: np.logical_or,
    np.all: np.logical_and,
}
#: Those that C has an assignment for.
_SIGNS: dict[Any, str] = {np.sum: "+=", np.prod: "*="}


class Loops:
    """Writes the loops of a graph.

    Parameters
    ----------
    graph : Graph
        For one row, in normal form.
    names : mapping
        Names of constants, by the address of their numbers.
    outputs : sequence of str
        Names of the arrays that the results go into.
    comments : mapping of str to sequence of str
        What to write where the nodes of a line begin.

    Attributes
    ----------
    lines : list of str
        The body of the function.
    tables : dict of str to ndarray
        The constants that it reads, by name.
    helpers : Helpers
        The functions that it calls.
    scratch : int
        Bytes of its arrays.
    """

    def __init__(
        self, graph: Graph, names: Mapping[int, str], outputs: Sequence[str], comments: Mapping[str, Sequence[str]]
    ) -> None:
        self.lines: list[str] = []
        self.tables: dict[str, np.ndarray[Any, Any]] = {}
        self.helpers = Helpers()
        self.scratch = 0
        self._names = names
        #: Where the values are that are kept: the name of an array, or of a number.
        self._places: dict[int, str] = {id(node): node.name for node in graph.inputs}
        self._numbers: set[int] = set()
        self._table_of: dict[int, str] = {}
        #: What is known in the innermost loop.
        self._known: dict[Any, Expression] = {}
        self._depth = 0
        self._count = Counter[str]()
        self._uses = Counter(id(operand) for node in graph.nodes() for operand in node.operands)
        _check(graph)
        self._write(graph, outputs, comments)

    def _write(self, graph: Graph, outputs: Sequence[str], comments: Mapping[str, Sequence[str]]) -> None:
        kept, title = _kept(graph), ""
        results = {id(node): name for name, node in zip(outputs, graph.outputs, strict=True)}
        for node in steps(graph):
            if id(node) in kept:
                if node.line != title:
                    title = node.line
                    self.lines += ["", *_comment(comments.get(title, [title]))]
                self._keep(node, results.get(id(node)))
        for name, node in zip(outputs, graph.outputs, strict=True):
            if self._places.get(id(node)) != name:  # an input, or an output for the second time
                with self._loops(node.shape) as index:
                    self._line(f"{name}[{flat(node.shape, index)}] = {self._read(node, index).text};")

    # --- lines --------------------------------------------------------------------------------------------------------

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._depth + text)

    def _fresh(self, letter: str) -> str:
        self._count[letter] += 1
        return f"{letter}{self._count[letter]}"

    @contextmanager
    def _loops(self, lengths: Sequence[int]) -> Iterator[list[Index]]:
        """Loops over axes; gives the index in them. Axes of length 1 have none."""
        known, depth, index = self._known, self._depth, []
        self._known = {}
        for length in lengths:
            variable = _VARIABLES[self._depth]
            index.append(Index.of(variable) if length > 1 else Index())
            if length > 1:
                self._line(f"for (int {variable} = 0; {variable} < {length}; ++{variable}) {{")
                self._depth += 1
        yield index
        while self._depth > depth:
            self._depth -= 1
            self._line("}")
        self._known = known

    # --- values that are kept -----------------------------------------------------------------------------------------

    def _keep(self, node: Node, name: str | None) -> None:
        """Compute a value into the array of a result, or into one of its own; or into a number of its own."""
        make = _MAKERS.get(node.function, Loops._elements)
        if name is None:
            name = self._fresh("t")
            self.scratch += node.size * node.dtype.itemsize
            if node.size == 1:
                self._numbers.add(id(node))
            else:
                self._line(f"{TYPES[node.dtype.name]} {name}[{node.size}];")
        self._places[id(node)] = name
        make(self, node)

    def _at(self, node: Node, index: Sequence[Index]) -> str:
        """The element of a value that is kept."""
        name = self._places[id(node)]
        return name if id(node) in self._numbers else f"{name}[{flat(node.shape, index)}]"

    def _elements(self, node: Node) -> None:
        with self._loops(node.shape) as index:
            value = self._computed(node, index).text
            kind = f"const {TYPES[node.dtype.name]} " if id(node) in self._numbers else ""
            self._line(f"{kind}{self._at(node, index)} = {value};")

    @contextmanager
    def _collected(self, node: Node, index: Sequence[Index], stem: str, start: str) -> Iterator[str]:
        """A number that changes in inner loops, and becomes an element of a value; gives its name."""
        alone = id(node) in self._numbers
        name = self._places[id(node)] if alone else self._fresh(stem)
        self._line(f"{TYPES[node.dtype.name]} {name} = {start};")
        yield name
        if not alone:
            self._line(f"{self._at(node, index)} = {name};")

    def _reduction(self, node: Node) -> None:
        (a,), axes = node.args, axes_of(node)
        if axes is None:
            refuse(node, "C")
        start = literal(identity_of(node.function, a.dtype)).text
        with (
            self._loops(node.shape) as index,
            self._collected(node, index, "total", start) as name,
            self._loops([a.shape[axis] for axis in axes]) as inner,
        ):
            places, rest = dict(zip(axes, inner, strict=True)), iter(index)
            value = self._read(a, [places[axis] if axis in places else next(rest) for axis in range(a.ndim)])
            if node.function in _SIGNS:
                self._line(f"{name} {_SIGNS[node.function]} {value.text};")
            else:
                join = expression(_JOIN[node.function], node, [Expression(name), value], self.helpers)
                self._line(f"{name} = {join.text};")

    def _product(self, node: Node) -> None:
        """A sum of products: row by row of the second factor, or as dot products where that is what lies together."""
        subscripts, *operands = node.args
        if len(operands) != 2 or node.dtype.kind == "b":
            refuse(node, "C")
        terms, output = labels_of(subscripts)
        sizes = dict(zip("".join(terms), operands[0].shape + operands[1].shape, strict=True))
        summed = [letter for letter in sizes if letter not in output]
        largest = max(zip(terms, operands, strict=True), key=lambda pair: pair[1].size)[0]
        zero = literal(node.dtype.type(0)).text
        if node.size == 1 or largest[-1] in summed:
            with (
                self._loops(node.shape) as index,
                self._collected(node, index, "total", zero) as name,
                self._loops([sizes[letter] for letter in summed]) as inner,
            ):
                places = dict(zip([*output, *summed], [*index, *inner], strict=True))
                self._line(f"{name} += {self._term(terms, operands, places)};")
            return
        with self._loops(node.shape) as index:
            self._line(f"{self._at(node, index)} = {zero};")
        order = [*output[:-1], *summed, output[-1]]
        with self._loops([sizes[letter] for letter in order]) as index:
            places = dict(zip(order, index, strict=True))
            term = self._term(terms, operands, places)
            self._line(f"{self._at(node, [places[letter] for letter in output])} += {term};")

    def _term(self, terms: Sequence[str], operands: Sequence[Node], places: Mapping[str, Index]) -> str:
        factors = [self._read(a, [places[c] for c in term]) for term, a in zip(terms, operands, strict=True)]
        return " * ".join(factor.within(7) for factor in factors)

    def _join(self, node: Node) -> None:
        parts, axis = node.args
        start = 0
        for part in parts:
            with self._loops(part.shape) as index:
                there = list(index)
                there[axis] = there[axis].plus(Index((), start))
                self._line(f"{self._at(node, there)} = {self._read(part, index).text};")
            start += part.shape[axis]

    def _place_of_extreme(self, node: Node) -> None:
        """The first of equal extremes; a NaN is one."""
        (a,), axis = node.args, node.kwargs.get("axis")
        if set(node.kwargs) != {"axis"}:
            refuse(node, "C")
        sign = ">" if node.function is np.argmax else "<"
        with (
            self._loops(node.shape) as index,
            self._collected(node, index, "best", "0") as best,
            self._loops([a.shape[axis]]) as inner,
        ):
            value = self._read(a, [*index[:axis], *inner, *index[axis:]]).within(5)
            leader = self._read(a, [*index[:axis], Index.of(best), *index[axis:]]).within(5)
            nan = f" || ({value} != {value} && {leader} == {leader})" if a.dtype.kind == "f" else ""
            self._line(f"if ({value} {sign} {leader}{nan}) {{")
            self._line(f"    {best} = {inner[0]};")
            self._line("}")

    # --- values that are not ------------------------------------------------------------------------------------------

    def _read(self, node: Node, index: Sequence[Index]) -> Expression:
        """An element of any value."""
        if id(node) in self._places:
            return Expression(self._at(node, index))
        if isinstance(node, Constant):
            return self._constant(node, index)
        key = (id(node), tuple(index))
        if key not in self._known:
            value = self._computed(node, index)
            is_short = len(value.text) <= _LONGEST and (self._uses[id(node)] == 1 or value.strength == 9)
            if not is_short and not is_view(node):
                name = self._fresh("v")
                self._line(f"const {TYPES[node.dtype.name]} {name} = {value.text};")
                value = Expression(name)
            self._known[key] = value
        return self._known[key]

    def _computed(self, node: Node, index: Sequence[Index]) -> Expression:
        """An element as an expression of elements of the operands."""
        if is_view(node):
            return self._read(node.args[0], index_of_operand(node, index, self._read_place))
        operands = [self._read(arg, index_within(arg.shape, index)) for arg in node.args if isinstance(arg, Node)]
        return expression(node.function, node, operands, self.helpers)

    def _read_place(self, node: Node, index: Sequence[Index], length: int) -> Index:
        """An element of an array of positions, as a position along an axis."""
        value = self._read(node, index)
        if isinstance(node, Constant) and node.value.min() >= 0 and node.value.max() < length:
            return Index.of(value.text)
        return Index.of(self.helpers.place(value, length))

    def _constant(self, node: Constant, index: Sequence[Index]) -> Expression:
        if node.size == 1:
            return literal(node.value.reshape(())[()])
        name = self._table_of.get(id(node))
        if name is None:
            name = self._names.get(address(node.value)) or self._fresh("c")
            while name in self.tables and self.tables[name] is not node.value:
                name = self._fresh("c")
            self._table_of[id(node)] = name
            self.tables[name] = node.value
        return Expression(f"{name}[{flat(node.shape, index)}]")


_MAKERS: dict[Any, Any] = {
    **dict.fromkeys(_JOIN, Loops._reduction),
    np.einsum: Loops._product,
    np.concatenate: Loops._join,
    np.argmax: Loops._place_of_extreme,
    np.argmin: Loops._place_of_extreme,
}


def _comment(lines: Sequence[str]) -> list[str]:
    """A comment of one line or several."""
    text = ["/* " + lines[0], *(" * " + line for line in lines[1:])]
    return [*text[:-1], text[-1] + " */"]


def _check(graph: Graph) -> None:
    """Raise for what has no counterpart in C."""
    for node in graph.nodes():
        if not isinstance(node.type, Type):
            refuse(node, "C", "It has several results.")
        if node.dtype.name not in TYPES or node.size == 0 or node.ndim >= len(_VARIABLES) // 2:
            refuse(node, "C", f"There is nothing like {node.type}.")
        if not isinstance(node, (Constant, Input)) and not (
            is_elementwise(node) or is_view(node) or node.function in _MAKERS
        ):
            refuse(node, "C")


def _kept(graph: Graph) -> set[int]:
    """Which values are kept: sums and products, results, and what is read more often than once for each element."""
    kept = {id(node) for node in graph.outputs}
    readers: dict[int, set[int]] = {}
    wanted: set[int] = set()  # what is read often: a value, or what a view of it shows
    for node in reversed(list(steps(graph))):
        often = id(node) in wanted or len(readers.get(id(node), ())) > 1
        if node.function in _MAKERS or (often and not is_view(node)):
            kept.add(id(node))
        own = {id(node)} if id(node) in kept else readers.get(id(node), set())
        for operand in node.operands:
            readers.setdefault(id(operand), set()).update(own)
            passes_on = is_view(node) and often and id(node) not in kept
            if passes_on or node.function in (np.einsum, np.argmax, np.argmin) or operand.size < node.size:
                wanted.add(id(operand))
            if is_view(node) and not keeps_axes(node) and not isinstance(operand, (Input, Constant)):
                kept.add(id(operand))
    return kept - {id(node) for node in graph.nodes() if isinstance(node, (Input, Constant))}
