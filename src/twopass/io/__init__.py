"""Models in files: folders that are safe to load, ONNX and C to use them elsewhere, and those of other libraries.

`twopass.Trainer` saves itself to a model folder and loads itself from one. `export_onnx` and `export_c` write it for
other programs; `from_sklearn`, `read_weights` and `read_onnx` make networks of what other libraries have trained.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from twopass.io.model import Model, check_destination, load_model, save_model
from twopass.io.tensors import pack, unpack

if TYPE_CHECKING:
    from twopass.io.exports import CFiles, export_c, export_onnx
    from twopass.io.imports import from_sklearn, read_onnx, read_weights

__all__ = [
    "CFiles",
    "Model",
    "check_destination",
    "export_c",
    "export_onnx",
    "from_sklearn",
    "load_model",
    "pack",
    "read_onnx",
    "read_weights",
    "save_model",
    "unpack",
]

#: Where what training does not need is; it is imported when it is asked for.
_PLACES = {
    **dict.fromkeys(("CFiles", "export_c", "export_onnx"), "exports"),
    **dict.fromkeys(("from_sklearn", "read_onnx", "read_weights"), "imports"),
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'twopass.io' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"twopass.io.{_PLACES[name]}"), name)
    globals()[name] = found
    return found
