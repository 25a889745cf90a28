"""Arrays to assign into, made in functions that are being differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np

from twopass.core.array import Array
from twopass.core.trace import OPEN

__all__ = ["zeros"]


def zeros(shape: int | tuple[int, ...], dtype: Any = float) -> Any:
    """``np.zeros(shape, dtype)`` that values which are being differentiated can be assigned into.

    ``np.zeros`` gives an ndarray, which has no place for a derivative: assigning a traced value into one raises
    `DetachedError`. Outside of a function that is being differentiated or compiled, this is ``np.zeros``.

    Parameters
    ----------
    shape : int or tuple of int
        Lengths of the axes.
    dtype : dtype, default float
        Type of the elements. Integers and booleans have no derivative: for them this is ``np.zeros`` always.

    Returns
    -------
    array

    See Also
    --------
    numpy.zeros_like : Does the same with ``np.zeros_like(x, shape=shape)``, of a traced ``x``.

    Examples
    --------
    >>> import numpy as np, twopass as tp
    >>> def fibonacci(x):
    ...     b = tp.zeros(6)
    ...     b[0] = b[1] = x
    ...     for i in range(2, 6):
    ...         b[i] = b[i - 1] + b[i - 2]
    ...     return np.sum(b)
    >>> fibonacci(2.0), tp.grad(fibonacci)(2.0)
    (np.float64(40.0), 20.0)
    """
    made = np.zeros(shape, dtype)
    running = OPEN.get()
    if not running or made.dtype.kind not in "fc":
        return made
    trace = running[-1]
    return trace.constant(made) if trace.captures else Array(trace, made, None)
