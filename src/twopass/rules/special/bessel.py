"""Bessel functions, in their argument; not in their order.

The recurrences of M. Abramowitz and I. Stegun, *Handbook of Mathematical Functions*: 9.1.27 for J, Y and H, 9.6.26 for
I and K, 9.9.14 for Kelvin's functions, 12.1.9 and 12.2.4 for Struve's; of a scaled function, the derivative of the
scale besides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special as sp

from twopass.core.rule import RULES
from twopass.rules.kinds import POSITIVE, call, custom, elementwise, operand
from twopass.rules.special.series import horner, outputs, refuse

_WIDE = ((0.3, 12.0),)
_ORDERS = np.array([[0.0], [1.0], [2.5]])
_BOTH_SIDES = ((-6.0, 6.0),)

# --- any order ------------------------------------------------------------------------------------------------------


def _neighbours(function: Any, sign: int, v: Any, z: Any) -> Any:
    """Half the sum (or the difference) of the functions of the neighbouring orders."""
    v = np.real(v)  # integers were promoted to the dtype of the result, which may be complex; an order is real
    return 0.5 * (function(v - 1, z) + sign * function(v + 1, z))


def _of_order(function: Any, slope: Any, orders: Any = _ORDERS) -> None:
    """Register a function of an order and an argument, with its derivative ``slope(y, v, z)`` in the argument."""
    if function not in RULES:  # jn is jv
        examples = [
            call(orders, operand(3, 4, domain=_WIDE)),
            call(1, operand(4, domain=_WIDE)),
            call(np.int64(2), operand(4, domain=_WIDE)),
        ]
        elementwise(function, None, slope, examples=examples, holomorphic=False)


for _function in (sp.jv, sp.yv, sp.hankel1, sp.hankel2):
    _of_order(_function, lambda _y, v, z, f=_function: _neighbours(f, -1, v, z))
_of_order(sp.yn, lambda _y, v, z: _neighbours(sp.yv, -1, v, z), np.array([[0], [1], [3]]))
_of_order(sp.iv, lambda _y, v, z: _neighbours(sp.iv, 1, v, z))
_of_order(sp.kv, lambda _y, v, z: -_neighbours(sp.kv, 1, v, z))
_of_order(sp.kn, lambda _y, v, z: -_neighbours(sp.kv, 1, v, z), np.array([[0], [1], [3]]))

_of_order(sp.kve, lambda y, v, z: y - _neighbours(sp.kve, 1, v, z))
_of_order(sp.hankel1e, lambda y, v, z: _neighbours(sp.hankel1e, -1, v, z) - 1j * y)
_of_order(sp.hankel2e, lambda y, v, z: _neighbours(sp.hankel2e, -1, v, z) + 1j * y)


def _scaled_by_modulus(function: Any, sign: int, part: Any, unit: complex) -> None:
    """Register a function with the scale ``exp(-abs(part(z)))``, where `unit` is how z enters the part.

    Of complex numbers it is not holomorphic: the slope of the scale sees that part of the tangent only.
    """

    def push(slot: int, tangent: Any, y: Any, v: Any, z: Any) -> Any:
        if slot == 0:
            refuse(f"scipy.special.{function.__name__}", 0)
        return tangent * _neighbours(function, sign, v, z) - y * np.sign(part(z)) * part(tangent)

    def pull(slot: int, ct: Any, y: Any, v: Any, z: Any) -> Any:
        if slot == 0:
            refuse(f"scipy.special.{function.__name__}", 0)
        return ct * _neighbours(function, sign, v, z) - unit * np.sign(part(z)) * np.real(ct * y)

    examples = [call(_ORDERS, operand(3, 4, domain=_WIDE)), call(1, operand(4, domain=_WIDE))]
    custom(function, push=push, pull=pull, examples=examples, holomorphic=False)


_scaled_by_modulus(sp.jve, -1, np.imag, -1j)
_scaled_by_modulus(sp.yve, -1, np.imag, -1j)
_scaled_by_modulus(sp.ive, 1, np.real, 1)

# --- orders 0 and 1 -------------------------------------------------------------------------------------------------

#: The derivatives of √(2 π x) exp(-x) I₀(x) and I₁(x), divided by the leading -1 / (2 x), in powers of 1 / x, highest
#: first; of √(2 x / π) exp(x) K₀(x) and K₁(x), in powers of -1 / x (9.7.1, 9.7.2).
_TAILS = [
    [(2 * k + 1) * math.prod((4 * order - (2 * j - 1) ** 2) / (-8 * j) for j in range(1, k + 1)) for k in range(10)][
        ::-1
    ]
    for order in (0, 1)
]
_FAR = 200.0


def _scaled(order: int, close: Any, direction: int, factor: float, x: Any) -> Any:
    """The derivative of a scaled function; where its terms would cancel, by its asymptotic series."""
    size = np.abs(x)
    far = size > _FAR
    large = np.where(far, size, _FAR)
    tail = -0.5 * factor * horner(_TAILS[order], direction / large) / (large * np.sqrt(large))
    if order == 0:
        tail = np.sign(x) * tail
    return np.where(far, tail, close(np.where(far, 1, x)))


_I, _K = 1 / math.sqrt(2 * math.pi), math.sqrt(math.pi / 2)
for _function, _slope, _domain in (
    (sp.j0, lambda x: -sp.j1(x), _BOTH_SIDES),
    (sp.j1, lambda x: 0.5 * (sp.j0(x) - sp.jv(2, x)), _BOTH_SIDES),
    (sp.y0, lambda x: -sp.y1(x), _WIDE),
    (sp.y1, lambda x: 0.5 * (sp.y0(x) - sp.yn(2, x)), _WIDE),
    (sp.i0, lambda x: sp.i1(x), _BOTH_SIDES),
    (sp.i1, lambda x: 0.5 * (sp.i0(x) + sp.iv(2, x)), _BOTH_SIDES),
    (sp.k0, lambda x: -sp.k1(x), _WIDE),
    (sp.k1, lambda x: -0.5 * (sp.k0(x) + sp.kn(2, x)), _WIDE),
):
    elementwise(_function, lambda _y, x, slope=_slope: slope(x), domain=_domain, holomorphic=False)
for _function, _order, _close, _direction, _factor in (
    (sp.i0e, 0, lambda x: sp.i1e(x) - np.sign(x) * sp.i0e(x), 1, _I),
    (sp.i1e, 1, lambda x: 0.5 * (sp.i0e(x) + sp.ive(2, x)) - np.sign(x) * sp.i1e(x), 1, _I),
    (sp.k0e, 0, lambda x: sp.k0e(x) - sp.k1e(x), -1, _K),
    (sp.k1e, 1, lambda x: sp.k1e(x) - 0.5 * (sp.k0e(x) + sp.kve(2, x)), -1, _K),
):
    elementwise(
        _function,
        lambda _y, x, order=_order, close=_close, to=_direction, by=_factor: _scaled(order, close, to, by, x),
        domain=_WIDE,
        examples=[call(operand(3, domain=((150.0, 199.0), (201.0, 1000.0))))],
        holomorphic=False,
    )

# --- Airy's functions -----------------------------------------------------------------------------------------------

outputs(
    sp.airy,
    lambda y, z: (y[1], z * y[0], y[3], z * y[2]),
    slot=0,
    examples=[call(operand(3, 4, domain=((-3.0, 2.0),)))],
    holomorphic=False,
)

# --- Kelvin's functions ---------------------------------------------------------------------------------------------


def _divided(y: Any, x: Any, limit: float) -> Any:
    """``y / x``, with its limit at 0."""
    return np.where(x == 0, limit, y / np.where(x == 0, 1, x))


# w = ber + i bei satisfies w'' = i w - w' / x, and so does ker + i kei.
for _kelvin, _rate in (
    (sp.ber, lambda _y, x: sp.berp(x)),
    (sp.bei, lambda _y, x: sp.beip(x)),
    (sp.berp, lambda y, x: -sp.bei(x) - _divided(y, x, 0.0)),
    (sp.beip, lambda y, x: sp.ber(x) - _divided(y, x, 0.5)),
    (sp.ker, lambda _y, x: sp.kerp(x)),
    (sp.kei, lambda _y, x: sp.keip(x)),
    (sp.kerp, lambda y, x: -sp.kei(x) - y / x),
    (sp.keip, lambda y, x: sp.ker(x) - y / x),
):
    elementwise(_kelvin, _rate, domain=((0.3, 6.0),), holomorphic=False)

# --- Struve's functions ---------------------------------------------------------------------------------------------


def _struve_slope(function: Any, sign: int, v: Any, x: Any) -> Any:
    rest = (0.5 * x) ** v * sp.rgamma(np.asarray(v) + 1.5) / math.sqrt(math.pi)
    return 0.5 * (function(v - 1, x) + sign * function(v + 1, x) + rest)


for _function, _sign in ((sp.struve, -1), (sp.modstruve, 1)):
    elementwise(
        _function,
        None,
        lambda _y, v, x, f=_function, sign=_sign: _struve_slope(f, sign, v, x),
        examples=[call(_ORDERS, operand(3, 4, domain=POSITIVE))],
        holomorphic=False,
    )
