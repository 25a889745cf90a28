"""The table of spellings, and what its entries need to read the arguments of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twopass.errors import name_of
from twopass.graph.build import Builder
from twopass.graph.ir import Input, Node

__all__ = ["SPELLINGS", "Spelling", "as_node", "bind", "operator_name", "resolvable", "spelling"]

#: Gives the normal form of a node, or None to leave it as it is.
Spelling = Callable[[Node, Builder], Node | None]

#: By the operator's name.
SPELLINGS: dict[str, Spelling] = {}


def spelling(*names: str) -> Callable[[Spelling], Spelling]:
    """Register the normal form of some operators."""

    def register(function: Spelling) -> Spelling:
        for name in names:
            if name in SPELLINGS:
                raise ValueError(f"two spellings of {name}")
            SPELLINGS[name] = function
        return function

    return register


def operator_name(function: Any) -> str:
    """The name of an operator: a NumPy function's, or that of one of ours; empty for any other function."""
    module = getattr(function, "__module__", None) or ("numpy" if isinstance(function, np.ufunc) else "")
    return name_of(function) if module.split(".")[0] in ("numpy", "twopass", "_operator") else ""


def bind(node: Node, *names: str, **defaults: Any) -> dict[str, Any]:
    """The arguments of a call by name: `names` are required, `defaults` follow them in order.

    Raises
    ------
    KeyError
        For an argument that is not among them: the caller's operator is left as it is.
    """
    order = [*names, *defaults]
    given = {**dict(zip(order, node.args, strict=False)), **node.kwargs}
    if len(node.args) > len(order) or not given.keys() <= set(order):
        raise KeyError(next(iter(given.keys() - set(order)), "too many"))
    found = {**defaults, **{name: value for name, value in given.items() if value is not np._NoValue}}
    for name in names:
        if name not in found:
            raise KeyError(name)
    return found


def as_node(value: Any, builder: Builder, dtype: Any = None) -> Node:
    """An operand as a node; of a given dtype, if there is one."""
    if not isinstance(value, Node):
        return builder.constant(value, dtype)
    return value if dtype is None else builder.astype(value, dtype)


def resolvable(value: Any) -> Any:
    """What NumPy's promotion must know of an operand: its dtype, or the Python type of a number without one."""
    if isinstance(value, Input) and value.weak:
        return value.dtype.type(0).item()
    if isinstance(value, Node):
        return value.dtype
    return value
