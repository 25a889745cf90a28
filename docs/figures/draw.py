"""Draw the figures of docs/backpropagation.md.

Run ``python docs/figures/draw.py``; it needs matplotlib (``pip install 'twopass[plot]'``).
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

import twopass as tp
from twopass import nn, plot

BLUE, RED, GREY = "#1f6fb4", "#c8500a", "#888888"

# The network, the instance and the target that the page computes with.
NET = nn.Sequential(nn.Dense(3, activation="sigmoid"), nn.Dense(1, activation="sigmoid"))
PARAMS = NET.init(0, (2,), np.float64)
X, TARGET = np.array([[1.0, 0.5]]), np.array([[1.0]])


def epochs() -> Figure:
    """Loss and accuracy on the handwritten digits, epoch by epoch."""
    digits = tp.data.load_digits()
    net = nn.Sequential(nn.Dense(32, activation="relu"), nn.Dense(10))
    trainer = tp.Trainer(net, "softmax_cross_entropy", tp.optim.SGD(0.1), metrics=["accuracy"], seed=42)
    history = trainer.fit(
        digits.x_train, digits.y_train, epochs=20, batch_size=32, validation_data=(digits.x_test, digits.y_test)
    )
    return plot.learning_curves(history)[0].figure


def forward() -> Figure:
    """The forward pass of the page's instance."""
    return diagram(NET, PARAMS, "forward")


def backward() -> Figure:
    """The backward pass of the page's instance."""
    return diagram(NET, PARAMS, "backward")


def loss() -> Figure:
    """The error as a function of the output, and its slope where the network is."""
    error = tp.value_and_grad(lambda output: nn.mean_squared_error(output, TARGET))
    output = NET(PARAMS, X)
    value, slope = error(output)
    figure, axes = new_figure()
    line = np.linspace(0, 1.2)
    axes.plot(line, [error(np.array([[o]]))[0] for o in line], color=BLUE)
    tangent = np.array([-0.25, 0.25])
    axes.plot(output[0] + tangent, value + slope[0] * tangent, color=RED)
    axes.plot(output[0], value, "o", color=RED)
    axes.annotate(
        f"o = {output[0, 0]:.2f}, E = {value:.2f}\nslope ∂E/∂o = {slope[0, 0]:.2f}".replace("-", "−"),
        (output[0, 0], value),
        (18, 22),
        textcoords="offset points",
        color=RED,
    )
    axes.set(xlabel="output o, for the target 1", ylabel="error E")
    return figure


def descent() -> Figure:
    """Gradient-descent steps over the error of a logistic unit on 32 instances, as a function of its two weights."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 2)) * [2.0, 0.5]
    target = nn.sigmoid(x @ [[1.0], [2.0]])

    def error(weight: Any) -> Any:
        return nn.mean_squared_error(nn.sigmoid(x @ weight), target)

    both_passes, optimizer = tp.value_and_grad(error), tp.optim.SGD(learning_rate=8.0)
    weight = np.array([[-1.5], [-2.0]])
    path, state = [weight], optimizer.init(weight)
    for _ in range(60):
        updates, state = optimizer.update(both_passes(weight)[1], state, weight)
        weight = tp.optim.apply_updates(weight, updates)
        path.append(weight)
    across, up = np.linspace(-2, 4, 61), np.linspace(-3, 3, 61)
    heights = [[error(np.array([[u], [v]])) for u in across] for v in up]
    figure, axes = new_figure()
    axes.contourf(across, up, heights, levels=np.geomspace(1e-4, 0.5, 14), norm="log", cmap="Blues", extend="both")
    axes.plot(*np.transpose(path)[0], "o-", color=RED, markersize=3, linewidth=1)
    axes.set(xlabel="first weight", ylabel="second weight")
    return figure


def techniques() -> Figure:
    """How far the gradient by finite differences is off, for each step; and the gradient by the two passes."""

    def error(params: Any) -> Any:
        return np.sum(np.square(NET(params, X) - TARGET))

    exact = flat(tp.finite_difference(error, method="complex-step")(PARAMS))
    steps = np.logspace(-13, -1, 49)
    figure, axes = new_figure()
    for approximate, color in (
        (functools.partial(tp.finite_difference, error, method="forward"), BLUE),
        (functools.partial(tp.finite_difference, error, method="central"), RED),
    ):
        found = [flat(approximate(step=step)(PARAMS)) for step in steps]
        label = f"{approximate.keywords['method']} differences"
        axes.loglog(steps, np.max(np.abs(found - exact), axis=1), color=color, label=label)
    reverse = max(np.max(np.abs(flat(tp.grad(error)(PARAMS)) - exact)), np.finfo(float).eps)
    axes.axhline(reverse, color=GREY, linestyle="--", label="reverse mode (no step)")
    axes.set(xlabel="step h", ylabel="largest error in the gradient")
    axes.legend(frameon=False)
    return figure


def logistic() -> Figure:
    """The step function and the logistic function, with their derivatives."""
    figure = pyplot.figure(figsize=(8.4, 2.8), layout="constrained")
    net_input = np.linspace(-6, 6, 601)
    for axes, function, name in zip(
        figure.subplots(1, 2, sharey=True), (nn.step, nn.sigmoid), ("step function", "logistic function"), strict=True
    ):
        axes.plot(net_input, function(net_input), color=BLUE, label="activation")
        axes.plot(net_input, tp.elementwise_grad(function)(net_input), color=RED, label="its derivative")
        axes.set(xlabel="net input", title=name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def twins() -> Figure:
    """The backward pass when all weights are equal."""
    params = tp.tree.map(lambda leaf: np.full_like(leaf, 0.5) if leaf.ndim == 2 else leaf, PARAMS)
    return diagram(NET, params, "backward")


FIGURES: dict[str, Callable[[], Figure]] = {
    function.__name__: function for function in (epochs, forward, loss, backward, descent, techniques, logistic, twins)
}


def new_figure() -> tuple[Figure, Any]:
    """A figure with one diagram."""
    figure = pyplot.figure(figsize=(5.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def diagram(net: nn.Layer, params: Any, show: str) -> Figure:
    """A network at work on the page's instance."""
    plot.network(net, params, X[0], TARGET[0], "mean_squared_error", show=show)
    return pyplot.gcf()


def flat(tree: Any) -> Any:
    """All numbers of a tree in one array."""
    return np.concatenate([np.ravel(leaf) for leaf in tp.tree.leaves(tree)])


def save(figure: Figure, path: Path) -> None:
    """Write a small PNG: 64 colours are plenty for diagrams."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    pyplot.close(figure)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)


def main(folder: Path = Path(__file__).parent) -> None:
    """Draw all figures into a folder."""
    matplotlib.use("Agg")
    for name, draw in FIGURES.items():
        save(draw(), folder / f"{name}.png")


if __name__ == "__main__":
    main()
