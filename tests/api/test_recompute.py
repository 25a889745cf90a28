"""Checkpoints change how much is kept, and nothing else."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pytest

import twopass as tp

W = np.array([[0.5, -1.2], [0.3, 0.8]])


def layers(x, w):
    for _ in range(3):
        x = np.tanh(x @ w) + 0.1 * x
    return x


def with_closure(w):
    layer = tp.checkpoint(lambda x: np.tanh(x @ w) * w[0])
    return np.sum(layer(layer(np.ones((1, 2)))) ** 2)


def with_containers(w):
    @tp.checkpoint
    def layer(params, *, scale, name):
        assert name == "layer"
        hidden = np.sin(params["w"] @ params["b"][0])
        return {"out": hidden * scale, "none": None, "shape": hidden.shape, "twice": (hidden, hidden)}

    out = layer({"w": w, "b": [w[0], 2]}, scale=w[1, 1], name="layer")
    assert out["shape"] == (2,) and out["none"] is None
    return np.sum(out["out"] * out["twice"][1])


def with_changes_inside(w):
    @tp.checkpoint
    def layer(x):
        buffer = np.zeros_like(x)
        buffer[0] = x[1] ** 2
        buffer[1:] += x[:1] * 3
        buffer.T[0] *= x[:, 1]
        return buffer

    return np.sum(layer(layer(w)) * w)


def with_an_argument_that_is_changed_afterwards(w):
    x = w * 2
    data = np.ones(2)
    out = tp.checkpoint(lambda x, data: np.sin(x) * data)(x, data)
    x[0] = 0
    x *= w
    data[:] = 7
    return np.sum(out * x)


def with_checkpoints_inside(w):
    inner = tp.checkpoint(lambda x: np.sin(x) * x)
    outer = tp.checkpoint(lambda x: inner(np.cos(inner(x))) + np.sqrt(inner(x) + 9))
    return np.sum(outer(tp.checkpoint(tp.checkpoint(inner))(w)))


def with_derivatives_inside(w):
    slope = tp.checkpoint(lambda x: tp.grad(lambda y: np.sum(np.sin(y) * x))(x * 2))
    return np.sum(slope(w) ** 2)


def with_the_where_that_is_not_taken(w):
    return np.sum(tp.checkpoint(lambda x: np.where(x > 0, np.sqrt(np.abs(x)), np.sum(x**2, axis=0)))(w))


def with_a_result_that_escapes(w):
    kept = []
    out = tp.checkpoint(lambda x: kept.append(np.sin(x)) or np.exp(x))(w)
    return np.sum(out * kept[0])


def with_functions_made_in_a_loop(w):
    x = w
    for row in (w[0], w[1] * 2, np.ones(2)):
        scale = row * x
        x = tp.checkpoint(lambda x: np.sin(x * scale) @ w + row)(x)  # noqa: B023 - as users write it
    scale[0] = 5
    return np.sum(x * scale)


def with_an_array_from_outside_that_is_changed(w):
    total, seen = np.zeros_like(w), [w * 3]

    @tp.checkpoint
    def add(x):
        total[0] += x[0] * seen[0][1]
        seen.append(x)
        return total * x

    out = add(w)
    total *= 2
    return np.sum(out * total * len(seen))


FUNCTIONS = [
    with_functions_made_in_a_loop,
    with_an_array_from_outside_that_is_changed,
    with_closure,
    with_containers,
    with_changes_inside,
    with_an_argument_that_is_changed_afterwards,
    with_checkpoints_inside,
    with_derivatives_inside,
    with_the_where_that_is_not_taken,
    with_a_result_that_escapes,
]


@pytest.mark.parametrize("f", FUNCTIONS)
def test_derivatives_stay_the_same_in_all_modes_and_orders(f, monkeypatch):
    def derivatives():
        tangent = np.array([[1.0, -0.5], [2.0, 0.3]])
        return [
            tp.value_and_grad(f)(W),
            tp.jvp(f, (W,), (tangent,)),
            tp.hvp(f, (W,), (tangent,)),
            tp.jacobian(tp.grad(f), mode="reverse")(W),
            tp.grad(lambda w: tp.jvp(f, (w,), (tangent,))[1])(W),
            tp.grad(lambda w: np.sum(tp.grad(lambda v: np.sum(tp.grad(f)(v) ** 2))(w)))(W),
        ]

    found = derivatives()
    monkeypatch.setattr(tp, "checkpoint", lambda f: f)
    for ours, plain in zip(tp.tree.leaves(found), tp.tree.leaves(derivatives()), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-13, atol=1e-14 * max(1, np.max(np.abs(plain))))


def test_derivatives_are_right():
    for f in FUNCTIONS:
        tp.check_grads(f, (W,), order=2)


def test_without_derivatives_it_is_the_function_itself():
    assert tp.checkpoint(lambda x, y=2: x * y)(3, y="ab") == "ababab"


def test_a_pullback_may_be_used_again_and_from_several_threads():
    out, pullback = tp.vjp(tp.checkpoint(layers), np.ones((1, 2)), W)
    expected = tp.vjp(layers, np.ones((1, 2)), W)[1](np.ones_like(out))
    found = []
    threads = [threading.Thread(target=lambda: found.append(pullback(np.ones_like(out)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for pulled in [*found, pullback(np.ones_like(out))]:
        np.testing.assert_array_equal(pulled[1], expected[1])


def test_a_pullback_inside_of_another_derivative():
    _, pullback = tp.vjp(tp.checkpoint(lambda x: np.sin(x) * x), np.array([0.5, 1.0]))
    np.testing.assert_allclose(
        tp.jacobian(lambda c: pullback(c)[0])(np.ones(2)), np.diag(np.sin([0.5, 1]) + [0.5, 1] * np.cos([0.5, 1]))
    )


# --- memory ---------------------------------------------------------------------------------------------------------

SIZE, STEPS = 20_000, 64


def peak(block, blocks):
    """Largest memory of a gradient through a chain of blocks, in arrays of the size of one intermediate result."""
    w = np.full(SIZE, 0.9)
    x = np.ones(SIZE)
    x.flags.writeable = False

    def total(w):
        y = x
        for _ in range(blocks):
            y = block(y, w)
        return np.sum(y)

    tracemalloc.start()
    try:
        gradient = tp.grad(total)(w)
        return tracemalloc.get_traced_memory()[1] / w.nbytes, gradient
    finally:
        tracemalloc.stop()


def steps(count):
    def run(x, w):
        for _ in range(count):
            x = np.tanh(x * w)
        return x

    return run


def halves(count):
    """A chain whose halves are checkpointed, and their halves, and so on."""
    if count == 1:
        return steps(1)
    half = tp.checkpoint(halves(count // 2))
    return lambda x, w: half(half(x, w), w)


def test_memory_grows_with_the_square_root_of_the_length():
    """Griewank (1992) and Chen et al. (2016): √n segments of √n steps."""
    (kept, expected), (blocks, found) = peak(steps(STEPS), 1), peak(tp.checkpoint(steps(8)), 8)
    np.testing.assert_array_equal(found, expected)
    assert kept > STEPS
    assert blocks < 2 * 8 + 10


def test_memory_grows_with_the_logarithm_of_the_length_for_checkpoints_inside_of_checkpoints():
    (deep, found), (deeper, _) = peak(halves(STEPS), 1), peak(halves(4 * STEPS), 1)
    kept, expected = peak(steps(STEPS), 1)
    np.testing.assert_array_equal(found, expected)
    assert deep < kept / 3
    assert deeper < deep + 2 * 2 + 1


def test_the_hessian_times_a_vector_needs_little_memory_too():
    w, v = np.full(SIZE, 0.9), np.ones(SIZE)

    def largest(block):
        def total(w):
            y = w
            for _ in range(8):
                y = block(y, w)
            return np.sum(y)

        tracemalloc.start()
        product = tp.hvp(total, (w,), (v,))
        memory = tracemalloc.get_traced_memory()[1] / w.nbytes
        tracemalloc.stop()
        return memory, product[0]

    (kept, expected), (checkpointed, found) = largest(steps(8)), largest(tp.checkpoint(steps(8)))
    np.testing.assert_array_equal(found, expected)
    assert checkpointed < kept / 2


# --- compiled, and in loops -----------------------------------------------------------------------------------------


def test_in_compiled_code_values_stay_the_same():
    f = tp.compile(tp.grad(lambda w: np.sum(tp.checkpoint(layers)(w, w))))
    np.testing.assert_allclose(f(W), tp.grad(lambda w: np.sum(layers(w, w)))(W), rtol=1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_as_the_step_of_a_scan(compiled):
    def last(step):
        return lambda w: np.sum(tp.scan(lambda x, row: (step(x + row, w), None), np.ones(2), np.eye(2))[0])

    gradient = tp.grad(last(tp.checkpoint(lambda x, w: np.sin(x @ w))))
    expected = tp.grad(last(lambda x, w: np.sin(x @ w)))(W)
    np.testing.assert_allclose((tp.compile(gradient) if compiled else gradient)(W), expected, rtol=1e-12)


# --- functions that do not do the same again ----------------------------------------------------------------------


def draws(w):
    generator = np.random.default_rng(0)
    return np.sum(tp.checkpoint(lambda x: np.sin(x) * generator.uniform(size=2))(w))


def reads_what_changes(w):
    data = np.ones(2)
    out = tp.checkpoint(lambda x: np.sin(x) * data)(w)
    data[0] = 2
    return np.sum(out)


def reads_what_changes_traced(w):
    scale = w * 1

    def through(function):
        return tp.checkpoint(lambda x: function(x))

    out = through(lambda x: np.sin(x) * scale)(w)
    scale[0] = 2
    return np.sum(out * scale)


def takes_other_ways(w):
    rng = np.random.default_rng(1)
    return np.sum(tp.checkpoint(lambda x: np.sin(x) if rng.integers(1 << 60) % 2 == 0 else np.sum(x))(w))


@pytest.mark.parametrize("f", [draws, reads_what_changes, reads_what_changes_traced, takes_other_ways])
def test_what_does_not_do_the_same_again_raises(f):
    with pytest.raises(tp.errors.DifferentiationError, match="did not do the same when it ran again"):
        tp.grad(f)(W)


def test_an_argument_that_the_function_changes_in_place():
    def change(x):
        x[0] = x[1] * 2
        return np.sin(x)

    def f(block):
        def total(w):
            x = w * 1
            return np.sum(block(x) * x)

        return total

    np.testing.assert_array_equal(tp.grad(f(tp.checkpoint(change)))(W), tp.grad(f(change))(W))


def test_errors_of_the_function_pass_through():
    with pytest.raises(ZeroDivisionError):
        tp.grad(tp.checkpoint(lambda x: x / 0 if x is None else 1 / 0))(1.0)
    assert tp.grad(np.sin)(0.0) == 1.0
