"""What the techniques gave, as a table and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass.api.flat import ravel
from twopass.api.ways import DIFFERENCES, costs
from twopass.errors import MissingLibraryError, compose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Technique", "Techniques", "duration"]

_BLUE, _RED, _GREEN, _GREY, _INK = "#1f6fb4", "#c8500a", "#2a8c5a", "#888888", "#222222"
_COLOURS = dict(zip((*DIFFERENCES, "forward mode", "reverse mode"), (_BLUE, _RED, _GREEN, _GREY, _INK), strict=True))


@dataclass(frozen=True)
class Technique:
    """What one technique gave, and what it cost.

    Attributes
    ----------
    name : str
        Of the technique.
    value : float or None
        Of the function.
    gradient : tree or None
        Built like the differentiated arguments; None if the technique does not work here.
    error : float or None
        Largest error in the gradient, relative to its largest element; None if nothing more exact is known.
    step : float or None
        The step h of a numerical technique, relative to the arguments.
    evaluations : int
        How often the function ran, for value and gradient.
    seconds : float or None
        For value and gradient: the median.
    note : str
        What else there is to know: why it does not work here, what it costs beforehand.
    """

    name: str
    value: float | None = None
    gradient: Any = None
    error: float | None = None
    step: float | None = None
    evaluations: int = 0
    seconds: float | None = None
    note: str = ""


@dataclass(frozen=True, repr=False, eq=False)
class Techniques:
    """The result of `twopass.techniques`; printing it shows a table.

    Attributes
    ----------
    rows : tuple of Technique
        One for each technique.
    reference : str
        What the errors are measured against.
    exact : tree
        The gradient by that, rounded to double precision.
    seconds : float
        One run of the function: the median.
    steps : ndarray
        Steps h of the numerical techniques.
    errors : dict of str to ndarray
        For each of those, the error with each step.
    """

    rows: tuple[Technique, ...]
    reference: str
    exact: Any
    seconds: float
    steps: np.ndarray[Any, Any]
    errors: dict[str, np.ndarray[Any, Any]]

    def __getitem__(self, name: str) -> Technique:
        """The row of a technique, by its name."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the table."""
        return ("technique", "gradient", "error", "step", "runs", "time", "time / f")

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text: one tuple for each row."""
        return [
            (
                row.name,
                "-" if row.gradient is None else _numbers(row.gradient),
                "-" if row.error is None else f"{row.error:.1e}" if row.error else "0",
                "" if row.step is None else f"{row.step:.1e}",
                f"{row.evaluations}" if row.gradient is not None else "",
                "" if row.seconds is None else duration(row.seconds),
                "" if row.seconds is None else f"{row.seconds / self.seconds:.1f}",
            )
            for row in self.rows
        ]

    def notes(self) -> list[str]:
        """What the table leaves out: one sentence a line."""
        own = f"One run of f takes {duration(self.seconds)}; "
        found = [f"{own}errors are relative to the gradient by {self.reference}."]
        return found + [f"{row.name}: {row.note}." for row in self.rows if row.note]

    def __str__(self) -> str:
        table = [self.headings, *self.cells()]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        left = (0, 1)  # the other columns are numbers
        lines = [
            "  ".join(
                f"{cell:<{width}}" if place in left else f"{cell:>{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        return "\n".join([*lines, "", *self.notes()])

    __repr__ = __str__

    def plot(self, figure: Figure | None = None) -> Any:
        """Draw the error against the step, and the cost against the number of inputs.

        The first diagram is of this function: the errors of finite differences fall with the step, until those of
        rounding rise; a complex step may be as small as it likes, and the techniques on the right have none. The second
        one is measured when it is drawn, on a family of functions: see `costs`.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Where to draw; a new one by default.

        Returns
        -------
        ndarray of two matplotlib Axes

        Raises
        ------
        MissingLibraryError
            When matplotlib is not installed.
        """
        if figure is None:
            figure = _new_figure()
        both = figure.subplots(1, 2)
        self._plot_errors(both[0])
        _plot_costs(both[1], costs())
        for axes in both:
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(handles=both[1].lines, loc="outside lower center", ncols=len(_COLOURS), frameon=False)
        return both

    def _plot_errors(self, axes: Any) -> None:
        floor = np.finfo(float).eps / 8  # what is exact has a place on the logarithmic scale, too
        for name, errors in self.errors.items():
            axes.loglog(self.steps, np.maximum(errors, floor), color=_COLOURS[name], label=name)
            row = self[name]
            if row.error is not None and row.step is not None and row.step >= self.steps[0]:
                axes.plot(row.step, max(row.error, floor), "o", color=_COLOURS[name])
        for name, style in (("forward mode", ":"), ("reverse mode", "--")):
            error = self[name].error
            if error is not None:
                axes.axhline(max(error, floor), color=_COLOURS[name], linestyle=style, label=name)
        axes.set(xlabel="step h (dots: the default)", ylabel="relative error of the gradient", title="error")


def _new_figure() -> Figure:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        what = "techniques are drawn with matplotlib, which is not installed"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[plot]'.")) from error
    return pyplot.figure(figsize=(9.6, 3.6), layout="constrained")


def _plot_costs(axes: Any, measured: dict[str, dict[int, float]]) -> None:
    for name, times in measured.items():
        axes.loglog(list(times), list(times.values()), "o-", color=_COLOURS[name], markersize=3, label=name)
    axes.set(xlabel="number of inputs", ylabel="time / time of the function", title="cost of value and gradient")


def _numbers(gradient: Any) -> str:
    flat = np.asarray(ravel(gradient), float)
    shown = ", ".join(f"{number:.9g}" for number in flat[:3])
    return shown if len(flat) <= 3 else f"{shown}, ... ({len(flat)} numbers)"


def duration(seconds: float) -> str:
    """A time with its unit."""
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
