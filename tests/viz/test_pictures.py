"""What is drawn: the numbers, the number of units, the curves."""

from __future__ import annotations

import builtins
import io
import re

import matplotlib
import numpy as np
import pytest

import twopass as tp
from twopass import nn, viz
from twopass.errors import ArgumentError, MissingLibraryError

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import Circle


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    pyplot.close("all")


def squared_error(prediction, target):
    return 0.5 * np.sum((prediction - target) ** 2)


NET = nn.Sequential(nn.Dense(2, activation="sigmoid", bias_initializer="glorot_normal"), nn.Dense(1))
PARAMS = NET.init(1, (3,), np.float64)
X, TARGET = np.array([1.0, -0.5, 0.25]), np.array([2.0])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def numbers(axes):
    shown = (text.replace("\N{MINUS SIGN}", "-").removeprefix("b = ") for text in texts(axes))
    return sorted(float(text) for text in shown if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text))


def rounded(*arrays):
    return sorted(float(f"{value:.2g}") for array in arrays for value in np.ravel(array))


def test_forward_shows_activations_weights_and_biases():
    axes = viz.plot_network(NET, PARAMS, X)
    hidden = NET.layers[0](PARAMS[0], X[np.newaxis])
    weights = [own[name] for own in PARAMS for name in ("weight", "bias")]
    assert numbers(axes) == rounded(X, hidden, NET(PARAMS, X[np.newaxis]), *weights)
    assert {"input", "hidden 1: sigmoid", "output"} <= set(texts(axes))


def test_backward_shows_the_gradient():
    axes = viz.plot_network(NET, PARAMS, X, TARGET, squared_error, show="backward")
    error = lambda params, x: squared_error(NET(params, x[np.newaxis]), TARGET)  # noqa: E731
    gradient, to_input = tp.grad(error, argnums=(0, 1))(PARAMS, X)
    assert numbers(axes) == rounded(to_input, *(own[name] for own in gradient for name in ("weight", "bias")))
    assert f"E = {error(PARAMS, X):.2g}" in texts(axes)[-1]


def test_width_and_colour_of_connections_follow_the_weights():
    axes = viz.plot_network(NET, PARAMS, X)
    weights = np.concatenate([np.ravel(own["weight"]) for own in PARAMS])
    widths = [line.get_linewidth() for line in axes.lines]
    np.testing.assert_allclose(np.argsort(widths), np.argsort(np.abs(weights)))
    positive, negative = (
        {line.get_color() for line, weight in zip(axes.lines, weights, strict=True) if (weight > 0) == sign}
        for sign in (True, False)
    )
    assert len(positive) == len(negative) == 1 and positive != negative


def test_layers_are_cut_to_max_units():
    net = nn.Sequential(nn.Dense(20, activation="relu"), nn.Dense(3))
    axes = viz.plot_network(net, net.init(0, (9,)), np.ones(9), max_units=5)
    assert len([patch for patch in axes.patches if isinstance(patch, Circle)]) == 5 + 5 + 3
    assert texts(axes).count("\N{VERTICAL ELLIPSIS}") == 2
    assert len(axes.lines) == 5 * 5 + 5 * 3


def test_a_network_whose_numbers_are_all_zero_can_be_drawn():
    net = nn.Dense(1, weight_initializer="zeros")
    axes = viz.plot_network(net, net.init(0, (2,)), [0.0, 0.0])
    axes.figure.savefig(io.BytesIO(), format="png")


def test_pictures_are_deterministic():
    def picture():
        file = io.BytesIO()
        viz.plot_network(NET, PARAMS, X, TARGET, squared_error, show="backward").figure.savefig(file, format="png")
        return file.getvalue()

    assert picture() == picture()


def test_network_is_drawn_into_given_axes():
    figure, (left, right) = pyplot.subplots(1, 2)
    assert viz.plot_network(NET, PARAMS, X, axes=right) is right
    assert right.patches and not left.patches
    assert pyplot.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"show": "both"}, "forward"), ({"max_units": 1}, "at least 2"), ({"show": "backward"}, "Pass y and loss")],
)
def test_wrong_arguments_of_plot_network(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        viz.plot_network(NET, PARAMS, X, **arguments)


HISTORY = {
    "loss": [0.9, 0.5],
    "val_loss": [1.0, 0.7],
    "val_accuracy": [0.5, 0.8],
    "seconds": [0.1, 0.1],
    "learning_rate": [0.1, 0.05],
}


def test_history_has_a_panel_for_the_loss_and_each_metric():
    loss, accuracy = viz.plot_history(HISTORY).axes
    curves = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in loss.lines}
    assert curves == {"training": ([1, 2], [0.9, 0.5]), "validation": ([1, 2], [1.0, 0.7])}
    assert accuracy.get_title() == "accuracy"
    assert [line.get_label() for line in accuracy.lines] == ["validation"]


def test_history_draws_what_is_named():
    (axes,) = viz.plot_history(HISTORY, names=["learning_rate"]).axes
    assert axes.get_title() == "learning rate"
    with pytest.raises(ArgumentError, match=r"no precision.*It has loss"):
        viz.plot_history(HISTORY, names=["precision"])
    with pytest.raises(ArgumentError, match="no epochs"):
        viz.plot_history({"loss": []})


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[plot\]'"):
        viz.plot_history(HISTORY)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[plot\]'"):
        viz.plot_network(NET, PARAMS, X)
