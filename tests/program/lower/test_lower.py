"""Programs compute what their functions do, and are cut into kernels as they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import twopass as tp
from twopass.graph.capture import capture
from twopass.graph.passes import run
from twopass.program.interpreter import interpret
from twopass.program.ir import Call, Contraction, Launch, Loop, Program, Repeat, flat
from twopass.program.lower import lower
from twopass.program.machine import Machine
from twopass.program.verify import verify

MACHINE = Machine("test", vector_bytes=32, tile_vectors=2)
rng = np.random.default_rng(0)


def array(*shape: int, dtype: Any = np.float64) -> Any:
    return rng.normal(size=shape).astype(dtype)


def program_of(f: Callable[..., Any], *args: Any) -> Program:
    graph, _ = capture(f, args)
    program = lower(run(graph), MACHINE)
    verify(program)
    return program


def check(f: Callable[..., Any], *args: Any, tolerance: float = 1e-12) -> Program:
    program = program_of(f, *args)
    found = interpret(program, [np.ascontiguousarray(leaf) for leaf in tp.tree.leaves(args)])
    wanted = tp.tree.leaves(f(*args))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert np.asarray(other).dtype == one.dtype
        np.testing.assert_allclose(np.reshape(one, np.shape(other)), other, rtol=tolerance, atol=tolerance)
    return program


def kinds(program: Program) -> list[str]:
    return [type(s).__name__ if isinstance(s, Call) else type(s.kernel).__name__ for s in flat(program.statements)]


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def normalised(x: Any, axis: int) -> Any:
    mean = np.mean(x, axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(np.mean(np.square(x - mean), axis=axis, keepdims=True) + 1e-3)


def filled(x: Any) -> Any:
    y = np.zeros_like(x)
    y[1:3] = x[:2] * 2
    y[:, 0] = 7.0
    return y


X, Y, W, V = array(5, 7), array(5, 7), array(7, 6), array(7)


def _positive_part(y: Any) -> Any:
    return np.where(y > 0, np.exp(y), 0)


FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "chain": (lambda x, y: np.tanh(x * 2 + y) / (1 + x * x), X, Y),
    "broadcast": (lambda x, v: (x + v) * v[0] - x[:, :1], X, V),
    "scalars": (lambda a, b: (a * b + np.sin(a), np.exp(-b)), np.float64(0.3), np.float64(1.5)),
    "python numbers": (lambda x: x * 2 + 1, array(3, dtype=np.float32)),
    "mixed dtypes": (lambda x, y: x * y + np.arange(4), array(4, dtype=np.float32), array(4)),
    "integers": (lambda n: (n * 3 - n // 2, n % 3 == 1, n > 2), np.arange(-5, 9)),
    "booleans": (lambda x: np.where((x > 0) & ~(x > 1), x, -1.0), X),
    "sum": (lambda x: (np.sum(x), np.sum(x, axis=0), np.sum(x, axis=1)), X),
    "max": (lambda x: (np.max(x, axis=0), np.min(x), np.prod(x, axis=-1)), X),
    "sum of three axes": (lambda x: np.sum(x * x, axis=(0, 2)), array(3, 4, 5)),
    "long sum": (lambda x: np.sum(np.exp(x)), array(300, 200)),
    "odd long sum": (lambda x: np.sum(x), array(40009)),
    "any and all": (lambda x: (np.any(x > 1, axis=0), np.all(x > -3), np.any(x, axis=1)), X),
    "softmax": (softmax, X),
    "normalised rows": (lambda x: normalised(x, 1), X),
    "normalised columns": (lambda x: normalised(x, 0) * 2 + np.sum(x, axis=0), X),
    "transposes": (lambda x, y: (x.T + y.T * 2, (x + y).T), X, Y),
    "turned operand": (lambda x, w: x + w.T, array(5, 7), array(7, 5)),
    "reshapes": (lambda x: (x.reshape(7, 5) * 2, np.ravel(x.T) + 1, (x * 2).reshape(-1)), X),
    "slices": (lambda x: (x[1:, ::2] * x[:-1, 1::2][:, ::-1].sum(), x[2], x[:, -1]), array(5, 6)),
    "neighbours": (lambda x: np.sum((x[1:] * 2 - x[:-1]) ** 2), array(50)),
    "concatenate": (lambda x, y: np.concatenate([x, y * 2, x[:1]], axis=0), X, Y),
    "stack": (lambda x, y: np.stack([x, y], axis=1), X, Y),
    "assignment": (filled, X),
    "matmul": (lambda x, w: x @ w, X, W),
    "layer": (lambda x, w, v: np.tanh(x @ w + v[:6]), X, W, V),
    "product of transposes": (lambda x, y: (x.T @ y, x @ y.T), X, Y),
    "matrix and vector": (lambda x, v, u: (x @ v, u @ x), X, V, array(5)),
    "dot": (lambda a, b: a @ b, array(9), array(9)),
    "outer": (lambda a, b: np.outer(a, b) + 1, array(4), array(6)),
    "stacked": (lambda a, b: np.tanh(a @ b), array(3, 4, 5), array(3, 5, 6)),
    "stack and matrix": (lambda a, b: a @ b, array(3, 4, 5), array(5, 6)),
    "einsum": (lambda a, b: np.einsum("bij,ijo->bo", a, b), array(3, 4, 5), array(4, 5, 6)),
    "einsum turned": (lambda a, b: np.einsum("ij,kj->ki", a, b), array(3, 4), array(5, 4)),
    "one row": (lambda x, w: x @ w, array(1, 7), W),
    "one column": (lambda x, w: x @ w, X, array(7, 1)),
    "float32 layer": (lambda x, w: np.maximum(x @ w, 0), array(5, 7, dtype=np.float32), array(7, 20, dtype=np.float32)),
    "calls": (lambda x: (np.sort(x, axis=0) * 2, np.cumsum(x + 1)), X),
    "linear equations": (lambda a, b: np.linalg.solve(a + 9 * np.eye(4), b), array(4, 4), array(4)),
    "complex": (lambda x: np.abs(np.exp(1j * x)) + 1, V),
    "input as output": (lambda x: (x, x, x.T), X),
    "output twice": (lambda x: (x + 1,) * 2, X),
    "constant output": (lambda x: np.ones((2, 3)), X),
    "empty": (lambda x: (x * 2, np.sum(x, axis=0), np.sum(x)), np.zeros((0, 3))),
    "empty product": (lambda a, b: a @ b, np.zeros((3, 0)), np.zeros((0, 4))),
    "zero-dimensional views": (lambda x: (x[2, 3] * 2, x[0, 0] + x[1, 1]), X),
    "dropout": (
        lambda x, key: tp.nn.Dropout(0.5).apply({}, x, training=True, key=key)[0],
        array(6, 5, dtype=np.float32),
        np.uint64(11),
    ),
    "rows of a table": (lambda t, i: np.take(t, i, axis=0, mode="clip") * 2, X, np.array([0, 4, 4, 2])),
    "gather": (lambda t, i: t[i], X, np.array([0, -1, 2])),
    "mask of a slice": (tp.grad(lambda w, x, b: np.sum(_positive_part((x @ w + b)[:, 1:3]))), W, X, array(6)),
    "sums of rows": (
        lambda t, i: tp.grad(lambda t: np.sum(np.take(t, i, 0, mode="clip") ** 2))(t),
        X,
        np.array([3, 9, 3]),
    ),
    "sums of rows of a stack": (
        lambda t, i: tp.grad(lambda t: np.sum(np.take(t, i, axis=1, mode="clip") ** 3))(t),
        array(3, 5, 2),
        np.array([[4, 0], [1, 4]]),
    ),
    "sums of rows, each table its own": (
        lambda t, i: tp.vmap(tp.grad(lambda t, i: np.sum(np.take(t, i, axis=0, mode="clip") ** 3)))(t, i),
        array(3, 5, 2),
        np.array([[4, 0], [1, 4], [2, 2]]),
    ),
    "sums of rows in places that are selected": (
        lambda t, i: tp.grad(lambda t: np.sum(tp.vmap(lambda t: tp.nn.relu(np.take(t, i, 0, mode="clip")))(t)))(t),
        array(3, 5, 2),
        np.array([4, 0, 0]),
    ),
    "sums of turned rows": (
        lambda t, i, y: tp.grad(lambda t: np.sum(np.take(t, i, 0, mode="clip") * y.T))(t),
        X,
        np.array([3, 9, 3]),
        array(7, 3),
    ),
    "scatter": (lambda t, i: tp.grad(lambda t: np.sum(t[i] ** 2))(t), X, np.array([0, -1, 0])),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_program_computes_what_its_function_does(name: str) -> None:
    function, *args = FUNCTIONS[name]
    tolerance = 1e-5 if any(getattr(a, "dtype", None) == np.float32 for a in args) else 1e-12
    check(function, *args, tolerance=tolerance)


GRADIENTS = [
    "chain", "broadcast", "sum", "max", "softmax", "normalised rows", "normalised columns", "turned operand",
    "reshapes", "slices", "neighbours", "concatenate", "stack", "assignment", "layer", "product of transposes",
    "matrix and vector", "dot", "outer", "stacked", "stack and matrix", "einsum", "calls",
]  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_so_do_gradients(name: str) -> None:
    function, *args = FUNCTIONS[name]

    def total(*args: Any) -> Any:
        return sum(np.sum(np.sin(leaf)) for leaf in tp.tree.leaves(function(*args)))

    check(tp.value_and_grad(total, argnums=tuple(range(len(args)))), *args, tolerance=1e-11)


def test_bias_and_activation_are_the_epilogue_of_the_product() -> None:
    program = check(*FUNCTIONS["layer"])
    assert kinds(program) == ["Contraction"]


def test_a_softmax_is_one_kernel() -> None:
    assert kinds(check(*FUNCTIONS["softmax"])) == ["Loop"]


def test_an_update_is_the_epilogue_of_the_gradient() -> None:
    def step(w: Any, m: Any, x: Any, dz: Any) -> Any:
        m = 0.9 * m + x.T @ dz
        return w - 0.1 * m, m

    program = check(step, array(6, 20), array(6, 20), array(8, 6), array(8, 20))
    assert kinds(program) == ["Contraction"]
    assert not program.offsets  # the gradient is nowhere in memory


def test_a_norm_of_a_gradient_keeps_it_once() -> None:
    def clipped(w: Any, x: Any, dz: Any) -> Any:
        gradient = x.T @ dz
        return w - gradient / np.sqrt(np.sum(gradient * gradient))

    program = check(clipped, array(6, 20), array(8, 6), array(8, 20))
    assert kinds(program) == ["Contraction", "Loop"]


def test_stacked_products_with_one_matrix_are_one_product() -> None:
    program = check(lambda x, w, b: np.tanh(x @ w + b), array(3, 4, 5), array(5, 6), array(6))
    (launch,) = program.launches()
    assert isinstance(launch.kernel, Contraction) and launch.kernel.batch == () and launch.kernel.m == 12


def test_rows_of_a_table_are_native_if_they_are_in_range() -> None:
    assert "Call" not in kinds(check(*FUNCTIONS["rows of a table"]))
    assert "Call" not in kinds(check(*FUNCTIONS["mask of a slice"]))
    assert "Call" in kinds(check(*FUNCTIONS["gather"]))


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name.startswith("sums of")])
def test_sums_of_rows_are_native_if_the_rows_are_in_range(name: str) -> None:
    assert kinds(check(*FUNCTIONS[name])).count("Scatter") == (2 if "selected" in name else 1)  # and what they reach
    assert "Call" not in kinds(check(*FUNCTIONS[name]))
    assert "Scatter" not in kinds(check(*FUNCTIONS["scatter"]))


def test_calls_know_the_line_of_the_user() -> None:
    program = program_of(lambda x: np.sort(x), V)
    (call,) = flat(program.statements)
    assert isinstance(call, Call) and call.name == "sort" and "test_lower.py" in call.line


def test_temporaries_share_memory() -> None:
    def deep(x: Any, w: Any) -> Any:
        for _ in range(20):
            x = np.tanh(x @ w)
        return x

    program = check(deep, array(16, 16), array(16, 16))
    assert sum(isinstance(launch.kernel, Contraction) for launch in program.launches()) == 20
    assert program.arena <= 2 * 16 * 16 * 8


def test_equal_kernels_are_equal() -> None:
    def deep(x: Any, ws: Any) -> Any:
        for w in ws:
            x = np.maximum(x @ w, 0)
        return x

    program = program_of(deep, array(8, 16), [array(16, 16) for _ in range(12)])
    assert len(program.launches()) == 12
    # The first reads the caller's array and the last writes one; padding makes them differ at most.
    assert len({launch.kernel for launch in program.launches()}) <= 3


def test_a_chain_deeper_than_the_stack_is_lowered() -> None:
    def chain(x: Any) -> Any:
        for _ in range(3000):
            x = x * 1.0001 + 0.001
        return x

    program = check(chain, array(3), tolerance=1e-9)
    assert all(isinstance(launch.kernel, Loop) for launch in program.launches())


def test_a_kernel_that_grew_later_is_not_needed_in_the_middle() -> None:
    def f(x: Any, y: Any) -> Any:
        moved = x - 1
        early = np.sort(np.linalg.inv(moved))
        product = x @ y
        turned = np.sort(product)
        late = moved + turned  # joins the kernel of `moved`, which now needs the product
        return early, late, product + early  # so this cannot join the product: `early` needs that kernel

    check(f, array(3, 3), array(3, 3))


def test_sums_over_panels_read_them_in_place() -> None:
    def f(w: Any, xs: Any) -> Any:
        def step(w: Any, x: Any) -> Any:
            return w - 0.01 * (x.T @ (x @ w)), np.sum(np.square(w))

        return tp.scan(step, w, xs)

    program = check(f, array(200, 300), array(3, 4, 200), tolerance=1e-10)
    repeat = next(statement for statement in program.statements if isinstance(statement, Repeat))
    assert [statement.note for statement in repeat.body if isinstance(statement, Launch)].count("copy") == 0
    carried = [
        access
        for s in flat(repeat.body)
        if isinstance(s, Launch) and isinstance(s.kernel, Loop)
        for access in s.kernel.inputs
        if access.panels
    ]
    assert carried  # the sum of squares reads the panels of w


def test_what_follows_a_reduction_across_rows_stays_in_its_kernel() -> None:
    assert kinds(check(lambda x, w: (2 * normalised(x, 0) + 1) @ w, array(16, 40), array(40, 8))) == [
        "Loop",
        "Contraction",
    ]
