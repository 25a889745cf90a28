"""Special functions of SciPy, one file a chapter; imported when there are traced arrays and ``scipy.special``.

What SciPy computes to 1e-15 is not differentiated to 1e-8: where the textbook's formula for a derivative cancels, a
series takes its place.
"""

from twopass.rules.special import bessel, distributions, elliptic, error, exponential, gamma, hypergeometric, logistic

__all__ = ["bessel", "distributions", "elliptic", "error", "exponential", "gamma", "hypergeometric", "logistic"]
