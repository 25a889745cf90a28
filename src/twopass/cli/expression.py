"""Formulas typed on the command line: parsed, never run as Python."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from twopass.errors import ArgumentError, compose, unknown_name

__all__ = ["FUNCTIONS", "Expression", "parse", "parse_several", "parse_values"]

_UNARY = """sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10 log1p
sqrt cbrt square reciprocal abs absolute sign"""
_BINARY = "maximum minimum hypot arctan2 power logaddexp"
#: What may be called, with NumPy's names; and how many arguments it takes.
FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    **{name: (getattr(np, name), 1) for name in _UNARY.split()},
    **{name: (getattr(np, name), 2) for name in _BINARY.split()},
}
_CONSTANTS = {"pi": np.pi, "e": np.e}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_ELSEWHERE = {"ln": "log", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "pow": "power", "max": "maximum"}
_LONGEST, _DEEPEST = 4000, 200


@dataclass(frozen=True)
class _Step:
    """One step of a stack machine: push a number or a variable, or apply a function to what is on the stack."""

    node: ast.expr
    function: Callable[..., Any] | None
    count: int
    value: Any = None


@dataclass(frozen=True)
class Expression:
    """A formula of some variables.

    Attributes
    ----------
    text : str
        As it was typed.
    names : tuple of str
        The variables, in the order in which they appear.
    """

    text: str
    names: tuple[str, ...]
    steps: tuple[_Step, ...]

    def function(self, names: Sequence[str]) -> Callable[..., Any]:
        """The formula as a function of variables in an order: plain NumPy code, for any numbers that NumPy takes."""

        def formula(*values: Any) -> Any:
            return self._run(dict(zip(names, values, strict=True)), lambda step, operands, result: None)

        return formula

    def check(self, values: Mapping[str, float]) -> float:
        """The value; raises where a part of the formula is not a finite number.

        Raises
        ------
        ArgumentError
            Naming that part, and what it is applied to.
        """

        def look(step: _Step, operands: Sequence[Any], result: Any) -> None:
            if not np.isfinite(result) and all(map(np.isfinite, operands)):
                part = ast.unparse(step.node)
                where = ", ".join(f"{name}={value:g}" for name, value in values.items() if name in self.names)
                what = f"{part} is {'infinite' if np.isinf(result) else 'not a number (NaN)'} at {where or self.text}"
                why = ""
                if isinstance(step.node, ast.Call):
                    name = ast.unparse(step.node.func)
                    why = f"{name} has no real value for {', '.join(f'{float(x):g}' for x in operands)}."
                raise ArgumentError(compose(what, why=why, instead="Choose another point, inside of the domain."))

        with np.errstate(all="ignore"):
            return float(self._run({name: np.float64(value) for name, value in values.items()}, look))

    def _run(self, values: Mapping[str, Any], look: Callable[[_Step, Sequence[Any], Any], None]) -> Any:
        stack: list[Any] = []
        for step in self.steps:
            if step.function is None:
                stack.append(values[step.value] if isinstance(step.value, str) else step.value)
                continue
            operands = stack[len(stack) - step.count :]
            del stack[len(stack) - step.count :]
            stack.append(step.function(*operands))
            look(step, operands, stack[-1])
        return stack[0]


def parse(text: str, names: Sequence[str] | None = None) -> Expression:
    """Parse a formula of numbers, variables, ``+ - * / **`` and NumPy's elementwise functions.

    Parameters
    ----------
    text : str
        What was typed.
    names : sequence of str, optional
        The variables that there are; by default whatever is no constant (``pi``, ``e``).

    Raises
    ------
    ArgumentError
        For anything else, naming it and what is allowed.

    Examples
    --------
    >>> f = parse("x**2*y + y + 2")
    >>> f.names, float(f.function(f.names)(3.0, 4.0))
    (('x', 'y'), 42.0)
    """
    return _Parser(text, names).parse(_tree(text))


def parse_several(texts: Sequence[str], names: Sequence[str]) -> list[Expression]:
    """Parse formulas, which may also be several in one text, with commas between them."""
    found = []
    for text in texts:
        body = _tree(text)
        parts = body.elts if isinstance(body, ast.Tuple) else [body]
        found += [_Parser(text, names).parse(part, ast.unparse(part)) for part in parts]
    return found


def parse_values(texts: Sequence[str]) -> dict[str, float]:
    """Parse values of variables: ``["x=3,y=pi/2"]``.

    Raises
    ------
    ArgumentError
        For what is no ``name=number``.

    Examples
    --------
    >>> parse_values(["x=3, y=1e-3", "z=-2**0.5"])
    {'x': 3.0, 'y': 0.001, 'z': -1.4142135623730951}
    """
    values: dict[str, float] = {}
    for part in ",".join(texts).split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if not equals or not name.isidentifier() or not number:
            what = f"--at {part.strip()!r} gives no variable a value"
            raise ArgumentError(compose(what, instead="Write --at x=3,y=4."))
        if name in values:
            raise ArgumentError(compose(f"--at gives {name} two values", instead="Write it once."))
        values[name] = parse(number, ()).check({})
    return values


def _tree(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        what = f"the expression has {len(text):,} characters"
        raise ArgumentError(compose(what, instead=f"At most {_LONGEST:,} are read; use tp.techniques from Python."))
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply, or has unusual characters"
        what = f"the expression {text!r} cannot be read: {reason}"
        raise ArgumentError(compose(what, instead="Write products as 2*x and powers as x**2.")) from None


class _Parser:
    """Makes steps of a syntax tree, of what is allowed in it."""

    def __init__(self, text: str, names: Sequence[str] | None) -> None:
        self.text = text
        self.known = names
        self.names: list[str] = []
        self.steps: list[_Step] = []

    def parse(self, body: ast.expr, text: str | None = None) -> Expression:
        self.visit(body, 0)
        return Expression((text or self.text).strip(), tuple(self.names), tuple(self.steps))

    def visit(self, node: ast.expr, depth: int) -> None:
        """Add the steps that compute a part."""
        if depth > _DEEPEST:
            self.refuse("it is nested too deeply")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                self.add(node, value=self.number(value))
            case ast.Name():
                self.variable(node)
            case ast.BinOp(op=ast.BitXor()):
                self.refuse(f"{ast.unparse(node)!r}: ^ is not a power", "Write x**2 for x^2.")
            case ast.BinOp() | ast.UnaryOp() if type(node.op) in _OPERATORS:
                operands = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.operand]
                self.apply(node, _OPERATORS[type(node.op)], operands, depth)
            case ast.Call():
                self.call(node, depth)
            case _:
                self.refuse(f"{ast.unparse(node)!r} is not allowed")

    def number(self, value: float) -> Any:
        try:
            return np.float64(value)
        except OverflowError:
            self.refuse("it has too large a number")

    def variable(self, node: ast.Name) -> None:
        name = node.id
        if self.known is not None and name in self.known:
            pass
        elif name in _CONSTANTS:
            self.add(node, value=np.float64(_CONSTANTS[name]))
            return
        elif name in FUNCTIONS:
            self.refuse(f"{name} is a function", f"Write {name}(x).")
        elif self.known is not None:
            allowed = ", ".join([*self.known, *_CONSTANTS])
            self.refuse(f"there is no variable {name!r}", f"Allowed here: {allowed}, numbers and functions.")
        if name not in self.names:
            self.names.append(name)
        self.add(node, value=name)

    def call(self, node: ast.Call, depth: int) -> None:
        name = ast.unparse(node.func)
        name = name.removeprefix("np.").removeprefix("numpy.")
        if name in _ELSEWHERE and name not in FUNCTIONS:
            self.refuse(f"there is no function {name!r}", f"NumPy calls it {_ELSEWHERE[name]}.")
        if name not in FUNCTIONS:
            raise ArgumentError(unknown_name("function", name, FUNCTIONS))
        function, count = FUNCTIONS[name]
        if node.keywords or len(node.args) != count:
            self.refuse(f"{name} takes {count} argument{'s' if count > 1 else ''}, not {ast.unparse(node)!r}")
        self.apply(node, function, node.args, depth)

    def apply(self, node: ast.expr, function: Callable[..., Any], operands: Sequence[ast.expr], depth: int) -> None:
        for operand in operands:
            self.visit(operand, depth + 1)
        self.add(node, function, len(operands))

    def add(self, node: ast.expr, function: Any = None, count: int = 0, value: Any = None) -> None:
        self.steps.append(_Step(node, function, count, value))

    def refuse(self, why: str, instead: str = "") -> NoReturn:
        what = f"the expression {self.text!r} cannot be read: {why}"
        allowed = f"Allowed are numbers, variables, + - * / **, pi, e, and {', '.join(FUNCTIONS)}."
        raise ArgumentError(compose(what, instead=instead or allowed))
