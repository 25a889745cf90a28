"""Convolution and correlation of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.operators import as_array
from twopass.rules.kinds import bilinear, call, composite, operand
from twopass.rules.matmul import conjugated


def _convolve_transpose(ct: Any, size: int, other: Any, mode: str) -> Any:
    """Cotangent of an operand with `size` elements, from that of its convolution with another.

    The full convolution is transposed by correlating with the other operand; the modes "same" and "valid" are slices
    of it. For "valid", that would compute mostly zeros.
    """
    if mode[0] == "v" and size >= other.size:
        return np.convolve(ct, np.flip(other), "full")
    if mode[0] == "v":
        return np.flip(np.convolve(other, np.flip(ct), "valid"))
    start = 0 if mode[0] == "f" else (min(size, other.size) - 1) // 2
    stop = size + other.size - 1 - start - ct.size
    return np.convolve(np.pad(ct, (start, stop)), np.flip(other), "valid")


def _convolve_first(ct: Any, a: Any, v: Any, mode: Any = "full") -> Any:
    return np.reshape(_convolve_transpose(ct, a.size, np.ravel(v), mode), a.shape)


def _convolve_second(ct: Any, a: Any, v: Any, mode: Any = "full") -> Any:
    return np.reshape(_convolve_transpose(ct, v.size, np.ravel(a), mode), v.shape)


def _convolve_signature(a: Any, v: Any, mode: Any = "full") -> None: ...


_CONVOLUTIONS = [
    call(operand(n), operand(m), mode)
    for mode in ("full", "same", "valid")
    for n, m in ((6, 3), (5, 2), (3, 6), (2, 5), (4, 4), (1, 3))
]
bilinear(
    np.convolve,
    _convolve_first,
    _convolve_second,
    signature=_convolve_signature,
    examples=[*_CONVOLUTIONS, call(a=[1.0, 2.0], v=operand(3), mode="same"), call(operand(4), operand())],
)


@composite(np.correlate, examples=[*_CONVOLUTIONS, call(operand(5), v=[1, 2, 3]), call(operand(4), operand(2))])
def _correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    a, v = as_array(a), conjugated(as_array(v))
    if a.size >= v.size:
        return np.convolve(a, np.flip(v), mode)
    return np.flip(np.convolve(v, np.flip(a), mode))
