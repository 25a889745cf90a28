"""What all distributions do with their arguments, so that each only states its formulas."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from twopass.errors import ArgumentError, compose

__all__ = ["Continuous", "Discrete", "floats", "positive"]

#: A formula in the standardised variable (or the number of events) and the shape parameters.
Formula = Callable[..., Any]


def floats(x: Any) -> Any:
    """An array of float64, traced if `x` is."""
    if not hasattr(x, "dtype"):
        x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise TypeError(compose(f"distributions are over real numbers, not {x.dtype}"))
    return x.astype(np.float64)


def positive(*shapes: Any) -> Any:
    """Whether all of some parameters are positive."""
    return functools.reduce(np.logical_and, [shape > 0 for shape in shapes], True)


def _settled(f: Any) -> Any:
    """The values of a formula, with the infinite ones as constants: they have no slope."""
    return np.where(np.isneginf(f), -np.inf, np.where(np.isposinf(f), np.inf, f))


@dataclass(frozen=True, repr=False)
class _Distribution:
    """A family of distributions.

    Parameters
    ----------
    name : str
        Its name in SciPy.
    shapes : tuple of str
        Names of its shape parameters.
    log_density : callable
        The logarithm of the density (of the probability) at a point of the support.
    support : pair of floats, or callable
        The ends of the support, or a function of the shape parameters that gives them.
    anchor : float, or callable
        A point of the support, likewise.
    valid : callable
        Which shape parameters have a meaning.
    shape : float
        A value that has a meaning, for all.
    cumulative, survival, log_cumulative, log_survival : callable, optional
        The probability of no more, and of more, and their logarithms.
    """

    name: str
    shapes: tuple[str, ...]
    log_density: Formula
    support: tuple[float, float] | Formula = (-np.inf, np.inf)
    anchor: float | Formula = 0.5
    valid: Formula = positive
    shape: float = 1.0
    cumulative: Formula | None = None
    survival: Formula | None = None
    log_cumulative: Formula | None = None
    log_survival: Formula | None = None

    #: The parameters behind the shapes, with their defaults.
    _further: ClassVar[dict[str, float]] = {"loc": 0.0}

    def __repr__(self) -> str:
        further = [f"{name}={value:g}" for name, value in self._further.items()]
        return f"<{type(self).__name__} {self.name}({', '.join([*self.shapes, *further])})>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
        """The parameters in order: shapes, location and scale."""
        names = (*self.shapes, *self._further)
        if len(args) > len(names) or set(kwargs) - set(names[len(args) :]):
            what = f"{self.name} has the parameters {', '.join(names)}, each once"
            got = f"It got {len(args)} by position" + (f" and {', '.join(kwargs)} by name." if kwargs else ".")
            raise TypeError(compose(what, why=got))
        given = {**self._further, **dict(zip(names, args, strict=False)), **kwargs}
        missing = [name for name in names if name not in given]
        if missing:
            raise TypeError(compose(f"{self.name} needs {' and '.join(missing)}"))
        return [floats(given[name]) for name in names]

    def _checked(self, shapes: list[Any], ok: Any) -> tuple[list[Any], Any]:
        """The shape parameters, harmless where they have no meaning, and where they (and what is `ok`) have one."""
        ok = np.logical_and(ok, self.valid(*shapes))
        return [np.where(ok, shape, self.shape) for shape in shapes], ok

    def _ends(self, shapes: list[Any]) -> tuple[Any, Any]:
        return self.support(*shapes) if callable(self.support) else self.support

    def _inside(self, y: Any, outside: Any, shapes: list[Any]) -> Any:
        """The variable, and a point of the support in the place of those outside of it."""
        return np.where(outside, self.anchor(*shapes) if callable(self.anchor) else self.anchor, y)

    def _cumulative(self, upper: bool, log: bool, inner: Any, shapes: list[Any]) -> Any:
        """One of the four cumulative functions, from whichever the family states."""
        direct, opposite = (self.survival, self.cumulative) if upper else (self.cumulative, self.survival)
        logarithm, other = (
            (self.log_survival, self.log_cumulative) if upper else (self.log_cumulative, self.log_survival)
        )
        if log:
            if logarithm is not None:
                return logarithm(inner, *shapes)
            if other is not None and direct is None:
                return _log_complement(_settled(other(inner, *shapes)))
            p = self._cumulative(upper, False, inner, shapes)
            if direct is None or opposite is None:
                return np.log(p)
            rest = opposite(inner, *shapes)
            likely = rest < 0.5
            return np.where(likely, np.log1p(-np.where(likely, rest, 0)), np.log(np.where(likely, 1, p)))
        if direct is not None:
            return direct(inner, *shapes)
        if logarithm is not None:
            return np.exp(_settled(logarithm(inner, *shapes)))
        if other is not None:
            return -np.expm1(_settled(other(inner, *shapes)))
        if opposite is None:
            what = f"the cumulative distribution of {self.name} is not here"
            raise ArgumentError(compose(what, instead="Integrate its density, or use scipy.stats on plain arrays."))
        return 1 - opposite(inner, *shapes)


def _log_complement(log: Any) -> Any:
    """``log(1 - exp(log))``, accurate for small and for large probabilities [1]_.

    References
    ----------
    .. [1] M. Mächler, "Accurately computing log(1 - exp(-|a|))" (2012), eq. (7).
    """
    small = log < -0.6931471805599453
    return np.where(small, np.log1p(-np.exp(np.where(small, log, -1))), np.log(-np.expm1(np.where(small, -1, log))))


class Continuous(_Distribution):
    """A continuous distribution, with its shape parameters, a location and a scale.

    Every method takes the variable, then the shape parameters, ``loc=0`` and ``scale=1``, by position or by name, all
    of which broadcast; the result is float64.
    """

    _further = {"loc": 0.0, "scale": 1.0}  # noqa: RUF012 - declared by the base class

    def _standard(self, x: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any], Any, Any]:
        *shapes, loc, scale = self._bind(args, kwargs)
        shapes, ok = self._checked(shapes, scale > 0)
        scale = np.where(scale > 0, scale, 1)
        return (floats(x) - loc) / scale, shapes, scale, ok

    def logpdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of the density; ``-inf`` outside of the support.

        Examples
        --------
        >>> from twopass import stats
        >>> stats.expon.logpdf([-1.0, 0.0, 2.0], scale=2.0)
        array([       -inf, -0.69314718, -1.69314718])
        """
        with np.errstate(all="ignore"):
            y, shapes, scale, ok = self._standard(x, args, kwargs)
            low, high = self._ends(shapes)
            outside = (y < low) | (y > high) | np.isinf(y)
            f = self.log_density(self._inside(y, outside, shapes), *shapes) - np.log(scale)
            return np.where(ok, np.where(outside, -np.inf, _settled(f)), np.nan)[()]

    def pdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The density.

        Examples
        --------
        >>> from twopass import stats
        >>> float(stats.norm.pdf(0.0))
        0.39894228
        """
        return np.exp(self.logpdf(x, *args, **kwargs))

    def cdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of at most x.

        Examples
        --------
        >>> from twopass import stats
        >>> float(stats.uniform.cdf(0.25))
        0.25
        """
        return self._probability(False, False, x, args, kwargs)

    def logcdf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of `cdf`."""
        return self._probability(False, True, x, args, kwargs)

    def sf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of more than x, accurate where it is small."""
        return self._probability(True, False, x, args, kwargs)

    def logsf(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of `sf`."""
        return self._probability(True, True, x, args, kwargs)

    def _probability(self, upper: bool, log: bool, x: Any, args: Any, kwargs: Any) -> Any:
        none, whole = (-np.inf, 0.0) if log else (0.0, 1.0)
        with np.errstate(all="ignore"):
            y, shapes, _, ok = self._standard(x, args, kwargs)
            low, high = self._ends(shapes)
            before, behind = y <= low, y >= high
            f = self._cumulative(upper, log, self._inside(y, before | behind, shapes), shapes)
            below, above = (whole, none) if upper else (none, whole)
            value = np.where(before, below, np.where(behind, above, _settled(f)))
            return np.where(ok, value, np.nan)[()]


class Discrete(_Distribution):
    """A distribution of whole numbers, with its shape parameters and a location.

    Every method takes the numbers, then the shape parameters and ``loc=0``, by position or by name, all of which
    broadcast. It is differentiable in the real parameters; in whole numbers, the derivative is 0.
    """

    def _shifted(self, k: Any, args: Any, kwargs: Any) -> tuple[Any, list[Any], Any]:
        *shapes, loc = self._bind(args, kwargs)
        shapes, ok = self._checked(shapes, True)
        return floats(k) - loc, shapes, ok

    def logpmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The logarithm of the probability; ``-inf`` for what is no whole number of the support.

        Examples
        --------
        >>> from twopass import stats
        >>> stats.geom.logpmf([0, 1, 2.5, 3], 0.5)
        array([       -inf, -0.69314718,        -inf, -2.07944154])
        """
        with np.errstate(all="ignore"):
            k, shapes, ok = self._shifted(k, args, kwargs)
            low, high = self._ends(shapes)
            whole = np.floor(k)
            outside = (k < low) | (k > high) | (k != whole)
            f = self.log_density(self._inside(whole, outside, shapes), *shapes)
            return np.where(ok, np.where(outside, -np.inf, _settled(f)), np.nan)[()]

    def pmf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability."""
        return np.exp(self.logpmf(k, *args, **kwargs))

    def cdf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of at most k."""
        return self._probability(False, k, args, kwargs)

    def sf(self, k: Any, *args: Any, **kwargs: Any) -> Any:
        """The probability of more than k."""
        return self._probability(True, k, args, kwargs)

    def _probability(self, upper: bool, k: Any, args: Any, kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            k, shapes, ok = self._shifted(k, args, kwargs)
            low, high = self._ends(shapes)
            before, behind = k < low, k >= high
            whole = self._inside(np.floor(k), before | behind, shapes)
            below, above = (1.0, 0.0) if upper else (0.0, 1.0)
            value = np.where(before, below, np.where(behind, above, self._cumulative(upper, False, whole, shapes)))
            return np.where(ok, value, np.nan)[()]
