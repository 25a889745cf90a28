"""Files that are there completely or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["TEMPORARY", "replacing", "sync_folder", "write_atomically"]

#: What the names of unfinished files end with; one that is left belongs to a process that was killed.
TEMPORARY = ".partial"


def write_atomically(path: Path, content: bytes, *, durable: bool = True, mode: int = 0o666) -> None:
    """Write a file, creating its folder when needed.

    Whoever looks, even after a crash of the process or the machine, finds the old content or the new one: the new one
    is written beside it, forced to the disk, and put in place by a rename.

    Parameters
    ----------
    path : Path
        Which file.
    content : bytes
        What it will hold.
    durable : bool
        Whether to force it to the disk, which takes milliseconds. Without, a crash of the machine (not of the process)
        may leave something else.
    mode : int
        Who may do what with the file, as far as the umask leaves it.

    Raises
    ------
    OSError
        When the folder or the file cannot be written; the old content is then untouched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes", "a.txt")
    ...     write_atomically(path, b"one")
    ...     write_atomically(path, b"two")
    ...     path.read_bytes(), len(list(path.parent.iterdir()))
    (b'two', 1)
    """
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(content)


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Write a file piece by piece, as `write_atomically` does: it is in its place when the block ends.

    Raises
    ------
    OSError
        As `write_atomically`. After any exception the old content is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}{TEMPORARY}")
    try:
        with open(unfinished, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can (Windows does it by itself)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
