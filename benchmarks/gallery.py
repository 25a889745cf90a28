"""The gallery of scikit-learn on multilayer perceptrons, with both classes: ``python -m benchmarks.gallery``.

Every example of scikit-learn 1.9's gallery that fits an `MLPClassifier` or `MLPRegressor` is a row here: its data, what
is done to them, and its settings. Both classes fit them, and their scores are compared.

One example fetches rentals of bicycles from OpenML. In its place stand the houses of California, with the settings that
it had when it was about them (scikit-learn 1.1). Data that are not on this machine are named and left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, StandardScaler

import twopass as tp
from benchmarks import page
from benchmarks.estimators import ROOMS, Missing
from benchmarks.timing import table

#: Scores may be this far apart; or by one sample, where there are so few that one counts more.
TOLERANCE = 0.02

Split = list[np.ndarray]  # inputs to train and to test on, targets to train and to test on


@dataclasses.dataclass(frozen=True)
class Example:
    """One file of the gallery.

    Parameters
    ----------
    name : str
        Of the file.
    estimator : str
        Of the class.
    data : mapping of str to callable
        What it is fitted to.
    scaler : callable
        Makes what is before the estimator in the pipeline.
    settings : tuple of dict
        The parameters of each fit.
    slow : bool
        Whether a fit lasts some seconds.
    """

    name: str
    estimator: str
    data: dict[str, Callable[[], Split]]
    scaler: Callable[[], Any]
    settings: tuple[dict[str, Any], ...]
    slow: bool = False


@dataclasses.dataclass
class Outcome:
    """The scores of one data set, in the order of the settings, and the seconds of all fits."""

    samples: int
    scores: dict[str, list[float]]
    seconds: dict[str, float]

    @property
    def apart(self) -> float:
        """The largest difference between both classes."""
        one, other = self.scores.values()
        return float(np.max(np.abs(np.subtract(one, other))))

    @property
    def agrees(self) -> bool:
        """Whether no difference is larger than allowed."""
        return self.apart <= max(TOLERANCE, 1 / self.samples) + 1e-9


# --- data -------------------------------------------------------------------------------------------------------------


def _split(x: np.ndarray, y: np.ndarray, test: float, seed: int) -> Split:
    return train_test_split(x, y, test_size=test, random_state=seed)


def _whole(x: np.ndarray, y: np.ndarray) -> Split:
    """Examples that score what they trained on."""
    return [x, x, y, y]


def _moons() -> tuple[np.ndarray, np.ndarray]:
    return datasets.make_moons(noise=0.3, random_state=0)


def _circles() -> tuple[np.ndarray, np.ndarray]:
    return datasets.make_circles(noise=0.2, factor=0.5, random_state=1)


def _separable(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two groups of points that a line parts, before they are shaken."""
    x, y = datasets.make_classification(
        n_features=2, n_redundant=0, n_informative=2, n_clusters_per_class=1, random_state=seed
    )
    return x + 2 * np.random.RandomState(2).uniform(size=x.shape), y


def _toys(seed: int) -> dict[str, Callable[[], Split]]:
    made = {"moons": _moons, "circles": _circles, "separable": functools.partial(_separable, seed)}
    return {name: lambda make=make: _split(*make(), 0.4, 42) for name, make in made.items()}


def _known(name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        data = tp.data.load(name)
    except tp.errors.DataError as error:
        raise Missing(f"{name}: {error}") from error
    x, y = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    return x.reshape(len(x), -1).astype(float), np.ravel(y)


def _mnist() -> Split:
    x, y = _known("mnist")
    return _split(np.rint(x * 255) / 255, y.astype(str), 0.7, 0)


def _california() -> Split:
    x, y = _known("california-housing")
    return _split(x, y - y.mean(), 0.1, 0)


# --- examples ---------------------------------------------------------------------------------------------------------


def _strategies(epochs: int) -> tuple[dict[str, Any], ...]:
    """Rates that stay or shrink, each without momentum, with it and with Nesterov's; and Adam."""
    momenta = ({"momentum": 0}, {"momentum": 0.9, "nesterovs_momentum": False}, {"momentum": 0.9})
    plain = {"solver": "sgd", "learning_rate_init": 0.2}
    made = [{**plain, "learning_rate": rate, **own} for rate in ("constant", "invscaling") for own in momenta]
    return tuple(
        {"random_state": 0, "max_iter": epochs, **own}
        for own in (*made, {"solver": "adam", "learning_rate_init": 0.01})
    )


EXAMPLES = (
    Example(
        "plot_mlp_alpha",
        "MLPClassifier",
        _toys(0),
        StandardScaler,
        tuple(
            {
                "solver": "lbfgs",
                "alpha": alpha,
                "hidden_layer_sizes": [10, 10],
                "max_iter": 2000,
                "early_stopping": True,
                "random_state": 1,
            }
            for alpha in np.logspace(-1, 1, 5)
        ),
    ),
    Example(
        "plot_classifier_comparison",
        "MLPClassifier",
        _toys(1),
        StandardScaler,
        ({"alpha": 1, "max_iter": 1000, "random_state": 42},),
    ),
    Example(
        "plot_mlp_training_curves",
        "MLPClassifier",
        {
            "iris": lambda: _whole(*datasets.load_iris(return_X_y=True)),
            "circles": lambda: _whole(*_circles()),
            "moons": lambda: _whole(*_moons()),
        },
        MinMaxScaler,
        _strategies(400),
    ),
    Example(
        "plot_mlp_training_curves",
        "MLPClassifier",
        {"digits": lambda: _whole(*datasets.load_digits(return_X_y=True))},
        MinMaxScaler,
        _strategies(15),
    ),
    Example(
        "plot_partial_dependence_visualization_api",
        "MLPRegressor",
        {"diabetes": lambda: _whole(*datasets.load_diabetes(return_X_y=True))},
        StandardScaler,
        ({"hidden_layer_sizes": (100, 100), "tol": 1e-2, "max_iter": 500, "random_state": 0},),
    ),
    Example(
        "plot_partial_dependence",
        "MLPRegressor",
        {"California housing": _california},
        functools.partial(QuantileTransformer, random_state=0),  # the example leaves it to chance
        ({"hidden_layer_sizes": (30, 15), "learning_rate_init": 0.01, "early_stopping": True, "random_state": 0},),
        slow=True,
    ),
    Example(
        "plot_mnist_filters",
        "MLPClassifier",
        {"MNIST": _mnist},
        FunctionTransformer,
        ({"hidden_layer_sizes": (40,), "max_iter": 8, "solver": "sgd", "learning_rate_init": 0.2, "random_state": 1},),
        slow=True,
    ),
)


# --- measuring --------------------------------------------------------------------------------------------------------


def compare(example: Example, data: str) -> Outcome:
    """Fit both classes to one of the data sets of an example.

    Raises
    ------
    Missing
        When the data are not on this machine.
    """
    x_train, x_test, y_train, y_test = example.data[data]()
    outcome = Outcome(len(x_test), {peer: [] for peer in ROOMS}, dict.fromkeys(ROOMS, 0.0))
    for parameters in example.settings:
        for peer, room in ROOMS.items():
            estimator = getattr(importlib.import_module(room), example.estimator)(**parameters)
            model = make_pipeline(example.scaler(), estimator)
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # not all of them converge, as the examples say
                model.fit(x_train, y_train)
            outcome.seconds[peer] += time.perf_counter() - start
            outcome.scores[peer].append(model.score(x_test, y_test))
    return outcome


def rows(example: Example) -> Iterator[list[str]]:
    """One for each data set; what is missing is printed."""
    for data in example.data:
        try:
            outcome = compare(example, data)
        except Missing as reason:
            print(f"left out: {reason}")
            continue
        scores = [f"{min(found):.3f} to {max(found):.3f}" for found in outcome.scores.values()]
        if len(example.settings) == 1:
            scores = [f"{found[0]:.3f}" for found in outcome.scores.values()]
        same = sum(np.isclose(*outcome.scores.values(), atol=5e-4, rtol=0))
        seconds = [f"{taken:.1f}" for taken in outcome.seconds.values()]
        kind = f"`{example.name}`"
        yield [kind, data, *scores, f"{same} of {len(example.settings)}", f"{outcome.apart:.3f}", *seconds]


def main() -> None:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/estimators.md")
    options = parser.parse_args()
    print(page.load_note())
    found = []
    for example in EXAMPLES:
        for row in rows(example):
            print(" | ".join(row), flush=True)
            found.append(row)
    header = ["example", "data", "scikit-learn's score", "twopass' score", "same to 0.0005", "furthest apart"]
    text = table([*header, "scikit-learn, s", "twopass, s"], found)
    version = importlib.import_module("sklearn").__version__
    text += f"\n\n{page.machine([f'twopass {tp.__version__}', f'NumPy {np.__version__}', f'scikit-learn {version}'])}"
    print(text)
    if options.write:
        target = Path(__file__).parent.parent / "docs" / "estimators.md"
        target.write_text(page.replaced(target.read_text(), "gallery", text))


if __name__ == "__main__":
    main()
