"""Where a NaN or an infinity first appears: `debug`.

While it is on, the differentiating functions open traces that keep a log of all operations. When a result, or a
derivative, is not a number, the log is followed back to the operation that made it so. Only what reaches the result is
looked at, so that ``np.where(x > 0, np.log(x), 0)`` is no alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from twopass import errors
from twopass.api.blame import Log, Search, Step, explain_exception, of_gradient, of_tangent, of_value
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
class Watch(Search):
    """What to look for, and the traces that can tell where it comes from."""

    def forward(self) -> ForwardTrace:
        """A forward-mode trace with a log."""
        return _LoggedForward(self)

    def reverse(self) -> ReverseTrace:
        """A reverse-mode trace with a log."""
        return _LoggedReverse(self)

    def check(self, trace: Any, leaves: Sequence[Any], marks: Sequence[Any]) -> None:
        """Raise if a result of a function, or its tangent, is what is looked for."""
        for leaf in leaves:
            if self.holds(leaf):
                raise NotFiniteError(of_value(self, trace, leaf))
        for mark in marks:
            if self.holds(mark):
                raise NotFiniteError(of_tangent(self, trace, mark))


class _Logged:
    """What the two kinds of logged traces share."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self.search = search
        self.log = Log()

    def record(
        self, rule: Rule, args: list[Any], kwargs: dict[str, Any], slots: list[int], marks: list[Any]
    ) -> tuple[Any, Any]:
        given, directions = list(args), list(marks)
        frame = errors.user_frame(2)
        where = None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
        try:
            y, mark = super().record(rule, args, kwargs, slots, marks)  # type: ignore[misc]
        except Exception as error:
            explain_exception(self.log, rule, given, where, error)
            raise
        outputs, places = (tuple(y), tuple(mark)) if rule.outputs else ((y,), (mark,))
        self.log.add(Step(rule, given, kwargs, list(slots), directions, outputs, where), places)
        return y, mark


class _LoggedForward(_Logged, ForwardTrace):
    """A forward-mode trace with a log."""


class _LoggedReverse(_Logged, ReverseTrace):
    """A reverse-mode trace with a log, which also looks at gradients."""

    def pull_back(self, seeds: Sequence[tuple[int, Any]], inputs: Sequence[int]) -> list[Any]:
        found = super().pull_back(seeds, inputs)
        for index, gradient in zip(inputs, found, strict=True):
            if self.search.holds(gradient):
                raise NotFiniteError(of_gradient(self, seeds, index))
        return found
