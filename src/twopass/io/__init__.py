"""Models in files that are safe to load."""

from __future__ import annotations

from twopass.io.model import Model, load_model, save_model
from twopass.io.tensors import pack, unpack

__all__ = ["Model", "load_model", "pack", "save_model", "unpack"]
