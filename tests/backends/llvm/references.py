"""For each scalar operator, NumPy's function or one in more digits, and the numbers on which it is tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: How many random numbers of each kind.
COUNT = 4000

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
SIGNED = tuple(np.dtype(f"i{size}") for size in (1, 2, 4, 8))
UNSIGNED = tuple(np.dtype(f"u{size}") for size in (1, 2, 4, 8))
INTEGERS = SIGNED + UNSIGNED
BOOL = np.dtype(bool)


def more_digits(dtype: Any) -> Any:
    """A wider format, in which the reference is computed."""
    return np.dtype(np.float64 if dtype == np.float32 else np.longdouble)


def special(dtype: Any) -> Any:
    """Zeros, infinities, NaN, and the ends of the ranges of normal and subnormal numbers."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 7, info.max, info.max - 1, info.min, info.min + 1], dtype)
    info = np.finfo(dtype)
    tiny, least = info.tiny, info.smallest_subnormal
    below = np.nextafter(tiny, dtype.type(0))
    positive = [0, np.inf, 1, 2, 0.5, 1.5, 2.5, 1e-3, 10, info.max, tiny, least, below, info.eps]
    return np.array([*positive, *(-np.array(positive)), np.nan], dtype)


def spread(dtype: Any, rng: Any, count: int = COUNT) -> Any:
    """Numbers of every size: random bits."""
    if dtype.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    bits = (
        rng.integers(0, 2 ** (8 * dtype.itemsize), count, dtype=np.dtype(f"u{dtype.itemsize}"), endpoint=False)
        if (dtype.itemsize < 8)
        else rng.integers(0, 2**64 - 1, count, dtype=np.uint64, endpoint=True)
    )
    numbers = bits.view(dtype)
    small = rng.integers(-9, 10, count).astype(dtype) if dtype.kind != "f" else rng.uniform(-4, 4, count).astype(dtype)
    return np.where(rng.random(count) < 0.5, numbers, small)


def between(low: float, high: float) -> Callable[[Any, Any], Any]:
    """Numbers of an interval."""
    return lambda dtype, rng: rng.uniform(low, high, COUNT).astype(dtype)


def near(centre: float) -> Callable[[Any, Any], Any]:
    """Numbers at all distances from one."""
    return lambda dtype, rng: (centre + rng.choice([-1, 1], COUNT) * 10.0 ** rng.uniform(-9, 0, COUNT)).astype(dtype)


#: Where each function of floats is sampled, beside special numbers and random bits, operand by operand.
SAMPLES: dict[str, list[Sequence[Callable[[Any, Any], Any]]]] = {
    "exp": [[between(-110, 95)], [between(-760, 720)], [near(0)]],
    "exp2": [[between(-155, 130)], [between(-1080, 1030)], [near(0)]],
    "expm1": [[between(-20, 95)], [between(-1, 1)], [near(0)], [between(-40, 720)]],
    "sigmoid": [[between(-110, 30)], [between(-750, 40)]],
    "log": [[between(0, 4)], [near(1)]],
    "log2": [[between(0, 4)], [near(1)]],
    "log10": [[between(0, 4)], [near(1)]],
    "log1p": [[between(-1, 4)], [near(0)], [near(-1)]],
    "logaddexp": [[between(-90, 90)] * 2],
    "logaddexp2": [[between(-90, 90)] * 2],
    "sinh": [[between(-90, 90)], [near(0)], [between(-712, 712)]],
    "cosh": [[between(-90, 90)], [near(0)], [between(-712, 712)]],
    "tanh": [[between(-25, 25)], [near(0)], [between(-2, 2)]],
    "arcsinh": [[between(-5, 5)], [near(0)]],
    "arccosh": [[between(1, 5)], [near(1)]],
    "arctanh": [[between(-1, 1)], [near(0)], [near(1)]],
    "sin": [[between(-10, 10)], [between(-1e5, 1e5)], [near(np.pi)]],
    "cos": [[between(-10, 10)], [between(-1e5, 1e5)], [near(np.pi / 2)]],
    "tan": [[between(-10, 10)], [between(-1e5, 1e5)], [near(np.pi / 2)], [near(np.pi)]],
    "arcsin": [[between(-1, 1)], [near(0)], [near(1)]],
    "arccos": [[between(-1, 1)], [near(0)], [near(1)], [near(-1)]],
    "arctan": [[between(-4, 4)], [near(1)]],
    "arctan2": [[between(-4, 4)] * 2],
    "power": [
        [between(0, 4), between(-90, 90)],
        [near(1), between(-1e4, 1e4)],
        [between(-4, 4), lambda d, r: r.integers(-9, 9, COUNT).astype(d)],
    ],
    "float_power": [[between(0, 4), between(-90, 90)], [near(1), between(-1e4, 1e4)]],
    "cbrt": [[between(-4, 4)]],
    "hypot": [[between(-4, 4)] * 2],
    "erf": [[between(-7, 7)], [near(0)], [between(-1.1, 1.1)]],
    "erfc": [[between(-7, 11)], [between(-1, 30)]],
}


# --- references that NumPy does not have ----------------------------------------------------------------------------


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def _root_of_pi(dtype: Any) -> Any:
    return np.sqrt(4 * np.arctan(dtype.type(1)))


def _gaussian(x: Any) -> Any:
    """``exp(-x²)``, whose square would lose digits where x is large."""
    half = x.astype(np.float32).astype(x.dtype)
    return np.exp(-half * half) * np.exp((half - x) * (half + x))


def erf(x: Any) -> Any:
    """``exp(-x²) 2x / sqrt(π) sum (2x²)**n / (1 3 5 ... (2n + 1))``: no term is negative (Abramowitz, Stegun 7.1.6)."""
    x = np.clip(x, -7, 7)
    term = total = np.ones_like(x)
    for n in range(1, 260):
        term = term * (2 * x * x) / (2 * n + 1)
        total = total + term
    return _gaussian(x) * 2 * x / _root_of_pi(x.dtype) * total


def erfc(x: Any) -> Any:
    """``1 - erf(x)``, from 2 on the continued fraction (Abramowitz, Stegun 7.1.14)."""
    large = np.clip(x, 2, 200)
    fraction = large
    for n in range(160, 0, -1):
        fraction = large + x.dtype.type(n) / 2 / fraction
    return np.where(x < 2, 1 - erf(np.minimum(x, 2)), _gaussian(large) / (_root_of_pi(x.dtype) * fraction))


def fma(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


def astype(x: Any) -> Any:
    return x


OWN: dict[str, Callable[..., Any]] = {"sigmoid": sigmoid, "erf": erf, "erfc": erfc, "fma": fma, "astype": astype}


def reference(name: str) -> Callable[..., Any]:
    return OWN[name] if name in OWN else getattr(np, name)
