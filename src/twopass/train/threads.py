"""How many threads the matrix products of NumPy's BLAS library use while a network is being trained."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from twopass import tree

__all__ = ["blas_threads", "products_are_small"]

#: Below this many operations in the largest product of a step, a second thread costs more than it saves. The BLAS
#: libraries spin while they wait: when another process has the second core, a product takes ten times as long.
_SMALL = 1e8


def products_are_small(params: Any, batch_size: int) -> bool:
    """Whether no product of a step is worth a second thread.

    Examples
    --------
    >>> products_are_small({"weight": np.zeros((784, 300))}, batch_size=32)
    True
    """
    largest = max((leaf.size for leaf in tree.leaves(params) if np.ndim(leaf) > 1), default=0)
    return 2.0 * batch_size * largest < _SMALL


def blas_threads(chosen: int | None, params: Any, batch_size: int) -> AbstractContextManager[Any]:
    """Context in which products use the chosen number of threads; by default one if they are small.

    The setting is the process's: other Python threads have it too until the context ends.
    """
    if chosen is None and not products_are_small(params, batch_size):
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits  # here: it looks through the loaded libraries

    limits: AbstractContextManager[Any] = threadpool_limits(limits=chosen or 1, user_api="blas")
    return limits
