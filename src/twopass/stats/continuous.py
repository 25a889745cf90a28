"""Continuous distributions, each by its formulas for location 0 and scale 1.

===================  ===================================================================  ==================
distribution         density                                                              support
===================  ===================================================================  ==================
norm                 exp(-y²/2) / √(2π)
halfnorm             2 exp(-y²/2) / √(2π)                                                 y ≥ 0
lognorm(s)           exp(-log(y)² / (2 s²)) / (s y √(2π))                                 y > 0
skewnorm(a)          2 φ(y) Φ(a y), with the density and the cumulative of norm
truncnorm(a, b)      φ(y) / (Φ(b) - Φ(a))                                                 a ≤ y ≤ b
expon                exp(-y)                                                              y ≥ 0
gamma(a)             y^(a - 1) exp(-y) / Γ(a)                                             y ≥ 0
invgamma(a)          y^(-a - 1) exp(-1/y) / Γ(a)                                          y > 0
chi2(df)             (y/2)^(df/2 - 1) exp(-y/2) / (2 Γ(df/2))                             y ≥ 0
beta(a, b)           y^(a - 1) (1 - y)^(b - 1) / B(a, b)                                  0 ≤ y ≤ 1
f(dfn, dfd)          r (r y)^(dfn/2 - 1) (1 + r y)^(-(dfn + dfd)/2) / B(dfn/2, dfd/2),    y ≥ 0
                     with r = dfn / dfd
t(df)                (1 + y²/df)^(-(df + 1)/2) Γ((df + 1)/2) / (√(π df) Γ(df/2))
cauchy               1 / (π (1 + y²))
halfcauchy           2 / (π (1 + y²))                                                     y ≥ 0
laplace              exp(-|y|) / 2
logistic             exp(-y) / (1 + exp(-y))²
gumbel_r             exp(-y - exp(-y))
gumbel_l             exp(y - exp(y))
rayleigh             y exp(-y²/2)                                                         y ≥ 0
weibull_min(c)       c y^(c - 1) exp(-y^c)                                                y ≥ 0
pareto(b)            b / y^(b + 1)                                                        y ≥ 1
uniform              1                                                                    0 ≤ y ≤ 1
===================  ===================================================================  ==================

They are written so that neither tail loses digits. The source is N. L. Johnson, S. Kotz and N. Balakrishnan,
*Continuous Univariate Distributions* (2nd ed., 1994-95).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twopass.special import erf, erfc
from twopass.special.library import scipy_special
from twopass.stats.distribution import Continuous, positive

__all__ = [
    "beta",
    "cauchy",
    "chi2",
    "expon",
    "f",
    "gamma",
    "gumbel_l",
    "gumbel_r",
    "halfcauchy",
    "halfnorm",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "norm",
    "pareto",
    "rayleigh",
    "skewnorm",
    "t",
    "truncnorm",
    "uniform",
    "weibull_min",
]

_HALF = math.sqrt(0.5)
_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)
_FROM_ZERO = (0.0, np.inf)
#: For densities that vanish at 0 as a product of 0 and infinity.
_ABOVE_ZERO = (5e-324, np.inf)


def _sp() -> Any:
    return scipy_special("this distribution")


def _times_log(power: Any, y: Any) -> Any:
    """``power * log(y)``, where nothing times the logarithm of 0 is nothing."""
    neither = (power == 0) & (y == 0)
    return np.where(neither, 0, power * np.log(np.where(neither, 1, y)))


# --- normal ---------------------------------------------------------------------------------------------------------


def _normal(y: Any) -> Any:
    return -0.5 * y * y - _LOG_ROOT_2PI


def _normal_cdf(y: Any) -> Any:
    return 0.5 * erfc(-_HALF * y)


def _log_interval(a: Any, b: Any) -> Any:
    """The logarithm of the normal probability between two numbers, computed in the nearer tail."""
    sp = _sp()
    upper = a + b > 0
    below, above = np.where(upper, -b, a), np.where(upper, -a, b)
    unbounded = np.isneginf(below)
    total = sp.log_ndtr(above)
    rest = np.where(unbounded, -np.inf, sp.log_ndtr(np.where(unbounded, -1, below)) - total)
    return total + np.log(-np.expm1(rest))


norm = Continuous(
    "norm",
    (),
    _normal,
    cumulative=_normal_cdf,
    survival=lambda y: _normal_cdf(-y),
    log_cumulative=lambda y: _sp().log_ndtr(y),
    log_survival=lambda y: _sp().log_ndtr(-y),
)
halfnorm = Continuous(
    "halfnorm",
    (),
    lambda y: _normal(y) + math.log(2),
    _FROM_ZERO,
    cumulative=lambda y: erf(_HALF * y),
    survival=lambda y: erfc(_HALF * y),
)
lognorm = Continuous(
    "lognorm",
    ("s",),
    lambda y, s: _normal(np.log(y) / s) - np.log(s) - np.log(y),
    _ABOVE_ZERO,
    cumulative=lambda y, s: _normal_cdf(np.log(y) / s),
    survival=lambda y, s: _normal_cdf(-np.log(y) / s),
)
skewnorm = Continuous(
    "skewnorm",
    ("a",),
    lambda y, a: math.log(2) + _normal(y) + _sp().log_ndtr(a * y),
    valid=lambda a: np.isfinite(a),
)
truncnorm = Continuous(
    "truncnorm",
    ("a", "b"),
    lambda y, a, b: _normal(y) - _log_interval(a, b),
    lambda a, b: (a, b),
    anchor=lambda a, b: np.where(np.isfinite(a), a, np.where(np.isfinite(b), b, 0)),
    valid=lambda a, b: a < b,
    log_cumulative=lambda y, a, b: _log_interval(a, y) - _log_interval(a, b),
    log_survival=lambda y, a, b: _log_interval(y, b) - _log_interval(a, b),
)

# --- gamma and beta -------------------------------------------------------------------------------------------------

expon = Continuous("expon", (), lambda y: -y, _FROM_ZERO, log_survival=lambda y: -y)
gamma = Continuous(
    "gamma",
    ("a",),
    lambda y, a: _sp().xlogy(a - 1, y) - y - _sp().gammaln(a),
    _FROM_ZERO,
    cumulative=lambda y, a: _sp().gammainc(a, y),
    survival=lambda y, a: _sp().gammaincc(a, y),
)
invgamma = Continuous(
    "invgamma",
    ("a",),
    lambda y, a: -(a + 1) * np.log(y) - 1 / y - _sp().gammaln(a),
    _ABOVE_ZERO,
    cumulative=lambda y, a: _sp().gammaincc(a, 1 / y),
    survival=lambda y, a: _sp().gammainc(a, 1 / y),
)
chi2 = Continuous(
    "chi2",
    ("df",),
    lambda y, df: _sp().xlogy(0.5 * df - 1, 0.5 * y) - 0.5 * y - _sp().gammaln(0.5 * df) - math.log(2),
    _FROM_ZERO,
    cumulative=lambda y, df: _sp().gammainc(0.5 * df, 0.5 * y),
    survival=lambda y, df: _sp().gammaincc(0.5 * df, 0.5 * y),
)
beta = Continuous(
    "beta",
    ("a", "b"),
    lambda y, a, b: _sp().xlogy(a - 1, y) + _sp().xlog1py(b - 1, -y) - _sp().betaln(a, b),
    (0.0, 1.0),
    cumulative=lambda y, a, b: _sp().betainc(a, b, y),
    survival=lambda y, a, b: _sp().betaincc(a, b, y),
)


def _f_density(y: Any, first: Any, second: Any) -> Any:
    ratio = first / second
    power = _sp().xlogy(0.5 * first - 1, ratio * y) - 0.5 * (first + second) * np.log1p(ratio * y)
    return np.log(ratio) + power - _sp().betaln(0.5 * first, 0.5 * second)


f = Continuous(
    "f",
    ("dfn", "dfd"),
    _f_density,
    _FROM_ZERO,
    cumulative=lambda y, dfn, dfd: _sp().fdtr(dfn, dfd, y),
    survival=lambda y, dfn, dfd: _sp().fdtrc(dfn, dfd, y),
)


def _student_density(y: Any, df: Any) -> Any:
    normal = np.isposinf(df)
    df = np.where(normal, 1, df)
    constant = np.log(_sp().poch(0.5 * df, 0.5)) - 0.5 * np.log(math.pi * df)
    return np.where(normal, _normal(y), constant - 0.5 * (df + 1) * np.log1p(y * y / df))


t = Continuous(
    "t",
    ("df",),
    _student_density,
    cumulative=lambda y, df: _sp().stdtr(df, y),
    survival=lambda y, df: _sp().stdtr(df, -y),
)

# --- those that NumPy suffices for ----------------------------------------------------------------------------------

cauchy = Continuous(
    "cauchy",
    (),
    lambda y: -math.log(math.pi) - np.log1p(y * y),
    cumulative=lambda y: np.arctan2(1, -y) / math.pi,
    survival=lambda y: np.arctan2(1, y) / math.pi,
)
halfcauchy = Continuous(
    "halfcauchy",
    (),
    lambda y: math.log(2 / math.pi) - np.log1p(y * y),
    _FROM_ZERO,
    cumulative=lambda y: 2 / math.pi * np.arctan(y),
    survival=lambda y: 2 / math.pi * np.arctan2(1, y),
)


def _laplace_tail(y: Any) -> Any:
    """The logarithm of the probability of at most y."""
    above = y > 0
    return np.where(above, np.log1p(-0.5 * np.exp(-np.where(above, y, 0))), np.where(above, 0, y) - math.log(2))


laplace = Continuous(
    "laplace",
    (),
    lambda y: -np.abs(y) - math.log(2),
    log_cumulative=_laplace_tail,
    log_survival=lambda y: _laplace_tail(-y),
)
logistic = Continuous(
    "logistic",
    (),
    # Even, and written so that its second derivative at 0 is right.
    lambda y: -y - 2 * np.logaddexp(0, -y),
    log_cumulative=lambda y: -np.logaddexp(0, -y),
    log_survival=lambda y: -np.logaddexp(0, y),
)
gumbel_r = Continuous("gumbel_r", (), lambda y: -y - np.exp(-y), log_cumulative=lambda y: -np.exp(-y))
gumbel_l = Continuous("gumbel_l", (), lambda y: y - np.exp(y), log_survival=lambda y: -np.exp(y))
rayleigh = Continuous(
    "rayleigh", (), lambda y: np.log(y) - 0.5 * y * y, _FROM_ZERO, log_survival=lambda y: -0.5 * y * y
)
weibull_min = Continuous(
    "weibull_min",
    ("c",),
    lambda y, c: np.log(c) + _times_log(c - 1, y) - np.power(y, c),
    _FROM_ZERO,
    log_survival=lambda y, c: -np.power(y, c),
)
pareto = Continuous(
    "pareto",
    ("b",),
    lambda y, b: np.log(b) - (b + 1) * np.log(y),
    (1.0, np.inf),
    anchor=1.5,
    valid=positive,
    log_survival=lambda y, b: -b * np.log(y),
)
uniform = Continuous("uniform", (), lambda y: 0 * y, (0.0, 1.0), cumulative=lambda y: y, survival=lambda y: 1 - y)
