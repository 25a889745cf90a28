"""What is decided about the columns of a table."""

from __future__ import annotations

import json

import numpy as np
import pytest

from twopass.data import Encoder, Flag, Group, Moment, Quantity, Table, TableFile, prepare
from twopass.data.survey import Survey

RNG = np.random.default_rng(0)
N = 3000
X = RNG.normal(size=N)
COLUMNS = {
    "x": X,
    "tail": np.exp(3 * RNG.normal(size=N)),
    "hole": np.where(RNG.random(N) < 0.2, np.nan, X),
    "kind": RNG.choice(["a", "b", "c"], N),
    "many": np.array([f"v{min(int(k), 40)}" for k in RNG.zipf(1.5, N)]),
    "sold": RNG.choice(["yes", "no"], N),
    "day": (np.datetime64("2025-01-01") + RNG.integers(0, 700, N)).astype(str),
    "same": np.zeros(N),
    "never": np.full(N, np.nan),
    "id": np.arange(N, dtype=float),
}


def toys(**more: np.ndarray) -> Table:
    return Table({**COLUMNS, "y": X * 2 + RNG.normal(size=N), **more}, "toys.csv")


def test_each_column_is_what_its_values_are() -> None:
    encoder = prepare(TableFile(toys()), "y").encoder
    kinds = {feature.name: type(feature) for feature in encoder.features}
    assert kinds == {
        "x": Quantity, "tail": Quantity, "hole": Quantity, "kind": Group, "many": Group, "sold": Flag, "day": Moment
    }  # fmt: skip
    assert {column.name: column.why for column in encoder.left_out} == {
        "same": "every row holds 0",
        "never": "every value is missing",
        "id": "it numbers the rows",
    }
    features = {feature.name: feature for feature in encoder.features}
    assert features["hole"].indicator and not features["x"].indicator
    assert features["tail"].deviation is not None and features["x"].deviation is None
    assert features["day"].phases == ("year", "week")
    assert features["many"].rare
    assert set(features["many"].known).isdisjoint(features["many"].others)


def test_it_is_all_data() -> None:
    prepared = prepare(TableFile(toys()), "y")
    again = Encoder.from_config(json.loads(json.dumps(prepared.encoder.config(), allow_nan=False)))
    assert again == prepared.encoder
    assert np.array_equal(again.inputs(toys()), prepared.encoder.inputs(toys()))


def test_rows_are_split_once_and_read_in_chunks() -> None:
    table = toys(y=np.where(X > 0, "up", "down"))
    whole, pieces = (prepare(TableFile(table, chunk=size), "y") for size in (1 << 30, 5000))
    assert whole.encoder == pieces.encoder
    assert np.array_equal(np.sort(np.concatenate(whole.parts)), np.arange(N))
    for (x, y), (x_again, y_again) in zip(
        whole.arrays(TableFile(table)), pieces.arrays(TableFile(table, chunk=5000)), strict=True
    ):
        assert np.array_equal(x, x_again) and np.array_equal(y, y_again)
        assert x.dtype == np.float32 and np.isfinite(x).all()
        assert y.mean() == pytest.approx((X > 0).mean(), abs=0.01)


def test_rows_without_a_target_are_left_out() -> None:
    y = np.where(np.arange(N) < 500, np.nan, X)
    prepared = prepare(TableFile(toys(y=y)), "y", drop=["x", "hole"])
    assert min(part.min() for part in prepared.parts) == 500
    assert prepared.remarks[0] == "500 rows have no value in 'y'; left out"


def test_inputs_that_are_many_are_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = prepare(TableFile(toys()), "y").arrays(TableFile(toys()))
    monkeypatch.setattr("twopass.data.preparing._LARGEST", 10_000)
    found = prepare(TableFile(toys()), "y").arrays(TableFile(toys()))
    assert isinstance(found[0][0], np.memmap)
    assert np.array_equal(found[0][0], expected[0][0])


def test_inputs_fit_into_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    table = toys(wide=np.array([f"w{i % 200}" for i in range(N)]))
    most = prepare(TableFile(table), "y").encoder.n_inputs
    monkeypatch.setattr("twopass.data.preparing._BUDGET", 4 * N * 100)
    fewer = prepare(TableFile(table), "y").encoder
    assert fewer.n_inputs <= 100 < most
    wide = next(feature for feature in fewer.features if feature.name == "wide")
    assert len(wide.known) + len(wide.others) == 200


def test_a_survey_samples_rows_at_random_in_their_order() -> None:
    table = Table({"a": np.arange(10_000.0), "y": np.zeros(10_000)}, "toys.csv")
    survey = Survey.of(TableFile(table, chunk=1000), "y", size=1000)
    assert len(survey) == 10_000 and len(survey.sample) == 1000
    assert survey.sample.columns["a"].tolist() == survey.sampled.tolist() == sorted(survey.sampled.tolist())
    assert survey.sampled.mean() == pytest.approx(5000, abs=500)
    assert (survey.columns["a"].low, survey.columns["a"].high) == (0, 9999)


@pytest.mark.parametrize("rows", [300, 4000])
def test_numbers_of_small_tables_are_standardised(rows: int) -> None:
    rng = np.random.default_rng(0)
    columns = {"x": rng.normal(5, 2, rows), "wild": rng.normal(size=rows), "y": rng.normal(size=rows)}
    columns["wild"][:2] = 1e9, -1e300
    prepared = prepare(TableFile(Table(columns, "toys.csv")), "y", validation=None)
    x, wild = prepared.encoder.features
    own = columns["x"][prepared.parts[0]]
    if rows == 300:
        assert (x.center, x.scale, x.reach) == (pytest.approx(own.mean()), pytest.approx(own.std()), 10.0)
        assert abs(wild.center) < 0.1 and 0.9 < wild.scale < 1.2  # what is far out counts little
    else:
        assert (x.center, x.reach) == (pytest.approx(np.median(own)), 3.0)
        assert x.scale == pytest.approx(np.subtract(*np.quantile(own, (0.75, 0.25))))
    inputs = prepared.arrays(TableFile(Table(columns, "toys.csv")))[0][0]
    assert np.isfinite(inputs).all()


@pytest.mark.parametrize("values", [[0.0] * 60 + [1.0, 2, 3] * 4, [1e308, -1e308] * 36, [1e-300] * 30 + [2e-300] * 42])
def test_numbers_without_a_spread_are_still_scaled(values: list[float]) -> None:
    columns = {"x": np.array(values), "y": np.random.default_rng(0).normal(size=72)}
    prepared = prepare(TableFile(Table(columns, "toys.csv")), "y", validation=None)
    (x,) = prepared.encoder.features
    assert np.isfinite([x.center, x.scale]).all() and x.scale > 0
    assert np.isfinite(x.inputs(Table(columns, "toys.csv"))).all()
