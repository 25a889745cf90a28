"""Files that are there completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["TEMPORARY", "sync_folder", "write_atomically"]

#: What the names of unfinished files end with; one that is left belongs to a process that was killed.
TEMPORARY = ".partial"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file, creating its folder when needed.

    Whoever looks, even after a crash of the process or the machine, finds the old content or the new one: the new one
    is written beside it, forced to the disk, and put in place by a rename.

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
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}{TEMPORARY}")
    try:
        with unfinished.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk, where the system can (Windows does it by itself)."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
