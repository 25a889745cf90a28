"""Where a NaN or an infinity first appears: `debug`.

While it is on, the differentiating functions open traces that keep a log of all operations. When a result, or a
derivative, is not a number, the log is followed back to the operation that made it so. Only what reaches the result is
looked at, so that ``np.where(x > 0, np.log(x), 0)`` is no alarm.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass import errors
from twopass.core import sweep
from twopass.core.array import Array, stand_in
from twopass.core.operators import Scatter
from twopass.core.rule import Rule
from twopass.core.trace import WATCHING, ForwardTrace, ReverseTrace
from twopass.errors import ArgumentError, NotFiniteError, compose

__all__ = ["debug"]


@contextmanager
def debug(nan: bool = True, inf: bool = False) -> Iterator[None]:
    """Context in which a NaN that a derivative runs into raises, and says where it comes from.

    For each function that is differentiated inside the context, the result, the tangents and the gradient are looked
    at. If one of them holds NaN, `NotFiniteError` names the operation that made the first one on the way there, the
    line of its call, and the numbers that it made it of: in the forward pass, or in the backward pass, where a
    cotangent becomes NaN. What does not reach the result (the other branch of ``np.where``) is no alarm.

    NumPy's warnings are silent in the context. It costs memory and time, so it is for finding a fault; outside of the
    context nothing is slower. `Trainer` uses it by itself to explain a loss that is not finite.

    Parameters
    ----------
    nan : bool, default True
        Whether to look for NaN.
    inf : bool, default False
        Whether to look for infinities, too.

    Raises
    ------
    NotFiniteError
        At the end of the pass that met one, or when an operation raises because of one.
    ArgumentError
        When an option is neither True nor False.

    Notes
    -----
    Functions compiled by `twopass.compile` run through NumPy in the context. Plain NumPy code that is not being
    differentiated is not looked at. The context belongs to its thread (or task).

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> def loss(w):
    ...     return np.sum(np.log(w - 1.0))
    >>> with tp.debug():
    ...     tp.grad(loss)(np.array([3.0, 0.5]))
    Traceback (most recent call last):
    twopass.errors.NotFiniteError: np.log made NaN (at ...:2). It was given -0.5, at index (1,).
    """
    for name, value in (("nan", nan), ("inf", inf)):
        if not isinstance(value, bool):
            what = f"debug: {name} must be True or False, not {value!r}"
            raise ArgumentError(compose(what, instead="Write with tp.debug(): around the call."))
    token = WATCHING.set(Watch(nan, inf))
    try:
        with np.errstate(all="ignore"):  # an exception will say more than NumPy's warnings
            yield
    finally:
        WATCHING.reset(token)


@dataclass(frozen=True)
class Watch:
    """What to look for, and the traces that can tell where it comes from."""

    nan: bool
    inf: bool

    def forward(self) -> ForwardTrace:
        """A forward-mode trace with a log."""
        return _LoggedForward(self)

    def reverse(self) -> ReverseTrace:
        """A reverse-mode trace with a log."""
        return _LoggedReverse(self)

    def bad(self, value: Any) -> Any:
        """Which elements of a value are what is looked for; False if it is no array of floats, or not known."""
        value = stand_in(value.values if type(value) is Scatter else value)
        if not isinstance(value, (float, complex, np.ndarray, np.generic)) or np.asarray(value).dtype.kind not in "fc":
            return False
        return (self.nan & np.isnan(value)) | (self.inf & np.isinf(value))

    def holds(self, value: Any) -> bool:
        """Whether a value has a bad element."""
        return bool(np.any(self.bad(value)))

    def check(self, trace: Any, leaves: Sequence[Any], marks: Sequence[Any]) -> None:
        """Raise if a result of a function, or its tangent, is bad."""
        for leaf in leaves:
            if self.holds(leaf):
                raise NotFiniteError(_forward(self, trace, leaf))
        for mark in marks:
            if self.holds(mark):
                raise NotFiniteError(_tangent(self, trace, mark))


@dataclass(frozen=True, eq=False)
class _Step:
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


class _Log:
    """The operations of a trace, by what they gave."""

    def __init__(self) -> None:
        self.steps: list[_Step] = []  # which keeps the objects alive, so that their ids stay their own
        self.of_value: dict[int, _Step] = {}
        self.of_mark: dict[Any, _Step] = {}

    def add(self, step: _Step, marks: tuple[Any, ...]) -> None:
        self.steps.append(step)
        for output, mark in zip(step.outputs, marks, strict=True):
            if not any(output is arg for arg in step.args):
                self.of_value.setdefault(id(output), step)
            # Positions on the tape are their own keys; tangents are known by their identity.
            self.of_mark.setdefault(mark if isinstance(mark, int) else id(mark), step)


class _Logged:
    """What the two kinds of logged traces share."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.log = _Log()

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        given, directions = list(args), list(marks)
        frame = errors.user_frame(2)
        where = None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
        try:
            y, mark = super().record(rule, args, kwargs, slots, marks)  # type: ignore[misc]
        except Exception as error:
            _explain_exception(self.log, rule, given, where, error)
            raise
        outputs, places = (tuple(y), tuple(mark)) if rule.outputs else ((y,), (mark,))
        self.log.add(_Step(rule, given, kwargs, list(slots), directions, outputs, where), places)
        return y, mark


class _LoggedForward(_Logged, ForwardTrace):
    """A forward-mode trace with a log."""


class _LoggedReverse(_Logged, ReverseTrace):
    """A reverse-mode trace with a log, which also looks at gradients."""

    def pull_back(self, seeds: Sequence[tuple[int, Any]], inputs: Sequence[int]) -> list[Any]:
        found = super().pull_back(seeds, inputs)
        for index, gradient in zip(inputs, found, strict=True):
            if self.watch.holds(gradient):
                raise NotFiniteError(_backward(self, seeds, index))
        return found


# --- the forward pass -----------------------------------------------------------------------------------------------


def _origin(watch: Watch, log: _Log, step: _Step) -> tuple[_Step, Any]:
    """The operation that made what is bad in the output of a step, and an operand that it came in with, if it did."""
    while True:
        known = None
        for slot, arg in enumerate(step.args):
            bad = watch.bad(arg)
            if step.comes_from(slot, bad):
                known = arg
                maker = log.of_value.get(id(arg))
                if maker is not None and maker is not step:
                    break
        else:
            return step, known
        step = maker


def _forward(watch: Watch, trace: Any, value: Any) -> str:
    """Where a bad value comes from."""
    step = trace.log.of_value.get(id(value))
    if step is None:
        return compose(f"the function returns {_kind(watch, value)}", why="It is an argument, or from outside.")
    step, operand = _origin(watch, trace.log, step)
    output = next(output for output in step.outputs if watch.holds(output))
    if operand is not None:
        what = f"{_name(step.rule)} was given {_kind(watch, operand)}"
        return compose(what, where=step.where, why="It came with an argument of the function, or from outside.")
    what = f"{_name(step.rule)} made {_kind(watch, output)}"
    return compose(what, where=step.where, why=" ".join(_made_of(watch, trace.log, step, output)))


def _explain_exception(log: _Log, rule: Rule, args: list[Any], where: str | None, error: Exception) -> None:
    """Raise another exception if an operation has raised one of numbers that are not finite: many of LAPACK's do."""
    for watch in (Watch(nan=True, inf=False), Watch(nan=False, inf=True)):
        for arg in args:
            maker = log.of_value.get(id(arg))
            if watch.holds(arg):
                what = f"{_name(rule)} was given {_kind(watch, arg)}, and raised {type(error).__name__}: {error}"
                why = "It came with an argument of the function, or from outside."
                if maker is not None:
                    source, _ = _origin(watch, log, maker)
                    why = f"It was made by {_source(watch, source)}."
                raise NotFiniteError(compose(what, where=where, why=why)) from error


def _source(watch: Watch, step: _Step) -> str:
    """An operation that made something bad, its line, and what it made it of."""
    made = next(output for output in step.outputs if watch.holds(output))
    where = f" (at {step.where})" if step.where else ""
    return f"{_name(step.rule)}{where}, given {_operands(step, np.shape(made), _first(watch.bad(made)))}"


def _made_of(watch: Watch, log: _Log, step: _Step, output: Any) -> Iterator[str]:
    """The operands of an operation at the first bad element; and where an infinity among them comes from."""
    place = _first(watch.bad(output))
    yield f"It was given {_operands(step, np.shape(output), place)}{_at(place)}."
    infinite = Watch(nan=False, inf=True)
    for arg in step.args:
        maker = log.of_value.get(id(arg))
        if not watch.inf and maker is not None and infinite.holds(arg):
            source, operand = _origin(infinite, log, maker)
            if operand is None and source is not step:
                yield f"The infinity was made by {_source(infinite, source)}."
                return


def _tangent(watch: Watch, trace: Any, mark: Any) -> str:
    """Where a bad tangent comes from."""
    log = trace.log
    step = log.of_mark.get(id(mark))
    while step is not None:
        for slot, direction in zip(step.slots, step.marks, strict=True):
            if step.comes_from(slot, watch.bad(direction)):
                break
        else:
            place = _first(watch.bad(mark))
            what = f"the derivative of {_name(step.rule)} is {_kind(watch, mark)}"
            of = _operands(step, np.shape(step.outputs[0]), place)
            moved = " and ".join(_number(direction, np.shape(mark), place) for direction in step.marks)
            return compose(what, where=step.where, why=f"It was given {of}{_at(place)}, with the tangent {moved}.")
        mark, step = direction, log.of_mark.get(id(direction))
    return compose(f"a tangent holds {_kind(watch, mark)}", why="It was passed so.")


# --- the backward pass ----------------------------------------------------------------------------------------------


class _Watching(sweep._Cotangents):
    """Cotangents that remember which of their contributions were bad."""

    __slots__ = ("child", "sources", "totals", "watch")

    def __init__(self, tape: Sequence[sweep.Node], watch: Watch) -> None:
        super().__init__(tape)
        self.watch = watch
        self.child: int | None = None  # whose pull-back is running; None for the seeds
        self.totals: dict[int, Any] = {}
        self.sources: dict[int, tuple[int | None, Any]] = {}  # of a bad cotangent: from which node, and what it sent

    def add(self, index: int, value: Any, alive: Any) -> None:
        super().add(index, value, alive)
        self.totals[index] = self.values[index]
        if self.watch.holds(value):
            self.sources.setdefault(index, (self.child, value))

    def add_output(self, index: int, output: int, specs: Any, value: Any) -> None:
        super().add_output(index, output, specs, value)
        self.totals[index] = self.values[index]
        if self.watch.holds(value):
            self.sources.setdefault(index, (self.child, value))


def _backward(trace: _LoggedReverse, seeds: Sequence[tuple[int, Any]], index: int) -> str:
    """Which pull-back made the bad cotangent that has come to an input; the sweep runs again to find it."""
    tape, watch = trace.tape, trace.watch
    cotangents = _Watching(tape, watch)
    for place, value in seeds:
        cotangents.add(place, value, None)
    with np.errstate(all="ignore"):
        for place in range(len(tape) - 1, -1, -1):
            node, cotangent = tape[place], cotangents.totals.get(place)
            if cotangent is None or node.rule is None:
                continue
            cotangents.child = place
            if type(node.rule) is sweep.Pick:
                cotangents.add_output(node.parents[0], node.slots[0], node.rule.specs, cotangent)
            else:
                sweep._pull_with_masks(cotangents, node, cotangent, cotangents.alive.pop(place, None))
    child, sent = cotangents.sources[index]
    while child is not None and (child in cotangents.sources or type(tape[child].rule) is sweep.Pick):
        child, sent = cotangents.sources.get(child, (None, sent))
    if child is None:
        return compose(f"a cotangent holds {_kind(watch, sent)}", why="It was passed so.")
    return _explain(trace, child, sent, cotangents.totals[child])


def _explain(trace: _LoggedReverse, place: int, sent: Any, cotangent: Any) -> str:
    """The message for the pull-back of a node that has sent something bad."""
    node, watch = trace.tape[place], trace.watch
    what = f"the backward pass of {_name(node.rule)} made {_kind(watch, sent)}"
    step = trace.log.of_mark.get(place)
    at = _first(watch.bad(sent))
    given = ""
    if step is not None and type(sent) is not Scatter:
        given = f"The forward pass gave it {_operands(step, np.shape(sent), at)}{_at(at)}. "
    if not isinstance(cotangent, list):
        given += f"Its cotangent was {_number(cotangent, np.shape(sent), at)}."
    return compose(what, where=errors.location(node.code, node.instruction), why=given)


# --- words ------------------------------------------------------------------------------------------------------------


def _name(rule: Rule) -> str:
    """An operation as users write it."""
    own = {operator.getitem: "indexing", operator.setitem: "assignment"}
    module = getattr(rule.function, "__module__", None) or "numpy"
    return own.get(rule.function) or (f"np.{rule.name}" if module.startswith(("numpy", "twopass.")) else rule.name)


def _kind(watch: Watch, value: Any) -> str:
    value = stand_in(value.values if type(value) is Scatter else value)
    return "NaN" if watch.nan and np.isnan(value).any() else "an infinity"


def _first(bad: Any) -> tuple[int, ...]:
    """Index of the first bad element."""
    return tuple(int(i) for i in np.argwhere(bad)[0]) if np.ndim(bad) else ()


def _at(index: tuple[int, ...]) -> str:
    return f", at index {index}" if index else ""


def _operands(step: _Step, shape: tuple[int, ...], index: tuple[int, ...]) -> str:
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
