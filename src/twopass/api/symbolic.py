"""Formulas of functions, by running them on SymPy's symbols."""

from __future__ import annotations

import importlib
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import tree
from twopass.errors import ArgumentError, MissingLibraryError, compose

__all__ = ["LARGEST", "Formula", "derive", "sympy"]

#: How many operations a formula may have when it is written out. Nested functions double it again and again.
LARGEST = 20_000


def sympy() -> Any:
    """The library.

    Raises
    ------
    MissingLibraryError
        When it is not installed.
    """
    try:
        return importlib.import_module("sympy")
    except ImportError as error:
        what = "symbolic differentiation needs SymPy, which is not installed"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[symbolic]'.")) from error


def _of(name: str) -> Callable[[Any, Any], Any]:
    return lambda library, x: getattr(library, name)(x)


#: NumPy's functions of objects call a method of the same name; what that is in SymPy.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of(name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "log", "sqrt")},
    **{f"arc{name}": _of(f"a{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "exp2": lambda library, x: 2**x,
    "expm1": lambda library, x: library.exp(x) - 1,
    "log1p": lambda library, x: library.log(1 + x),
    "log2": lambda library, x: library.log(x) / library.log(2),
    "log10": lambda library, x: library.log(x) / library.log(10),
    "cbrt": lambda library, x: library.Piecewise((library.cbrt(x), x > 0), (-library.cbrt(-x), True)),
    "arctan2": lambda library, x, y: library.atan2(x, y),
    "hypot": lambda library, x, y: library.sqrt(x**2 + y**2),
    "conjugate": lambda library, x: x,
}


class _Symbolic:
    """A formula that takes part in Python's and NumPy's arithmetic."""

    def __init__(self, library: Any, formula: Any, size: int = 1) -> None:
        if size > LARGEST:
            raise OverflowError(f"the formula has more than {LARGEST:,} operations")
        self.library = library
        self.formula = formula
        self.size = size  # how many operations it has when it is written out

    def _with(self, operation: Callable[..., Any], *others: Any) -> Any:
        formulas, size = [self.formula], self.size + 1
        for other in others:
            if isinstance(other, _Symbolic):
                formulas.append(other.formula)
                size += other.size
            elif isinstance(other, numbers.Integral):
                formulas.append(self.library.Integer(int(other)))
            elif isinstance(other, (float, np.floating)) and np.isfinite(other):
                formulas.append(self.library.Rational(float(other)))  # exactly what the number is
            else:
                return NotImplemented
        return _Symbolic(self.library, operation(*formulas), size)

    def __getattr__(self, name: str) -> Any:
        operation = _FUNCTIONS.get(name)
        if operation is None:
            raise AttributeError(f"SymPy has no formula for np.{name}")
        return lambda *others: self._with(lambda *formulas: operation(self.library, *formulas), *others)

    def __add__(self, other: Any) -> Any:
        return self._with(lambda a, b: a + b, other)

    def __sub__(self, other: Any) -> Any:
        return self._with(lambda a, b: a - b, other)

    def __mul__(self, other: Any) -> Any:
        return self._with(lambda a, b: a * b, other)

    def __truediv__(self, other: Any) -> Any:
        return self._with(lambda a, b: a / b, other)

    def __pow__(self, other: Any) -> Any:
        return self._with(lambda a, b: a**b, other)

    def __radd__(self, other: Any) -> Any:
        return self._with(lambda a, b: b + a, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with(lambda a, b: b - a, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with(lambda a, b: b * a, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._with(lambda a, b: b / a, other)

    def __rpow__(self, other: Any) -> Any:
        return self._with(lambda a, b: b**a, other)

    def __neg__(self) -> Any:
        return self._with(lambda a: -a)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._with(lambda a: self.library.Abs(a))

    def _compared(self, other: Any) -> bool:
        raise TypeError("the function compares values, and a symbol has none")

    __lt__ = __le__ = __gt__ = __ge__ = _compared
    __eq__ = __ne__ = _compared
    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self._compared(None)


class Formula:
    """A function of numbers as a formula, with its gradient.

    Attributes
    ----------
    value : sympy.Expr
        The formula.
    gradient : list of sympy.Expr
        Its derivative in each of the symbols.
    symbols : list of sympy.Symbol
        One for each element of the differentiated arguments.
    """

    def __init__(self, value: Any, symbols: Sequence[Any]) -> None:
        self.value = value
        self.symbols = list(symbols)
        self.gradient = [value.diff(symbol) for symbol in symbols]

    @property
    def operations(self) -> int:
        """How many operations the gradient has, as it is written."""
        return int(sympy().count_ops(self.gradient))

    def evaluate(self, values: Sequence[float], digits: int = 30) -> list[Any]:
        """The gradient to many digits, in NumPy's longest floats."""
        library = sympy()
        at = {symbol: library.Rational(float(value)) for symbol, value in zip(self.symbols, values, strict=True)}
        found = [library.sympify(part).evalf(digits, subs=at) for part in self.gradient]
        if not all(part.is_Float or part.is_Integer or part.is_Rational for part in found):
            raise ArithmeticError("the gradient is no real number here")
        return [np.longdouble(str(library.Float(part, digits))) for part in found]

    def compiled(self) -> Callable[..., Any]:
        """A Python function of the elements: value and gradient."""
        made: Callable[..., Any] = sympy().lambdify(self.symbols, [self.value, *self.gradient], modules="numpy")
        return made


def derive(f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> Formula:
    """The formula of a function, and of its gradient.

    Parameters
    ----------
    f : callable
        NumPy code with one number as result.
    args : sequence
        Arguments that say what shapes there are.
    argnums : sequence of int
        Those that symbols take the place of.

    Raises
    ------
    MissingLibraryError
        When SymPy is not installed.
    Exception
        Whatever `f` raises on symbols.
    """
    library = sympy()
    symbols: list[Any] = []

    def symbol(leaf: Any) -> Any:
        made = np.empty(np.shape(leaf), object)
        for place in np.ndindex(made.shape):
            symbols.append(library.Symbol(f"x{len(symbols)}", real=True))
            made[place] = _Symbolic(library, symbols[-1])
        return made if made.shape else made[()]

    replaced = [tree.map(symbol, arg) if i in argnums else arg for i, arg in enumerate(args)]
    out = f(*replaced)
    out = out[()] if isinstance(out, np.ndarray) and out.shape == () else out
    if isinstance(out, _Symbolic):
        return Formula(out.formula, symbols)
    if np.ndim(out):
        raise ArgumentError(compose(f"the function gives an array of shape {np.shape(out)}, not a number"))
    return Formula(library.Rational(float(out)), symbols)
