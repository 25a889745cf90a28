"""From a graph to statements: the graph of a whole program, or the body of a scan."""

from __future__ import annotations

import heapq
import math
import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from twopass.graph.ir import Constant, Graph, Input, Node, pick, scatter, substitute
from twopass.graph.scan import scan
from twopass.program.ir import Access, Buffer, Call, Instruction, Launch, Loop, Panels, Scatter, Statement, Store
from twopass.program.lower.blocks import halves
from twopass.program.lower.classify import axes_of, is_view, native, slices, source
from twopass.program.lower.cluster import Cluster, Clusters
from twopass.program.lower.code import Code, permuted
from twopass.program.lower.contract import Plan, build
from twopass.program.lower.gather import rows_of
from twopass.program.lower.memory import Memory, Target
from twopass.program.lower.prepare import prepare
from twopass.program.lower.scan import lower_scan
from twopass.program.lower.storage import IndexMap, Storage

__all__ = ["Block"]

#: A multiple of the lanes of all vectors of all targets.
_LANES = 16
#: From so many rows of a product on, and of its right operand, that operand is brought into panels.
_ROWS_PACKED = 64


class Block:
    """Statements that compute the outputs of a graph, given where its inputs are.

    Parameters
    ----------
    graph : Graph
        In normal form.
    bindings : dict of Input to Storage
        Where the inputs are.
    targets : sequence of Target or None
        Where the outputs must be; None for those that may be anywhere.
    memory : Memory
        Makes the buffers.
    level : int
        How many `Repeat` statements there are around this one.
    stays : collection of Input
        Inputs without a binding: the loop that carries them on says where they are, and they stay there.
    around : tuple (Block, mapping of Input to Node), optional
        The block that this one is repeated in, and what the inputs are there that never change.
    """

    def __init__(
        self,
        graph: Graph,
        bindings: dict[Input, Storage],
        targets: Sequence[Target | None],
        memory: Memory,
        level: int = 0,
        stays: Collection[Input] = (),
        around: tuple[Block, Mapping[Input, Node]] | None = None,
    ) -> None:
        self.graph = prepare(graph)
        self.memory = memory
        self.level = level
        self.stays = stays
        self.around = around
        self.targets = list(targets)
        self.statements: list[Statement] = []
        self.clusters = Clusters(self.graph)
        self._places: dict[Node, Storage] = dict(bindings.items())
        self._turned: dict[tuple[Node, int], Storage] = {}
        self._copied: dict[Node, Storage] = {}
        self._panelled: dict[Node, Storage] = {}
        self._results: dict[Node, tuple[Storage, ...]] = {}
        self._assigned: dict[Node, int] = {}
        self._readers: dict[Node, set[Cluster]] = {}
        for node, cluster in self.clusters.owner.items():
            for base in self.clusters.bases(node):
                self._readers.setdefault(base, set()).add(cluster)
        self._wanted = self._turns_wanted()
        needed = self._needed_in_memory()
        self._choose_places()
        for cluster in self._schedule():
            self._emit(cluster, needed)
        self._finish()

    def inside(
        self,
        graph: Graph,
        bindings: dict[Input, Storage],
        targets: Sequence[Target],
        constants: Mapping[Input, Node],
    ) -> tuple[Statement, ...]:
        """The statements of a graph that is repeated in this one; of its inputs, `constants` are always the same."""
        around = self, constants
        return tuple(Block(graph, bindings, targets, self.memory, self.level + 1, around=around).statements)

    def result(self, node: Node, number: int) -> Storage:
        """Where one of several results of a node is to be: where it must be in the end, if it is an output."""
        for picked in self.clusters.owner:
            if picked.args[:1] == (node,) and picked.args[1:] == (number,) and picked in self._places:
                return self._places[picked]
        return self.memory.exact(node.type[number].shape, node.type[number].dtype)

    def stay(self, node: Node, storage: Storage) -> Storage:
        """Let an input of `stays` be the caller's memory, laid out like a storage."""
        assert isinstance(node, Input)
        own = Buffer(node.name, node.dtype, storage.buffer.size, "input")
        found = self._places[node] = replace(storage, buffer=own)
        return found

    # --- planning -----------------------------------------------------------------------------------------------------

    def _needed_in_memory(self) -> set[Node]:
        """The nodes whose values another cluster reads, or which are outputs."""
        owner = self.clusters.owner
        found = {source(node) for node in self.graph.outputs}
        for node, cluster in owner.items():
            found.update(base for base in self.clusters.bases(node) if owner.get(base) is not cluster)
        return found

    def _choose_places(self) -> None:
        """Let outputs be computed right where they must be, if that is possible."""
        inputs = {source(node) for node in self.graph.outputs if isinstance(source(node), Input)}
        for number, (node, target) in enumerate(zip(self.graph.outputs, self.targets, strict=True)):
            if target is None or node in self._assigned or node not in self.clusters.owner:
                continue
            cluster = self.clusters.owner[node]
            if node in self.clusters.order or (cluster.opaque and target.storage.panels is not None):
                continue
            if target.replaces is not None and (target.replaces in inputs or not self._may_replace(target, node)):
                continue
            self._assigned[node] = number
            self._places[node] = target.storage

    def _may_replace(self, target: Target, node: Node) -> bool:
        """Whether a node may be written over an input; if so, all other readers of it are put before."""
        cluster, old = self.clusters.owner[node], target.replaces
        assert old is not None
        if target.storage.panels is not None and cluster.head is None:
            return False
        readers = self._readers.get(old, set())
        if cluster in readers and not _reads_in_place(cluster, old, node):
            return False
        others = readers - {cluster}
        if any(_reaches(reader, cluster) for reader in others):
            return False
        cluster.needs |= others
        return True

    def _schedule(self) -> Iterator[Cluster]:
        """Clusters in an order in which they can run: that of the graph, as far as dependences allow."""
        clusters = self.clusters.all()
        waiting = {cluster: len(cluster.needs) for cluster in clusters}
        users: dict[Cluster, list[Cluster]] = {}
        for cluster in clusters:
            for needed in cluster.needs:
                users.setdefault(needed, []).append(cluster)
        place = {cluster: number for number, cluster in enumerate(clusters)}
        ready = [place[cluster] for cluster in clusters if not waiting[cluster]]
        heapq.heapify(ready)
        done = 0
        while ready:
            cluster = clusters[heapq.heappop(ready)]
            done += 1
            yield cluster
            for user in users.get(cluster, ()):
                waiting[user] -= 1
                if not waiting[user]:
                    heapq.heappush(ready, place[user])
        assert done == len(clusters), "clusters that need each other"

    # --- where values are ---------------------------------------------------------------------------------------------

    def storage(self, node: Node) -> Storage:
        """Where a value is in memory; a view that is none in memory is copied."""
        if node in self._places:
            return self._places[node]
        if node in self._copied:
            return self._copied[node]
        if isinstance(node, Constant):
            return self.memory.constant(node)
        if not is_view(node):
            raise AssertionError(f"{node.function} is not in memory")
        below = self.natural(node.args[0])
        if node.function is np.transpose:
            return below.transposed(axes_of(node))
        if node.function is np.broadcast_to:
            return below.broadcast(node.shape)
        if node.function is np.reshape:
            found = below.reshaped(node.shape)
            if found is None:
                found = self.copied(node.args[0], below).reshaped(node.shape)
                assert found is not None
            return found
        starts_and_steps = slices(node)
        assert starts_and_steps is not None
        return below.sliced(*starts_and_steps, node.shape)

    def copied(self, node: Node, storage: Storage) -> Storage:
        """A copy of a value in C order, without padding."""
        if node not in self._copied:
            exact = self.memory.exact(storage.shape, storage.dtype)
            self.copy(storage, exact, "copy")
            self._copied[node] = exact
        return self._copied[node]

    def natural(self, node: Node) -> Storage:
        """A value as a strided array."""
        storage = self.storage(node)
        return storage if storage.panels is None else self.copied(node, storage)

    def _matrix(self, node: Node, letters: str, wanted: str) -> Storage:
        """An operand of a contraction: in panels only if its rows and columns are what the kernel takes them for."""
        return self.storage(node) if letters == wanted else self.natural(node)

    def _unit_along(self, node: Node, storage: Storage, axis: int) -> Storage:
        """A value, contiguous along an axis: where it is, or a copy with its axes turned."""
        if storage.strides[axis] == 1 or node.shape[axis] == 1:
            return storage
        if (node, axis) not in self._turned:
            order = [other for other in range(node.ndim) if other != axis] + [axis]
            turned = self.memory.padded(node.shape, node.dtype, order)
            self.copy(storage, turned, "turn")
            self._turned[node, axis] = turned
        return self._turned[node, axis]

    def _pays_packing(self, head: Plan) -> bool:
        """Whether an operand that is read as vectors is read often enough to be copied into panels first."""
        m, n, k = (head.length(c) for c in (head.m, head.n, head.k))
        return m >= _ROWS_PACKED and k >= _ROWS_PACKED and len(self.memory.machine.panels(n, head.node.dtype)) > 1

    def _packed(self, node: Node, storage: Storage) -> Storage:
        """A matrix in column panels; one that never changes is brought into them once, before the loop."""
        if self.around is not None and isinstance(node, Input) and node in self.around[1]:
            block, constants = self.around
            return block._packed(constants[node], storage)
        if node not in self._panelled:
            rows, columns = storage.shape
            panels = Panels(rows, self.memory.machine.panels(columns, storage.dtype))
            place = Storage(self.memory.buffer(storage.dtype, panels.size), storage.shape, (0, 0), panels=panels)
            self.copy(storage, place, "pack")
            self._panelled[node] = place
        return self._panelled[node]

    # --- kernels ------------------------------------------------------------------------------------------------------

    def _emit(self, cluster: Cluster, needed: set[Node]) -> None:
        if cluster.opaque:
            self._emit_opaque(next(iter(cluster.members)))
            return
        if 0 in cluster.domain:
            self._emit_nothing(cluster)
            return
        kept = [node for node in cluster.members if node in needed]
        for node in kept:
            if node not in self._places:
                self._places[node] = self.memory.padded(node.shape, node.dtype, self.clusters.order.get(node))
        if cluster.head is None:
            self._emit_loop(cluster, kept)
        else:
            self._emit_contraction(cluster, kept)

    def _emit_nothing(self, cluster: Cluster) -> None:
        """What is computed from no elements: arrays without elements, empty sums and products."""
        for node in cluster.members:
            place = self._place_of(node)
            if node.size:
                self._fill(place, 1 if node.function in (np.prod, np.all) else 0)

    def _emit_loop(self, cluster: Cluster, kept: Sequence[Node]) -> None:
        axes = (*cluster.outer, *cluster.inner)
        code = Code(cluster, self.clusters.inline, self.natural, self.storage, axes)
        stores, places = [], []
        for node in kept:
            for storage in self._copies_of(node, cluster):
                access = permuted(_store_access(storage, node, cluster), axes)
                stores.append(Store(code.number(node), access))
                places.append(storage.argument())
        domain = tuple(cluster.domain[axis] for axis in axes)
        inputs = tuple(access for access, _ in code.loads)
        loop = Loop(domain, len(cluster.inner), inputs, code.body(), tuple(stores), _block(domain, len(cluster.inner)))
        arguments = (*(argument for _, argument in code.loads), *places)
        self.statements.append(Launch(loop, arguments, _names(kept)))

    def _copies_of(self, node: Node, cluster: Cluster) -> list[Storage]:
        """Where a value is stored: its place, and turned copies that contractions will read."""
        found = [self._places[node]]
        if cluster.inner:
            return found  # a kernel that reduces along one axis cannot also be fast along another
        for axis in sorted(self._wanted.get(node, ())):
            if found[0].strides[axis] != 1 and node.shape[axis] != 1:
                order = [other for other in range(node.ndim) if other != axis] + [axis]
                turned = self._turned[node, axis] = self.memory.padded(node.shape, node.dtype, order)
                found.append(turned)
        return found

    def _turns_wanted(self) -> dict[Node, set[int]]:
        """The axes along which contractions need values to be contiguous that are not."""
        found: dict[Node, set[int]] = {}
        for cluster in self.clusters.all():
            head = cluster.head
            if head is not None and head.packs and not is_view(head.node.args[head.right]):
                found.setdefault(head.node.args[head.right], set()).add(head.letters[1].index(head.n))
        return found

    def _emit_contraction(self, cluster: Cluster, kept: Sequence[Node]) -> None:
        head = cluster.head
        assert head is not None
        left_node, right_node = head.node.args[head.left], head.node.args[head.right]
        left = self._matrix(left_node, head.letters[0], head.m + head.k)
        right = self._matrix(right_node, head.letters[1], head.k + head.n)
        if head.n and right.panels is None:
            right = self._unit_along(right_node, right, head.letters[1].index(head.n))
            if head.letters[1] == head.k + head.n and self._pays_packing(head):
                right = self._packed(right_node, right)
        order = head.order
        # An axis of rows or columns that the result lacks has length 1.
        missing = [not c for c in (head.m, head.n)]
        code = Code(cluster, self.clusters.inline, self.storage, self.storage, order)
        stores, places = [], []
        for node in kept:
            storage = self._places[node]
            access = permuted(_store_access(storage, node, cluster), order)
            stores.append(Store(code.number(node), _with_missing(access, missing)))
            places.append(storage.argument())
        inputs = [_with_missing(access, missing) for access, _ in code.loads]
        given = (isinstance(source(left_node), Input), isinstance(source(right_node), Input))
        kernel = build(head, self.memory.machine, left, right, inputs, code.body(), stores, given)
        arguments = (left.argument(), right.argument(), *(argument for _, argument in code.loads), *places)
        self.statements.append(Launch(kernel, arguments, _names(kept)))

    def copy(self, old: Storage, new: Storage, note: str) -> None:
        """Copy a value to another place."""
        if 0 in old.shape:
            return
        if not native(old.dtype):
            self.statements.append(Call(np.positive, (old.operand(),), (new.operand(),), "copy"))
            return
        rank = len(old.shape)
        identity = IndexMap.identity(rank)
        store = Store(0, new.access(identity, rank))
        loop = Loop(old.shape, 0, (old.access(identity, rank),), (), (store,), _block(old.shape, 0))
        self.statements.append(Launch(loop, (old.argument(), new.argument()), note))

    def _fill(self, new: Storage, number: float) -> None:
        """Set all elements."""
        rank = len(new.shape)
        store = Store(0, new.access(IndexMap.identity(rank), rank))
        literal = Instruction("literal", (), new.dtype, (new.dtype.type(number).item(),))
        loop = Loop(new.shape, 0, (), (literal,), (store,), _block(new.shape, 0))
        self.statements.append(Launch(loop, (new.argument(),), "fill"))

    # --- what is not one kernel ---------------------------------------------------------------------------------------

    def _emit_opaque(self, node: Node) -> None:
        emitters: dict[Any, Callable[[Node], bool]] = {
            pick: self._emit_pick,
            scan: self._emit_scan,
            np.concatenate: self._emit_concatenate,
            operator.setitem: self._emit_setitem,
            scatter: self._emit_scatter,
        }
        emit = emitters.get(node.function)
        if emit is None or not emit(node):
            self._emit_call(node)

    def _place_of(self, node: Node) -> Storage:
        if node not in self._places:
            self._places[node] = self.memory.exact(node.shape, node.dtype)
        return self._places[node]

    def _emit_pick(self, node: Node) -> bool:
        found = self._results[node.args[0]][node.args[1]]
        if self._places.get(node) == found:
            return True  # it has been computed right where it must be
        if node in self._places:
            self.copy(found, self._places[node], "copy")
        else:
            self._places[node] = found
        return True

    def _emit_concatenate(self, node: Node) -> bool:
        parts = node.args[0]
        axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("axis", 0)
        if not all(isinstance(part, Node) and native(part.dtype) for part in parts) or not native(node.dtype):
            return False
        whole, start = self._place_of(node), 0
        for part in parts:
            starts = [start if a == axis % node.ndim else 0 for a in range(node.ndim)]
            place = whole.sliced(starts, [1] * node.ndim, part.shape)
            self.copy(self.storage(part), place, "concatenate")
            start += part.shape[axis]
        return True

    def _emit_setitem(self, node: Node) -> bool:
        whole, value = node.args[0], node.args[1]
        index = node.kwargs.get("index", node.args[2] if len(node.args) > 2 else None)
        probe = (
            Node(operator.getitem, (whole, index), {}, node.type, operator.getitem) if isinstance(whole, Node) else None
        )
        if probe is None or not isinstance(value, Node) or not native(node.dtype) or value.dtype != node.dtype:
            return False
        found = slices(probe)
        if found is None or not isinstance(index, tuple):
            return False
        lengths = [len(range(*item.indices(n))) for item, n in zip(index, node.shape, strict=True)]
        place = self._place_of(node)
        self.copy(self.storage(whole), place, "copy")
        part = place.sliced(*found, lengths)
        self.copy(self.storage(value).broadcast(lengths), part, "setitem")
        return True

    def _emit_scatter(self, node: Node) -> bool:
        rows = rows_of(node)
        if rows is None:
            return False
        depth = len(rows.stack)
        length, width = node.shape[depth], math.prod(node.shape[depth + 1 :])
        table = self._place_of(node).reshaped((*rows.stack, length, width))
        if table is None:
            return False
        values = self._in_rows(rows.values, (*rows.stack, rows.count, width))
        index = self._in_rows(rows.index, (*(rows.stack if rows.own else ()), rows.count), any_stride=True)
        if not rows.own:
            index = index.broadcast((*rows.stack, rows.count))
        storages = (index, values, table)
        accesses = (Access(storage.dtype, storage.strides) for storage in storages)
        kernel = Scatter(rows.stack, rows.count, length, width, *accesses)
        self.statements.append(Launch(kernel, tuple(storage.argument() for storage in storages), "scatter"))
        return True

    def _in_rows(self, node: Node, shape: tuple[int, ...], *, any_stride: bool = False) -> Storage:
        """A value in another shape, contiguous along the last axis unless any stride will do; copied if need be."""
        storage = self.natural(node)
        found = storage.reshaped(shape)
        if found is None or not (any_stride or found.strides[-1] == 1 or shape[-1] == 1):
            found = self.copied(node, storage).reshaped(shape)
            assert found is not None
        return found

    def _emit_call(self, node: Node) -> None:
        operands = node.operands
        several = not hasattr(node.type, "shape")
        types = node.type if several else (node.type,)
        if several:
            results = tuple(self.memory.exact(t.shape, t.dtype) for t in types)
            self._results[node] = results
        else:
            results = (self._place_of(node),)
        views = [self.natural(operand) for operand in operands]

        def function(*arrays: Any) -> Any:
            given = iter(arrays)

            def replacement(_: Node) -> Any:
                return next(given)

            args = substitute(node.args, replacement)
            kwargs = substitute(dict(node.kwargs), replacement)
            return node.call(*args, **kwargs)

        names = tuple(view.operand() for view in views), tuple(result.operand() for result in results)
        self.statements.append(Call(function, *names, node.function.__name__, node.line))

    def _emit_scan(self, node: Node) -> bool:
        self._results[node] = lower_scan(self, node)
        return True

    # --- outputs ------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Copy the outputs that are not where they must be yet."""
        pending = []
        for number, (node, target) in enumerate(zip(self.graph.outputs, self.targets, strict=True)):
            if target is None or self._assigned.get(node) == number:
                continue
            storage, base = self.storage(node), source(node)
            if isinstance(base, Input) and any(other and other.replaces is base for other in self.targets):
                if target.replaces is base and node is base:
                    continue  # it is there already
                # What is written over may still have to be copied: to a place of its own, first.
                spare = self.memory.exact(storage.shape, storage.dtype)
                self.copy(storage, spare, "copy")
                storage = spare
            pending.append((storage, target.storage))
        for storage, place in pending:
            self.copy(storage, place, "copy")


def _reaches(late: Cluster, early: Cluster) -> bool:
    """Whether a cluster needs another one, directly or not."""
    seen, stack = {late}, [late]
    while stack:
        fresh = stack.pop().needs - seen
        if early in fresh:
            return True
        seen |= fresh
        stack.extend(fresh)
    return False


def _reads_in_place(cluster: Cluster, old: Input, node: Node) -> bool:
    """Whether a cluster reads an input only at the element that it replaces."""
    if cluster.opaque:
        return False
    index = cluster.members[node]
    for member, at in cluster.members.items():
        for operand in member.operands:
            if source(operand) is old:
                is_product = cluster.head is not None and member is cluster.head.node
                if operand is not old or at != index or old.shape != member.shape or is_product:
                    return False
    return True


def _store_access(storage: Storage, node: Node, cluster: Cluster) -> Access:
    """Where the elements of a member go: each at the point of the domain that computes it."""
    return storage.access(cluster.members[node], cluster.rank)


def _with_missing(access: Access, missing: Sequence[bool]) -> Access:
    """An access over ``(*batch, m, n)`` with stride 0 for rows or columns that there are none of."""
    strides = list(access.strides)
    no_rows, no_columns = missing
    if no_columns:
        strides.append(0)
    if no_rows:
        strides.insert(len(strides) - 1, 0)
    return replace(access, strides=tuple(strides))


def _block(domain: Sequence[int], inner: int) -> int:
    """How many positions of axis 0 make a task: half of them, or 4,096 elements; a multiple of any vector's lanes."""
    size = math.prod(domain)
    if len(domain) <= max(inner, 1) or size < 1 << 10:
        return 0
    if size < 1 << 13:
        return first if (first := halves(domain[0])[0]) < domain[0] else 0
    row = max(1, math.prod(domain[1:]))
    block = -(-4096 // row)
    block = -(-block // _LANES) * _LANES
    return block if block < domain[0] else 0


def _names(nodes: Sequence[Node]) -> str:
    return ", ".join(node.function.__name__ for node in nodes)
