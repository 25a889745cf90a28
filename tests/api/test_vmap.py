"""Batching of whole functions: every nesting with derivatives, loops, compilation; writing; arguments; errors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import twopass as tp

RNG = np.random.default_rng(0)
XS = RNG.normal(size=(4, 3))
WEIGHTS = {"w": RNG.normal(size=(3, 5)), "b": [RNG.normal(size=5), RNG.normal(size=5)]}


def network(params, x):
    return np.sum(np.tanh(x @ params["w"] + params["b"][0]) * params["b"][1])


def same(found, expected, tolerance=1e-12):
    for a, b in zip(tp.tree.leaves(found), tp.tree.leaves(expected), strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def stacked(f, *columns):
    """What a function gives for examples, one by one."""
    return tp.tree.map(lambda *ys: np.stack(ys), *[f(*row) for row in zip(*columns, strict=True)])


def agrees(f, *columns, tolerance=1e-12):
    """A batch gives the stack of single calls; so do its derivatives, within and without."""
    same(tp.vmap(f)(*columns), stacked(f, *columns), tolerance)

    def total(*args):
        return sum(np.sum(leaf * leaf) for leaf in tp.tree.leaves(f(*args)))

    inside = tp.vmap(tp.grad(total))(*columns)
    same(inside, stacked(tp.grad(total), *columns), tolerance)
    same(tp.grad(lambda *args: np.sum(tp.vmap(total)(*args)))(*columns), inside, tolerance)


# --- nesting ----------------------------------------------------------------------------------------------------------


def test_gradients_of_examples():
    expected = [tp.grad(network)(WEIGHTS, x) for x in XS]
    found = tp.vmap(tp.grad(network), in_axes=(None, 0))(WEIGHTS, XS)
    same(found, tp.tree.map(lambda *g: np.stack(g), *expected))
    mean = tp.grad(lambda params: np.mean(tp.vmap(network, (None, 0))(params, XS)))(WEIGHTS)
    same(mean, tp.tree.map(lambda g: np.mean(g, axis=0), found))


def test_value_and_grad_with_auxiliary_data():
    def with_aux(x):
        return np.sum(x**3), {"largest": np.max(x), "name": np.argmax(x)}

    (value, aux), gradient = tp.vmap(tp.value_and_grad(with_aux, has_aux=True))(XS)
    same(value, np.sum(XS**3, axis=1))
    same(gradient, 3 * XS**2)
    same(aux["largest"], XS.max(axis=1))
    np.testing.assert_array_equal(aux["name"], XS.argmax(axis=1))


def test_batches_of_batches():
    a, b = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4))
    table = tp.vmap(tp.vmap(np.dot, (None, 0)), (0, None))(a, b)
    same(table, a @ b.T)
    same(tp.vmap(tp.vmap(tp.grad(np.dot), (None, 0)), (0, None))(a, b), np.broadcast_to(b, (3, 5, 4)))
    same(tp.vmap(tp.vmap(lambda x: x * x, 1, 1), 2, 2)(np.ones((2, 3, 4))), np.ones((2, 3, 4)))


def test_jacobians_are_batches_of_pullbacks_and_tangents():
    def f(x):
        return np.stack([np.prod(x), np.sum(np.sin(x)), x[0] * x[2]])

    x = XS[0]
    _, pullback = tp.vjp(f, x)
    same(tp.vmap(pullback)(np.eye(3))[0], tp.jacobian(f)(x))
    columns = tp.vmap(lambda t: tp.jvp(f, (x,), (t,))[1], out_axes=1)(np.eye(3))
    same(columns, tp.jacobian(f)(x))


def test_hessians_and_products():
    f = lambda x: np.sum(x**3) * x[0]  # noqa: E731
    same(tp.vmap(tp.hessian(f))(XS), np.stack([tp.hessian(f)(x) for x in XS]))
    products = tp.vmap(lambda x, t: tp.hvp(f, (x,), (t,))[0])(XS, XS)
    same(products, np.stack([tp.hessian(f)(x) @ x for x in XS]))
    total = lambda xs: np.sum(tp.vmap(f)(xs))  # noqa: E731
    blocks = tp.hessian(total)(XS)
    for i in range(4):
        for j in range(4):
            same(blocks[i, :, j], tp.hessian(f)(XS[i]) if i == j else np.zeros((3, 3)))


def test_scan():
    def recurrent(x):
        def step(state, part):
            state = np.tanh(state * 0.5 + part)
            return state, state * part

        state, ys = tp.scan(step, np.zeros_like(x[0]), x)
        return state, ys

    agrees(recurrent, XS)
    compiled = tp.compile(tp.vmap(recurrent))
    same(compiled(XS), stacked(recurrent, XS))
    assert "scan" in str(compiled.graph) and len(compiled.graph.nodes()) < 20

    def loss(xs):
        return np.sum(tp.vmap(recurrent)(xs)[1] ** 2)

    same(tp.compile(tp.grad(loss))(XS), tp.grad(loss)(XS))
    inside = tp.vmap(tp.grad(lambda x: np.sum(recurrent(x)[1] ** 2)))
    same(tp.compile(inside)(XS), inside(XS))


def test_scan_whose_step_uses_what_is_batched_outside():
    def f(rate, xs):
        return tp.scan(lambda c, x: (c * rate + x, c), 0.0, xs)

    rates, xs = np.array([0.5, 2.0]), np.array([1.0, 2.0, 3.0])
    expected = tp.tree.map(lambda *ys: np.stack(ys), *[f(rate, xs) for rate in rates])
    same(tp.vmap(f, (0, None))(rates, xs), expected)
    same(tp.compile(tp.vmap(f, (0, None)))(rates, xs), expected)


def test_a_batch_in_the_step_of_a_scan():
    def step(carry, x):
        return tp.vmap(lambda c: np.cos(c) + x)(carry), None

    loop = lambda carry, xs: tp.scan(step, carry, xs)[0]  # noqa: E731
    same(tp.compile(loop)(XS[0], XS[1]), loop(XS[0], XS[1]))


def test_compiled_functions():
    inner = tp.compile(network)
    same(tp.vmap(inner, (None, 0))(WEIGHTS, XS), stacked(lambda x: network(WEIGHTS, x), XS))
    outer = tp.compile(tp.vmap(tp.grad(network), (None, 0)))
    same(outer(WEIGHTS, XS), tp.vmap(tp.grad(network), (None, 0))(WEIGHTS, XS))


def test_compiled_batches_are_calls_for_the_whole_batch():
    """No node is there once for each example: the number of nodes does not depend on the size of the batch."""

    def everything(x, m, i):
        y = np.concatenate([x, np.cumsum(x), np.flip(x)]) @ np.ones(9)
        z = np.where(x > 0, x, np.exp(x))[::-1] + x[i] + np.max(m, axis=0) + np.mean(m)
        total = np.einsum("ij,jk->ik", m, m.T) + np.dot(m, m) + np.tensordot(m, m, 1)
        buffer = np.zeros_like(x)
        buffer[1:] = z[:2]
        buffer[i] = 5.0
        return y, np.sort(z), np.argmax(x), total, buffer, np.take_along_axis(x, np.argsort(x), 0), np.pad(x, 1)

    def count(size):
        args = RNG.normal(size=(size, 3)), RNG.normal(size=(size, 3, 3)), RNG.integers(0, 3, size)
        compiled = tp.compile(tp.vmap(everything))
        same(compiled(*args), stacked(everything, *args))
        return len(compiled.graph.nodes())

    assert count(3) == count(7)


def test_rules_of_the_users_own_are_kept():
    f = lambda x, y: np.sum(x**2) * y  # noqa: E731
    by_vjp = tp.custom_rule(f, vjp=lambda x, y: (f(x, y), lambda c: (100 * c * x, 7.0 * c)))
    by_jvp = tp.custom_rule(f, jvp=lambda p, t: (f(*p), 100 * np.sum(p[0] * t[0]) + 7 * t[1]))
    ys = np.arange(4.0)
    for rule in (by_vjp, by_jvp):
        same(tp.vmap(rule)(XS, ys), np.sum(XS**2, axis=1) * ys)
        expected = (100 * XS, np.full(4, 7.0))
        same(tp.vmap(tp.grad(rule, (0, 1)))(XS, ys), expected)
        total = lambda xs, ys, rule=rule: np.sum(tp.vmap(rule)(xs, ys))  # noqa: E731
        same(tp.grad(total, (0, 1))(XS, ys), expected)
        same(tp.compile(tp.grad(total, (0, 1)))(XS, ys), expected)
        same(tp.jvp(tp.vmap(rule), (XS, ys), (XS, ys))[1], 100 * np.sum(XS**2, axis=1) + 7 * ys)
        shared = tp.grad(lambda y, rule=rule: np.sum(tp.vmap(rule, (0, None))(XS, y)))
        same(shared(2.0), 28.0)


def test_rules_of_functions_that_are_no_numpy_code():
    sine = tp.custom_rule(lambda x: math.sin(x), jvp=lambda p, t: (math.sin(p[0]), math.cos(p[0]) * t[0]))
    other = tp.custom_rule(lambda x: math.sin(x), vjp=lambda x: (math.sin(x), lambda c: (math.cos(x) * c,)))
    xs = XS[0]
    for f in (sine, other):
        same(tp.vmap(f)(xs), np.sin(xs))
        same(tp.vmap(tp.grad(f))(xs), np.cos(xs))
        same(tp.vmap(tp.vmap(tp.grad(f)))(XS), np.cos(XS))
        same(tp.grad(lambda x, f=f: np.sum(tp.vmap(f)(x)))(xs), np.cos(xs))
        same(tp.jvp(tp.vmap(f), (xs,), (xs,))[1], np.cos(xs) * xs)
        same(tp.compile(tp.vmap(tp.grad(f)))(xs), np.cos(xs))


def test_stop_gradient():
    agrees(lambda x: x * tp.stop_gradient(np.sin(x)), XS)
    same(tp.grad(lambda x: np.sum(tp.vmap(lambda v: v * tp.stop_gradient(v))(x)))(XS), XS)
    same(tp.vmap(tp.grad(lambda v: np.sum(v * tp.stop_gradient(v))))(XS), XS)


def test_a_gradient_in_what_all_share():
    shared = np.ones(3)
    inside = tp.vmap(lambda x: tp.grad(lambda s: np.sum(np.sin(s * x)))(shared))
    same(inside(XS), np.cos(XS) * XS)
    found = tp.grad(lambda s: np.sum(tp.vmap(lambda x: np.sin(s * x))(XS)))(shared)
    same(found, np.sum(np.cos(XS) * XS, axis=0))


def test_reading_a_shared_array_at_places_of_the_examples():
    table, places = RNG.normal(size=(5, 2)), np.array([3, 0, 3])
    look_up = lambda table, i: np.sum(table[i] ** 2)  # noqa: E731
    same(tp.vmap(look_up, (None, 0))(table, places), np.sum(table[places] ** 2, axis=1))
    found = tp.grad(lambda t: np.sum(tp.vmap(lambda i: np.sum(t[i] ** 2))(places)))(table)
    expected = np.zeros_like(table)
    np.add.at(expected, places, 2 * table[places])
    same(found, expected)
    pairs = tp.grad(lambda t: np.sum(tp.vmap(lambda i: t[i, 1] * t[1, 0])(places)))(table)
    same(pairs, tp.grad(lambda t: np.sum(t[places, 1] * t[1, 0]))(table))
    each = tp.vmap(lambda i: tp.grad(lambda t: np.sum(t[i] ** 2))(table))(places)
    same(each, np.stack([tp.grad(look_up)(table, i) for i in places]))


# --- writing ----------------------------------------------------------------------------------------------------------


def test_writing():
    def f(x):
        y = np.zeros_like(x)
        y[1:] = x[:-1]
        row = y[1:]
        row *= 2.0  # a view: y changes
        total = y[0]  # a scalar: y does not change
        total += 5.0
        flat = y.reshape(3, 1)
        flat[2] = x[0] + total
        y[x > 0] = 0.25
        y[np.argmin(x)] += 1.0
        copied = np.ravel(np.stack([y, y]).T)[:3].copy()
        copied[0] = 7.0
        return y, copied, total

    agrees(f, XS)
    same(tp.compile(tp.vmap(f))(XS), stacked(f, XS))


def test_writing_at_places_of_the_examples():
    def f(x, i):
        grid = np.zeros((3, 4), like=x)
        row = grid[i]
        row[...] = x[0]
        grid[i, 1] = x[1]
        grid[:, i] += x
        np.add.at(grid, ([i, i], [0, 0]), x[:2])
        grid[np.stack([i, 0 * i])] *= 2.0
        return grid

    places = np.array([0, 2, 1, 2])
    same(tp.vmap(f)(XS, places), stacked(lambda x, i: f_plain(x, i), XS, places))
    same(
        tp.vmap(tp.grad(lambda x, i: np.sum(f(x, i) ** 2)))(XS, places),
        stacked(tp.grad(lambda x, i: np.sum(f(x, i) ** 2)), XS, places),
    )


def f_plain(x, i):
    grid = np.zeros((3, 4))
    grid[i] = x[0]
    grid[i, 1] = x[1]
    grid[:, i] += x
    np.add.at(grid, ([i, i], [0, 0]), x[:2])
    grid[[i, 0]] *= 2.0
    return grid


def test_writing_reaches_no_argument_and_no_result_shares_memory():
    def f(x):
        x[0] = 5.0
        return x

    xs = XS.copy()
    found = tp.vmap(f)(xs)
    same(xs, XS)
    same(found[:, 0], np.full(4, 5.0))
    results = tp.vmap(lambda x: (x, x, y := x + 0.0, y, y.reshape(1, 3), y[:2]))(xs)
    for first in results:
        first[...] = 7.0
    same(xs, XS)
    for i, first in enumerate(results):
        assert first.flags.c_contiguous and not any(np.shares_memory(first, other) for other in results[i + 1 :])


@pytest.mark.parametrize(
    "index",
    [
        lambda i: (i, slice(None), [0, 1]),
        lambda i: (slice(None), i),
        lambda i: (i, slice(None), i),
        lambda i: (..., i),
        lambda i: (None, i, 1),
        lambda i: (slice(1, None), np.stack([i, i, 0 * i]), np.array([[0], [1]])),
        lambda i: ([0, 1], slice(None), np.stack([i, i])),
        lambda i: slice(0 * i, 2),
        lambda i: (1, slice(None), [0, 2]),
        lambda i: (slice(None), np.array([True, False, True]), i),
    ],
)
def test_indices(index):
    cubes, places = RNG.normal(size=(4, 3, 3, 3)), np.array([0, 2, 1, 2])

    def read(cube, i):
        return cube[index(i)]

    same(tp.vmap(read)(cubes, places), stacked(read, cubes, places))
    same(tp.vmap(read, (None, 0))(cubes[0], places), stacked(lambda i: read(cubes[0], i), places))
    gradient = tp.grad(lambda cube, i: np.sum(np.sin(read(cube, i))))
    same(tp.vmap(gradient)(cubes, places), stacked(gradient, cubes, places))
    same(tp.vmap(gradient, (None, 0))(cubes[0], places), stacked(lambda i: gradient(cubes[0], i), places))

    def write(cube, i):
        cube = cube.copy()
        cube[index(i)] = 2.0 * cube[index(i)]
        return cube

    same(tp.vmap(write)(cubes, places), stacked(write, cubes, places))
    of_writing = tp.grad(lambda cube, i: np.sum(np.sin(write(cube, i))))
    same(tp.vmap(of_writing)(cubes, places), stacked(of_writing, cubes, places))


def test_dtypes_are_those_of_single_calls():
    xs = XS.astype(np.float32)
    assert tp.vmap(lambda x: x * 2.0 + np.float32(1))(xs).dtype == np.float32
    assert tp.vmap(np.sum)(xs).dtype == np.float32
    assert tp.vmap(lambda x: x > 0)(xs).dtype == np.bool_
    assert tp.vmap(tp.grad(lambda x: np.sum(x**2)))(xs).dtype == np.float32
    assert tp.vmap(lambda x: x.astype(int))(xs).dtype == np.int64
    with pytest.raises(tp.errors.DetachedError, match="rounded"):
        tp.grad(lambda x: np.sum(tp.vmap(lambda v, n: n.__setitem__(0, v[0]))(x, np.ones((4, 2), int))))(XS)


# --- arguments --------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: Any
    second: Any


def test_axes_of_containers():
    params = {"w": np.arange(6.0).reshape(2, 3), "b": (np.arange(3.0), 2.0)}

    def f(p, pair, scale):
        return {"sum": np.sum(p["w"]) + p["b"][0] * p["b"][1] + scale, "pair": Pair(pair.second, pair.first)}

    pair = Pair(np.ones((3, 2)), np.zeros((2, 3)))
    axes = ({"w": 1, "b": (0, None)}, Pair(0, -1), None)
    found = tp.vmap(f, axes, {"sum": 0, "pair": Pair(1, 0)})(params, pair, 10.0)
    same(found["sum"], params["w"].sum(axis=0) + 2 * np.arange(3.0) + 10)
    assert found["pair"].first.shape == (2, 3) and found["pair"].second.shape == (3, 2)
    alone = tp.vmap(lambda p: p["w"] * p["b"], ({"w": 1, "b": None},))({"w": np.ones((2, 3)), "b": 4.0})
    same(alone, np.full((3, 2), 4.0))


def test_what_all_examples_share_is_repeated_or_left_alone():
    f = lambda x: (x, np.arange(2), 3, True)  # noqa: E731
    _, twos, threes, trues = tp.vmap(f)(np.ones(4))
    assert twos.shape == (4, 2) and threes.shape == (4,) and trues.dtype == np.bool_
    once = tp.vmap(f, out_axes=(0, None, None, None))(np.ones(4))
    assert once[2] == 3 and once[1].shape == (2,)


def test_an_empty_batch():
    none = np.zeros((0, 3))
    assert tp.vmap(lambda x: np.sum(np.sin(x)))(none).shape == (0,)
    assert tp.vmap(tp.grad(lambda x: np.sum(x**2)))(none).shape == (0, 3)
    assert tp.vmap(np.linalg.inv)(np.zeros((0, 2, 2))).shape == (0, 2, 2)
    assert tp.vmap(lambda x: np.piecewise(x, [x > 0], [np.sin]))(none).shape == (0, 3)


def test_keywords_are_shared():
    same(tp.vmap(lambda x, axis: np.sum(x, axis=axis))(XS[None], axis=0), XS.sum(axis=0)[None])
    with pytest.raises(tp.errors.ArgumentError, match="keyword argument 'y'"):
        tp.vmap(lambda x, y: x + y)(XS, y=XS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tp.vmap(np.add)(XS, XS[:2]), tp.errors.ShapeError, "different lengths .argument 1: 4, argument 2: 2"),
        (lambda: tp.vmap(np.add, (0, 1))(XS, XS[0]), tp.errors.ShapeError, r"argument 2 has shape \(3,\)"),
        (lambda: tp.vmap(np.sin)(1.0), tp.errors.ArgumentError, "argument 1 is a float, which has no axis"),
        (lambda: tp.vmap(np.sin)(np.float64(1)), tp.errors.ShapeError, "no axis 0"),
        (lambda: tp.vmap(np.add, (0,))(XS, XS), tp.errors.ArgumentError, "in_axes has 1 entries, but 2"),
        (lambda: tp.vmap(np.add, (None, None))(XS, XS), tp.errors.ArgumentError, "nothing to batch"),
        (lambda: tp.vmap(np.sin)(), tp.errors.ArgumentError, "vmap got no argument"),
        (lambda: tp.vmap(np.sin, "a")(XS), tp.errors.ArgumentError, "'a', which is no axis"),
        (lambda: tp.vmap(np.sum, ({"x": 0},))([XS]), tp.errors.ArgumentError, "does not fit"),
        (lambda: tp.vmap(np.sin, out_axes=None)(XS), tp.errors.ArgumentError, "out_axes is None"),
        (lambda: tp.vmap(np.sum, out_axes=1)(XS), tp.errors.ShapeError, "no axis 1 for the batch"),
        (lambda: tp.vmap(lambda x: "text")(XS), tp.errors.ArgumentError, "gives a str"),
        (lambda: tp.vmap(np.sin)(np.ma.ones(3)), tp.errors.ArgumentError, "argument 1 is a MaskedArray"),
        (lambda: tp.vmap(np.sin)(np.array(["a"])), tp.errors.ArgumentError, "array of <U1"),
    ],
)
def test_wrong_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()


def leaked(x):
    LEAKED.append(x)
    return x


LEAKED: list[Any] = []


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x if x[0] > 0 else -x, r"decision of Python.*np\.where.*tp\.scan"),
        (lambda x: float(x[0]), r"float\(\)"),
        (lambda x: [0.0] * np.argmax(x).item(), r"\.item\(\)"),
        (lambda x: np.zeros(3)[np.argmax(x)], "like=i"),
        (lambda x: np.asarray(x), r"np\.asarray"),
        (lambda x: np.zeros(3).__setitem__(0, x[0]), "zeros_like"),
        (lambda x: x[x > 0], "different shapes"),
        (lambda x: np.nonzero(x > 0)[0], "different shapes"),
        (lambda x: f"{np.array2string(x)}", "array2string"),
        (lambda x: np.random.default_rng(0).normal(x), "needs one value"),
    ],
)
def test_what_needs_values_raises_and_says_what_to_write(f, message):
    for batched, xs in ((tp.vmap(f), XS), (tp.vmap(tp.vmap(f), 1), np.stack([XS, -XS]))):
        with pytest.raises(tp.errors.CaptureError, match=message):
            batched(xs)


def test_an_array_that_leaks():
    tp.vmap(leaked)(XS)
    with pytest.raises(tp.errors.LeakedTraceError):
        LEAKED.pop() + 1


def test_how_arrays_of_a_batch_print():
    seen = []
    tp.vmap(lambda x: seen.append((repr(x), x.shape, len(x), x.dtype)))(XS)
    assert seen == [("Batched(float64[3], 4 examples)", (3,), 3, np.float64)]


# --- functions without a derivative -----------------------------------------------------------------------------------

SQUARES = RNG.normal(size=(3, 2, 4, 4))
SYMMETRIC = SQUARES @ np.swapaxes(SQUARES, -1, -2) + np.eye(4)
NUMBERS = RNG.integers(0, 5, size=(3, 4))


@pytest.mark.parametrize(
    ("f", "operand"),
    [
        *[(getattr(np.fft, name), SQUARES) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")],
        *[(getattr(np.fft, name), SQUARES) for name in ("fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2")],
        *[(getattr(np.fft, name), SQUARES) for name in ("rfftn", "irfftn", "fftshift", "ifftshift")],
        (lambda x: np.fft.fft(x, 3, 0, "ortho"), SQUARES),
        (lambda x: np.fft.fftn(x, s=(3, 5), axes=(1, 2)), SQUARES),
        (lambda x: np.fft.rfftn(x, axes=(1, 0)), SQUARES),
        (lambda x: np.fft.fftshift(x, axes=0), SQUARES),
        *[(getattr(np.linalg, name), SYMMETRIC) for name in ("cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr")],
        *[(getattr(np.linalg, name), SYMMETRIC) for name in ("pinv", "matrix_rank", "cond", "eigvals", "slogdet")],
        (lambda x: np.linalg.svd(x, compute_uv=False), SYMMETRIC),
        (lambda x: np.linalg.cond(x, 1), SYMMETRIC),
        (np.linalg.matrix_norm, SYMMETRIC),
        (np.linalg.norm, SQUARES),
        (lambda x: np.linalg.norm(x[0]), SQUARES),
        (lambda x: np.linalg.norm(x[0], 1), SQUARES),
        (lambda x: np.linalg.norm(x[0, 0], 3), SQUARES),
        (lambda x: np.linalg.norm(x, axis=-1, keepdims=True), SQUARES),
        (lambda x: np.linalg.norm(x, "fro", axis=(0, 2)), SQUARES),
        (lambda x: np.linalg.norm(x, keepdims=True), SQUARES),
        (np.linalg.vector_norm, SQUARES),
        (lambda x: np.linalg.lstsq(x, np.ones(4), rcond=None)[0], SYMMETRIC[:, 0]),
        (lambda x: np.searchsorted(np.arange(4.0), x), SQUARES),
        (lambda x: np.searchsorted(np.sort(x), 0.3), SQUARES[:, 0, 0]),
        (lambda x: np.digitize(x, np.arange(3.0)), SQUARES),
        (lambda x: np.isin(x, [1, 3]), NUMBERS),
        (lambda x: np.isin([1, 3], x), NUMBERS),
        (lambda x: np.isin(x, [1, 3], invert=True), NUMBERS),
        (lambda x: np.unravel_index(x, (2, 3)), NUMBERS),
        (lambda x: np.ravel_multi_index((x, x % 2), (5, 2)), NUMBERS),
        (lambda x: np.lexsort((x, -x)), NUMBERS),
        (lambda x: np.bincount(x, minlength=5), NUMBERS),
        (lambda x: np.round(x, 1), SQUARES),
        (lambda x: np.isclose(x, 0.0, atol=0.5), SQUARES),
        (lambda x: np.allclose(x, 0.0, atol=2.0), SQUARES),
        (lambda x: np.array_equal(x, x), SQUARES),
        (lambda x: np.argmax(x, axis=1, keepdims=True), SQUARES),
        (lambda x: np.argmin(x, keepdims=True), SQUARES),
        (lambda x: np.argsort(x, axis=None), SQUARES),
        (lambda x: np.argpartition(x, 2, axis=0), SQUARES[:, 0]),
        (lambda x: np.count_nonzero(x > 0, axis=0, keepdims=True), SQUARES),
        (lambda x: np.any(x > 1, axis=(0, 2)), SQUARES),
        (lambda x: np.sum(x, where=x > 0, axis=0), SQUARES),
        (lambda x: np.mean(x, where=x > 0), SQUARES),
        (lambda x: np.max(x, where=x[0] > 0, initial=-3.0, axis=0), SQUARES),
        (lambda x: np.bitwise_and(x, 3) << 1, NUMBERS),
        (lambda x: np.add.accumulate(x) + np.multiply.outer(x[0], x)[0], SQUARES[:, 0]),
        (lambda x: np.geomspace(np.abs(x[0]) + 1, 10.0, 4), NUMBERS),
        (lambda x: np.histogram(x, bins=3, range=(0, 5))[0], NUMBERS),
        (lambda x: np.interp(x, np.arange(3.0), np.ones(3)), SQUARES),
        (lambda x: np.polyval([1.0, 2.0], x), SQUARES),
    ],
)
def test_functions_without_a_derivative(f, operand):
    found, expected = tp.vmap(f)(operand), [f(row) for row in operand]
    columns = zip(*map(tp.tree.leaves, expected), strict=True)
    for values, column in zip(tp.tree.leaves(found), columns, strict=True):
        stack = np.stack([np.asarray(part) for part in column])
        assert values.dtype == stack.dtype and values.shape == stack.shape
        np.testing.assert_allclose(values, stack, rtol=1e-12, atol=1e-12)
