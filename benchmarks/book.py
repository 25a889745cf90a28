"""Three trainings that a well-known textbook prints, on the real data: ``python -m benchmarks.book [NAME ...]``.

A. Géron, Hands-On Machine Learning with Scikit-Learn, Keras and TensorFlow (2nd edition, 2019), chapter 10 and its
exercise 10. Each training has the book's network, initializer (Glorot, uniform), optimizer, learning rate, batch size,
number of epochs and split of the rows; the table shows the book's result beside twopass'. The data are looked for where
`twopass.data` keeps its downloads (the folder named by the environment variable TWOPASS_DATA); a missing data set is
named and left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Mapping

import numpy as np

import twopass as tp
from benchmarks.timing import table


@dataclasses.dataclass(frozen=True)
class Result:
    """One training beside the book's."""

    task: str
    measure: str
    book: str
    required: str
    found: float
    met: bool
    epochs: int
    seconds: float
    us_per_step: float


def _network(*units: int) -> tp.nn.Sequential:
    """Dense layers, all but the last with ReLU."""
    sizes = [(n, "relu") for n in units[:-1]] + [(units[-1], None)]
    return tp.nn.Sequential(
        *(tp.nn.Dense(n, activation=activation, weight_initializer="glorot_uniform") for n, activation in sizes)
    )


def _steps(history: dict[str, list[float]], rows: int, batch: int) -> int:
    return len(history["loss"]) * -(-rows // batch)


def fashion(seed: int) -> Result:
    """784-300-100-10 on Fashion-MNIST: SGD 0.01, 30 epochs of 55,000 images (chapter 10, first example)."""
    data = tp.data.load("fashion-mnist")
    x, y = data.x_train[5000:], data.y_train[5000:]
    trainer = tp.Trainer(
        _network(300, 100, 10),
        loss="softmax_cross_entropy",
        optimizer=tp.optim.SGD(learning_rate=0.01),
        metrics=("accuracy",),
        seed=seed,
    )
    start = time.perf_counter()
    history = trainer.fit(
        x, y, epochs=30, batch_size=32, validation_data=(data.x_train[:5000], data.y_train[:5000]), callbacks=[Line()]
    )
    seconds = time.perf_counter() - start
    accuracy = trainer.evaluate(data.x_test, data.y_test)["accuracy"]
    per_step = sum(history["seconds"]) / _steps(history, len(x), 32) * 1e6
    return Result(
        "Fashion-MNIST, 784-300-100-10",
        "test accuracy",
        ".8837, .8864",
        "0.88",
        accuracy,
        accuracy >= 0.88,
        30,
        seconds,
        per_step,
    )


def _california_rows() -> list[np.ndarray]:
    """Training, validation and test rows, split as the book splits them: by scikit-learn, with its seed 42."""
    from sklearn.model_selection import train_test_split  # twopass does not need it; this comparison does

    data = tp.data.load("california-housing")
    rows = np.arange(len(data.x_train) + len(data.x_test))
    kept, _, held, _ = tp.data.split(rows, rows, len(data.x_test))  # where the loader put each row of the census
    order = np.argsort(np.concatenate([kept, held]))
    x = np.concatenate([data.x_train, data.x_test])[order]
    y = np.concatenate([data.y_train, data.y_test])[order]
    x_full, x_test, y_full, y_test = train_test_split(x, y, random_state=42)
    x_train, x_valid, y_train, y_valid = train_test_split(x_full, y_full, random_state=42)
    return [x_train, y_train, x_valid, y_valid, x_test, y_test]


def california(seed: int) -> Result:
    """8-30-1 on California housing: SGD 1e-3, 20 epochs (chapter 10, regression)."""
    x, y, x_valid, y_valid, x_test, y_test = _california_rows()
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    scale = lambda rows: (rows - mean) / deviation  # noqa: E731 - one formula, used three times below
    trainer = tp.Trainer(
        _network(30, 1),
        loss="mean_squared_error",
        optimizer=tp.optim.SGD(learning_rate=1e-3),
        seed=seed,
    )
    start = time.perf_counter()
    history = trainer.fit(
        scale(x), y, epochs=20, batch_size=32, validation_data=(scale(x_valid), y_valid), callbacks=[Line()]
    )
    seconds = time.perf_counter() - start
    error = trainer.evaluate(scale(x_test), y_test)["loss"]
    per_step = sum(history["seconds"]) / _steps(history, len(x), 32) * 1e6
    return Result(
        "California housing, 8-30-1", "test MSE", ".4212", "0.45", error, error <= 0.45, 20, seconds, per_step
    )


def mnist(seed: int) -> Result:
    """784-300-100-10 on MNIST: SGD 0.3, early stopping with patience 20 (chapter 10, exercise 10).

    What is stopped on is the validation accuracy, as the accuracy is what is reported.
    """
    data = tp.data.load("mnist")
    x, y = data.x_train[5000:], data.y_train[5000:]
    trainer = tp.Trainer(
        _network(300, 100, 10),
        loss="softmax_cross_entropy",
        optimizer=tp.optim.SGD(learning_rate=0.3),
        metrics=("accuracy",),
        seed=seed,
    )
    start = time.perf_counter()
    stopping = tp.train.EarlyStopping(monitor="val_accuracy", patience=20, restore_best=True)
    history = trainer.fit(
        x,
        y,
        epochs=100,
        batch_size=32,
        validation_data=(data.x_train[:5000], data.y_train[:5000]),
        callbacks=[stopping, Line()],
    )
    seconds = time.perf_counter() - start
    accuracy = trainer.evaluate(data.x_test, data.y_test)["accuracy"]
    epochs = len(history["loss"])
    per_step = sum(history["seconds"]) / _steps(history, len(x), 32) * 1e6
    return Result(
        "MNIST, 784-300-100-10, early stopping",
        "test accuracy",
        ".9799 to .9806",
        "0.979",
        accuracy,
        accuracy >= 0.979,
        epochs,
        seconds,
        per_step,
    )


class Line(tp.train.Callback):
    """One line an epoch."""

    def on_epoch_end(self, run: tp.train.Run, record: Mapping[str, float]) -> None:
        """Print what the epoch achieved."""
        print(
            f"  epoch {run.epoch:3d}  " + "  ".join(f"{key} {value:.4f}" for key, value in record.items()), flush=True
        )


TRAININGS: dict[str, Callable[[int], Result]] = {"fashion": fashion, "california": california, "mnist": mnist}


def main() -> None:
    """Train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which trainings: {', '.join(TRAININGS)} (all)")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    unknown = set(options.names) - set(TRAININGS)
    if unknown:
        parser.error(f"unknown training {sorted(unknown)[0]!r}; there are {', '.join(TRAININGS)}")
    results = []
    for name in options.names or TRAININGS:
        print(f"{name}: {(TRAININGS[name].__doc__ or '').splitlines()[0]}")
        try:
            results.append(TRAININGS[name](options.seed))
        except tp.errors.DataError as error:
            print(f"  left out: {error}")
    rows = [
        [
            *(r.task, r.measure, r.book, r.required, f"{r.found:.4f}"),
            *("yes" if r.met else "NO", str(r.epochs), f"{r.seconds:.0f}", f"{r.us_per_step:.0f}"),
        ]
        for r in results
    ]
    header = ["training", "measure", "book", "required", "twopass", "met", "epochs", "seconds", "us a step"]
    print("\n" + table(header, rows))
    print(f"\nNumPy {np.__version__}; seed {options.seed}; seconds include validation.")


if __name__ == "__main__":
    main()
