"""The program: buffers, kernels over them, and the order in which they run.

A graph says what is computed; a program says how a machine does it. There are three kinds of kernels:

`Loop`
    evaluates scalar code at every point of a domain. Its trailing axes may be reduced: a `Loop` is also a sum, a
    softmax or a normalisation.
`Contraction`
    a matrix product (or a stack of them), whose result goes through scalar code before it is stored: bias and
    activation, the derivative of an activation, the update of an optimizer. What the product itself was need never be
    in memory.
`Scatter`
    adds up rows in a table, at the places that integers name: the transpose of reading rows of a table.

Kernels know strides, not buffers: they get pointers. So equal kernels at different places of a program are one piece
of machine code. What no kernel does is a `Call` of NumPy; `Repeat` runs statements several times over (`twopass.scan`).

**Layouts.** An element of a value is found by an `Access`: strides for the axes of the kernel's domain, or, for
matrices that a program keeps for itself, column panels. A panel holds some columns of all rows contiguously, which is
the order in which a matrix product reads them.

**Aliasing.** A kernel may store to what it loads, element by element: every element is loaded before it is stored. It
may not store to an element that it loads at another point of its domain.

**Order of operations.** The value of a kernel depends on nothing but its operands: blocks are fixed in the kernel, and
each is computed by one thread, so that any number of threads gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twopass.program.layout import Layout, Panels

__all__ = [
    "Access",
    "Argument",
    "Buffer",
    "Call",
    "Contraction",
    "Instruction",
    "Kernel",
    "Launch",
    "Loop",
    "Operand",
    "Panels",
    "Program",
    "Repeat",
    "Scatter",
    "Statement",
    "Store",
    "domains",
    "tasks",
]

DType = np.dtype[Any]


# --- scalar code ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instruction:
    """One operation on scalars; the values of a kernel's body are numbered, loaded ones first.

    Attributes
    ----------
    operator : str
        A NumPy function's name (``"tanh"``, ``"add"``, ``"where"``); or one of

        - ``"literal"``: the number in `parameters`;
        - ``"position"``: ``start + sum(strides * position in the domain)`` for the `parameters` ``(start, strides)``,
          an integer that wraps around;
        - ``"astype"``: the operand in this dtype;
        - ``"fma"``: ``a * b + c``, rounded once;
        - ``"add.reduce"``, ``"multiply.reduce"``, ``"maximum.reduce"``, ``"minimum.reduce"``: the reduction of the
          operand over the inner axes of a `Loop`. Further instructions may read the result.
    operands : tuple of int
        Numbers of earlier values.
    dtype : dtype
        Of the result.
    parameters : tuple
        Static values.
    """

    operator: str
    operands: tuple[int, ...]
    dtype: DType
    parameters: tuple[Any, ...] = ()


# --- where elements are -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Access:
    """How a kernel finds the elements of one operand from a pointer.

    Attributes
    ----------
    dtype : dtype
        Of the elements in memory.
    strides : tuple of int
        In elements, for each axis of the domain; 0 where the operand is broadcast. With `panels` the last two are 0.
    panels : Panels or None
        The last two axes are rows and columns of panels.
    slack : int
        How many elements after the end of the axis with stride 1 may be read, and written with anything.
    through : tuple (number, stride) or None
        For a `Loop`'s input: the address is advanced by ``stride`` times the value of the input ``number``, an earlier
        one of an integer dtype. (Rows of a table: ``table[order[i], j]``.)
    """

    dtype: DType
    strides: tuple[int, ...]
    panels: Panels | None = None
    slack: int = 0
    through: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """What a kernel writes: the number of a value, and where its elements go."""

    value: int
    access: Access


# --- kernels ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loop:
    """Scalar code at every point of a domain.

    Attributes
    ----------
    domain : tuple of int
        Lengths of the axes; the last `inner` of them are the ones that reductions run over.
    inner : int
        Number of inner axes, 0 if there are no reductions. A value that is reduced, or depends on a reduction, has one
        value for each point of the outer axes; others have one for each point of the domain.
    inputs : tuple of Access
        Value number i is what the i-th of them loads.
    body : tuple of Instruction
        The values after those.
    stores : tuple of Store
        An access to a value that has been reduced has stride 0 along the inner axes.
    block : int
        How many positions of axis 0 are one task for a thread; 0 if the whole kernel is.
    """

    domain: tuple[int, ...]
    inner: int
    inputs: tuple[Access, ...]
    body: tuple[Instruction, ...]
    stores: tuple[Store, ...]
    block: int = 0


@dataclass(frozen=True, slots=True)
class Contraction:
    """``C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n]``, then scalar code at every element of C.

    Attributes
    ----------
    batch : tuple of int
        Lengths of the leading axes of a stack of products.
    m, n, k : int
        Rows and columns of the result, and the length that is summed over.
    dtype : dtype
        Of A, B and the sum: float32 or float64.
    left : Access
        Of A, over the axes ``(*batch, m, k)``; any strides. Its elements are broadcast.
    right : Access
        Of B, over ``(*batch, k, n)``: stride 1 along n, or panels with `columns` as their widths. It is loaded as
        vectors.
    inputs : tuple of Access
        Of further operands of the body, over ``(*batch, m, n)``. Along n each has stride 0 or 1 (or panels).
    body : tuple of Instruction
        Value 0 is the product, value i + 1 what the i-th input loads.
    stores : tuple of Store
        Along n each has stride 1 (or panels).
    columns, rows : tuple of int
        Lengths of the blocks that n and m are cut into: the tile of a thread's task is one of each. The last block of
        columns may reach beyond n (into the slack).
    by_rows : bool
        Whether a task is a block of rows with all its columns instead; there is no batch then.
    """

    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    dtype: DType
    left: Access
    right: Access
    inputs: tuple[Access, ...]
    body: tuple[Instruction, ...]
    stores: tuple[Store, ...]
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    by_rows: bool = False


@dataclass(frozen=True, slots=True)
class Scatter:
    """A table of zeros to which rows are added, one after the other: ``table[s, index[s, i], j] += values[s, i, j]``.

    The sums of a row of the table are taken in the order of i, so duplicates add up to the same bits every time.

    Attributes
    ----------
    stack : tuple of int
        Lengths of the leading axes: so many tables. The positions of the first of them are tasks for threads.
    count, rows, width : int
        How many rows are added, how many the table has, and the elements of each.
    index : Access
        Integers from 0 to before `rows`, over ``(*stack, count)``.
    values : Access
        Over ``(*stack, count, width)``, with stride 1 along the last axis.
    table : Access
        Over ``(*stack, rows, width)``, with stride 1 along the last axis.
    """

    stack: tuple[int, ...]
    count: int
    rows: int
    width: int
    index: Access
    values: Access
    table: Access

    @property
    def inputs(self) -> tuple[Access, ...]:
        """What is loaded."""
        return self.index, self.values

    @property
    def body(self) -> tuple[Instruction, ...]:
        """There is no scalar code."""
        return ()

    @property
    def stores(self) -> tuple[Store, ...]:
        """The table."""
        return (Store(1, self.table),)


Kernel = Loop | Contraction | Scatter


def tasks(kernel: Kernel) -> int:
    """Into how many pieces of work a kernel can be cut; a launch may be given any range of them.

    Those of a contraction are numbered with the block of rows fastest, then the block of columns, then the batch: a
    thread that has a range of tasks has whole panels; or whole rows, if they go `by_rows`.
    """
    if isinstance(kernel, Contraction):
        if kernel.by_rows:
            return len(kernel.rows)
        return math.prod(kernel.batch) * len(kernel.columns) * len(kernel.rows)
    if isinstance(kernel, Scatter):
        return kernel.stack[0] if kernel.stack else 1
    return -(-kernel.domain[0] // kernel.block) if kernel.block and kernel.domain else 1


def domains(kernel: Kernel) -> list[tuple[int, ...]]:
    """The domain of each access of a kernel, in the order of a launch's arguments."""
    if isinstance(kernel, Loop):
        return [kernel.domain] * (len(kernel.inputs) + len(kernel.stores))
    if isinstance(kernel, Scatter):
        added = (*kernel.stack, kernel.count)
        return [added, (*added, kernel.width), (*kernel.stack, kernel.rows, kernel.width)]
    left, right = (*kernel.batch, kernel.m, kernel.k), (*kernel.batch, kernel.k, kernel.n)
    return [left, right] + [(*kernel.batch, kernel.m, kernel.n)] * (len(kernel.inputs) + len(kernel.stores))


# --- statements -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """Memory of one value.

    Attributes
    ----------
    name : str
        For the printer.
    dtype : dtype
        Of the elements.
    size : int
        Number of elements, with padding.
    role : {"input", "output", "temporary", "constant"}
        Inputs and outputs are the caller's arrays; temporaries and constants the program's.
    value : ndarray or None
        Of a constant: `size` elements.
    """

    name: str
    dtype: DType
    size: int
    role: str = "temporary"
    value: Any = field(default=None, repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Argument:
    """A pointer that is passed to a kernel.

    Attributes
    ----------
    buffer : Buffer
        What it points into.
    offset : int
        At which element.
    steps : tuple of int
        By how many elements the pointer moves from one iteration to the next of each enclosing `Repeat`, outermost
        first; short ones are filled up with zeros.
    """

    buffer: Buffer
    offset: int = 0
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Launch:
    """Run a kernel.

    Attributes
    ----------
    kernel : Loop, Contraction or Scatter
        What to run.
    arguments : tuple of Argument
        One for each access, in order: (left and right,) inputs, stores.
    note : str
        What it computes, for `explain`.
    """

    kernel: Kernel
    arguments: tuple[Argument, ...]
    note: str = ""

    @property
    def loads(self) -> tuple[Argument, ...]:
        """The arguments that are read."""
        return self.arguments[: len(self.arguments) - len(self.kernel.stores)]

    @property
    def targets(self) -> tuple[Argument, ...]:
        """The arguments that are written."""
        return self.arguments[len(self.arguments) - len(self.kernel.stores) :]


@dataclass(frozen=True, slots=True)
class Operand:
    """A strided array in a buffer, as a `Call` sees it."""

    argument: Argument
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """Let NumPy compute something.

    Attributes
    ----------
    function : callable
        Takes one array for each operand, gives one (or, if there are several results, a sequence).
    operands, results : tuple of Operand
        Where the arrays are; results are copied there.
    name : str
        The NumPy function's, for `explain`.
    line : str
        The user's line.
    """

    function: Callable[..., Any]
    operands: tuple[Operand, ...]
    results: tuple[Operand, ...]
    name: str
    line: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Repeat:
    """Run statements several times over.

    Attributes
    ----------
    count : int
        How often, at most.
    body : tuple of Statement
        What is repeated.
    limit : Argument or None
        An int64 that is read when the program gets here: no more iterations than that (and none, if it is negative).
    """

    count: int
    body: tuple[Statement, ...]
    limit: Argument | None = None


Statement = Launch | Call | Repeat


@dataclass(frozen=True, eq=False)
class Program:
    """Statements, and the buffers that they work on.

    Attributes
    ----------
    inputs, outputs : tuple of Buffer
        In the order of the caller's arrays; the shapes are the graph's.
    statements : tuple of Statement
        In the order in which they run.
    offsets : dict of Buffer to int
        Where each temporary lies in the arena, in bytes; several may share a place, one after the other.
    arena : int
        Bytes of the arena.
    layouts : dict of Buffer to Layout
        The inputs that are outputs too, because they are updated in place; and how their elements lie. All other
        inputs and outputs are in C order.
    """

    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    statements: tuple[Statement, ...]
    offsets: dict[Buffer, int]
    arena: int
    layouts: dict[Buffer, Layout] = field(default_factory=dict)

    def __str__(self) -> str:
        from twopass.program.printer import listing

        return listing(self)

    def launches(self) -> list[Launch]:
        """All launches, in order; those of a repeated body once."""
        return [statement for statement in flat(self.statements) if isinstance(statement, Launch)]

    def constants(self) -> list[Buffer]:
        """The buffers whose contents are part of the program, in the order of their use."""
        found: dict[Buffer, None] = {}
        for statement in flat(self.statements):
            for argument in arguments_of(statement):
                if argument.buffer.role == "constant":
                    found.setdefault(argument.buffer)
        return list(found)


def flat(statements: Sequence[Statement]) -> list[Statement]:
    """Statements with those of repeated bodies in their place."""
    found: list[Statement] = []
    for statement in statements:
        found.extend(flat(statement.body) if isinstance(statement, Repeat) else [statement])
    return found


def arguments_of(statement: Statement) -> tuple[Argument, ...]:
    """The pointers that a launch or call uses."""
    if isinstance(statement, Launch):
        return statement.arguments
    if isinstance(statement, Call):
        return tuple(operand.argument for operand in (*statement.operands, *statement.results))
    own = () if statement.limit is None else (statement.limit,)
    return (*own, *(argument for inner in statement.body for argument in arguments_of(inner)))
