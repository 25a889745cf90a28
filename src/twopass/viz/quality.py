"""How good a network's predictions are, in pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.viz._matplotlib import BLUE, INK, RED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_calibration", "draw_confusion", "draw_importances", "draw_predicted", "draw_residuals"]

Array = np.ndarray[Any, np.dtype[Any]]

_MOST_DOTS = 3_000
_MOST_NAMED = 12  # classes whose numbers are written into the squares


def draw_confusion(axes: Axes, true: Array, predicted: Array, names: Sequence[str]) -> None:
    """Draw how many samples of each class (a row) are taken for which (a column).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> draw_confusion(axes, np.array([0, 1, 1]), np.array([0, 1, 0]), ["cat", "dog"])
    >>> [text.get_text() for text in axes.texts]
    ['1', '0', '1', '1']
    """
    count = len(names)
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, (true, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if count <= _MOST_NAMED:
        for row, column in np.ndindex(count, count):
            colour = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=8)
    step = max(1, count // 20)
    places = range(0, count, step)
    shown = [name if len(name) <= 14 else f"{name[:12]}…" for name in names[::step]]
    axes.set_xticks(places, shown, rotation=45 if count > 3 else 0, ha="right" if count > 3 else "center")
    axes.set_yticks(places, shown)
    axes.set(xlabel="predicted", ylabel="true", title="Test rows by class")


def draw_calibration(axes: Axes, probability: Array, right: Array) -> None:
    """Draw how often predictions are right, against the probability that the network gives them.

    Ten groups with equally many samples; on the diagonal, the probabilities are what they say.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> draw_calibration(axes, np.linspace(0.5, 1, 100), np.arange(100) % 2 == 0)
    >>> len(axes.lines[1].get_xdata())
    10
    """
    order = np.argsort(probability, kind="stable")
    groups = [part for part in np.array_split(order, min(10, len(order))) if len(part)]
    given = [float(probability[part].mean()) for part in groups]
    found = [float(right[part].mean()) for part in groups]
    low = max(0.0, min([*given, *found, 0.9]) - 0.05)
    axes.plot([low, 1], [low, 1], color=INK, linewidth=0.8, linestyle="--", label="what they say")
    axes.plot(given, found, color=BLUE, marker="o", markersize=4, label="test rows, in tenths")
    axes.set(xlabel="probability given", ylabel="share that is right", title="Calibration")
    axes.legend(frameon=False, loc="upper left")


def draw_predicted(axes: Axes, true: Array, predicted: Array) -> None:
    """Draw predictions against true values; on the diagonal they are equal."""
    chosen = _some(len(true))
    low, high = float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle="--")
    axes.scatter(true[chosen], predicted[chosen], s=5, alpha=0.35, color=BLUE, linewidths=0, rasterized=True)
    axes.locator_params(nbins=6)
    axes.set(xlabel="true", ylabel="predicted", title="Predictions")


def draw_residuals(axes: Axes, true: Array, predicted: Array) -> None:
    """Draw how the errors are spread, but for the largest hundredth, beside those of the mean."""
    errors, plain = predicted - true, true.mean() - true
    reach = float(np.quantile(np.abs(np.concatenate([errors, plain])), 0.99)) or 1.0
    bins = np.linspace(-reach, reach, 61).tolist()
    axes.hist(plain, bins, color=RED, alpha=0.35, label="the mean")
    axes.hist(errors, bins, color=BLUE, alpha=0.8, label="this network")
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel="predicted minus true", ylabel="test rows", title="Errors")
    axes.legend(frameon=False)


def draw_importances(axes: Axes, importances: Mapping[str, float], measure: str) -> None:
    """Draw what each column contributes, the most important on top.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> axes = Figure().subplots()
    >>> draw_importances(axes, {"size": 0.5, "colour": 0.1}, "R2 lost")
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['colour', 'size']
    """
    shown = list(importances.items())[:20][::-1]
    names = [name if len(name) <= 28 else f"{name[:26]}…" for name, _ in shown]
    axes.barh(range(len(shown)), [value for _, value in shown], color=BLUE)
    axes.set_yticks(range(len(shown)), names)
    axes.axvline(0.0, color=INK, linewidth=0.8)
    axes.set(xlabel=f"{measure} when the column's values are exchanged", title="Importances")


def _some(count: int) -> Array:
    """Which samples to draw."""
    if count <= _MOST_DOTS:
        return np.arange(count)
    return np.random.default_rng(0).choice(count, _MOST_DOTS, replace=False)
