from __future__ import annotations

import os
from pathlib import Path

import pytest

from twopass.files import write_atomically


def test_the_content_is_on_the_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1])
    write_atomically(tmp_path / "a.txt", b"new")
    assert calls == ["fsync", "replace", "fsync"]


def test_what_can_be_made_again_is_not_forced_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: pytest.fail("forced to the disk"))
    write_atomically(tmp_path / "a.txt", b"new", durable=False)
    assert (tmp_path / "a.txt").read_bytes() == b"new"


def test_a_private_file_is_private_from_the_beginning(tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("this system has no permissions of this kind")
    write_atomically(tmp_path / "a.txt", b"", mode=0o600)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "a.txt").write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a.txt", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"old"}


def test_files_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode
