"""The ways to a gradient, side by side: what each gives, how exactly, and at what cost."""

from __future__ import annotations

import functools
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import tree
from twopass.api import symbolic as formulas
from twopass.api.flat import Layout, ravel
from twopass.api.forward import jvp
from twopass.api.numerical import finite_difference
from twopass.api.reverse import positions, value_and_grad
from twopass.api.tracing import Function, Inputs
from twopass.errors import ArgumentError, MissingLibraryError, ShapeError, compose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Technique", "Techniques", "costs", "techniques"]

#: What is measured: at most so long, and so often.
_SECONDS, _TIMES = 0.02, 101
#: From how many inputs on there is no formula: SymPy would take minutes.
_MOST_SYMBOLS = 100
#: Methods of `finite_difference`: name, its own name for it, and the step that it takes by default.
_DIFFERENCES = {
    "forward differences": ("forward", np.finfo(float).eps ** (1 / 2)),
    "central differences": ("central", np.finfo(float).eps ** (1 / 3)),
    "complex step": ("complex-step", 1e-30),
}
_BLUE, _RED, _GREEN, _GREY, _INK = "#1f6fb4", "#c8500a", "#2a8c5a", "#888888", "#222222"
_COLOURS = dict(zip((*_DIFFERENCES, "forward mode", "reverse mode"), (_BLUE, _RED, _GREEN, _GREY, _INK), strict=True))


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
        return ("technique", "gradient", "error", "step", "runs of f", "time", "time / f")

    def cells(self) -> list[tuple[str, ...]]:
        """The table as text: one tuple for each row."""
        return [
            (
                row.name,
                "-" if row.gradient is None else _numbers(row.gradient),
                "-" if row.error is None else f"{row.error:.1e}" if row.error else "0",
                "" if row.step is None else f"{row.step:.1e}",
                f"{row.evaluations}" if row.gradient is not None else "",
                "" if row.seconds is None else _duration(row.seconds),
                "" if row.seconds is None else f"{row.seconds / self.seconds:.1f}",
            )
            for row in self.rows
        ]

    def notes(self) -> list[str]:
        """What the table leaves out: one sentence a line."""
        found = [f"f takes {_duration(self.seconds)}; errors are relative to the gradient by {self.reference}."]
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
            axes.legend(frameon=False, fontsize="small")
        return both

    def _plot_errors(self, axes: Any) -> None:
        floor = np.finfo(float).eps / 8
        for name, errors in self.errors.items():
            axes.loglog(self.steps, np.maximum(errors, floor), color=_COLOURS[name], label=name)
            row = self[name]
            if row.error is not None and row.step is not None and row.step >= self.steps[0]:
                axes.plot(row.step, max(row.error, floor), "o", color=_COLOURS[name])
        for name, style in (("forward mode", ":"), ("reverse mode", "--")):
            error = self[name].error
            if error is not None:
                axes.axhline(max(error, floor), color=_COLOURS[name], linestyle=style, label=f"{name} (no step)")
        axes.set(xlabel="step h (dots: by default)", ylabel="relative error of the gradient", title="error")


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
    shown = ", ".join(f"{number:.12g}" for number in flat[:3])
    return shown if len(flat) <= 3 else f"{shown}, ... ({len(flat)} numbers)"


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


# --- measuring --------------------------------------------------------------------------------------------------------


class _Counted:
    """A function that counts how often it runs."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self.count = 0

    def __call__(self, *args: Any) -> Any:
        self.count += 1
        return self.f(*args)


def median_time(run: Callable[[], Any], seconds: float = _SECONDS) -> float:
    """The median time of a call, of as many as fit into some seconds (but at least three)."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < _TIMES and time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def costs(sizes: Sequence[int] = (2, 4, 8, 16, 32, 64, 128, 256)) -> dict[str, dict[int, float]]:
    """Time for value and gradient of ``f(x) = Σ sin(xᵢ xᵢ₊₁)``, in times that f itself takes.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, at least 2.

    Returns
    -------
    dict of str to dict of int to float
        For each technique and number of inputs, the median time over that of the function.
    """

    def f(x: Any) -> Any:
        return np.sum(np.sin(x[1:] * x[:-1]))

    found: dict[str, dict[int, float]] = {name: {} for name in _COLOURS}
    for size in sizes:
        x = np.linspace(0.5, 1.5, size)
        own = median_time(functools.partial(f, x), 2e-3)
        for name in found:
            found[name][size] = median_time(functools.partial(_RUNS[name], f, (x,), (0,)), 5e-3) / own
    return found


def _by_differences(method: Any, f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    """Value and gradient; the value is the first that a difference is taken from, if it needs one."""
    values: list[Any] = []

    def kept(*args: Any) -> Any:
        values.append(f(*args))
        return values[-1]

    gradient = finite_difference(kept, argnums, method)(*args)
    return values[0], gradient


def _by_forward_mode(f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    """Value and gradient: a dual number for each element, that has the tangent 1."""
    chosen = tuple(args[number] for number in argnums)
    layout = Layout(chosen, "the arguments")

    def of_chosen(*values: Any) -> Any:
        replaced = dict(zip(argnums, values, strict=True))
        return f(*[replaced.get(number, arg) for number, arg in enumerate(args)])

    value, parts = None, []
    for unit in np.eye(layout.size):
        value, part = jvp(of_chosen, chosen, layout.unravel(unit))
        parts.append(part)
    return value, layout.unravel(np.asarray(parts))


def _by_reverse_mode(f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    return value_and_grad(f, argnums)(*args)  # type: ignore[no-any-return]


#: How each technique that needs nothing but the function finds value and gradient.
_RUNS: dict[str, Callable[[Function, Sequence[Any], tuple[int, ...]], tuple[Any, Any]]] = {
    **{name: functools.partial(_by_differences, method) for name, (method, _) in _DIFFERENCES.items()},
    "forward mode": _by_forward_mode,
    "reverse mode": _by_reverse_mode,
}


# --- the comparison ---------------------------------------------------------------------------------------------------


def techniques(
    f: Function,
    *args: Any,
    manual: Callable[..., Any] | None = None,
    symbolic: bool | None = None,
    argnums: int | tuple[int, ...] = 0,
) -> Techniques:
    """Differentiate a function by all techniques, and compare what they give and cost.

    ===================  =================================================================================
    technique            gradient of a function of n inputs
    ===================  =================================================================================
    manual               by the derivative that the user has found
    symbolic             by SymPy's formula, from one run of the function on symbols
    forward differences  ``(f(x + h) - f(x)) / h`` for each input
    central differences  ``(f(x + h) - f(x - h)) / 2h`` for each input
    complex step         ``Im f(x + ih) / h`` for each input
    forward mode         dual numbers, one forward pass for each input
    reverse mode         one forward and one backward pass
    ===================  =================================================================================

    Parameters
    ----------
    f : callable
        Plain NumPy code with one real number as result.
    *args : trees of float arrays
        Where to differentiate.
    manual : callable, optional
        ``manual(*args)``: the gradient, built as that of `grad` is.
    symbolic : bool, optional
        Whether to use SymPy; by default if it is installed.
    argnums : int or tuple of int
        Position of the argument to differentiate in, or of several.

    Returns
    -------
    Techniques
        A table, in `rows`; ``plot()`` draws it. Times are medians, evaluations are counted.

    Raises
    ------
    ShapeError, ArgumentError
        When the result is not one real number, or an argument has no derivative.
    MissingLibraryError
        When ``symbolic=True`` and SymPy is not installed.

    Notes
    -----
    Errors are measured against SymPy's gradient to 30 digits. Where SymPy cannot, they are measured against reverse mode
    in NumPy's longest floats, or, if there are none longer than double precision or the function does not take them,
    against reverse mode itself, whose own error is then unknown. `reference` says which.

    A. G. Baydin, B. A. Pearlmutter, A. A. Radul and J. M. Siskind, Automatic Differentiation in Machine Learning: a
    Survey (2018).

    Examples
    --------
    >>> import twopass as tp
    >>> result = tp.techniques(lambda x, y: x**2 * y + y + 2, 3.0, 4.0, argnums=(0, 1))
    >>> for row in result.rows:
    ...     print(f"{row.name:<20} {row.evaluations}")
    symbolic             1
    forward differences  3
    central differences  5
    complex step         3
    forward mode         2
    reverse mode         1
    >>> result["reverse mode"].gradient
    (24.0, 10.0)
    """
    numbers = positions(argnums, len(args))
    inputs = Inputs()
    for number in numbers:
        inputs.add(args[number], f"argument {number + 1}")
    layout = Layout(tuple(args[number] for number in numbers), "the arguments", np.dtype(np.float64))
    values = list(args)
    for number, value in zip(numbers, layout.unravel(ravel([args[n] for n in numbers]).astype(float)), strict=True):
        values[number] = value
    compared = _Comparison(f, tuple(values), numbers, layout, isinstance(argnums, (tuple, list)))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)  # where a function drops an imaginary part
        _check_value(f(*values))
        return compared.run(manual, symbolic)


def _check_value(value: Any) -> None:
    """Raise unless the function has a finite real number as result."""
    if np.shape(value) != ():
        what = f"techniques compares gradients of functions with one number as result, not shape {np.shape(value)}"
        raise ShapeError(compose(what, instead="Sum it."))
    if np.iscomplexobj(value):
        raise ArgumentError(compose("the function's result is complex", instead="Take np.real or np.abs of it."))
    if not np.isfinite(value):
        what = f"the function is {float(value)} at these arguments"
        raise ArgumentError(compose(what, instead="Choose others, where it is defined."))


class _Comparison:
    """A function, where it is differentiated, and what is known of its gradient."""

    def __init__(self, f: Function, args: Any, numbers: tuple[int, ...], layout: Layout, several: bool) -> None:
        self.f = f
        self.args = args
        self.numbers = numbers
        self.layout = layout
        self.several = several
        self.formula: formulas.Formula | None = None
        self.exact: Any = None

    def run(self, manual: Callable[..., Any] | None, symbolic: bool | None) -> Techniques:
        """The table."""
        rows = [] if manual is None else [functools.partial(self._manual, manual)]
        symbolic_note = self._derive(symbolic)
        reference, itself = self._find_exact()
        if symbolic is not False and symbolic_note is not None:
            rows.append(functools.partial(self._symbolic, symbolic_note))
        made = [row() for row in rows] + [self._measured(name, run) for name, run in _RUNS.items()]
        if itself:
            made = [
                Technique(**{**vars(row), "error": None, "note": "taken as exact"})
                if row.name == "reverse mode"
                else row
                for row in made
            ]
        steps = np.logspace(-16, 0, 49)
        errors = {name: self._errors(method, steps) for name, (method, _) in _DIFFERENCES.items()}
        rounded = self._grouped(np.asarray(self.exact, float))
        seconds = median_time(functools.partial(self.f, *self.args))
        return Techniques(tuple(made), reference, rounded, seconds, steps, errors)

    # --- what is exact ------------------------------------------------------------------------------------------------

    def _derive(self, wanted: bool | None) -> str | None:
        """Find the formula: what is to be said of it; None without SymPy."""
        if wanted is False:
            return None
        if wanted is None:
            try:
                formulas.sympy()
            except MissingLibraryError:
                return None
        if self.layout.size > _MOST_SYMBOLS:
            return f"left out for more than {_MOST_SYMBOLS} inputs"
        start = time.perf_counter()
        try:
            self.formula = formulas.derive(self.f, self.args, self.numbers)
        except MissingLibraryError:
            raise
        except Exception as error:  # whatever the function does with symbols
            return f"no formula: {_reason(error)}"
        taken = time.perf_counter() - start
        return f"derived in {_duration(taken)}, a gradient of {self.formula.operations} operations"

    def _find_exact(self) -> tuple[str, bool]:
        """Find the most exact gradient: what it is by, and whether that is one of the techniques."""
        if self.formula is not None:
            try:
                self.exact = np.array(self.formula.evaluate(self._flat()), np.longdouble)
                return "SymPy, to 30 digits", False
            except (ArithmeticError, ValueError, TypeError):
                pass  # outside of the real numbers
        if np.finfo(np.longdouble).eps < np.finfo(float).eps:
            long = Layout([self.args[n] for n in self.numbers], "", np.dtype(np.longdouble))
            values = list(self.args)
            for number, value in zip(self.numbers, long.unravel(self._flat().astype(np.longdouble)), strict=True):
                values[number] = value
            try:
                value, gradient = value_and_grad(self.f, self.numbers)(*values)
                if np.asarray(value).dtype == np.longdouble:
                    self.exact = ravel(gradient)
                    return f"reverse mode with np.longdouble, to {np.finfo(np.longdouble).precision} digits", False
            except Exception:
                pass  # functions of linear algebra have no such precision
        self.exact = np.asarray(ravel(value_and_grad(self.f, self.numbers)(*self.args)[1]), np.longdouble)
        return "reverse mode", True

    def _flat(self) -> Any:
        return ravel([self.args[number] for number in self.numbers])

    def _error(self, gradient: Any) -> float:
        """Largest difference from the exact gradient, relative to its largest element."""
        found = np.asarray(ravel(gradient), np.longdouble)
        same = (found == self.exact) | (np.isnan(found) & np.isnan(self.exact))
        largest = np.max(np.abs(self.exact))
        difference = np.max(np.where(same, 0, np.abs(found - self.exact)))
        return float(difference / largest if np.isfinite(largest) and largest else difference)

    def _errors(self, method: Any, steps: Sequence[float]) -> np.ndarray[Any, Any]:
        """The error with each of some steps."""
        found = []
        for step in steps:
            try:
                found.append(self._error(finite_difference(self.f, self.numbers, method, step)(*self.args)))
            except Exception:
                found.append(np.nan)  # the table says why
        return np.array(found)

    def _grouped(self, flat: Any) -> Any:
        """A gradient as it is returned: a tuple only for several arguments, numbers instead of arrays of none."""
        parts = tree.map(
            lambda leaf: float(leaf) if np.ndim(leaf) == 0 else np.asarray(leaf), self.layout.unravel(flat)
        )
        return parts if self.several else parts[0]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _row(self, name: str, f: _Counted, run: Callable[[Function], tuple[Any, Any]], note: str = "") -> Technique:
        """Run a technique, count, measure."""
        step = _DIFFERENCES[name][1] if name in _DIFFERENCES else None
        f.count = 0
        try:
            value, gradient = run(f)
            flat = np.asarray(ravel(gradient), float)
            if flat.size != self.layout.size:
                raise ShapeError(f"it gives {flat.size} numbers, not {self.layout.size}")
            error, count = self._error(flat), f.count
            seconds = median_time(functools.partial(run, f.f))
        except Exception as failure:  # whatever the function does with complex numbers, or the user's derivative
            return Technique(name, step=step, evaluations=f.count, note=f"does not work here: {_reason(failure)}")
        if not error < 1e-3:
            note = "not the derivative" if name != "complex step" else "the function is not analytic"
        return Technique(name, float(np.real(value)), self._grouped(flat), error, step, count, seconds, note)

    def _measured(self, name: str, run: Callable[..., tuple[Any, Any]]) -> Technique:
        return self._row(name, _Counted(self.f), lambda f: run(f, self.args, self.numbers))

    def _manual(self, derivative: Callable[..., Any]) -> Technique:
        return self._row("manual", _Counted(self.f), lambda f: (f(*self.args), derivative(*self.args)))

    def _symbolic(self, note: str) -> Technique:
        if self.formula is None:
            return Technique("symbolic", note=note)
        both = self.formula.compiled()
        values = [float(value) for value in self._flat()]

        def run(_: Function) -> tuple[Any, Any]:
            value, *gradient = both(*values)
            return value, np.array(gradient, float)

        row = self._row("symbolic", _Counted(self.f), run, note)
        return Technique(**{**vars(row), "evaluations": 1})  # on the symbols


def _reason(error: Exception) -> str:
    """The first sentence of an error."""
    return str(error).split("\n")[0].split(". ")[0].rstrip(".") or type(error).__name__
