"""Distributions of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.errors import ShapeError, compose
from twopass.special.library import scipy_special
from twopass.stats.distribution import floats

__all__ = ["dirichlet", "multinomial", "multivariate_normal"]


class _MultivariateNormal:
    """The normal distribution of vectors; here as `multivariate_normal`."""

    name = "multivariate_normal"

    def logpdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
        """``-½ (x - mean)ᵀ cov⁻¹ (x - mean) - ½ log det(2π cov)``.

        Parameters
        ----------
        x : array of shape (..., n)
            Or (...) if n is 1.
        mean : array of shape (n,), optional
            By default 0.
        cov : array of shape (n, n), or number
            Symmetric and positive definite; a vector is its diagonal, a number that of all n.

        Returns
        -------
        array of shape (...)

        Raises
        ------
        LinAlgError
            When the covariance is not positive definite.

        Examples
        --------
        >>> from twopass import stats
        >>> stats.multivariate_normal.logpdf(np.zeros((2, 2)), [0.0, 1.0], [[2.0, 0.5], [0.5, 1.0]])
        array([-2.68911353, -2.68911353])
        """
        x, cov = floats(x), floats(cov)
        mean = floats(0.0 if mean is None else mean)
        n = max(mean.size, cov.shape[-1] if cov.ndim else 1)
        if cov.ndim < 2:
            cov = cov * np.eye(n)
        if cov.shape != (n, n) or mean.shape not in ((), (n,)):
            what = f"a mean of shape {mean.shape} and a covariance of shape {cov.shape} do not fit together"
            raise ShapeError(compose(what))
        if n == 1 and (x.ndim == 0 or x.shape[-1] != 1):
            x = x[..., None]
        if x.shape[-1:] != (n,):
            raise ShapeError(compose(f"vectors of length {n} are needed, not an array of shape {x.shape}"))
        deviation = x - mean
        _check_definite(cov)
        sign, log_det = np.linalg.slogdet(cov)
        scaled = np.linalg.solve(cov, deviation.reshape(-1, n).T).T.reshape(deviation.shape)
        square = np.sum(deviation * scaled, axis=-1)
        # Compiled code does not raise for other values.
        return np.where((sign > 0) & (square >= 0), -0.5 * (square + n * math.log(2 * math.pi) + log_det), np.nan)[()]

    def pdf(self, x: Any, mean: Any = None, cov: Any = 1.0) -> Any:
        """The density."""
        return np.exp(self.logpdf(x, mean, cov))


def _check_definite(cov: Any) -> None:
    """Raise unless a covariance is positive definite.

    That is seen in the matrix of correlations, copied to 52 bits: the copy is a plain array, for whole numbers are
    never traced.
    """
    with np.errstate(all="ignore"):
        deviations = np.sqrt(np.diagonal(cov))
        correlations = cov / deviations / deviations[:, None]
        np.linalg.cholesky((2.0**52 * correlations).astype(np.int64).astype(np.float64))


class _Dirichlet:
    """The Dirichlet distribution of shares; here as `dirichlet`."""

    name = "dirichlet"

    def logpdf(self, x: Any, alpha: Any) -> Any:
        """``Σ (alpha - 1) log x - Σ gammaln(alpha) + gammaln(Σ alpha)``; ``-inf`` off the simplex.

        Parameters
        ----------
        x : array of shape (n, ...)
            Shares, which sum to 1 along the first axis, or all but the last of them.
        alpha : array of shape (n,)
            Positive.

        Returns
        -------
        array of shape (...)

        Examples
        --------
        >>> from twopass import stats
        >>> float(stats.dirichlet.logpdf([0.2, 0.8], [2.0, 3.0]))
        0.42918163472
        """
        sp = scipy_special("stats.dirichlet")
        x, alpha = floats(x), floats(alpha)
        if alpha.ndim != 1 or x.ndim == 0 or len(x) not in (len(alpha), len(alpha) - 1):
            what = f"shares of shape {x.shape} and parameters of shape {alpha.shape} do not fit together"
            raise ShapeError(compose(what))
        with np.errstate(all="ignore"):
            if len(x) < len(alpha):
                x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
            outside = np.any(x < 0, axis=0) | (np.abs(np.sum(x, axis=0) - 1) > 1e-9)
            powers = np.reshape(alpha - 1, (-1,) + (1,) * (x.ndim - 1))
            terms = sp.xlogy(powers, np.where(outside, 1, x))
            constant = sp.gammaln(np.sum(alpha)) - np.sum(sp.gammaln(alpha))
            f = np.sum(terms, axis=0) + constant
            ok = np.all(alpha > 0)
            return np.where(ok, np.where(outside | np.isneginf(f), -np.inf, f), np.nan)[()]

    def pdf(self, x: Any, alpha: Any) -> Any:
        """The density."""
        return np.exp(self.logpdf(x, alpha))


class _Multinomial:
    """The multinomial distribution of counts; here as `multinomial`."""

    name = "multinomial"

    def logpmf(self, x: Any, n: Any, p: Any) -> Any:
        """``gammaln(n + 1) + Σ x log p - gammaln(x + 1)``; ``-inf`` for what are no n counts.

        The derivative in `p` takes all probabilities for independent; on the simplex, add up what belongs together.

        Parameters
        ----------
        x : array of shape (..., k)
            Counts, which sum to n.
        n : int, or array of ints
            How many events.
        p : array of shape (..., k)
            Probabilities, which sum to 1.

        Returns
        -------
        array of shape (...)

        Examples
        --------
        >>> from twopass import stats
        >>> float(stats.multinomial.logpmf([1, 2], 3, [0.5, 0.5]))
        -0.98082925
        """
        sp = scipy_special("stats.multinomial")
        x, n, p = np.floor(floats(x)), np.floor(floats(n)), floats(p)
        with np.errstate(all="ignore"):
            outside = np.any(x < 0, axis=-1) | (np.sum(x, axis=-1) != n)
            counts = np.where(outside[..., None], 0, x)
            f = sp.gammaln(n + 1) + np.sum(sp.xlogy(counts, p) - sp.gammaln(counts + 1), axis=-1)
            ok = np.all((p >= 0) & (p <= 1), axis=-1) & (np.abs(np.sum(p, axis=-1) - 1) < 1e-9) & (n >= 0)
            return np.where(ok, np.where(outside | np.isneginf(f), -np.inf, f), np.nan)[()]

    def pmf(self, x: Any, n: Any, p: Any) -> Any:
        """The probability."""
        return np.exp(self.logpmf(x, n, p))


multivariate_normal = _MultivariateNormal()
dirichlet = _Dirichlet()
multinomial = _Multinomial()
