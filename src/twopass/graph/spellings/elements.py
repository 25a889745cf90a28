"""Functions of each element alone.

In normal form a ufunc has no keywords, and nodes for operands that have the dtypes it computes with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.graph.build import Builder, static
from twopass.graph.ir import Node
from twopass.graph.spellings.table import as_node, bind, resolvable, spelling

__all__ = ["ufunc_spelling"]

#: Keywords of ufuncs that do not change what is computed.
_IGNORED = ("order", "subok", "casting", "dtype")


def ufunc_spelling(node: Node, builder: Builder) -> Node | None:
    """The normal form of a ufunc of elements with one result."""
    ufunc: Any = node.function
    if ufunc.signature is not None or ufunc.nout != 1 or not node.kwargs.keys() <= set(_IGNORED):
        return None
    if not all(isinstance(operand, (Node, bool, int, float, complex)) for operand in node.args):
        return None
    known = [_resolvable(operand) for operand in node.args]
    dtype = node.kwargs.get("dtype")
    signature = (None,) * ufunc.nin + (None if dtype is None else np.dtype(dtype),)
    casting = node.kwargs.get("casting", "same_kind")
    loop = ufunc.resolve_dtypes((*known, None), signature=signature, casting=casting)
    if loop[-1] != node.dtype:
        return None
    operands = tuple(as_node(arg, builder, to) for arg, to in zip(node.args, loop[:-1], strict=True))
    return builder.node(ufunc, operands, {}, node.type)


def _resolvable(value: Any) -> Any:
    known = resolvable(value)
    return type(known) if type(known) in (int, float, complex) else np.dtype(bool) if type(known) is bool else known


def _common(values: Any) -> np.dtype[Any]:
    return np.result_type(*(resolvable(value) for value in values))


@spelling("where")
def _where(node: Node, builder: Builder) -> Node | None:
    if len(node.args) != 3:
        return None
    condition, x, y = node.args
    condition = builder.nonzero(as_node(condition, builder))
    dtype = _common((x, y))
    return builder.where(condition, as_node(x, builder, dtype), as_node(y, builder, dtype))


@spelling("clip")
def _clip(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", a_min=None, a_max=None)
    bounded = as_node(given["a"], builder, node.dtype)
    for ufunc, name in ((np.maximum, "a_min"), (np.minimum, "a_max")):
        if given[name] is not None:
            bounded = builder.call(ufunc, bounded, as_node(given[name], builder, node.dtype))
    return builder.broadcast_to(bounded, node.shape)


@spelling("astype", "as_integers")
def _astype(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "x", "dtype")
    return builder.astype(as_node(given["x"], builder), given["dtype"])


@spelling("copy")
def _copy(node: Node, builder: Builder) -> Node | None:
    return as_node(bind(node, "a", order="K", subok=False)["a"], builder)


# --- rounding ---------------------------------------------------------------------------------------------------------


@spelling("round", "around")
def _round(node: Node, builder: Builder) -> Node | None:
    given = bind(node, "a", decimals=0)
    a, decimals = as_node(given["a"], builder), static(given["decimals"])
    if a.dtype.kind in "iu" and decimals >= 0:
        return a
    if a.dtype.kind != "f" or node.dtype != a.dtype:
        return None
    if decimals == 0:
        return builder.call(np.rint, a)
    power = builder.constant(10.0 ** abs(decimals), a.dtype)
    there, back = (np.multiply, np.true_divide) if decimals > 0 else (np.true_divide, np.multiply)
    return builder.call(back, builder.call(np.rint, builder.call(there, a, power)), power)


@spelling("fix")
def _fix(node: Node, builder: Builder) -> Node | None:
    x = as_node(bind(node, "x")["x"], builder)
    return x if x.dtype.kind in "iub" else builder.call(np.trunc, x)


# --- real numbers as complex ones -------------------------------------------------------------------------------------


@spelling("real", "conjugate", "conj")
def _real(node: Node, builder: Builder) -> Node | None:
    a = as_node(node.args[0], builder)
    return a if a.dtype.kind != "c" and a.dtype == node.dtype else None


@spelling("imag")
def _imag(node: Node, builder: Builder) -> Node | None:
    a = as_node(node.args[0], builder)
    return builder.full(node.shape, 0, node.dtype) if a.dtype.kind != "c" else None


@spelling("isposinf", "isneginf")
def _is_signed_infinity(node: Node, builder: Builder) -> Node | None:
    x = as_node(bind(node, "x")["x"], builder)
    if x.dtype.kind != "f":
        return None
    infinity = np.inf if node.function is np.isposinf else -np.inf
    return builder.call(np.equal, x, builder.constant(infinity, x.dtype))


@spelling("iscomplex", "isreal")
def _is_real(node: Node, builder: Builder) -> Node | None:
    x = as_node(bind(node, "x")["x"], builder)
    return builder.full(node.shape, node.function is np.isreal, bool) if x.dtype.kind != "c" else None


@spelling("sinc")
def _sinc(node: Node, builder: Builder) -> Node | None:
    x = as_node(bind(node, "x")["x"], builder, node.dtype)
    if x.dtype.kind != "f":
        return None
    angle = builder.call(np.multiply, builder.constant(np.pi, x.dtype), x)
    tiny = builder.constant(np.finfo(x.dtype).eps, x.dtype)
    angle = builder.where(builder.nonzero(angle), angle, tiny)
    return builder.call(np.true_divide, builder.call(np.sin, angle), angle)
