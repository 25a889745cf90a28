"""What eager reverse mode costs per operation, beside autograd: ``python -m benchmarks.autodiff_eager``.

Each function does many small operations, so that the time is the engines' own and not that of the arithmetic. The
limit that the last column is measured against is the same function without derivatives: no eager engine can run the
forward pass faster. autograd is optional: without it its columns stay empty.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import platform
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import twopass as tp
from benchmarks.timing import interleaved, table

Objective = Callable[[Any], Any]


def scalar_chain(numpy: ModuleType) -> tuple[Objective, Any, int]:
    """A chain of multiplications and subtractions of one number."""

    def f(x: Any) -> Any:
        for _ in range(1000):
            x = x * 1.0001
            x = x - 1e-4
        return x

    return f, 1.0, 2000


def activations(numpy: ModuleType) -> tuple[Objective, Any, int]:
    """Elementwise functions and reductions of 32 numbers."""

    def f(x: Any) -> Any:
        for _ in range(100):
            x = numpy.tanh(x * 0.5 + 1.0)
            x = numpy.exp(-x) - numpy.sum(x) * 1e-3
            x = numpy.where(x > 0, x, 0.1 * x)
        return numpy.sum(x)

    return f, np.linspace(-1, 1, 32), 1000


def small_network(numpy: ModuleType) -> tuple[Objective, Any, int]:
    """A multilayer perceptron, 8-16-16-1, batch 32, tanh, mean squared error, in all its weights."""
    rng = np.random.default_rng(0)
    sizes = (8, 16, 16, 1)
    weights = [(rng.normal(size=(m, n)) / m**0.5, np.zeros(n)) for m, n in itertools.pairwise(sizes)]
    x, y = rng.normal(size=(32, 8)), rng.normal(size=(32, 1))

    def f(parameters: Any) -> Any:
        h = x
        for w, b in parameters[:-1]:
            h = numpy.tanh(numpy.matmul(h, w) + b)
        w, b = parameters[-1]
        return numpy.mean((numpy.matmul(h, w) + b - y) ** 2)

    return f, weights, 11


def indexing(numpy: ModuleType) -> tuple[Objective, Any, int]:
    """Slices and products of neighbours, 50 times."""

    def f(x: Any) -> Any:
        for _ in range(50):
            y = x[1:] * x[:-1]
            x = numpy.concatenate([y, x[:1]]) * 0.9
        return numpy.sum(x)

    return f, np.linspace(0.5, 1, 16), 300


CASES = (scalar_chain, activations, small_network, indexing)


def main() -> None:
    """Print the table."""
    try:
        autograd = importlib.import_module("autograd")
        autograd_numpy = importlib.import_module("autograd.numpy")
    except ImportError:
        autograd = None
        print("autograd is not installed: its column is left out (pip install autograd)\n")
    rows = []
    for case in CASES:
        f, x, operations = case(np)
        contestants: dict[str, Callable[[], object]] = {
            "function": functools.partial(f, x),
            "twopass": functools.partial(tp.value_and_grad(f), x),
        }
        if autograd is not None:
            g, x, _ = case(autograd_numpy)
            contestants["autograd"] = functools.partial(autograd.value_and_grad(g), x)
        seconds = interleaved(contestants)
        ours, theirs, plain = seconds["twopass"], seconds.get("autograd"), seconds["function"]
        rows.append(
            [
                case.__name__.replace("_", " "),
                f"{plain / operations * 1e6:.2f}",
                f"{ours / operations * 1e6:.2f}",
                "" if theirs is None else f"{theirs / operations * 1e6:.2f}",
                "" if theirs is None else f"{theirs / ours:.2f}x",
                f"{plain / ours:.0%}",
            ]
        )
    header = ["function", "plain NumPy", "twopass", "autograd", "faster than autograd", "of the limit"]
    print(table(header, rows))
    print(
        "\nMicroseconds per operation of value and gradient, forward and backward pass; medians of 15 interleaved runs."
    )
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}.")


if __name__ == "__main__":
    main()
