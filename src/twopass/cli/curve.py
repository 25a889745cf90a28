"""Curves drawn with characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.text import Text

__all__ = ["draw"]

#: The bits of a Braille character's dots (Unicode chapter 21.1), by row and column; the character is U+2800 plus them.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_MARKS = "*+ox"
_COLOURS = ("cyan", "yellow", "magenta", "green")

Grid = np.ndarray[Any, np.dtype[np.bool_]]


def draw(curves: Mapping[str, Sequence[float]], *, width: int, height: int, braille: bool) -> list[Text]:
    r"""Draw curves over one another, with the range of their values on the left and their names below.

    Parameters
    ----------
    curves : mapping of str to sequence of float
        Values at equal distances, by name; those that are not finite are left out.
    width, height : int
        Characters of the picture, at least 2 high, without the line of names.
    braille : bool
        Eight dots a character, coloured by curve; else ASCII, one mark a character, another for each curve.

    Returns
    -------
    lines : list of rich.text.Text

    Examples
    --------
    >>> for line in draw({"loss": [4, 2, 1, 1]}, width=24, height=4, braille=False):
    ...     print(line.plain.rstrip())
    4 |**
      |  ***
      |     ******
    1 |           **********
       * loss
    """
    values = np.concatenate([np.asarray(curve, float) for curve in curves.values()])
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    top, bottom = f"{high:.3g}", f"{low:.3g}"
    margin = max(len(top), len(bottom))
    down, across = _DOTS.shape if braille else (1, 1)
    shape = (height * down, max(1, width - margin - 2) * across)
    grids = [_trace(np.asarray(curve, float), low, high, shape) for curve in curves.values()]
    labels = [top, *[""] * (height - 2), bottom]
    axis = "│" if braille else "|"
    lines = [Text(f"{label:>{margin}} {axis}") for label in labels]
    for line, cells in zip(lines, _cells(grids, braille), strict=True):
        line.append_text(cells)
    return [*lines, _legend(list(curves), margin, braille)]


def _trace(values: Grid, low: float, high: float, shape: tuple[int, int]) -> Grid:
    """The dots of one curve."""
    rows, columns = shape
    known = np.flatnonzero(np.isfinite(values))
    if not known.size:
        return np.zeros(shape, bool)
    heights = np.interp(np.linspace(0, len(values) - 1, columns), known, values[known])
    row = np.round((high - heights) / ((high - low) or 1.0) * (rows - 1)).astype(int)
    before = np.concatenate([row[:1], row[:-1]])
    # From each column to the next, the dots in between are filled in, so that steep parts stay connected.
    first = np.minimum(row, np.where(row > before, before + 1, before))
    last = np.maximum(row, np.where(row < before, before - 1, before))
    index = np.arange(rows)[:, None]
    dots: Grid = (index >= first) & (index <= last)
    return dots


def _cells(grids: list[Grid], braille: bool) -> list[Text]:
    """Lines of characters; where curves meet, the later one gives the colour or the mark."""
    lines = []
    for row in range(0, len(grids[0]), 4 if braille else 1):
        line = Text()
        for column in range(0, grids[0].shape[1], 2 if braille else 1):
            parts = [grid[row : row + 4, column : column + 2] if braille else grid[row, column] for grid in grids]
            shown = [curve for curve, part in enumerate(parts) if np.any(part)]
            if not shown:
                line.append(" ")
            elif braille:
                code = int((np.logical_or.reduce(parts) * _DOTS).sum())
                line.append(chr(0x2800 + code), style=_COLOURS[shown[-1] % len(_COLOURS)])
            else:
                line.append(_MARKS[shown[-1] % len(_MARKS)])
        lines.append(line)
    return lines


def _legend(names: list[str], margin: int, braille: bool) -> Text:
    line = Text(" " * (margin + 2))
    for curve, name in enumerate(names):
        mark = "━" if braille else _MARKS[curve % len(_MARKS)]
        line.append(f"{mark} {name}   ", style=_COLOURS[curve % len(_COLOURS)] if braille else "")
    line.rstrip()
    return line
