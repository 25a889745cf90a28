"""Draw the figures of docs/techniques.md.

Run ``python docs/figures/techniques/draw.py``; it needs matplotlib and SymPy, ``pip install 'twopass[plot,symbolic]'``.
The costs are measured: run it on a quiet machine.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import sympy
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

import twopass as tp
from twopass.api.symbolic import derive
from twopass.graph.ir import Constant, Input

BLUE, RED, GREY = "#1f6fb4", "#c8500a", "#888888"
LEVELS = range(1, 9)


def comparison() -> Figure:
    """Error against step, and cost against the number of inputs."""
    return tp.techniques(lambda x: np.exp(np.sin(x)) / x, 3.0).plot()[0].figure


def logistic_map(levels: int) -> Callable[[Any], Any]:
    """A polynomial that is applied to itself: ``x ← 4x(1 - x)``, three operations a level."""

    def f(x: Any) -> Any:
        for _ in range(levels):
            x = 4 * x * (1 - x)
        return x

    return f


def swelling() -> dict[str, list[int]]:
    """Operations of the derivative of the logistic map, as a formula and in reverse mode, level by level."""
    found: dict[str, list[int]] = {"f": [], "formula": [], "shared": [], "reverse": []}
    for levels in LEVELS:
        f = logistic_map(levels)
        formula = derive(f, (0.3,), (0,))
        found["f"].append(3 * levels)
        found["formula"].append(formula.operations)
        repeated, rest = sympy.cse(formula.gradient)
        found["shared"].append(int(sympy.count_ops([part for _, part in repeated]) + sympy.count_ops(rest)))
        graph = tp.compile(tp.value_and_grad(f)).trace(np.float64(0.3)).graph
        found["reverse"].append(sum(not isinstance(node, (Input, Constant)) for node in graph))
    return found


def swell() -> Figure:
    """How many operations a derivative has."""
    figure = pyplot.figure(figsize=(5.4, 3.2), layout="constrained")
    axes = figure.add_subplot()
    found = swelling()
    for name, label, style in (
        ("formula", "formula of the derivative, written out", {"color": RED}),
        ("shared", "the same, with what repeats computed once", {"color": RED, "linestyle": "--"}),
        ("reverse", "reverse mode: both passes", {"color": BLUE}),
        ("f", "the function itself", {"color": GREY}),
    ):
        axes.semilogy(list(LEVELS), found[name], marker="o", markersize=3, label=label, **style)
    axes.set(xlabel="levels of nesting", ylabel="operations")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {function.__name__: function for function in (comparison, swell)}


def save(figure: Figure, path: Path) -> None:
    """Write a small PNG: 64 colours are plenty for diagrams."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    pyplot.close(figure)
    Image.open(buffer).convert("RGB").quantize(64).save(path, optimize=True)


def main(folder: Path = Path(__file__).parent) -> None:
    """Draw all figures into a folder."""
    matplotlib.use("Agg")
    for name, draw in FIGURES.items():
        save(draw(), folder / f"{name}.png")


if __name__ == "__main__":
    main()
