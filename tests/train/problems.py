"""Small training problems that the tests of this room share."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass import nn, optim, tree
from twopass.train import Trainer


def two_moons(count: int = 130, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that no line separates."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    angle = np.pi * rng.random(count)
    x = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.4 * label], axis=1)
    return x + 0.1 * rng.normal(size=x.shape), label


def line(count: int = 70, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """A linear function of three inputs, with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3))
    return x, x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=count)


def classifier(**options: Any) -> Trainer:
    """A net with dropout and normalisation, an optimizer with everything."""
    net = nn.Sequential(
        nn.Dense(12, activation="tanh"), nn.BatchNorm(), nn.Dropout(0.2), nn.Dense(6, activation="relu"), nn.Dense(2)
    )
    optimizer = optim.chain(
        optim.clip_by_global_norm(5.0),
        optim.NAdam(optim.schedules.cosine_decay(0.02, steps=100)),
        optim.reduce_on_plateau(factor=0.5, patience=0),
        optim.moving_average(0.9),
    )
    return Trainer(net, "softmax_cross_entropy", optimizer, **{"metrics": ["accuracy"], "seed": 3, **options})


def regressor(learning_rate: float = 0.05, **options: Any) -> Trainer:
    """One dense layer."""
    return Trainer(nn.Dense(1), "mean_squared_error", optim.SGD(learning_rate), **{"seed": 5, **options})


def same_bits(one: Any, other: Any) -> bool:
    """Whether two trees hold the same numbers, bit for bit."""
    pairs = zip(tree.leaves(one), tree.leaves(other), strict=True)
    return tree.structure(one) == tree.structure(other) and all(
        np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs
    )
