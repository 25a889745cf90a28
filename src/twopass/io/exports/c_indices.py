"""Places in arrays: sums of multiples of the loops' variables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from twopass.graph.ir import Node
from twopass.io.exports.rows import refuse

__all__ = ["Index", "flat", "index_of_operand", "index_within", "is_view", "keeps_axes"]

_VIEWS = (np.transpose, np.reshape, np.broadcast_to, operator.getitem)


class Index(NamedTuple):
    """A place along an axis: multiples of terms, and a constant.

    Examples
    --------
    >>> i, j = Index.of("i"), Index.of("j")
    >>> print(i.times(10).plus(j).plus(Index((), 3)))
    10 * i + j + 3
    """

    terms: tuple[tuple[str, int], ...] = ()
    constant: int = 0

    @classmethod
    def of(cls, term: str) -> Index:
        """One variable, or whatever else is a name or a call."""
        return cls(((term, 1),))

    def times(self, factor: int) -> Index:
        """A multiple."""
        return Index(tuple((term, count * factor) for term, count in self.terms if factor), self.constant * factor)

    def plus(self, other: Index) -> Index:
        """A sum."""
        counts = dict(self.terms)
        for term, count in other.terms:
            counts[term] = counts.get(term, 0) + count
        return Index(tuple((term, count) for term, count in counts.items() if count), self.constant + other.constant)

    def __str__(self) -> str:
        parts = [term if count == 1 else f"{count} * {term}" for term, count in self.terms if count > 0]
        if self.constant > 0 or not self.terms:
            parts.append(str(self.constant))
        # What is subtracted comes last, so that no sum begins with a sign.
        taken = [f" - {term}" if count == -1 else f" - {-count} * {term}" for term, count in self.terms if count < 0]
        taken += [f" - {-self.constant}"] if self.constant < 0 else []
        return (" + ".join(parts) or "0") + "".join(taken)


def flat(shape: Sequence[int], index: Sequence[Index]) -> Index:
    """The place in an array that is read row by row."""
    place = Index()
    for length, part in zip(shape, index, strict=True):
        place = place.times(length).plus(part)
    return place


def index_within(shape: Sequence[int], index: Sequence[Index]) -> list[Index]:
    """The index in an array of one in a larger shape, to which the array is stretched."""
    own = index[len(index) - len(shape) :]
    return [Index() if length == 1 else part for length, part in zip(shape, own, strict=True)]


def is_view(node: Node) -> bool:
    """Whether the elements of a node are elements of its first operand."""
    return node.function in _VIEWS


def keeps_axes(node: Node) -> bool:
    """Whether an index of a view tells that of its operand: all do but a reshape that divides or merges axes."""
    return node.function is not np.reshape or _long(node) == _long(node.args[0])


def _long(node: Node) -> list[int]:
    return [n for n in node.shape if n != 1]


def index_of_operand(
    node: Node, index: Sequence[Index], position: Callable[[Node, Sequence[Index], int], Index]
) -> list[Index]:
    """Which element of its operand an element of a view is.

    Parameters
    ----------
    node : Node
        The view.
    index : sequence of Index
        Of the element.
    position : callable
        Reads an element of an array of positions along an axis of some length.
    """
    a = node.args[0]
    if node.function is np.broadcast_to:
        return index_within(a.shape, index)
    if node.function is np.transpose:
        return [index[node.args[1].index(axis)] for axis in range(a.ndim)]
    if node.function is operator.getitem:
        return _sliced(node, index, position)
    if keeps_axes(node):
        rest = iter([i for i, n in zip(index, node.shape, strict=True) if n != 1])
        return [Index() if n == 1 else next(rest) for n in a.shape]
    # The operand is in an array, where an element is at the same place as in the result.
    return [Index()] * (a.ndim - 1) + [flat(node.shape, index)]


def _sliced(node: Node, index: Sequence[Index], position: Callable[[Node, Sequence[Index], int], Index]) -> list[Index]:
    """Slices, and positions along one axis."""
    a, parts = node.args
    places = [part for part in parts if not isinstance(part, slice)]
    if len(places) > 1 or not all(isinstance(part, Node) and part.dtype.kind in "iu" for part in places):
        refuse(node, "C", "Only slices, and positions along one axis, can be translated.")
    found, rest = [], list(index)
    for axis, length in enumerate(a.shape):
        part = parts[axis] if axis < len(parts) else slice(0, length, 1)
        if isinstance(part, slice):
            start, _, step = part.indices(length)
            found.append(rest.pop(0).times(step).plus(Index((), start)))
        else:
            own, rest = rest[: part.ndim], rest[part.ndim :]
            found.append(position(part, own, length))
    return found
