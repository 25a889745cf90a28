"""What a range of a kernel's tasks touches of its arguments, in elements from their pointers.

That is everything between the first and the last element; of some columns of a matrix, that part of each row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from twopass.program.ir import Access, Contraction, Kernel, Launch, Loop, Scatter, domains

__all__ = ["Box", "Columns", "Range", "accesses_of", "box_of", "columns_touched", "touched"]

#: Half-open ranges of positions, one for each axis of a domain.
Box = tuple[tuple[int, int], ...]
#: Half-open range of elements (or bytes), or None if there are none.
Range = tuple[int, int] | None
#: Of the places between the first and the last one only those whose number, modulo the first number here, is in the
#: half-open range of the other two; None if that is not known.
Columns = tuple[int, int, int] | None


def _boxes(launch: Launch, begin: int, end: int) -> tuple[Box, Box]:
    """The parts of the domains of a contraction's left operand, and of the others, that tasks touch."""
    kernel = launch.kernel
    if isinstance(kernel, Loop):
        full = tuple((0, length) for length in kernel.domain)
        if kernel.block:
            rows = (begin * kernel.block, min(end * kernel.block, kernel.domain[0]))
            full = (rows, *full[1:])
        return full, full
    assert isinstance(kernel, Contraction)
    (batch, last_batch), (column, last_column), (row, last_row) = _digits(kernel, begin, end)
    rows = (sum(kernel.rows[:row]), sum(kernel.rows[: last_row + 1]))
    columns = (sum(kernel.columns[:column]), min(sum(kernel.columns[: last_column + 1]), kernel.n))
    stack = _stack(kernel.batch, batch, last_batch)
    return (*stack, rows, (0, kernel.k)), (*stack, rows, columns)


def _digits(kernel: Contraction, begin: int, end: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """First and last batch, block of columns and block of rows of a range of tasks."""
    if kernel.by_rows:
        return (0, 0), (0, len(kernel.columns) - 1), (begin, end - 1)
    lengths = (len(kernel.columns), len(kernel.rows))
    (rest, row), (rest_last, row_last) = divmod(begin, lengths[1]), divmod(end - 1, lengths[1])
    if rest != rest_last:  # more than one block of columns: all rows
        row, row_last = 0, lengths[1] - 1
    (batch, column), (batch_last, column_last) = divmod(rest, lengths[0]), divmod(rest_last, lengths[0])
    if batch != batch_last:
        column, column_last = 0, lengths[0] - 1
    return (batch, batch_last), (column, column_last), (row, row_last)


def _stack(lengths: tuple[int, ...], first: int, last: int) -> Box:
    """Positions along the leading axes, from the first of a stack's products to the last."""
    box = []
    for axis in range(len(lengths)):
        inner = math.prod(lengths[axis + 1 :])
        low, high = first // inner, last // inner
        box.append(
            (low % lengths[axis], high % lengths[axis] + 1) if high - low < 1 or axis == 0 else (0, lengths[axis])
        )
    return tuple(box)


def touched(access: Access, box: Box) -> Range:
    """The elements, counted from the pointer, that a part of a domain touches; None if it is empty."""
    if any(first >= last for first, last in box):
        return None
    if access.panels is not None:
        return _touched_panels(access, box)
    ends = [(stride * first, stride * (last - 1)) for stride, (first, last) in zip(access.strides, box, strict=True)]
    return sum(min(pair) for pair in ends), sum(max(pair) for pair in ends) + 1 + access.slack


def columns_touched(access: Access, box: Box, domain: Sequence[int]) -> Columns:
    """Which columns of a matrix `touched` is about: the length of a row, and the elements of it, from the pointer."""
    if access.panels is not None or 1 not in access.strides:
        return None
    axis = access.strides.index(1)
    moving = [abs(s) for a, s in enumerate(access.strides) if a != axis and s and domain[a] > 1]
    if not moving or any(stride % min(moving) for stride in moving):
        return None
    first, last = box[axis]
    # Only the last columns of all are followed by what may be read and written with anything.
    return min(moving), first, last + (access.slack if last == domain[axis] else 0)


def _touched_panels(access: Access, box: Box) -> Range:
    """As `touched`, for panels: those that the columns lie in, or the rows of one of them."""
    assert access.panels is not None
    widths, (rows, columns) = access.panels.widths, box[-2:]
    hit, start = [], 0
    for panel, width in enumerate(widths):
        if start < columns[1] and columns[0] < start + width:
            hit.append(panel)
        start += width
    low, high = access.panels.start(hit[0]), access.panels.start(hit[-1] + 1)
    if len(hit) == 1:
        low, high = low + rows[0] * widths[hit[0]], low + rows[1] * widths[hit[0]]
    stack = zip(access.strides[:-2], box[:-2], strict=True)
    ends = [(stride * first, stride * (last - 1)) for stride, (first, last) in stack]
    return low + sum(min(pair) for pair in ends), high + sum(max(pair) for pair in ends) + access.slack


def accesses_of(kernel: Kernel) -> list[Access]:
    """Of all arguments, in order."""
    stores = [store.access for store in kernel.stores]
    if isinstance(kernel, Contraction):
        return [kernel.left, kernel.right, *kernel.inputs, *stores]
    return [*kernel.inputs, *stores]


def box_of(launch: Launch, number: int, begin: int, end: int) -> Box:
    """The part of the domain of one argument that tasks touch."""
    kernel = launch.kernel
    if isinstance(kernel, Scatter):
        domain = domains(kernel)[number]
        first = (begin, end) if kernel.stack else (0, domain[0])
        return (first, *((0, length) for length in domain[1:]))
    left, others = _boxes(launch, begin, end)
    if isinstance(kernel, Contraction):
        if number == 0:
            return left
        if number == 1:
            return (*others[:-2], (0, kernel.k), others[-1])
    return others
