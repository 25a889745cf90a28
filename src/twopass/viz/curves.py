"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from twopass.errors import ArgumentError, compose
from twopass.train import Trainer
from twopass.viz._matplotlib import BLUE, RED, Panels, new_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["learning_curves"]

#: What a history holds beside the loss and the metrics.
_ASIDE = ("learning_rate", "seconds")


def learning_curves(
    history: Mapping[str, Sequence[float]] | Trainer,
    names: Sequence[str] | None = None,
    axes: Axes | Sequence[Axes] | None = None,
) -> Panels:
    """Draw learning curves: one panel for the loss and each metric, training and validation in one.

    Parameters
    ----------
    history : mapping of str to sequence of float, or Trainer
        What ``trainer.fit`` returned, or the trainer: one number an epoch. ``"val_loss"`` is the validation curve of
        ``"loss"``, and so on.
    names : sequence of str, optional
        What to draw, from left to right; by default the loss and all metrics.
    axes : matplotlib Axes, or a sequence of them, optional
        Where to draw, one for each name; a new figure by default.

    Returns
    -------
    array of matplotlib Axes, of shape (n_names,)

    Raises
    ------
    ArgumentError
        For a name that is not in the history, a history without epochs, or another number of axes.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> (axes,) = learning_curves({"loss": [0.9, 0.4, 0.3], "val_loss": [0.8, 0.5, 0.45]})
    >>> [line.get_label() for line in axes.lines]
    ['training', 'validation']
    """
    if isinstance(history, Trainer):
        history = history.history
    if isinstance(names, str):
        names = [names]
    if names is None:
        names = list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in _ASIDE))
    for name in names:
        if name not in history and f"val_{name}" not in history:
            raise ArgumentError(compose(f"the history has no {name}", instead=f"It has {', '.join(history)}."))
    if not any(map(len, history.values())) or not names:
        raise ArgumentError(compose("there are no epochs to draw", instead="Train first: trainer.fit(x, y)."))
    panels = new_panels(len(names), 4.2, 3.0, 3, axes)
    for panel, name in zip(panels, names, strict=True):
        for series, label, color in ((name, "training", BLUE), (f"val_{name}", "validation", RED)):
            if series in history:
                values = history[series]
                # One epoch alone is a point, and a line without a marker would not show it.
                marker = "o" if len(values) == 1 else None
                panel.plot(range(1, len(values) + 1), values, label=label, color=color, marker=marker)
        panel.set_xlabel("epoch")
        panel.set_title(name.replace("_", " "), fontsize="medium")
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False)
    return panels
