"""Gradients of each example by itself, beside loops and JAX: ``python -m benchmarks.batching``.

A network with two layers, float32: the gradient of the squared error in all weights, for each row of a mini-batch. JAX
is optional: without it its rows are left out.
"""

from __future__ import annotations

import functools
import importlib
import platform
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

import twopass as tp
from benchmarks.timing import interleaved, table

ROWS = 64
#: Inputs, hidden units, outputs.
SIZES = ((8, 16, 1), (64, 128, 10))


def problem(sizes: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    """Weights, inputs and targets."""
    rng = np.random.default_rng(0)
    shapes = (sizes[:2], sizes[1:2], sizes[1:], sizes[2:])
    weights = [(rng.normal(size=shape) / shape[0] ** 0.5).astype(np.float32) for shape in shapes]
    x, y = (rng.normal(size=(ROWS, n)).astype(np.float32) for n in (sizes[0], sizes[2]))
    return weights, x, y


def error(numpy: ModuleType) -> Callable[[Any, Any, Any], Any]:
    """The squared error of one row."""

    def f(weights: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = weights
        return numpy.sum((numpy.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)

    return f


def contestants(sizes: tuple[int, int, int]) -> dict[str, Callable[[], Any]]:
    """What computes the gradients, by name."""
    weights, x, y = problem(sizes)
    of_one = tp.grad(error(np))
    of_all = tp.vmap(of_one, in_axes=(None, 0, 0))
    compiled_one, compiled_all = tp.compile(of_one), tp.compile(of_all)
    found: dict[str, Callable[[], Any]] = {
        "twopass, vmap, compiled": functools.partial(compiled_all, weights, x, y),
        "twopass, loop, compiled": lambda: [
            compiled_one(weights, row, target) for row, target in zip(x, y, strict=True)
        ],
        "twopass, vmap": functools.partial(of_all, weights, x, y),
        "twopass, loop": lambda: [of_one(weights, row, target) for row, target in zip(x, y, strict=True)],
    }
    try:
        jax = importlib.import_module("jax")
    except ImportError:
        return found
    of_rows = jax.vmap(jax.grad(error(jax.numpy)), in_axes=(None, 0, 0))
    on_device = jax.device_put((weights, x, y))
    for name, run in (("JAX, vmap, jit", jax.jit(of_rows)), ("JAX, vmap", of_rows)):
        found[name] = lambda run=run: jax.block_until_ready(run(*on_device))
    return found


def main() -> None:
    """Print the table."""
    columns = {}
    for sizes in SIZES:
        ways = contestants(sizes)
        reference = tp.tree.leaves(ways["twopass, vmap"]())
        for run in (run for name, run in ways.items() if "vmap" in name):
            for a, b in zip(tp.tree.leaves(run()), reference, strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-4)
        columns["-".join(map(str, sizes))] = interleaved(ways)
    first = next(iter(columns.values()))
    rows = [[name, *(f"{seconds[name] * 1e6:,.0f}" for seconds in columns.values())] for name in first]
    print(table(["gradients of 64 rows", *columns], rows))
    print("\nMicroseconds for all rows; medians of interleaved runs.")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}.")


if __name__ == "__main__":
    main()
