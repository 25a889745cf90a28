"""Cumulative distributions that SciPy has as special functions, in their variable; not in their parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import POSITIVE, call, elementwise, operand

_PARAMETERS = np.array([[1.0], [2.5], [4.0]])
_SHARES = operand(3, 4, domain=((0.1, 0.9),))


def _student_density(df: Any, t: Any) -> Any:
    constant = sp.gammaln(0.5 * (df + 1)) - sp.gammaln(0.5 * df) - 0.5 * np.log(math.pi * df)
    return np.exp(constant - 0.5 * (df + 1) * np.log1p(t * t / df))


def _chi_square_density(df: Any, x: Any) -> Any:
    return 0.5 * np.exp(sp.xlogy(0.5 * df - 1, 0.5 * x) - 0.5 * x - sp.gammaln(0.5 * df))


def _f_density(first: Any, second: Any, x: Any) -> Any:
    ratio = first / second
    power = sp.xlogy(0.5 * first - 1, ratio * x) - 0.5 * (first + second) * np.log1p(ratio * x)
    return ratio * np.exp(power - sp.betaln(0.5 * first, 0.5 * second))


def _distribution(function: Any, density: Any, sign: int, examples: Any, parameters: int = 1) -> None:
    """Register a cumulative distribution, or (of sign -1) its complement."""
    elementwise(
        function,
        *(None,) * parameters,
        lambda _y, *arguments: sign * density(*arguments),
        examples=examples,
        holomorphic=False,
    )


_distribution(sp.stdtr, _student_density, 1, [call(_PARAMETERS, operand(3, 4))])
for _function, _sign in ((sp.chdtr, 1), (sp.chdtrc, -1)):
    _distribution(_function, _chi_square_density, _sign, [call(_PARAMETERS, operand(3, 4, domain=POSITIVE))])
for _function, _sign in ((sp.fdtr, 1), (sp.fdtrc, -1)):
    _distribution(_function, _f_density, _sign, [call(_PARAMETERS, 3.0, operand(3, 4, domain=POSITIVE))], 2)
elementwise(
    sp.stdtrit,
    None,
    lambda y, df, _p: 1 / _student_density(df, y),
    examples=[call(_PARAMETERS, _SHARES)],
    holomorphic=False,
)
