"""Less memory for more time: the backward pass computes again what the forward pass did not keep.

A checkpointed function runs as it is, on traced arrays, and writes its operations on the tape. Then they are forgotten:
their places on the tape stay, with shapes and dtypes, but not the intermediate results. When the backward sweep gets
there, the function runs once more and fills the places again, until the sweep has passed.

So whatever a function does to traced arrays keeps its meaning, closures and in-place changes included: an array has the
same place on the tape both times. A second run that is not like the first one raises.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CellType, FunctionType
from typing import Any

import numpy as np

from twopass import tree
from twopass.api.tracing import Function
from twopass.core.array import Array
from twopass.core.sweep import Forgotten, Node
from twopass.core.trace import CAPTURING, OPEN, ReverseTrace, Trace, Unknown, snapshot
from twopass.errors import DifferentiationError, compose, name_of

__all__ = ["checkpoint"]

#: While a function runs again its traces are open again: one thread at a time.
_AGAIN = threading.RLock()


class _Tape(list[Node]):
    """The end of a tape, whose first position is not 0."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.start = start

    def __len__(self) -> int:
        return self.start + super().__len__()


class _Recalled(list[Node]):
    """A tape in which some nodes that were forgotten are in their places; the tape itself stays as it is."""

    def __init__(self, tape: Sequence[Node]) -> None:
        super().__init__(tape)
        #: Where segments start that are there, and what stood for them; the ones inside of others last.
        self.segments: list[tuple[int, list[Node]]] = []

    def forget(self, index: int) -> None:
        """Forget the segments that a sweep has passed."""
        while self.segments and self.segments[-1][0] > index:
            start, nodes = self.segments.pop()
            self[start : start + len(nodes)] = nodes

    def put(self, start: int, nodes: Sequence[Node]) -> None:
        """Put the nodes of a segment into their places."""
        self.segments.append((start, self[start : start + len(nodes)]))
        self[start : start + len(nodes)] = nodes


class _Call:
    """A call of a checkpointed function: what it takes to run it again."""

    def __init__(self, f: Function, args: Any, kwargs: Any) -> None:
        self.f = f
        self.again = _as_it_is_now(f)
        self.given = tree.map(snapshot, (args, kwargs))
        self.traces = [(trace, _length(trace)) for trace in OPEN.get()]
        self.results: list[Any] = []

    def run(self, args: Any, kwargs: Any) -> Any:
        """The first run, whose operations are forgotten."""
        out = self.f(*args, **kwargs)
        self.results = self._results(out)
        for trace, start in self.traces:
            if isinstance(trace, ReverseTrace):
                here = start - getattr(trace.tape, "start", 0)
                nodes = trace.tape[here:]
                recall = functools.partial(self._recall, trace, start, _digest(nodes))
                trace.tape[here:] = _placeholders(nodes, Forgotten(recall))
        return out

    def _recall(self, trace: ReverseTrace, start: int, digest: int, tape: Sequence[Node], index: int) -> Sequence[Node]:
        """A tape with the operations of this call in their places, which the function makes by running again."""
        recalled = tape if isinstance(tape, _Recalled) else _Recalled(tape)
        recalled.forget(index)
        args, kwargs = tree.map(snapshot, self.given)  # which it may change
        with _AGAIN, _reopened([(other, start) for other, start in self.traces if other.level >= trace.level]):
            out = _as_it_is_now(self.again)(*args, **kwargs)
            nodes = list(trace.tape)
        if _digest(nodes) != digest or not _same(self.results, self._results(out)):
            what = f"{name_of(self.f)}, which is checkpointed, did not do the same when it ran again"
            why = "It uses arrays that were changed since, changes arrays of the caller, or draws random numbers."
            instead = "Pass all that it uses as arguments, and compute new arrays instead of changing those."
            raise DifferentiationError(compose(what, why=why, instead=instead))
        recalled.put(start, nodes)
        return recalled

    def _results(self, out: Any) -> list[Any]:
        """The values of the traced results."""
        traces = [trace for trace, _ in self.traces]
        return [_value(leaf) for leaf in tree.leaves(out) if type(leaf) is Array and leaf._trace in traces]


def _value(leaf: Any) -> Any:
    """The plain value, or those of a batch, below any number of traces."""
    while type(leaf) is Array:
        leaf._refresh()
        leaf = leaf._primal.values if isinstance(leaf._primal, Unknown) else leaf._primal
    return leaf


def _as_it_is_now(f: Function) -> Function:
    """The function with variables from outside of its own: what they are bound to later does not change it.

    Such is the variable of a loop, in a function that is made in the loop.
    """
    if not isinstance(f, FunctionType) or not f.__closure__:
        return f
    cells = tuple(map(_own_cell, f.__closure__))
    copied = FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, cells)
    copied.__kwdefaults__ = f.__kwdefaults__
    return copied


def _own_cell(cell: CellType) -> CellType:
    try:
        content = cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return cell
    is_container = type(content) in (list, tuple, dict)
    return CellType(tree.map(_own, content) if is_container else _own(content))


def _own(value: Any) -> Any:
    return value._clone() if type(value) is Array else value


def _length(trace: Trace) -> int:
    return len(trace.tape) if isinstance(trace, ReverseTrace) else 0


@contextmanager
def _reopened(traces: Sequence[tuple[Trace, int]]) -> Iterator[None]:
    """While a function runs again: its traces are open, and write from where they were."""
    oldest = min(trace.level for trace, _ in traces)
    kept = [(trace, trace.closed, getattr(trace, "tape", None)) for trace, _ in traces]
    token = OPEN.set((*(t for t in OPEN.get() if t.level < oldest), *(t for t, _ in traces)))
    try:
        for trace, start in traces:
            trace.closed = False
            if isinstance(trace, ReverseTrace):
                trace.tape = _Tape(start)
        yield
    finally:
        OPEN.reset(token)
        for trace, closed, tape in kept:
            trace.closed = closed
            if isinstance(trace, ReverseTrace):
                trace.tape = tape  # type: ignore[assignment]


def _placeholders(nodes: Sequence[Node], forgotten: Forgotten) -> list[Node]:
    """What stays of some nodes: shape and dtype, for their cotangents. Those that have the same share one."""
    made: dict[Any, Node] = {}

    def placeholder(node: Node) -> Node:
        like = (node.shape, node.dtype)
        return made.setdefault(like, Node(forgotten, (), (), (), {}, None, *like, None, 0))

    return list(map(placeholder, nodes))


def _digest(nodes: Sequence[Node]) -> int:
    """What two runs must have in common: which operations follow from which."""
    return hash(tuple((tuple(node.slots), tuple(node.parents), node.shape, node.dtype) for node in nodes))


def _same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether results are the same up to rounding, which may depend on where arrays are in memory."""
    if len(first) != len(second):
        return False
    return all(_near(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True))


def _near(a: Any, b: Any) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
        return True
    if a.dtype.kind not in "fc":
        return False
    scale = np.max(np.abs(a), initial=0, where=np.isfinite(a))
    return bool(np.allclose(a, b, rtol=0, atol=np.sqrt(np.finfo(a.dtype).eps) * scale, equal_nan=True))


def checkpoint(f: Function) -> Function:
    """The same function, whose intermediate results the backward pass computes again instead of keeping them.

    Reverse mode keeps every intermediate result that the backward pass reads. Of a checkpointed function it keeps the
    arguments and the result, and runs the function a second time when the backward pass gets there. A chain of n equal
    steps, of which each √n are one checkpointed function, needs memory for about 2 √n steps instead of n, and one more
    forward pass; checkpoints inside of checkpoints need memory for log n of them.

    Parameters
    ----------
    f : callable
        Any code that can be differentiated, with arguments and results of any form. It may use traced arrays from
        outside of its arguments. It must do the same when it runs again.

    Returns
    -------
    callable
        Computes what `f` does, with the same derivatives in both modes and to any order.

    Raises
    ------
    DifferentiationError
        In the backward pass, if `f` does something else when it runs again: because it draws random numbers, or
        because an array that it uses was changed in place.

    Notes
    -----
    Forward mode keeps nothing anyway, so that there nothing changes. Compiled code decides itself what it keeps and
    what it computes again: `checkpoint` has no effect there, and a `scan` that is compiled keeps only what it carries
    from step to step. In reverse mode over reverse mode the outer one keeps what the inner one computes again.

    A. Griewank, Achieving Logarithmic Growth of Temporal and Spatial Complexity in Reverse Automatic Differentiation
    (1992); T. Chen, B. Xu, C. Zhang and C. Guestrin, Training Deep Nets with Sublinear Memory Cost (2016).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> def four_layers(x, w):
    ...     for _ in range(4):
    ...         x = np.tanh(x @ w)
    ...     return x
    >>> block = tp.checkpoint(four_layers)
    >>> tp.grad(lambda w: np.sum(block(block(np.ones((1, 2)), w), w)))(np.eye(2))
    array([[1.63, 1.63],
           [1.63, 1.63]])
    """

    @functools.wraps(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        reverse = any(isinstance(trace, ReverseTrace) for trace in OPEN.get())
        if not reverse or CAPTURING.get() is not None:
            return f(*args, **kwargs)
        return _Call(f, args, kwargs).run(args, kwargs)

    return checkpointed
