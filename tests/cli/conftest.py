from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twopass.cli import main


@dataclasses.dataclass
class Outcome:
    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def twopass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TWOPASS_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        return Outcome(exit_.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the digits, trained briefly."""
    folder = tmp_path_factory.mktemp("models") / "digits-model"
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--epochs", "4", "--quiet", "--out", str(folder)])
    assert not exit_.value.code
    return folder


@pytest.fixture(scope="session")
def houses_table() -> str:
    """200 made-up houses: the price follows from the area and the district, `kind` from the area."""
    rng = np.random.default_rng(0)
    area = rng.uniform(40, 200, 200).round(1)
    district = rng.choice(["north", "south"], 200)
    price = (2000 * area + np.where(district == "north", 100_000, 0)).round()
    kind = np.where(area > 120, "villa", "flat")
    rows = [",".join(map(str, row)) for row in zip(area, district, price, kind, strict=True)]
    return "\n".join(["area,district,price,kind", *rows]) + "\n"


@pytest.fixture
def houses(tmp_path: Path, houses_table: str) -> Path:
    """The houses as a file."""
    path = tmp_path / "houses.csv"
    path.write_text(houses_table)
    return path


@pytest.fixture(scope="session")
def price_model(houses_table: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of the price of a house, from its area and district."""
    folder = tmp_path_factory.mktemp("prices")
    (folder / "houses.csv").write_text(houses_table)
    options = ["--target", "price", "--drop", "kind", "--epochs", "150", "--quiet", "--out", str(folder / "model")]
    with pytest.raises(SystemExit) as exit_:
        main(["train", str(folder / "houses.csv"), *options])
    assert not exit_.value.code
    return str(folder / "model")
