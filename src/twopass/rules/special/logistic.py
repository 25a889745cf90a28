"""The logistic function, entropies, Huber's losses and the transformations of Box and Cox."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special as sp

from twopass.rules.kinds import ANY, NONZERO, POSITIVE, call, elementwise, operand
from twopass.rules.special.exponential import relative_slope
from twopass.rules.special.series import horner

# --- logistic -------------------------------------------------------------------------------------------------------

# Not y (1 - y), which is 0 where y rounds to 1.
elementwise(
    sp.expit, lambda y, x: y * sp.expit(-x), domain=((-30.0, -5.0), (-3.0, 3.0), (5.0, 30.0)), holomorphic=False
)
elementwise(sp.logit, lambda _y, x: 1 / (x * (1 - x)), domain=((0.05, 0.95),), holomorphic=False)
elementwise(sp.log_expit, lambda _y, x: sp.expit(-x), domain=((-9.0, 9.0),), holomorphic=False)

# --- entropies ------------------------------------------------------------------------------------------------------


def _ratio(x: Any, y: Any) -> Any:
    """``x / y``, and 0 where both are: the function is 0 for every y there."""
    neither = (x == 0) & (y == 0)
    return np.where(neither, 0, x / np.where(neither, 1, y))


elementwise(sp.xlogy, lambda _y, _a, b: np.log(b), lambda _y, a, b: _ratio(a, b), domain=[ANY, POSITIVE])
elementwise(
    sp.xlog1py,
    lambda _y, _a, b: np.log1p(b),
    lambda _y, a, b: _ratio(a, 1 + b),
    domain=[ANY, ((-0.8, 2.0),)],
    holomorphic=False,
)


def _inside(defined: Any, x: Any, slope: Any) -> Any:
    """A slope where the function is finite; where it is the constant infinity, 0."""
    return np.where(defined, slope(np.where(defined, x, 1)), 0)


elementwise(sp.entr, lambda _y, x: _inside(x >= 0, x, lambda x: -1 - np.log(x)), domain=POSITIVE, holomorphic=False)


def _log_ratio(x: Any, y: Any) -> Any:
    """``log(x / y)``, where both are positive, or x is 0: also 0 / 0 has the logarithm -inf."""
    defined = (x >= 0) & (y >= 0)
    return np.where(defined, np.log(np.where(defined, x, 1)) - np.where(x == 0, 0, np.log(np.where(defined, y, 1))), 0)


def _share(x: Any, y: Any) -> Any:
    return np.where((x >= 0) & (y >= 0), _ratio(x, y), 0)


elementwise(
    sp.rel_entr,
    lambda _y, a, b: np.where((a >= 0) & (b >= 0), 1 + _log_ratio(a, b), 0),
    lambda _y, a, b: -_share(a, b),
    domain=POSITIVE,
    holomorphic=False,
)
elementwise(
    sp.kl_div,
    lambda _y, a, b: _log_ratio(a, b),
    lambda _y, a, b: np.where((a >= 0) & (b >= 0), 1 - _share(a, b), 0),
    domain=POSITIVE,
    holomorphic=False,
)

# --- Huber's losses -------------------------------------------------------------------------------------------------

elementwise(
    sp.huber,
    lambda _y, delta, r: np.where(delta < 0, 0, np.where(np.abs(r) > delta, np.abs(r) - delta, 0)),
    lambda _y, delta, r: np.where(delta < 0, 0, np.where(np.abs(r) > delta, delta * np.sign(r), r)),
    domain=[((0.9, 1.1),), ((-3.0, -1.3), (-0.7, 0.7), (1.3, 3.0))],
    holomorphic=False,
)


def _pseudo_huber_scale(delta: Any, r: Any) -> Any:
    """``2 delta (s - 1) - r u / s`` with u = r / delta and s = √(1 + u²), without the cancellation."""
    u = r / delta
    s = np.hypot(1, u)
    return delta * (u * u / (s + 1)) ** 2 / s


elementwise(
    sp.pseudo_huber,
    lambda _y, delta, r: _pseudo_huber_scale(delta, r),
    lambda _y, delta, r: r / np.hypot(1, r / delta),
    domain=[POSITIVE, ANY],
    holomorphic=False,
)

# --- Box and Cox ----------------------------------------------------------------------------------------------------

_POWERS = [call(operand(3, domain=POSITIVE), 0.0), call(operand(3, domain=POSITIVE), operand(domain=((-1e-3, 1e-3),)))]
_INVERSES = [call(operand(3, domain=((-0.5, 0.5),)), operand(domain=((-1e-2, 1e-2),))), call(operand(3), 0.0)]
elementwise(
    sp.boxcox,
    lambda _y, x, power: np.exp((power - 1) * np.log(x)),
    lambda _y, x, power: np.log(x) ** 2 * relative_slope(power * np.log(x)),
    domain=[POSITIVE, ANY],
    examples=_POWERS,
    holomorphic=False,
)
elementwise(
    sp.boxcox1p,
    lambda _y, x, power: np.exp((power - 1) * np.log1p(x)),
    lambda _y, x, power: np.log1p(x) ** 2 * relative_slope(power * np.log1p(x)),
    domain=[((-0.8, 2.0),), ANY],
    examples=_POWERS,
    holomorphic=False,
)

#: (t / (1 + t) - log(1 + t)) / t² in powers of t, highest first.
_SERIES = [(-1) ** (k + 1) * (k + 1) / (k + 2) for k in range(24)][::-1]


def _curve(t: Any) -> Any:
    near = np.abs(t) < 0.15
    far = np.where(near, 1, t)
    return np.where(near, horner(_SERIES, np.where(near, t, 0)), (far / (1 + far) - np.log1p(far)) / far**2)


for _inverse, _offset in ((sp.inv_boxcox, 0), (sp.inv_boxcox1p, 1)):
    elementwise(
        _inverse,
        lambda y, x, power, offset=_offset: (y + offset) / (1 + power * x),
        lambda y, x, power, offset=_offset: (y + offset) * x * x * _curve(power * x),
        domain=[NONZERO[1:], ((0.1, 1.5), (-0.45, -0.1))],
        examples=_INVERSES,
        holomorphic=False,
    )
