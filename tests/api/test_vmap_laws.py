"""Every operator in the registry, in every example of its domain: a batch gives what its examples give one by one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp
from rules import laws

CASES = laws.cases()
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
SIZE = 3


def rng_for(case):
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def batch_of(case, rng):
    """Random operands for some examples, and for `tp.vmap` the batch axes to try: all of them, or the first one's."""
    examples = [case.draw(rng) for _ in range(SIZE)]
    count = len(examples[0])
    return examples, {(0,) * count, (0, *(None,) * (count - 1))}


def arranged(examples, axes):
    """Arguments of a batched function, and those of each single call."""
    args = [
        examples[0][i] if axis is None else np.stack([operands[i] for operands in examples])
        for i, axis in enumerate(axes)
    ]
    singles = [
        [examples[0][i] if axis is None else operands[i] for i, axis in enumerate(axes)] for operands in examples
    ]
    return args, singles


def same(found, expected, tolerance=1e-12):
    """Each leaf of a result for a batch is the stack of what single calls give."""
    columns = zip(*(tp.tree.leaves(tree) for tree in expected), strict=True)
    for values, column in zip(tp.tree.leaves(found), columns, strict=True):
        stacked = np.stack([np.asarray(part) for part in column])
        assert values.shape == stacked.shape and values.dtype == stacked.dtype
        scale = max(1.0, float(np.max(np.abs(stacked), initial=0)))
        np.testing.assert_allclose(values, stacked, rtol=tolerance, atol=tolerance * scale)


def like(cotangent, y):
    """A cotangent for one result: some functions give complex numbers for some examples only."""
    return np.real(cotangent) if np.asarray(y).dtype.kind == "f" else np.asarray(cotangent)


@each
def test_a_batch_is_the_stack_of_single_calls(case):
    rng = rng_for(case)
    examples, axes_to_try = batch_of(case, rng)

    def function(*xs):
        return case.run([np.copy(x) for x in xs])  # some write into their argument

    def forward(xs, ts):
        return tp.jvp(function, xs, ts)[1]

    def reverse(xs, cts):
        return tp.vjp(function, *xs)[1](cts)

    for axes in axes_to_try:
        args, singles = arranged(examples, axes)
        values = [function(*xs) for xs in singles]
        same(tp.vmap(function, axes)(*args), values)
        tangents = [laws.direction(xs, rng) for xs in singles]
        pushed = tp.vmap(forward, (axes, 0))(tuple(args), tuple(map(np.stack, zip(*tangents, strict=True))))
        same(pushed, [forward(tuple(xs), tuple(ts)) for xs, ts in zip(singles, tangents, strict=True)])
        cotangents = [tuple(laws.direction([np.asarray(y) for y in leaves], rng)) for leaves in values]
        pulled = tp.vmap(reverse, (axes, 0))(tuple(args), tuple(map(np.stack, zip(*cotangents, strict=True))))
        same(pulled, [reverse(tuple(xs), cts) for xs, cts in zip(singles, cotangents, strict=True)])


@each
def test_derivatives_of_a_batch(case):
    """Through `tp.vmap`, as within it."""
    rng = rng_for(case)
    examples, axes_to_try = batch_of(case, rng)

    def function(*xs):
        return case.run([np.copy(x) for x in xs])

    for axes in axes_to_try:
        args, singles = arranged(examples, axes)
        tangents = laws.direction(args, rng)
        _, pushed = tp.jvp(tp.vmap(function, axes), tuple(args), tuple(tangents))
        directions = [
            [t if axis is None else t[k] for t, axis in zip(tangents, axes, strict=True)] for k in range(SIZE)
        ]
        same(pushed, [tp.jvp(function, tuple(xs), tuple(ts))[1] for xs, ts in zip(singles, directions, strict=True)])
        out, pullback = tp.vjp(tp.vmap(function, axes), *args)
        cotangents = tuple(laws.direction(list(out), rng))
        parts = [
            tp.vjp(function, *xs)[1](tuple(like(ct[k], y) for ct, y in zip(cotangents, function(*xs), strict=True)))
            for k, xs in enumerate(singles)
        ]
        for axis, pulled, column in zip(axes, pullback(cotangents), zip(*parts, strict=True), strict=True):
            expected = np.stack([np.asarray(part) for part in column])
            if axis is None:
                expected = expected.sum(axis=0)
            scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
            np.testing.assert_allclose(pulled, expected, rtol=1e-12, atol=1e-12 * scale)
