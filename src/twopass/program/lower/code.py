"""From the members of a cluster to the scalar code of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from twopass.graph.ir import Constant, Node
from twopass.program.ir import Access, Argument, Instruction
from twopass.program.lower.classify import (
    REDUCTIONS,
    affine,
    is_reduction,
    is_view,
    map_through,
    scalar_of,
    takes_copy,
)
from twopass.program.lower.cluster import Cluster
from twopass.program.lower.gather import Gather, gather_of
from twopass.program.lower.storage import IndexMap, Storage

__all__ = ["Code"]


class _Value(NamedTuple):
    """A value of a body before the loads are counted."""

    loaded: bool
    number: int
    dtype: np.dtype[Any]


class Code:
    """The body of a kernel, written node by node.

    Parameters
    ----------
    cluster : Cluster
        Whose members it computes.
    inline : set of Node
        Scalars that are computed where they are needed.
    storage : callable
        Gives the storage of a value that is in memory, as a strided array.
    panelled : callable
        The same, but in panels if it is. They are read where the element is that of the domain's last two axes.
    axes : sequence of int
        The axes of the cluster's domain in the order of the kernel's.
    """

    def __init__(
        self,
        cluster: Cluster,
        inline: set[Node],
        storage: Callable[[Node], Storage],
        panelled: Callable[[Node], Storage],
        axes: Sequence[int],
    ) -> None:
        self.cluster = cluster
        self.inline = inline
        self.storage = storage
        self.panelled = panelled
        self.axes = tuple(axes)
        self.loads: list[tuple[Access, Argument]] = []
        self._instructions: list[tuple[str, tuple[_Value, ...], np.dtype[Any], tuple[Any, ...]]] = []
        self._known: dict[Any, _Value] = {}
        self._members: dict[Node, _Value] = {}
        head = cluster.head
        self._product = None if head is None else _Value(True, -1, head.node.dtype)
        if head is not None and self._product is not None:
            self._members[head.node] = self._product
        for node, index in cluster.members.items():
            if node not in self._members:
                self._members[node] = self._member(node, index)

    # --- results ------------------------------------------------------------------------------------------------------

    def number(self, node: Node) -> int:
        """The number of a member's value in the body."""
        return self._final(self._members[node])

    def body(self) -> tuple[Instruction, ...]:
        """The instructions."""
        return tuple(
            Instruction(name, tuple(map(self._final, operands)), dtype, parameters)
            for name, operands, dtype, parameters in self._instructions
        )

    def _final(self, value: _Value) -> int:
        """Loaded values are counted first; the product of a contraction, number -1 so far, before all others."""
        first = 0 if self._product is None else 1
        return first + value.number + (0 if value.loaded else len(self.loads))

    # --- writing ------------------------------------------------------------------------------------------------------

    def _emit(self, name: str, operands: Sequence[_Value], dtype: np.dtype[Any], *parameters: Any) -> _Value:
        key = (name, tuple(operands), dtype, parameters if name != "literal" else repr(parameters))
        if key not in self._known:
            self._instructions.append((name, tuple(operands), dtype, parameters))
            self._known[key] = _Value(False, len(self._instructions) - 1, dtype)
        return self._known[key]

    def _literal(self, number: Any, dtype: np.dtype[Any]) -> _Value:
        return self._emit("literal", (), dtype, dtype.type(number).item())

    def _cast(self, value: _Value, dtype: np.dtype[Any]) -> _Value:
        return value if value.dtype == dtype else self._emit("astype", (value,), dtype)

    def _load(self, storage: Storage, index: IndexMap, through: tuple[int, int] | None = None) -> _Value:
        access, argument = storage.access(index, self.cluster.rank, through), storage.argument(index)
        access = permuted(access, self.axes)
        key = ("load", access, id(argument.buffer), argument.offset, argument.steps)
        if key not in self._known:
            self.loads.append((access, argument))
            self._known[key] = _Value(True, len(self.loads) - 1, storage.dtype)
        return self._known[key]

    def _member(self, node: Node, index: IndexMap) -> _Value:
        if is_reduction(node):
            operand = node.args[0]
            value = self._value(operand, IndexMap.identity(self.cluster.rank))
            return self._emit(REDUCTIONS[node.function], (self._cast(value, node.dtype),), node.dtype)
        gather = gather_of(node)
        return self._scalar(node, index) if gather is None else self._gathered(gather, index)

    def _gathered(self, gather: Gather, index: IndexMap) -> _Value:
        """The element of a table at the place that an integer says."""
        first, last = gather.axis, gather.axis + gather.index.ndim
        chosen = IndexMap(index.rows[first:last], index.offsets[first:last])
        number = self._load(self.storage(gather.index), chosen)
        table = self.storage(gather.table)
        # The table's own axis is moved along by the integer alone.
        nothing = (0,) * self.cluster.rank
        rows = (*index.rows[:first], nothing, *index.rows[last:])
        offsets = (*index.offsets[:first], 0, *index.offsets[last:])
        return self._load(table, IndexMap(rows, offsets), (number.number, table.strides[gather.axis]))

    def _scalar(self, node: Node, index: IndexMap) -> _Value:
        scalar = scalar_of(node)
        assert scalar is not None
        operands = [
            self._operand(operand, dtype, node, index)
            for operand, dtype in zip(scalar.operands, scalar.dtypes, strict=True)
        ]
        if scalar.name == "astype":
            return self._cast(operands[0], node.dtype)
        return self._emit(scalar.name, operands, node.dtype)

    def _operand(self, operand: Any, dtype: np.dtype[Any], node: Node, index: IndexMap) -> _Value:
        if not isinstance(operand, Node):
            return self._literal(operand, dtype)
        found = self._value(operand, index.broadcast(operand.shape, node.shape, self.cluster.rank))
        return self._cast(found, dtype)

    def _value(self, node: Node, index: IndexMap) -> _Value:
        """The element of a value at an index."""
        while is_view(node) and node not in self._members and not takes_copy(node):
            index = map_through(node, index, self.cluster.rank)
            node = node.args[0]
        if node in self._members:
            return self._members[node]
        if node in self.inline:
            return self._scalar(node, index)
        if isinstance(node, Constant):
            if node.size == 1:
                return self._literal(node.value.item(), node.dtype)
            positions = affine(node.value)
            if positions is not None:
                return self._position(positions, node.dtype, index)
        return self._load(self._where(node, index), index)

    def _where(self, node: Node, index: IndexMap) -> Storage:
        """The storage of a value that is read at an index."""
        rank = self.cluster.rank
        whole = self.axes == tuple(range(rank)) and node.shape == self.cluster.domain[-2:]
        if whole and rank >= 2 and index == IndexMap.picking(rank, (rank - 2, rank - 1)):
            return self.panelled(node)
        return self.storage(node)

    def _position(self, positions: tuple[int, tuple[int, ...]], dtype: np.dtype[Any], index: IndexMap) -> _Value:
        start, strides = positions
        start += sum(stride * offset for stride, offset in zip(strides, index.offsets, strict=True))
        along = [
            sum(row[axis] * stride for row, stride in zip(index.rows, strides, strict=True)) % 2**64
            for axis in self.axes
        ]
        return self._emit("position", (), dtype, start % 2**64, tuple(along))


def permuted(access: Access, axes: Sequence[int]) -> Access:
    """An access over the axes of a domain in another order."""
    strides = tuple(access.strides[axis] for axis in axes)
    return Access(access.dtype, strides, access.panels, access.slack, access.through)
