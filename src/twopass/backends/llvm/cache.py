"""Object code that is kept on disk, so that a program is compiled once on a machine and not once in a process.

**Where.** In the user's folder for caches, or in the folder that ``TWOPASS_CACHE`` names; ``TWOPASS_CACHE=off`` keeps
nothing.

**What may go wrong.** An entry is written beside its place and renamed, so that a reader, in this process or another,
finds all of it or nothing. It starts with a digest of the rest: one that is damaged is removed and made again. A cache
that cannot be read or written is as good as none: nothing here raises because of it.

**Trust.** What is found is executed. So the folder is the user's own and closed to others, and an entry that belongs to
anybody else, or that others may write to, is not used.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from twopass.backends.llvm.engine import version
from twopass.backends.llvm.target import Target
from twopass.files import TEMPORARY, write_atomically

__all__ = ["LIMIT", "folder", "key", "object_code"]

#: Bytes that the folder may hold; what has not been used for longest is removed first.
LIMIT = 256 << 20

#: What an entry starts with. The number counts changes of its format.
_MAGIC = b"twopass object 1\n"
_DIGEST = hashlib.sha256().digest_size
_SUFFIX = ".object"


def folder() -> Path | None:
    """Where entries are kept, or None if they are not."""
    chosen = os.environ.get("TWOPASS_CACHE", "").strip()
    if chosen.lower() == "off":
        return None
    if chosen:
        return Path(chosen) / "code"
    with contextlib.suppress(RuntimeError):  # no home
        return _caches() / "twopass" / "code"
    return None


def _caches() -> Path:
    """The platform's folder for what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def _generator() -> str:
    """A digest of the source that generates code: what another version of it made is not used."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted((*here.rglob("*.py"), *here.rglob("*.ll"))):
        digest.update(path.relative_to(here).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def key(parts: Iterable[str], target: Target) -> str:
    """The name of an entry: a digest of what the code does and of everything that generates it."""
    digest = hashlib.sha256()
    for part in (*parts, repr(target), version(), _generator()):
        digest.update(f"{len(part)}:".encode())
        digest.update(part.encode())
    return digest.hexdigest()


def object_code(parts: Iterable[str], target: Target, make: Callable[[], bytes]) -> tuple[bytes, bool]:
    """The object code of what `parts` describe: from the disk, or made and put there.

    Returns
    -------
    code : bytes
        The object file.
    found : bool
        Whether it was on the disk.
    """
    place = folder()
    if place is None:
        return make(), False
    path = place / (key(parts, target) + _SUFFIX)
    code = _read(path)
    if code is not None:
        return code, True
    code = make()
    _write(path, code)
    return code, False


def _is_ours(status: os.stat_result) -> bool:
    """Whether only this user can have written a file or folder."""
    if not hasattr(os, "getuid"):
        return True  # on Windows a user's folders are closed to others
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _read(path: Path) -> bytes | None:
    """An entry, if it is there, whole and ours; a damaged one is removed."""
    try:
        if not _is_ours(os.stat(path.parent)):
            return None
        with path.open("rb") as file:
            if not _is_ours(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    head = len(_MAGIC) + _DIGEST
    code = content[head:]
    if content[:head] != _MAGIC + hashlib.sha256(code).digest():
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used now: removed last
    return code


def _write(path: Path, code: bytes) -> None:
    """Put an entry in its place, and keep the folder within its limit."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_ours(os.stat(path.parent)):
            return
        # Not forced to the disk: what a crash of the machine damages is noticed by its digest.
        write_atomically(path, _MAGIC + hashlib.sha256(code).digest() + code, durable=False, mode=0o600)
        _shrink(path.parent)


def _shrink(place: Path) -> None:
    """Remove the entries that have not been used for longest, down to three quarters of the limit."""
    entries = []
    with os.scandir(place) as found:
        for entry in found:
            if entry.name.endswith((_SUFFIX, TEMPORARY)):
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    entries.append((status.st_mtime, status.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    if total <= LIMIT:
        return
    for _, size, path in sorted(entries):
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
        if total <= LIMIT * 3 // 4:
            return
