"""The functions of ``np.emath``: complex where a real result does not exist."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.core.rule import detach
from twopass.rules.kinds import NONZERO, POSITIVE, UNIT, call, composite, operand

_NEGATIVE = ((-2.0, -0.2),)
_LARGE = ((1.2, 2.0),)


def _widened(x: Any, leaves: Any) -> Any:
    """`x` as complex numbers if any of them leaves the domain of the real function."""
    x = as_array(x)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    plain = detach(x)
    return x + 0j if x.dtype.kind != "c" and np.any(leaves(plain)) else x


def _is_negative(x: Any) -> Any:
    return x < 0


def _is_large(x: Any) -> Any:
    return np.abs(x) > 1


def _everywhere(function: Any, real: Any, leaves: Any, inside: Any, outside: Any) -> None:
    """Register a function of one operand."""

    @composite(function, examples=[call(operand(3, 4, domain=inside)), call(operand(3, domain=outside))])
    def _(x: Any) -> Any:
        return real(_widened(x, leaves))


for _name in ("sqrt", "log", "log2", "log10"):
    _everywhere(getattr(np.emath, _name), getattr(np, _name), _is_negative, POSITIVE, _NEGATIVE)
for _name in ("arccos", "arcsin", "arctanh"):
    _everywhere(getattr(np.emath, _name), getattr(np, _name), _is_large, UNIT, _LARGE)


@composite(
    np.emath.logn,
    examples=[call(operand(domain=POSITIVE), operand(3, domain=POSITIVE)), call(2.0, operand(3, domain=_NEGATIVE))],
)
def _logn(n: Any, x: Any) -> Any:
    return np.log(_widened(x, _is_negative)) / np.log(_widened(n, _is_negative))


@composite(
    np.emath.power,
    examples=[
        call(operand(3, domain=POSITIVE), operand(3)),
        call(operand(3, domain=_NEGATIVE), 1.5),
        call(operand(3, domain=NONZERO), -2),
    ],
)
def _power(x: Any, p: Any) -> Any:
    return np.power(_widened(x, _is_negative), p)
