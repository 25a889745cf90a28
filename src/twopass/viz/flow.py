"""How the gradient fares on its way back through the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import tree
from twopass.api import grad
from twopass.errors import ArgumentError, compose
from twopass.train import Trainer
from twopass.train.parameters import Partition
from twopass.train.step import make_objective
from twopass.viz._matplotlib import BLUE, INK, RED, class_colors, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gradient_flow", "gradient_norms"]

#: What the parameters of most layers are called, so that their colours stay.
_COLORS = {"weight": BLUE, "bias": RED}


def gradient_norms(trainer: Trainer, x: Any, y: Any) -> dict[str, float]:
    """The Euclidean norm of the gradient of each trained parameter, for one batch as it is trained on.

    Parameters
    ----------
    trainer : Trainer
        With the loss, penalties included. It is not trained; if it has no parameters yet, it gets its initial ones.
    x, y : arrays of shape (n_samples, ...)
        Inputs and targets, as for `Trainer.fit`.

    Returns
    -------
    dict of str to float
        By the places of the parameters, from the input to the output.

    Raises
    ------
    ArgumentError
        For what is no trainer.
    DataError, ShapeError
        As `Trainer.fit`.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> net = tp.nn.Dense(1, weight_initializer="zeros", use_bias=False)
    >>> trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    >>> gradient_norms(trainer, [[3.0, 4.0]], [0.5])  # the gradient is -2 (0.5 - 0) x
    {'weight': 5.0}
    """
    if not isinstance(trainer, Trainer):
        what = f"the gradient needs a network with a loss, and got a {type(trainer).__name__}"
        raise ArgumentError(compose(what, instead="Pass a trainer: tp.Trainer(net, loss, optimizer)."))
    batch = trainer.check_samples(x, y).batch(slice(None), trainer.dtype)
    partition = Partition.of(trainer.net, trainer.params)
    trainable, rest = partition.split(trainer.params)
    objective = make_objective(trainer.net, trainer.loss, partition)
    # Dropout draws its masks with the key 0: one and the same picture for the same batch.
    gradient, _ = grad(objective, has_aux=True)(trainable, rest, *batch, 0)
    found = tree.flatten_with_paths(gradient)
    return {".".join(map(str, path)): float(np.linalg.norm(np.ravel(array))) for path, array in found}


def gradient_flow(trainer: Trainer, x: Any, y: Any, axes: Axes | None = None) -> Axes:
    """Draw the norm of the gradient of each layer, from the input to the output, for one batch.

    A curve that falls steeply to the left is a gradient that vanishes on its way back, one that rises one that
    explodes. Parameters whose gradient is exactly zero (dead units) or not finite are marked at the lower edge.

    Parameters
    ----------
    trainer : Trainer
        Trained or not; if it has no parameters yet, it gets its initial ones.
    x, y : arrays of shape (n_samples, ...)
        Inputs and targets of the batch.
    axes : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        For what is no trainer.
    DataError, ShapeError
        As `Trainer.fit`.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> deep = tp.nn.Sequential(*[tp.nn.Dense(8, activation="sigmoid") for _ in range(5)], tp.nn.Dense(1))
    >>> trainer = tp.Trainer(deep, "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    >>> axes = gradient_flow(trainer, np.eye(4), np.ones(4))
    >>> norms = axes.lines[0].get_ydata()  # of the weights of the six layers
    >>> bool(norms[0] < norms[-1] / 100)
    True
    """
    norms = gradient_norms(trainer, x, y)
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in norms))
    kinds = list(dict.fromkeys(name.rpartition(".")[2] for name in norms))
    others = iter(class_colors(len(kinds) + 2)[2:])
    if axes is None:
        axes = new_figure(max(4.0, min(12.0, 1.5 + 0.6 * len(layers))), 3.2).add_subplot()
    axes.set_yscale("log")
    for number, kind in enumerate(kinds):
        places = [place for place, layer in enumerate(layers) if _name(layer, kind) in norms]
        values = np.array([norms[_name(layers[place], kind)] for place in places])
        shown = np.where((values > 0) & np.isfinite(values), values, np.nan)
        color = _COLORS[kind] if kind in _COLORS else next(others)
        axes.plot(places, shown, marker="o", color=color, label=kind)
        for place, value in zip(places, values, strict=True):
            if not 0 < value < np.inf:
                axes.annotate(
                    f"{value:.0f}",
                    (place, 0.02 + 0.06 * number),
                    xycoords=axes.get_xaxis_transform(),
                    ha="center",
                    color=color,
                )
    axes.set_xticks(range(len(layers)), [layer or "0" for layer in layers])
    axes.set_xlabel("layer, from the input to the output")
    axes.set_ylabel("norm of the gradient")
    axes.grid(axis="y", color=INK, alpha=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return axes


def _name(layer: str, kind: str) -> str:
    return f"{layer}.{kind}" if layer else kind
