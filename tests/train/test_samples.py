"""What is accepted as a data set, what is refused and why, and how batches are made of it."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.problems import classifier, line, regressor, same_bits, two_moons
from twopass import nn, optim
from twopass.errors import ArgumentError, DataError, NotFiniteError, ShapeError, TwopassError
from twopass.train import Trainer
from twopass.train.samples import as_samples

FLOAT32 = np.dtype(np.float32)


@given(count=st.integers(1, 40), size=st.integers(1, 50), seed=st.integers(0, 9))
def test_batches_partition_the_samples(count: int, size: int, seed: int) -> None:
    samples = as_samples(np.arange(2 * count).reshape(count, 2), np.arange(count), None, FLOAT32)
    order = np.random.default_rng(seed).permutation(count)
    for given_order in (None, order):
        batches = list(samples.batches(size, FLOAT32, given_order))
        assert [len(y) for _, y, _ in batches[:-1]] == [size] * (len(batches) - 1)
        seen = np.concatenate([y for _, y, _ in batches])
        np.testing.assert_array_equal(seen, np.arange(count) if given_order is None else order)
        np.testing.assert_array_equal(np.concatenate([x for x, _, _ in batches])[:, 0], 2 * seen)


@given(count=st.integers(2, 60), fraction=st.floats(0.01, 0.99))
def test_a_split_is_disjoint_and_complete(count: int, fraction: float) -> None:
    samples = as_samples(np.zeros((count, 1)), np.arange(count), None, FLOAT32)
    kept, held_out = samples.split(fraction, seed=0)
    assert len(kept) >= 1
    assert len(held_out) >= 1
    rows = [y for part in (kept, held_out) for _, target, _ in part.batches(7, FLOAT32) for y in target]
    assert sorted(rows) == list(range(count))


def test_batches_are_read_only_copies_in_the_trainers_dtype() -> None:
    x, y, weight = np.ones((4, 2)), np.ones(4), np.ones(4)
    samples = as_samples(x, y, weight, FLOAT32)
    for positions in (slice(0, 2), np.array([1, 3])):
        for part in samples.batch(positions, FLOAT32):
            assert part.dtype == np.float32
            assert not part.flags.writeable
            assert not any(np.shares_memory(part, source) for source in (x, y, weight))
    assert as_samples(x, np.array([0, 1, 0, 1]), None, FLOAT32).batch(slice(0, 2), FLOAT32)[1].dtype.kind == "i"


class Table:
    """As much of a data frame as is used."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.columns = [f"column {chr(97 + i)}" for i in range(array.shape[1])]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.array


@pytest.mark.parametrize("kind", ["list", "table", "float32", "fortran", "big-endian", "strided", "memmap"])
def test_array_likes_train_to_the_same_bits(kind: str, tmp_path: Path) -> None:
    x, y = line()
    x = x.astype(np.float32).astype(np.float64)  # so that no kind loses digits
    expected = regressor()
    expected.fit(x, y, epochs=2)
    made: Any = {
        "list": lambda: x.tolist(),
        "table": lambda: Table(x),
        "float32": lambda: x.astype(np.float32),
        "fortran": lambda: np.asfortranarray(x),
        "big-endian": lambda: x.astype(">f8"),
        "strided": lambda: np.repeat(x, 2, axis=0)[::2],
        "memmap": lambda: np.memmap(tmp_path / "x", np.float64, "w+", shape=x.shape),
    }[kind]()
    if kind == "memmap":
        made[:] = x
    trainer = regressor()
    trainer.fit(made, y.tolist() if kind == "list" else y, epochs=2)
    assert same_bits(trainer.params, expected.params)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames(library: str) -> None:
    frames = pytest.importorskip(library, reason=f"{library} is not installed")
    x, y = line()
    expected, trainer = regressor(), regressor()
    expected.fit(x, y)
    trainer.fit(frames.DataFrame({name: x[:, i] for i, name in enumerate("abc")}), frames.Series(y))
    assert same_bits(trainer.params, expected.params)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_memory_map_is_never_copied_as_a_whole(order: str, tmp_path: Path) -> None:
    x = np.memmap(tmp_path / "x", np.float64, "w+", shape=(20_000, 500), order=order)  # type: ignore[call-overload]
    y = np.zeros(len(x))
    trainer = Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(0.1), seed=0)
    tracemalloc.start()
    try:
        trainer.fit(x, y, batch_size=500, validation_split=0.2)
        trainer.predict(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.nbytes == 80_000_000
    assert peak < 25_000_000


def bad(row: int, column: int, value: float) -> np.ndarray:
    x = line()[0].copy()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (bad(41, 2, np.nan), line()[1], NotFiniteError, "x is nan in row 41, column 2"),
        (bad(0, 0, -np.inf), line()[1], NotFiniteError, "x is -inf in row 0, column 0"),
        (
            bad(3, 1, 1e300),
            line()[1],
            NotFiniteError,
            r"x is 1e\+300 in row 3, column 1, too large for float32.*float64",
        ),
        (Table(bad(3, 1, np.nan)), line()[1], NotFiniteError, r"column 1 \('column b'\)"),
        (line()[0], bad(7, 0, np.nan)[:, 0], NotFiniteError, "y is nan in row 7"),
        (line()[0][:-1], line()[1], ShapeError, "x has 69 rows and y has 70"),
        (line()[0], line()[1][:, None].repeat(2, 1), ShapeError, r"\(.*, 1\).*\(.*, 2\)"),
        (np.zeros((0, 3)), np.zeros(0), DataError, "x has no rows"),
        ([["a", "b"]], [1.0], DataError, r"x is of dtype <U1.*np\.unique"),
        ([[1.0, 2.0], [3.0]], [1.0, 2.0], DataError, "cannot be made an array.*same length"),
        (np.zeros((2, 3), complex), np.zeros(2), DataError, "complex128"),
        (np.array([[None, 1.0]]), [1.0], DataError, "dtype object"),
        (3.0, [1.0], DataError, "x is a float"),
        (None, [1.0], DataError, "x is a NoneType"),
    ],
)
def test_bad_data_is_refused_before_training(x: Any, y: Any, error: Any, message: str) -> None:
    trainer = regressor()
    with pytest.raises(error, match=message):
        trainer.fit(x, y)
    assert trainer.history == {}


def test_float64_takes_what_float32_cannot() -> None:
    trainer = regressor(1e-290, dtype="float64")
    trainer.fit(bad(3, 1, 1e140), line()[1])
    assert np.isfinite(trainer.history["loss"][0])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(130) == 7, 2, two_moons()[1]), "classes from 0 to 1, got 2"),
        (two_moons()[1] - 1, "classes from 0 to 1, got -1"),
        (two_moons()[1] + 0.5, "the target has dtype"),
        (np.array(["cat", "dog"])[two_moons()[1]], r"y is of dtype <U3.*np\.unique\(y"),
        (two_moons()[1][:, None].repeat(3, 1), "shape"),
    ],
)
def test_targets_that_are_no_classes_are_refused_before_training(y: Any, message: str) -> None:
    trainer = classifier()
    with pytest.raises(TwopassError, match=message):
        trainer.fit(two_moons()[0], y)
    assert trainer.history == {}


def test_a_loss_that_is_no_number_is_refused() -> None:
    trainer = Trainer(nn.Dense(1), lambda p, t: (p[:, 0] - t) ** 2, optim.SGD(0.1))
    with pytest.raises(ShapeError, match=r"the loss gives an array of shape \(70,\).*np\.mean"):
        trainer.fit(*line())


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (np.ones(69), ShapeError, "x has 70 rows and sample_weight has 69"),
        (np.ones((70, 1)), ShapeError, r"shape \(70, 1\)"),
        (-np.ones(70), ArgumentError, "negative"),
        (np.zeros(70), ArgumentError, "only zeros"),
        (np.full(70, np.nan), NotFiniteError, "sample_weight is nan in row 0"),
    ],
)
def test_bad_weights_are_refused(weight: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        regressor().fit(*line(), sample_weight=weight)


def test_a_loss_that_takes_no_weights_gets_none() -> None:
    trainer = Trainer(nn.Dense(1), lambda p, t: np.mean((p[:, 0] - t) ** 2), optim.SGD(0.1))
    with pytest.raises(ArgumentError, match="sample_weight is given, and the loss does not take it"):
        trainer.fit(*line(), sample_weight=np.ones(70))


def test_metrics_that_do_not_fit_are_found_before_training() -> None:
    trainer = regressor(metrics=["accuracy"])
    with pytest.raises(ArgumentError, match="the target must be classes"):
        trainer.fit(*line())
    assert trainer.history == {}


def test_samples_of_another_shape_are_refused() -> None:
    trainer = regressor()
    trainer.fit(*line())
    for use in (lambda: trainer.fit(np.ones((5, 4)), np.ones(5)), lambda: trainer.predict(np.ones((5, 4)))):
        with pytest.raises(ShapeError, match=r"shape \(4,\), and the network was made for \(3,\)"):
            use()


def test_a_first_fit_that_fails_decides_nothing() -> None:
    trainer, (x, y) = regressor(), line()
    with pytest.raises(ShapeError):
        trainer.fit(x.T, y)
    with pytest.raises(ShapeError):
        trainer.fit(x[:, :2], np.ones((70, 2)))
    trainer.fit(x, y)
    assert trainer.input_shape == (3,)


def test_several_inputs() -> None:
    net = nn.Graph(lambda net, x: net.left(x[0]) + net.right(x[1]), left=nn.Dense(1), right=nn.Dense(1))
    trainer = Trainer(net, "mean_squared_error", optim.SGD(0.05), seed=0, dtype="float64")
    x, y = line()
    history = trainer.fit((x[:, :1], x[:, 1:]), y, epochs=60)
    assert history["loss"][-1] < 0.05
    assert trainer.predict((x[:, :1], x[:, 1:])).shape == (70, 1)
    with pytest.raises(ShapeError, match="x has 70 rows and x has 69"):
        trainer.fit((x[:, :1], x[1:, 1:]), y)
