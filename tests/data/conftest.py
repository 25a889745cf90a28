from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only file:// addresses through."""
    open_address = urllib.request.urlopen

    def local_only(url: str, **options: object) -> object:
        assert url.startswith("file://"), f"a test reached for {url}"
        return open_address(url, **options)

    monkeypatch.setattr(urllib.request, "urlopen", local_only)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TWOPASS_DATA", str(folder))
    return folder


@pytest.fixture
def real_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point the cache at real files of a data set, or skip the test when there are none on this machine."""

    def need(name: str) -> None:
        folder = Path(os.environ.get("TWOPASS_DATA") or root.parent / "shared" / "data")
        if not (folder / name).is_dir():
            pytest.skip(f"no files of {name}: set TWOPASS_DATA to a folder that holds {name}/")
        monkeypatch.setenv("TWOPASS_DATA", str(folder))

    return need


@pytest.fixture
def csv(tmp_path: Path) -> Callable[[str], Path]:
    """Write a text to a CSV file."""

    def write(text: str) -> Path:
        path = tmp_path / "toys.csv"
        path.write_bytes(text.encode())
        return path

    return write
