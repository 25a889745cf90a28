"""What every test may use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import twopass

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Compiled code of the tests stays out of the user's cache, and old code out of the tests."""
    os.environ.setdefault("TWOPASS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def environment(_own_cache: None) -> dict[str, str]:
    """The environment of a child process that imports the same twopass as this one."""
    package_folder = str(Path(twopass.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [package_folder, inherited]))}


@pytest.fixture(scope="session")
def run_python(environment: dict[str, str]) -> Callable[..., str]:
    """Run a program in a fresh interpreter and give what it printed."""

    def run(program: str, *arguments: str) -> str:
        command = [sys.executable, "-W", "error", "-c", program, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def real_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point the cache at real files of a data set, or skip the test when there are none on this machine."""

    def need(name: str) -> None:
        folder = Path(os.environ.get("TWOPASS_DATA") or root.parent / "shared" / "data")
        if not (folder / name).is_dir():
            pytest.skip(f"no files of {name}: set TWOPASS_DATA to a folder that holds {name}/")
        monkeypatch.setenv("TWOPASS_DATA", str(folder))

    return need
