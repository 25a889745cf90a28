"""From NumPy functions of single elements to expressions in C.

One entry a function, in one of three tables: signs between two operands, functions of ``math.h``, and functions of our
own, which are written into the file where they are used. What has no entry cannot be exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from twopass.graph.ir import Node, astype
from twopass.io.exports.rows import refuse

__all__ = ["FUNCTIONS", "TYPES", "Expression", "Helpers", "expression", "literal", "literals"]


class Expression(NamedTuple):
    """Text, and how strongly it holds together: 0 for a choice, 9 for a name."""

    text: str
    strength: int = 9

    def within(self, strength: int) -> str:
        """The text as an operand of something that holds together so strongly."""
        return self.text if self.strength >= strength else f"({self.text})"


#: The types of C; truth values are numbers.
TYPES: dict[str, str] = {
    "bool": "int",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "float32": "float",
    "float64": "double",
}

#: The sign, its strength, and how strong the operands must be: as strong as a compiler asks for that warns.
INFIX: dict[Any, tuple[str, int, int, int]] = {
    np.add: ("+", 5, 5, 6),
    np.subtract: ("-", 5, 5, 6),
    np.multiply: ("*", 6, 6, 7),
    np.true_divide: ("/", 6, 6, 7),
    np.less: ("<", 3, 5, 5),
    np.less_equal: ("<=", 3, 5, 5),
    np.greater: (">", 3, 5, 5),
    np.greater_equal: (">=", 3, 5, 5),
    np.equal: ("==", 2, 5, 5),
    np.not_equal: ("!=", 2, 5, 5),
    np.logical_and: ("&&", 1, 5, 5),
    np.logical_or: ("||", 1, 5, 5),
}

#: The same for operands that are truth values.
TRUTH: dict[Any, Any] = {
    np.bitwise_and: np.logical_and,
    np.bitwise_or: np.logical_or,
    np.bitwise_xor: np.not_equal,
    np.invert: np.logical_not,
}

#: What the functions of truth are for operands of which the truth has been taken.
LOGIC: dict[Any, Any] = {
    np.logical_and: np.logical_and,
    np.logical_or: np.logical_or,
    np.logical_xor: np.not_equal,
    np.logical_not: np.logical_not,
}

#: Functions of ``math.h``, which end in f for floats.
CALLS: dict[Any, str] = {
    np.exp: "exp",
    np.exp2: "exp2",
    np.expm1: "expm1",
    np.log: "log",
    np.log2: "log2",
    np.log10: "log10",
    np.log1p: "log1p",
    np.sqrt: "sqrt",
    np.cbrt: "cbrt",
    np.hypot: "hypot",
    np.power: "pow",
    np.float_power: "pow",
    np.sin: "sin",
    np.cos: "cos",
    np.tan: "tan",
    np.arcsin: "asin",
    np.arccos: "acos",
    np.arctan: "atan",
    np.arctan2: "atan2",
    np.sinh: "sinh",
    np.cosh: "cosh",
    np.tanh: "tanh",
    np.arcsinh: "asinh",
    np.arccosh: "acosh",
    np.arctanh: "atanh",
    np.absolute: "fabs",
    np.fabs: "fabs",
    np.copysign: "copysign",
    np.fmod: "fmod",
    np.floor: "floor",
    np.ceil: "ceil",
    np.rint: "rint",
    np.trunc: "trunc",
    np.fmax: "fmax",
    np.fmin: "fmin",
}

#: Macros of ``math.h``.
MACROS: dict[Any, str] = {np.isnan: "isnan", np.isinf: "isinf", np.isfinite: "isfinite"}

#: What a file may call of ``math.h``.
FUNCTIONS = {*MACROS.values(), *CALLS.values(), *(f"{name}f" for name in CALLS.values())}

#: Our own: name, parameters and the expression that is returned, with {T} for the type, and {f} for the f of floats.
HELPERS: dict[Any, tuple[str, str, str]] = {
    np.maximum: ("larger", "{T} a, {T} b", "a >= b || a != a ? a : b"),
    np.minimum: ("smaller", "{T} a, {T} b", "a <= b || a != a ? a : b"),
    np.square: ("squared", "{T} x", "x * x"),
    np.sign: ("sign", "{T} x", "x > 0 ? 1 : x < 0 ? -1 : x"),
    np.heaviside: ("step", "{T} x, {T} at_zero", "x < 0 ? 0 : x > 0 ? 1 : x == 0 ? at_zero : x"),
    np.logaddexp: (
        *("log_of_sum", "{T} a, {T} b"),
        "a == b ? a + log1p{f}(1) : a > b ? a + log1p{f}(exp{f}(b - a)) : b + log1p{f}(exp{f}(a - b))",
    ),
}
HELPERS[np.remainder] = (
    *("modulo", "{T} a, {T} b"),
    "fmod{f}(a, b) != 0 && (fmod{f}(a, b) < 0) != (b < 0) ? fmod{f}(a, b) + b : fmod{f}(a, b)",
)


def literal(value: Any) -> Expression:
    """A number, with the digits that give it back."""
    (text,) = literals(np.asarray(value).reshape(1))
    return Expression(text, 7 if text.startswith("-") else 9)


def literals(values: np.ndarray[Any, Any]) -> list[str]:
    """The numbers of an array as C spells them, with the digits that give them back."""
    if values.dtype.kind == "f":
        suffix = "f" if values.dtype == np.float32 else ""
        # NumPy writes the fewest digits from which the same number is read.
        texts = [f"{text}{suffix}" for text in values.astype(str).tolist()]
        for place in np.flatnonzero(~np.isfinite(values)):
            texts[place] = "NAN" if np.isnan(values[place]) else "INFINITY" if values[place] > 0 else "-INFINITY"
        return texts
    suffix = {"int64": "LL", "uint32": "u", "uint64": "ull"}.get(values.dtype.name, "")
    return [f"{int(value)}{suffix}" for value in values.tolist()]


class Helpers:
    """The functions of our own that a file needs.

    Attributes
    ----------
    definitions : dict of str to str
        By name, in the order in which they were asked for.
    """

    def __init__(self) -> None:
        self.definitions: dict[str, str] = {}

    def call(self, function: Any, dtype: np.dtype[Any], operands: Sequence[Expression]) -> Expression:
        """A call of the helper of a NumPy function."""
        kind = TYPES[dtype.name]
        stem, parameters, value = HELPERS[function]
        if dtype.kind != "f":
            value = value.replace(" || a != a", "")  # only a NaN is not itself
        name = f"{stem}_{kind.replace(' ', '_')}"
        spelled = {"T": kind, "f": "f" if kind == "float" else ""}
        signature, value = parameters.format(**spelled), value.format(**spelled)
        self.definitions[name] = f"static {kind} {name}({signature})\n{{\n    return {value};\n}}"
        return Expression(f"{name}({', '.join(operand.text for operand in operands)})")

    def whole(self, x: Expression, have: np.dtype[Any], want: np.dtype[Any]) -> Expression:
        """A number without its fraction; C leaves open what becomes of one that is too large, or none."""
        given, made, info = TYPES[have.name], TYPES[want.name], np.iinfo(want)
        least = "(-9223372036854775807LL - 1)" if want == np.int64 else str(info.min)
        above = f"x >= {float(info.min)}" if want.itemsize == 8 else f"x > {info.min - 1.0}"
        name = f"whole_{given}_{made}".replace(" ", "_")
        value = f"{above} && x < {info.max + 1.0} ? ({made})x : {least}"
        self.definitions[name] = f"static {made} {name}({given} x)\n{{\n    return {value};\n}}"
        return Expression(f"{name}({x.text})")

    def place(self, value: Expression, length: int) -> str:
        """A position along an axis: negative ones count from the end, and none is outside of the array."""
        self.definitions["place"] = (
            "/* A position along an axis: negative ones count from the end; what is outside becomes the nearest. */\n"
            "static int place(long long i, int length)\n{\n    i = i < 0 ? i + length : i;\n"
            "    return i < 0 ? 0 : i < length ? (int)i : length - 1;\n}"
        )
        return f"place({value.text}, {length})"


def expression(function: Any, node: Node, operands: Sequence[Expression], helpers: Helpers) -> Expression:
    """What a function gives for operands, as the node that calls it says; truth values are 0 and 1."""
    if function is np.where:
        condition, x, y = operands
        return Expression(f"{condition.within(1)} ? {x.within(1)} : {y.within(1)}", 0)
    if function is astype:
        (x,) = operands
        if node.dtype.kind == "b":
            return Expression(f"{x.within(5)} != 0", 2)
        if node.args[0].dtype.kind == "f" and node.dtype.kind in "iu":
            return helpers.whole(x, node.args[0].dtype, node.dtype)
        return Expression(f"({TYPES[node.dtype.name]}){x.within(8)}", 7)
    computed = next((arg.dtype for arg in node.args if isinstance(arg, Node)), node.dtype)
    if computed.kind == "b":
        function = TRUTH.get(function, function)
    if function in LOGIC:
        if computed.kind != "b":
            operands = [Expression(f"{operand.within(5)} != 0", 2) for operand in operands]
        function = LOGIC[function]
    if function is np.logical_not:
        return Expression(f"!{operands[0].within(8)}", 7)
    if function in INFIX:
        return _infix(function, node, operands)
    if function is np.negative and computed.kind != "b":
        return Expression(f"-{operands[0].within(8)}", 7)
    if function is np.positive:
        return operands[0]
    if function in HELPERS and (computed.kind == "f" or function in _OF_INTEGERS):
        return helpers.call(function, computed, operands)
    if computed.kind != "f":
        refuse(node, "C")
    if function is np.reciprocal:
        return Expression(f"1 / {operands[0].within(7)}", 6)
    if function in MACROS:
        return Expression(f"{MACROS[function]}({operands[0].text}) != 0", 2)
    if function in CALLS:
        name = CALLS[function] + ("f" if computed == np.float32 else "")
        return Expression(f"{name}({', '.join(operand.text for operand in operands)})")
    refuse(node, "C")


#: Helpers that are right for integers as well.
_OF_INTEGERS = (np.maximum, np.minimum, np.square, np.sign)


def _infix(function: Any, node: Node, operands: Sequence[Expression]) -> Expression:
    sign, strength, left, right = INFIX[function]
    if node.dtype.kind == "b" and strength >= 5:
        refuse(node, "C", "Sums of truth values are not sums.")
    value = Expression(f"{operands[0].within(left)} {sign} {operands[1].within(right)}", strength)
    if node.dtype.kind in "iu" and node.dtype.itemsize < 4:
        return Expression(f"({TYPES[node.dtype.name]})({value.text})", 7)
    return value
