"""The ways to a gradient, side by side: what each gives, how exactly, and at what cost."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from twopass import tree
from twopass.api import symbolic as formulas
from twopass.api.flat import Layout, ravel
from twopass.api.numerical import finite_difference
from twopass.api.reverse import positions, value_and_grad
from twopass.api.table import Technique, Techniques, duration
from twopass.api.tracing import Function, Inputs
from twopass.api.ways import DIFFERENCES, RUNS, Counted, median_time
from twopass.errors import ArgumentError, MissingLibraryError, ShapeError, compose

__all__ = ["techniques"]

#: From how many inputs on there is no formula: SymPy would take minutes.
_MOST_SYMBOLS = 100


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
    Errors are measured against SymPy's gradient to 30 digits. Where SymPy has none, they are measured against reverse
    mode with NumPy's longest floats, or, if those are no longer than double precision or the function does not take
    them, against reverse mode itself, whose own error is then unknown. `reference` says which.

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
    chosen = tuple(args[number] for number in numbers)
    layout = Layout(chosen, "the arguments", np.dtype(np.float64))
    if not layout.size:
        raise ArgumentError(compose("there is no number to differentiate in", instead="Pass arrays with elements."))
    flat = ravel(chosen).astype(float)
    flat.flags.writeable = False  # the function runs many times
    values = list(args)
    for number, value in zip(numbers, layout.unravel(flat), strict=True):
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
        made = [row() for row in rows] + [self._measured(name, run) for name, run in RUNS.items()]
        if itself:
            made[-1] = replace(made[-1], error=None, note="taken as exact")
        steps = np.logspace(-16, 0, 49)
        errors = {name: self._errors(method, steps) for name, (method, _) in DIFFERENCES.items()}
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
        return f"derived in {duration(taken)}, a gradient of {self.formula.operations} operations"

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

    def _errors(self, method: Any, steps: Any) -> np.ndarray[Any, Any]:
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
        parts = tree.map(lambda leaf: np.asarray(leaf) if np.ndim(leaf) else float(leaf), self.layout.unravel(flat))
        return parts if self.several else parts[0]

    # --- rows ---------------------------------------------------------------------------------------------------------

    def _row(self, name: str, f: Counted, run: Callable[[Function], tuple[Any, Any]], note: str = "") -> Technique:
        """Run a technique, count, measure."""
        step = DIFFERENCES[name][1] if name in DIFFERENCES else None
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
        return self._row(name, Counted(self.f), lambda f: run(f, self.args, self.numbers))

    def _manual(self, derivative: Callable[..., Any]) -> Technique:
        return self._row("manual", Counted(self.f), lambda f: (f(*self.args), derivative(*self.args)))

    def _symbolic(self, note: str) -> Technique:
        if self.formula is None:
            return Technique("symbolic", note=note)
        both = self.formula.compiled()
        values = [float(value) for value in self._flat()]

        def run(_: Function) -> tuple[Any, Any]:
            value, *gradient = both(*values)
            return value, np.array(gradient, float)

        row = self._row("symbolic", Counted(self.f), run, note)
        return replace(row, evaluations=1)  # on the symbols


def _reason(error: Exception) -> str:
    """The first sentence of an error."""
    return str(error).split("\n")[0].split(". ")[0].rstrip(".") or type(error).__name__
