"""What a network has learned: its weights as pictures, and how they are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twopass import tree
from twopass.errors import ArgumentError, ShapeError, compose
from twopass.viz._matplotlib import BLUE, INK, Panels, new_panels, signed_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["weight_histograms", "weights"]

NDArray = npt.NDArray[Any]


def weights(
    model: Any,
    image_shape: tuple[int, int] | None = None,
    *,
    max_units: int = 32,
    feature_names: Sequence[str] | None = None,
    axes: Axes | Sequence[Axes] | None = None,
) -> Panels:
    """Draw the weights of the first layer: a picture for each unit, or one of the whole matrix.

    Red is above zero and blue below, white is zero; all panels have one scale. A unit's picture shows the input that
    excites it most.

    Parameters
    ----------
    model : Trainer, estimator, or tree of arrays
        A trainer, a multilayer perceptron with scikit-learn's ``coefs_``, or the parameters of a network.
        Its first weights of shape ``(n_features, n_units)`` are drawn.
    image_shape : pair of int, optional
        Height and width of an image that is an input: then there is a panel for each unit.
    max_units : int
        At most so many units are drawn, the first ones.
    feature_names : sequence of str, optional
        Names of the features, for the picture of the matrix; by default those that a trainer remembers.
    axes : matplotlib Axes, or a sequence of them, optional
        Where to draw, one for each panel; a new figure by default.

    Returns
    -------
    array of matplotlib Axes, of shape (n_panels,)

    Raises
    ------
    ArgumentError, ShapeError
        When there are no such weights, images of this shape have another number of pixels than the network has
        features, or the number of names or axes does not fit.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(6, activation="relu"), tp.nn.Dense(2))
    >>> len(weights(net.init(0, (64,)), image_shape=(8, 8)))
    6
    >>> len(weights(net.init(0, (3,)), feature_names=["length", "width", "height"]))
    1
    """
    matrix = _first(_arrays(model))[:, :max_units]
    features, units = matrix.shape
    largest = float(np.max(np.abs(matrix), initial=0.0)) or 1.0
    scale: dict[str, Any] = {"vmin": -largest, "vmax": largest, "interpolation": "nearest"}
    if feature_names is None:
        feature_names = getattr(model, "feature_names", None)
    if image_shape is None:
        if feature_names is not None and len(feature_names) != features:
            raise ShapeError(compose(f"there are {features} features and {len(feature_names)} feature_names"))
        panels = new_panels(
            1, max(3.5, min(10.0, 1.5 + 0.3 * features)), max(2.2, min(8.0, 0.9 + 0.22 * units)), 1, axes
        )
        image = panels[0].imshow(matrix.T, signed_colors(), aspect="auto", **scale)
        panels[0].set_ylabel("unit")
        panels[0].yaxis.get_major_locator().set_params(integer=True)
        if feature_names is None:
            panels[0].set_xlabel("feature")
        else:
            panels[0].set_xticks(range(features), feature_names, rotation=45, ha="right", rotation_mode="anchor")
    else:
        if int(np.prod(image_shape)) != features or len(image_shape) != 2:
            what = f"images of the shape {image_shape} do not have the {features} pixels that the network takes"
            raise ShapeError(compose(what, instead="Pass image_shape=(height, width) with that product."))
        panels = new_panels(units, 1.0, 1.0, 8, axes)
        for unit, panel in enumerate(panels):
            image = panel.imshow(matrix[:, unit].reshape(image_shape), signed_colors(), **scale)
            panel.set_xticks([])
            panel.set_yticks([])
    panels[0].figure.colorbar(image, ax=list(panels))
    return panels


def weight_histograms(model: Any, *, bins: int = 40, axes: Axes | Sequence[Axes] | None = None) -> Panels:
    """Draw how the numbers of each weight matrix are distributed, one panel for each layer.

    Parameters
    ----------
    model : Trainer, estimator, or tree of arrays
        A trainer, a multilayer perceptron with scikit-learn's ``coefs_``, or the parameters of a network.
        Arrays of two or more axes are drawn.
    bins : int
        Bars in a panel.
    axes : matplotlib Axes, or a sequence of them, optional
        Where to draw, one for each panel; a new figure by default.

    Returns
    -------
    array of matplotlib Axes, of shape (n_weights,)

    Raises
    ------
    ArgumentError
        When there are no weights, or another number of axes.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> import twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(6, activation="relu"), tp.nn.Dense(2))
    >>> [axes.get_title() for axes in weight_histograms(net.init(0, (64,)))]
    ['0.weight', '1.weight']
    """
    found = {name: array for name, array in _arrays(model).items() if array.ndim >= 2}
    if not found:
        raise ArgumentError(compose("there are no weights to draw", instead="Pass a trainer, or trainer.params."))
    panels = new_panels(len(found), 3.2, 2.6, 4, axes)
    for panel, (name, array) in zip(panels, found.items(), strict=True):
        panel.hist(array.ravel(), bins=bins, color=BLUE)
        panel.axvline(0.0, color=INK, linewidth=0.8)
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel(f"mean {np.mean(array):.2g}, deviation {np.std(array):.2g}")
        panel.spines[["top", "right"]].set_visible(False)
    return panels


def _arrays(model: Any) -> dict[str, NDArray]:
    """The arrays of a model by their places, such as ``"0.weight"``."""
    if hasattr(model, "coefs_"):
        return {f"{number}.weight": np.asarray(matrix) for number, matrix in enumerate(model.coefs_)}
    params = model.params if hasattr(model, "params") else model
    return {".".join(map(str, path)): np.asarray(leaf) for path, leaf in tree.flatten_with_paths(params)}


def _first(arrays: dict[str, NDArray]) -> NDArray:
    for name, array in arrays.items():
        if array.ndim == 2 and name.split(".")[-1] == "weight":
            return array
    instead = f"There are {', '.join(arrays) or 'no arrays'}. Pass a trainer, or the parameters of Dense layers."
    raise ArgumentError(compose("there are no weights of the shape (n_features, n_units)", instead=instead))
