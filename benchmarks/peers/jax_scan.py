"""JAX at its best: `jit` of a whole epoch as one `lax.scan`, which gathers the rows of its batches itself."""

from __future__ import annotations

import functools
from typing import Any

import jax

from benchmarks.peers import Variant
from benchmarks.peers.jax_nets import THREADS, VERSION, Training, with_workload
from benchmarks.workloads import Weights, Workload

__all__ = ["VARIANTS", "VERSION", "training"]

VARIANTS = {
    "training": [
        Variant(f"{label}, unroll {unroll}", environment=variables, options={"unroll": unroll})
        for label, variables in THREADS.items()
        for unroll in (1, 4)
    ]
}


def training(workload: Workload, weights: Weights, shuffle: bool = True, unroll: int = 1) -> Training:
    """An epoch in one call, with donated parameters."""
    step = with_workload(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def epoch(state: Any, x: Any, y: Any, order: Any) -> Any:
        def body(state: Any, rows: Any) -> tuple[Any, None]:
            return step(state, x[rows], y[rows]), None

        return jax.lax.scan(body, state, order.reshape(-1, workload.batch), unroll=unroll)[0]

    return Training(workload, weights, shuffle, epoch)
