"""Linear interpolation between samples.

The interpolant has kinks at the samples. There, its slope is the mean of the slopes on both sides, as a tie is shared
equally between two arguments. At the first and the last sample it is the slope inside, as for `np.clip` at its bounds,
and outside of them it is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array, scatter
from twopass.core.rule import detach, invoke
from twopass.rules.kinds import call, composite, custom, operand
from twopass.rules.operands import take_at


def interpolate(x: Any, xp: Any, fp: Any) -> Any:
    """``np.interp(x, xp, fp)``, for at least two samples."""
    return np.interp(x, xp, fp)


def _sides(x: Any, xp: Any) -> list[tuple[Any, float]]:
    """The intervals that the interpolant at `x` takes its slope from: (number, weight); the weights add up to 1.

    At several samples in one place the interpolant jumps: there, only that on the right counts, as for its value.
    """
    x, xp = detach(x), detach(xp)
    right, left = (np.searchsorted(xp, x, side) - 1 for side in ("right", "left"))
    left = np.where(left + 1 == right, left, right)
    return [(np.clip(place, 0, xp.size - 2), 0.5) for place in (right, left)]


def _weights(place: Any, x: Any, xp: Any) -> tuple[Any, Any, Any]:
    """Of one interval: the fraction of it that lies below `x`, its width, and whether the interpolant has its slope."""
    start, stop = take_at(xp, place), take_at(xp, place + 1)
    jump = start == stop
    width = np.where(jump, 1, stop - start)
    fraction = np.where(jump, x >= stop, (np.clip(x, start, stop) - start) / width)
    sloping = (x >= detach(xp)[0]) & (x <= detach(xp)[-1]) & np.logical_not(jump)
    return fraction, width, sloping


def _slope(place: Any, width: Any, sloping: Any, fp: Any) -> Any:
    return np.where(sloping, (take_at(fp, place + 1) - take_at(fp, place)) / width, 0)


def _push(slot: int, tangent: Any, y: Any, x: Any, xp: Any, fp: Any) -> Any:
    total: Any = 0
    for place, share in _sides(x, xp):
        fraction, width, sloping = _weights(place, x, xp)
        if slot == 0:
            change = tangent * _slope(place, width, sloping, fp)
        else:
            blend = (1 - fraction) * take_at(tangent, place) + fraction * take_at(tangent, place + 1)
            change = blend if slot == 2 else -blend * _slope(place, width, sloping, fp)
        total = total + share * change
    return total


def _pull(slot: int, ct: Any, y: Any, x: Any, xp: Any, fp: Any) -> Any:
    total: Any = 0
    for place, share in _sides(x, xp):
        fraction, width, sloping = _weights(place, x, xp)
        change = share * ct if slot == 2 else share * ct * _slope(place, width, sloping, fp)
        if slot > 0:
            change = change if slot == 2 else -change
            below, above = ((1 - fraction) * change, place), (fraction * change, place + 1)
            change = sum(scatter(values, shape=xp.shape, index=index) for values, index in (below, above))
        total = total + change
    return total


_SAMPLES = np.array([-2.0, -1.0, 0.1, 0.5, 2.0])
_INNER = ((-0.9, 0.0), (0.15, 0.45), (0.6, 1.9))
_X = operand(2, 3, domain=_INNER)


custom(
    interpolate,
    push=_push,
    pull=_pull,
    holomorphic=False,
    examples=[
        call(_X, _SAMPLES, operand(5)),
        call(operand(4, domain=((-3.0, -2.1), (2.1, 3.0), *_INNER)), _SAMPLES, operand(5)),
        call(operand(domain=_INNER), _SAMPLES, operand(5)),
        call(np.array([0.3, 1.0, -0.7]), operand(2, domain=((-2.0, 0.0),)), np.array([1.0, 3.0])),
    ],
)


@composite(
    np.interp,
    examples=[
        call(_X, _SAMPLES, operand(5)),
        call(operand(4, domain=((-3.0, -2.1), (2.1, 3.0), *_INNER)), _SAMPLES, operand(5), operand(), operand()),
        call(np.array([-4.5, 0.3, 7.0]), _SAMPLES, operand(5), left=1.5, period=4.5),
        call(operand(2, domain=_INNER), xp=[-1, 0, 2], fp=[1, 4, 3]),
        call(0.3, _SAMPLES, operand(5)),
        call([0.2, 3.0], [0.1], operand(1), right=operand()),
    ],
)
def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    x, xp, fp = as_array(x), as_array(xp), as_array(fp)
    if xp.ndim != 1 or fp.ndim != 1:
        raise ValueError("Data points must be 1-D sequences")
    if xp.size != fp.size:
        raise ValueError("fp and xp are not of the same length")
    if xp.size == 0:
        raise ValueError("array of sample points is empty")
    if "c" in (x.dtype.kind, xp.dtype.kind):
        raise TypeError("np.interp interpolates between real places, but some are complex")
    x, xp = (v.astype(np.float64) for v in (x, xp))
    fp = fp.astype(np.complex128 if fp.dtype.kind == "c" else np.float64)
    if period is not None:
        left = right = None
        x, xp, fp = _around(x, xp, fp, period)
    between = invoke(interpolate, x, xp, fp) if xp.size > 1 else fp[0] + np.zeros(x.shape)
    if left is not None:
        between = np.where(detach(x) < detach(xp)[0], left, between)
    if right is not None:
        between = np.where(detach(x) > detach(xp)[-1], right, between)
    return between[()]


def _around(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """The places and samples of a periodic function in one period, with the neighbours of its ends."""
    if period == 0:
        raise ValueError("period must be a non-zero value")
    period = abs(period)
    x, xp = x % period, xp % period
    order = np.argsort(detach(xp))
    xp, fp = xp[order], fp[order]
    return x, np.concatenate([xp[-1:] - period, xp, xp[:1] + period]), np.concatenate([fp[-1:], fp, fp[:1]])
