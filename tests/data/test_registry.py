from __future__ import annotations

from pathlib import Path

import pytest

from twopass.data import DATASETS, load
from twopass.errors import ArgumentError, DataError


def test_load_finds_what_the_registry_lists() -> None:
    assert load("digits").name == "digits"


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(ArgumentError, match=r"no data set named 'fashion_mnist'.*Did you mean 'fashion-mnist'"):
        load("fashion_mnist")
    with pytest.raises(ArgumentError, match="Known names: california-housing, digits, fashion-mnist, mnist"):
        load("wine")


@pytest.mark.parametrize("name", [name for name, info in DATASETS.items() if info.files])
def test_offline_says_which_file_to_put_where(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(url: str, **options: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(DataError, match="no route to host") as caught:
        load(name)
    assert str(cache / DATASETS[name].files[0].path) in str(caught.value)
