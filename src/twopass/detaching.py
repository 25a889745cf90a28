"""Errors for what would make a plain array of a traced one, and what to write instead.

Functions of other libraries that are Python code begin with ``np.asarray``. Which of them the user called, the stack
tells.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import NoReturn

import numpy as np

from twopass.errors import BUFFER, DetachedError, compose, is_user_file

__all__ = ["refuse_detaching", "refuse_plain_array"]

_LOST = "would turn a traced array into a plain one and lose its derivative"


def refuse_detaching(what: str) -> NoReturn:
    """Raise because `what` would lose a derivative."""
    instead = (
        "Use NumPy functions on it. To assign into an array (b[i] = x), or in the place of np.array of a list, "
        f"{BUFFER}. If no derivative should flow, say tp.stop_gradient(x)."
    )
    raise DetachedError(compose(f"{what} {_LOST}", instead=instead))


def refuse_plain_array() -> NoReturn:
    """Raise because something asked for the ndarray in a traced array."""
    frame = _called()
    if frame is None:
        refuse_detaching("np.array, np.asarray, or assignment into a plain ndarray")
    what, instead = _advice(frame)
    raise DetachedError(compose(f"{what} {_LOST}", instead=instead))


def _called() -> FrameType | None:
    """The frame of the function of SciPy, or of np.vectorize, that the user's code has called."""
    outermost: FrameType | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not is_user_file(frame.f_code.co_filename):
        if frame.f_globals.get("__name__", "").startswith("scipy.") or _vectorizes(frame):
            outermost = frame
        frame = frame.f_back
    return outermost


def _vectorizes(frame: FrameType) -> bool:
    return isinstance(frame.f_locals.get("self"), np.vectorize)


def _advice(frame: FrameType) -> tuple[str, str]:
    """What was called, and what to write instead."""
    if _vectorizes(frame):
        return "np.vectorize", "Write np.stack([f(v) for v in x]), or the function itself with operations on arrays."
    room, name = ".".join(frame.f_globals["__name__"].split(".")[:2]), _name(frame)
    instead = "Pass it tp.stop_gradient(x), or give the function a derivative with tp.custom_rule."
    if room == "scipy.special":
        from twopass import special

        if name in special.__all__:
            instead = f"Write twopass.special.{name}, which takes the same arguments."
    elif room == "scipy.stats":
        from twopass import stats

        owner = frame.f_locals.get("self")
        owner = getattr(owner, "dist", owner)  # of a frozen distribution
        distribution = getattr(owner, "name", None) or type(owner).__name__.removesuffix("_gen")
        if distribution in stats.__all__:
            name = f"{distribution}.{name}"
            instead = f"Write twopass.stats.{name}, which takes the same arguments."
    elif hasattr(getattr(np, room.removeprefix("scipy."), None), name):
        instead = f"Write np.{room.removeprefix('scipy.')}.{name}."
    return f"{room}.{name}" if name else f"a function of {room}", instead


def _name(frame: FrameType) -> str:
    """The name of the function that a frame runs; of a wrapper, that of what it wraps; empty if it has none."""
    name = frame.f_code.co_name
    if name.startswith("__") or name == "wrapper":
        wrapped = frame.f_locals.get("method", frame.f_locals.get("f"))
        name = getattr(wrapped, "__name__", "").strip("_")
    return name
