"""Laws of compiled code over the registry of operators: captured, sent through the passes, interpreted, they agree."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp
from rules import laws
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.passes import PIPELINE, normalize
from twopass.graph.scan import scan
from twopass.graph.verify import verify, verify_values

CASES = [case for case in laws.cases() if case.function not in laws.VARYING]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
#: The body of a loop is a graph for one dtype.
SINGLE = [case for case in CASES if case.function is not scan]
BY_DTYPE = [(case, np.float64) for case in CASES] + [(case, np.float32) for case in SINGLE]


def rng_for(case: laws.Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def interpreted(f, args, passes=()):
    graph, outputs = capture(f, args)
    verify(graph)
    is_normal = False
    for step, _ in passes:
        graph = step(graph)
        is_normal |= step is normalize
        verify(graph, normal=is_normal)
    verify_values(graph, split(args).leaves)
    return tp.tree.leaves(outputs.build(evaluate(graph, split(args).leaves)))


def same(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
        scale = max(1.0, float(np.max(np.abs(b), initial=0)))
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(("case", "dtype"), BY_DTYPE, ids=[f"{c.name}-{d.__name__}" for c, d in BY_DTYPE])
def test_values(case, dtype):
    operands = case.draw(rng_for(case), dtype)
    tolerance = 1e-13 if dtype is np.float64 else 3e-6

    def function(*xs):
        return case.run([np.copy(x) for x in xs])  # some write into their argument

    expected = function(*operands)
    same(interpreted(function, tuple(operands)), expected, tolerance if case.rule is None else 0)
    same(interpreted(function, tuple(operands), PIPELINE), expected, tolerance)


@each
def test_derivatives(case):
    rng = rng_for(case)
    operands = tuple(case.draw(rng))
    tangents = tuple(laws.direction(list(operands), rng))
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in case.run(list(operands))], rng))

    def reverse(xs, cts):
        return laws.pull(case.run, list(xs), cts)

    def forward(xs, ts):
        return laws.push(case.run, list(xs), list(ts))[1]

    for f, directions in ((reverse, cotangents), (forward, tangents)):
        expected = tp.tree.leaves(f(operands, directions))
        same(interpreted(f, (operands, directions)), expected, 1e-13)
        same(interpreted(f, (operands, directions), PIPELINE), expected, 1e-11)


@each
def test_complex_operands(case):
    """Where NumPy takes complex numbers."""
    rng = rng_for(case)
    operands = tuple(case.draw(rng, np.complex128))

    def function(*xs):
        return case.run([np.copy(x) for x in xs])

    try:
        expected = function(*operands)
    except (TypeError, ValueError):
        return  # NumPy itself has no complex version
    if case.function is scan:
        return  # whose body is a graph for real numbers
    same(interpreted(function, operands, PIPELINE), expected, 1e-12)
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in expected], rng))

    def reverse(xs, cts):
        return laws.pull(case.run, list(xs), cts)

    pulled = tp.tree.leaves(reverse(operands, cotangents))
    same(interpreted(reverse, (operands, cotangents), PIPELINE), pulled, 1e-11)
