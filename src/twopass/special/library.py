"""SciPy, which only some users have."""

from __future__ import annotations

import importlib
from typing import Any

from twopass.errors import MissingLibraryError, compose

__all__ = ["scipy_special"]


def scipy_special(what: str) -> Any:
    """The module ``scipy.special``, which `what` needs.

    Raises
    ------
    MissingLibraryError
        When SciPy is not installed.
    """
    try:
        return importlib.import_module("scipy.special")
    except ImportError as error:
        message = compose(f"{what} needs SciPy, which is not installed", instead="Run: pip install scipy")
        raise MissingLibraryError(message) from error
