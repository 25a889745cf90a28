"""The trace of `twopass.vmap`: one more trace of the engine, whose arrays stand for one example of a batch each.

To the function that is batched, an array has the shape of one example. What it holds is a `Batched`: the values of all
examples, with the batch along the first axis. An operation that meets such arrays is computed for all examples at
once, by the table of this room; one that the table does not know runs for one example after the other, and the results
are stacked. Either is made of NumPy calls on the values, which may be traced themselves: so batches nest, can be
differentiated (a derivative outside) and captured, and derivatives inside the function are batched like any other
code, because their rules are NumPy code.

As a capture does, the trace sees all calls, those without a derivative included: the truth of a comparison differs
from example to example. Whether a result is a view, or a scalar instead of an array without axes, NumPy itself says:
the call is repeated on the first example where that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

import numpy as np

from twopass.core.array import Array, stand_in
from twopass.core.operators import as_array
from twopass.core.rule import BATCHED, QUESTIONS, TEXTS, Rule, detach
from twopass.core.trace import Trace, Unknown
from twopass.errors import CaptureError, compose, name_of
from twopass.rules.kinds import Elementwise

__all__ = ["ONE_BY_ONE", "BatchTrace", "Batched", "Call", "elementwise", "holds_batched", "nested", "rebuilt"]

#: A rule gives this for a call that it has no better way for than one example after the other.
ONE_BY_ONE = NotImplemented


class Batched(Unknown):
    """One example of a batch, to the function that is batched.

    Parameters
    ----------
    values : array, possibly traced
        Those of all examples, along the first axis.
    example : ndarray or NumPy scalar, optional
        The first example, as NumPy computes it by itself: given for a view, and for an array without axes.
    """

    __slots__ = ("_example", "values")

    def __init__(self, values: Any, example: Any = None) -> None:
        self.values = values
        self._example = example

    @property
    def example(self) -> Any:
        """A value of this type: the first example (zeros, if there is none)."""
        if self._example is None:
            values = stand_in(self.values)
            self._example = values[0] if len(values) else np.zeros(self.shape, self.dtype)[()]
        return self._example

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape[1:]  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype  # type: ignore[no-any-return]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Batched({self}, {self.values.shape[0]} examples)"

    def at(self, number: int) -> Any:
        """One of the examples."""
        return self.values[number] if isinstance(self.example, np.generic) else self.values[number, ...]

    def refuse(self, what: str) -> NoReturn:
        why = "The function runs once for the whole batch, and the value differs from example to example."
        instead = (
            "Write np.where for a choice between values, tp.scan for a loop of a fixed length, "
            "np.asarray(table, like=i)[i] for an index into a plain array, np.zeros_like(x) for a buffer, np.stack for "
            "np.array of a list, or call the function for one example after the other."
        )
        raise CaptureError(
            compose(f"{what} needs one value, but tp.vmap has a batch of them", why=why, instead=instead)
        )


class Call(NamedTuple):
    """A call for a batch: what a batching rule gets.

    Attributes
    ----------
    size : int
        Number of examples.
    function, run : callable
        The function that was called, and what computes it.
    args, kwargs
        Its arguments, with a `Batched` in the place of everything that differs from example to example.
    trace : BatchTrace
        For rules that call functions of one example.
    """

    size: int
    function: Callable[..., Any]
    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    trace: Any

    def whole(self, x: Any) -> Any:
        """The values of an operand, with the batch axis: repeated, if all examples share it."""
        if isinstance(x, Batched):
            return x.values
        x = as_array(x)
        return np.broadcast_to(x, (self.size, *x.shape))

    def aligned(self, x: Any, ndim: int) -> Any:
        """The values of an operand, so that they broadcast against examples of `ndim` axes; others as they are."""
        if not isinstance(x, Batched):
            return x
        if x.ndim >= ndim:
            return x.values
        return np.reshape(x.values, (self.size, *(1,) * (ndim - x.ndim), *x.shape))


def elementwise(call: Call) -> Any:
    """A function of each element alone, with broadcasting."""
    if not call.kwargs and len({arg.ndim if type(arg) is Batched else None for arg in call.args}) == 1:
        return call.run(*[arg.values for arg in call.args])
    ndim = max(map(_ndim, (*call.args, *call.kwargs.values())))
    args = [call.aligned(arg, ndim) for arg in call.args]
    return call.run(*args, **{key: call.aligned(arg, ndim) for key, arg in call.kwargs.items()})


def _ndim(value: Any) -> int:
    if isinstance(value, (Unknown, Array, np.ndarray)):
        return value.ndim
    return np.ndim(value) if isinstance(value, (list, tuple)) else 0


def _rule_for(function: Callable[..., Any], of_elements: bool = False) -> Any:
    """How a function runs on a batch; None for one example after the other."""
    of_elements = of_elements or (isinstance(function, np.ufunc) and function.signature is None)
    return BATCHED.get(function, elementwise if of_elements else None)


class BatchTrace(Trace):
    """Computes calls for all examples of a batch.

    An array's primal is a `Batched`, or a value that all examples share. It has no mark.
    """

    __slots__ = ("size",)

    captures = True
    batches = True

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def array(self, values: Any, example: Any = None) -> Array:
        """What stands for one of some values, which have the batch along their first axis."""
        return Array(self, Batched(values, example), None)

    def constant(self, value: Any) -> Array:
        return Array(self, value, None)

    def detached(self, array: Any) -> Array:
        primal = array._primal
        if not isinstance(primal, Batched):
            return Array(self, detach(primal), None)
        return self.array(detach(primal.values), primal._example)

    def check_writeable(self, primal: Any) -> None:
        """Any array may be changed: no value of the caller's is ever written to."""

    def lowered(self, leaf: Any) -> Any:
        """A `Batched`, or what all examples share."""
        if type(leaf) is not Array:
            return leaf
        leaf._refresh()
        return leaf._primal if leaf._trace is self else leaf

    def values_of(self, leaf: Any) -> Any:
        """The values of all examples, repeated if they share them."""
        leaf = self.lowered(leaf)
        return leaf.values if isinstance(leaf, Batched) else np.broadcast_to(leaf, (self.size, *np.shape(leaf)))

    # --- calls ----------------------------------------------------------------------------------------------------

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        own = getattr(rule, "batch", None) or _rule_for(rule.function, isinstance(rule, Elementwise))
        y = self._run(rule.function, rule.call, own, tuple(args), kwargs, rule.views, rule.preview)
        return (y, (None,) * len(y)) if rule.outputs else (y, None)

    def capture(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if function in QUESTIONS:
            return function(*_first(self._own(args)), **_first(self._own(kwargs)))
        if function in TEXTS:
            Batched(np.zeros(1)).refuse(f"np.{name_of(function)}")
        y = self._run(function, function, _rule_for(function), args, kwargs)
        if not isinstance(y, (tuple, list)):
            return self._lifted(y)
        parts = [self._lifted(part) for part in y]
        return rebuilt(y, parts)

    def _lifted(self, value: Any) -> Any:
        return Array(self, value, None) if isinstance(value, (Batched, np.ndarray, Array)) else value

    def _run(
        self,
        function: Any,
        run: Any,
        rule: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        views: bool = False,
        preview: Any = None,
    ) -> Any:
        """The result of a call as a `Batched`, or several in the containers that the function gives."""
        if self.closed:
            self.check_open()
        call = Call(self.size, function, run, self._own(args), self._own(kwargs), self)
        if not any(type(arg) is Batched for arg in call.args) and not holds_batched((call.args, call.kwargs)):
            return run(*call.args, **call.kwargs)
        y = ONE_BY_ONE if rule is None else rule(call)
        if y is ONE_BY_ONE:
            return _one_by_one(call)
        parts = y if isinstance(y, (tuple, list)) else [y]
        if all(isinstance(part, Batched) for part in parts):
            return y
        scalars = isinstance(function, np.ufunc)
        if views or (not scalars and any(part.ndim == 1 for part in parts)):
            with np.errstate(all="ignore"):
                example = (preview or run)(*_first(call.args), **_first(call.kwargs))
            examples = example if isinstance(y, (tuple, list)) else [example]
        else:
            examples = [None] * len(parts)
        made = [Batched(part, example) for part, example in zip(parts, examples, strict=True)]
        return made[0] if parts is not y else rebuilt(y, made)

    def _own(self, value: Any) -> Any:
        """Arguments with a `Batched` in the place of every array of this trace."""
        if type(value) is Array:
            value._refresh()
            return value._primal if value._trace is self else value
        return nested(value, self._own)

    # --- functions of one example ---------------------------------------------------------------------------------

    def map(
        self, function: Callable[..., Sequence[Any]], operands: Sequence[Any], batched: Sequence[bool]
    ) -> list[Any]:
        """Call a function of one example with values of all, where they are `batched`; all values of its results."""
        inner = BatchTrace(self.size)
        try:
            arrays = [inner.array(x) if own else x for x, own in zip(operands, batched, strict=True)]
            return [inner.values_of(y) for y in function(*arrays)]
        finally:
            inner.closed = True


def holds_batched(value: Any) -> bool:
    """Whether a value is batched, or has in it what is."""
    if isinstance(value, (tuple, list)):
        return any(map(holds_batched, value))
    if isinstance(value, dict):
        return any(map(holds_batched, value.values()))
    if isinstance(value, slice):
        return holds_batched((value.start, value.stop, value.step))
    return isinstance(value, Batched)


def rebuilt(container: Any, items: Sequence[Any]) -> Any:
    """A list, tuple or named tuple like another, of other items."""
    kind = type(container)
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


_CONTAINERS = frozenset({tuple, list, dict, slice})


def nested(value: Any, replace: Callable[[Any], Any]) -> Any:
    """A container with its items replaced; everything else as it is."""
    if type(value) not in _CONTAINERS and not isinstance(value, (tuple, list, dict)):
        return value
    if isinstance(value, (tuple, list)):
        return rebuilt(value, [replace(item) for item in value])
    if isinstance(value, dict):
        return {key: replace(item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(replace(value.start), replace(value.stop), replace(value.step))
    return value


def _first(value: Any) -> Any:
    """Arguments with the first example in the place of each batch."""
    if type(value) is Batched:
        return value.example
    return stand_in(value) if type(value) is Array else nested(value, _first)


def _at(value: Any, number: int) -> Any:
    if isinstance(value, Batched):
        return value.at(number)
    return nested(value, lambda item: _at(item, number))


# --- one example after the other --------------------------------------------------------------------------------------


def _one_by_one(call: Call) -> Any:
    """Run a call for one example after the other, and stack the results."""
    if call.size:
        rows = [call.run(*_at(call.args, i), **_at(call.kwargs, i)) for i in range(call.size)]
    else:
        with np.errstate(all="ignore"):
            rows = [call.run(*_first(call.args), **_first(call.kwargs))]
    first = rows[0]
    if not isinstance(first, (tuple, list)):
        return _stacked(call, rows)
    columns = zip(*rows, strict=True)  # that the examples have different numbers of results does not happen in NumPy
    return rebuilt(first, [_stacked(call, list(column)) for column in columns])


def _stacked(call: Call, rows: list[Any]) -> Batched:
    name = name_of(call.function)
    if not all(isinstance(row, (np.ndarray, np.generic, Array, bool, int, float, complex)) for row in rows):
        what = f"np.{name} gives a {type(rows[0]).__name__}, which cannot be batched"
        raise CaptureError(compose(what, instead="Call it outside of the function that tp.vmap batches."))
    shapes = sorted({np.shape(row) for row in rows})
    if len(shapes) > 1:
        what = f"np.{name} gives results of different shapes for the examples of a batch: {shapes[0]} and {shapes[-1]}"
        instead = "Keep the shape: np.where(mask, x, 0) for x[mask], np.sum(x, where=mask) for np.sum(x[mask])."
        raise CaptureError(compose(what, why="They cannot be one array.", instead=instead))
    example = stand_in(rows[0])
    is_array = isinstance(example, np.ndarray)
    values = np.stack([as_array(row) for row in rows])[: call.size]
    return Batched(values, example if is_array and values.ndim == 1 else None)
