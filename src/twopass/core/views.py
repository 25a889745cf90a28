"""Views of traced arrays: what they are views of, and how a change of one is written through to its base."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from twopass.core.operators import assign_part
from twopass.core.rule import Rule, invoke
from twopass.errors import compose

__all__ = ["View", "check_writeable", "write_through"]

#: Functions whose result NumPy does not let be written to.
READ_ONLY = frozenset({np.broadcast_to, np.diagonal, np.lib.stride_tricks.sliding_window_view})


class View:
    """What a traced array is a view of, how it was made, and which version of the base it has seen.

    Views of views form a chain. Every change goes through to its root, so that one look at the root's version tells
    whether anything in the chain has changed.
    """

    __slots__ = ("args", "base", "kwargs", "root", "rule", "seen", "version")

    def __init__(self, base: Any, version: int, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.base = base
        self.version = version
        self.root = base if base._view is None else base._view.root
        self.seen = self.root._version
        self.rule = rule
        self.args = args
        self.kwargs = kwargs

    def is_current(self, base: Any, index: Any) -> bool:
        """Whether this is ``base[index]``, with the very same index object, and the base has not changed since."""
        same = self.base is base and self.version == base._version
        return same and self.rule.function is operator.getitem and self.args[0] is index


def check_writeable(view: View | None) -> None:
    """Raise for a view, or a view of a view, that NumPy makes read-only."""
    while view is not None:
        if view.rule.function in READ_ONLY:
            what = f"assignment destination is read-only: it is a view made by np.{view.rule.name}"
            raise ValueError(compose(what, instead="Copy it first."))
        view = view.base._view


def write_through(view: View, base: Any, value: Any) -> Any:
    """The base of a view after the view has taken a new value."""
    if view.rule.function is operator.getitem:
        return invoke(operator.setitem, base, value, index=view.args[0])
    if view.rule.function in (np.real, np.imag) and base.dtype.kind == "c":
        return invoke(assign_part, base, value, part=view.rule.name)
    # Any other view moves elements: let it move their positions, and write to those.
    positions = view.rule.call(np.arange(base.size).reshape(base.shape), *view.args, **view.kwargs)
    return invoke(operator.setitem, base, value, index=np.unravel_index(positions, base.shape))
