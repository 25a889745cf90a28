"""``tp.scan``: a loop of Python when it runs, one node when it is captured, the same results and derivatives."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from twopass.api.scan import scan as scan_with_limit
from twopass.errors import ArgumentError, CaptureError, ShapeError, UnsupportedOperatorError
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.passes import PIPELINE, normalize
from twopass.graph.scan import Loop, scan
from twopass.graph.verify import verify, verify_values

RNG = np.random.default_rng(0)
W, U, H, XS = RNG.normal(size=(4, 4)) / 2, RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(6, 3))


def loops(graph):
    return [node for node in graph if node.function is scan]


def agrees(f, *args, tolerance=1e-12):
    """The eager loop and the captured one give the same, before and after the passes."""
    expected = tp.tree.leaves(f(*args))
    graph, outputs = capture(f, args)
    stages = [graph]
    for step, _ in PIPELINE:
        stages.append(step(stages[-1]))
        verify(stages[-1], normal=step is not PIPELINE[0][0] or step is normalize)
    for stage in (stages[0], stages[-1]):
        verify(stage)
        verify_values(stage, split(args).leaves)
        found = tp.tree.leaves(outputs.build(evaluate(stage, split(args).leaves)))
        for a, b in zip(found, expected, strict=True):
            assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return stages[-1]


def rnn(W, U, h, xs, reverse=False):
    def step(h, x):
        h = np.tanh(h @ W + x @ U)
        return h, (np.sum(h), {"h": h})

    h, (sums, more) = tp.scan(step, h, xs, reverse=reverse)
    return np.sum(h) + np.sum(sums**2) + np.mean(more["h"] * more["h"][::-1])


def lotka_volterra(rates, start):
    """Runge and Kutta's method of fourth order, with a step that is a constant from outside."""

    def slope(y):
        return np.stack([y[0] * (rates[0] - rates[1] * y[1]), y[1] * (rates[2] * y[0] - rates[3])])

    def step(y, _):
        a = slope(y)
        b = slope(y + 0.05 * a)
        c = slope(y + 0.05 * b)
        y = y + (0.1 / 6) * (a + 2 * b + 2 * c + slope(y + 0.1 * c))
        return y, y

    return tp.scan(step, start, None, length=20)


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_a_recurrent_network_is_one_node(reverse):
    graph = agrees(lambda *args: rnn(*args, reverse=reverse), W, U, H, XS)
    (loop,) = loops(graph)
    assert loop.kwargs["length"] == 6 and loop.kwargs["n_carry"] == 1


def test_an_equation_solver():
    graph = agrees(lotka_volterra, np.array([1.0, 0.5, 0.3, 0.8]), np.array([2.0, 1.0]))
    assert len(loops(graph)) == 1


def test_order_of_the_results_in_reverse():
    carry, ys = tp.scan(lambda c, x: (c * 10 + x, c), 0.0, np.array([1.0, 2.0, 3.0]), reverse=True)
    assert carry == 321.0
    np.testing.assert_array_equal(ys, [32.0, 3.0, 0.0])


def test_trees_and_nothing():
    def f(x):
        def step(c, t):
            return {"a": c["a"] + t[0], "b": (c["b"][0] * t[1][0],)}, None

        return tp.scan(step, {"a": x[0], "b": (x[1],)}, (x, [x * 2]))

    agrees(f, XS)


def test_numbers_take_the_dtype_that_a_step_gives():
    graph = agrees(lambda x: tp.scan(lambda c, t: ((c[0] + t, c[1] + 1), c[1] * t), (0.0, 0), x), XS[:, 0].astype("f4"))
    assert [output.dtype for output in graph.outputs] == [np.float32, np.int64, np.float64]
    agrees(lambda y: tp.scan(lambda y, _: (y + 0.1 * np.sin(y), y), y, None, length=5), 1.0)


def test_no_steps():
    carry, ys = tp.scan(lambda c, x: (c + x, c * x), np.zeros(3), np.zeros((0, 3)))
    np.testing.assert_array_equal(carry, np.zeros(3))
    assert ys.shape == (0, 3)
    agrees(lambda x: tp.scan(lambda c, x: (c + x, c * x), np.ones(3), x), np.zeros((0, 3)))
    agrees(tp.grad(lambda h, x: np.sum(tp.scan(lambda c, x: (c * x, c), h, x)[0])), np.ones(3), np.zeros((0, 3)))


def test_loops_in_loops():
    def f(x):
        def inner(c, t):
            return np.sin(c + t) * x[0, 0], c

        def outer(c, row):
            c, ys = tp.scan(inner, c, row)
            return c, np.sum(ys)

        return tp.scan(outer, x[0, 1], x)

    agrees(f, XS)
    agrees(tp.grad(lambda x: np.sum(f(x)[1]) + f(x)[0]), XS)


def test_a_limit_makes_fewer_steps():
    def f(x, count):
        return scan_with_limit(lambda c, t: (c + t, c), np.zeros(3), x, limit=count)[0]

    for count in (0, 2, 6, 9, -1):
        agrees(f, XS, np.int64(count))
    with pytest.raises(UnsupportedOperatorError, match="limit"):
        capture(tp.grad(lambda x: np.sum(f(x, np.int64(2)))), (XS,))


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_in_everything(reverse):
    f = tp.value_and_grad(lambda *args: rnn(*args, reverse=reverse), argnums=(0, 1, 2, 3))
    graph = agrees(f, W, U, H, XS)
    assert len(loops(graph)) == 2


def test_forward_mode():
    agrees(lambda *args: tp.jvp(rnn, args, (*args[:2], np.ones(4), args[3])), W, U, H, XS)
    agrees(lambda W: tp.jvp(lambda w: rnn(w, U, H, XS), (W,), (W,)), W)


def test_second_order():
    agrees(lambda W: tp.hvp(lambda w: rnn(w, U, H, XS), (W,), (W,)), W, tolerance=1e-11)
    agrees(lambda W: tp.grad(lambda w: np.sum(tp.grad(rnn)(w, U, H, XS) ** 2))(W), W, tolerance=1e-11)
    agrees(lambda h: tp.hessian(lambda h: rnn(W, U, h, XS))(h), H, tolerance=1e-11)


def test_gradients_of_the_solver():
    def loss(rates, start):
        _, path = lotka_volterra(rates, start)
        return np.sum((path - 1) ** 2)

    agrees(tp.value_and_grad(loss, argnums=(0, 1)), np.array([1.0, 0.5, 0.3, 0.8]), np.array([2.0, 1.0]))


def test_gradients_against_differences():
    tp.check_grads(rnn, (W, U, H, XS), order=2)


def test_a_part_of_the_loop_without_gradient():
    def loss(x):
        def step(carry, t):
            total, count, kept = carry
            return (total + np.where(t > 0, np.sqrt(np.where(t > 0, t, 1)), 0) * kept, count + 1, kept), t > 0

        (total, count, _), _ = tp.scan(step, (0.0, 0, np.ones(3)), x)
        return np.sum(total) / count

    def fixed(x):
        def step(carry, t):
            total, count = carry
            return (total + np.where(t > 0, t * t, 0), count + 1), t > 0

        (total, count), positive = tp.scan(step, (np.zeros(3), 0), x)
        return np.sum(total) / count + np.sum(positive)

    agrees(tp.value_and_grad(fixed), XS)
    with pytest.raises(ShapeError):
        loss(XS)


def test_only_what_the_backward_pass_needs_is_kept():
    graph = agrees(lambda *args: rnn(*args), W, U, H, XS)
    (loop,) = loops(graph)
    assert len(loop.type) == 3  # the carry, the sums, the states: no second copy of them
    graph = agrees(tp.grad(rnn), W, U, H, XS)
    first, second = loops(graph)
    assert len(first.type) == 4 and second.kwargs["reverse"]


def test_the_node_can_be_differentiated_by_itself():
    graph, _ = capture(rnn, (W, U, H, XS))
    found = tp.grad(lambda w: evaluate(graph, [w, U, H, XS])[0])(W)
    np.testing.assert_allclose(found, tp.grad(rnn)(W, U, H, XS), rtol=1e-12)


# --- mistakes ---------------------------------------------------------------------------------------------------------

MISTAKES = {
    "shape": (lambda c, x: (np.stack([c, c]), None), ShapeError, r"changes the shape of carry: \(4,\) to \(2, 4\)"),
    "dtype": (lambda c, x: (c.astype(np.float32), None), ArgumentError, "the dtype of carry: float64 to float32"),
    "structure": (lambda c, x: ((c, c), None), ArgumentError, "in the same containers"),
    "no pair": (lambda c, x: c, ArgumentError, r"must return \(carry, y\), not a"),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("captured", [False, True])
def test_mistakes_of_a_step(name, captured):
    step, error, message = MISTAKES[name]

    def f(h, xs):
        return tp.scan(step, h, xs)

    with pytest.raises(error, match=message):
        capture(f, (H, XS)) if captured else f(H, XS)


def test_mistakes_of_a_call():
    with pytest.raises(ShapeError, match="different lengths"):
        tp.scan(lambda c, x: (c, x), 0.0, (XS, XS[:3]))
    with pytest.raises(ShapeError, match="different lengths"):
        tp.scan(lambda c, x: (c, x), 0.0, XS, length=3)
    with pytest.raises(ArgumentError, match="nothing to loop over"):
        tp.scan(lambda c, x: (c, x), 0.0, None)
    with pytest.raises(ShapeError, match=r"xs\['a'\] has none"):
        tp.scan(lambda c, x: (c, x), 0.0, {"a": 1.0})


def test_decisions_in_a_step_are_refused():
    with pytest.raises(CaptureError, match="needs a value"):
        capture(lambda xs: tp.scan(lambda c, x: (c + 1 if x[0] > 0 else c, None), 0.0, xs), (XS,))


def test_the_static_part_of_a_node():
    (node,) = loops(capture(lambda xs: tp.scan(lambda c, x: (c + W[0, 0] * x[0], c), 0.0, xs), (XS,))[0])
    loop = Loop(**node.kwargs)
    consts, carry, xs, limit = loop.parts(node.args)
    assert (consts, limit) == ([], None) and len(carry) == len(xs) == 1 and loop.length == 6
