"""Columns of categories: how they are found and numbered, and that all of an estimator works with them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.utils._param_validation import InvalidParameterError

import twopass as tp
from twopass.data.vocabulary import automatic_size
from twopass.errors import ArgumentError, DataError
from twopass.io import load_model
from twopass.sklearn import MLPClassifier, MLPRegressor
from twopass.sklearn.categories import Categories

pandas = pytest.importorskip("pandas", reason="pandas is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

rng = np.random.default_rng(0)
N = 400
SHOPS = np.array([f"shop {number}" for number in rng.integers(0, 12, N)], object)
DAYS = rng.integers(0, 7, N)
SIZE = rng.normal(size=N)
EFFECT = dict(zip(np.unique(SHOPS).tolist(), rng.normal(size=12), strict=False))
Y = SIZE + np.array([EFFECT[shop] for shop in SHOPS]) + (DAYS > 4)
FRAME = pandas.DataFrame({"shop": SHOPS, "size": SIZE, "day": pandas.Categorical(DAYS)})
EMBEDDED: dict[str, Any] = {
    "categorical_features": "from_dtype",
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.01,
    "random_state": 0,
    "tol": 1e-2,
}


def regressor(**more: Any) -> MLPRegressor:
    return MLPRegressor(**{**EMBEDDED, **more})


@pytest.fixture(scope="module")
def fitted() -> MLPRegressor:
    return regressor().fit(FRAME, Y)


def test_what_is_learned(fitted: MLPRegressor) -> None:
    assert fitted.score(FRAME, Y) > 0.9
    assert fitted.is_categorical_.tolist() == [True, False, True]
    assert fitted.categories_[0].tolist() == sorted(set(SHOPS))
    assert fitted.categories_[1].tolist() == list(range(7))
    assert [vectors.shape for vectors in fitted.embeddings_] == [(14, 2), (9, 2)]
    assert fitted.coefs_[0].shape == (1 + 2 + 2, 16)
    assert fitted.n_features_in_ == 3
    assert fitted.feature_names_in_.tolist() == ["shop", "size", "day"]


def test_without_categories_nothing_changes() -> None:
    x = np.stack([SIZE, DAYS], axis=1)
    plain, other = MLPRegressor(max_iter=5, tol=1.0).fit(x, Y), regressor(max_iter=5, tol=1.0).fit(x, Y)
    assert plain.is_categorical_ is None and other.is_categorical_ is None
    assert not hasattr(other, "embeddings_")
    assert np.isfinite(other.gradient(x)).all()
    again = regressor(max_iter=3, tol=1.0).fit(FRAME, Y).set_params(categorical_features=None).fit(x, Y)
    assert again.is_categorical_ is None and not hasattr(again, "categories_") and not hasattr(again, "embeddings_")
    assert again.predict(x).shape == (N,)


@pytest.mark.parametrize(
    "given", ["from_dtype", ["shop", "day"], ["day", "shop"], [0, 2], [True, False, True], np.array([2, 0])]
)
def test_ways_to_name_the_columns(given: Any, fitted: MLPRegressor) -> None:
    np.testing.assert_array_equal(
        regressor(categorical_features=given).fit(FRAME, Y).predict(FRAME), fitted.predict(FRAME)
    )


def test_arrays_and_lists_hold_categories_too(fitted: MLPRegressor) -> None:
    rows = np.stack([SHOPS, SIZE, DAYS], axis=1).astype(object)
    model = regressor(categorical_features=[0, 2])
    for x in (rows, rows.tolist()):
        np.testing.assert_array_equal(clone(model).fit(x, Y).predict(x), fitted.predict(FRAME))
    numbers = np.stack([np.unique(SHOPS, return_inverse=True)[1] * 10 - 3, SIZE, DAYS], axis=1)
    assert model.fit(numbers, Y).categories_[0][:3].tolist() == [-3, 7, 17]
    assert model.fit(numbers.astype(np.float32), Y).coefs_[0].dtype == np.float32
    assert model.embeddings_[0].dtype == np.float32


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_of_other_libraries(library: str, fitted: MLPRegressor) -> None:
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    columns = {"shop": SHOPS.tolist(), "size": SIZE, "day": list(map(str, DAYS))}
    if library == "polars":
        frame = frames.DataFrame(columns).with_columns(frames.col("day").cast(frames.Categorical))
    else:
        frame = frames.table({**columns, "day": frames.array(columns["day"]).dictionary_encode()})
    model = regressor().fit(frame, Y)
    assert model.is_categorical_.tolist() == [True, False, True]
    assert model.categories_[1].tolist() == list("0123456")
    np.testing.assert_array_equal(model.predict(frame), fitted.predict(FRAME))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_without_names_are_those_of_the_frame(fitted: MLPRegressor) -> None:
    rows = np.stack([SHOPS, SIZE, DAYS], axis=1).astype(object)
    np.testing.assert_array_equal(fitted.predict(rows), fitted.predict(FRAME))


def test_categories_are_numbered() -> None:
    """Known ones in their order, then other ones, then missing values."""
    shops = pandas.DataFrame({"shop": ["b", "a", None, "b", "a", "once", "new"], "code": [2, 1, 2, 1, 7, np.nan, 3]})
    categories = Categories.learned(shops[:6], [0, 1], rare=2)
    assert [known.tolist() for known in categories.known] == [["a", "b"], [1, 2]]
    encoded = categories.encode(shops)
    assert encoded[:, 0].tolist() == [1, 0, 3, 1, 0, 2, 2]
    assert encoded[:, 1].tolist() == [1, 0, 1, 0, 2, 3, 2]
    assert [counts.tolist() for counts in categories.counts(encoded)] == [[2, 2, 2, 1], [2, 2, 2, 1]]


def test_new_and_missing_categories() -> None:
    """What no sample has had gets the mean vector; what comes once in a fit teaches what to make of new ones."""
    model = regressor(max_iter=3, tol=1.0).fit(FRAME, Y)
    vectors = model.embeddings_[0]
    counts = np.bincount(np.unique(SHOPS, return_inverse=True)[1])
    for row in (12, 13):
        np.testing.assert_allclose(vectors[row], np.average(vectors[:12], axis=0, weights=counts))
    new = FRAME[:3].assign(shop=["never seen", None, np.nan])
    assert np.isfinite(model.predict(new)).all()
    changed = FRAME.assign(shop=[None, "only here", *SHOPS[2:]])
    model = regressor(max_iter=3, tol=1.0).fit(changed, Y)
    assert "only here" not in model.categories_[0]
    assert not np.allclose(model.embeddings_[0][12], model.embeddings_[0][13])


def test_the_number_of_units() -> None:
    assert [automatic_size(n) for n in (1, 2, 16, 17, 10_000)] == [1, 2, 2, 3, 10]
    sizes = [(5, [5, 5]), ([3, 4], [3, 4]), (np.int64(1), [1, 1])]
    for given, wanted in sizes:
        model = regressor(embedding_size=given, max_iter=1, tol=1.0)
        model.fit(FRAME, Y)
        assert [vectors.shape[1] for vectors in model.embeddings_] == wanted


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_both_backends_agree(backend: str, fitted: MLPRegressor) -> None:
    np.testing.assert_allclose(
        regressor(backend=backend).fit(FRAME, Y).predict(FRAME), fitted.predict(FRAME), rtol=1e-6
    )


def test_equal_to_one_hot_columns() -> None:
    """An embedding of as many units as categories is a dense layer on one-hot columns: same function class."""
    model = regressor(solver="lbfgs", embedding_size=4, max_iter=2000, tol=1e-6, alpha=0.0)
    assert model.fit(FRAME, Y).score(FRAME, Y) > 0.99


def test_options_of_a_fit() -> None:
    x_valid, y_valid = FRAME[300:], Y[300:]
    kept = regressor(early_stopping=True, max_iter=60, validation_fraction=0.2).fit(FRAME, Y)
    assert kept.best_validation_score_ > 0.8
    given = regressor(early_stopping=True, scoring="r2", max_iter=60)
    given.fit(FRAME[:300], Y[:300], sample_weight=np.ones(300), validation_data=(x_valid, y_valid))
    assert given.best_validation_score_ == pytest.approx(max(given.validation_scores_))
    more = regressor(dropout=0.1, batch_norm=True, max_iter=3, tol=1.0).fit(FRAME, Y)
    assert [activations.shape for activations in more.hidden_activations(FRAME)] == [(N, 16)]
    assert len(more.norms_) == 1


def test_a_classifier() -> None:
    model = MLPClassifier(**EMBEDDED)
    assert cross_val_score(model, FRAME, np.where(Y > 0, "high", "low"), cv=2).mean() > 0.85
    model.fit(FRAME, (Y > 0).astype(int) + (Y > 1))
    assert model.predict_proba(FRAME).shape == (N, 3)


def test_partial_fit_and_warm_start() -> None:
    """The first samples decide what the categories are, those that come once included; what is new later is other."""
    model = regressor()
    model.partial_fit(FRAME[:20], Y[:20])
    assert model.categories_[0].tolist() == sorted(set(SHOPS[:20]))
    other = model.embeddings_[0][-2].copy()
    for start in range(20, N, 40):
        model.partial_fit(FRAME[start : start + 40], Y[start : start + 40])
    assert set(SHOPS) - set(SHOPS[:20])
    assert not np.allclose(model.embeddings_[0][-2], other)
    warm = regressor(warm_start=True, max_iter=2, tol=1.0, n_iter_no_change=1).fit(FRAME, Y)
    before = warm.loss_
    assert warm.fit(FRAME[:200].assign(shop="new"), Y[:200]).categories_[0].tolist() == sorted(set(SHOPS))
    assert warm.loss_ < 2 * before


def test_the_gradient_says_nothing_of_categories(fitted: MLPRegressor) -> None:
    gradient, step = fitted.gradient(FRAME), 1e-6
    assert np.isnan(gradient[:, [0, 2]]).all()
    moved = fitted.predict(FRAME.assign(size=SIZE + step)) - fitted.predict(FRAME.assign(size=SIZE - step))
    np.testing.assert_allclose(gradient[:, 1], moved / (2 * step), atol=1e-4)


def test_copies_and_files(fitted: MLPRegressor, tmp_path: Path) -> None:
    wanted = fitted.predict(FRAME)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(FRAME), wanted)
    np.testing.assert_array_equal(clone(fitted).fit(FRAME, Y).predict(FRAME), wanted)
    fitted.save(tmp_path / "model")
    again = MLPRegressor.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(FRAME), wanted)
    assert [a.tolist() for a in again.categories_] == [a.tolist() for a in fitted.categories_]
    again.partial_fit(FRAME, Y)
    fitted_again = pickle.loads(pickle.dumps(fitted)).partial_fit(FRAME, Y)
    np.testing.assert_array_equal(again.predict(FRAME), fitted_again.predict(FRAME))
    saved = load_model(tmp_path / "model").config["extra"]["estimator"]["categories"]
    assert saved["columns"] == [0, 2] and saved["values"][1] == list(range(7))
    net = tp.Trainer.load(tmp_path / "model")
    codes = np.asarray(Categories.of(fitted).encode(FRAME))
    np.testing.assert_allclose(net.predict(codes)[:, 0], wanted, rtol=1e-10)


def _with(**columns: Any) -> Any:
    return FRAME.assign(**columns)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.predict(FRAME[["size", "shop", "day"]]), ValueError, "feature names should match"),
        (lambda m: m.predict(FRAME[["shop", "size"]]), ValueError, "feature names should match"),
        (lambda m: m.predict(_with(shop=1.5)), DataError, "'shop' of X holds numbers, and text was learned from"),
        (lambda m: m.predict(_with(day="a")), DataError, "'day' of X holds text, and numbers were learned from"),
        (lambda m: m.fit(_with(shop=[3, *SHOPS[1:]]), Y), DataError, "'shop' of X mixes text, as 'shop"),
        (lambda m: m.fit(_with(shop=[(1,), *SHOPS[1:]]), Y), DataError, "mixes text|holds \\(1,\\)"),
        (lambda m: m.fit(_with(size=pandas.Timestamp("2026-01-01")), Y), DataError, "'size' of X is of dtype datetime"),
        (lambda m: m.set_params(categorical_features=["shop"]).fit(_with(size="x"), Y), DataError, "'size' of X holds"),
        (
            lambda m: m.set_params(categorical_features=["sop"]).fit(FRAME, Y),
            ArgumentError,
            "'sop', which is no column",
        ),
        (lambda m: m.set_params(categorical_features=["a"]).fit(np.ones((N, 2)), Y), ArgumentError, "X has none"),
        (lambda m: m.set_params(categorical_features=[3]).fit(FRAME, Y), ArgumentError, r"from 0 to 2, not \[3\]"),
        (lambda m: m.set_params(categorical_features=[-1]).fit(FRAME, Y), ArgumentError, "positions from 0 to 2"),
        (lambda m: m.set_params(categorical_features=[True]).fit(FRAME, Y), ArgumentError, "or a mask of 3 columns"),
        (lambda m: m.set_params(categorical_features="text").fit(FRAME, Y), InvalidParameterError, "from_dtype"),
        (lambda m: m.set_params(embedding_size=[1, 2, 3]).fit(FRAME, Y), ArgumentError, "3 entries, and there are 2"),
        (lambda m: m.set_params(embedding_size=[1, 0]).fit(FRAME, Y), ValueError, "units must be a whole number"),
        (
            lambda m: m.set_params(categorical_features=[0]).fit(scipy.sparse.eye_array(N, 3, format="csr"), Y),
            ArgumentError,
            "a sparse matrix has no columns of categories.*toarray",
        ),
        (lambda m: m.fit(_with(size=np.nan), Y), ValueError, "contains NaN"),
        (lambda m: m.set_params(categorical_features=[0]).fit(np.ones(N), Y), ValueError, "Expected 2D array"),
        (lambda m: m.set_params(categorical_features=[0]).fit(np.full((N, 2), np.inf), Y), DataError, "an infinity"),
    ],
)
def test_what_cannot_be_learned_from(call: Any, error: Any, message: str, fitted: MLPRegressor) -> None:
    with pytest.raises(error, match=message):
        call(pickle.loads(pickle.dumps(fitted)))


def test_text_without_categorical_features_says_what_to_write() -> None:
    with pytest.raises(ValueError, match="could not convert string") as raised:
        MLPRegressor().fit(FRAME, Y)
    assert 'categorical_features="from_dtype"' in raised.value.__notes__[0]
