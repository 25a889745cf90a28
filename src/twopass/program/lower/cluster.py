"""Which nodes become one kernel.

A cluster is a domain and nodes whose elements are computed at its points: elementwise ones, reductions over some axes
of the domain (one set of axes for a cluster), and at most one contraction, the head, whose result all begins with.
Nodes are taken in the order of the graph. Each joins the clusters of its operands if its elements are found there point
by point, and if no other kernel would have to run in the middle; otherwise it begins a cluster of its own.

Nodes that no kernel computes (calls of NumPy, scans) are clusters by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from twopass.graph.ir import Graph, Node
from twopass.program.lower.classify import (
    axes_of,
    einsum_of,
    is_leaf,
    is_reduction,
    is_view,
    map_through,
    scalar_of,
    source,
    takes_copy,
)
from twopass.program.lower.contract import Plan, plan
from twopass.program.lower.gather import gather_of
from twopass.program.lower.storage import IndexMap, contiguous

__all__ = ["NOBODY", "Cluster", "Clusters", "follow"]

#: The offsets of an index that is nobody's: behind a reshape that moves elements.
NOBODY = (-1,)
#: Most nodes of a cluster. What does not fit into registers is kept near by, which costs less than an array would;
#: but the scalar code of a contraction is there for every vector of its tile.
_MOST, _MOST_BESIDE = 400, 96
#: From so many rows on, scalar code for each of them is better done for vectors of rows, in a kernel of its own,
#: unless the rows are as long as this themselves.
_ROWS, _LENGTH = 64, 64
#: Largest domain, in elements, that is reduced over axes which are not its last ones together with other work.
_SMALL = 1 << 15
#: Operators on scalars that cost less than a kernel of their own.
_CHEAP = frozenset({"add", "subtract", "multiply", "negative", "astype", "positive", "fma", "true_divide"})


@dataclass(eq=False)
class Cluster:
    """Nodes that are computed together.

    Attributes
    ----------
    domain : tuple of int
        Lengths of the axes.
    first, last : int
        Positions in the graph of the first and the last member.
    head : Plan or None
        The contraction that the others work on.
    inner : tuple of int
        The axes that are reduced.
    members : dict of Node to IndexMap
        The nodes, in order, with the index of their element at a point of the domain.
    needs : set of Cluster
        The clusters whose results are read.
    opaque : bool
        Whether no kernel computes the (only) member.
    """

    domain: tuple[int, ...]
    first: int
    last: int
    head: Plan | None = None
    inner: tuple[int, ...] = ()
    opaque: bool = False
    members: dict[Node, IndexMap] = field(default_factory=dict)
    needs: set[Cluster] = field(default_factory=set)

    @property
    def outer(self) -> tuple[int, ...]:
        """The axes that are not reduced."""
        return tuple(axis for axis in range(len(self.domain)) if axis not in self.inner)

    @property
    def room(self) -> int:
        """How many nodes may still join."""
        return (_MOST if self.head is None else _MOST_BESIDE) - len(self.members)

    @property
    def is_full(self) -> bool:
        """Whether no node may join."""
        return self.opaque or self.room <= 0

    def ends_with(self, axes: Sequence[int]) -> bool:
        """Whether some axes are the last ones."""
        return tuple(axes) == tuple(range(self.rank - len(axes), self.rank))

    @property
    def rank(self) -> int:
        """Number of axes of the domain."""
        return len(self.domain)


class Clusters:
    """The clusters of a graph; see the module.

    Attributes
    ----------
    owner : dict of Node to Cluster
        For every node that is computed (not leaves, views, or what is computed where it is needed).
    inline : set of Node
        Scalars that are computed in every kernel that needs them.
    order : dict of Node to tuple of int
        The order of the axes in memory, slowest first, of results that are not in C order.
    """

    def __init__(self, graph: Graph) -> None:
        self.owner: dict[Node, Cluster] = {}
        self.order: dict[Node, tuple[int, ...]] = {}
        nodes = graph.nodes()
        self.position = {node: place for place, node in enumerate(nodes)}
        users = _users(nodes)
        self.multiplied = {operand for node in nodes if einsum_of(node) for operand in node.operands}
        self.turned = _turned(nodes)
        self.reduced_only = _reduced_only(graph, nodes, users)
        self.inline = _inline(graph, nodes, users)
        for node in nodes:
            self._place(node)

    def all(self) -> list[Cluster]:
        """The clusters in the order of their first members."""
        return sorted(set(self.owner.values()), key=lambda cluster: cluster.first)

    def strides(self, base: Node) -> tuple[int, ...]:
        """Strides of a value in memory, but for padding."""
        order = self.order.get(base)
        if order is None:
            return contiguous(base.shape)
        own = contiguous([base.shape[axis] for axis in order])
        return tuple(own[order.index(axis)] for axis in range(base.ndim))

    def bases(self, node: Node) -> list[Node]:
        """What a node reads: leaves and computed nodes, behind views and scalars that are computed in place."""
        found: list[Node] = []
        stack = list(node.operands)
        while stack:
            base = source(stack.pop())
            if base in self.inline:
                stack.extend(base.operands)
            else:
                found.append(base)
        return found

    def needed(self, node: Node) -> set[Cluster]:
        """The clusters whose results a node reads."""
        return {self.owner[base] for base in self.bases(node) if base in self.owner}

    # --- where a node goes --------------------------------------------------------------------------------------------

    def _place(self, node: Node) -> None:
        if is_leaf(node) or is_view(node) or node in self.inline:
            return
        einsum = einsum_of(node)
        if einsum is not None:
            self._begin(node, node.shape, head=plan(node, einsum, self._operand_strides(node)))
        elif is_reduction(node):
            self._place_reduction(node)
        elif scalar_of(node) is not None:
            self._place_elementwise(node)
        elif gather_of(node) is not None:
            self._begin(node, node.shape)
        else:
            self._begin(node, (), opaque=True)

    def _operand_strides(self, node: Node) -> list[tuple[int, ...]]:
        """Strides of the operands of a contraction, as they will be in memory."""
        found = []
        for operand in node.args[1:]:
            base, index = follow(operand, IndexMap.identity(operand.ndim), operand.ndim)
            if index.offsets == NOBODY:
                found.append(contiguous(operand.shape))
                continue
            strides = self.strides(base)
            columns = range(operand.ndim)
            rows = list(zip(index.rows, strides, strict=True))
            found.append(tuple(sum(row[axis] * stride for row, stride in rows) for axis in columns))
        return found

    def _begin(
        self,
        node: Node,
        domain: tuple[int, ...],
        *,
        inner: tuple[int, ...] = (),
        head: Plan | None = None,
        opaque: bool = False,
    ) -> None:
        """Make a cluster of a node."""
        place = self.position[node]
        cluster = Cluster(domain, place, place, head, inner, opaque)
        if head is not None and head.order != tuple(range(node.ndim)):
            self.order[node] = head.order
        self._add(cluster, node, IndexMap.picking(cluster.rank, cluster.outer))

    def _add(self, cluster: Cluster, node: Node, index: IndexMap) -> None:
        cluster.members[node] = index
        cluster.last = max(cluster.last, self.position[node])
        cluster.needs |= self.needed(node) - {cluster}
        self.owner[node] = cluster
        if cluster.head is not None and cluster.head.node in self.order:
            self.order[node] = self.order[cluster.head.node]

    def _place_elementwise(self, node: Node) -> None:
        joined: Cluster | None = None
        # First to a product: other work can be brought to it, and it to no other.
        for cluster in sorted(self.needed(node), key=lambda cluster: (cluster.head is None, -cluster.last)):
            if joined is None:
                index = self._fitting(node, cluster)
                if index is not None:
                    joined = cluster
                    self._add(cluster, node, index)
            elif self._aligned(node, cluster) is not None:
                moved = self._mergeable(joined, cluster)
                if moved is not None:
                    self._merge(joined, cluster, moved)
        if joined is None:
            self._begin(node, node.shape)

    def _place_reduction(self, node: Node) -> None:
        operand, axes = node.args[0], tuple(sorted(axes_of(node)))
        for cluster in self.needed(node):
            if self._takes_reduction(cluster, operand, axes):
                cluster.inner = axes
                self._add(cluster, node, IndexMap.picking(cluster.rank, cluster.outer))
                return
        self._begin(node, operand.shape, inner=axes)

    def _takes_reduction(self, cluster: Cluster, operand: Node, axes: tuple[int, ...]) -> bool:
        if cluster.head is not None or cluster.is_full:
            return False
        if cluster.domain != operand.shape or 0 in cluster.domain or cluster.inner not in ((), axes):
            return False
        alone = all(member in self.reduced_only for member in cluster.members)
        if not cluster.ends_with(axes) and not alone and not self._reduces_across(cluster):
            return False
        identity = IndexMap.identity(cluster.rank)
        if not cluster.inner and not all(_same(index, identity, cluster.domain) for index in cluster.members.values()):
            return False
        base, index = follow(operand, identity, cluster.rank)
        if base not in cluster.members or not _same(index, cluster.members[base], cluster.domain):
            return False
        return _same(index, identity, cluster.domain)

    def _reduces_across(self, cluster: Cluster) -> bool:
        """Whether a cluster may be reduced over other axes than its last: it is small, and in C order throughout."""
        turned = any(base in self.order for member in cluster.members for base in self.bases(member))
        multiplied = any(member in self.multiplied for member in cluster.members)
        return math.prod(cluster.domain) <= _SMALL and not turned and not multiplied

    # --- whether a node fits ------------------------------------------------------------------------------------------

    def _fitting(self, node: Node, cluster: Cluster) -> IndexMap | None:
        """The index of a node's element in a cluster that it may join; None if it may not."""
        if cluster.is_full or 0 in cluster.domain:
            return None
        if cluster.head is not None and node in self.reduced_only:
            return None
        if node in self.turned and node.shape == cluster.domain and not cluster.ends_with(cluster.inner):
            return None  # a kernel that reduces along one axis does not store copies that are turned along another
        index = self._aligned(node, cluster)
        if index is not None and self._is_slow(node, index, cluster):
            return None
        if index is None or any(self._depends(other, cluster) for other in self.needed(node) - {cluster}):
            return None
        if cluster.head is not None and not self._fits_head(node, index, cluster):
            return None
        return index

    def _is_slow(self, node: Node, index: IndexMap, cluster: Cluster) -> bool:
        """Whether a node is much work for each of many short rows, which lie in no vector together."""
        scalar = scalar_of(node)
        if not cluster.ends_with(cluster.inner) or not cluster.inner or scalar is None or scalar.name in _CHEAP:
            return False
        inner = math.prod(cluster.domain[axis] for axis in cluster.inner)
        rows = math.prod(cluster.domain[axis] for axis in cluster.outer)
        by_row = all(not row[axis] for row in index.rows for axis in cluster.inner)
        return by_row and rows >= _ROWS and inner < _LENGTH

    def _aligned(self, node: Node, cluster: Cluster) -> IndexMap | None:
        """The index at which all operands that the cluster computes are what it computes there."""
        for index in _levels(node, cluster):
            if all(self._finds(operand, index, node.shape, cluster) for operand in node.operands):
                return index
        return None

    def _finds(self, operand: Node, index: IndexMap, shape: tuple[int, ...], cluster: Cluster) -> bool:
        base, found = follow(operand, index.broadcast(operand.shape, shape, cluster.rank), cluster.rank)
        if base in self.inline:
            return all(self.owner.get(below) is not cluster for below in self.bases(base))
        return base not in cluster.members or _same(found, cluster.members[base], cluster.domain)

    def _fits_head(self, node: Node, index: IndexMap, cluster: Cluster) -> bool:
        """Whether what else a node reads can be loaded beside the tile of a contraction."""
        head, rank = cluster.head, cluster.rank
        assert head is not None
        if gather_of(node) is not None or not _same(index, IndexMap.identity(rank), cluster.domain):
            return False
        for operand in node.operands:
            base, found = follow(operand, index.broadcast(operand.shape, node.shape, rank), rank)
            if base in cluster.members or base.shape == ():
                continue
            if found.offsets == NOBODY:
                return False
            rows = zip(found.rows, self.strides(base), strict=True)
            if head.n_axis is not None and sum(row[head.n_axis] * stride for row, stride in rows) not in (0, 1):
                return False
        return True

    def _all_fit_head(self, other: Cluster, cluster: Cluster) -> bool:
        """Whether all of a cluster could be computed on the tiles of a contraction."""
        return all(
            node not in self.reduced_only and self._fits_head(node, index, cluster)
            for node, index in other.members.items()
        )

    # --- order --------------------------------------------------------------------------------------------------------

    def _depends(self, late: Cluster, early: Cluster) -> bool:
        """Whether a cluster needs another one, or is it."""
        seen = {late}
        stack = [late]
        while stack:
            cluster = stack.pop()
            if cluster is early:
                return True
            # What ends before the other begins cannot need it.
            following = {needed for needed in cluster.needs if needed.last >= early.first} - seen
            seen |= following
            stack.extend(following)
        return False

    def _mergeable(self, one: Cluster, other: Cluster) -> dict[Node, IndexMap] | None:
        """The members of `other` as members of `one`, which a node that reads both has joined; None if they cannot."""
        if one.is_full or other.opaque or other.head is not None or len(other.members) > one.room:
            return None
        if one.inner and other.inner and one.inner != other.inner:
            return None
        moved = _moved(other, one)
        if moved is None or (one.head is not None and (other.inner or not self._all_fit_head(other, one))):
            return None
        readers = [member for member in one.members if other in self.needed(member)]
        if len(readers) != 1 or self._depends(other, one):
            return None
        return None if any(self._depends(needed, other) for needed in one.needs - {other}) else moved

    def _merge(self, one: Cluster, other: Cluster, moved: dict[Node, IndexMap]) -> None:
        members = {**one.members, **moved}
        one.members = dict(sorted(members.items(), key=lambda item: self.position[item[0]]))
        one.first, one.last = min(one.first, other.first), max(one.last, other.last)
        one.inner = one.inner or other.inner
        one.needs = (one.needs | other.needs) - {one, other}
        for node in other.members:
            self.owner[node] = one
        for cluster in set(self.owner.values()):
            if other in cluster.needs:
                cluster.needs.discard(other)
                cluster.needs.add(one)


def follow(operand: Node, index: IndexMap, rank: int) -> tuple[Node, IndexMap]:
    """What an operand is a view of, and at which index its element is there.

    Behind a reshape that moves elements, the offsets of the index are `NOBODY`.
    """
    while is_view(operand):
        if takes_copy(operand):
            return source(operand), IndexMap((), NOBODY)
        index = map_through(operand, index, rank)
        operand = operand.args[0]
    return operand, index


def _levels(node: Node, cluster: Cluster) -> list[IndexMap]:
    """The indices that a node's elements could have: at every point, or at every point of the outer axes."""
    rank = cluster.rank
    found = []
    if node.shape == cluster.domain:
        found.append(IndexMap.identity(rank))
    if cluster.inner:
        outer = [axis for axis in cluster.outer if cluster.domain[axis] != 1]
        own = [axis for axis, length in enumerate(node.shape) if length != 1]
        if [cluster.domain[a] for a in outer] == [node.shape[a] for a in own]:
            rows = [(0,) * rank] * len(node.shape)
            for axis, place in zip(own, outer, strict=True):
                rows[axis] = tuple(int(i == place) for i in range(rank))
            found.append(IndexMap(tuple(rows), (0,) * len(node.shape)))
    return found


def _moved(other: Cluster, one: Cluster) -> dict[Node, IndexMap] | None:
    """The indices of a cluster's members in another one: of the same domain, or of one that is reduced to it."""
    if other.domain == one.domain:
        return other.members
    if other.inner:
        return None
    levels = {node: _levels(node, one) for node in other.members}
    return {node: found[0] for node, found in levels.items()} if all(levels.values()) else None


def _same(one: IndexMap, other: IndexMap, domain: Sequence[int]) -> bool:
    """Whether two indices are equal at every point of a domain."""
    if len(one.rows) != len(other.rows) or one.offsets != other.offsets:
        return False
    real = [axis for axis, length in enumerate(domain) if length != 1]
    return all(a[axis] == b[axis] for a, b in zip(one.rows, other.rows, strict=True) for axis in real)


def _users(nodes: Sequence[Node]) -> dict[Node, list[Node]]:
    """For each node, those that read it."""
    found: dict[Node, list[Node]] = {}
    for node in nodes:
        for operand in node.operands:
            found.setdefault(operand, []).append(node)
    return found


def _turned(nodes: Sequence[Node]) -> set[Node]:
    """Operands of the contractions that sum along the last axis of both, one of which is turned for that."""
    found: set[Node] = set()
    for node in nodes:
        einsum = einsum_of(node)
        if einsum is not None and all(side and side[-1] in einsum.summed for side in (einsum.left, einsum.right)):
            found.update(node.operands)
    return found


def _reduced_only(graph: Graph, nodes: Sequence[Node], users: dict[Node, list[Node]]) -> set[Node]:
    """Nodes that nothing but reductions reads, directly or through other such nodes.

    They are computed where they are summed up, rather than kept in memory by the contraction that they begin with.
    """
    outputs = set(graph.outputs)
    found: set[Node] = set()
    for node in reversed(nodes):
        if node in outputs or is_reduction(node) or not (is_view(node) or scalar_of(node)):
            continue
        if all(is_reduction(user) or user in found for user in users.get(node, ())):
            found.add(node)
    return found


def _inline(graph: Graph, nodes: Sequence[Node], users: dict[Node, list[Node]]) -> set[Node]:
    """Cheap scalars that only elementwise work reads: chains of at most three."""
    outputs = set(graph.outputs)
    depth: dict[Node, int] = {}
    for node in nodes:
        scalar = scalar_of(node)
        if scalar is None or node.shape != () or scalar.name not in _CHEAP or node in outputs:
            continue
        below = max((depth.get(operand, 0) for operand in node.operands), default=0)
        if below < 3 and all(scalar_of(user) is not None and user.shape != () for user in users.get(node, ())):
            depth[node] = below + 1
    return set(depth)
