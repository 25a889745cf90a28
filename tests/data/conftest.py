from __future__ import annotations

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
def csv(tmp_path: Path) -> Callable[[str], Path]:
    """Write a text to a CSV file."""

    def write(text: str) -> Path:
        path = tmp_path / "toys.csv"
        path.write_bytes(text.encode())
        return path

    return write
