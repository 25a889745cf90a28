"""The exceptions that twopass raises, and how their messages are built.

::

    TwopassError
    ├── DifferentiationError            a derivative was asked for that does not exist or is not supported
    │   ├── UnsupportedOperatorError    (also TypeError)   no rule for this NumPy function, or this spelling of it
    │   ├── DetachedError               (also TypeError)   traced values were about to become plain numbers
    │   ├── LeakedTraceError            a traced array was used after its trace had ended
    │   ├── GaugeError                  (also ArithmeticError)   a result depends on the choice of eigenvectors
    │   └── GradientCheckError          (also AssertionError)   check_grads found a derivative that is off
    ├── CaptureError                    (also TypeError)   a function that cannot be compiled as it is written
    │   └── UnknownShapeError           a shape in it depends on values
    ├── ArgumentError                   (also ValueError)  a wrong argument to a public function
    ├── ShapeError                      (also ValueError)  shapes that do not fit together
    ├── ConvergenceError                (also ArithmeticError)   an equation that was not solved
    ├── NotFiniteError                  (also ArithmeticError)   NaN or infinity, found in training or by debug
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
from collections.abc import Callable, Iterable
from types import CodeType, FrameType

__all__ = [
    "BUFFER",
    "ArgumentError",
    "CaptureError",
    "ConvergenceError",
    "DataError",
    "DetachedError",
    "DifferentiationError",
    "GaugeError",
    "GradientCheckError",
    "LeakedTraceError",
    "MissingLibraryError",
    "ModelError",
    "NotFiniteError",
    "ShapeError",
    "TwopassError",
    "UnknownShapeError",
    "UnsupportedOperatorError",
    "compose",
    "is_user_file",
    "location",
    "name_of",
    "spelled",
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


class GaugeError(DifferentiationError, ArithmeticError):
    """A result depends on what a decomposition leaves open (the basis of an eigenspace), and has no derivative."""


class GradientCheckError(DifferentiationError, AssertionError):
    """`check_grads` found a derivative that disagrees with its numerical reference."""


class CaptureError(TwopassError, TypeError):
    """A function that is being compiled did what needs the values of arrays, which differ from call to call."""


class UnknownShapeError(CaptureError):
    """While a function is captured: a result has a shape that depends on values."""


class ArgumentError(TwopassError, ValueError):
    """A wrong argument to a public function."""


class ShapeError(TwopassError, ValueError):
    """Arrays whose shapes do not fit together."""


class ConvergenceError(TwopassError, ArithmeticError):
    """An iteration that has not come to its end, or a solution that does not solve its equation."""


class NotFiniteError(TwopassError, ArithmeticError):
    """A NaN or an infinity where training, or a derivative in `twopass.debug`, cannot go on."""


class DataError(TwopassError, ValueError):
    """A data set or file that cannot be used as asked."""


class ModelError(TwopassError, ValueError):
    """A saved model that is damaged, foreign, or written by a newer version."""


class MissingLibraryError(TwopassError, ImportError):
    """An optional library that is not installed; the message says what to install."""


#: What to write instead of ``b = np.zeros(n); b[i] = traced``.
BUFFER = "make the array with tp.zeros(n) or np.zeros_like(x, shape=n), or build it with np.stack([...])"
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
#: Frames of these libraries are never "the user's line".
_LIBRARIES = (
    os.sep + os.path.join("numpy", ""),
    os.sep + os.path.join("scipy", ""),
    os.path.join("site-packages", "sklearn", ""),
)
#: Below these frames there is no user's line: a command was typed.
_COMMAND_LINE = os.path.join(_PACKAGE, "cli", "")


@functools.lru_cache(maxsize=1024)
def is_user_file(filename: str) -> bool:
    """Whether a source file is the user's: not of twopass, NumPy, SciPy, or scikit-learn, which calls estimators."""
    return not (filename.startswith(_PACKAGE) or any(library in filename for library in _LIBRARIES))


def _is_users(frame: FrameType) -> bool:
    """Whether a frame is the user's; a method that `dataclasses` has generated belongs to its module."""
    filename = frame.f_code.co_filename
    generated = filename == "<string>" and frame.f_globals.get("__name__", "").startswith(f"{__package__}.")
    return is_user_file(filename) and not generated


def user_frame(depth: int = 1) -> FrameType | None:
    """The innermost frame, from `depth` callers up, that is neither twopass' nor a library's; None for a command."""
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


def name_of(function: Callable[..., object]) -> str:
    """The name of a NumPy function, ufunc or operator as users write it, without the ``np.``.

    Examples
    --------
    >>> import numpy as np
    >>> name_of(np.tanh), name_of(np.linalg.norm)
    ('tanh', 'linalg.norm')
    """
    module = getattr(function, "__module__", None) or "numpy"
    name = getattr(function, "__name__", repr(function))
    parts = [part for part in module.split(".")[1:] if not part.startswith("_")]
    return ".".join([*parts, name]) if module.startswith("numpy") else name


def spelled(function: Callable[..., object]) -> str:
    """A function as users write it, with its library.

    Examples
    --------
    >>> import numpy as np
    >>> spelled(np.tanh)
    'np.tanh'
    """
    name = name_of(function)
    numpy, special = sys.modules["numpy"], sys.modules.get("scipy.special")
    public = name.lstrip("_")
    if special is None or not isinstance(function, numpy.ufunc) or getattr(numpy, name, None) is function:
        return f"np.{name}"
    return f"scipy.special.{public}" if hasattr(special, public) else f"the ufunc {name}"
