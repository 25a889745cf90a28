"""Running a user's function on traced leaves of its arguments: what all the differentiating functions share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import twopass.rules  # noqa: F401 - fills the registry
from twopass import tree
from twopass.core.array import Array, stand_in
from twopass.core.rule import detach, is_traced
from twopass.core.sweep import Node
from twopass.core.trace import OPEN, WATCHING, ForwardTrace, ReverseTrace, Trace, snapshot
from twopass.errors import ArgumentError, ShapeError, TwopassError, compose
from twopass.foreign import native
from twopass.rules.gauge import determined, divided
from twopass.rules.infinitesimal import EPSILON, GAUGE, infinitesimal, slope_in, standard

__all__ = [
    "Inputs",
    "Traced",
    "as_leaf",
    "check_like",
    "conjugated",
    "handed_out",
    "raise_cause",
    "trace_forward",
    "trace_reverse",
]

Function = Callable[..., Any]


def _path(value: Any, number: int) -> str:
    """How to write the way to a leaf of a tree."""
    return "".join(f"[{key!r}]" for key in tree.flatten_with_paths(value)[number][0])


def as_leaf(value: Any, name: str) -> Any:
    """A differentiable leaf as an ndarray, NumPy scalar or traced array; raises for anything else.

    Python floats become float64 scalars, arrays of other libraries ndarrays (by DLPack); arrays are protected from
    later in-place changes.
    """
    leaf: Any
    if type(value) is Array:
        leaf = value._clone()
        if leaf._trace.captures and isinstance(stand_in(leaf), (float, complex)):
            leaf = leaf.astype(leaf.dtype)  # a Python number gets a dtype of its own
    elif type(value) is np.ndarray or isinstance(value, (np.memmap, np.generic)):
        leaf = snapshot(value)
    elif isinstance(value, (float, complex)) and not isinstance(value, np.generic):
        leaf = np.complex128(value) if isinstance(value, complex) else np.float64(value)
    elif isinstance(value, (bool, int)):
        what = f"{name} is the integer {value!r}, which has no derivative"
        raise ArgumentError(compose(what, instead=f"Pass {float(value)!r}."))
    elif (leaf := native(value, name)) is not value:
        leaf = snapshot(leaf)
    else:
        what = f"{name} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be differentiated"
        instead = "Pass floats or arrays of floats (np.asarray(...)), in lists, tuples, dicts or dataclasses."
        raise ArgumentError(compose(what, instead=instead))
    if leaf.dtype.kind not in "fc":
        what = f"{name} has dtype {leaf.dtype}, which has no derivative"
        instead = "Convert it with .astype(float), or leave it out of argnums."
        raise ArgumentError(compose(what, instead=instead))
    return leaf


class Inputs:
    """The differentiated arguments, taken apart into leaves."""

    def __init__(self) -> None:
        self.given: list[Any] = []  # the leaves as the user passed them
        self.leaves: list[Any] = []  # the same as arrays or scalars that nobody else can change
        self.structures: list[tree.Structure] = []

    def add(self, value: Any, name: str) -> slice:
        """Take one argument apart; the range of its leaves."""
        start = len(self.leaves)
        leaves, structure = tree.flatten(value)
        for number, leaf in enumerate(leaves):
            # The name is for the error alone; to put it together costs more than the check.
            if type(leaf) is np.ndarray and leaf.dtype.kind in "fc":
                self.leaves.append(leaf.copy(order="K") if leaf.flags.writeable else snapshot(leaf))
            else:
                self.leaves.append(as_leaf(leaf, name + _path(value, number)))
        self.given += leaves
        self.structures.append(structure)
        return slice(start, len(self.leaves))

    def regroup(self, leaves: Sequence[Any]) -> list[Any]:
        """Put one value for each leaf back into the arguments' containers."""
        grouped, start = [], 0
        for structure in self.structures:
            stop = start + structure.leaf_count
            grouped.append(tree.unflatten(structure, leaves[start:stop]))
            start = stop
        return grouped

    def results(self, values: Sequence[Any]) -> list[Any]:
        """One derivative for each leaf, in the arguments' containers, as their receiver expects them.

        They are writeable arrays that share no memory, zero where there was no dependence, and Python numbers for
        leaves that were Python numbers.
        """
        seen: set[int] = set()
        owned = []
        for value, leaf, given in zip(values, self.leaves, self.given, strict=True):
            result = _owned(np.zeros_like(leaf) if value is None else value, leaf, seen)
            seen.add(id(result))
            if type(given) in _NUMBERS and type(result) is not Array:
                result = result.item()
            owned.append(result)
        return self.regroup(owned)


#: Types of Python's own numbers.
_NUMBERS = (float, complex)


def _owned(value: Any, leaf: Any, seen: set[int]) -> Any:
    if type(value) is np.ndarray is type(leaf):
        flags = value.flags
        return value if flags.owndata and flags.writeable and id(value) not in seen else value.copy()
    value = standard(value)
    if type(value) is Array:
        return value._clone()  # one cotangent may have come to several leaves
    if isinstance(stand_in(leaf), np.generic):
        return value[()] if isinstance(value, np.ndarray) else value
    return np.array(value)


def check_like(value: Any, like: Sequence[Any], structure: tree.Structure, name: str) -> list[Any]:
    """The leaves of a tangent or cotangent, which must have the structure, shapes and (real or complex) kind given."""
    leaves, found = tree.flatten(value)
    if found != structure:
        what = f"the {name} has the structure {found!r}, not {structure!r}"
        raise ArgumentError(compose(what, instead=f"Pass a {name} built like the value that it belongs to."))
    return [_shaped(leaf, target, name) for leaf, target in zip(leaves, like, strict=True)]


def _shaped(leaf: Any, target: Any, name: str) -> Any:
    leaf = leaf if type(leaf) is Array else np.asarray(leaf)
    if leaf.shape != np.shape(target):
        what = f"a {name} has shape {leaf.shape}, but its value has shape {np.shape(target)}"
        raise ShapeError(compose(what, instead="Pass one of the same shape; it is not broadcast."))
    if leaf.dtype.kind not in "biufc":
        raise ArgumentError(compose(f"a {name} has dtype {leaf.dtype}", instead="Pass numbers."))
    dtype = target.dtype if hasattr(target, "dtype") else np.asarray(target).dtype
    if leaf.dtype.kind == "c" and dtype.kind != "c":
        raise ArgumentError(compose(f"a {name} is complex, but its value is real", instead="Pass its .real."))
    return leaf if leaf.dtype == dtype else leaf.astype(dtype)


def conjugated(leaf: Any) -> Any:
    """The complex conjugate; a real value unchanged."""
    return np.conjugate(leaf) if leaf.dtype.kind == "c" else leaf


def handed_out(leaf: Any) -> Any:
    """A value for the user to keep and to change: it shares no memory with anything else."""
    return leaf.copy() if type(leaf) is np.ndarray else snapshot(leaf)


class Traced:
    """One run of a function: its trace, its inputs, and its output taken apart."""

    def __init__(self, trace: Trace, inputs: Inputs, out: Any, aux: Any) -> None:
        self.trace = trace
        #: What reverse mode sweeps over.
        self.tape: Sequence[Node] = trace.tape if isinstance(trace, ReverseTrace) else ()
        self.inputs = inputs
        raw, self.structure = tree.flatten(out)
        #: The output leaves without this trace.
        self.leaves = [_primal(leaf, trace) for leaf in raw]
        #: Tangents or tape positions of the output leaves; None for those that do not depend on the inputs.
        self.marks = [leaf._mark if type(leaf) is Array and leaf._trace is trace else None for leaf in raw]
        self.aux = None if aux is None else tree.map(lambda leaf: _primal(leaf, trace), aux)

    @property
    def out(self) -> Any:
        """The output without this trace."""
        return tree.unflatten(self.structure, self.leaves)


def _primal(leaf: Any, trace: Trace) -> Any:
    if type(leaf) is Array:
        leaf._refresh()
        if leaf._trace is trace:
            return standard(leaf._primal)
    return standard(leaf)


def _run(trace: Trace, f: Function, args: Sequence[Any], inputs: Inputs, has_aux: bool = False) -> Traced:
    token = OPEN.set((*OPEN.get(), trace))
    try:
        out = f(*args)
        aux = None
        if has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                what = "with has_aux=True the function must return a pair (output, auxiliary data)"
                raise ArgumentError(compose(what, why=f"It returned a {type(out).__name__}."))
            out, aux = out
        traced = Traced(trace, inputs, out, aux)
    except ValueError as error:
        raise_cause(error)
        raise
    finally:
        OPEN.reset(token)
        trace.closed = True
    watch = WATCHING.get()
    if watch is not None:
        watch.check(trace, traced.leaves, traced.marks)
    return traced


def raise_cause(error: ValueError) -> None:
    """Raise our error that NumPy hides: in b[0] = x, it says "setting an array element with a sequence" instead."""
    if isinstance(error.__cause__, TwopassError):
        raise error.__cause__ from None


def trace_reverse(f: Function, args: Sequence[Any], argnums: Sequence[int], has_aux: bool = False) -> Traced:
    """Run `f` while writing the tape of the chosen arguments."""
    watch = WATCHING.get()
    trace = ReverseTrace() if watch is None else watch.reverse()
    inputs = Inputs()
    for number in argnums:
        inputs.add(args[number], f"argument {number + 1}")
    traced = inputs.regroup([Array(trace, leaf, trace.input(leaf)) for leaf in inputs.leaves])
    replaced = [arg if type(arg) in (np.ndarray, Array) else native(arg) for arg in args]
    for number, argument in zip(argnums, traced, strict=True):
        replaced[number] = argument
    return _run(trace, f, replaced, inputs, has_aux)


def trace_forward(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Traced:
    """Run `f` while carrying tangents.

    Tangents of eigenvectors of equal eigenvalues are infinite, though what is computed of them may not be. If NaN comes
    out, the run is repeated with infinitesimal tangents, and what they amount to is divided by the infinitesimal.
    """
    traced = _trace_forward(f, primals, tangents, lambda direction: direction)
    marks = [
        mark if mark is None else determined(mark, leaf, slope_in(mark, GAUGE))
        for mark, leaf in zip(traced.marks, traced.leaves, strict=True)
    ]
    if any(map(_is_lost, marks)):
        # Rules of the user's own need not take such tangents; then it stays NaN.
        with contextlib.suppress(TwopassError):
            scaled = _trace_forward(f, primals, tangents, lambda direction: infinitesimal(direction, EPSILON)).marks
            finite = [None if mark is None else divided(mark) for mark in scaled]
            marks = [
                _where_lost(mark, other) if _is_lost(mark) and other is not None else mark
                for mark, other in zip(marks, finite, strict=True)
            ]
    traced.marks = [standard(mark) for mark in marks]
    return traced


def _where_lost(mark: Any, other: Any) -> Any:
    """A tangent, with those of the other run in the place of NaN."""
    merged: Any = np.where(np.isnan(detach(mark)), other, mark)
    return merged[()]


def _is_lost(mark: Any) -> bool:
    """Whether a tangent is not a number, in part."""
    known = detach(mark)
    return known is not None and not is_traced(known) and bool(np.any(np.isnan(known)))


def _trace_forward(f: Function, primals: Sequence[Any], tangents: Sequence[Any], scaled: Function) -> Traced:
    watch = WATCHING.get()
    trace = ForwardTrace() if watch is None else watch.forward()
    inputs = Inputs()
    arrays: list[Array] = []
    for number, (primal, tangent) in enumerate(zip(primals, tangents, strict=True)):
        leaves = inputs.leaves[inputs.add(primal, f"primal {number + 1}")]
        directions = check_like(tangent, leaves, inputs.structures[-1], "tangent")
        arrays += [Array(trace, leaf, scaled(direction)) for leaf, direction in zip(leaves, directions, strict=True)]
    return _run(trace, f, inputs.regroup(arrays), inputs)
