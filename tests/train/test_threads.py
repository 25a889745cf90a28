"""Threads of NumPy's matrix products: one for small networks, as chosen otherwise, and back to what they were after."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import twopass as tp


def blas():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


class Look(tp.train.Callback):
    def on_batch_end(self, run):
        self.seen = blas()


@pytest.mark.parametrize(
    ("units", "threads", "expected"), [(8, None, 1), (8, 2, 2), (4000, None, "unchanged"), (4000, 1, 1)]
)
def test_threads_during_fit(units, threads, expected):
    before = blas()
    if not before:
        pytest.skip("NumPy's BLAS library is one that threadpoolctl does not know")
    look = Look()
    net = tp.nn.Sequential(tp.nn.Dense(units, weight_initializer="zeros"), tp.nn.Dense(1))
    options = {"seed": 0, "threads": threads, "backend": "numpy"}
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.01), **options)
    trainer.fit(np.ones((100, 200)), np.ones(100), epochs=1, batch_size=100)
    trainer.fit(np.ones((100, 200)), np.ones(100), epochs=1, batch_size=100, callbacks=[look])
    assert look.seen == (before if expected == "unchanged" else [expected] * len(before))
    assert blas() == before
