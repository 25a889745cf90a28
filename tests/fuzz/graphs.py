"""Random functions through the whole compiler, stage by stage: the first one that is off is named."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from tests.fuzz.functions import Array, Sample, perturbed, sample
from tests.fuzz.guard import guarded

import twopass as tp
from twopass.errors import CaptureError, DifferentiationError
from twopass.graph.capture import capture
from twopass.graph.interpreter import evaluate
from twopass.program.interpreter import interpret
from twopass.program.ir import Program
from twopass.program.verify import verify

Results = list[Array]
_RUNS = 4


def check_function(seed: int) -> list[str]:
    """One random function, compiled."""
    rng = np.random.default_rng(seed)
    made = sample(rng)
    return _check(made, made.function, rng)


def check_gradient(seed: int) -> list[str]:
    """Value and gradient of one random function, compiled together."""
    rng = np.random.default_rng(seed)
    made = sample(rng, steps=7)
    function = made.function
    places = tuple(number for number, a in enumerate(made.arguments) if a.dtype.kind == "f")

    def loss(*arguments: Any) -> Any:
        results = function(*arguments)
        floats = [r for r in (results if isinstance(results, tuple) else (results,)) if r.dtype.kind == "f"]
        return sum((np.sum(r * r + r) for r in floats), start=np.float32(0) * np.sum(arguments[0]))

    def both(*arguments: Any) -> Any:
        value, gradients = tp.value_and_grad(loss, argnums=places)(*arguments)
        return (value, *gradients)

    return _check(made, both, rng)


def _check(made: Sample, function: Callable[..., Any], rng: np.random.Generator) -> list[str]:
    """Compare all stages with eager NumPy."""
    try:
        expected = _results(function, made.arguments)
    except (DifferentiationError, NotImplementedError):
        return []  # it has no derivative, and says so
    except Exception as error:
        error.add_note(f"eagerly\n{made}")
        raise
    tolerances = _tolerances(made, function, expected, rng)
    stage, program = "capture", None
    warnings.simplefilter("ignore", RuntimeWarning)
    try:
        for stage, program, found in _stages(made, function, rng):
            if wrong := _mismatches(expected, found, tolerances):
                return [f"{stage}: {wrong[0]}", *wrong[1:], str(made), str(program or "")]
    except CaptureError as error:
        return [f"{stage}: {error}", str(made)]
    except Exception as error:
        error.add_note(f"after {stage}\n{made}")
        raise
    return []


def _results(function: Callable[..., Any], arguments: Sequence[Array]) -> Results:
    """What a function gives, as arrays. NumPy warns about means of nothing."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return [np.asarray(leaf) for leaf in tp.tree.leaves(function(*arguments))]


def _same(one: Results, other: Results) -> Results:
    """The second results, if they have the bits of the first."""
    for number, (a, b) in enumerate(zip(one, other, strict=True)):
        if a.tobytes() != b.tobytes():
            raise AssertionError(f"result {number} has other bits with two threads: {a} and {b}")
    return other


def _stages(
    made: Sample, function: Callable[..., Any], rng: np.random.Generator
) -> Iterator[tuple[str, Program | None, Results]]:
    """The results of each stage of the compiler."""
    graph, outputs = capture(function, made.arguments)

    def built(values: Sequence[Any]) -> Results:
        return [np.asarray(leaf) for leaf in tp.tree.leaves(outputs.build(values))]

    yield "graph", None, built(evaluate(graph, made.arguments))
    compiled = tp.compile(function)
    special = compiled.trace(*made.arguments)
    normal = special.graph
    yield "passes", None, built(evaluate(normal, made.arguments))
    program = special.program
    verify(program)
    flat = interpret(program, [np.asarray(a) for a in made.arguments])
    sized = zip(flat, normal.outputs, strict=True)
    yield "program", program, built([f[: output.size].reshape(output.shape) for f, output in sized])
    yield "native", program, _results(compiled, made.arguments)
    if rng.random() < 0.2:
        shared = tp.compile(function, threads=2)
        yield "two threads", program, _same(_results(compiled, made.arguments), _results(shared, made.arguments))
    yield "native between guard pages", program, _results(compiled, [guarded(a) for a in made.arguments])


def _tolerances(made: Sample, function: Callable[..., Any], expected: Results, rng: np.random.Generator) -> list[Any]:
    """For each result: how far off floats may be, or which of other elements may be anything.

    Measured by what a few units in the last place of the arguments do, and by the result in double precision.
    """
    arguments = made.arguments
    runs = [_results(function, perturbed(rng, arguments, 3.0)) for _ in range(_RUNS)]
    wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arguments]
    runs.append(_results(function, wide))
    # What is small by luck may be the difference of numbers as large as any that are computed.
    eps = float(np.finfo(np.float32 if "float32" in str(made) else np.float64).eps)
    floats = [a for a in (*made.arguments, *expected) if a.dtype.kind == "f"]
    scale = max([made.scale, *(float(np.abs(a).max(initial=1)) for a in floats)])
    least = 32 * eps * scale
    found: list[Any] = []
    for number, result in enumerate(expected):
        others = [run[number] for run in runs]
        if result.dtype.kind != "f":
            found.append(np.logical_or.reduce([other != result for other in others]))
            continue
        with np.errstate(all="ignore"):
            apart = [np.abs(other.astype(np.float64) - result).max(initial=0) for other in others]
        found.append(10 * max(apart) + 64 * eps * np.abs(result).max(initial=0) + least)
    return found


def _mismatches(expected: Results, found: Results, tolerances: Sequence[Any]) -> list[str]:
    """What is wrong with results."""
    wrong = []
    if len(expected) != len(found):
        return [f"{len(found)} results instead of {len(expected)}"]
    for number, (right, result, tolerance) in enumerate(zip(expected, found, tolerances, strict=True)):
        if (right.shape, right.dtype) != (result.shape, result.dtype):
            wrong.append(f"result {number} is {result.dtype}{result.shape}, should be {right.dtype}{right.shape}")
        elif right.dtype.kind != "f":
            off = (right != result) & ~tolerance
            if off.any():
                wrong.append(f"result {number}: {result[off][:3]}, should be {right[off][:3]} ({off.sum()} are wrong)")
        elif np.isfinite(tolerance):
            with np.errstate(all="ignore"):
                off = ~(np.abs(result - right) <= tolerance) & (right != result) & ~(np.isnan(right) & np.isnan(result))
            if off.any():
                values = f"{result[off][:3]}, should be {right[off][:3]}"
                wrong.append(
                    f"result {number}: {values}, tolerance {tolerance:.3g} ({off.sum()} of {off.size} are wrong)"
                )
    return wrong
