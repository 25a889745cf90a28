"""A small network as a diagram of its units and connections, in the forward or the backward pass."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from twopass import nn
from twopass.errors import ArgumentError, compose
from twopass.viz._matplotlib import BLUE, INK, RED, new_figure
from twopass.viz.passes import Passes, Units, passes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["network"]

NDArray = npt.NDArray[Any]

#: Inches between layers and between units, and the radius of a unit, where the figure is not scaled.
_ACROSS, _DOWN, _RADIUS = 2.3, 0.82, 0.27
#: Inches from the outermost units to the names above and to the caption below.
_ABOVE, _BELOW, _CAPTION_WIDTH = 0.55, 0.7, 6.4
_CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "color": INK}
_WIDEST = 5.0  # points
#: Up to so many connections between two layers have their values written on them, this far along.
_LABELLED, _ALONG = 9, 0.23
_CAPTIONS = {
    "forward": "forward pass →    in a unit: activation    b: bias    on a connection: weight",
    "backward": "← backward pass    in a unit: ∂E/∂net    on a connection: ∂E/∂w",
}
#: Stands among the numbers of the units for those that are left out.
_REST = -1


def network(
    net: nn.Layer,
    params: Any,
    x: Any,
    y: Any = None,
    loss: str | Callable[..., Any] | None = None,
    show: str = "forward",
    max_units: int = 8,
    axes: Axes | None = None,
) -> Axes:
    """Draw a fully connected network at work on one instance.

    In the forward pass a unit shows its activation and its bias, a connection its weight. In the backward pass a unit
    shows its error signal, the derivative of the error with regard to its net input, and a connection the derivative
    with regard to its weight. Red is above zero and blue below; the width of a connection and the shade of a unit
    grow with the size of the number, relative to the largest in the diagram.

    Parameters
    ----------
    net : Dense or Sequential
        A network of `Dense` layers; see `passes`, which computes what is drawn.
    params : tree of arrays
        Parameters of `net`.
    x : array of shape (n_features,)
        One instance.
    y : number or array, optional
        Its target, and
    loss : str or callable, optional
        the loss function or its name; both are needed for the backward pass.
    show : {"forward", "backward"}
        Which pass.
    max_units : int
        In layers with more units, the first ``max_units - 1`` and the last are drawn. At least 2.
    axes : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ArgumentError
        For another value of `show` or `max_units`, or a backward pass without a target.
    MissingLibraryError
        When matplotlib is not installed.

    Examples
    --------
    >>> import twopass as tp
    >>> net = tp.nn.Sequential(tp.nn.Dense(2, activation="sigmoid"), tp.nn.Dense(1))
    >>> axes = network(net, net.init(0, (2,)), [1.0, 0.0], 1.0, "mean_squared_error", show="backward")
    >>> len(axes.lines)  # the connections
    6
    """
    if show not in ("forward", "backward"):
        raise ArgumentError(compose(f'show must be "forward" or "backward", got {show!r}'))
    if max_units < 2:
        raise ArgumentError(compose(f"max_units must be at least 2, got {max_units!r}"))
    if show == "backward" and y is None:
        what = "the backward pass starts from an error, and there is no target"
        raise ArgumentError(compose(what, instead='Pass y and loss, for example y=1.0, loss="mean_squared_error".'))
    found = passes(net, params, x, y, loss)
    columns = [_column(units, number, show, max_units) for number, units in enumerate(found.units)]
    if axes is None:
        rows = max(len(column.places) for column in columns)
        width = max(_ACROSS * (len(columns) - 1) + 1.4, _CAPTION_WIDTH)
        axes = new_figure(width, _DOWN * (rows - 1) + _ABOVE + _BELOW + 0.3).add_subplot()
    _draw_connections(axes, columns)
    _draw_units(axes, columns)
    _draw_captions(axes, columns, found, show)
    axes.set_aspect("equal")
    axes.set_axis_off()
    return axes


@dataclasses.dataclass(frozen=True, eq=False)
class _Column:
    """What is drawn of a layer."""

    #: Where, by number of the unit; `_REST` is the place of the ellipsis.
    places: dict[int, tuple[float, float]]
    #: Numbers in the units, below them, and on the connections that lead to them.
    units: NDArray
    below: NDArray | None
    connections: NDArray | None

    def drawn(self) -> Iterator[tuple[int, tuple[float, float]]]:
        """The units that are drawn, with their places."""
        return ((unit, place) for unit, place in self.places.items() if unit != _REST)


def _column(units: Units, number: int, show: str, max_units: int) -> _Column:
    count = len(units.activation)
    drawn = list(range(count)) if count <= max_units else [*range(max_units - 1), _REST, count - 1]
    middle = (len(drawn) - 1) / 2
    places = {unit: (_ACROSS * number, _DOWN * (middle - row)) for row, unit in enumerate(drawn)}
    if show == "forward":
        return _Column(places, units.activation, units.bias, units.weight)
    assert units.error_signal is not None
    return _Column(places, units.error_signal, None, units.weight_gradient)


def _largest(arrays: Iterable[NDArray | None]) -> float:
    """The largest size of a number, or 1: what the widths and shades are relative to."""
    return max((float(np.max(np.abs(array))) for array in arrays if array is not None), default=0.0) or 1.0


def _color(value: float) -> str:
    return RED if value > 0 else BLUE if value < 0 else "#bbbbbb"


def _text(value: float) -> str:
    """Two digits, as short as they can be."""
    text = f"{value:.2g}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"
    return re.sub(r"e\+?(-?)0*", r"e\1", text).replace("-", "\N{MINUS SIGN}")


def _draw_connections(axes: Axes, columns: list[_Column]) -> None:
    largest = _largest(column.connections for column in columns)
    for left, right in itertools.pairwise(columns):
        assert right.connections is not None
        labelled = len(left.places) * len(right.places) <= _LABELLED
        for (i, (x0, y0)), (j, (x1, y1)) in itertools.product(left.drawn(), right.drawn()):
            value = right.connections[i, j]
            width = 0.3 + _WIDEST * abs(value) / largest
            axes.plot([x0, x1], [y0, y1], color=_color(value), linewidth=width, alpha=0.7, zorder=1)
            if labelled:
                x, y = x0 + _ALONG * (x1 - x0), y0 + _ALONG * (y1 - y0)
                box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85}
                axes.text(x, y, _text(value), **_CENTRED, fontsize=7.5, bbox=box, zorder=2)


def _draw_units(axes: Axes, columns: list[_Column]) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Circle

    largest = _largest(column.units for column in columns)
    for column in columns:
        for unit, (x, y) in column.drawn():
            value = column.units[unit]
            shade = [1 - 0.5 * abs(value) / largest * (1 - part) for part in to_rgb(_color(value))]
            axes.add_patch(Circle((x, y), _RADIUS, facecolor=shade, edgecolor=INK, linewidth=1, zorder=3))
            axes.text(x, y, _text(value), **_CENTRED, fontsize=9, zorder=4)
            if column.below is not None:
                axes.text(x, y - 1.4 * _RADIUS, f"b = {_text(column.below[unit])}", **_CENTRED, fontsize=7.5, zorder=4)
        if _REST in column.places:
            axes.text(*column.places[_REST], "\N{VERTICAL ELLIPSIS}", **_CENTRED, fontsize=16)


def _draw_captions(axes: Axes, columns: list[_Column], found: Passes, show: str) -> None:
    """Names above the layers, and below the diagram what its numbers are."""
    heights = [y for column in columns for _, y in column.places.values()]
    top, bottom = max(heights) + _ABOVE, min(heights) - _BELOW
    for number, units in enumerate(found.units):
        axes.text(_ACROSS * number, top, _name(units, number, len(columns)), **_CENTRED, fontsize=9)
    error = "" if found.error is None else f"    E = {_text(found.error)}"
    axes.text(_ACROSS * (len(columns) - 1) / 2, bottom, _CAPTIONS[show] + error, **_CENTRED, fontsize=9)
    axes.set_xlim(-0.7, _ACROSS * (len(columns) - 1) + 0.7)
    axes.set_ylim(bottom - 0.15, top + 0.15)


def _name(units: Units, number: int, count: int) -> str:
    if units.layer is None:
        return "input"
    kind = "output" if number == count - 1 else f"hidden {number}"
    activation = units.layer.activation
    return kind if activation is None else f"{kind}: {getattr(activation, '__name__', activation)}"
