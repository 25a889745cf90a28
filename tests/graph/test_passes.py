"""Each pass by what it makes of small functions, and by what it must not do."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

import twopass as tp
from graph.golden_files import check
from twopass.graph import passes
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.ir import Constant
from twopass.graph.verify import verify, verify_values

F32 = np.float32
A, B = np.linspace(-1, 2, 12).reshape(3, 4), np.linspace(1, 2, 20).reshape(4, 5)
V, W = np.linspace(-2, 2, 4), np.linspace(0.5, 1.5, 4)
STEPS = np.linspace(-1, 1, 80).reshape(5, 4, 4)
A0 = np.linspace(-1, 1, 16).reshape(4, 4)
INTEGERS = np.array([2, 0, 1])
S = A.astype(F32)


def normal(graph):
    return passes.normalize(graph)


def prepared(graph):
    return passes.fold(passes.normalize(graph))


#: By pass: what comes before it, and functions with arguments.
EXAMPLES = {
    "normalize": (
        lambda graph: graph,
        [
            (lambda a: np.swapaxes(np.moveaxis(a[None], 0, -1), 0, 1), A),
            (lambda a: np.squeeze(np.expand_dims(a, 1)).ravel(), A),
            (lambda a: a[1, ::-1][..., None, 1:3], A),
            (lambda a: a[-1], A),
            (lambda a: a[[2, 0, 1]], A),
            (lambda a: a[[0, 2]], A),
            (lambda a: a[np.array([True, False, True])], A),
            (lambda a, i: a[:, i], A, INTEGERS),
            (lambda a: a[2:0:-1].T, A),
            (lambda a: np.mean(a, axis=-1, keepdims=True), A),
            (lambda a, m: np.sum(a, axis=0, where=m, initial=1.0), A, A > 0),
            (lambda a: (np.max(a, initial=0.0), np.any(a), np.all(a > 0, axis=1), np.count_nonzero(a, axis=0)), A),
            (lambda a, b: a @ b, A, B),
            (lambda a, v: (a @ v, np.dot(v, v), np.outer(v, v), np.tensordot(a, v, 1)), A, V),
            (lambda a, b: np.einsum("ij,jk,k", a, b, np.ones(5)), A, B),
            (lambda a: np.einsum("ii->i", a[:, :3]), A),
            (lambda a: np.matmul(a.reshape(3, 2, 2), a.reshape(3, 2, 2).mT), A),
            (lambda s, n: s * 2 + n, S, INTEGERS[:, None]),
            (lambda s: (np.zeros_like(s), np.full_like(s, 2.0), s.astype(int)), S),
            (lambda a: (np.concatenate([a, 2 * a]), np.stack([a, a], axis=1), np.hstack([a, np.ones((3, 1))])), A),
            (lambda v: (np.tile(v, 2), np.repeat(v, 2), np.roll(v, 1), np.flip(v), np.pad(v, (1, 2))), V),
            (lambda a: (np.diagonal(a, 1), np.trace(a), np.tril(a)), A),
            (lambda a: (np.clip(a, 0, 1), np.round(a, 1), np.nan_to_num(a)), A),
            (lambda s, rate: s * rate, S, 0.5),
            (lambda a: np.sort(a), A),
            (tp.grad(lambda v: np.sum(v[1:3] ** 3)), V),
        ],
    ),
    "fold": (
        normal,
        [
            (lambda v: v + (np.arange(4.0, like=v) * 2 + 1), V),
            (lambda v: v[..., None] == np.arange(3, like=v)[None], V),
            (lambda v: v * np.ones((1000, 1000), like=v)[0, 0], V),
        ],
    ),
    "simplify": (
        prepared,
        [
            (lambda v: v * 1 + v / 1, V),
            (lambda v: (v + 0.0, v + -0.0, v - 0.0, np.exp(v) + 0.0), V),
            (lambda v: (np.negative(-v), -1 * v, v * -2 + 1, 1 + v * -2, 1 - v * -2), V),
            (lambda v, w: (v + -w, -v + w, v - -w, -v * -w, -v / -w), V, W),
            (lambda v: (v / 4, v / 3), V),
            (lambda v: (np.power(v, 2), np.power(v, 1), np.power(v, -1), np.power(v, 3)), V),
            (lambda v: (np.abs(-v), np.square(-v), np.abs(np.abs(v))), V),
            (lambda v: np.where(v > 0, np.where(v > 0, v, 1), np.where(v > 0, 2, v)), V),
            (lambda v: (np.where(np.logical_not(v > 0), 0, v), ~~(v > 0), np.where(v > 0, v, v)), V),
            (lambda s: (s.astype(np.float64).astype(F32), (s > 0).astype(int).astype(F32)), S),
            (lambda s: (s.astype(np.float64) / s.astype(np.float64)).astype(F32), S),
            (lambda s: np.sin(s.astype(np.float64)).astype(F32), S),
            (lambda a: (a.T.T, a.reshape(4, 3).reshape(12), a.reshape(3, 4)), A),
            (lambda a, v: (np.broadcast_to(v, (3, 4)) * a, np.exp(np.broadcast_to(v, (3, 4)))), A, V),
            (lambda v: (np.sum(np.broadcast_to(v, (3, 4)), axis=0), np.max(np.broadcast_to(v, (3, 4)))), V),
            (lambda v: np.sum(v[:0]), V),
            (tp.grad(lambda v: np.sum(v[:2] * np.sin(v[2:]))), V),
            (tp.grad(lambda v: np.sum(v[1:] * np.sin(v[:-1]))), V),
            (tp.grad(lambda a: np.sum(a[:, 1] * a[:, 3]) + np.sum(a[:, 2])), A),
            (lambda v: v * np.full(4, 3.0) + np.array([[1.0]]), V),
        ],
    ),
    "share": (
        prepared,
        [
            (lambda v: np.tanh(v) * np.tanh(v) + 0.5 * np.tanh(v), V),
            (lambda v: (v[1:] * v[1:], v[:3] - v[1:]), V),
            (lambda v: (v + 0.0) * (v + -0.0), V),
        ],
    ),
    "contract": (
        prepared,
        [
            (lambda a, b: (a.T @ a, (a @ b).T, b.T @ a.T), A, B),
            (lambda a: np.swapaxes(a.reshape(3, 2, 2), 0, 1) @ a.reshape(2, 2, 3), A),
            (lambda a: ((a @ a.T).T, a @ a.T), A),
        ],
    ),
    "defer": (
        lambda graph: passes.contract(passes.simplify(passes.share(prepared(passes.prune(graph))))),
        [
            (tp.grad(lambda a: np.sum(tp.scan(lambda c, x: (np.tanh((c + x) @ a), x), A0, STEPS)[0])), STEPS[1]),
            (tp.grad(lambda w: np.sum(tp.scan(lambda c, x: (np.tanh(w @ c + x), None), V, STEPS[:, 0])[0])), STEPS[0]),
            (tp.grad(lambda v: np.sum(tp.scan(lambda c, x: (np.tanh(c + v) * x, None), A0, STEPS)[0])), V),
            (lambda v: tp.scan(lambda c, x: (c + np.sum(x), np.sum(c)), 0.0, v)[0], STEPS),
            (lambda v, s: tp.scan(lambda c, x: ((c[0] + np.sum(x), c[1] * v), c[1]), (0.0, V), s)[0][0] + v, V, STEPS),
        ],
    ),
    "prune": (
        lambda graph: graph,
        [
            (lambda v: tp.scan(lambda c, x: (c + x, c * x), 0.0, v)[0], V),
            (lambda v, w: tp.scan(lambda c, x: ((c[0] + x * c[1], c[1], c[2] + 1), x), (w, w, 0), v)[0][:2], V, W),
            (tp.grad(lambda v: tp.scan(lambda c, x: (np.sin(c + x), c), 0.0, v)[0]), V),
        ],
    ),
}


def source_of(f):
    """The text of an example; the name of a function that is no lambda."""
    if getattr(f, "__wrapped__", None):
        return f"grad of: {source_of(f.__wrapped__)}"
    return " ".join(line.strip() for line in inspect.getsource(f).split("\n")).strip()


def shown(before, after, examples):
    parts = []
    for f, *args in examples:
        graph = before(capture(f, tuple(args))[0])
        parts += [source_of(f), "--- before", str(graph), "--- after", str(after(graph)), ""]
    return "\n".join(parts)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_a_pass_does(name):
    before, examples = EXAMPLES[name]
    check(f"pass-{name}", shown(before, getattr(passes, name), examples))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_pass_changes_no_result(name):
    before, examples = EXAMPLES[name]
    for f, *args in examples:
        graph = before(capture(f, tuple(args))[0])
        changed = getattr(passes, name)(graph)
        verify(changed, normal=name != "prune")
        leaves = split(tuple(args)).leaves
        verify_values(changed, leaves)
        for a, b in zip(evaluate(graph, leaves), evaluate(changed, leaves), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_second_time_changes_nothing(name):
    before, examples = EXAMPLES[name]
    for f, *args in examples:
        once = getattr(passes, name)(before(capture(f, tuple(args))[0]))
        assert str(getattr(passes, name)(once)) == str(once)


def test_every_pass_has_examples():
    assert {step.__name__ for step, _ in passes.PIPELINE} == set(EXAMPLES)
    assert all(description for _, description in passes.PIPELINE)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -3.5, 1e308])
IDENTITIES = [
    *[lambda x, y: x + 0.0, lambda x, y: 0.0 + x, lambda x, y: x - 0.0, lambda x, y: 0.0 - x, lambda x, y: x + -0.0],
    *[lambda x, y: x * 1, lambda x, y: x * -1, lambda x, y: x / 1, lambda x, y: x / -1, lambda x, y: x * 0.0],
    *[lambda x, y: x + -y, lambda x, y: -x + y, lambda x, y: x - -y, lambda x, y: -x - y, lambda x, y: -(x - y)],
    *[lambda x, y: -x * -y, lambda x, y: -x * y, lambda x, y: -x / -y, lambda x, y: x + -2 * y, lambda x, y: -(2 * y)],
    *[lambda x, y: x / 2, lambda x, y: x / 3, lambda x, y: np.abs(-x), lambda x, y: np.square(-x)],
    *[lambda x, y: np.power(x, 1), lambda x, y: np.power(x, 0.5), lambda x, y: np.power(x, -1)],
    *[lambda x, y: np.where(x > y, np.where(x > y, x, y), x), lambda x, y: np.where(~(x > y), x, y)],
    *[lambda x, y: np.exp(x) + 0.0, lambda x, y: x - x, lambda x, y: x / x, lambda x, y: np.positive(x)],
]


@pytest.mark.parametrize("number", range(len(IDENTITIES)))
def test_algebra_is_exact_for_special_numbers(number):
    f = IDENTITIES[number]
    pairs = np.array(list(itertools.product(SPECIAL, SPECIAL)))
    x, y = pairs[:, 0], pairs[:, 1]
    graph = passes.run(capture(f, (x, y))[0])
    with np.errstate(all="ignore"):
        expected = f(x, y)
    found = evaluate(graph, (x, y))[0]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found)[~np.isnan(found)], np.signbit(expected)[~np.isnan(expected)])


def test_large_constants_are_not_made():
    big = np.arange(360000.0).reshape(600, 600)
    graph = passes.run(capture(lambda x: x + np.asarray(big, like=x) * 2, (np.ones(600),))[0])
    constants = [node for node in graph if isinstance(node, Constant)]
    assert max(node.value.nbytes for node in constants) == big.nbytes
    assert any(node.function is np.multiply for node in graph)


def test_constants_are_told_apart_by_their_bits():
    graph = passes.run(capture(lambda x: (np.copysign(x, 0.0), np.copysign(x, -0.0)), (V,))[0])
    np.testing.assert_array_equal(evaluate(graph, (V,)), [np.abs(V), -np.abs(V)])


def test_a_deep_graph_needs_no_stack():
    def f(x):
        for _ in range(3000):
            x = np.sin(x) + 1.0
        return x

    graph = passes.run(capture(f, (V,))[0])
    np.testing.assert_allclose(evaluate(graph, (V,))[0], f(V), rtol=1e-12)
