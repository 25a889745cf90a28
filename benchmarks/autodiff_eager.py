"""What eager reverse mode costs, beside autograd and MyGrad: ``python -m benchmarks.autodiff_eager``.

Each function does small operations, so that the time is the engines' own and not that of the arithmetic. The limit that
the last column is measured against is the same function without derivatives: no eager engine can run the forward pass
faster. The aim: on the two networks at most 0.6 of autograd's time and 0.7 of MyGrad's. Both are optional:
without them their columns stay empty.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import twopass as tp
from benchmarks import page
from benchmarks.objectives import Library, network, network_arguments
from benchmarks.timing import repetitions_for, table, take_turns

Objective = Callable[[Any], Any]
#: Takes a module with NumPy's functions; gives a function of one argument, the argument, and its number of operations.
Case = Callable[[Any], tuple[Objective, Any, int]]


def scalar_chain(numpy: Any) -> tuple[Objective, Any, int]:
    """A chain of multiplications and subtractions of one number."""

    def f(x: Any) -> Any:
        for _ in range(1000):
            x = x * 1.0001
            x = x - 1e-4
        return x

    return f, 1.0, 2000


def activations(numpy: Any) -> tuple[Objective, Any, int]:
    """Elementwise functions and reductions of 32 numbers."""

    def f(x: Any) -> Any:
        for _ in range(100):
            x = numpy.tanh(x * 0.5 + 1.0)
            x = numpy.exp(-x) - numpy.sum(x) * 1e-3
            x = numpy.where(x > 0, x, 0.1 * x)
        return numpy.sum(x)

    return f, np.linspace(-1, 1, 32), 1000


def small_network(numpy: Any) -> tuple[Objective, Any, int]:
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


def indexing(numpy: Any) -> tuple[Objective, Any, int]:
    """Slices and products of neighbours, 50 times."""

    def f(x: Any) -> Any:
        for _ in range(50):
            y = x[1:] * x[:-1]
            x = numpy.concatenate([y, x[:1]]) * 0.9
        return numpy.sum(x)

    return f, np.linspace(0.5, 1, 16), 300


def tanh_network(batch: int, inputs: int, hidden: int, outputs: int) -> Case:
    """A network of two layers, tanh, mean squared error."""

    def case(numpy: Any) -> tuple[Objective, Any, int]:
        parameters, data = network_arguments(batch, inputs, hidden, outputs)
        return lambda parameters: network(Library(numpy), parameters, data), parameters, 8

    return case


CASES: dict[str, Case] = {
    "network 4, 2, 4, 1": tanh_network(4, 2, 4, 1),
    "network 32, 8, 16, 1": tanh_network(32, 8, 16, 1),
    "scalar chain": scalar_chain,
    "activations": activations,
    "small network": small_network,
    "indexing": indexing,
}


def with_autograd(case: Case) -> Callable[[], Any]:
    """Value and gradient by autograd."""
    autograd: Any = importlib.import_module("autograd")
    f, x, _ = case(importlib.import_module("autograd.numpy"))
    return functools.partial(autograd.value_and_grad(f), x)


def with_mygrad(case: Case) -> Callable[[], Any]:
    """Value and gradient by MyGrad, whose tensors remember how they were computed."""
    mygrad: Any = importlib.import_module("mygrad")
    f, x, _ = case(mygrad)

    def call() -> tuple[Any, list[Any]]:
        tensors = tp.tree.map(mygrad.tensor, x)
        result = f(tensors)
        result.backward()
        return result.data, [tensor.grad for tensor in tp.tree.leaves(tensors)]

    return call


PEERS: dict[str, Callable[[Case], Callable[[], Any]]] = {"autograd": with_autograd, "mygrad": with_mygrad}


def contestants(case: Case, names: Sequence[str]) -> dict[str, Callable[[], Any]]:
    """What is timed: the function alone, and its value and gradient by twopass and by the peers.

    All must agree on the gradient.
    """
    f, x, _ = case(np)
    ours = functools.partial(tp.value_and_grad(f), x)
    found = {"function": functools.partial(f, x), "twopass": ours}
    for name in names:
        found[name] = PEERS[name](case)
        for a, b in zip(tp.tree.leaves(found[name]()), tp.tree.leaves(ours()), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    return found


def medians(case: Case, names: Sequence[str], rounds: int = 15, seconds: float = 0.02) -> dict[str, float]:
    """Median seconds of each, in turns: of processor time, as all run on one thread and other programs may run, too."""

    def clock(call: Callable[[], Any]) -> Callable[[int], float]:
        def run(repetitions: int) -> float:
            start = time.process_time()
            for _ in range(repetitions):
                call()
            return time.process_time() - start

        return run

    clocks = {name: clock(call) for name, call in contestants(case, names).items()}
    repetitions = {name: repetitions_for(run, seconds) for name, run in clocks.items()}
    times = take_turns(clocks, repetitions, rounds)
    return {name: statistics.median(values) for name, values in times.items()}


def row(name: str, operations: int, seconds: Mapping[str, float]) -> list[str]:
    """A row of the table."""

    def microseconds(who: str) -> str:
        return f"{seconds[who] * 1e6:,.1f}" if who in seconds else ""

    def share(who: str) -> str:
        return f"{seconds['twopass'] / seconds[who]:.2f}" if who in seconds else ""

    return [
        name,
        str(operations),
        *map(microseconds, ("function", "twopass", *PEERS)),
        *map(share, PEERS),
        f"{seconds['function'] / seconds['twopass']:.0%}",
    ]


HEADER = [
    "function",
    "operations",
    "plain NumPy",
    "twopass",
    *PEERS,
    "of autograd's time",
    "of MyGrad's",
    "of the limit",
]


def main() -> None:
    """Print the table; with ``--write``, put it into docs/benchmarks.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    print(page.load_note())
    names = [name for name in PEERS if importlib.util.find_spec(name) is not None]
    for name in PEERS:
        if name not in names:
            print(f"{name} is not installed: its columns are left out (pip install {name})\n")
    rows = [row(name, case(np)[2], medians(case, names)) for name, case in CASES.items()]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", *names)]
    note = "Microseconds of processor time for value and gradient (of plain NumPy: the value), medians of 15 turns."
    written = "\n\n".join([table(HEADER, rows), note, page.machine(versions)])
    print(written)
    if options.write:
        page.write("eager", written)


if __name__ == "__main__":
    main()
