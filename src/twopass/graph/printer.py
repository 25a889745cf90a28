"""The printer: a graph as formulas.

Inputs come first, with their types; then one line for each value that is used more than once, or whose formula would
be long; last what is returned. What is used once stands where it is used. ``@`` is the matrix product, and the type of
each line stands behind it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from twopass.core.operators import astype
from twopass.errors import name_of
from twopass.graph.build import REDUCTIONS, axes_of, labels_of
from twopass.graph.ir import Constant, Graph, Input, Node, Type, pick
from twopass.graph.scan import scan

__all__ = ["to_text"]

#: The longest formula that is put into another one.
_INLINE = 60
#: Where types begin.
_MARGIN = 88


class _Formula(NamedTuple):
    """Text, and how strongly it holds together: 1 for a comparison, 9 for a name."""

    text: str
    strength: int = 9

    def within(self, strength: int) -> str:
        """The text as an operand of something that holds together so strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


#: Operators of two operands: the sign, its strength, and how strong the right operand must be.
_INFIX: dict[Any, tuple[str, int, int]] = {
    np.less: ("<", 1, 2),
    np.less_equal: ("<=", 1, 2),
    np.greater: (">", 1, 2),
    np.greater_equal: (">=", 1, 2),
    np.equal: ("==", 1, 2),
    np.not_equal: ("!=", 1, 2),
    np.bitwise_or: ("|", 2, 3),
    np.bitwise_xor: ("^", 2, 3),
    np.bitwise_and: ("&", 2, 3),
    np.left_shift: ("<<", 3, 4),
    np.right_shift: (">>", 3, 4),
    np.add: ("+", 4, 5),
    np.subtract: ("-", 4, 5),
    np.multiply: ("*", 5, 6),
    np.true_divide: ("/", 5, 6),
    np.floor_divide: ("//", 5, 6),
    np.remainder: ("%", 5, 6),
    np.power: ("**", 8, 7),
}


def to_text(graph: Graph) -> str:
    """A graph as formulas, line by line."""
    printer = _Printer("")
    lines = [f"{printer.declare(node)}: {node.type}" for node in graph.inputs]
    lines += printer.body(graph)
    outputs = ", ".join(printer.formulas[id(node)].text for node in graph.outputs)
    return "\n".join([*lines, f"return {outputs}"])


class _Printer:
    """Gives names, and writes the lines of one graph."""

    def __init__(self, indent: str, names: list[int] | None = None) -> None:
        self.indent = indent
        self.formulas: dict[int, _Formula] = {}
        self.names = names if names is not None else [0]  # how many have been given, also by inner loops
        self.taken: set[str] = set()
        self.lines: list[str] = []

    def declare(self, node: Input, prefix: str = "") -> str:
        """Name an input."""
        name = node.name or "x"
        name = prefix + "".join(c if c.isalnum() or c == "_" else "_" for c in name)
        unique, count = name, 1
        while unique in self.taken:
            count += 1
            unique = f"{name}_{count}"
        self.taken.add(unique)
        self.formulas[id(node)] = _Formula(unique)
        return unique

    def fresh(self) -> str:
        """A new name for a value."""
        while True:
            self.names[0] += 1
            name = f"t{self.names[0]}"
            if name not in self.taken:
                return name

    def body(self, graph: Graph) -> list[str]:
        """The lines of a graph whose inputs have names."""
        nodes = graph.nodes()
        uses: dict[int, int] = {}
        for node in nodes:
            for operand in node.operands:
                uses[id(operand)] = uses.get(id(operand), 0) + 1
        kept = {id(output) for output in graph.outputs}
        for node in nodes:
            if isinstance(node, Input):
                continue
            formula = self.formula(node)
            is_used_once = uses.get(id(node), 0) <= 1 and id(node) not in kept
            if not isinstance(node.type, Type):
                self.several(node, formula)
            elif _has_no_line(node) or (is_used_once and len(formula.text) <= _INLINE):
                self.formulas[id(node)] = formula
            else:
                name = self.fresh()
                self.line(f"{name} = {formula.text}", node.type)
                self.formulas[id(node)] = _Formula(name)
        return self.lines

    def line(self, text: str, type: Any) -> None:
        """Write a line with its type behind it."""
        types = ", ".join(map(str, type)) if isinstance(type, tuple) and not isinstance(type, Type) else str(type)
        self.lines.append(f"{self.indent + text:<{_MARGIN}}  # {types}".rstrip())

    def several(self, node: Node, formula: _Formula) -> None:
        """A call with several results: each gets a name."""
        names = [self.fresh() for _ in node.type]
        self.formulas[id(node)] = _Formula(", ".join(names))
        bodies = [value for value in node.kwargs.values() if isinstance(value, Graph)]
        self.line(f"{', '.join(names) or '()'} = {formula.text}" + (":" if bodies else ""), node.type)
        for body in bodies:
            self.loop(body)

    def loop(self, body: Graph) -> None:
        """The body of a loop, indented."""
        inner = _Printer(self.indent + "    ", self.names)
        inner.taken = set(self.taken)
        names = [inner.declare(node) for node in body.inputs]
        self.lines.append(f"{self.indent}    given {', '.join(names)}:")
        self.lines += inner.body(body)
        outputs = ", ".join(inner.formulas[id(node)].text for node in body.outputs)
        self.lines.append(f"{self.indent}    give {outputs}")

    # --- formulas -------------------------------------------------------------------------------------------------

    def formula(self, node: Node) -> _Formula:
        """What a node computes."""
        if isinstance(node, Constant):
            return _Formula(_constant(node))
        if node.function is pick:
            whole, number = node.args
            return _Formula(self.formulas[id(whole)].text.split(", ")[number])
        special = _SPECIAL.get(node.function)
        plain = node.function in _INFIX and len(node.args) == 2 and not node.kwargs
        written = special(self, node) if special else self.infix(node) if plain else None
        return written or self.call(name_of(node.function), node.args, node.kwargs)

    def of(self, value: Any) -> _Formula:
        """An operand or a static argument."""
        if isinstance(value, Node):
            return self.formulas[id(value)]
        if isinstance(value, Graph):
            return _Formula("...")
        if isinstance(value, (list, tuple)):
            items = ", ".join(self.of(item).text for item in value)
            comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
            return _Formula(f"[{items}]" if isinstance(value, list) else f"({items}{comma})")
        if isinstance(value, slice):
            return _Formula(_slice(value))
        if isinstance(value, np.dtype):
            return _Formula(str(value))
        if isinstance(value, np.ufunc):
            return _Formula(value.__name__)
        return _Formula(repr(value))

    def call(self, name: str, args: Sequence[Any], kwargs: Any) -> _Formula:
        """A call, as it would be written."""
        given = [self.of(arg).text for arg in args]
        given += [f"{key}={self.of(value).text}" for key, value in kwargs.items() if not isinstance(value, Graph)]
        return _Formula(f"{name}({', '.join(given)})")

    def infix(self, node: Node) -> _Formula:
        """An operator between two operands."""
        sign, strength, right = _INFIX[node.function]
        a, b = map(self.of, node.args)
        if node.function is np.power:
            return _Formula(f"{a.within(strength)}**{b.within(right)}", strength - 1)
        return _Formula(f"{a.within(strength)} {sign} {b.within(right)}", strength)


def _has_no_line(node: Node) -> bool:
    """Whether a value always stands where it is used: a number, or one of several results, which have names."""
    return node.function is pick or (isinstance(node, Constant) and node.ndim == 0)


def _slice(value: slice) -> str:
    start = "" if not value.start else str(value.start)
    stop = "" if value.stop is None else str(value.stop)
    step = "" if value.step in (None, 1) else f":{value.step}"
    return f"{start}:{stop}{step}"


def _constant(node: Constant) -> str:
    if node.ndim == 0:
        return str(node.value)
    if node.size <= 6:
        return np.array2string(node.value, separator=", ").replace("\n", "")
    flat = node.value.reshape(-1)
    return f"constant([{flat[0]}, {flat[1]}, ..., {flat[-1]}])"


# --- what is not written as a call ------------------------------------------------------------------------------------

_Writer = Callable[[_Printer, Node], _Formula | None]


def _prefix(sign: str) -> _Writer:
    def write(printer: _Printer, node: Node) -> _Formula:
        return _Formula(sign + printer.of(node.args[0]).within(6), 6)

    return write


def _square(printer: _Printer, node: Node) -> _Formula:
    return _Formula(f"{printer.of(node.args[0]).within(8)}**2", 7)


def _cast(printer: _Printer, node: Node) -> _Formula:
    return _Formula(f"{node.dtype}({printer.of(node.args[0]).text})")


def _transposed(printer: _Printer, node: Node) -> _Formula | None:
    a, axes = node.args[0], node.args[1:] or (None,)
    plain = axes in (((1, 0),), (None,)) and a.ndim == 2 and not node.kwargs
    return _Formula(f"{printer.of(a).within(9)}.T") if plain else None


def _reshaped(printer: _Printer, node: Node) -> _Formula | None:
    """Axes of length 1 that are put in are an index."""
    a, shape = node.args[0], node.shape
    if len(node.args) != 2 or node.kwargs:
        return None
    if shape and [n for n in shape if n != 1] == list(a.shape) and all(n != 1 for n in a.shape):
        index = ", ".join("None" if n == 1 else ":" for n in shape)
        return _Formula(f"{printer.of(a).within(9)}[{index}]")
    return None


def _scan(printer: _Printer, node: Node) -> _Formula:
    kwargs, operands = node.kwargs, list(node.args)
    first, stop = kwargs["n_consts"], kwargs["n_consts"] + kwargs["n_carry"]
    last = len(operands) - kwargs["limited"]
    named = {"consts": operands[:first], "carry": operands[first:stop], "xs": operands[stop:last]}
    named["limit"] = operands[last:]
    parts = {name: tuple(values) for name, values in named.items() if values}
    options = {"reverse": True} if kwargs["reverse"] else {}
    return printer.call("scan", (), {**parts, "length": kwargs["length"], **options})


def _indexed(printer: _Printer, node: Node) -> _Formula | None:
    a, index = node.args
    parts = index if isinstance(index, tuple) else (index,)
    lengths = a.shape if len(parts) == a.ndim else (None,) * len(parts)
    written = [
        ":" if isinstance(part, slice) and part == slice(0, length, 1) else printer.of(part).text
        for part, length in zip(parts, lengths, strict=True)
    ]
    return _Formula(f"{printer.of(a).within(9)}[{', '.join(written)}]")


def _reduced(printer: _Printer, node: Node) -> _Formula | None:
    """All axes need not be named; one is a number."""
    axes = axes_of(node)
    if axes is None:
        return None
    a, name = node.args[0], name_of(node.function)
    if axes == tuple(range(a.ndim)):
        return _Formula(f"{name}({printer.of(a).text})")
    return _Formula(f"{name}({printer.of(a).text}, axis={axes[0] if len(axes) == 1 else axes})")


def _product(printer: _Printer, node: Node) -> _Formula | None:
    """A contraction that is a matrix product, or a stack of them."""
    if len(node.args) != 3 or not isinstance(node.args[0], str) or "->" not in node.args[0] or "." in node.args[0]:
        return None
    subscripts, *operands = node.args
    terms, output = labels_of(subscripts)
    batch = 0
    while batch < len(output) and all(term[batch : batch + 1] == output[batch] for term in terms):
        batch += 1
    left, right, result = terms[0][batch:], terms[1][batch:], output[batch:]
    summed = [letter for letter in left if letter in right and letter not in result]
    if len(summed) != 1 or max(len(left), len(right)) > 2 or len(result) != len(left) + len(right) - 2 or not result:
        return None
    if len(result) == 2 and result[0] in right:
        left, right, operands = right, left, operands[::-1]
    if len(result) == 2 and not (result[0] in left and result[1] in right):
        return None
    turn = ".mT" if batch else ".T"
    a, b = (printer.of(operand) for operand in operands)
    first = a.within(5) if left[-1] == summed[0] else a.within(9) + turn
    second = b.within(6) if right[0] == summed[0] else b.within(9) + turn
    return _Formula(f"{first} @ {second}", 5)


_SPECIAL: dict[Any, _Writer] = {
    np.negative: _prefix("-"),
    np.logical_not: _prefix("~"),
    np.invert: _prefix("~"),
    np.square: _square,
    astype: _cast,
    np.transpose: _transposed,
    np.reshape: _reshaped,
    operator.getitem: _indexed,
    np.einsum: _product,
    scan: _scan,
    **dict.fromkeys(REDUCTIONS, _reduced),
}
