"""Machine code of a `Scatter`: rows added up in a table.

A kernel becomes one function ``void name(ptr index, ptr values, ptr table, i64 begin, i64 end)``. For each table it
writes zeros, and then goes through the rows in their order: each is read as vectors, and added to where its integer
says. No two threads have the same table, so the order of the sums is that of the rows, whoever adds them.
"""

from __future__ import annotations

from collections.abc import Callable

from twopass.backends.llvm.builder import I64, PTR, Function, Value, literal, scalar_type
from twopass.backends.llvm.target import Target
from twopass.program.ir import Access, Scatter, tasks

__all__ = ["emit_scatter"]

#: Rows of at most so many vectors are written out; longer ones are loops of so many at a time.
_WRITTEN_OUT = 8


def emit_scatter(kernel: Scatter, name: str, target: Target) -> list[Function]:
    """The function of a scatter kernel; see the module.

    Parameters
    ----------
    kernel : Scatter
        What it computes.
    name : str
        Of the function.
    target : Target
        What it is for.
    """
    f = Function(name, [(PTR, "index"), (PTR, "values"), (PTR, "table"), (I64, "begin"), (I64, "end")])
    writer = _Writer(f, kernel, target)
    begin, end = f.parameters[-2:]
    f.when(f.icmp("slt", begin, end), writer.write)
    return [f]


class _Writer:
    """Writes the loops of a kernel."""

    def __init__(self, f: Function, kernel: Scatter, target: Target) -> None:
        self.f = f
        self.kernel = kernel
        self.type = scalar_type(kernel.values.dtype)
        self.lanes = target.lanes(kernel.values.dtype)

    def write(self) -> None:
        """All tables of a range of tasks."""
        f, kernel = self.f, self.kernel
        index, values, table, begin, end = f.parameters
        if not kernel.stack:
            assert tasks(kernel) == 1
            self.one(index, values, table)
            return

        def along(axis: int, *pointers: Value) -> None:
            if axis == len(kernel.stack):
                self.one(*pointers)
                return
            accesses = (kernel.index, kernel.values, kernel.table)

            def body(i: Value) -> None:
                moved = [self.moved(p, a, axis, i) for p, a in zip(pointers, accesses, strict=True)]
                along(axis + 1, *moved)

            f.loop(end if axis == 0 else kernel.stack[axis], body, start=begin if axis == 0 else 0)

        along(0, index, values, table)

    def moved(self, pointer: Value, access: Access, axis: int, i: Value) -> Value:
        """A pointer, moved along an axis of the stack."""
        return self.f.element(pointer, scalar_type(access.dtype), self.f.offset(i, access.strides[axis]))

    def one(self, index: Value, values: Value, table: Value) -> None:
        """One table: zeros, then the sums."""
        f, kernel = self.f, self.kernel
        row_stride = kernel.table.strides[-2]

        def clear(i: Value) -> None:
            row = f.element(table, self.type, f.offset(i, row_stride))
            self.row(lambda j, lanes: f.store(literal(0, self.type.wide(lanes)), f.element(row, self.type, j)))

        def add(i: Value) -> None:
            number = self.number(
                f.element(index, scalar_type(kernel.index.dtype), f.offset(i, kernel.index.strides[-1]))
            )
            place = f.element(table, self.type, f.offset(number, row_stride))
            row = f.element(values, self.type, f.offset(i, kernel.values.strides[-2]))

            def one(j: Value, lanes: int) -> None:
                wide = self.type.wide(lanes)
                target = f.element(place, self.type, j)
                f.store(f.fadd(f.load(target, wide), f.load(f.element(row, self.type, j), wide)), target)

            self.row(one)

        f.loop(kernel.rows, clear)
        f.loop(kernel.count, add)

    def number(self, place: Value) -> Value:
        """The integer at an address, as one of 64 bits."""
        dtype = self.kernel.index.dtype
        return self.f.convert("zext" if dtype.kind == "u" else "sext", self.f.load(place, scalar_type(dtype)), I64)

    def row(self, body: Callable[[Value, int], None]) -> None:
        """Run ``body(j, lanes)`` for the vectors of a row, the last ones of fewer lanes."""
        width = self.kernel.width
        chunk = self.lanes * _WRITTEN_OUT
        start = 0
        if width > chunk:
            start = width - width % chunk

            def many(j: Value) -> None:
                for k in range(_WRITTEN_OUT):
                    body(self.f.add(j, literal(k * self.lanes, I64)), self.lanes)

            self.f.loop(start, many, step=chunk)
        lanes = self.lanes
        while start < width:
            while lanes > width - start:
                lanes //= 2
            body(literal(start, I64), lanes)
            start += lanes
