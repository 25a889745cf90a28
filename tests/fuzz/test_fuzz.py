"""A short run of the fuzzer, and whether it notices what is wrong."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from tests.fuzz import generate
from tests.fuzz.campaign import campaign
from tests.fuzz.cases import Case
from tests.fuzz.compare import mismatches
from tests.fuzz.functions import sample
from tests.fuzz.native import compile_kernel, targets

from twopass.backends.llvm.module import COLD, HOT
from twopass.program.ir import tasks


@pytest.mark.parametrize(
    ("kind", "count"), [("loop", 60), ("contraction", 60), ("scatter", 40), ("function", 60), ("gradient", 40)]
)
def test_random_cases_are_right(kind: str, count: int) -> None:
    failures = [failure for failure in campaign(kind, 0, count) if failure is not None]
    assert not failures, "\n\n".join(map(str, failures))


def test_a_process_that_dies_says_at_which_seed() -> None:
    outcomes = list(campaign("fault", 0, 6))
    assert [failure and failure.seed for failure in outcomes] == [None, 1, None, None, 4, None]
    assert outcomes[1] is not None and "SIGSEGV" in str(outcomes[1]) and "--seed 1 --count 1" in str(outcomes[1])


def _case(seed: int) -> Case:
    return generate.loop(np.random.default_rng(seed), dtypes=[np.float32], operators=["add", "multiply", "tanh"])


@pytest.mark.parametrize("seed", range(8))
def test_wrong_results_are_noticed(seed: int) -> None:
    case = _case(seed)
    buffers = [buffer.copy() for buffer in case.buffers]
    case.interpret(buffers)
    assert mismatches(case, buffers) == []
    written, loose = case.masks()
    number = next(n for n, mask in enumerate(written) if mask.any())
    place = np.flatnonzero(written[number])[-1]
    kept = buffers[number][place]
    buffers[number][place] = kept * np.float32(1.001) + np.float32(0.001)
    assert any(f"buffer {number}[{place}]" in message for message in mismatches(case, buffers))
    buffers[number][place] = kept
    for n, buffer in enumerate(buffers):
        free = np.flatnonzero(~written[n] & ~loose[n])
        if free.size:
            buffer[free[0]] = 7
            assert any("was overwritten" in message for message in mismatches(case, buffers))
            return


@pytest.mark.parametrize("make", [generate.loop, generate.contraction, generate.scatter])
def test_bits_do_not_depend_on_how_hard_code_generation_tries(make: Callable[..., Case]) -> None:
    for seed, place in itertools.product(range(20), targets()[:2]):
        case = make(np.random.default_rng(seed))
        found = []
        for level in (HOT, COLD):
            buffers = [buffer.copy() for buffer in case.buffers]
            call = compile_kernel(case.kernel, place, level)
            case.run(functools.partial(call, start=0, stop=tasks(case.kernel)), buffers)
            # What padding holds, and the bits of NaN, are nobody's business.
            found.append([np.where(w & (b == b), b, 0) for w, b in zip(case.masks()[0], buffers, strict=True)])
        assert [a.tobytes() for a in found[0]] == [b.tobytes() for b in found[1]], f"seed {seed}, {place.name}"


def test_the_same_seed_is_the_same_case() -> None:
    for make in (generate.loop, generate.contraction):
        first, second = make(np.random.default_rng(5)), make(np.random.default_rng(5))
        assert first.kernel == second.kernel
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first.buffers, second.buffers, strict=True))
    assert str(sample(np.random.default_rng(5))) == str(sample(np.random.default_rng(5)))
