"""matplotlib, imported when the first picture is drawn, and the colours of all pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.errors import ArgumentError, MissingLibraryError, compose

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

__all__ = ["BLUE", "INK", "RED", "Panels", "class_colors", "new_figure", "new_panels", "signed_colors"]

#: Axes, in reading order: an array of objects.
Panels = np.ndarray[Any, np.dtype[Any]]

#: Told apart by people who see no difference between red and green, and in print.
RED, BLUE, INK = "#c8500a", "#1f6fb4", "#222222"
#: The same for classes: M. Okabe and K. Ito, "Color Universal Design" (2008), after the two above.
_CLASSES = (BLUE, RED, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a", "#f0e442")


def new_figure(width: float, height: float) -> Figure:
    """A figure of a size in inches, one that ``matplotlib.pyplot.show()`` shows.

    Raises
    ------
    MissingLibraryError
        When matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        what = "twopass.plot draws with matplotlib, which is not installed"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[plot]'.")) from error
    return pyplot.figure(figsize=(width, height), layout="constrained")


def new_panels(
    count: int, width: float, height: float, columns: int, axes: Axes | Sequence[Axes] | Panels | None
) -> Panels:
    """The axes to draw some panels in: the given ones, or those of a new figure of so many columns.

    Raises
    ------
    ArgumentError
        When there are more or fewer given ones than panels.
    """
    if axes is not None:
        given: Panels = np.empty(np.size(axes), object)  # type: ignore[arg-type]
        given[:] = np.ravel(axes)  # type: ignore[arg-type]
        if len(given) != count:
            what = f"there are {count} panels to draw, and {len(given)} axes to draw them in"
            raise ArgumentError(compose(what, instead=f"Pass {count}, such as pyplot.subplots(1, {count})[1]."))
        return given
    columns = min(count, columns)
    rows = math.ceil(count / columns)
    panels: Panels = new_figure(width * columns, height * rows).subplots(rows, columns, squeeze=False).ravel()
    for unused in panels[count:]:
        unused.remove()
    return panels[:count]


def signed_colors() -> Colormap:
    """Blue below zero, white at it, red above, as in the diagrams of networks."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [BLUE, "#ffffff", RED])


def class_colors(count: int) -> list[Any]:
    """A colour for each class."""
    if count <= len(_CLASSES):
        return list(_CLASSES[:count])
    from matplotlib import colormaps

    return list(colormaps["turbo"](np.linspace(0.05, 0.95, count)))
