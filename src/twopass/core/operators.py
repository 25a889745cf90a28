"""Operators that NumPy has no function for. Like NumPy's functions, they accept traced arrays.

Each names a rule, as a NumPy function does; `twopass.rules` holds the derivatives.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from twopass.core.rule import invoke, is_traced

__all__ = [
    "Scatter",
    "as_array",
    "as_integers",
    "assign_part",
    "astype",
    "first_row",
    "holds_traced",
    "scatter",
]


def holds_traced(value: Any) -> bool:
    """Whether a value is a traced array, or a nested list, tuple or slice with one in it."""
    if isinstance(value, slice):
        return is_traced(value.start) or is_traced(value.stop) or is_traced(value.step)
    return any(map(holds_traced, value)) if isinstance(value, (list, tuple)) else is_traced(value)


def as_array(value: Any) -> Any:
    """``np.asarray(value)``, for an array, a number or a nested list or tuple that may hold traced arrays."""
    if is_traced(value):
        return value
    return np.stack([as_array(item) for item in value]) if holds_traced(value) else np.asarray(value)


def first_row(a: Any) -> Any:
    """The first element along the first axis; zeros if there is none."""
    return a[0] if len(a) else np.zeros(a.shape[1:], a.dtype)


def astype(x: Any, dtype: Any) -> Any:
    """``x.astype(dtype)`` for a float or complex dtype (NumPy 2.0 has no np.astype)."""
    return x.astype(dtype) if hasattr(x, "astype") else np.asarray(x).astype(dtype)[()]


def as_integers(x: Any, dtype: Any) -> Any:
    """``x.astype(dtype)`` for an integer or boolean dtype: its derivative is zero wherever it exists."""
    return x.astype(dtype)


def assign_part(a: Any, value: Any, *, part: Literal["real", "imag"]) -> Any:
    """A copy of a complex array with ``a.real = value`` or ``a.imag = value``."""
    if is_traced(a) or is_traced(value):
        return invoke(assign_part, a, value, part=part)
    changed = np.copy(a)
    setattr(changed, part, np.real(value))
    return changed


class Scatter(NamedTuple):
    """An array of zeros with `values` added at ``[index]``: the cotangent of an array that was indexed.

    The backward sweep adds it to what it has already, so that to read one element of a large array costs no pass over
    all the others.
    """

    shape: tuple[int, ...]
    index: Any
    values: Any
    distinct: bool  # whether no element is indexed twice

    def holds_traced(self) -> bool:
        """Whether the values are traced, or are at captured places (which are not known to be distinct)."""
        return is_traced(self.values) or holds_traced(self.index)

    def add_to(self, total: Any) -> None:
        """Add to an array, in place."""
        if self.distinct:
            total[self.index] += self.values
        else:
            np.add.at(total, self.index, self.values)

    def dense(self) -> Any:
        """The array itself."""
        if not self.distinct or is_traced(self.values) or holds_traced(self.index):
            return scatter(self.values, shape=self.shape, index=self.index, distinct=self.distinct)
        total = np.zeros(self.shape, self.values.dtype)
        total[self.index] = self.values
        return total


def scatter(values: Any, *, shape: tuple[int, ...], index: Any, distinct: bool = False) -> Any:
    """An array of zeros with `values` added at ``[index]``: the transpose of indexing."""
    if is_traced(values) or holds_traced(index):
        return invoke(scatter, values, shape=shape, index=index, distinct=distinct)
    total = np.zeros_like(values, shape=shape)
    Scatter(shape, index, values, distinct).add_to(total)
    return total
