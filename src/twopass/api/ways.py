"""The techniques that need nothing but the function: how each finds value and gradient, and what that costs."""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass.api.flat import Layout
from twopass.api.forward import jvp
from twopass.api.numerical import finite_difference
from twopass.api.reverse import value_and_grad
from twopass.api.tracing import Function

__all__ = ["DIFFERENCES", "RUNS", "Counted", "costs", "median_time"]

#: What is measured: at most so long, and so often.
_SECONDS, _TIMES = 0.02, 101
#: Methods of `finite_difference`: name, its own name for it, and the step that it takes by default.
DIFFERENCES = {
    "forward differences": ("forward", np.finfo(float).eps ** (1 / 2)),
    "central differences": ("central", np.finfo(float).eps ** (1 / 3)),
    "complex step": ("complex-step", 1e-30),
}


class Counted:
    """A function that counts how often it runs."""

    def __init__(self, f: Function) -> None:
        self.f = f
        self.count = 0

    def __call__(self, *args: Any) -> Any:
        self.count += 1
        return self.f(*args)


def median_time(run: Callable[[], Any], seconds: float = _SECONDS) -> float:
    """The median time of a call, of as many as fit into some seconds (but at least three)."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (len(times) < _TIMES and time.perf_counter() < end):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def costs(sizes: Sequence[int] = (2, 4, 8, 16, 32, 64, 128, 256)) -> dict[str, dict[int, float]]:
    """Time for value and gradient of ``f(x) = Σ sin(xᵢ xᵢ₊₁)``, in times that f itself takes.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of inputs, at least 2.

    Returns
    -------
    dict of str to dict of int to float
        For each technique and number of inputs, the median time over that of the function.
    """

    def f(x: Any) -> Any:
        return np.sum(np.sin(x[1:] * x[:-1]))

    found: dict[str, dict[int, float]] = {name: {} for name in RUNS}
    for size in sizes:
        x = np.linspace(0.5, 1.5, size)
        own = median_time(functools.partial(f, x), 2e-3)
        for name in found:
            found[name][size] = median_time(functools.partial(RUNS[name], f, (x,), (0,)), 5e-3) / own
    return found


def _by_differences(method: Any, f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    """Value and gradient; the value is the first that a difference is taken from, if it needs one."""
    values: list[Any] = []

    def kept(*args: Any) -> Any:
        values.append(f(*args))
        return values[-1]

    gradient = finite_difference(kept, argnums, method)(*args)
    return values[0], gradient


def _by_forward_mode(f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    """Value and gradient: a dual number for each element, that has the tangent 1."""
    chosen = tuple(args[number] for number in argnums)
    layout = Layout(chosen, "the arguments")

    def of_chosen(*values: Any) -> Any:
        replaced = dict(zip(argnums, values, strict=True))
        return f(*[replaced.get(number, arg) for number, arg in enumerate(args)])

    value, parts = None, []
    for unit in np.eye(layout.size):
        value, part = jvp(of_chosen, chosen, layout.unravel(unit))
        parts.append(part)
    return value, layout.unravel(np.asarray(parts))


def _by_reverse_mode(f: Function, args: Sequence[Any], argnums: tuple[int, ...]) -> tuple[Any, Any]:
    return value_and_grad(f, argnums)(*args)  # type: ignore[no-any-return]


#: How each technique that needs nothing but the function finds value and gradient.
RUNS: dict[str, Callable[[Function, Sequence[Any], tuple[int, ...]], tuple[Any, Any]]] = {
    **{name: functools.partial(_by_differences, method) for name, (method, _) in DIFFERENCES.items()},
    "forward mode": _by_forward_mode,
    "reverse mode": _by_reverse_mode,
}
