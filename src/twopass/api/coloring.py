"""Colourings: which columns of a sparse matrix may be computed together.

Two columns that share no row of the pattern can be told apart in the sum of both: one product with a vector gives all
columns of one colour (A. Curtis, M. Powell and J. Reid, "On the estimation of sparse Jacobian matrices", J. Inst. Math.
Appl. 13, 1974). Of a symmetric matrix each element is there twice, so fewer colours do (T. Coleman and J. Moré,
"Estimation of sparse Hessian matrices and graph coloring problems", Math. Programming 28, 1984). Fewest colours are
hard to find; the greedy algorithms here are those of A. Gebremedhin, F. Manne and A. Pothen, "What color is your
Jacobian? Graph coloring for computing derivatives", SIAM Review 47 (2005): partial distance-2 colouring and star
colouring.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Pattern", "color_columns", "color_symmetric"]


class Pattern(NamedTuple):
    """Places of a matrix that may be nonzero, in the order of rows; none is there twice."""

    shape: tuple[int, int]
    rows: Any
    columns: Any

    @property
    def transposed(self) -> Pattern:
        """The places of the transpose."""
        order = np.lexsort((self.rows, self.columns))
        return Pattern((self.shape[1], self.shape[0]), self.columns[order], self.rows[order])

    def neighbours(self) -> list[list[int]]:
        """The columns of each row."""
        bounds = np.searchsorted(self.rows, np.arange(self.shape[0] + 1)).tolist()
        columns = self.columns.tolist()
        return [columns[start:stop] for start, stop in itertools.pairwise(bounds)]


def _by_degree(neighbours: Sequence[Sequence[int]]) -> list[int]:
    """Vertices with many neighbours first: they leave the least choice."""
    return sorted(range(len(neighbours)), key=lambda v: -len(neighbours[v]))


def _lowest(taken: int) -> int:
    """The lowest bit that is not set: the first colour that is not taken."""
    return (~taken & (taken + 1)).bit_length() - 1


def color_columns(pattern: Pattern) -> Any:
    """A colour for each column, so that no row has two columns of one colour.

    Examples
    --------
    >>> tridiagonal = np.abs(np.subtract.outer(range(6), range(6))) <= 1
    >>> print(color_columns(Pattern((6, 6), *np.nonzero(tridiagonal))))
    [2 0 1 2 0 1]
    """
    rows_of = pattern.transposed.neighbours()
    taken = [0] * pattern.shape[0]  # colours of the columns of each row, as bits
    colors = np.zeros(pattern.shape[1], dtype=np.intp)
    for column in _by_degree(rows_of):
        forbidden = 0
        for row in rows_of[column]:
            forbidden |= taken[row]
        color = _lowest(forbidden)
        colors[column] = color
        for row in rows_of[column]:
            taken[row] |= 1 << color
    return colors


def color_symmetric(pattern: Pattern) -> Any:
    """A colour for each column of a symmetric matrix, so that neighbours differ, and so do three of any four on a path.

    Then each element ``[i, j]`` is either alone in its row among the columns with the colour of j, or alone in row j
    among those with the colour of i.

    Examples
    --------
    >>> arrowhead = np.eye(5, dtype=bool)
    >>> arrowhead[0] = arrowhead[:, 0] = True
    >>> print(color_symmetric(Pattern((5, 5), *np.nonzero(arrowhead))))
    [0 1 1 1 1]
    """
    neighbours = [[w for w in row if w != v] for v, row in enumerate(pattern.neighbours())]
    colors = np.full(len(neighbours), -1, dtype=np.intp)
    around: list[Counter[int]] = [Counter() for _ in neighbours]  # how many neighbours have each colour
    for v in _by_degree(neighbours):
        forbidden = 0
        for w in neighbours[v]:
            if colors[w] < 0:
                # Both ends of a path over w, which may get any colour, must differ.
                for color in around[w]:
                    forbidden |= 1 << color
                continue
            forbidden |= 1 << int(colors[w])
            for x in neighbours[w]:
                # v, w, x and another neighbour of x with the colour of w.
                if colors[x] >= 0 and around[x][int(colors[w])] > 1:
                    forbidden |= 1 << int(colors[x])
        color = _lowest(forbidden)
        colors[v] = color
        for w in neighbours[v]:
            around[w][color] += 1
    return colors
