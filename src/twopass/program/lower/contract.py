"""Which axes of a contraction are rows, columns and sums, and which of its operands is read as vectors.

Of ``C[m, n] = sum over k of A[m, k] B[k, n]`` a kernel reads B as vectors along n, and single numbers of A. So n must
be an axis along which its operand is contiguous in memory. Either operand can have that part: the result is then
stored with the other's axis as rows, or as columns. Where neither is contiguous along an axis of its own (the gradient
in the input of a layer: ``dX[b, i] = sum over o of dZ[b, o] W[i, o]``), the smaller one is copied with its axes turned:
here dZ, and the result comes out as ``dX[i, b]`` in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from twopass.graph.ir import Node
from twopass.program.ir import Access, Contraction, Instruction, Store
from twopass.program.lower.blocks import Size, blocks_of
from twopass.program.lower.classify import Einsum
from twopass.program.lower.storage import Storage
from twopass.program.machine import Machine

__all__ = ["Plan", "build", "plan"]


@dataclass(frozen=True, eq=False)
class Plan:
    """How a contraction is computed.

    Attributes
    ----------
    node : Node
        The contraction.
    left, right : int
        Positions among the node's arguments of A and B.
    letters : tuple (left, right)
        Their axes.
    batch : str
        The letters of the axes over which products are stacked.
    m, n, k : str
        Letters of the rows and columns of the result and of the sum; empty for an axis of length 1 that is not there.
    result : str
        Letters of the axes of the result.
    packs : bool
        Whether B must be copied so that it is contiguous along n.
    """

    node: Node
    left: int
    right: int
    letters: tuple[str, str]
    batch: str
    m: str
    n: str
    k: str
    result: str
    packs: bool

    @property
    def order(self) -> tuple[int, ...]:
        """The axes of the result in the order in which they are in memory, slowest first."""
        return tuple(self.result.index(c) for c in self.batch + self.m + self.n)

    @property
    def n_axis(self) -> int | None:
        """The axis of the result along which vectors lie."""
        return self.result.index(self.n) if self.n else None

    def length(self, letter: str) -> int:
        """Length of an axis; 1 for one that is not there."""
        for letters, place in zip(self.letters, (self.left, self.right), strict=True):
            if letter and letter in letters:
                return int(self.node.args[place].shape[letters.index(letter)])
        return 1

    def access(self, storage: Storage, side: int, axes: Sequence[str]) -> Access:
        """How an operand is read; `axes` are letters, empty for an axis that is not there."""
        if storage.panels is not None:
            return Access(storage.dtype, (0,) * len(axes), storage.panels)
        letters = self.letters[side]
        strides = tuple(storage.strides[letters.index(c)] if c and c in letters else 0 for c in axes)
        return Access(storage.dtype, strides, None, storage.slack if strides and strides[-1] == 1 else 0)


def plan(node: Node, einsum: Einsum, strides: Sequence[tuple[int, ...]]) -> Plan:
    """Choose the axes of a contraction, given the strides of its operands."""
    sides = (einsum.left, einsum.right)
    options = []
    for right in (1, 0):
        own = einsum.own(sides[right]) or [""]
        for n in own:
            stride = strides[right][sides[right].index(n)] if n else 0
            length = node.args[1 + right].shape[sides[right].index(n)] if n else 1
            packs = stride != 1 and length > 1
            bytes_copied = math.prod(node.args[1 + right].shape) if packs else 0
            last = bool(einsum.result) and einsum.result[-1] == n
            options.append(((bytes_copied, length == 1, not last, -length), right, n, packs))
    _, right, n, packs = min(options, key=lambda option: option[0])
    left = 1 - right
    rows = einsum.own(sides[left])
    # Of several rows, those with the longest axis are tiled.
    lengths = {c: node.args[1 + left].shape[sides[left].index(c)] for c in rows}
    m = max(rows, key=lambda c: (lengths[c], einsum.result.index(c))) if rows else ""
    batch = "".join(c for c in einsum.result if c not in (m, n))
    return Plan(
        node,
        1 + left,
        1 + right,
        (sides[left], sides[right]),
        batch,
        m,
        n,
        "".join(einsum.summed),
        einsum.result,
        packs,
    )


def build(
    plan: Plan,
    machine: Machine,
    left: Storage,
    right: Storage,
    inputs: Sequence[Access],
    body: Sequence[Instruction],
    stores: Sequence[Store],
    given: tuple[bool, bool] = (False, False),
) -> Contraction:
    """The kernel, with further operands over the axes ``(*batch, m, n)``.

    `given` says which of A and B no kernel computes: parameters.
    """
    m, n, k = plan.length(plan.m), plan.length(plan.n), plan.length(plan.k)
    batch = tuple(plan.length(c) for c in plan.batch)
    a = plan.access(left, 0, [*plan.batch, plan.m, plan.k])
    b = plan.access(right, 1, [*plan.batch, plan.k, plan.n])
    beside, targets = tuple(inputs), tuple(stores)
    while batch and b.strides[len(batch) - 1] == 0 and b.panels is None:
        # Stacked products with one matrix are one product of more rows, where memory allows.
        joined = [_joined(access, len(batch), m) for access in (a, *beside, *(store.access for store in targets))]
        if None in joined:
            break
        a, *rest = [access for access in joined if access is not None]
        beside, moved = tuple(rest[: len(beside)]), rest[len(beside) :]
        targets = tuple(Store(store.value, access) for store, access in zip(targets, moved, strict=True))
        b = replace(b, strides=b.strides[: len(batch) - 1] + b.strides[len(batch) :])
        m, batch = m * batch[-1], batch[:-1]
    panelled = any(access.panels for access in (b, *beside, *(store.access for store in targets)))
    widths = right.panels.widths if right.panels else machine.panels(n, left.dtype)
    size = Size(batch, m, n, k)
    blocks = blocks_of(size, widths, given, None if panelled else machine.lanes(left.dtype))
    return Contraction(batch, m, n, k, left.dtype, a, b, beside, tuple(body), targets, *blocks)


def _joined(access: Access, stacked: int, m: int) -> Access | None:
    """An access whose last axis of the stack is joined with the rows; None if they do not follow each other."""
    above, rows = access.strides[stacked - 1 : stacked + 1]
    if above != rows * m or access.panels is not None:
        return None
    return replace(access, strides=access.strides[: stacked - 1] + access.strides[stacked:])
