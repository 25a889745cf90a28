"""The exceptions that twopass raises, and how their messages are built.

::

    TwopassError
    ├── DifferentiationError            a derivative was asked for that does not exist or is not supported
    │   ├── UnsupportedOperatorError    (also TypeError)   no rule for this NumPy function, or this spelling of it
    │   ├── DetachedError               (also TypeError)   traced values were about to become plain numbers
    │   ├── LeakedTraceError            a traced array was used after its trace had ended
    │   └── GradientCheckError          (also AssertionError)   check_grads found a derivative that is off
    ├── CaptureError                    (also TypeError)   a function that cannot be compiled as it is written
    ├── ArgumentError                   (also ValueError)  a wrong argument to a public function
    ├── ShapeError                      (also ValueError)  shapes that do not fit together
    ├── NotFiniteError                  (also ArithmeticError)   NaN or infinity where training cannot go on
    ├── DataError                       (also ValueError)  a data set or file that cannot be used as asked
    ├── ModelError                      (also ValueError)  a saved model that is damaged, foreign or too new
    └── MissingLibraryError             (also ImportError)  a library that only some users need is not installed

Every message says **what** happened, **where** (file and line of the user's code, when known), **why**, and
**what to write instead**; `compose` joins those parts in that order.
"""

from __future__ import annotations

import difflib
import functools
import os
import sys
from collections.abc import Iterable
from types import CodeType, FrameType

__all__ = [
    "ArgumentError",
    "CaptureError",
    "DataError",
    "DetachedError",
    "DifferentiationError",
    "GradientCheckError",
    "LeakedTraceError",
    "MissingLibraryError",
    "ModelError",
    "NotFiniteError",
    "ShapeError",
    "TwopassError",
    "UnsupportedOperatorError",
    "compose",
    "is_user_file",
    "location",
    "unknown_name",
    "user_frame",
    "user_location",
]


class TwopassError(Exception):
    """Base of every exception that twopass raises on purpose."""


class DifferentiationError(TwopassError):
    """A derivative was asked for that does not exist or is not supported."""


class UnsupportedOperatorError(DifferentiationError, TypeError):
    """A NumPy function without a differentiation rule, or a spelling of it that the rule does not cover."""


class DetachedError(DifferentiationError, TypeError):
    """Traced values were about to be turned into plain numbers, which would lose the derivative."""


class LeakedTraceError(DifferentiationError):
    """A traced array was used after the function that it was traced in had returned."""


class GradientCheckError(DifferentiationError, AssertionError):
    """`check_grads` found a derivative that disagrees with its numerical reference."""


class CaptureError(TwopassError, TypeError):
    """A function that is being compiled did what needs the values of arrays, which differ from call to call."""


class ArgumentError(TwopassError, ValueError):
    """A wrong argument to a public function."""


class ShapeError(TwopassError, ValueError):
    """Arrays whose shapes do not fit together."""


class NotFiniteError(TwopassError, ArithmeticError):
    """A NaN or an infinity where training cannot go on."""


class DataError(TwopassError, ValueError):
    """A data set or file that cannot be used as asked."""


class ModelError(TwopassError, ValueError):
    """A saved model that is damaged, foreign, or written by a newer version."""


class MissingLibraryError(TwopassError, ImportError):
    """An optional library that is not installed; the message says what to install."""


_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: Frames of these libraries are never "the user's line".
_LIBRARIES = (os.sep + os.path.join("numpy", ""), os.path.join("site-packages", "sklearn", ""))
#: Below these frames there is no user's line: a command was typed.
_COMMAND_LINE = os.path.join(_PACKAGE, "cli", "")


@functools.lru_cache(maxsize=1024)
def is_user_file(filename: str) -> bool:
    """Whether a source file belongs to neither twopass nor NumPy, nor to scikit-learn, which calls the estimators."""
    return not (filename.startswith(_PACKAGE) or any(library in filename for library in _LIBRARIES))


def _is_users(frame: FrameType) -> bool:
    """Whether a frame is the user's; a method that `dataclasses` has generated belongs to its module."""
    filename = frame.f_code.co_filename
    generated = filename == "<string>" and frame.f_globals.get("__name__", "").startswith(f"{__package__}.")
    return is_user_file(filename) and not generated


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame, from `depth` callers up, that is neither twopass' nor NumPy's; None for a command."""
    frame: FrameType | None = sys._getframe(depth)
    while frame is not None and not _is_users(frame):
        frame = None if frame.f_code.co_filename.startswith(_COMMAND_LINE) else frame.f_back
    return frame


def location(code: CodeType, instruction: int) -> str:
    """``file:line`` of an instruction offset (``frame.f_lasti``) in a code object."""
    line: int | None = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end:
            line = number
    return f"{code.co_filename}:{line}"


def user_location() -> str | None:
    """``file:line`` of the user's code that is running now, or None outside any."""
    frame = user_frame(2)
    return None if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def compose(what: str, *, where: str | None = None, why: str = "", instead: str = "") -> str:
    """Join the parts of a message: what, where, why, and what to write instead.

    Examples
    --------
    >>> print(compose("np.foo has no derivative", where="model.py:3", why="It counts.", instead="Write np.bar."))
    np.foo has no derivative (at model.py:3). It counts. Write np.bar.
    """
    where = where or user_location()
    head = f"{what} (at {where})." if where else f"{what}."
    return " ".join(part for part in (head, why, instead) if part)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that nothing has: the nearest one, then all of them.

    Examples
    --------
    >>> print(unknown_name("activation", "rely", ["tanh", "relu"]))
    there is no activation named 'rely' ... Did you mean 'relu'? Known names: relu, tanh.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return compose(f"there is no {kind} named {name!r}", instead=f"{hint}Known names: {', '.join(names)}.")
