"""Other libraries, where they are installed: checks, and no dependencies."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import pytest

__all__ = ["peer"]

#: What Keras computes with, in the order in which it is taken.
_BACKENDS = ("torch", "jax", "tensorflow")


def peer(name: str) -> Any:
    """A library, or a skipped test; Keras with a backend that is installed."""
    if name == "keras" and "KERAS_BACKEND" not in os.environ:
        installed = [backend for backend in _BACKENDS if importlib.util.find_spec(backend)]
        if not installed:
            pytest.skip(f"none of {', '.join(_BACKENDS)} is installed, with which Keras computes")
        os.environ["KERAS_BACKEND"] = installed[0]
    return pytest.importorskip(name, reason=f"{name} is not installed (it is a check, not a dependency)")
