from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from twopass.data import download


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only file:// addresses through."""
    open_address = download.urllib.request.urlopen

    def local_only(url: str, **options: object) -> object:
        assert url.startswith("file://"), f"a test reached for {url}"
        return open_address(url, **options)

    monkeypatch.setattr(download.urllib.request, "urlopen", local_only)


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
