"""What all functions of a contraction share: the kernel, its body, and how its operands move."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from twopass.backends.llvm.builder import PTR, Function, Type, scalar_type
from twopass.backends.llvm.contractions.epilogue import Anchor, Body
from twopass.backends.llvm.contractions.tiles import segments
from twopass.backends.llvm.target import Target
from twopass.program.ir import Access, Contraction

__all__ = ["Plan"]


class Plan:
    """A kernel that is being written.

    Attributes
    ----------
    kernel : Contraction
        What is computed.
    name : str
        Of its function.
    target : Target
        What for.
    body : Body
        What happens to the product.
    accesses : dict of int to Access
        Those of the body that are used, with the keys of `Epilogue.anchors`.
    functions : list of Function
        Those that are done.
    """

    def __init__(self, kernel: Contraction, name: str, target: Target) -> None:
        self.kernel = kernel
        self.name = name
        self.target = target
        self.body = Body(kernel, target)
        self.segments = segments(kernel)
        self.functions: list[Function] = []
        self.lanes = target.lanes(kernel.dtype)
        self.accesses: dict[int, Access] = {
            **{i: a for i, a in enumerate(kernel.inputs, 1) if i in self.body.needed},
            **{-1 - i: store.access for i, store in enumerate(kernel.stores)},
        }

    @functools.cached_property
    def lefts(self) -> list[Anchor]:
        """Of the left operand's segments."""
        left = self.kernel.left
        unit = scalar_type(left.dtype)
        return [Anchor(PTR, unit, left.strides[:-2], s.row_stride, 0, s.offset) for s in self.segments]

    def right(self, width: int) -> Anchor:
        """Of the right operand, whose rows are not the result's."""
        moves = Anchor.of(self.kernel.right, width)
        return Anchor(PTR, moves.unit, moves.batch, 0, moves.column, 0, moves.panels)

    def anchors(self, width: int) -> dict[int, Anchor]:
        """Of inputs, counters and stores."""
        found = {number: self.body.counter(number) for number in self.body.positions}
        found.update({key: Anchor.of(access, width) for key, access in self.accesses.items()})
        return found

    def all_anchors(self, width: int) -> list[Anchor]:
        """What a block or tile is given: the left operand's segments, the right operand, and the others."""
        return [*self.lefts, self.right(width), *self.anchors(width).values()]

    def helper(self, name: str, parameters: Sequence[tuple[Type, str]]) -> Function:
        """A function that the kernel calls."""
        return Function(name, parameters, attributes="noinline nounwind", has_fma=self.target.has_fma)
