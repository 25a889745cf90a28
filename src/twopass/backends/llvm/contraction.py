"""Native code of matrix products whose results go through scalar code: `emit_contraction`.

Three kinds of functions::

    NAME(pointers, begin, end)         the kernel: finds the matrix and the block of columns of its tasks
    NAME.block0(places, begin, end)    blocks of columns of one shape: loops over blocks of rows, and tiles in them
    NAME.tile0(places)                 a tile: the product (`tiles`), then the body (`epilogue`)

A block or tile that is used at one place only is written there, without a function of its own: LLVM spends more than a
millisecond on every function. Within a block of columns the right operand stays in the cache, while the left one goes
by.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from twopass.backends.llvm.builder import I64, PTR, Function, Value, literal
from twopass.backends.llvm.contractions.columns import Columns, Shape, columns
from twopass.backends.llvm.contractions.plan import Plan
from twopass.backends.llvm.contractions.rows import Rows, clamped
from twopass.backends.llvm.contractions.tiles import opaque
from twopass.backends.llvm.target import Target
from twopass.errors import ArgumentError, compose
from twopass.program.ir import Contraction

__all__ = ["emit_contraction"]


def emit_contraction(kernel: Contraction, name: str, target: Target) -> list[Function]:
    """Native code of a kernel.

    Parameters
    ----------
    kernel : Contraction
        Any shapes and strides that its documentation allows.
    name : str
        Of its function, ``void name(ptr..., i64 begin, i64 end)``; other functions' names begin with it and a dot.
    target : Target
        What for.

    Returns
    -------
    list of Function
        All internal to a module, the kernel itself last. Their ``declared`` lines must be added to the module.

    Raises
    ------
    ArgumentError
        If an access of the kernel has a form that is not allowed.
    """
    _check(kernel)
    return _Driver(Plan(kernel, name, target)).emit()


class _Driver:
    """The kernel's function, and those of its blocks of columns."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kernel = plan.kernel
        #: The functions of those shapes of blocks that occur at several places.
        self.blocks: dict[Shape, Function] = {}

    def emit(self) -> list[Function]:
        """All functions."""
        kernel = self.kernel
        count = 2 + len(kernel.inputs) + len(kernel.stores)
        parameters = [*((PTR, f"p{i}") for i in range(count)), (I64, "begin"), (I64, "end")]
        f = Function(self.plan.name, parameters, has_fma=self.plan.target.has_fma)
        pointers, (begin, end) = f.parameters[:count], f.parameters[count:]
        groups = columns(self.plan) if kernel.m and math.prod(kernel.batch) else []
        if groups:
            shapes = [group.shape for group in groups]
            for shape in dict.fromkeys(shapes):
                if shapes.count(shape) > 1:
                    self.blocks[shape] = self.block(f"{self.plan.name}.block{len(self.blocks)}", shape)
            f.when(f.icmp("slt", begin, end), lambda: self.strips(f, pointers, begin, end, groups))
        self.plan.functions.append(f)
        return self.plan.functions

    def strips(
        self,
        f: Function,
        pointers: Sequence[Value],
        begin: Value,
        end: Value,
        groups: Sequence[Columns],
    ) -> None:
        """Walk through the tasks: those of one block of columns at a time; or of rows, if they go by these."""
        rows, blocks, by_rows = len(self.kernel.rows), len(self.kernel.columns), self.kernel.by_rows
        if by_rows:
            first, past = f.offset(begin, blocks), f.offset(end, blocks)
        else:
            first, past = _divided(f, begin, rows), _divided(f, f.add(end, literal(rows - 1, I64)), rows)
        first, stop = opaque(f, first), opaque(f, past)

        def strip(_: Value, number: Value) -> list[Value]:
            outer = _divided(f, number, blocks)
            block = f.binary("sub", number, f.offset(outer, blocks)) if blocks > 1 else literal(0, I64)
            if by_rows:
                batch, lowest, highest = literal(0, I64), outer, f.add(outer, literal(1, I64))
            else:
                batch, task = outer, f.offset(number, rows)
                lowest = clamped(f, f.binary("sub", begin, task), rows)
                highest = clamped(f, f.binary("sub", end, task), rows)
            for group in groups:
                run = functools.partial(self.run_block, f, pointers, batch, block, group, lowest, highest)
                if len(groups) == 1 and group.count == blocks:
                    run()
                else:
                    inside = f.icmp("ult", f.add(block, literal(-group.block, I64)), literal(group.count, I64))
                    f.when(inside, run)
            return [opaque(f, f.add(number, literal(1, I64)))]

        f.loop(stop, strip, [first], start=first)

    def run_block(
        self,
        f: Function,
        pointers: Sequence[Value],
        batch: Value,
        block: Value,
        group: Columns,
        lowest: Value,
        highest: Value,
    ) -> None:
        """Do the tasks [lowest, highest) of a block of columns: by a call, if other blocks have the same shape."""
        width = group.shape.width
        index = self._unravelled(f, batch)
        column = f.add(f.offset(f.add(block, literal(-group.block, I64)), width), literal(group.start, I64))
        origins = [pointers[0]] * len(self.plan.lefts) + [pointers[1]]
        origins += [literal(self.plan.body.counter(number).offset, I64) for number in self.plan.body.positions]
        origins += [pointers[self.argument(key)] for key in self.plan.accesses]
        places = []
        for anchor, origin in zip(self.plan.all_anchors(width), origins, strict=True):
            at = f.element(origin, anchor.unit, anchor.offset) if anchor.type == PTR else origin
            for i, stride in zip(index, anchor.batch, strict=True):
                at = anchor.moved(f, at, i, stride) if stride else at
            stride = anchor.panels if anchor.panels else anchor.column
            places.append(anchor.moved(f, at, column, stride) if stride else at)
        if group.shape in self.blocks:
            f.call(self.blocks[group.shape].name, [*places, lowest, highest], declare=False)
        else:
            self.write_block(f, group.shape, places, lowest, highest)

    def argument(self, key: int) -> int:
        """Which of the pointers is that of an input or a store."""
        return 1 + key if key > 0 else 1 + len(self.kernel.inputs) - key

    def _unravelled(self, f: Function, batch: Value) -> list[Value]:
        """The index of a matrix in a stack, on each axis."""
        found: list[Value] = []
        rest = batch
        for length in reversed(self.kernel.batch[1:]):
            outer = _divided(f, rest, length)
            found.append(f.binary("sub", rest, f.offset(outer, length)))
            rest = outer
        return [rest, *reversed(found)] if self.kernel.batch else []

    def block(self, name: str, shape: Shape) -> Function:
        """The function of the blocks of columns of one shape."""
        parameters = [(anchor.type, f"a{i}") for i, anchor in enumerate(self.plan.all_anchors(shape.width))]
        f = self.plan.helper(name, [*parameters, (I64, "begin"), (I64, "end")])
        *places, begin, end = f.parameters
        self.write_block(f, shape, places, begin, end)
        self.plan.functions.append(f)
        return f

    def write_block(self, f: Function, shape: Shape, places: Sequence[Value], begin: Value, end: Value) -> None:
        """The code for blocks of rows [begin, end) of a block of columns."""
        for part in shape.parts:
            Rows(self.plan, f, shape, part).emit(places, begin, end)


def _divided(f: Function, number: Value, by: int) -> Value:
    """A quotient, rounded down, of numbers that are not negative."""
    return number if by == 1 else f.binary("udiv", number, literal(by, I64))


def _check(kernel: Contraction) -> None:
    """Refuse kernels that are not as `Contraction` says."""

    def refuse(what: str, instead: str) -> None:
        raise ArgumentError(compose(f"A contraction {what}", why="Its code loads vectors of columns.", instead=instead))

    result = [*kernel.inputs, *(store.access for store in kernel.stores)]
    if kernel.dtype.kind != "f" or kernel.left.dtype != kernel.dtype or kernel.right.dtype != kernel.dtype:
        refuse(f"of {kernel.left.dtype} and {kernel.right.dtype} in {kernel.dtype}", "Convert the operands before it.")
    for access in (kernel.left, kernel.right, *result):
        if (
            access is not kernel.left
            and access.panels is not None
            and access.panels.widths[: len(kernel.columns)] != kernel.columns
        ):
            refuse(
                f"in blocks of {kernel.columns} columns has an operand in panels of {access.panels.widths}",
                "Give both the same widths.",
            )
    for access in (kernel.left, kernel.right, *result):
        if access.through is not None:
            refuse("has an operand that is found through an index", "Gather its elements into a buffer before it.")
    strided = [access for access in (kernel.right, *(s.access for s in kernel.stores)) if access.panels is None]
    if kernel.n > 1 and any(access.strides[-1] != 1 for access in strided):
        refuse("has a right operand or a result that is not contiguous along n", "Copy it, or exchange the operands.")
    if kernel.n > 1 and any(access.panels is None and access.strides[-1] not in (0, 1) for access in kernel.inputs):
        refuse("has an input with a stride other than 0 and 1 along n", "Copy it before.")
    if sum(kernel.rows) != kernel.m or sum(kernel.columns) < kernel.n:
        refuse(f"of shape {(kernel.m, kernel.n)} has blocks {kernel.rows} x {kernel.columns}", "Cover it with blocks.")
