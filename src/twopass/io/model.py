"""The model folder: ``model.json`` and the safetensors file that it names.

Neither file can hold code. The weights are named after their SHA-256, so a new model is written beside the old one and
takes its place at one instant, when ``model.json`` is replaced; a process that is killed at any moment leaves the old
model or the new one. One process at a time may write to a folder; any number may read it meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from twopass.errors import ArgumentError, ModelError, compose
from twopass.files import TEMPORARY, sync_folder, write_atomically

__all__ = ["Model", "check_destination", "load_model", "save_model"]

Array = np.ndarray[Any, np.dtype[Any]]

_FORMAT = "twopass model"
_FORMAT_VERSION = 1
_MANIFEST = "model.json"
_WEIGHTS = re.compile(r"weights-[0-9a-f]{16}\.safetensors")
_KINDS = "biuf"  # booleans, integers and floats


class Model(NamedTuple):
    """What a model folder holds.

    Parameters
    ----------
    tensors : dict of str to ndarray
        The numbers, by name.
    config : dict
        Everything else, as JSON gives it.
    """

    tensors: dict[str, Array]
    config: dict[str, Any]


def save_model(folder: str | os.PathLike[str], tensors: Mapping[str, Array], config: Mapping[str, Any]) -> None:
    """Write a model to a folder, in place of the model that may be there.

    Parameters
    ----------
    folder : path
        Created when it does not exist. Files other than a model's are never overwritten.
    tensors : mapping of str to ndarray
        Floats of 16, 32 or 64 bits, integers or booleans, of any shape.
    config : mapping
        What JSON can hold; NaN and infinities are not.

    Raises
    ------
    ArgumentError
        When a tensor or the config cannot be stored.
    ModelError
        When the folder holds other things than a model, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(folder, {"weight": np.ones((2, 3), np.float32)}, {"layers": [3]})
    ...     tensors, config = load_model(folder)
    >>> tensors["weight"].shape, config
    ((2, 3), {'layers': [3]})
    """
    folder = Path(folder)
    weights = _weights(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    name = f"weights-{digest[:16]}.safetensors"
    manifest = _manifest(name, digest, config)
    try:
        created = not folder.exists()
        check_destination(folder)
        write_atomically(folder / name, weights)
        write_atomically(folder / _MANIFEST, manifest)
        if created:
            sync_folder(folder.absolute().parent)
        _remove_leftovers(folder, name)
    except OSError as error:
        what = f"the model cannot be written: {error.strerror or error}"
        raise ModelError(compose(what, where=str(folder), instead="Choose another folder.")) from error


def _weights(tensors: Mapping[str, Array]) -> bytes:
    """The tensors in the safetensors format."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, np.ndarray) or tensor.dtype.kind not in _KINDS or tensor.itemsize > 8:
            kind = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
            what = f"the tensor {name!r} is of the kind {kind}, which cannot be stored"
            raise ArgumentError(compose(what, instead="Convert it to a NumPy array of floats, integers or booleans."))
    # safetensors stores the bytes as they lie in memory: row by row, and little-endian.
    plain = {name: np.asarray(tensor, tensor.dtype.newbyteorder("<"), order="C") for name, tensor in tensors.items()}
    return safetensors.save(plain)


def _manifest(name: str, digest: str, config: Mapping[str, Any]) -> bytes:
    content = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "weights": {"file": name, "sha256": digest},
        "config": config,
    }
    try:
        text = json.dumps(content, allow_nan=False, ensure_ascii=False, indent=1)
    except (TypeError, ValueError) as error:
        raise ArgumentError(compose(f"the config cannot be written as JSON: {error}")) from error
    return text.encode() + b"\n"


def check_destination(folder: str | os.PathLike[str]) -> None:
    """Check that `save_model` can write to a folder: that there is none yet, an empty one, or one with a model.

    Raises
    ------
    ModelError
        When it holds anything else, which a model would not replace, or nothing can be written there.
    """
    folder = Path(folder)
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        what = f"{existing} is {'a folder that cannot be written to' if existing.is_dir() else 'a file, not a folder'}"
        raise ModelError(compose(what, where=str(folder), instead="Choose another folder."))
    if existing is not folder:
        return
    strangers = sorted(path.name for path in folder.iterdir() if path.name != _MANIFEST and not _is_part(path.name))
    if strangers:
        listed = ", ".join(strangers[:3]) + (" ..." if len(strangers) > 3 else "")
        what = "the folder holds other things than a model"
        raise ModelError(compose(what, where=str(folder), why=f"There is {listed}.", instead="Choose another folder."))
    if (folder / _MANIFEST).exists():
        _read_manifest(folder)


def _is_part(name: str) -> bool:
    return bool(_WEIGHTS.fullmatch(name)) or (name.startswith(".") and name.endswith(TEMPORARY))


def _remove_leftovers(folder: Path, current: str) -> None:
    """Remove the weights of the model before, and what interrupted saves have left."""
    for path in folder.iterdir():
        if _is_part(path.name) and path.name != current:
            path.unlink(missing_ok=True)


def load_model(folder: str | os.PathLike[str]) -> Model:
    """Read a model from its folder, and check that it is the one that was written.

    Raises
    ------
    ModelError
        When there is no model, or it is damaged, not one of twopass, or written by a newer version.
    """
    folder = Path(folder)
    entry = _read_manifest(folder)
    while True:
        try:
            content = (folder / entry["weights"]["file"]).read_bytes()
            break
        except OSError as error:
            before, entry = entry, _read_manifest(folder)
            if entry == before:  # else the model has been replaced in between
                raise ModelError(_damaged(folder, f"The weights cannot be read: {error.strerror}.")) from error
    if hashlib.sha256(content).hexdigest() != entry["weights"]["sha256"]:
        raise ModelError(_damaged(folder, "The SHA-256 of the weights is not the one in model.json."))
    try:
        return Model(safetensors.load(content), entry["config"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelError(_damaged(folder, f"The weights are not in the safetensors format: {error}.")) from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    """The content of ``model.json``, checked."""
    try:
        content = json.loads((folder / _MANIFEST).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"there is no {_MANIFEST}" if folder.is_dir() else "there is no such folder"
        instead = "Give the folder that a model was saved to."
        raise ModelError(compose(what, where=str(folder), instead=instead)) from error
    except OSError as error:
        raise ModelError(compose(f"{_MANIFEST} cannot be read: {error.strerror}", where=str(folder))) from error
    except ValueError as error:
        raise ModelError(_damaged(folder, f"{_MANIFEST} is not JSON: {error}.")) from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ModelError(compose(f"{_MANIFEST} is not one of twopass", where=str(folder)))
    version = content.get("format_version")
    if not isinstance(version, int) or version > _FORMAT_VERSION:
        what = f"the model is of format version {version}, and this twopass reads up to {_FORMAT_VERSION}"
        raise ModelError(compose(what, where=str(folder), instead="Upgrade: pip install --upgrade twopass."))
    match content:
        case {"weights": {"file": str(name), "sha256": str()}, "config": dict()} if _WEIGHTS.fullmatch(name):
            return content
        case _:
            raise ModelError(_damaged(folder, f"{_MANIFEST} lacks the weights' name and SHA-256, or the config."))


def _damaged(folder: Path, why: str) -> str:
    return compose(
        "the model is damaged",
        where=str(folder),
        why=why,
        instead="Delete the folder, and train or copy the model again.",
    )
