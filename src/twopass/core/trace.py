"""Traces: what one call of a differentiating function remembers of the function it runs.

Every call of `grad`, `jvp`, ... opens one trace with a number larger than that of every trace opened before it. An
operation belongs to the newest trace among its operands; that trace computes the result from the operands as the
older traces know them (which may again be traced: this is how derivatives nest) and remembers what it needs. There
is no stack to push and pop, so nothing is left behind by an exception and threads cannot meet.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from twopass import errors
from twopass.core.rule import Rule, Spec, detach, is_traced
from twopass.core.sweep import Node, Pick, backward, tangent

__all__ = ["CAPTURING", "OPEN", "WATCHING", "ForwardTrace", "ReverseTrace", "Trace", "Unknown", "snapshot"]

_levels = itertools.count(1)
#: The trace that captures the function which is running, innermost first; for what must know before it sees an array.
CAPTURING: ContextVar[Trace | None] = ContextVar("capturing", default=None)
#: The traces of the functions that are running, outermost first.
OPEN: ContextVar[tuple[Trace, ...]] = ContextVar("open", default=())
#: Who makes the traces, in the place of `ForwardTrace` and `ReverseTrace`; for `twopass.debug`.
WATCHING: ContextVar[Any] = ContextVar("watching", default=None)
_PACKAGE = errors._PACKAGE
_PREFIX = len(_PACKAGE)


_IMMUTABLE = {float, int, bool, type(None), np.float64, np.float32}


def snapshot(value: Any) -> Any:
    """A value that later in-place changes cannot reach: a copy, unless it cannot change anyway."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if kind is np.ndarray:
        return value.copy(order="K") if _writeable(value) else value
    if kind is tuple or kind is list:
        return kind(snapshot(item) for item in value)
    if isinstance(value, np.ndarray):
        return np.array(value)
    clone = getattr(value, "_clone", None)
    return value if clone is None else clone()


def _writeable(array: np.ndarray[Any, Any]) -> bool:
    """Whether anybody may still write to the memory of an array, through it or through what it is a view of."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    # Memory owned by something else (a buffer, a memory map) counts as writeable, unless it is bytes.
    return not (owner is None or isinstance(owner, bytes))


class Unknown:
    """Base of what stands for a value that is not known, or not one, while a function is captured or batched."""

    __slots__ = ()

    #: A value of the type: NumPy says what the type of every result is.
    example: Any
    #: The values of a whole batch, if this stands for one example of it; they may be traced.
    values: Any = None

    shape = property(lambda self: np.shape(self.example))
    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        dtype = getattr(self.example, "dtype", None)
        return np.dtype(type(self.example)) if dtype is None else dtype

    def __len__(self) -> int:
        return len(self.example)

    def refuse(self, what: str) -> NoReturn:
        """Raise because something needs the value."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


class Trace:
    """Base of the traces: a level, and whether the traced function is still running."""

    __slots__ = ("closed", "level")

    #: Whether the trace records calls whose operands have no values: all calls, those without a derivative included.
    captures = False
    #: Whether it computes a whole batch, for what has a rule for that.
    batches = False

    #: Whether a trace that captures does so for the sake of derivatives, so that rules of the user's own count.
    differentiates = False

    def __init__(self) -> None:
        self.level: float = next(_levels)
        self.closed = False

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        """Compute an operation on primals; the result and its mark (tangent, or position on the tape)."""
        raise NotImplementedError

    def capture(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the call of any function, for a trace that captures; its result, in the same containers."""
        raise NotImplementedError

    def constant(self, value: Any) -> Any:
        """A known value as a traced array, for a trace that captures."""
        raise NotImplementedError

    def scan(self, step: Any, carry: Any, xs: Any, length: int, reverse: bool, limit: Any) -> tuple[Any, Any]:
        """Capture a loop as one operation, for a trace that captures; see `twopass.scan`."""
        raise NotImplementedError

    def detached(self, array: Any) -> Any:
        """An array of this trace as a mere constant."""
        return detach(array._primal)

    def check_writeable(self, primal: Any) -> None:
        """Raise if a captured array may not be changed in place."""
        raise NotImplementedError

    def check_open(self) -> None:
        """Raise if the traced function has returned."""
        if self.closed:
            what = "a traced array was used after the function that it was traced in had returned"
            why = "It was kept in a variable outside that function, where its derivative no longer means anything."
            instead = "Return it from the function (has_aux=True returns values beside the result)."
            raise errors.LeakedTraceError(errors.compose(what, why=why, instead=instead))


class ForwardTrace(Trace):
    """Carries tangents beside the primals; a mark is a tangent."""

    __slots__ = ()

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        if self.closed:
            self.check_open()
        y = rule.call(*args, **kwargs)
        if not slots:
            return y, (None,) * len(y) if rule.outputs else None
        if rule.promotes:
            args = [arg if i in slots else promoted(arg, y.dtype) for i, arg in enumerate(args)]
        return y, tangent(rule, slots, marks, y, args, kwargs)


class ReverseTrace(Trace):
    """Writes a tape for the backward sweep; a mark is a position on the tape."""

    __slots__ = ("tape",)

    def __init__(self) -> None:
        super().__init__()
        self.tape: list[Node] = []

    def input(self, value: Any) -> int:
        """Put an input on the tape."""
        self.tape.append(tuple.__new__(Node, (None, (), (), (), {}, None, value.shape, value.dtype, None, 0)))
        return len(self.tape) - 1

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        if self.closed:
            self.check_open()
        y = rule.call(*args, **kwargs)
        if not slots:
            return y, (None,) * len(y) if rule.outputs else None
        kept = rule.kept(slots)
        differentiated = slots if len(slots) < 4 else frozenset(slots)
        for i, arg in enumerate(args):
            if i in differentiated:
                if not kept >> i + 1 & 1:
                    args[i] = Spec(arg.shape, arg.dtype) if rule.typed else None
            elif type(arg) is not float:
                args[i] = _saved(arg, kept >> i + 1 & 1, y.dtype if rule.promotes else None)
        if kwargs:
            kwargs = {key: snapshot(value) for key, value in kwargs.items()}
        # The user's line, as cheaply as it can be had: resolved only when an error or a log asks for it.
        frame = sys._getframe(3)  # above apply() and the protocol or operator that called it
        while frame.f_back is not None and frame.f_code.co_filename[:_PREFIX] == _PACKAGE:
            frame = frame.f_back
        code, instruction = frame.f_code, frame.f_lasti
        if rule.outputs:
            return y, self._outputs(rule, slots, marks, args, kwargs, y, code, instruction)
        kept_y = y if kept & 1 else None
        # Node(...), without the cost of binding ten parameters.
        node = (rule, slots, marks, args, kwargs, kept_y, y.shape, y.dtype, code, instruction)
        self.tape.append(tuple.__new__(Node, node))
        return y, len(self.tape) - 1

    def _outputs(
        self,
        rule: Rule,
        slots: list[int],
        marks: list[int],
        saved: list[Any],
        kwargs: dict[str, Any],
        y: tuple[Any, ...],
        code: Any,
        instruction: int,
    ) -> tuple[int | None, ...]:
        """One node for an operator with several outputs, and one for each output that is differentiable."""
        specs = tuple(Spec(out.shape, out.dtype) for out in y)
        whole = len(self.tape)
        self.tape.append(Node(rule, slots, marks, saved, kwargs, (y, specs), (), np.dtype(float), code, instruction))
        places: list[int | None] = []
        for number, spec in enumerate(specs):
            if spec.dtype.kind not in "fc":
                places.append(None)
                continue
            places.append(len(self.tape))
            pick = Pick(specs)
            self.tape.append(Node(pick, (number,), (whole,), (), {}, None, spec.shape, spec.dtype, code, instruction))
        return tuple(places)

    def pull_back(
        self, seeds: Sequence[tuple[int, Any]], inputs: Sequence[int], tape: Sequence[Node] | None = None
    ) -> list[Any]:
        """Cotangents of the inputs for the given cotangents of outputs."""
        return backward(self.tape if tape is None else tape, seeds, inputs)


def promoted(arg: Any, dtype: np.dtype[Any]) -> Any:
    """A plain integer or boolean operand as the function itself saw it: promoted to the floats of the result.

    Partial derivatives do arithmetic on the operands. In their own dtype it could overflow, or not exist.
    """
    if (isinstance(arg, (np.ndarray, np.generic)) or is_traced(arg)) and arg.dtype.kind in "biu":
        return arg.astype(np.result_type(arg.dtype, dtype))
    return arg


def _saved(arg: Any, kept: int, dtype: np.dtype[Any] | None) -> Any:
    """What the tape keeps of an argument that is not differentiated: a snapshot, or its shape and dtype alone.

    With a dtype, integers are promoted to what the function made of them.
    """
    if type(arg) is np.ndarray:
        if not kept:
            return Spec(arg.shape, arg.dtype)
        if dtype is None or arg.dtype.kind in "fc":
            return arg.copy(order="K") if _writeable(arg) else arg
    # Even if the rule does not read it as an operand, it may be a parameter: an axis, an index.
    wide = arg if dtype is None else promoted(arg, dtype)
    return snapshot(arg) if wide is arg else wide
