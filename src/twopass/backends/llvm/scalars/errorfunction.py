"""The error function and its complement."""

from __future__ import annotations

from twopass.backends.llvm.scalars import coefficients
from twopass.backends.llvm.scalars.exponential import exp
from twopass.backends.llvm.scalars.number import Number, copysign, fma, polynomial, where
from twopass.backends.llvm.scalars.powers import exact_product

#: 2 / sqrt(π) in two parts, because one would add its own rounding.
TWO_OVER_ROOT_PI = {
    "float32": (1.128379225730896, -5.863538342219759e-08),
    "float64": (1.1283791670955126, 1.533545961316588e-17),
}


def _complement(x: Number) -> Number:
    """``erfc(x) = exp(-x²) / (1 + 2x) P((x - 4) / (x + 4))`` for ``x >= 0``.

    The form is of M. Shepherd and J. Laframboise, *Chebyshev approximation of (1 + 2x) exp(x²) erfc(x) in 0 <= x < ∞*
    (1981).
    """
    x = x.at_most(11.0 if x.format.name == "float32" else 28.0)  # from where on it is zero
    square, error = exact_product(x, x)
    factor = polynomial((x - 4) / (x + 4), coefficients.ERFC) / fma(x, 2.0, 1.0)
    return exp(-square) * fma(factor, -error, factor)  # exp(-error) is 1 - error; the other factor may be tiny


def _small(x: Number) -> Number:
    """``erf(x)`` for ``|x| <= 1``."""
    square = x * x
    high, low = TWO_OVER_ROOT_PI[x.format.name]
    return fma(x, high, x * fma(square, high * polynomial(square, coefficients.ERF_SMALL), low))


def erfc(x: Number) -> Number:
    """``erfc(|x|)``, or for negative x ``2 - erfc(|x|)``; up to 1/2 ``1 - erf(x)``."""
    result = _complement(abs(x))
    result = where(x < 0, 2 - result, result)
    return where(abs(x) < 0.5, 1 - _small(x), result)


def erf(x: Number) -> Number:
    """``1 - erfc(|x|)``, up to 1 a polynomial.

    In float32 the complement needs few digits there, and is the exponential of a polynomial.
    """
    size = abs(x)
    if x.format.name == "float32":
        complement = exp(polynomial(size.at_most(4.0), coefficients.LOG_ERFC))
    else:
        complement = _complement(size)
    return copysign(where(size < 1, _small(size), 1 - complement), x)
