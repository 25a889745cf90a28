"""Derives the coefficients in ``src/twopass/backends/llvm/scalars/coefficients.py``.

    pip install mpmath
    python docs/derivations/minimax.py > src/twopass/backends/llvm/scalars/coefficients.py

Polynomials are the best in the largest weighted error (the exchange algorithm of E. Remez, 1934; J.-M. Muller,
*Elementary Functions*, 3rd ed. 2016, chapter 3), found in 60 decimal digits and rounded once. For each precision the
degree is the smallest whose error is below a fraction of the last place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

mp.dps = 60
Real = Callable[[Any], Any]

#: The error allowed to a polynomial, relative to the function: well below the rounding of the last place.
ALLOWED = {"float32": mpf(2) ** mpf("-24.5"), "float64": mpf(2) ** -56}


@dataclass(frozen=True)
class Fit:
    """``g`` on an interval, in the largest ``weight * |g - polynomial|``."""

    name: str
    what: str
    g: Real
    weight: Real
    low: Any
    high: Any
    precisions: tuple[str, ...] = ("float32", "float64")


def remez(fit: Fit, degree: int) -> tuple[list[Any], Any]:
    """The coefficients, from the constant up, and the largest weighted error."""
    low, high = mpf(fit.low), mpf(fit.high)
    middle, half = (low + high) / 2, (high - low) / 2
    count = degree + 2
    grid = [middle - half * mpmath.cos(mpmath.pi * (i + mpf("0.5")) / (20 * count)) for i in range(20 * count)]
    values = [(x, fit.g(x), fit.weight(x)) for x in grid]
    chosen = [20 * i + 10 for i in range(count)]
    for _ in range(30):
        matrix, right = mpmath.matrix(count, count), mpmath.matrix(count, 1)
        for row, place in enumerate(chosen):
            x, g, weight = values[place]
            for k in range(degree + 1):
                matrix[row, k] = weight * ((x - middle) / half) ** k
            matrix[row, degree + 1] = (-1) ** row
            right[row] = weight * g
        solution = mpmath.lu_solve(matrix, right)
        inner = list(solution)[: degree + 1]
        errors = [w * (g - mpmath.polyval(inner[::-1], (x - middle) / half)) for x, g, w in values]
        largest = max(map(abs, errors))
        if largest <= abs(solution[degree + 1]) * mpf("1.0001"):
            break
        chosen = _exchange(errors, count)
    return _shifted(inner, middle, half), largest


def _exchange(errors: list[Any], count: int) -> list[int]:
    """The places of the largest error between changes of its sign, the `count` neighbours with the largest ones."""
    runs: list[int] = []
    for i, error in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > count:
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    return runs


def _shifted(inner: list[Any], middle: Any, half: Any) -> list[Any]:
    """The polynomial in ``(x - middle) / half`` as one in x."""
    result = [mpf(0)]
    for coefficient in reversed(inner):
        raised = [mpf(0), *(c / half for c in result)]
        for i, c in enumerate(result):
            raised[i] -= middle / half * c
        raised[0] += coefficient
        result = raised
    return result[: len(inner)]


def smallest(fit: Fit, precision: str) -> tuple[list[Any], Any]:
    """The polynomial of the smallest degree whose error is allowed."""
    for degree in range(1, 40):
        coefficients, error = remez(fit, degree)
        if error < ALLOWED[precision]:
            return coefficients, error
    raise ArithmeticError(f"no polynomial for {fit.name}")


# --- what is fitted -------------------------------------------------------------------------------------------------

LN2 = mpmath.log(2)


def _odd(f: Real) -> Real:
    """P with ``f(x) = x + x³ P(x²)``."""
    return lambda z: (f(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z


def _odd_weight(f: Real) -> Real:
    return lambda z: z * mpmath.sqrt(z) / f(mpmath.sqrt(z))


def _odd_fit(name: str, f: Real, high: Any) -> Fit:
    what = f"{name.lower()}(x) = x + x³ P(x²), |x| <= {mpmath.nstr(high, 6)}"
    return Fit(name, what, _odd(f), _odd_weight(f), 0, mpf(high) ** 2)


def _scaled_erfc(t: Any) -> Any:
    """``(1 + 2x) exp(x²) erfc(x)`` with ``t = (x - 4) / (x + 4)``, which puts all x >= 0 into [-1, 1)."""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)


def _erf_slope_one(x: Any) -> Any:
    """``sqrt(π) / 2 erf(x)``."""
    return mpmath.erf(x) * mpmath.sqrt(mpmath.pi) / 2


FITS = [
    Fit(
        "EXP",
        "exp(r) = 1 + r + r² P(r), |r| <= ln(2) / 2; the error is relative to exp(r) - 1",
        lambda r: (mpmath.expm1(r) - r) / r**2,
        lambda r: r**2 / mpmath.expm1(r),
        -0.35,
        0.35,
    ),
    Fit(
        "LOG",
        "log(1 + f) = f - f²/2 + f³ P(f), |f| <= 1/3",
        lambda f: (mpmath.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mpmath.log1p(f),
        -mpf(1) / 3,
        mpf(1) / 3,
    ),
    Fit(
        "LOG_POWER",
        "log((1 + s) / (1 - s)) = 2s + 2/3 s³ + s⁵ P(s²), |s| <= 1/5; the error is relative to s, 11 bits finer",
        lambda z: (2 * mpmath.atanh(mpmath.sqrt(z)) / mpmath.sqrt(z) - 2 - mpf(2) / 3 * z) / z**2,
        lambda z: z**2 * 2**11 / 2,
        mpf(10) ** -12,
        mpf("0.0401"),
    ),
    _odd_fit("SIN", mpmath.sin, mpf("1.58")),
    _odd_fit("TAN", mpmath.tan, mpf("0.79")),
    _odd_fit("ARCSIN", mpmath.asin, mpf("0.5")),
    _odd_fit("ARCTAN", mpmath.atan, mpf("0.4143")),
    _odd_fit("SINH", mpmath.sinh, mpf(1)),
    _odd_fit("ERF_SMALL", _erf_slope_one, mpf(1)),
    Fit(
        "ERFC",
        "(1 + 2x) exp(x²) erfc(x) = P(t), t = (x - 4) / (x + 4), x >= 0",
        _scaled_erfc,
        lambda t: 1 / _scaled_erfc(t),
        -1,
        mpf("0.75"),
    ),
    Fit(
        "LOG_ERFC",
        "log(erfc(x)) = P(x), 1 <= x <= 4; the error is that of erfc(x), relative to erf(x)",
        lambda x: mpmath.log(mpmath.erfc(x)),
        lambda x: mpmath.erfc(x) / mpmath.erf(x),
        1,
        4,
        ("float32",),
    ),
]


def _tuple(numbers: Any, precision: str) -> str:
    kind = np.float32 if precision == "float32" else np.float64
    digits = 9 if precision == "float32" else 17
    spelled = [f"{float(kind(float(number))):.{digits}g}" for number in numbers]
    return "(" + ", ".join(s if "e" in s or "." in s else s + ".0" for s in spelled) + ",)"


def main() -> None:
    """Print the module."""
    print('"""Coefficients of polynomials, from the constant up: written by ``docs/derivations/minimax.py``."""\n')
    for fit in FITS:
        print(f"#: {fit.what}.")
        lines = []
        for precision in fit.precisions:
            coefficients, error = smallest(fit, precision)
            print(f"# Largest error in {precision}: 2^{float(mpmath.log(error, 2)):.1f}.")
            lines.append(f'    "{precision}": {_tuple(coefficients, precision)},')
            print(fit.name, precision, len(coefficients), file=sys.stderr)
        print(f"{fit.name} = {{", *lines, "}", sep="\n")


if __name__ == "__main__":
    main()
