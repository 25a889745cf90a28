"""Log-densities and cumulative distributions that differentiate.

The names, parameters and values are those of ``scipy.stats``, whose own functions turn their arguments into plain
arrays; here all is NumPy code, so that ``tp.grad`` sees through it, in the variable and in every parameter:

>>> import numpy as np, twopass as tp
>>> from twopass import stats
>>> x = np.array([1.2, 0.4, 2.2])
>>> negative_log_likelihood = lambda shape, scale: -np.sum(stats.gamma.logpdf(x, shape, scale=scale))
>>> tp.grad(negative_log_likelihood, argnums=(0, 1))(2.0, 0.5)
(-0.86557672, -3.2)

Outside of the support, and wherever else a density is 0 or infinite, the logarithm is infinite and its gradient 0,
never NaN. Parameters that SciPy does not accept give NaN. Results are float64.

What needs the gamma function needs SciPy (``pip install scipy``); `norm.logpdf`, `cauchy`, `laplace`, `logistic` and
others need NumPy alone.
"""

from twopass.stats.continuous import (
    beta,
    cauchy,
    chi2,
    expon,
    f,
    gamma,
    gumbel_l,
    gumbel_r,
    halfcauchy,
    halfnorm,
    invgamma,
    laplace,
    logistic,
    lognorm,
    norm,
    pareto,
    rayleigh,
    skewnorm,
    t,
    truncnorm,
    uniform,
    weibull_min,
)
from twopass.stats.discrete import bernoulli, binom, geom, nbinom, poisson
from twopass.stats.distribution import Continuous, Discrete
from twopass.stats.multivariate import dirichlet, multinomial, multivariate_normal

__all__ = [
    "Continuous",
    "Discrete",
    "bernoulli",
    "beta",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "f",
    "gamma",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "halfcauchy",
    "halfnorm",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "rayleigh",
    "skewnorm",
    "t",
    "truncnorm",
    "uniform",
    "weibull_min",
]
