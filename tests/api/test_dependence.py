"""What sparsity="detect" finds holds every nonzero derivative: for all operators, in all examples of their domains."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp
from rules import laws
from twopass.api.dependence import detect
from twopass.api.tracing import Inputs
from twopass.errors import CaptureError

CASES = laws.cases()
RNG = np.random.default_rng(0)


def detected(f, *args):
    inputs = Inputs()
    for arg in args:
        inputs.add(arg, "argument")
    pattern = detect(f, args, range(len(args)), inputs)
    table = np.zeros(pattern.shape, dtype=bool)
    table[pattern.rows, pattern.columns] = True
    return table


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_no_dependence_is_missed(case):
    operands = case.draw(np.random.default_rng(zlib.crc32(case.name.encode())))

    def function(*xs):
        leaves = case.run([np.copy(x) for x in xs])
        return tuple(np.real(y) + np.imag(y) if y.dtype.kind == "c" else y for y in leaves)

    def total(*xs):
        return sum(np.sum(leaf**2) for leaf in function(*xs))

    numbers = tuple(range(len(operands)))
    for f in (function, tp.grad(total, numbers))[: 2 if case.number < 2 else 1]:
        blocks = tp.tree.leaves(tp.jacobian(f, numbers)(*operands))
        try:
            table = detected(f, *operands)
        except CaptureError:
            return  # it needs values, and says so
        outputs = tp.tree.leaves(f(*operands))
        widths = [x.size for x in operands]
        for number, width in enumerate(widths):
            own = blocks[number * len(outputs) : (number + 1) * len(outputs)]
            rows = [np.reshape(block, (np.size(y), width)) for block, y in zip(own, outputs, strict=True)]
            start = sum(widths[:number])
            nonzero = np.concatenate(rows) != 0 if rows else np.zeros((0, width), bool)
            assert not (nonzero & ~table[:, start : start + width]).any()


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (np.sin, np.eye(4)),
        (np.sum, np.ones((1, 4))),
        (np.cumsum, np.tri(4)),
        (lambda x: x[::-1], np.eye(4)[::-1]),
        (lambda x: x[1:] * x[:-1], np.eye(4)[1:] + np.eye(4)[:-1]),
        (lambda x: np.where(x > 0, x, 0.0), np.eye(4)),
        (lambda x: np.where(x > 100, x, 0.0), np.eye(4)),
        (lambda x: x * tp.stop_gradient(x[0]), np.eye(4)),
        (lambda x: np.reshape(x, (2, 2)).T, np.eye(4)[[0, 2, 1, 3]]),
        (lambda x: np.diag([1.0, 0.0, 2.0, 0.0]) @ x, np.diag([1.0, 0.0, 1.0, 0.0])),
        (lambda x: np.einsum("i,j->ij", x[:2], x[2:]), [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]),
        (lambda x: x[np.argmax(x)], np.ones((1, 4))),
        (lambda x: np.floor(x) + np.isnan(x), np.zeros((4, 4))),
        (lambda x: np.concatenate([x[:1], np.ones(2)]), [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_dependences_are_those_of_the_formula(f, expected):
    np.testing.assert_array_equal(detected(f, RNG.normal(size=4)), np.asarray(expected, bool))


def test_writing_replaces_dependences():
    def f(x):
        y = np.zeros_like(x)
        y[0] = x[1]
        y[1:3] += x[2:]
        y[2] = 0.0
        return y

    np.testing.assert_array_equal(
        detected(f, np.ones(4)), np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0] * 4, [0] * 4], bool)
    )


def test_rules_of_the_users_own_may_depend_on_everything():
    straight = tp.custom_rule(np.round, jvp=lambda p, t: (np.round(p[0]), t[0]))
    assert detected(straight, np.ones(3)).all()


def test_gradients_inside():
    f = lambda x: np.sum(x[1:] * x[:-1] ** 2)  # noqa: E731
    expected = np.abs(np.subtract.outer(range(5), range(5))) <= 1
    expected[4, 4] = False
    np.testing.assert_array_equal(detected(tp.grad(f), np.ones(5)), expected)
