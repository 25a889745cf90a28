"""Laws of compiled batches over the registry: sent through all passes, they are the stack of single calls."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp
from rules import laws
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.passes import PIPELINE
from twopass.graph.verify import verify

CASES = [case for case in laws.cases() if case.function not in laws.VARYING]
SIZE = 2


def interpreted(f, args):
    graph, outputs = capture(f, args)
    for step, _ in PIPELINE:
        graph = step(graph)
    verify(graph, normal=True)
    return tp.tree.leaves(outputs.build(evaluate(graph, split(args).leaves)))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_compiled_batches(case):
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    examples = [case.draw(rng) for _ in range(SIZE)]
    args = tuple(map(np.stack, zip(*examples, strict=True)))

    def function(*xs):
        return case.run([np.copy(x) for x in xs])  # some write into their argument

    def reverse(xs, cts):
        return tp.vjp(function, *xs)[1](cts)

    values = [function(*xs) for xs in examples]
    runs = [(interpreted(tp.vmap(function), args), values)]
    if case.number < 2:
        cotangents = [tuple(laws.direction([np.asarray(y) for y in leaves], rng)) for leaves in values]
        pulled = [reverse(xs, cts) for xs, cts in zip(examples, cotangents, strict=True)]
        stacked = tuple(map(np.stack, zip(*cotangents, strict=True)))
        runs.append((interpreted(tp.vmap(reverse), (args, stacked)), pulled))
    for found, expected in runs:
        for leaf, column in zip(found, zip(*map(tp.tree.leaves, expected), strict=True), strict=True):
            stack = np.stack([np.asarray(part) for part in column])
            scale = max(1.0, float(np.max(np.abs(stack), initial=0)))
            assert leaf.shape == stack.shape and leaf.dtype == stack.dtype
            np.testing.assert_allclose(leaf, stack, rtol=1e-11, atol=1e-11 * scale)
