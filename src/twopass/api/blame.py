"""Following what is not a number back to the operation that made it, and saying so: the words of `twopass.debug`."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass.core import sweep
from twopass.core.array import Array, stand_in
from twopass.core.operators import Scatter
from twopass.core.rule import Rule
from twopass.errors import NotFiniteError, compose, location

__all__ = ["Log", "Search", "Step", "explain_exception", "of_gradient", "of_tangent", "of_value"]


@dataclass(frozen=True)
class Search:
    """What is looked for: NaN, infinities, or both."""

    nan: bool
    inf: bool

    def bad(self, value: Any) -> Any:
        """Which elements of a value are what is looked for; False if it is no array of floats, or not known."""
        value = stand_in(value.values if type(value) is Scatter else value)
        if not isinstance(value, (float, complex, np.ndarray, np.generic)) or np.asarray(value).dtype.kind not in "fc":
            return False
        return (self.nan & np.isnan(value)) | (self.inf & np.isinf(value))

    def holds(self, value: Any) -> bool:
        """Whether a value has a bad element."""
        return bool(np.any(self.bad(value)))


@dataclass(frozen=True, eq=False)
class Step:
    """One operation of a function: what it was given, and what it gave."""

    rule: Rule
    args: list[Any]
    kwargs: dict[str, Any]
    slots: list[int]
    marks: list[Any]
    outputs: tuple[Any, ...]
    where: str | None

    def comes_from(self, slot: int, bad: Any) -> bool:
        """Whether bad elements of an operand are among those that the result depends on."""
        if self.rule.selective and np.any(bad):
            selected = self.rule.select(slot, self.args, self.kwargs)
            if selected is not None:
                return bool(np.any(stand_in(selected) & bad))
        return bool(np.any(bad))


class Log:
    """The operations of a trace, by what they gave: values, and marks (tangents, or positions on the tape)."""

    def __init__(self) -> None:
        self.steps: list[Step] = []  # which keeps the objects alive, so that their ids stay their own
        self.of_value: dict[int, Step] = {}
        self.of_mark: dict[Any, Step] = {}

    def add(self, step: Step, marks: tuple[Any, ...]) -> None:
        """Write down an operation, and the marks of its outputs."""
        self.steps.append(step)
        for output, mark in zip(step.outputs, marks, strict=True):
            if not any(output is arg for arg in step.args):
                self.of_value.setdefault(id(output), step)
            # Positions on the tape are their own keys; tangents are known by their identity.
            self.of_mark.setdefault(mark if isinstance(mark, int) else id(mark), step)


# --- the forward pass -----------------------------------------------------------------------------------------------


def _origin(search: Search, log: Log, step: Step) -> tuple[Step, Any]:
    """The operation that made what is bad in the output of a step, and an operand that it came in with, if it did."""
    while True:
        known = None
        for slot, arg in enumerate(step.args):
            bad = search.bad(arg)
            if step.comes_from(slot, bad):
                known = arg
                maker = log.of_value.get(id(arg))
                if maker is not None and maker is not step:
                    break
        else:
            return step, known
        step = maker


def of_value(search: Search, trace: Any, value: Any) -> str:
    """The message for a bad value: where it comes from."""
    step = trace.log.of_value.get(id(value))
    if step is None:
        return compose(f"the function returns {_kind(search, value)}", why="It is an argument, or from outside.")
    step, operand = _origin(search, trace.log, step)
    output = next(output for output in step.outputs if search.holds(output))
    if operand is not None:
        what = f"{_name(step.rule)} was given {_kind(search, operand)}"
        return compose(what, where=step.where, why="It came with an argument of the function, or from outside.")
    what = f"{_name(step.rule)} made {_kind(search, output)}"
    return compose(what, where=step.where, why=" ".join(_made_of(search, trace.log, step, output)))


def explain_exception(log: Log, rule: Rule, args: list[Any], where: str | None, error: Exception) -> None:
    """Raise another exception if an operation has raised one of numbers that are not finite: many of LAPACK's do."""
    for search in (Search(nan=True, inf=False), Search(nan=False, inf=True)):
        for arg in args:
            maker = log.of_value.get(id(arg))
            if search.holds(arg):
                what = f"{_name(rule)} was given {_kind(search, arg)}, and raised {type(error).__name__}: {error}"
                why = "It came with an argument of the function, or from outside."
                if maker is not None:
                    source, _ = _origin(search, log, maker)
                    why = f"It was made by {_source(search, source)}."
                raise NotFiniteError(compose(what, where=where, why=why)) from error


def _source(search: Search, step: Step) -> str:
    """An operation that made something bad, its line, and what it made it of."""
    made = next(output for output in step.outputs if search.holds(output))
    where = f" (at {step.where})" if step.where else ""
    return f"{_name(step.rule)}{where}, given {_operands(step, np.shape(made), _first(search.bad(made)))}"


def _made_of(search: Search, log: Log, step: Step, output: Any) -> Iterator[str]:
    """The operands of an operation at the first bad element; and where an infinity among them comes from."""
    place = _first(search.bad(output))
    yield f"It was given {_operands(step, np.shape(output), place)}{_at(place)}."
    infinite = Search(nan=False, inf=True)
    for arg in step.args:
        maker = log.of_value.get(id(arg))
        if not search.inf and maker is not None and infinite.holds(arg):
            source, operand = _origin(infinite, log, maker)
            if operand is None and source is not step:
                yield f"The infinity was made by {_source(infinite, source)}."
                return


def of_tangent(search: Search, trace: Any, mark: Any) -> str:
    """The message for a bad tangent."""
    log = trace.log
    step = log.of_mark.get(id(mark))
    while step is not None:
        for slot, direction in zip(step.slots, step.marks, strict=True):
            if step.comes_from(slot, search.bad(direction)):
                break
        else:
            place = _first(search.bad(mark))
            what = f"the derivative of {_name(step.rule)} is {_kind(search, mark)}"
            of = _operands(step, np.shape(step.outputs[0]), place)
            moved = " and ".join(_number(direction, np.shape(mark), place) for direction in step.marks)
            return compose(what, where=step.where, why=f"It was given {of}{_at(place)}, with the tangent {moved}.")
        mark, step = direction, log.of_mark.get(id(direction))
    return compose(f"a tangent holds {_kind(search, mark)}", why="It was passed so.")


# --- the backward pass ----------------------------------------------------------------------------------------------


class _Watching(sweep._Cotangents):
    """Cotangents that remember which of their contributions were bad."""

    __slots__ = ("child", "search", "sources", "totals")

    def __init__(self, tape: Sequence[sweep.Node], search: Search) -> None:
        super().__init__(tape)
        self.search = search
        self.child: int | None = None  # whose pull-back is running; None for the seeds
        self.totals: dict[int, Any] = {}
        self.sources: dict[int, tuple[int | None, Any]] = {}  # of a bad cotangent: from which node, and what it sent

    def add(self, index: int, value: Any, alive: Any) -> None:
        super().add(index, value, alive)
        self.totals[index] = self.values[index]
        if self.search.holds(value):
            self.sources.setdefault(index, (self.child, value))

    def add_output(self, index: int, output: int, specs: Any, value: Any) -> None:
        super().add_output(index, output, specs, value)
        self.totals[index] = self.values[index]
        if self.search.holds(value):
            self.sources.setdefault(index, (self.child, value))


def of_gradient(trace: Any, seeds: Sequence[tuple[int, Any]], index: int) -> str:
    """The message for a bad cotangent that has come to an input; the sweep runs again to find who made it."""
    search = trace.search
    cotangents = _Watching(trace.tape, search)
    nodes: dict[int, sweep.Node] = {}  # as they are when they are pulled back: a checkpoint forgets them again
    for place, value in seeds:
        cotangents.add(place, value, None)
    with np.errstate(all="ignore"):
        for place in range(len(trace.tape) - 1, -1, -1):
            cotangent = cotangents.totals.get(place)
            if cotangent is None or cotangents.tape[place].rule is None:
                continue
            cotangents.child = place
            sweep._pull_with_masks(cotangents, place, cotangent, cotangents.alive.pop(place, None))
            nodes[place] = cotangents.tape[place]
    child, sent = cotangents.sources[index]
    while child is not None and (child in cotangents.sources or type(nodes[child].rule) is sweep.Pick):
        child, sent = cotangents.sources.get(child, (None, sent))
    if child is None:
        return compose(f"a cotangent holds {_kind(search, sent)}", why="It was passed so.")
    return _explain(trace, child, nodes[child], sent, cotangents.totals[child])


def _explain(trace: Any, place: int, node: sweep.Node, sent: Any, cotangent: Any) -> str:
    """The message for the pull-back of a node that has sent something bad."""
    search = trace.search
    what = f"the backward pass of {_name(node.rule)} made {_kind(search, sent)}"
    step = trace.log.of_mark.get(place)
    at = _first(search.bad(sent))
    given = ""
    if step is not None and type(sent) is not Scatter:
        given = f"The forward pass gave it {_operands(step, np.shape(sent), at)}{_at(at)}. "
    if not isinstance(cotangent, list):
        given += f"Its cotangent was {_number(cotangent, np.shape(sent), at)}."
    return compose(what, where=location(node.code, node.instruction), why=given)


# --- words ------------------------------------------------------------------------------------------------------------


def _name(rule: Rule) -> str:
    """An operation as users write it."""
    own = {operator.getitem: "indexing", operator.setitem: "assignment"}
    module = getattr(rule.function, "__module__", None) or "numpy"
    return own.get(rule.function) or (f"np.{rule.name}" if module.startswith(("numpy", "twopass.")) else rule.name)


def _kind(search: Search, value: Any) -> str:
    value = stand_in(value.values if type(value) is Scatter else value)
    return "NaN" if search.nan and np.isnan(value).any() else "an infinity"


def _first(bad: Any) -> tuple[int, ...]:
    """Index of the first bad element."""
    return tuple(int(i) for i in np.argwhere(bad)[0]) if np.ndim(bad) else ()


def _at(index: tuple[int, ...]) -> str:
    return f", at index {index}" if index else ""


def _operands(step: Step, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
    """The operands of an operation: of an elementwise one, the numbers at an index of its result."""
    elementwise = hasattr(step.rule, "partials")
    arrays = [arg for arg in step.args if isinstance(arg, (float, int, complex, np.ndarray, np.generic, Array))]
    return " and ".join(_number(arg, shape if elementwise else None, index) for arg in arrays) or "no number"


def _number(value: Any, shape: tuple[int, ...] | None, index: tuple[int, ...]) -> str:
    """The element of a value, broadcast to a shape, at an index; or what the value is like."""
    array = np.asarray(stand_in(value))
    try:
        if shape is not None or array.ndim == 0:
            return str(np.broadcast_to(array, shape or ())[index if shape else ()])
    except ValueError:  # the shapes have nothing to do with each other
        pass
    size = f"an array of shape {array.shape}"
    if array.size == 0 or array.dtype.kind not in "fiu":
        return size
    return f"{size} between {array.min():.4g} and {array.max():.4g}"
