"""Which inputs each output of a function depends on, whatever their values are.

One more trace of the engine runs the function on arrays without values, as a capture does, and follows for each element
the set of inputs that it depends on. The sets of an array are booleans with one axis more, the first: so what moves
elements (reshaping, indexing, joining) moves their sets by the rules of batching, sums and products unite them, and
elementwise functions unite those of their operands. Where nothing better is known, each element of a result depends on
whatever any operand depends on. A set may hold an input too many, but none is missing.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from twopass import tree
from twopass.api.coloring import Pattern
from twopass.api.products import size_of
from twopass.api.tracing import Function, Inputs
from twopass.core.array import Array, stand_in
from twopass.core.operators import scatter
from twopass.core.rule import BATCHED, QUESTIONS, RULES, Rule
from twopass.core.trace import Trace
from twopass.errors import CaptureError, compose
from twopass.graph.abstract import Abstract
from twopass.rules.batching import Batched, Call
from twopass.rules.batching.arguments import named
from twopass.rules.batching.trace import nested, rebuilt
from twopass.rules.cumulative import running_extreme
from twopass.rules.einsum import einsum
from twopass.rules.join import concatenate, stack
from twopass.rules.kinds import Constant, Elementwise
from twopass.rules.methods import log_sum, segment_sum
from twopass.rules.pad import pad_zeros

__all__ = ["detect"]

#: Functions that move the elements of their first argument, or of all positional ones.
MOVES = frozenset(
    {np.reshape, np.ravel, np.squeeze, np.expand_dims, np.transpose, np.broadcast_to, np.repeat, np.tile, np.roll}
    | {np.diagonal, np.lib.stride_tricks.sliding_window_view, pad_zeros, operator.getitem}
)
JOINS = frozenset({concatenate, stack, operator.setitem})

REDUCTIONS = frozenset({np.sum, np.mean, np.prod, np.max, np.min, np.nanmax, np.nanmin, log_sum})
RUNNING = frozenset({np.cumsum, np.cumprod, running_extreme})

#: Functions linear in each of their positional arguments.
PRODUCTS = frozenset({np.matmul, np.dot, einsum, np.convolve, scatter, segment_sum})


class _Dependent(Abstract):
    """An array without values: an example of its type, and for each input which elements depend on it."""

    __slots__ = ("sets",)

    def __init__(self, example: Any, sets: Any) -> None:
        super().__init__(example, None)
        self.sets = sets

    def refuse(self, what: str) -> NoReturn:
        why = "What depends on what must be so for all values."
        instead = "Write np.where for a choice between values, or pass a pattern as sparsity=."
        what = f'{what} needs a value, which sparsity="detect" does not know'
        raise CaptureError(compose(what, why=why, instead=instead))


class _DependenceTrace(Trace):
    """Follows sets of inputs; an array's primal is a `_Dependent`, and it has no mark."""

    __slots__ = ("count",)

    captures = True
    differentiates = True

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def array(self, example: Any, sets: Any) -> Array:
        """An array with these sets."""
        return Array(self, _Dependent(example, sets), None)

    def constant(self, value: Any) -> Array:
        return self.array(value, self._nothing(value))

    def detached(self, array: Any) -> Array:
        return self.constant(array._primal.example)

    def check_writeable(self, primal: Any) -> None:
        """Any array may be changed: it has no values."""

    def _nothing(self, example: Any) -> Any:
        return np.broadcast_to(False, (self.count, *np.shape(example)))

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        y = self._run(rule, rule.function, rule.call, tuple(args), kwargs)
        return (tuple(y), (None,) * len(y)) if rule.outputs else (y, None)

    def capture(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if function in QUESTIONS:
            return function(*_examples(self._own(args)), **_examples(self._own(kwargs)))
        y = self._run(RULES.get(function), function, function, args, kwargs)
        if isinstance(y, _Dependent):
            return Array(self, y, None)
        parts = [Array(self, part, None) for part in y]
        return rebuilt(y, parts)

    def _run(self, rule: Any, function: Any, run: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.closed:
            self.check_open()
        call = Call(self.count, function, run, self._own(args), self._own(kwargs), None)
        with np.errstate(all="ignore"):
            y = run(*_examples(call.args), **_examples(call.kwargs))
        if not isinstance(y, (tuple, list)):
            return _Dependent(y, self._sets(rule, call, y))
        parts = [_Dependent(part, self._all(call, part)) for part in y]
        return rebuilt(y, parts)

    def _own(self, value: Any) -> Any:
        if type(value) is Array:
            value._refresh()
            return value._primal if value._trace is self else stand_in(value)
        return nested(value, self._own)

    # --- sets -----------------------------------------------------------------------------------------------------

    def _sets(self, rule: Any, call: Call, y: Any) -> Any:
        """The sets of a result."""
        if isinstance(rule, Constant) or np.result_type(y).kind not in "fc":
            return self._nothing(y)
        is_ufunc = isinstance(call.function, np.ufunc) and call.function.signature is None
        if isinstance(rule, Elementwise) or is_ufunc or call.function in (np.real, np.imag, np.conjugate):
            return self._united(call, np.shape(y))
        found = self._followed(call)
        return self._all(call, y) if found is NotImplemented else np.broadcast_to(found, (self.count, *np.shape(y)))

    def _united(self, call: Call, shape: tuple[int, ...]) -> Any:
        """Those of the operands' elements at the same place."""
        found = np.zeros((self.count, *shape), dtype=bool)
        for part in _dependent((call.args, call.kwargs)):
            found |= np.reshape(part.sets, (self.count, *(1,) * (len(shape) - part.ndim), *part.shape))
        return found

    def _all(self, call: Call, y: Any) -> Any:
        """Those of all elements of all operands."""
        found = np.zeros(self.count, dtype=bool)
        for part in _dependent((call.args, call.kwargs)):
            found |= np.any(part.sets, axis=tuple(range(1, part.ndim + 1)))
        return np.broadcast_to(np.reshape(found, (self.count, *(1,) * np.ndim(y))), (self.count, *np.shape(y)))

    def _followed(self, call: Call) -> Any:
        """By the rules of batching; NotImplemented for a function or a call of which nothing better is known."""
        function, args = call.function, call.args
        operands = args if function in JOINS | PRODUCTS else args[:1]
        others = (args[len(operands) :], {k: v for k, v in call.kwargs.items() if k != "where"})
        if any(True for _ in _dependent(others)):
            return NotImplemented  # where an element comes from depends on values
        if function in MOVES | JOINS:
            moved = tuple(Batched(self._sets_of(operand)) for operand in operands)
            kept = {key: value for key, value in call.kwargs.items() if key not in ("dtype", "casting")}
            return BATCHED[function](call._replace(args=(*moved, *args[len(operands) :]), kwargs=kept))
        if function in REDUCTIONS:
            given = named(call)
            own = {"axis": given.get("axis", 0 if function is log_sum else None)}
            own["keepdims"] = given.get("keepdims", False)
            sets = Batched(self._sets_of(given["a"]))
            return BATCHED[np.any](call._replace(function=np.any, run=np.any, args=(sets,), kwargs=own))
        if function in RUNNING:
            sets = Batched(self._sets_of(args[0]))
            return BATCHED[function](call._replace(run=_any_so_far, args=(sets, *args[1:])))
        if function in PRODUCTS and isinstance(operands[0], (Abstract, np.ndarray)):
            return self._of_product(call, operands)
        return NotImplemented

    def _sets_of(self, operand: Any) -> Any:
        return operand.sets if isinstance(operand, _Dependent) else self._nothing(operand)

    def _of_product(self, call: Call, operands: Sequence[Any]) -> Any:
        """A product depends on a factor where the others are not known to be zero."""
        total: Any = False
        factors = [np.ones(x.shape) if isinstance(x, _Dependent) else (np.asarray(x) != 0) * 1.0 for x in operands]
        for slot, operand in enumerate(operands):
            if isinstance(operand, _Dependent):
                values: list[Any] = list(factors)
                values[slot] = Batched(operand.sets.astype(np.float64))
                found = BATCHED[call.function](call._replace(args=tuple(values)))
                if found is NotImplemented:
                    return found
                total = total | (found != 0)
        return total


def _any_so_far(values: Any, axis: int, **_keywords: Any) -> Any:
    return np.logical_or.accumulate(values, axis=axis)


def _examples(value: Any) -> Any:
    return value.example if isinstance(value, _Dependent) else nested(value, _examples)


def _dependent(value: Any) -> Any:
    """What has sets among arguments."""
    if isinstance(value, _Dependent):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _dependent(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _dependent(item)
    elif isinstance(value, slice):
        yield from _dependent((value.start, value.stop, value.step))


def detect(f: Function, args: Sequence[Any], numbers: Sequence[int], inputs: Inputs) -> Pattern:
    """The elements of the Jacobian that may be nonzero, at any arguments of these types."""
    count = size_of(inputs.leaves)
    trace = _DependenceTrace(count)
    arrays, start = [], 0
    for leaf in inputs.leaves:
        stop = start + size_of([leaf])
        arrays.append(trace.array(leaf, np.reshape(np.eye(count, stop - start, -start, bool), (count, *leaf.shape))))
        start = stop
    replaced = dict(zip(numbers, inputs.regroup(arrays), strict=True))
    try:
        leaves = tree.leaves(f(*[replaced.get(i, value) for i, value in enumerate(args)]))
        own = [trace._own(leaf) for leaf in leaves]
    finally:
        trace.closed = True
    sets = [np.reshape(trace._sets_of(leaf), (count, int(np.size(_examples(leaf))))) for leaf in own]
    table = np.concatenate(sets, axis=1).T if sets else np.zeros((0, count), bool)
    return Pattern(table.shape, *np.nonzero(table))
