"""Which class a model gives to each point of a plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.errors import ArgumentError, ShapeError, compose
from twopass.train.inputs import as_array, feature_names
from twopass.viz._matplotlib import INK, class_colors, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["decision_boundary"]

_MARGIN = 0.08  # of the range of the samples, on each side


def decision_boundary(
    model: Any,
    x: Any,
    y: Any,
    *,
    features: tuple[int, int] = (0, 1),
    class_names: Sequence[str] | None = None,
    threshold: float = 0.0,
    resolution: int = 200,
    axes: Axes | None = None,
) -> Axes:
    """Draw the classes that a model tells apart: its regions, the boundaries between them, and the samples.

    Parameters
    ----------
    model : Trainer, estimator or callable
        Anything with a ``predict``, or a function of points of shape ``(n_points, n_features)``. It gives classes
        (integers, or what the model's ``classes_`` holds); or one number a class, the largest of which wins; or one
        number, which is compared to `threshold`.
    x : array of shape (n_samples, n_features)
        The samples; the names of a data frame's columns become those of the axes.
    y : array of shape (n_samples,)
        Their classes.
    features : pair of int
        Which of the features are drawn, to the right and upwards. All others are held at their mean.
    class_names : sequence of str, optional
        For the legend; the classes themselves by default.
    threshold : float
        For models with one output: 0 for logits, 0.5 for probabilities.
    resolution : int
        Points in each direction.
    axes : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ShapeError, ArgumentError
        When there are no two features to draw, or what the model or `y` gives are no classes.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> axes = decision_boundary(lambda x: x[:, 0] * x[:, 1], x, x[:, 0] * x[:, 1] > 0)
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['0', '1']
    """
    labels = feature_names(x)
    x = as_array(x, "x")
    across, up = _checked(x, features, resolution)
    known = getattr(model, "classes_", None)
    classes = _of_targets(y, known)
    if classes.shape != x.shape[:1]:
        raise ShapeError(compose(f"x has {len(x)} rows and y has {len(classes)}", instead="Pass one class a row."))
    columns = [_range(x[:, feature], resolution) for feature in (across, up)]
    points = np.tile(x.mean(axis=0), (resolution**2, 1))
    points[:, up], points[:, across] = (grid.ravel() for grid in np.meshgrid(*columns[::-1], indexing="ij"))
    predict: Callable[[Any], Any] = model.predict if hasattr(model, "predict") else model
    regions = _of_outputs(predict(points), known, threshold, len(points)).reshape(resolution, resolution)
    count = int(max(regions.max(), classes.max(initial=0))) + 1 if known is None else len(known)
    names = [str(name) for name in (class_names or (range(count) if known is None else known))]
    if len(names) < count:
        what = f"there are {count} classes and {len(names)} class_names"
        raise ArgumentError(compose(what, instead="Name every class."))
    if axes is None:
        axes = new_figure(4.6, 4.0).add_subplot()
    _draw(axes, columns, regions, names)
    for number in range(count):
        chosen = classes == number
        if chosen.any():
            color = class_colors(len(names))[number]
            axes.scatter(
                x[chosen, across], x[chosen, up], 16, color=color, edgecolor="white", linewidth=0.5, label=names[number]
            )
    axes.set_xlabel(f"feature {across}" if labels is None else labels[across])
    axes.set_ylabel(f"feature {up}" if labels is None else labels[up])
    axes.legend(frameon=True, fontsize="small")
    return axes


def _checked(x: Any, features: Any, resolution: int) -> tuple[int, int]:
    if x.ndim != 2 or x.shape[1] < 2 or not len(x) or x.dtype.kind not in "biuf":
        what = f"x is an array of {x.dtype} of shape {x.shape}, which has no plane to draw"
        raise ShapeError(
            compose(what, instead="Pass numbers of the shape (n_samples, n_features), 2 features or more.")
        )
    numbers = tuple(features)
    if len(numbers) != 2 or numbers[0] == numbers[1] or not all(0 <= number < x.shape[1] for number in numbers):
        what = f"features={features!r} are not two of the {x.shape[1]} features"
        raise ArgumentError(compose(what, instead="Write features=(0, 1)."))
    if resolution < 2:
        raise ArgumentError(compose(f"resolution must be at least 2, got {resolution!r}"))
    return numbers[0], numbers[1]


def _range(values: Any, resolution: int) -> Any:
    margin = _MARGIN * (float(np.ptp(values)) or 1.0)
    return np.linspace(values.min() - margin, values.max() + margin, resolution)


def _of_targets(y: Any, known: Any) -> Any:
    """Targets as numbers of classes."""
    found = np.ravel(y)
    if known is not None:
        return _numbered(found, known)
    if found.dtype.kind not in "biuf" or (found.size and (np.any(found != np.floor(found)) or found.min() < 0)):
        what = "y holds no classes, which are whole numbers from 0"
        instead = "Number the classes: names, y = np.unique(y, return_inverse=True)."
        raise ArgumentError(compose(what, instead=instead))
    return found.astype(np.intp)


def _of_outputs(output: Any, known: Any, threshold: float, count: int) -> Any:
    """What a model gives as numbers of classes."""
    found = np.asarray(output)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape[:1] != (count,) or found.ndim > 2:
        what = f"the model gives an array of shape {found.shape} for {count} points"
        raise ShapeError(compose(what, instead="It must give a class, or one number for each class, for every point."))
    if found.ndim == 2:
        return found.argmax(axis=1)
    if known is not None:
        return _numbered(found, known)
    return _of_targets(found, None) if found.dtype.kind in "biu" else (found > threshold).astype(np.intp)


def _numbered(labels: Any, known: Any) -> Any:
    """The positions of labels among the classes that an estimator knows, which are sorted."""
    known = np.asarray(known)
    places = np.minimum(np.searchsorted(known, labels), len(known) - 1)
    strange = known[places] != labels
    if strange.any():
        what = f"the class {labels[strange].tolist()[0]!r} is none that the model has learned"
        raise ArgumentError(compose(what, instead=f"Its classes are {', '.join(map(repr, known.tolist()))}."))
    return places


def _draw(axes: Axes, columns: list[Any], regions: Any, names: Sequence[str]) -> None:
    from matplotlib.colors import ListedColormap

    across, up = columns
    extent = (across[0], across[-1], up[0], up[-1])
    axes.imshow(
        regions,
        ListedColormap(class_colors(len(names))),
        origin="lower",
        extent=extent,
        aspect="auto",
        interpolation="nearest",
        alpha=0.25,
        vmin=-0.5,
        vmax=len(names) - 0.5,
    )
    present = np.unique(regions)
    for number in present[1:] if len(present) == 2 else present if len(present) > 2 else ():
        axes.contour(across, up, regions == number, levels=[0.5], colors=INK, linewidths=1)
