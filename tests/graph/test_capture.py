"""Capture: a function as a graph, whatever NumPy it uses; what needs values raises and says what to write."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import twopass as tp
from twopass.errors import CaptureError, LeakedTraceError
from twopass.graph.capture import capture, split
from twopass.graph.interpreter import evaluate
from twopass.graph.passes import run
from twopass.graph.verify import verify, verify_values

X = np.arange(12.0).reshape(3, 4)
PLACES = np.array([2, 0, 2])
M = X > 5


def agrees(f, *args, tolerance=1e-12):
    """Capture a function; before and after the passes the graph computes what the function does."""
    expected = f(*[np.copy(a) if isinstance(a, np.ndarray) else a for a in args])
    graph, outputs = capture(f, args)
    for passes in (lambda same: same, run):
        changed = passes(graph)
        verify(changed)
        verify_values(changed, split(args).leaves)
        found = outputs.build(evaluate(changed, split(args).leaves))
        assert tp.tree.structure(found) == tp.tree.structure(expected)
        for a, b in zip(tp.tree.leaves(found), tp.tree.leaves(expected), strict=True):
            assert np.shape(a) == np.shape(b) and np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return graph


# --- what NumPy can do ------------------------------------------------------------------------------------------------


def test_in_place_changes_and_views():
    def f(x):
        y = x * 2
        y[1] += 3
        y[:, 2] = 7
        turned = y.T
        turned[0] = 1
        flat = y.reshape(-1)
        flat[3:5] *= 2
        first = y[0]
        first[...] = first + 1
        y[-1, ::-2] = x[0, :2]
        return y, turned, flat

    agrees(f, X)


def test_writing_at_captured_places():
    def f(x, i, v):
        y = np.zeros_like(x)
        y[i] = v
        y[0, i] += 1.0
        np.add.at(y, i, 2.0)
        return y

    agrees(f, X, PLACES, np.float64(3))


def test_masks():
    def f(x, m):
        y = np.copy(x)
        y[m] = 0
        y[~m & (x > 2)] = -1
        y[x == 1] = x[2, 2]
        y[m[:, 3]] = x[1]
        y[m[:, 3], 0] = 9
        count = m.astype(int).sum()
        return y, np.where(m, x, 0), m | (x == 0), m ^ m, np.sum(x, where=m), np.mean(x, axis=0, where=m), count

    agrees(f, X, M)


def test_gathering():
    def f(x, i):
        table = np.asarray(np.arange(5.0), like=x)
        rows = x[i], x[:, i], x[i, 1], x[1, i], x[i[:, None], i], x[i[0]], x[0][i[1]]
        return rows, table[i], np.take(x, i, axis=1), np.take(x, i, mode="clip"), np.take_along_axis(x, i[:, None], 1)

    agrees(f, X, PLACES)


def test_choosing():
    def f(x, i):
        return np.choose(i, [x[0, :3], x[1, :3], 7.0]), np.choose(i + 1, [x[0, 0], x[1, 1]], mode="wrap")

    agrees(f, X, PLACES)
    agrees(tp.grad(lambda x: np.sum(np.choose(np.arange(3, like=x).astype(int), [x[0, :3], x[1, :3], 2.0]))), X)


def test_integers_and_booleans_stay_captured():
    def f(i, m):
        key = np.uint64(3) * i.astype(np.uint64) ^ np.uint64(1)
        return i // 2 + i % 2, i << 1, i >> 1, -i, i.max(), key, np.logical_and.reduce(m), np.bitwise_or.reduce(i), ~m

    agrees(f, PLACES, M)


def test_functions_without_a_rule_are_calls():
    def f(x):
        square = x.T @ x + np.eye(4)
        spectrum = np.linalg.eigh(square)
        assert type(spectrum).__name__ == "EighResult"
        return (
            np.abs(np.fft.fft(x)),
            spectrum.eigenvalues,
            np.linalg.svd(square, compute_uv=False),
            np.linalg.qr(square),
            np.linalg.slogdet(square),
            np.histogram(x, bins=3),
            np.argsort(x),
            np.searchsorted(np.arange(5.0), x),
            np.median(x),
            np.unwrap(x),
            np.interp(x, [0, 1, 20], [1, 2, 3]),
        )

    agrees(f, X)


def test_questions_about_types_are_answered():
    def f(x):
        assert len(x) == 3 and x.shape == np.shape(x) == (3, 4) and np.ndim(x) == x.ndim == 2 and x.size == 12
        assert np.result_type(x, np.float32) == np.float64 and not np.iscomplexobj(x) and x.nbytes == 96
        return [row.sum() for row in x], np.zeros(3, like=x), np.array([x[0, 0], 1.0], like=x)

    agrees(f, X)


def test_python_floats_are_inputs_without_a_dtype_of_their_own():
    def f(x, rate):
        return x * rate, np.exp(x) / rate, x > rate, np.where(x > 0, rate, x), np.maximum(rate, x)

    graph = agrees(f, X.astype(np.float32), 0.1, tolerance=1e-6)
    assert len(graph.inputs) == 2
    assert all(output.dtype in (np.float32, bool) for output in graph.outputs)


def test_other_python_values_are_static():
    graph = agrees(lambda x, n, flag, name: x**n if flag and name == "a" else x, X, 3, True, "a")
    assert [node.name for node in graph.inputs] == ["x"]


def test_results_keep_their_containers_and_static_leaves():
    graph, outputs = capture(lambda x: {"a": [x, None], "b": (3, "text", np.ones(2))}, (X,))
    found = outputs.build(evaluate(graph, [X]))
    assert found["a"][1] is None and found["b"][:2] == (3, "text")
    np.testing.assert_array_equal(found["b"][2], 1)


def test_arrays_from_outside_are_copied():
    table = np.ones(4)
    graph, outputs = capture(lambda x: x + table, (X,))
    table[:] = 5
    np.testing.assert_array_equal(outputs.build(evaluate(graph, [X])), X + 1)


def test_examples_of_large_products_are_not_computed():
    wide = np.random.default_rng(0).normal(size=(2, 50, 40))

    def f(x):
        gram = np.swapaxes(x, -1, -2) @ x
        return np.linalg.cholesky(gram), np.linalg.solve(gram, x[0].T), x[0] @ x[0].T

    agrees(f, wide, tolerance=1e-8)
    agrees(f, wide.astype(np.float32), tolerance=1e-2)
    with pytest.raises(ValueError, match="matmul"):
        capture(lambda x: x @ x, (wide,))


def test_examples_of_huge_arrays_take_no_memory():
    def f(x, y):
        z = np.where(y > 0, np.tanh(x @ y) * 2 + y[:1], y)
        return z, np.sqrt(np.abs(z)), np.maximum(z, x[:, :1]), np.linalg.solve(np.exp(x @ y), y[0])

    huge = np.broadcast_to(np.zeros((), np.float32), (1100, 1100))
    tracemalloc.start()
    try:
        graph, _ = capture(f, (huge, huge))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3.5 * huge.nbytes  # which solving takes
    types = [(node.shape, node.dtype) for node in graph.outputs]
    assert types == [((1100, 1100), np.float32)] * 3 + [((1100,), np.float32)]


@pytest.mark.parametrize("name", ["cholesky", "inv", "det", "slogdet", "qr", "eigvalsh"])
def test_examples_of_huge_matrices_can_be_factored(name):
    huge = np.broadcast_to(np.zeros(()), (1050, 1050))
    graph, _ = capture(lambda x: getattr(np.linalg, name)(x @ x.T + np.ones(1050)), (huge,))
    assert all(node.dtype == np.float64 for node in graph.outputs)


def test_the_users_floating_point_checks_do_not_see_examples():
    def f(x):
        with np.errstate(all="raise"):
            return np.log(x)

    graph, outputs = capture(f, (np.zeros(2),))
    np.testing.assert_array_equal(outputs.build(evaluate(graph, [np.ones(2)])), 0)


# --- derivatives ------------------------------------------------------------------------------------------------------


def test_derivatives_of_all_kinds():
    def f(x):
        def cube(v):
            return np.sum(np.tanh(v) ** 3)

        return (
            tp.value_and_grad(cube)(x),
            tp.hessian(cube)(x[0]),
            tp.jacobian(np.exp)(x[0]),
            tp.jvp(np.sin, (x,), (x,)),
            tp.hvp(cube, (x,), (x,)),
            tp.elementwise_grad(np.tanh)(x),
            tp.grad(lambda v: np.sum(v * tp.stop_gradient(v)))(x),
        )

    agrees(f, X / 10)


def test_derivatives_of_gathering_and_writing():
    def f(x, i):
        def total(w):
            z = np.zeros_like(w)
            z[i] = w[i] * 2
            z[i, 1] += w[0, i]
            return np.sum(z**2) + np.sum(np.sort(w)[1] * np.median(w))

        return tp.value_and_grad(total)(x)

    agrees(f, X, PLACES)


def test_absent_elements():
    agrees(tp.grad(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0))), np.array([4.0, 0.0, 1.0]))


def test_a_python_float_is_differentiated_as_a_double():
    f = tp.value_and_grad(lambda x, rate: np.sum(x * rate), argnums=(0, 1))
    agrees(f, X.astype(np.float32), 0.1)


def test_custom_rules_are_looked_into():
    def logsumexp(x):
        return np.max(x) + np.log(np.sum(np.exp(x - np.max(x))))

    def pullback_of(x):
        out = logsumexp(x)
        return out, lambda cotangent: (cotangent * np.exp(x - out),)

    stable = tp.custom_rule(logsumexp, vjp=pullback_of)
    graph = agrees(lambda x: (stable(x), tp.grad(stable)(x), tp.hvp(stable, (x,), (x,))), X)
    assert not any(node.function is logsumexp for node in graph)


def test_a_custom_rule_that_looks_at_values_is_one_call():
    def first_positive(x):
        return x[next(i for i in range(len(x)) if x[i] > 0)]

    hidden = tp.custom_rule(first_positive, jvp=lambda primals, tangents: (first_positive(*primals), 0.0))
    graph, outputs = capture(hidden, (np.array([1.0, 2.0]),))
    assert outputs.build(evaluate(graph, [np.array([-1.0, 2.0])])) == 2


def test_random_numbers_of_a_captured_key():
    def f(key, x):
        return tp.nn.random.uniform(tp.nn.random.fold_in(key, 3), x.shape)

    agrees(f, np.uint64(7), X)


# --- what needs values ------------------------------------------------------------------------------------------------

REFUSED = {
    "if": lambda x: x if x[0, 0] > 0 else -x,
    "and": lambda x: x[0, 0] > 0 and x[0, 1] > 0,
    "float": lambda x: float(x[0, 0]),
    "int": lambda x: int(x[0, 0]),
    "range": lambda x: range(x.astype(int)[0, 0]),
    "asarray": lambda x: np.asarray(x),
    "item": lambda x: x[0, 0].item(),
    "contains": lambda x: 3.0 in x,
    "index of a plain array": lambda x: np.arange(3)[x.astype(int)[0]],
    "into a plain array": lambda x: np.zeros(4).__setitem__(0, x[0, 0]),
    "out": lambda x: np.add(x, x, out=np.zeros((3, 4))),
    "mask": lambda x: x[x > 0],
    "writing at a mask": lambda x: np.zeros_like(x).__setitem__(x > 0, x[x > 0]),
    "as many values as a mask has": lambda x: np.zeros_like(x).__setitem__(x > 0, np.ones(11)),
    "nonzero": lambda x: np.nonzero(x),
    "where": lambda x: np.where(x > 0),
    "unique": lambda x: np.unique(x),
    "compress": lambda x: np.compress(x[0] > 0, x, axis=1),
    "repeat": lambda x: np.repeat(x[0], x[0].astype(int)),
    "slice": lambda x: x[x.astype(int)[0, 0] :],
    "text": lambda x: np.array2string(x),
    "a function of all": lambda x: np.linspace(0, 1, x.astype(int)[0, 0]),
}


@pytest.mark.parametrize("f", REFUSED.values(), ids=REFUSED)
def test_what_needs_values_raises_and_says_so(f):
    with pytest.raises(CaptureError, match=r"test_capture\.py:\d+") as caught:
        capture(f, (X,))
    assert any(word in str(caught.value) for word in ("np.where", "np.take", "np.asarray"))


def test_arguments_are_not_changed():
    x = X.copy()

    def f(x):
        x += 1
        return x

    with pytest.raises(CaptureError, match="changes its argument x in place"):
        capture(f, (x,))
    with pytest.raises(CaptureError, match="changes its argument x in place"):
        capture(lambda x: x.T.__setitem__(0, 1.0), (x,))
    np.testing.assert_array_equal(x, X)


def test_a_traced_array_from_outside_is_not_taken_for_a_constant():
    with pytest.raises(CaptureError, match="closes over a traced array"):
        tp.grad(lambda w: capture(lambda x: np.sum(x * w), (X,)))(2.0)


def test_captured_arrays_do_not_outlive_the_capture():
    kept = []
    capture(lambda x: kept.append(x) or x, (X,))
    with pytest.raises(LeakedTraceError):
        kept[0] + 1


def test_values_are_shown_as_types():
    seen = []
    capture(lambda x: seen.extend([repr(x), str(x), f"{x[0]}"]) or x, (X,))
    assert seen == ["Captured(float64[3, 4])", "Captured(float64[3, 4])", "Captured(float64[4])"]


def test_objects_are_refused():
    with pytest.raises(CaptureError, match="arrays of object cannot be captured"):
        capture(lambda x: x, (np.array([None]),))


def test_a_failed_capture_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        capture(lambda x: 1 // 0, (X,))
    carry, _ = tp.scan(lambda c, x: (c + x, None), 0.0, np.arange(3.0))
    assert carry == 3.0


def test_a_plain_result_is_stored_in_a_captured_array():
    def f(x):
        y = x * 2
        np.multiply(np.arange(3.0), 2.0, out=y)
        return y + x

    np.testing.assert_array_equal(tp.compile(f)(np.ones(3)), [1.0, 3.0, 5.0])
