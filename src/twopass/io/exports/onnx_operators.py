"""From NumPy functions to ONNX operators.

One entry a function. An entry is the name of the operator, or a function that combines several: it gets the writer, the
node and the names of its operands, and gives the name of the result. What has no entry cannot be exported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.graph.ir import Node

if TYPE_CHECKING:
    from twopass.io.exports.onnx import Writer

__all__ = ["ELEMENTS", "REDUCTIONS"]

Combination = Callable[..., str]

#: Functions of each element alone.
ELEMENTS: dict[Any, str | Combination] = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.true_divide: "Div",
    np.negative: "Neg",
    np.absolute: "Abs",
    np.fabs: "Abs",
    np.exp: "Exp",
    np.log: "Log",
    np.sqrt: "Sqrt",
    np.reciprocal: "Reciprocal",
    np.power: "Pow",
    np.float_power: "Pow",
    np.sin: "Sin",
    np.cos: "Cos",
    np.arcsin: "Asin",
    np.arccos: "Acos",
    np.arctan: "Atan",
    np.tanh: "Tanh",
    np.floor: "Floor",
    np.ceil: "Ceil",
    np.rint: "Round",
    np.maximum: "Max",
    np.minimum: "Min",
    np.less: "Less",
    np.less_equal: "LessOrEqual",
    np.greater: "Greater",
    np.greater_equal: "GreaterOrEqual",
    np.equal: "Equal",
    np.isnan: "IsNaN",
    np.isinf: "IsInf",
    np.where: "Where",
    np.positive: "Identity",
}

#: Functions along axes.
REDUCTIONS: dict[Any, str] = {np.sum: "ReduceSum", np.prod: "ReduceProd", np.max: "ReduceMax", np.min: "ReduceMin"}
REDUCTIONS |= {np.any: "ReduceMax", np.all: "ReduceMin"}


def _combination(*functions: Any) -> Callable[[Combination], Combination]:
    """Register a function that is several operators."""

    def register(entry: Combination) -> Combination:
        ELEMENTS.update(dict.fromkeys(functions, entry))
        return entry

    return register


@_combination(np.square)
def _square(w: Writer, _node: Node, x: str) -> str:
    return w.op("Mul", x, x)


@_combination(np.not_equal)
def _not_equal(w: Writer, _node: Node, a: str, b: str) -> str:
    return w.op("Not", w.op("Equal", a, b))


@_combination(np.isfinite)
def _isfinite(w: Writer, _node: Node, x: str) -> str:
    return w.op("Not", w.op("Or", w.op("IsNaN", x), w.op("IsInf", x)))


# --- truth ------------------------------------------------------------------------------------------------------------


def _truth(w: Writer, node: Node, number: int, name: str) -> str:
    """An operand as a truth value."""
    return name if node.args[number].dtype.kind == "b" else w.cast(name, np.dtype(bool))


def _logical(kind: str) -> Combination:
    def entry(w: Writer, node: Node, a: str, b: str) -> str:
        return w.op(kind, _truth(w, node, 0, a), _truth(w, node, 1, b))

    return entry


ELEMENTS |= {np.logical_and: _logical("And"), np.logical_or: _logical("Or"), np.logical_xor: _logical("Xor")}


def _bitwise(kind: str) -> Combination:
    def entry(w: Writer, node: Node, a: str, b: str) -> str:
        return w.op(kind if node.dtype.kind == "b" else f"Bitwise{kind}", a, b)

    return entry


ELEMENTS |= {np.bitwise_and: _bitwise("And"), np.bitwise_or: _bitwise("Or"), np.bitwise_xor: _bitwise("Xor")}


@_combination(np.logical_not, np.invert)
def _not(w: Writer, node: Node, x: str) -> str:
    if node.function is np.invert and node.dtype.kind != "b":
        return w.op("BitwiseNot", x)
    return w.op("Not", _truth(w, node, 0, x))


# --- exponentials and logarithms --------------------------------------------------------------------------------------


@_combination(np.expm1)
def _expm1(w: Writer, node: Node, x: str) -> str:
    """``tanh(x / 2) (exp(x) + 1)``, accurate near 0."""
    half = w.op("Tanh", w.op("Mul", x, w.number(0.5, node)))
    return w.op("Mul", half, w.op("Add", w.op("Exp", x), w.number(1, node)))


@_combination(np.log1p)
def _log1p(w: Writer, node: Node, x: str) -> str:
    """``log(u) x / (u - 1)`` with ``u = 1 + x`` rounded (Hewlett-Packard's formula), where that factor matters."""
    one = w.number(1, node)
    u = w.op("Add", x, one)
    factor = w.op("Where", w.op("Greater", x, one), one, w.op("Div", x, w.op("Sub", u, one)))
    return w.op("Where", w.op("Equal", u, one), x, w.op("Mul", w.op("Log", u), factor))


# Runtimes lack these functions for float64, so that they are made of those that they have.


@_combination(np.tan)
def _tan(w: Writer, _node: Node, x: str) -> str:
    return w.op("Div", w.op("Sin", x), w.op("Cos", x))


@_combination(np.cosh)
def _cosh(w: Writer, node: Node, x: str) -> str:
    both = w.op("Add", w.op("Exp", x), w.op("Exp", w.op("Neg", x)))
    return w.op("Mul", both, w.number(0.5, node))


@_combination(np.sinh)
def _sinh(w: Writer, node: Node, x: str) -> str:
    """``tanh(x) cosh(x)``, accurate near 0."""
    return w.op("Mul", w.op("Tanh", x), _cosh(w, node, x))


@_combination(np.arctanh)
def _arctanh(w: Writer, node: Node, x: str) -> str:
    """``log1p(2 x / (1 - x)) / 2``."""
    ratio = w.op("Div", w.op("Add", x, x), w.op("Sub", w.number(1, node), x))
    return w.op("Mul", _log1p(w, node, ratio), w.number(0.5, node))


@_combination(np.arccosh)
def _arccosh(w: Writer, node: Node, x: str) -> str:
    """``log1p(d + √(d² + 2 d))`` with ``d = x - 1``, accurate near 1."""
    d = w.op("Sub", x, w.number(1, node))
    root = w.op("Mul", w.op("Sqrt", d), w.op("Sqrt", w.op("Add", d, w.number(2, node))))
    return _log1p(w, node, w.op("Add", d, root))


@_combination(np.arcsinh)
def _arcsinh(w: Writer, node: Node, x: str) -> str:
    """``±log1p(|x| + |x|² / (1 + √(1 + |x|²)))``, accurate near 0; far out ``±log(2 |x|)``."""
    one, size = w.number(1, node), w.op("Abs", x)
    root = _hypot(w, node, size, one)
    value = _log1p(w, node, w.op("Add", size, w.op("Mul", size, w.op("Div", size, w.op("Add", one, root)))))
    far = w.op("Add", w.op("Log", size), w.number(math.log(2), node))
    value = w.op("Where", w.op("Greater", size, w.number(1e9, node)), far, value)
    return w.op("Where", w.op("Less", x, w.number(0, node)), w.op("Neg", value), value)


@_combination(np.exp2)
def _exp2(w: Writer, node: Node, x: str) -> str:
    return w.op("Pow", w.number(2, node), x)


@_combination(np.log2, np.log10)
def _log_of_base(w: Writer, node: Node, x: str) -> str:
    base = 2 if node.function is np.log2 else 10
    return w.op("Div", w.op("Log", x), w.number(math.log(base), node))


@_combination(np.logaddexp)
def _logaddexp(w: Writer, node: Node, a: str, b: str) -> str:
    """``max(a, b) + log(1 + exp(-|a - b|))``; equal infinities are themselves."""
    larger = w.op("Max", a, b)
    distance = w.op("Neg", w.op("Abs", w.op("Sub", a, b)))
    distance = w.op("Where", w.op("Equal", a, b), w.number(0, node), distance)
    return w.op("Add", larger, _log1p(w, node, w.op("Exp", distance)))


@_combination(np.cbrt)
def _cbrt(w: Writer, node: Node, x: str) -> str:
    root = w.op("Pow", w.op("Abs", x), w.number(1 / 3, node))
    return w.op("Where", w.op("Less", x, w.number(0, node)), w.op("Neg", root), root)


@_combination(np.hypot)
def _hypot(w: Writer, node: Node, a: str, b: str) -> str:
    """``l √(1 + (s / l)²)`` of the larger and the smaller length, whose squares might overflow."""
    a, b = w.op("Abs", a), w.op("Abs", b)
    larger, smaller = w.op("Max", a, b), w.op("Min", a, b)
    # 0 / 0 and infinity / infinity are not a number.
    alike, one = w.op("Equal", smaller, larger), w.number(1, node)
    ratio = w.op("Where", alike, one, w.op("Div", smaller, larger))
    return w.op("Mul", larger, w.op("Sqrt", w.op("Add", one, w.op("Mul", ratio, ratio))))


# --- steps and remainders ---------------------------------------------------------------------------------------------


@_combination(np.trunc)
def _trunc(w: Writer, node: Node, x: str) -> str:
    return w.op("Where", w.op("Less", x, w.number(0, node)), w.op("Ceil", x), w.op("Floor", x))


@_combination(np.sign)
def _sign(w: Writer, node: Node, x: str) -> str:
    """A NaN stays one."""
    zero, one, minus = w.number(0, node), w.number(1, node), w.number(-1, node)
    return w.op("Where", w.op("Greater", x, zero), one, w.op("Where", w.op("Less", x, zero), minus, x))


@_combination(np.heaviside)
def _heaviside(w: Writer, node: Node, x: str, at_zero: str) -> str:
    """A NaN stays one."""
    zero = w.number(0, node)
    value = w.op("Where", w.op("Equal", x, zero), at_zero, x)
    value = w.op("Where", w.op("Greater", x, zero), w.number(1, node), value)
    return w.op("Where", w.op("Less", x, zero), zero, value)


@_combination(np.remainder)
def _remainder(w: Writer, node: Node, a: str, b: str) -> str:
    """The remainder has the sign of the divisor."""
    if node.dtype.kind != "f":
        return w.op("Mod", a, b)
    rest, zero = w.op("Mod", a, b, fmod=1), w.number(0, node)
    differs = w.op("Less", w.op("Mul", rest, b), zero)
    return w.op("Where", differs, w.op("Add", rest, b), rest)


@_combination(np.fmod)
def _fmod(w: Writer, _node: Node, a: str, b: str) -> str:
    return w.op("Mod", a, b, fmod=1)


@_combination(np.fmax, np.fmin)
def _without_nan(w: Writer, node: Node, a: str, b: str) -> str:
    found = w.op("Max" if node.function is np.fmax else "Min", a, b)
    found = w.op("Where", w.op("IsNaN", b), a, found)
    return w.op("Where", w.op("IsNaN", a), b, found)
