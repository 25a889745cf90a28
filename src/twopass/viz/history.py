"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from twopass.errors import ArgumentError, compose
from twopass.viz._matplotlib import BLUE, RED, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history"]

#: What a history holds beside the loss and the metrics.
_ASIDE = ("learning_rate", "seconds")


def plot_history(
    history: Mapping[str, Sequence[float]], names: Sequence[str] | None = None, figure: Figure | None = None
) -> Figure:
    """Draw learning curves: one panel for the loss and each metric, training and validation in one.

    Parameters
    ----------
    history : mapping of str to sequence of float
        What ``trainer.fit`` returned: one number an epoch. ``"val_loss"`` is the validation curve of ``"loss"``, and
        so on.
    names : sequence of str, optional
        What to draw, from left to right; by default the loss and all metrics.
    figure : matplotlib Figure, optional
        Where to draw; a new one by default.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ArgumentError
        For a name that is not in the history, or a history without epochs.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> figure = plot_history({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.45]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation']
    """
    if names is None:
        names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in _ASIDE))
    for name in names:
        if name not in history and f"val_{name}" not in history:
            raise ArgumentError(compose(f"the history has no {name}", instead=f"It has {', '.join(history)}."))
    if not any(history.values()):
        raise ArgumentError(compose("there are no epochs to draw", instead="Train first: trainer.fit(x, y)."))
    if figure is None:
        figure = new_figure(4.2 * len(names), 3.0)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False).flat, names, strict=True):
        for series, label, color in ((name, "training", BLUE), (f"val_{name}", "validation", RED)):
            if series in history:
                values = history[series]
                axes.plot(range(1, len(values) + 1), values, label=label, color=color)
        axes.set_xlabel("epoch")
        axes.set_title(name.replace("_", " "), fontsize="medium")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure
