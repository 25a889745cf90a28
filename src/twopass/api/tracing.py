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
from twopass.core.trace import ForwardTrace, ReverseTrace, Trace, snapshot
from twopass.errors import ArgumentError, ShapeError, TwopassError, compose
from twopass.rules.gauge import determined, divided
from twopass.rules.infinitesimal import EPSILON, GAUGE, infinitesimal, slope_in, standard

__all__ = ["Inputs", "Traced", "as_leaf", "check_like", "conjugated", "trace_forward", "trace_reverse"]

Function = Callable[..., Any]


def _place(path: Sequence[Any]) -> str:
    return "".join(f"[{key!r}]" for key in path)


def as_leaf(value: Any, name: str) -> Any:
    """A differentiable leaf as an ndarray, NumPy scalar or traced array; raises for anything else.

    Python floats become float64 scalars; arrays are protected from later in-place changes.
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
        for path, leaf in tree.flatten_with_paths(value):
            self.given.append(leaf)
            self.leaves.append(as_leaf(leaf, name + _place(path)))
        self.structures.append(tree.structure(value))
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
        for value, leaf, given in zip(map(standard, values), self.leaves, self.given, strict=True):
            result = _owned(np.zeros_like(leaf) if value is None else value, leaf, seen)
            owned.append(result.item() if type(given) in (float, complex) and type(result) is not Array else result)
            seen.add(id(result))
        return self.regroup(owned)


def _owned(value: Any, leaf: Any, seen: set[int]) -> Any:
    if type(value) is Array:
        return value._clone()  # one cotangent may have come to several leaves
    if isinstance(stand_in(leaf), np.generic):
        return value[()] if isinstance(value, np.ndarray) else value
    if not isinstance(value, np.ndarray):
        return np.array(value)
    fresh = value.flags.owndata and value.flags.writeable and id(value) not in seen
    return value if fresh else value.copy()


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


class Traced:
    """One run of a function: its trace, its inputs, and its output taken apart."""

    def __init__(self, trace: Trace, inputs: Inputs, out: Any, aux: Any) -> None:
        self.trace = trace
        self.inputs = inputs
        raw, self.structure = tree.flatten(out)
        #: The output leaves without this trace.
        self.leaves = [_primal(leaf, trace) for leaf in raw]
        #: Tangents or tape positions of the output leaves; None for those that do not depend on the inputs.
        self.marks = [leaf._mark if type(leaf) is Array and leaf._trace is trace else None for leaf in raw]
        self.aux = tree.map(lambda leaf: _primal(leaf, trace), aux)

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
    try:
        out = f(*args)
        aux = None
        if has_aux:
            if not isinstance(out, tuple) or len(out) != 2:
                what = "with has_aux=True the function must return a pair (output, auxiliary data)"
                raise ArgumentError(compose(what, why=f"It returned a {type(out).__name__}."))
            out, aux = out
        return Traced(trace, inputs, out, aux)
    finally:
        trace.closed = True


def trace_reverse(f: Function, args: Sequence[Any], argnums: Sequence[int], has_aux: bool = False) -> Traced:
    """Run `f` while writing the tape of the chosen arguments."""
    trace = ReverseTrace()
    inputs = Inputs()
    for number in argnums:
        inputs.add(args[number], f"argument {number + 1}")
    traced = inputs.regroup([Array(trace, leaf, trace.input(leaf)) for leaf in inputs.leaves])
    replaced = dict(zip(argnums, traced, strict=True))
    return _run(trace, f, [replaced.get(i, value) for i, value in enumerate(args)], inputs, has_aux)


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
    trace = ForwardTrace()
    inputs = Inputs()
    arrays: list[Array] = []
    for number, (primal, tangent) in enumerate(zip(primals, tangents, strict=True)):
        leaves = inputs.leaves[inputs.add(primal, f"primal {number + 1}")]
        directions = check_like(tangent, leaves, inputs.structures[-1], "tangent")
        arrays += [Array(trace, leaf, scaled(direction)) for leaf, direction in zip(leaves, directions, strict=True)]
    return _run(trace, f, inputs.regroup(arrays), inputs)
