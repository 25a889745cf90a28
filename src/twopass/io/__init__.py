"""Models in files that are safe to load."""

from __future__ import annotations

from twopass.io.model import Model, check_destination, load_model, save_model
from twopass.io.tensors import pack, unpack

__all__ = ["Model", "check_destination", "load_model", "pack", "save_model", "unpack"]
