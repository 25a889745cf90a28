"""Distributions of whole numbers, each by its formulas.

==============  ===============================================  ==================
distribution    probability of k                                 support
==============  ===============================================  ==================
bernoulli(p)    p if k = 1, else 1 - p                           0, 1
binom(n, p)     n! / (k! (n - k)!) p^k (1 - p)^(n - k)           0, ..., n
geom(p)         (1 - p)^(k - 1) p                                1, 2, ...
nbinom(n, p)    Γ(n + k) / (Γ(n) k!) p^n (1 - p)^k               0, 1, ...
poisson(mu)     mu^k exp(-mu) / k!                               0, 1, ...
==============  ===============================================  ==================

The source is N. L. Johnson, A. W. Kemp and S. Kotz, *Univariate Discrete Distributions* (3rd ed., 2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.special.library import scipy_special
from twopass.stats.distribution import Discrete

__all__ = ["bernoulli", "binom", "geom", "nbinom", "poisson"]


def _sp() -> Any:
    return scipy_special("this distribution")


def _is_share(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


def _trials(n: Any) -> Any:
    return (n >= 0) & (n == np.floor(n))


def _log_choose(n: Any, k: Any) -> Any:
    """The logarithm of the number of ways to take k of n things."""
    return -_sp().betaln(k + 1, n - k + 1) - np.log1p(n)


def _binomial(k: Any, n: Any, p: Any) -> Any:
    n = np.floor(n)  # whole: a constant
    return _log_choose(n, k) + _sp().xlogy(k, p) + _sp().xlog1py(n - k, -p)


binom = Discrete(
    "binom",
    ("n", "p"),
    _binomial,
    lambda n, p: (0, n),
    anchor=0.0,
    valid=lambda n, p: _trials(n) & _is_share(p),
    cumulative=lambda k, n, p: _sp().betaincc(k + 1, np.floor(n) - k, p),
    survival=lambda k, n, p: _sp().betainc(k + 1, np.floor(n) - k, p),
)
bernoulli = Discrete(
    "bernoulli",
    ("p",),
    lambda k, p: np.where(k == 0, np.log1p(-p), np.log(p)),
    (0, 1),
    anchor=0.0,
    valid=_is_share,
    shape=0.5,
    cumulative=lambda k, p: 1 - p,
    survival=lambda k, p: p + 0 * k,
)
poisson = Discrete(
    "poisson",
    ("mu",),
    lambda k, mu: _sp().xlogy(k, mu) - _sp().gammaln(k + 1) - mu,
    (0, np.inf),
    anchor=0.0,
    valid=lambda mu: mu >= 0,
    cumulative=lambda k, mu: _sp().gammaincc(k + 1, mu),
    survival=lambda k, mu: _sp().gammainc(k + 1, mu),
)
geom = Discrete(
    "geom",
    ("p",),
    lambda k, p: (k - 1) * np.where(k == 1, 0, np.log1p(-np.where(k == 1, 0, p))) + np.log(p),
    (1, np.inf),
    anchor=1.0,
    valid=lambda p: (p > 0) & (p <= 1),
    log_survival=lambda k, p: k * np.log1p(-p),
)
nbinom = Discrete(
    "nbinom",
    ("n", "p"),
    lambda k, n, p: (
        _sp().gammaln(n + k) - _sp().gammaln(n) - _sp().gammaln(k + 1) + n * np.log(p) + _sp().xlog1py(k, -p)
    ),
    (0, np.inf),
    anchor=0.0,
    valid=lambda n, p: (n > 0) & (p > 0) & (p <= 1),
    cumulative=lambda k, n, p: _sp().betainc(n, k + 1, p),
    survival=lambda k, n, p: _sp().betaincc(n, k + 1, p),
)
