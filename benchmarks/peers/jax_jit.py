"""JAX with `jit` of one step, one call of a network, and one value and gradient."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.objectives import ALL, Library, loop
from benchmarks.peers import Calls, Declined, Variant
from benchmarks.peers.jax_nets import THREAD_VARIANTS, VERSION, Training, forward, start, with_workload
from benchmarks.workloads import Weights, Workload

__all__ = ["VARIANTS", "VERSION", "function", "jacobian", "prediction", "training", "value_and_grad"]

_LOOPS = [
    Variant(f"{threads.label}, {label}".strip(", "), environment=threads.environment, options={"scan": scan})
    for threads in THREAD_VARIANTS
    for label, scan in (("", False), ("lax.scan", True))
]
VARIANTS = {
    "training": THREAD_VARIANTS,
    "prediction": THREAD_VARIANTS,
    "function": _LOOPS,
    "value_and_grad": _LOOPS,
    "jacobian": THREAD_VARIANTS,
}


def training(workload: Workload, weights: Weights, shuffle: bool = True) -> Training:
    """A call a step, with donated parameters; the rows are gathered in the call."""
    step = with_workload(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def one(state: Any, x: Any, y: Any, rows: Any) -> Any:
        return step(state, x[rows], y[rows])

    def epoch(state: Any, x: Any, y: Any, order: np.ndarray) -> Any:
        for rows in order.reshape(-1, workload.batch):
            state = one(state, x, y, rows)
        return state

    return Training(workload, weights, shuffle, epoch)


def prediction(workload: Workload, weights: Weights, x: np.ndarray) -> Calls:
    """The forward pass, from a NumPy array to a NumPy array."""
    params, statistics, _, key = start(workload, weights)
    predict = jax.jit(lambda params, x: forward(workload, params, statistics, x, key)[0])
    return Calls(lambda: np.asarray(predict(params, x)), lambda y: [y])


def _objective(name: str, scan: bool) -> tuple[Any, Any, Any]:
    """The objective as a function of JAX arrays, its parameters and its data."""
    objective = ALL[name]
    if scan and not objective.loops:
        raise Declined("nothing to scan")
    jax.config.update("jax_enable_x64", True)
    library = Library(jnp, jax.lax.scan if scan else loop)
    parameters, data = jax.tree.map(jnp.asarray, objective.arguments())
    return functools.partial(objective.function, library), parameters, data


def _flat(values: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(values)]


def function(name: str, scan: bool = False) -> Calls:
    """The objective."""
    f, parameters, data = _objective(name, scan)
    f = jax.jit(f)
    return Calls(lambda: f(parameters, data), _flat, jax.block_until_ready)


def value_and_grad(name: str, scan: bool = False) -> Calls:
    """Value and gradient of the objective."""
    f, parameters, data = _objective(name, scan)
    f = jax.jit(jax.value_and_grad(f))
    return Calls(lambda: f(parameters, data), _flat, jax.block_until_ready)


def jacobian(name: str) -> Calls:
    """What is not zero of the objective's Jacobian."""
    f, parameters, data = _objective(name, scan=False)
    directions = jax.tree.map(lambda *rows: jnp.stack(rows), *ALL[name].directions(parameters))

    def forward(parameters: Any, data: Any) -> Any:
        return jax.vmap(lambda tangent: jax.jvp(lambda p: f(p, data), (parameters,), (tangent,))[1])(directions)

    def reverse(parameters: Any, data: Any) -> Any:
        _, pullback = jax.vjp(lambda p: f(p, data), parameters)
        return jax.vmap(lambda cotangent: pullback(cotangent)[0])(directions)

    call = jax.jit(forward if ALL[name].mode == "forward" else reverse)
    return Calls(lambda: call(parameters, data), _flat, jax.block_until_ready)
