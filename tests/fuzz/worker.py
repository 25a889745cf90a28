"""A process that runs cases one after the other and tells what is wrong with each; see `tests.fuzz.campaign`."""

from __future__ import annotations

import ctypes
import itertools
import json
import sys
import traceback
from collections.abc import Callable

import numpy as np
from tests.fuzz import generate
from tests.fuzz.cases import Array, Case
from tests.fuzz.compare import mismatches
from tests.fuzz.graphs import check_function, check_gradient
from tests.fuzz.guard import guarded
from tests.fuzz.native import Runner, compile_kernel, targets

from twopass.backends.llvm.scalars import OPERATORS
from twopass.program import scalar
from twopass.program.ir import tasks
from twopass.program.verify import verify_kernel

#: The operators that kernels may contain, in an order that does not change.
_NAMES = sorted(OPERATORS.keys() & scalar.OPERATORS.keys())


def check_kernel(case: Case, rng: np.random.Generator) -> list[str]:
    """Run a kernel natively between guard pages, whole and in pieces, and compare."""
    verify_kernel(case.kernel)
    target = targets()[0] if rng.random() < 0.6 else targets()[int(rng.integers(len(targets())))]
    run = compile_kernel(case.kernel, target)
    whole = [guarded(buffer, at="end") for buffer in case.buffers]
    pieces = [guarded(buffer, at="start") for buffer in case.buffers]
    count = tasks(case.kernel)
    case.run(lambda addresses: run(addresses, 0, count), whole)
    case.run(lambda addresses: _in_pieces(run, addresses, count, rng), pieces)
    found = mismatches(case, whole)
    loose = case.masks()[1]
    for number, (a, b) in enumerate(zip(whole, pieces, strict=True)):
        if np.any(_differ(a, b) & ~loose[number]):
            found.append(f"buffer {number} depends on how tasks are split")
    return [*(f"{message} [{target.name}]" for message in found), str(case)] if found else []


def _in_pieces(run: Runner, addresses: list[int], count: int, rng: np.random.Generator) -> None:
    """Run ranges of tasks in any order, some of them empty."""
    cuts = sorted({0, count, *(int(cut) for cut in rng.integers(0, count + 1, size=3))})
    ranges = [*itertools.pairwise(cuts), (0, 0)]
    for number in rng.permutation(len(ranges)):
        run(addresses, *ranges[number])


def _differ(a: Array, b: Array) -> Array:
    raw = f"V{a.itemsize}"
    return a.view(raw) != b.view(raw)


def check_loop(seed: int) -> list[str]:
    """One random loop."""
    rng = np.random.default_rng(seed)
    return check_kernel(generate.loop(rng, operators=_NAMES), rng)


def check_contraction(seed: int) -> list[str]:
    """One random contraction."""
    rng = np.random.default_rng(seed)
    return check_kernel(generate.contraction(rng, operators=_NAMES), rng)


def check_scatter(seed: int) -> list[str]:
    """One random scatter."""
    rng = np.random.default_rng(seed)
    return check_kernel(generate.scatter(rng), rng)


def check_fault(seed: int) -> list[str]:
    """Not a check of twopass but of the fuzzer: every third seed reads beyond the end of a buffer."""
    array = guarded(np.arange(4.0))
    ctypes.c_double.from_address(array.ctypes.data + 8 * (3 + (seed % 3 == 1))).value  # noqa: B018
    return []


CHECKS: dict[str, Callable[[int], list[str]]] = {
    "loop": check_loop,
    "contraction": check_contraction,
    "scatter": check_scatter,
    "function": check_function,
    "gradient": check_gradient,
    "fault": check_fault,
}


def main(kind: str, first: int, count: int) -> None:
    """Check some seeds: a line before each, and one after it with what was found."""
    for seed in range(first, first + count):
        print(json.dumps({"start": seed}), flush=True)
        try:
            found = CHECKS[kind](seed)
        except Exception as error:  # whatever it is, it is a result
            found = [f"{type(error).__name__}: {error}", traceback.format_exc(limit=-3)]
        print(json.dumps({"seed": seed, "found": found}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
