"""Functions about factorials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.errors import ArgumentError, compose
from twopass.special.library import scipy_special

__all__ = ["comb", "factorial", "multigammaln", "perm", "polygamma"]


def multigammaln(a: Any, d: int) -> Any:
    """The logarithm of the multivariate gamma function [1]_, ``Σ gammaln(a - j/2) + d (d - 1) / 4 log π``, j < d.

    Parameters
    ----------
    a : array
        Real, greater than ``(d - 1) / 2``.
    d : int
        The dimension, at least 1.

    References
    ----------
    .. [1] R. J. Muirhead, *Aspects of Multivariate Statistical Theory* (1982), theorem 2.1.12.

    Examples
    --------
    >>> float(multigammaln(2.5, 2))
    0.8570478133976193
    """
    special = scipy_special("multigammaln")
    if isinstance(d, bool) or int(d) != d or d < 1:
        raise ArgumentError(compose(f"multigammaln needs a positive integer dimension, not {d!r}"))
    if np.any(np.less_equal(a, 0.5 * (d - 1))):
        raise ArgumentError(compose(f"multigammaln in {d} dimensions needs a > {0.5 * (d - 1):g}, but some are less"))
    terms = [special.gammaln(a - 0.5 * j) for j in range(int(d))]
    return sum(terms[1:], terms[0]) + 0.25 * d * (d - 1) * math.log(math.pi)


def polygamma(n: Any, x: Any) -> Any:
    """The derivative of order `n` of the digamma function, ``(-1)^(n + 1) n! ζ(n + 1, x)`` for n > 0 [1]_.

    Parameters
    ----------
    n : int, or array of ints
        The order, not negative.
    x : array
        Real.

    References
    ----------
    .. [1] M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions* (1964), 6.4.10.

    Examples
    --------
    >>> polygamma(1, np.array([1.0, 2.0]))
    array([1.64493407, 0.64493407])
    """
    special = scipy_special("polygamma")
    order = np.asarray(n)
    if np.any(order < 0) or np.any(order != np.floor(order)):
        raise ArgumentError(compose(f"polygamma needs an order of 0, 1, 2, ..., not {n!r}"))
    positive = np.where(order == 0, 1, order)
    higher = (-1.0) ** (positive + 1) * special.gamma(positive + 1.0) * special.zeta(positive + 1.0, x)
    return np.where(order == 0, special.psi(x), higher)[()]


def _refuse_exact(name: str, exact: bool) -> None:
    if exact:
        why = "An exact integer has no derivative."
        raise ArgumentError(compose(f"{name} with exact=True is not here", why=why, instead="Leave exact= away."))


def comb(N: Any, k: Any, *, exact: bool = False, repetition: bool = False) -> Any:  # noqa: N803 - SciPy's name
    """The number of ways to take `k` of `N` things, the binomial coefficient; 0 where it has no meaning.

    Parameters
    ----------
    N, k : array
        Real numbers: between the integers, the gamma function interpolates.
    exact : bool, default False
        Not supported: exact integers have no derivative.
    repetition : bool, default False
        Whether things may be taken more than once.

    Examples
    --------
    >>> comb(np.array([4.0, 5.0]), 2)
    array([ 6., 10.])
    """
    _refuse_exact("comb", exact)
    special = scipy_special("comb")
    if repetition:
        return comb(N + k - 1, k)
    meant = (k <= N) & (N >= 0) & (k >= 0)
    return np.where(meant, special.binom(N, k), 0)[()]


def perm(N: Any, k: Any, exact: bool = False) -> Any:  # noqa: N803 - SciPy's name
    """The number of ways to take `k` of `N` things in order, ``N! / (N - k)!``; 0 where it has no meaning.

    Parameters
    ----------
    N, k : array
        Real numbers.
    exact : bool, default False
        Not supported: exact integers have no derivative.

    Examples
    --------
    >>> perm(np.array([4.0, 5.0]), 2)
    array([12., 20.])
    """
    _refuse_exact("perm", exact)
    special = scipy_special("perm")
    meant = (k <= N) & (N >= 0) & (k >= 0)
    return np.where(meant, special.poch(np.subtract(N, k) + 1, k), 0)[()]


def factorial(n: Any, exact: bool = False) -> Any:
    """``n! = gamma(n + 1)``, 0 for negative numbers.

    Parameters
    ----------
    n : array
        Real numbers.
    exact : bool, default False
        Not supported: exact integers have no derivative.

    Examples
    --------
    >>> factorial(np.array([0.0, 3.0]))
    array([1., 6.])
    """
    _refuse_exact("factorial", exact)
    special = scipy_special("factorial")
    return np.where(np.less(n, 0), 0, special.gamma(np.add(n, 1.0)))[()]
