"""Histograms in their weights."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules.against import agrees, fails_alike

RNG = np.random.default_rng(3)
X = np.concatenate([RNG.normal(size=40), [-1.0, 0.0, 1.0, 1.0]])
W = RNG.normal(size=44)


def test_weights():
    for bins, limits in ((5, None), (5, (-1.0, 1.0)), ([-1.0, 0.0, 1.0], None)):
        agrees(lambda w: np.histogram(X, bins, limits, weights=w)[0].round(12), W, derivatives=False)  # noqa: B023
        tp.check_grads(lambda w: np.histogram(X, bins, limits, weights=w)[0], (W,))  # noqa: B023
    tp.check_grads(lambda w: np.histogram(X, 4, density=True, weights=w)[0], (np.abs(W),))
    tp.check_grads(lambda w: np.histogram(X, 4, weights=w)[0], (W + 1j,))
    assert tp.vjp(lambda w: np.histogram(X, 4, weights=w)[0], W.astype(np.float32))[0].dtype == np.float32


def test_errors():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"np\.histogram of a traced array"):
        tp.grad(lambda x: np.histogram(x, 4, weights=W)[0][0])(X)
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"stop_gradient"):
        tp.grad(lambda x: np.histogram(X, np.stack([x[0], x[1]]), weights=W)[0][0])(np.array([0.0, 1.0]))
    fails_alike(lambda w: np.histogram(X, 4, weights=w), W[:3])
    fails_alike(lambda w: np.histogram(X, "auto", weights=w), W)
