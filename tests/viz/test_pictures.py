"""What is drawn: the numbers, the number of units, the curves."""

from __future__ import annotations

import builtins
import io
import re

import matplotlib
import numpy as np
import pytest

import twopass as tp
from twopass import nn, plot
from twopass.errors import ArgumentError, MissingLibraryError, ShapeError

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
    axes = plot.network(NET, PARAMS, X)
    hidden = NET.layers[0](PARAMS[0], X[np.newaxis])
    weights = [own[name] for own in PARAMS for name in ("weight", "bias")]
    assert numbers(axes) == rounded(X, hidden, NET(PARAMS, X[np.newaxis]), *weights)
    assert {"input", "hidden 1: sigmoid", "output"} <= set(texts(axes))


def test_backward_shows_the_gradient():
    axes = plot.network(NET, PARAMS, X, TARGET, squared_error, show="backward")
    error = lambda params, x: squared_error(NET(params, x[np.newaxis]), TARGET)  # noqa: E731
    gradient, to_input = tp.grad(error, argnums=(0, 1))(PARAMS, X)
    assert numbers(axes) == rounded(to_input, *(own[name] for own in gradient for name in ("weight", "bias")))
    assert f"E = {error(PARAMS, X):.2g}" in texts(axes)[-1]


def test_width_and_colour_of_connections_follow_the_weights():
    axes = plot.network(NET, PARAMS, X)
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
    axes = plot.network(net, net.init(0, (9,)), np.ones(9), max_units=5)
    assert len([patch for patch in axes.patches if isinstance(patch, Circle)]) == 5 + 5 + 3
    assert texts(axes).count("\N{VERTICAL ELLIPSIS}") == 2
    assert len(axes.lines) == 5 * 5 + 5 * 3


def test_a_network_whose_numbers_are_all_zero_can_be_drawn():
    net = nn.Dense(1, weight_initializer="zeros")
    axes = plot.network(net, net.init(0, (2,)), [0.0, 0.0])
    axes.figure.savefig(io.BytesIO(), format="png")


def test_pictures_are_deterministic():
    def picture():
        file = io.BytesIO()
        plot.network(NET, PARAMS, X, TARGET, squared_error, show="backward").figure.savefig(file, format="png")
        return file.getvalue()

    assert picture() == picture()


def test_network_is_drawn_into_given_axes():
    figure, (left, right) = pyplot.subplots(1, 2)
    assert plot.network(NET, PARAMS, X, axes=right) is right
    assert right.patches and not left.patches
    assert pyplot.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"show": "both"}, "forward"), ({"max_units": 1}, "at least 2"), ({"show": "backward"}, "Pass y and loss")],
)
def test_wrong_arguments_of_network(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        plot.network(NET, PARAMS, X, **arguments)


HISTORY = {
    "loss": [0.9, 0.5],
    "val_loss": [1.0, 0.7],
    "val_accuracy": [0.5, 0.8],
    "seconds": [0.1, 0.1],
    "learning_rate": [0.1, 0.05],
}


def test_history_has_a_panel_for_the_loss_and_each_metric():
    loss, accuracy = plot.learning_curves(HISTORY)
    curves = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in loss.lines}
    assert curves == {"training": ([1, 2], [0.9, 0.5]), "validation": ([1, 2], [1.0, 0.7])}
    assert accuracy.get_title() == "accuracy"
    assert [line.get_label() for line in accuracy.lines] == ["validation"]


def test_history_draws_what_is_named():
    (axes,) = plot.learning_curves(HISTORY, names=["learning_rate"])
    assert axes.get_title() == "learning rate"
    with pytest.raises(ArgumentError, match=r"no precision.*It has loss"):
        plot.learning_curves(HISTORY, names=["precision"])
    with pytest.raises(ArgumentError, match="no epochs"):
        plot.learning_curves({"loss": []})


def test_learning_curves_are_drawn_into_given_axes():
    _, panels = pyplot.subplots(1, 2)
    assert list(plot.learning_curves(HISTORY, axes=panels)) == list(panels)
    (only,) = plot.learning_curves(HISTORY, "val_loss", axes=panels[0])
    assert only is panels[0]
    with pytest.raises(ArgumentError, match=r"2 panels to draw, and 1 axes.*subplots\(1, 2\)"):
        plot.learning_curves(HISTORY, axes=panels[0])


def test_learning_curves_of_a_trainer():
    trainer = tp.Trainer(nn.Dense(1), "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    with pytest.raises(ArgumentError, match=r"no epochs.*trainer\.fit"):
        plot.learning_curves(trainer)
    history = trainer.fit(np.eye(3), np.ones(3), epochs=4)
    (axes,) = plot.learning_curves(trainer)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), history["loss"])


def test_one_epoch_is_a_point():
    (axes,) = plot.learning_curves({"loss": [0.5]})
    assert axes.lines[0].get_marker() == "o"


# Decision boundaries

GRID = np.stack(np.meshgrid([-1.0, 0.0, 1.0], [-1.0, 1.0]), axis=-1).reshape(-1, 2)
ABOVE = (GRID[:, 1] > 0).astype(int)


def regions(axes):
    """The classes that are drawn, at the corners: below left, below right, above left, above right."""
    (image,) = axes.images
    return [int(image.get_array()[row, column]) for row in (0, -1) for column in (0, -1)]


@pytest.mark.parametrize(
    "model",
    [
        lambda x: x[:, 1],
        lambda x: x[:, 1:],
        lambda x: np.stack([-x[:, 1], x[:, 1]], axis=1),
        lambda x: x[:, 1] > 0,
        lambda x: (x[:, 1] > 0).astype(np.int8),
    ],
    ids=["one logit", "a column of them", "two logits", "booleans", "classes"],
)
def test_boundary_takes_what_models_give(model):
    axes = plot.decision_boundary(model, GRID, ABOVE, resolution=20)
    assert regions(axes) == [0, 0, 1, 1]
    assert [points.get_offsets().tolist() for points in axes.collections[-2:]] == [
        GRID[ABOVE == 0].tolist(),
        GRID[ABOVE == 1].tolist(),
    ]


def test_boundary_of_a_trainer_and_of_an_estimator_with_named_classes():
    trainer = tp.Trainer(nn.Dense(2), "softmax_cross_entropy", tp.optim.Adam(0.1), seed=0)
    trainer.fit(GRID, ABOVE, epochs=60)
    assert regions(plot.decision_boundary(trainer, GRID, ABOVE, resolution=20)) == [0, 0, 1, 1]

    class Estimator:
        classes_ = np.array(["down", "up"])

        def predict(self, x):
            return self.classes_[(x[:, 1] > 0).astype(int)]

    axes = plot.decision_boundary(Estimator(), GRID, Estimator.classes_[ABOVE], resolution=20)
    assert regions(axes) == [0, 0, 1, 1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["down", "up"]
    with pytest.raises(ArgumentError, match=r"'left' is none that the model has learned.*'down', 'up'"):
        plot.decision_boundary(Estimator(), GRID, ["left"] * 6, resolution=20)


def test_boundary_takes_names_from_a_data_frame():
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    frame = polars.DataFrame({"length": GRID[:, 0], "width": GRID[:, 1]})
    axes = plot.decision_boundary(lambda x: x[:, 1], frame, polars.Series(ABOVE), resolution=5)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("length", "width")


def test_boundary_threshold_and_three_classes():
    probability = lambda x: np.full(len(x), 0.3)  # noqa: E731
    assert regions(plot.decision_boundary(probability, GRID, ABOVE, threshold=0.5, resolution=9)) == [0] * 4
    three = lambda x: np.where(x[:, 0] < 0, 2, (x[:, 1] > 0).astype(int))  # noqa: E731
    axes = plot.decision_boundary(three, GRID, ABOVE, class_names=["a", "b", "c"], resolution=20)
    assert regions(axes) == [2, 0, 2, 1]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


def test_boundary_holds_the_other_features_at_their_mean():
    seen = []
    x = np.hstack([GRID, np.arange(6.0)[:, None]])
    plot.decision_boundary(lambda points: seen.append(points) or points[:, 2], x, ABOVE, features=(2, 0), resolution=5)
    (points,) = seen
    assert points.shape == (25, 3) and np.all(points[:, 1] == 0)
    np.testing.assert_allclose([points[:, 2].min(), points[:, 2].max()], [-0.4, 5.4])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": GRID[:, :1]}, "no plane to draw"),
        ({"x": GRID[:0]}, "no plane to draw"),
        ({"features": (0, 2)}, "not two of the 2 features"),
        ({"features": (1, 1)}, "not two of the 2 features"),
        ({"y": [0.5] * 6}, "y holds no classes"),
        ({"y": ["a"] * 6}, "np.unique"),
        ({"y": [0]}, "x has 6 rows and y has 1"),
        ({"model": lambda x: x[:3]}, "for 25 points"),
        ({"class_names": ["one"]}, "2 classes and 1 class_names"),
        ({"resolution": 1}, "at least 2"),
    ],
)
def test_wrong_arguments_of_decision_boundary(changes, message):
    arguments = {"model": lambda x: x[:, 1], "x": GRID, "y": ABOVE, "resolution": 5, **changes}
    with pytest.raises((ArgumentError, ShapeError), match=message):
        plot.decision_boundary(arguments.pop("model"), arguments.pop("x"), arguments.pop("y"), **arguments)


# Weights


def test_weights_are_pictures_of_the_first_layer():
    net = nn.Sequential(nn.Flatten(), nn.Dense(5), nn.Dense(2))
    params = net.init(0, (2, 3))
    panels = plot.weights(params, image_shape=(2, 3), max_units=4)
    images = [panel.images[0] for panel in panels]
    assert len(panels) == 4 and len({image.norm.vmax for image in images}) == 1
    for unit, image in enumerate(images):
        np.testing.assert_array_equal(image.get_array(), params[1]["weight"][:, unit].reshape(2, 3))
        assert image.norm.vmin == -image.norm.vmax


def test_without_an_image_shape_the_matrix_is_the_picture():
    (axes,) = plot.weights(PARAMS, feature_names=["a", "b", "c"])
    np.testing.assert_array_equal(axes.images[0].get_array(), PARAMS[0]["weight"].T)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]


def test_weights_of_a_trainer_have_the_names_of_its_features():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    trainer = tp.Trainer(nn.Dense(2), "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    trainer.fit(pandas.DataFrame({"a": [1.0, 2.0], "b": [2.0, 1.0]}), np.ones((2, 2)))
    (axes,) = plot.weights(trainer)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


def test_weights_of_an_estimator():
    class Estimator:
        coefs_ = (np.ones((3, 4)), np.ones((4, 1)))

    (axes,) = plot.weights(Estimator())
    assert axes.images[0].get_array().shape == (4, 3)
    assert [panel.get_title() for panel in plot.weight_histograms(Estimator())] == ["0.weight", "1.weight"]


def test_histograms_count_every_weight():
    trainer = tp.Trainer(NET, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    panels = plot.weight_histograms(trainer, bins=7)
    assert [panel.get_title() for panel in panels] == ["0.weight", "1.weight"]
    assert [sum(patch.get_height() for patch in panel.patches) for panel in panels] == [6, 2]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot.weights(PARAMS, image_shape=(2, 2)), "the 3 pixels that the network takes"),
        (lambda: plot.weights(PARAMS, feature_names=["a"]), "3 features and 1 feature_names"),
        (lambda: plot.weights({"bias": np.zeros(3)}), "no weights of the shape"),
        (lambda: plot.weights([]), "no arrays"),
        (lambda: plot.weight_histograms({"bias": np.zeros(3)}), "no weights to draw"),
    ],
)
def test_wrong_arguments_of_weights(draw, message):
    with pytest.raises((ArgumentError, ShapeError), match=message):
        draw()


# Gradients


def test_gradient_norms_are_those_of_the_objective():
    net = nn.Sequential(
        nn.Dense(4, activation="tanh", weight_penalty=nn.L2(0.1)), nn.Dense(3, frozen=True), nn.Dense(1)
    )
    trainer = tp.Trainer(net, squared_error, tp.optim.SGD(0.1), seed=0, dtype="float64").init((3,))
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.ones((8, 1))
    found = plot.gradient_norms(trainer, x, y)
    expected = tp.grad(lambda params: squared_error(net(params, x), y) + net.penalty(params))(trainer.params)
    assert list(found) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    for name, norm in found.items():
        layer, kind = name.split(".")
        assert norm == pytest.approx(np.linalg.norm(expected[int(layer)][kind]))


def test_gradients_need_a_trainer():
    with pytest.raises(ArgumentError, match=r"got a Sequential.*tp\.Trainer\(net, loss, optimizer\)"):
        plot.gradient_flow(NET, X[np.newaxis], TARGET)


def test_gradient_flow_draws_the_norms_and_marks_zeros():
    net = nn.Sequential(nn.Dense(3, activation="relu", bias_initializer=lambda *a: np.full(a[1], -9.0)), nn.Dense(1))
    trainer = tp.Trainer(net, "mean_squared_error", tp.optim.SGD(0.1), seed=0)
    x, y = np.eye(3), np.ones(3)
    axes = plot.gradient_flow(trainer, x, y)
    norms = plot.gradient_norms(trainer, x, y)
    assert norms["0.weight"] == norms["1.weight"] == 0 < norms["1.bias"]
    weight, bias = axes.lines
    assert np.isnan(weight.get_ydata()).all() and bias.get_ydata()[1] == norms["1.bias"]
    assert texts(axes) == ["0", "0", "0"]
    axes.figure.savefig(io.BytesIO(), format="png")


def test_pictures_change_no_setting_and_show_nothing(monkeypatch):
    monkeypatch.setattr(pyplot, "show", lambda *_: pytest.fail("shown"))
    before = dict(matplotlib.rcParams)
    trainer = tp.Trainer(NET, "mean_squared_error", tp.optim.SGD(0.1), seed=0).init((3,))
    plot.learning_curves(HISTORY)
    plot.decision_boundary(lambda x: x[:, 1], GRID, ABOVE, resolution=5)
    plot.weights(trainer)
    plot.weight_histograms(trainer)
    plot.gradient_flow(trainer, X[np.newaxis], TARGET[np.newaxis])
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[plot\]'"):
        plot.learning_curves(HISTORY)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[plot\]'"):
        plot.network(NET, PARAMS, X)
    with pytest.raises(MissingLibraryError, match=r"pip install 'twopass\[plot\]'"):
        plot.weights(PARAMS)
