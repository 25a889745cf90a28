"""Files from public addresses: downloaded once, verified by SHA-256, kept in a cache folder."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twopass.errors import DataError, compose
from twopass.files import write_atomically

__all__ = ["Progress", "RemoteFile", "cache_folder", "fetch"]

#: Called with the file's name, the bytes received so far, and the bytes in total (None when the server does not say).
Progress = Callable[[str, int, "int | None"], None]

_TIMEOUT = 30.0  # seconds without an answer
_CHUNK = 1 << 16


def _unchanged(content: bytes) -> bytes:
    return content


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file that a data set is read from.

    Parameters
    ----------
    path : str
        Where it is kept, relative to the cache folder.
    url : str
        Where it is downloaded from.
    size : int
        Bytes to download, for people to know beforehand.
    sha256 : str
        Of what `decode` gives, so that neither the compression nor the layout of the file matters.
    decode : callable
        From the bytes of the file to those that the data set is made of.
    unpack : callable
        From the bytes that are downloaded to those that are kept.
    """

    path: str
    url: str
    size: int
    sha256: str
    decode: Callable[[bytes], bytes] = gzip.decompress
    unpack: Callable[[bytes], bytes] = _unchanged


def cache_folder() -> Path:
    """Where data sets are kept: ``$TWOPASS_DATA``, or ``twopass`` in ``$XDG_CACHE_HOME`` or in ``~/.cache``."""
    if chosen := os.environ.get("TWOPASS_DATA"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "twopass"


def fetch(file: RemoteFile, progress: Progress | None = None) -> bytes:
    """Return the verified content of a file, downloading it into the cache folder when it is not there yet.

    Raises
    ------
    DataError
        When the file cannot be downloaded or is not what its SHA-256 says; the message names the place to put it.
    """
    path = cache_folder() / file.path
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        received = _download(file, path, progress)
        stored, content = _verified(received, file, file.url, file.unpack)
        _store(path, stored)
        return content
    except OSError as error:
        raise DataError(_unusable(path, "read", error)) from error
    return _verified(stored, file, str(path))[1]


def _download(file: RemoteFile, path: Path, progress: Progress | None) -> bytes:
    import http.client  # here, because these two are slow to import and seldom needed
    import urllib.request

    try:
        with urllib.request.urlopen(file.url, timeout=_TIMEOUT) as response:
            return _read(response, path.name, progress)
    except (OSError, http.client.HTTPException) as error:
        what = f"{path.name} is not in the cache folder and could not be downloaded"
        instead = f"Check the network, or put it at {path} yourself (it comes from {file.url}), or set TWOPASS_DATA."
        raise DataError(compose(what, why=f"The reason: {error}.", instead=instead)) from error


def _read(response: Any, name: str, progress: Progress | None) -> bytes:
    length = response.headers.get("Content-Length")
    total = int(length) if length else None
    received = bytearray()
    while chunk := response.read(_CHUNK):
        received += chunk
        if progress is not None:
            progress(name, len(received), total)
    if total is not None and len(received) != total:
        raise ConnectionError(f"the connection ended after {len(received)} of {total} bytes")
    return bytes(received)


def _verified(
    received: bytes, file: RemoteFile, origin: str, unpack: Callable[[bytes], bytes] = _unchanged
) -> tuple[bytes, bytes]:
    """The bytes to keep and their content, if the content is the expected one."""
    try:
        stored = unpack(received)
        content = file.decode(stored)
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
        raise DataError(_damaged(origin, f"It cannot be read: {error}.")) from error
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise DataError(_damaged(origin, f"The SHA-256 of its content is {found} instead of {file.sha256}."))
    return stored, content


def _damaged(origin: str, why: str) -> str:
    instead = "Delete it to download it again." if "://" not in origin else "Try again; nothing was kept."
    return compose(f"{origin} is damaged or another file", why=why, instead=instead)


def _unusable(path: Path, participle: str, error: OSError) -> str:
    instead = f"Point TWOPASS_DATA at a folder that can be {participle}."
    return compose(f"{path} cannot be {participle}: {error.strerror}", instead=instead)


def _store(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DataError(_unusable(path, "written", error)) from error
