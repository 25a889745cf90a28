"""Data frames: their columns are numbers, and the network remembers their names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.problems import line, regressor, same_bits
from twopass.errors import DataError, ModelError, NotFiniteError
from twopass.train import Trainer
from twopass.train.inputs import as_array

LIBRARIES = ["pandas", "polars", "pyarrow"]
NAMES = ["a", "b", "c"]


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param, reason=f"{request.param} is not installed")


def frame(library: Any, columns: dict[str, Any]) -> Any:
    return library.table(columns) if library.__name__ == "pyarrow" else library.DataFrame(columns)


def columns(names: list[str]) -> dict[str, Any]:
    x = dict(zip(NAMES, line()[0].T, strict=True))
    return {name: x.get(name, np.zeros(70)) for name in names}


def trained(library: Any) -> Trainer:
    trainer = regressor()
    trainer.fit(frame(library, columns(NAMES)), line()[1])
    return trainer


def test_frames_train_to_the_bits_of_arrays_and_are_remembered(library: Any) -> None:
    x, y = line()
    expected, trainer = regressor(), regressor()
    expected.fit(x, y)
    table = frame(library, {**columns(NAMES), "y": y})
    trainer.fit(table.select(NAMES) if library.__name__ != "pandas" else table[NAMES], table["y"])
    assert same_bits(trainer.params, expected.params)
    assert trainer.feature_names == NAMES and expected.feature_names is None
    predicted = trainer.predict(frame(library, columns(NAMES)))
    np.testing.assert_array_equal(predicted, expected.predict(x))
    np.testing.assert_array_equal(predicted, trainer.predict(x))  # arrays have no names to compare


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["b", "a", "c"], r"not in the order.*'a', 'b', 'c'\. .*x\[trainer\.feature_names\]"),
        (["a", "b"], r"x has no column 'c', which.*needs the columns 'a', 'b', 'c'"),
        (["a", "b", "cc"], r"x has no column 'c'.*There is 'cc', which it does not know"),
        (["a", "b", "c", "d"], r"x has the column 'd', which the network was not trained on"),
    ],
)
def test_other_columns_are_refused_by_name(library: Any, names: list[str], message: str) -> None:
    trainer, y = trained(library), line()[1]
    other = frame(library, columns(names))
    for use in (trainer.predict, lambda x: trainer.evaluate(x, y), lambda x: trainer.fit(x, y)):
        with pytest.raises(DataError, match=message):
            use(other)
    with pytest.raises(DataError, match=message):
        trainer.fit(frame(library, columns(NAMES)), y, validation_data=(other, y))


def test_names_are_saved_with_the_model(library: Any, tmp_path: Path) -> None:
    trained(library).save(tmp_path / "model")
    loaded = Trainer.load(tmp_path / "model")
    assert loaded.feature_names == NAMES
    with pytest.raises(DataError, match="not in the order"):
        loaded.predict(frame(library, columns(NAMES[::-1])))


def test_models_without_names_load_and_damaged_ones_do_not(tmp_path: Path) -> None:
    trainer = regressor()
    trainer.fit(*line())
    trainer.save(tmp_path / "model")
    assert Trainer.load(tmp_path / "model").feature_names is None
    for names, error in ((None, None), ("abc", ModelError), ([1, 2, 3], ModelError)):
        manifest = json.loads((tmp_path / "model" / "model.json").read_text())
        manifest["config"]["feature_names"] = names
        if names is None:
            del manifest["config"]["feature_names"]
        (tmp_path / "model" / "model.json").write_text(json.dumps(manifest))
        if error is None:
            assert Trainer.load(tmp_path / "model").feature_names is None
        else:
            with pytest.raises(error):
                Trainer.load(tmp_path / "model")


def test_columns_of_different_types_become_one_array(library: Any) -> None:
    mixed = frame(library, {"flag": [True, False], "count": [1, 2], "size": [0.5, 1.5]})
    np.testing.assert_array_equal(as_array(mixed, "x"), [[1, 1, 0.5], [0, 2, 1.5]])


def test_text_is_refused_with_its_column(library: Any) -> None:
    with pytest.raises(DataError, match=r"column 'colour' of x .*np\.unique|column 'colour' of x .*Encoder"):
        as_array(frame(library, {"size": [1.0, 2.0], "colour": ["red", "blue"]}), "x")


def test_missing_values_are_refused_with_their_row_and_column(library: Any) -> None:
    trainer = regressor()
    table = columns(NAMES)
    table["b"] = [None if row == 41 else float(value) for row, value in enumerate(table["b"])]
    with pytest.raises((NotFiniteError, DataError), match=r"row 41, column 1 \('b'\)|column 'b' of x.* row 41"):
        trainer.fit(frame(library, table), line()[1])


def test_nullable_columns_of_pandas() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]}).convert_dtypes()
    np.testing.assert_array_equal(as_array(table, "x"), [[1, 0.5, 1], [2, 1.5, 0]])
    np.testing.assert_array_equal(as_array(table["a"], "y"), [1, 2])
    with pytest.raises(DataError, match="has no value in row 1"):
        as_array(pandas.Series([1, None], dtype=object), "y")


def test_names_that_are_no_text_are_not_remembered() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    trainer = regressor()
    trainer.fit(pandas.DataFrame(line()[0]), line()[1])
    assert trainer.feature_names is None


def test_dates_are_refused() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    with pytest.raises(DataError, match="column 'day' of x is of dtype datetime64"):
        as_array(pandas.DataFrame({"day": pandas.to_datetime(["2020-01-01"])}), "x")


def test_lazy_frames_have_to_be_collected() -> None:
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    with pytest.raises(DataError, match=r"LazyFrame holds no values yet.*collect\(\)"):
        regressor().fit(polars.LazyFrame(columns(NAMES)), line()[1])
