"""Object code on disk: found again, checked, bounded, and never in the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from twopass.backends.llvm import cache
from twopass.backends.llvm.target import target

TARGET = target("generic")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWOPASS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "code"


class Maker:
    """Counts how often code is made."""

    def __init__(self, code: bytes = b"code" * 100) -> None:
        self.code, self.count = code, 0

    def __call__(self) -> bytes:
        self.count += 1
        return self.code


def get(make: Maker, name: str = "program") -> tuple[bytes, bool]:
    return cache.object_code([name], TARGET, make)


def test_code_is_made_once() -> None:
    make = Maker()
    assert get(make) == (make.code, False)
    assert get(make) == (make.code, True)
    assert make.count == 1


def test_another_program_or_target_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {cache.key(["a"], TARGET), cache.key(["b"], TARGET), cache.key(["a"], target("avx2"))}
    keys |= {cache.key(["a", ""], TARGET), cache.key(["", "a"], TARGET)}
    monkeypatch.setattr(cache, "version", lambda: "another LLVM")
    keys.add(cache.key(["a"], TARGET))
    monkeypatch.setattr(cache, "_generator", lambda: "another version of the generator")
    keys.add(cache.key(["a"], TARGET))
    assert len(keys) == 7


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: b"", lambda c: c[:60] + b"X" + c[61:], lambda c: c + b"X"]
)
def test_damaged_code_is_made_again(damage: Any, folder: Path) -> None:
    make = Maker()
    get(make)
    (entry,) = folder.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))
    assert get(make) == (make.code, False)
    assert get(make) == (make.code, True)


def test_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOPASS_CACHE", "off")
    make = Maker()
    get(make)
    get(make)
    assert make.count == 2
    assert cache.folder() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "{0}/twopass/code"),
        ("linux", "HOME", "{0}/.cache/twopass/code"),
        ("darwin", "HOME", "{0}/Library/Caches/twopass/code"),
        ("win32", "LOCALAPPDATA", "{0}/twopass/code"),
    ],
)
def test_the_platforms_folder(platform: str, variable: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TWOPASS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, "/somewhere")
    assert cache.folder() == Path(expected.format("/somewhere"))


def test_the_folder_is_the_users_alone_whatever_the_umask(folder: Path) -> None:
    if not hasattr(os, "getuid"):
        pytest.skip("this system has no permissions of this kind")
    before = os.umask(0o002)
    try:
        get(Maker())
    finally:
        os.umask(before)
    (entry,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert get(Maker())[1]


@pytest.mark.parametrize("which", ["folder", "entry"])
def test_what_others_may_write_is_not_executed(which: str, folder: Path) -> None:
    if not hasattr(os, "getuid"):
        pytest.skip("this system has no permissions of this kind")
    make = Maker()
    get(make)
    (entry,) = folder.iterdir()
    (folder if which == "folder" else entry).chmod(0o777)
    assert get(make)[1] is False


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TWOPASS_CACHE", str(tmp_path / "file"))
    make = Maker()
    assert get(make) == (make.code, False)
    assert get(make) == (make.code, False)


def test_no_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> Path:
        raise RuntimeError("could not determine home directory")

    for name in ("TWOPASS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lost)
    assert get(Maker())[1] is False


def test_the_folder_stays_within_its_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 10_000)
    for number in range(30):
        get(Maker(bytes(1000)), f"program {number}")
        for entry in folder.iterdir():  # older by a second than what comes next
            os.utime(entry, (entry.stat().st_mtime - 1,) * 2)
        get(Maker(), "program 0")  # used again and again
        assert sum(entry.stat().st_size for entry in folder.iterdir()) <= 10_000
    kept = Maker()
    assert get(kept, "program 0")[1] and get(kept, "program 29")[1] and not get(kept, "program 5")[1]


def test_an_error_in_the_generator_is_not_hidden() -> None:
    def fail() -> bytes:
        raise RuntimeError("bad code")

    with pytest.raises(RuntimeError, match="bad code"):
        cache.object_code(["x"], TARGET, fail)


def test_several_processes_at_once(environment: dict[str, str], folder: Path) -> None:
    program = """
import sys
from twopass.backends.llvm import cache
from twopass.backends.llvm.target import target
for number in range(100):
    name, content = f"{number % 5}", f"{number % 5}".encode() * 5000
    code, found = cache.object_code([name], target("generic"), lambda: content)
    assert code == content
"""
    command = [sys.executable, "-W", "error", "-c", program]
    variables = {**environment, "TWOPASS_CACHE": str(folder.parent)}
    processes = [subprocess.Popen(command, env=variables) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 5
