"""Samples of a sparse matrix, as training gathers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from twopass.nn.types import Array

__all__ = ["SparseRows", "blocks", "is_sparse"]

#: How many numbers a layer gives at a time in prediction: so many stay in the cache of a core.
_NUMBERS = 1 << 16


def is_sparse(x: Any) -> bool:
    """Whether something is a sparse matrix of SciPy."""
    return hasattr(x, "toarray")


class SparseRows:
    """A sparse matrix whose rows become dense when they are asked for: a batch at a time, never all together.

    To a batch, which is dense after its first layer anyhow, this costs little; and the matrix stays as small as it is.
    """

    #: Rows cannot be read in place.
    flags = np.zeros((2, 2))[:, :1].flags

    def __init__(self, matrix: Any) -> None:
        self.matrix = matrix.tocsr()
        self.shape = matrix.shape
        self.dtype = matrix.dtype
        self.ndim = 2

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: Any) -> Array:
        dense: Array = self.matrix[rows].toarray()
        return dense


def blocks(x: Any, widest: int) -> Iterator[Array]:
    """A matrix in blocks of rows, dense, that are small enough for layers of some width."""
    rows = SparseRows(x) if is_sparse(x) else x
    size = max(64, _NUMBERS // max(1, widest, x.shape[1] if is_sparse(x) else 1))
    for start in range(0, len(rows), size):
        yield np.asarray(rows[start : start + size])
