"""Trainings on real data reach what is required of them; the long ones are run by hand: `python -m benchmarks.book`."""

from __future__ import annotations

import numpy as np

import twopass as tp
from benchmarks import book


def test_california_housing(real_files):
    real_files("california-housing")
    result = book.california(seed=42)
    assert result.met, f"test MSE {result.found:.4f}"


def test_fashion_mnist_begins_well(real_files):
    """Two of the thirty epochs, on a third of the images."""
    real_files("fashion-mnist")
    data = tp.data.load("fashion-mnist")
    net = tp.nn.Sequential(tp.nn.Dense(300, activation="relu"), tp.nn.Dense(100, activation="relu"), tp.nn.Dense(10))
    trainer = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.05), metrics=["accuracy"], seed=42)
    trainer.fit(data.x_train[::3], data.y_train[::3], epochs=2, batch_size=32)
    assert trainer.evaluate(data.x_test, data.y_test)["accuracy"] > 0.8


def test_the_rows_of_the_census_are_in_their_own_order(real_files):
    """The book's split is that of the whole table, so the loader's own split must be undone."""
    real_files("california-housing")
    x_train, *_ = rows = book._california_rows()
    assert [len(part) for part in rows[::2]] == [11610, 3870, 5160]
    data = tp.data.load("california-housing")
    assert np.isin(x_train[:, 0], np.concatenate([data.x_train, data.x_test])[:, 0]).all()
