"""Whether the results of a kernel are right, up to the rounding errors that its operations may make.

How much these errors matter is measured (Vignes [1]_): the kernel is evaluated in double precision several times, with
each of its operations perturbed at random by about what it may be off. The spread of the results is the tolerance. So
what cancels is allowed to cancel, and what rounds up to another integer or takes the other branch is noticed.

References
----------
.. [1] J. Vignes, "A stochastic arithmetic for reliable scientific computation", Mathematics and Computers in
   Simulation 35 (1993) 233-261.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from tests.fuzz.cases import Array, Case

from twopass.program.ir import Contraction, Scatter
from twopass.program.scalar import OPERATORS

_RUNS = 6
#: Operations that do not round.
_EXACT = {"load", "literal", "where", "negative", "absolute"}
_EXACT |= {"maximum", "minimum", "maximum.reduce", "minimum.reduce"}
_SINGLE = np.dtype(np.float32)


def mismatches(case: Case, buffers: list[Array], seed: int = 0) -> list[str]:
    """What is wrong with the contents of the buffers after a kernel has run on them.

    Parameters
    ----------
    case : Case
        The kernel, and the buffers before.
    buffers : list of 1-D arrays
        The buffers after.
    seed : int
        Of the perturbations.
    """
    exact = _evaluate(case, None)
    spread, unsure = _spread(case, exact, seed)
    found = []
    for number, (written, loose) in enumerate(zip(*case.masks(), strict=True)):
        before, after = case.buffers[number], buffers[number]
        untouched = ~written & ~loose & (before.view(f"V{before.itemsize}") != after.view(f"V{after.itemsize}"))
        found += [
            f"buffer {number}[{i}] was overwritten: {before[i]} -> {after[i]}" for i in np.flatnonzero(untouched)[:3]
        ]
        wrong = written & ~unsure[number] & ~_agree(exact[number], after, spread[number])
        for i in np.flatnonzero(wrong)[:3]:
            allowed = f", tolerance {spread[number][i]:.3g}" if after.dtype.kind == "f" else ""
            found.append(
                f"buffer {number}[{i}]: {after[i]!r}, should be {exact[number][i]!r}{allowed} "
                f"({np.count_nonzero(wrong)} of {np.count_nonzero(written)} are wrong)"
            )
    return found


def _evaluate(case: Case, rng: np.random.Generator | None) -> list[Array]:
    """The buffers after a run in double precision, perturbed if there is a generator of random numbers."""
    buffers = [b.astype(np.float64) if b.dtype == _SINGLE else b.copy() for b in case.buffers]

    def hook(operator: str, value: Array, dtype: np.dtype[Any]) -> Array:
        if dtype.kind != "f":
            return value
        value = value.astype(np.float64)
        size = _error(case, operator) * float(np.finfo(dtype).eps)
        if rng is None or not size:
            return value
        return np.asarray(value * (1 + size * rng.uniform(-1, 1, value.shape)))

    case.interpret(buffers, hook)
    return buffers


def _error(case: Case, operator: str) -> float:
    """How many units in the last place an operation may be off."""
    if operator in ("contract", "reduce", "add.reduce", "multiply.reduce"):
        # Partial sums may be larger than the result: what is summed up is off, too.
        return 1 + _summed(case) ** 0.5 / (1 if operator == "reduce" else 4)
    if operator in (
        "load",
        "literal",
        "where",
        "maximum",
        "minimum",
        "negative",
        "absolute",
        "maximum.reduce",
        "minimum.reduce",
    ):
        return 0.0
    return 4.0 if operator in OPERATORS and OPERATORS[operator].work >= 12 else 1.0


def _summed(case: Case) -> int:
    """How many numbers are summed up for one."""
    kernel = case.kernel
    if isinstance(kernel, Scatter):
        return kernel.count
    return (
        kernel.k if isinstance(kernel, Contraction) else math.prod(kernel.domain[len(kernel.domain) - kernel.inner :])
    )


def _spread(case: Case, exact: list[Array], seed: int) -> tuple[list[Array], list[Array]]:
    """For each element: how far off it may be, and whether nothing can be said about it."""
    spread = [np.zeros(buffer.size) for buffer in exact]
    unsure = [np.zeros(buffer.size, bool) for buffer in exact]
    rng = np.random.default_rng(seed)
    for _ in range(_RUNS):
        for number, other in enumerate(_evaluate(case, rng)):
            if other.dtype.kind != "f":
                unsure[number] |= other != exact[number]
                continue
            with np.errstate(all="ignore"):
                apart = np.abs(other - exact[number])
            same = (other == exact[number]) | (np.isnan(other) & np.isnan(exact[number]))
            spread[number] = np.maximum(spread[number], np.where(same, 0, apart))
    for number, buffer in enumerate(case.buffers):
        if buffer.dtype.kind == "f":
            unsure[number] |= ~np.isfinite(spread[number])
            limits = np.finfo(buffer.dtype)
            with np.errstate(all="ignore"):
                spread[number] = 6 * spread[number] + 4 * limits.eps * np.abs(exact[number]) + 4 * limits.tiny
    return spread, unsure


def _agree(exact: Array, after: Array, tolerance: Array) -> Array:
    """Where two results are the same, or as near as they must be."""
    if exact.dtype.kind != "f":
        return exact == after
    with np.errstate(all="ignore"):
        near = np.abs(after - exact) <= tolerance
    return near | (after == exact) | (np.isnan(after) & np.isnan(exact))
