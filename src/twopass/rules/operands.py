"""Operands as rules meet them: plain or traced, known or captured."""

from __future__ import annotations

import operator
from typing import Any

from twopass.core.operators import as_array, holds_traced
from twopass.core.rule import ENGINE, RULES, is_traced
from twopass.errors import CaptureError

__all__ = ["as_operand", "is_known", "is_moving", "take_at"]


def take_at(a: Any, index: Any) -> Any:
    """``a[index]``; of a plain array at a captured index, too."""
    try:
        return a[index]
    except CaptureError:
        if is_traced(a) or not holds_traced(index):
            raise
        return ENGINE[0](RULES[operator.getitem], (a, index), {})


def is_known(condition: Any) -> bool:
    """Whether a condition holds; False, too, where its value is not known because the function is being captured."""
    return not is_traced(condition) and bool(condition)


def is_moving(value: Any) -> bool:
    """Whether a value is traced by what differentiates: it is not merely captured, or one of a batch."""
    return is_traced(value) and not value._trace.captures


def as_operand(value: Any) -> Any:
    """`as_array`, but for Python's numbers: those take the dtype of the other operands."""
    return value if type(value) in (int, float, complex) else as_array(value)
