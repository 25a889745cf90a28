"""Algebra: what is known to be equal, with fewer operations.

An identity is used only if it holds for every number: signed zeros, infinities and NaN included. (So ``x + 0`` stays,
which is 0 for -0, but ``x - 0`` goes.) Roundings may become fewer: ``x**2`` is one product, and equal terms are
multiplied instead of added. The one exception is the sum of arrays that are padded with zeros, the cotangent of an
array that was cut up: it is joined from its parts, whose zeros keep their signs.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass.core.operators import astype
from twopass.graph.build import REDUCTIONS, Builder, axes_of, has_dtype, is_scalar_constant, scalar_of
from twopass.graph.ir import Constant, Graph, Input, Node, Type
from twopass.graph.passes.rewriting import rewrite

__all__ = ["simplify"]

Rule = Callable[[Node, Builder], Node | None]

#: By function: what may be simpler, each tried in turn.
RULES: dict[Any, list[Rule]] = {}


def rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Register a simplification of some functions; it gives None if it does not apply."""

    def register(simpler: Rule) -> Rule:
        for function in functions:
            RULES.setdefault(function, []).append(simpler)
        return simpler

    return register


def simplify(graph: Graph) -> Graph:
    """Apply the rules to each node as long as one applies."""
    return rewrite(graph, _simplest)


def _simplest(node: Node, _original: Node) -> Node:
    if isinstance(node, Constant):
        return _uniform(node)
    while not isinstance(node, (Constant, Input)) and isinstance(node.type, Type):
        builder = Builder(node.line)
        attempts = (simpler(node, builder) for simpler in (_nothing, *RULES.get(node.function, ()), _small_operands))
        better = next((made for made in attempts if made is not None), None)
        if better is None:
            break
        if better.type != node.type:
            raise AssertionError(f"a simpler form of {node.function} has type {better.type}, not {node.type}")
        node = better
    return node


def _uniform(node: Constant) -> Node:
    """A constant whose elements are equal, bit for bit, is one of them, stretched."""
    value = node.value
    if value.size < 2 or value.flat[0].tobytes() != value.flat[-1].tobytes():
        return node
    same = value.tobytes() == value.flat[0].tobytes() * value.size
    return Builder(node.line).full(node.shape, value.flat[0], node.dtype) if same else node


def _nothing(node: Node, builder: Builder) -> Node | None:
    """An array without elements."""
    is_known = node.function is np.broadcast_to
    return None if node.size or is_known else builder.full(node.shape, 0, node.dtype)


def _spread(value: Node, node: Node, builder: Builder) -> Node:
    """An operand in the shape of the result."""
    return builder.broadcast_to(value, node.shape)


def _is(function: Any, value: Any) -> bool:
    return isinstance(value, Node) and value.function is function


def _inside(value: Node, number: int = 0) -> Node:
    """An operand of an operand."""
    return value.args[number]  # type: ignore[no-any-return]


def _again(node: Node, operands: Sequence[Node], builder: Builder) -> Node:
    """The ufunc of a node, of other operands."""
    ufunc: Any = node.function
    return builder.call(ufunc, *operands)


# --- arithmetic -------------------------------------------------------------------------------------------------------


@rule(np.multiply)
def _times_one(node: Node, builder: Builder) -> Node | None:
    for factor, other in (node.args, node.args[::-1]):
        if is_scalar_constant(factor, 1):
            return _spread(other, node, builder)
        if is_scalar_constant(factor, -1) and node.dtype.kind == "f":
            return _spread(builder.call(np.negative, other), node, builder)
    return None


@rule(np.true_divide)
def _divided_by_one(node: Node, builder: Builder) -> Node | None:
    a, b = node.args
    if is_scalar_constant(b, 1):
        return _spread(a, node, builder)
    if is_scalar_constant(b, -1) and node.dtype.kind == "f":
        return _spread(builder.call(np.negative, a), node, builder)
    return None


@rule(np.true_divide)
def _divided_by_a_power_of_two(node: Node, builder: Builder) -> Node | None:
    """A product with the reciprocal is the same, and faster."""
    a, b = node.args
    divisor = scalar_of(b)
    if divisor is None or node.dtype.kind != "f" or not np.isfinite(divisor) or abs(math.frexp(divisor)[0]) != 0.5:
        return None
    with np.errstate(all="ignore"):
        reciprocal = 1 / divisor
    if not np.isfinite(reciprocal) or abs(reciprocal) < np.finfo(node.dtype).tiny:
        return None
    return _spread(builder.call(np.multiply, a, builder.constant(reciprocal, node.dtype)), node, builder)


@rule(np.add)
def _plus_zero(node: Node, builder: Builder) -> Node | None:
    """``x + -0.0``; also ``x + 0.0`` if x is an integer or cannot be -0.0."""
    for term, other in (node.args, node.args[::-1]):
        neutral = is_scalar_constant(term, -0.0) if node.dtype.kind in "fc" else is_scalar_constant(term, 0)
        if neutral or (is_scalar_constant(term, 0.0) and _is_never_negative_zero(other)):
            return _spread(other, node, builder)
    return None


def _is_never_negative_zero(node: Node) -> bool:
    if node.function is astype:
        return node.args[0].dtype.kind in "biu"
    return node.function in (np.exp, np.exp2, np.square, np.absolute, np.cosh)


@rule(np.add, np.subtract)
def _plus_negative(node: Node, builder: Builder) -> Node | None:
    """``a + -b``, ``-a + b``, ``a - -b``."""
    a, b = node.args
    if node.dtype.kind != "f":
        return None
    if _is(np.negative, b):
        other = np.subtract if node.function is np.add else np.add
        return _spread(builder.call(other, a, b.args[0]), node, builder)
    if _is(np.negative, a) and node.function is np.add:
        return _spread(builder.call(np.subtract, b, a.args[0]), node, builder)
    if _is(np.multiply, b):
        # a + -2 * x is a - 2 * x.
        for factor, x in (b.args, b.args[::-1]):
            positive = _without_sign(factor, builder)
            if positive is not None and not _is(np.negative, factor):
                other = np.subtract if node.function is np.add else np.add
                return _spread(builder.call(other, a, builder.call(np.multiply, positive, x)), node, builder)
    return None


@rule(np.add)
def _sum_of_padded(node: Node, builder: Builder) -> Node | None:
    """What fills the zeros of the other is joined."""
    if not all(_is(np.concatenate, arg) and arg.shape == node.shape for arg in node.args):
        return None
    (first, axis), (second, other) = (arg.args for arg in node.args)
    if axis != other:
        return None
    filled = sorted([*_filled(first, axis), *_filled(second, axis)], key=lambda piece: piece[0])
    parts, end = [], 0
    for start, part in filled:
        if start < end:
            return None
        parts += [_zeros_along(node, axis, start - end, builder), part]
        end = start + part.shape[axis]
    return builder.concatenate([*parts, _zeros_along(node, axis, node.shape[axis] - end, builder)], axis)


def _filled(parts: Sequence[Node], axis: int) -> list[tuple[int, Node]]:
    """The parts that are not zero, with the places where they begin."""
    starts = itertools.accumulate((part.shape[axis] for part in parts), initial=0)
    return [(start, part) for start, part in zip(starts, parts, strict=False) if not is_scalar_constant(part, 0)]


def _zeros_along(node: Node, axis: int, length: int, builder: Builder) -> Node:
    return builder.full((*node.shape[:axis], length, *node.shape[axis + 1 :]), 0, node.dtype)


@rule(np.subtract)
def _minus_zero(node: Node, builder: Builder) -> Node | None:
    return _spread(node.args[0], node, builder) if is_scalar_constant(node.args[1], 0) else None


@rule(np.multiply, np.true_divide)
def _product_of_negatives(node: Node, builder: Builder) -> Node | None:
    a, b = node.args
    if node.dtype.kind != "f":
        return None
    signs = [bare for value in (a, b) if (bare := _without_sign(value, builder)) is not None]
    return _spread(_again(node, signs, builder), node, builder) if len(signs) == 2 else None


def _without_sign(value: Node, builder: Builder) -> Node | None:
    """What a value is the negative of, if that costs nothing."""
    if _is(np.negative, value):
        return _inside(value)
    number = scalar_of(value)
    return builder.constant(-number, value.dtype) if number is not None and number < 0 else None


@rule(np.negative)
def _negative(node: Node, builder: Builder) -> Node | None:
    (a,) = node.args
    if _is(np.negative, a):
        return _inside(a)
    if _is(np.multiply, a) and node.dtype.kind == "f":
        for factor, other in (a.args, a.args[::-1]):
            number = scalar_of(factor)
            if number is not None:
                product = builder.call(np.multiply, builder.constant(-number, node.dtype), other)
                return _spread(product, node, builder)
    return None


@rule(np.absolute, np.square, np.cosh, np.cos)
def _even(node: Node, builder: Builder) -> Node | None:
    (a,) = node.args
    inside = a.args[0] if _is(np.negative, a) or (_is(np.absolute, a) and a.args[0].dtype == a.dtype) else None
    return None if inside is None or node.dtype.kind != "f" else _again(node, [inside], builder)


@rule(np.positive)
def _positive(node: Node, builder: Builder) -> Node | None:
    return _inside(node)


@rule(np.power)
def _power(node: Node, builder: Builder) -> Node | None:
    base, exponent = node.args
    number = scalar_of(exponent)
    if number is None or node.dtype.kind != "f":
        return None
    if number == 1:
        return _spread(base, node, builder)
    ufunc: Any = np.square if number == 2 else np.reciprocal if number == -1 else None
    return None if ufunc is None else _spread(builder.call(ufunc, base), node, builder)


# --- truth and choice -------------------------------------------------------------------------------------------------


@rule(np.logical_not, np.invert)
def _double_not(node: Node, builder: Builder) -> Node | None:
    (a,) = node.args
    inverse = _is(np.logical_not, a) or _is(np.invert, a)
    return _inside(a) if inverse and node.dtype.kind == "b" and _inside(a).dtype.kind == "b" else None


@rule(np.not_equal, np.equal)
def _truth_of_truth(node: Node, builder: Builder) -> Node | None:
    """``mask != False`` and ``mask == True``."""
    neutral = node.function is np.equal
    for value, other in (node.args, node.args[::-1]):
        if value.dtype.kind == "b" and is_scalar_constant(value, neutral):
            return _spread(other, node, builder)
    return None


@rule(np.where)
def _where(node: Node, builder: Builder) -> Node | None:
    condition, x, y = node.args
    known = scalar_of(condition)
    if known is not None:
        return _spread(x if known else y, node, builder)
    if x is y:
        return _spread(x, node, builder)
    if _is(np.logical_not, condition) and condition.args[0].dtype.kind == "b":
        return _spread(builder.where(condition.args[0], y, x), node, builder)
    # What is chosen from a choice by the same condition is known.
    if _is(np.where, x) and x.args[0] is condition:
        return _spread(builder.where(condition, x.args[1], y), node, builder)
    if _is(np.where, y) and y.args[0] is condition:
        return _spread(builder.where(condition, x, y.args[2]), node, builder)
    return None


# --- conversions ------------------------------------------------------------------------------------------------------

#: Operations that give the same when they are computed in double precision and rounded to single (S. Figueroa, "When
#: is double rounding innocuous?", 1995).
_ROUNDED_ONCE = (np.add, np.subtract, np.multiply, np.true_divide, np.sqrt)


@rule(astype)
def _astype(node: Node, builder: Builder) -> Node | None:
    a, dtype = node.args
    if has_dtype(a, dtype):
        return _inside(node)
    if _is(astype, a) and _is_exact(a.args[0].dtype, a.dtype):
        return builder.astype(a.args[0], dtype)
    if _is(np.broadcast_to, a) and a.args[0].size < a.size:
        return builder.broadcast_to(builder.astype(a.args[0], dtype), node.shape)
    if dtype == np.float32 and a.dtype == np.float64 and a.function in _ROUNDED_ONCE:
        narrow = [single for operand in a.args if (single := _as_single(operand, builder)) is not None]
        if len(narrow) == len(a.args):
            return _spread(_again(a, narrow, builder), node, builder)
    return None


def _is_exact(have: np.dtype[Any], want: np.dtype[Any]) -> bool:
    """Whether a conversion keeps every value."""
    if have.kind == "b" or have == want:
        return True
    if have.kind in "iu" and want.kind == "f":
        return np.iinfo(have).bits <= np.finfo(want).nmant
    return have.kind == want.kind and have.itemsize <= want.itemsize


def _as_single(operand: Node, builder: Builder) -> Node | None:
    """A float64 operand as the float32 array that it is a conversion of."""
    if _is(astype, operand) and operand.args[0].dtype == np.float32:
        return _inside(operand)
    number = scalar_of(operand)
    if number is not None and np.float64(np.float32(number)) == number:
        return builder.broadcast_to(builder.constant(np.float32(number)), operand.shape)
    return None


# --- structure --------------------------------------------------------------------------------------------------------


@rule(np.transpose, np.reshape, np.broadcast_to)
def _structure(node: Node, builder: Builder) -> Node | None:
    """Two moves as one; none where nothing moves."""
    make = {np.transpose: builder.transpose, np.reshape: builder.reshape, np.broadcast_to: builder.broadcast_to}
    made = make[node.function](*node.args)
    return None if made.function is node.function and made.args[0] is node.args[0] else made


@rule(np.reshape)
def _axes_of_broadcast(node: Node, builder: Builder) -> Node | None:
    """Axes of length 1 are put into an array, or taken away, before it is stretched."""
    a, shape = node.args
    if not _is(np.broadcast_to, a) or [n for n in a.shape if n != 1] != [n for n in shape if n != 1]:
        return None
    inner = a.args[0]
    lengths = (1,) * (a.ndim - inner.ndim) + inner.shape
    long = [length for length, n in zip(lengths, a.shape, strict=True) if n != 1]
    rest = iter(long)
    small = builder.reshape(inner, [1 if n == 1 else next(rest) for n in shape])
    return builder.broadcast_to(small, shape)


@rule(np.transpose)
def _order_of_broadcast(node: Node, builder: Builder) -> Node | None:
    """An array is turned before it is stretched."""
    a, axes = node.args
    if not _is(np.broadcast_to, a):
        return None
    inner = builder.reshape(a.args[0], (1,) * (a.ndim - a.args[0].ndim) + a.args[0].shape)
    return builder.broadcast_to(builder.transpose(inner, axes), node.shape)


@rule(operator.getitem)
def _whole(node: Node, builder: Builder) -> Node | None:
    a, index = node.args
    return a if isinstance(index, tuple) and list(index) == [slice(0, n, 1) for n in a.shape] else None


def _small_operands(node: Node, builder: Builder) -> Node | None:
    """Elementwise functions broadcast their operands themselves, and compute equal elements once."""
    if not (isinstance(node.function, np.ufunc) or node.function is np.where) or node.kwargs:
        return None
    if not all(isinstance(arg, Node) for arg in node.args):
        return None
    small = [_smaller(arg) for arg in node.args]
    if all(a is b for a, b in zip(small, node.args, strict=True)):
        return None
    shape = np.broadcast_shapes(*(arg.shape for arg in small))
    return _spread(builder.node(node.function, tuple(small), {}, Type(shape, node.dtype)), node, builder)


def _smaller(operand: Node) -> Node:
    """An operand before it was stretched, or given leading axes of length 1."""
    if _is(np.broadcast_to, operand):
        return _inside(operand)
    if isinstance(operand, Constant) and operand.size == 1 and operand.ndim:
        return Constant.of(operand.value.reshape(()))
    if _is(np.reshape, operand):
        inner = _inside(operand)
        if operand.shape == (1,) * (operand.ndim - inner.ndim) + inner.shape:
            return inner
    return operand


# --- reductions -------------------------------------------------------------------------------------------------------


@rule(*REDUCTIONS)
def _of_broadcast(node: Node, builder: Builder) -> Node | None:
    """A reduction over axes along which all elements are equal."""
    a, axes = node.args[0], axes_of(node)
    if axes is None or not _is(np.broadcast_to, a) or node.function is np.prod:
        return None
    inner = builder.reshape(a.args[0], (1,) * (a.ndim - a.args[0].ndim) + a.args[0].shape)
    equal = [axis for axis in axes if inner.shape[axis] == 1 and a.shape[axis] != 1]
    if not equal or 0 in a.shape:
        return None
    kept = tuple(1 if axis in equal else n for axis, n in enumerate(a.shape))
    reduced = builder.reduce(node.function, builder.broadcast_to(inner, kept), axes)
    if node.function is np.sum:
        count = math.prod(a.shape[axis] for axis in equal)
        reduced = builder.call(np.multiply, reduced, builder.constant(count, node.dtype))
    return reduced
