from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from twopass.data.download import RemoteFile, cache_folder, fetch
from twopass.errors import DataError

CONTENT = b"some rows" * 50_000


@pytest.fixture
def remote(tmp_path: Path) -> Callable[..., RemoteFile]:
    """A file on a "server" in a local folder."""

    def make(served: bytes | None = gzip.compress(CONTENT), content: bytes = CONTENT) -> RemoteFile:
        path = tmp_path / "server.gz"
        if served is not None:
            path.write_bytes(served)
        return RemoteFile("set/rows.gz", path.as_uri(), len(served or b""), hashlib.sha256(content).hexdigest())

    return make


def test_downloads_once_and_reports_progress(cache: Path, remote: Callable[..., RemoteFile]) -> None:
    file, seen = remote(), []
    assert fetch(file, progress=lambda *state: seen.append(state)) == CONTENT
    assert seen[-1] == ("rows.gz", file.size, file.size)
    assert [path.name for path in (cache / "set").iterdir()] == ["rows.gz"]
    assert fetch(file, progress=lambda *state: pytest.fail("downloaded twice")) == CONTENT


def test_keeps_nothing_of_a_wrong_download(cache: Path, remote: Callable[..., RemoteFile]) -> None:
    with pytest.raises(DataError, match=r"The SHA-256 of its content is [0-9a-f]{64} instead of"):
        fetch(remote(gzip.compress(b"other rows")))
    assert not cache.exists()


@pytest.mark.parametrize("served", [b"", b"<html>not found</html>", gzip.compress(CONTENT)[:-20]])
def test_refuses_what_cannot_be_decompressed(cache: Path, remote: Callable[..., RemoteFile], served: bytes) -> None:
    with pytest.raises(DataError, match="is damaged or another file"):
        fetch(remote(served))
    assert not cache.exists()


def test_names_a_damaged_file_in_the_cache(cache: Path, remote: Callable[..., RemoteFile]) -> None:
    file = remote()
    fetch(file)
    damaged = bytearray((cache / file.path).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (cache / file.path).write_bytes(damaged)
    with pytest.raises(DataError, match=r"rows\.gz is damaged or another file.* Delete it to download it again"):
        fetch(file)


def test_offline_names_the_file_its_place_and_its_source(cache: Path, remote: Callable[..., RemoteFile]) -> None:
    file = remote(served=None)
    with pytest.raises(DataError) as caught:
        fetch(file)
    for part in ("rows.gz is not in the cache folder", str(cache / "set" / "rows.gz"), file.url, "TWOPASS_DATA"):
        assert part in str(caught.value)


def test_a_cache_that_cannot_be_read_is_named(
    remote: Callable[..., RemoteFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    monkeypatch.setenv("TWOPASS_DATA", str(tmp_path / "taken"))
    with pytest.raises(DataError, match=r"cannot be read: Not a directory.*TWOPASS_DATA"):
        fetch(remote())


def test_a_cache_that_cannot_be_written_is_named(
    cache: Path, remote: Callable[..., RemoteFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("twopass.data.download.write_atomically", refuse)
    with pytest.raises(DataError, match=r"cannot be written: Permission denied.*TWOPASS_DATA"):
        fetch(remote())


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOPASS_DATA", "chosen")
    monkeypatch.setenv("XDG_CACHE_HOME", "platform")
    assert cache_folder() == Path("chosen")
    monkeypatch.delenv("TWOPASS_DATA")
    assert cache_folder() == Path("platform/twopass")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "twopass"
