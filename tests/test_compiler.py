"""Compiled functions are the functions that they were made of."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import pytest

import twopass as tp
from twopass.compiler import KEPT
from twopass.errors import ArgumentError, CaptureError


def network(p: Any, x: Any, y: Any) -> Any:
    hidden = np.tanh(x @ p["w1"] + p["b1"])
    return np.mean((hidden @ p["w2"] + p["b2"] - y) ** 2)


def parameters(dtype: Any = np.float64) -> Any:
    rng = np.random.default_rng(0)
    shapes = {"w1": (8, 16), "b1": (16,), "w2": (16, 3), "b2": (3,)}
    p = {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    return p, rng.normal(size=(32, 8)).astype(dtype), rng.normal(size=(32, 3)).astype(dtype)


@pytest.fixture(params=["llvm", "numpy"])
def backend(request: Any) -> str:
    return str(request.param)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-14), (np.float32, 1e-5)])
def test_value_and_gradient(backend: str, dtype: Any, tolerance: float) -> None:
    args = parameters(dtype)
    plain = tp.value_and_grad(network)
    compiled = tp.compile(plain, backend=backend)
    for _ in range(3):
        value, gradient = compiled(*args)
        wanted, slopes = plain(*args)
        assert np.asarray(value).dtype == np.asarray(wanted).dtype
        np.testing.assert_allclose(value, wanted, rtol=tolerance)
        assert list(gradient) == list(slopes)
        for name, slope in slopes.items():
            assert gradient[name].dtype == slope.dtype and gradient[name].flags.writeable
            np.testing.assert_allclose(gradient[name], slope, atol=tolerance)


def test_results_are_the_callers_own() -> None:
    double = tp.compile(lambda x: x * 2)
    x = np.ones(3)
    one, other = double(x), double(x)
    one[:] = 0
    assert (other == 2).all() and (double(x) == 2).all() and (x == 1).all()


def test_new_shapes_and_dtypes_compile_anew() -> None:
    runs = []

    def f(x: Any) -> Any:
        runs.append(x.shape)
        return np.sum(x * x)

    compiled = tp.compile(f)
    for x in (np.ones(3), np.ones(4), np.ones(3, np.float32), np.ones((3, 1)), np.ones(3), np.ones((1, 3))):
        assert compiled(x) == x.size
    assert runs == [(3,), (4,), (3,), (3, 1), (1, 3)]


def test_one_size_in_two_shapes(backend: str) -> None:
    compiled = tp.compile(lambda x: x.T * 1.0, backend=backend)
    assert compiled(np.ones((2, 3))).shape == (3, 2)
    assert compiled(np.ones((3, 2))).shape == (2, 3)
    assert compiled(np.ones((2, 3))).shape == (3, 2)


def test_static_arguments() -> None:
    compiled = tp.compile(lambda x, n, name: x**n if name == "power" else x)
    x = np.array([1.0, 2.0])
    assert compiled(x, 3, "power").tolist() == [1, 8]
    assert compiled(x, 2, "power").tolist() == [1, 4]
    assert compiled(x, 2, "none").tolist() == [1, 2]
    assert compiled(x, True, "power").tolist() == compiled(x, 1, "power").tolist() == [1, 2]


def test_keyword_arguments() -> None:
    compiled = tp.compile(lambda x, *, factor: x * factor)
    assert compiled(np.ones(2), factor=np.array(3.0)).tolist() == [3, 3]
    assert compiled(np.ones(2), factor=np.array(4.0)).tolist() == [4, 4]


def test_python_floats_are_weak_and_may_change() -> None:
    runs = []

    def f(x: Any, rate: Any) -> Any:
        runs.append(rate)
        return x * rate

    compiled = tp.compile(f)
    x = np.ones(3, np.float32)
    assert compiled(x, 0.5).dtype == np.float32
    assert compiled(x, 0.25).tolist() == [0.25] * 3
    assert len(runs) == 1
    assert compiled(x, np.float64(0.5)).dtype == np.float64


class Pair(NamedTuple):
    first: Any
    second: Any


def test_trees_go_in_and_out(backend: str) -> None:
    def f(tree: Any) -> Any:
        return {
            "sum": tree["pair"].first + tree["pair"].second,
            "rest": [None, Pair(tree["list"][0] * 2, 7)],
            "text": "a",
        }

    compiled = tp.compile(f, backend=backend)
    given = {"pair": Pair(np.ones(2), np.ones(2)), "list": [np.ones(1), None]}
    for _ in range(2):
        found = compiled(given)
        assert found["sum"].tolist() == [2, 2] and found["text"] == "a"
        assert found["rest"][0] is None and isinstance(found["rest"][1], Pair)
        assert found["rest"][1].first.tolist() == [2] and found["rest"][1].second == 7


def test_arrays_of_any_layout(backend: str) -> None:
    compiled = tp.compile(lambda x: x[0] - x[1], backend=backend)
    x = np.arange(12.0).reshape(4, 3)
    for view in (x[:2], x[::-2], np.asfortranarray(x), x[:, ::-1], x.astype(">f8").astype(float)):
        for _ in range(2):
            np.testing.assert_array_equal(compiled(view), view[0] - view[1])
    frozen = x.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(compiled(frozen), x[0] - x[1])


def test_a_compiled_function_may_be_differentiated() -> None:
    compiled = tp.compile(lambda x: np.sum(np.sin(x) * x))
    x = np.linspace(0, 1, 5)
    compiled(x)
    np.testing.assert_allclose(tp.grad(compiled)(x), np.cos(x) * x + np.sin(x))
    np.testing.assert_allclose(tp.hessian(compiled)(x), np.diag(2 * np.cos(x) - x * np.sin(x)))


def test_a_compiled_function_may_be_compiled_again() -> None:
    inner = tp.compile(np.tanh)
    outer = tp.compile(lambda x: inner(x) + 1)
    np.testing.assert_allclose(outer(np.ones(3)), np.tanh(np.ones(3)) + 1)


def test_a_chain_may_be_longer_than_the_stack_of_python() -> None:
    def chain(x: Any) -> Any:
        y = x
        for _ in range(600):
            y = np.maximum(y * x, 0.5 * x)
        return y

    x = np.linspace(0.5, 1.0, 3)
    np.testing.assert_array_equal(tp.compile(chain)(x), chain(x))


def test_decisions_on_values_are_refused() -> None:
    def f(x: Any) -> Any:
        return x if x[0] > 0 else -x

    with pytest.raises(CaptureError, match=r"test_compiler\.py.*np\.where") as raised:
        tp.compile(f)(np.ones(3))
    assert "if" in str(raised.value) or "bool" in str(raised.value)


def test_closed_over_arrays_are_constants() -> None:
    table = np.arange(3.0)
    compiled = tp.compile(lambda x: x + table)
    assert compiled(np.zeros(3)).tolist() == [0, 1, 2]


def test_the_same_bits_with_any_number_of_threads() -> None:
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(200, 300)), rng.normal(size=(300, 150))

    def f(x: Any, w: Any) -> Any:
        y = np.tanh(x @ w)
        return y, np.sum(np.exp(x)), np.sum(x, axis=0), tp.grad(lambda w: np.sum((x @ w) ** 2))(w)

    found = [tp.compile(f, threads=n)(x, w) for n in (1, 2, 4)]
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            assert np.asarray(one).tobytes() == np.asarray(two).tobytes()


def test_calls_from_several_python_threads() -> None:
    args = parameters()
    compiled = tp.compile(tp.value_and_grad(network))
    wanted = compiled(*args)[0]
    found: list[Any] = []

    def work() -> None:
        found.extend(compiled(*args)[0] for _ in range(50))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [wanted] * 200


def test_exceptions_in_calls_of_numpy_reach_the_caller() -> None:
    compiled = tp.compile(lambda a: np.linalg.inv(a) * 2)
    np.testing.assert_allclose(compiled(np.eye(2) * 2), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((2, 2)))
    np.testing.assert_allclose(compiled(np.eye(2)), 2 * np.eye(2))


def test_graph_program_and_explanation() -> None:
    compiled = tp.compile(tp.value_and_grad(network))
    with pytest.raises(ArgumentError, match=r"\.trace\(\*args\)"):
        _ = compiled.graph
    compiled.trace(*parameters())
    assert "tanh" in str(compiled.graph)
    assert "tanh" in str(compiled.program)
    compiled(*parameters())
    assert "FLOP" in compiled.explain() or "flop" in compiled.explain()


def test_unknown_backends_are_named() -> None:
    with pytest.raises(ArgumentError, match="llvm"):
        tp.compile(np.sin, backend="fortran")


def test_impossible_numbers_of_threads_are_refused_at_once() -> None:
    with pytest.raises(ArgumentError, match=r"threads=0.*test_compiler\.py.*1 to 256"):
        tp.compile(np.sin, threads=0)


# --- what is compiled when --------------------------------------------------------------------------------------------


def counted(f: Any) -> Any:
    """A function that counts how often Python runs it."""

    def run(*args: Any, **kwargs: Any) -> Any:
        run.calls += 1
        return f(*args, **kwargs)

    run.calls = 0
    return run


def test_static_values_are_told_apart_by_their_type() -> None:
    compiled = tp.compile(lambda x, n: x * n if n is not True else -x, backend="numpy")
    x = np.ones(2)
    assert compiled(x, 1).tolist() == [1, 1]
    assert compiled(x, True).tolist() == [-1, -1]


def test_the_number_of_specializations_is_bounded() -> None:
    run = counted(lambda x, n: x * n)
    compiled = tp.compile(run, backend="numpy")
    x = np.ones(2)
    for n in range(KEPT + 6):
        compiled(x, n)
    assert run.calls == KEPT + 6
    compiled(x, KEPT + 5)
    assert run.calls == KEPT + 6
    compiled(x, 0)
    assert run.calls == KEPT + 7


def test_nothing_that_comes_back_is_shared(backend: str) -> None:
    x = np.arange(6.0).reshape(2, 3)
    compiled = tp.compile(lambda x: (x, x.T, np.ones(3), x * 2, np.broadcast_to(x[0], (4, 3))), backend=backend)
    first, second = compiled(x), compiled(x)
    arrays = [*first, *second]
    for i, a in enumerate(arrays):
        assert a.flags.writeable and not np.shares_memory(a, x)
        assert not any(np.shares_memory(a, b) for b in arrays[:i])
        a[...] = 7
    assert compiled(x)[2].tolist() == [1, 1, 1] and x[1, 2] == 5


def test_unhashable_static_arguments_are_named() -> None:
    with pytest.raises(ArgumentError, match="set cannot be an argument"):
        tp.compile(lambda x, options: x)(np.ones(2), {1, 2})


def test_a_failed_capture_can_be_tried_again() -> None:
    compiled = tp.compile(lambda x: x if x[0] > 0 else -x)
    for _ in range(2):
        with pytest.raises(CaptureError, match="needs a value"):
            compiled(np.ones(2))


def test_importing_loads_no_compiler(run_python: Any) -> None:
    names = ("llvmlite", "twopass.graph", "twopass.program", "twopass.backends")
    found = run_python(f"import sys, twopass; print([name in sys.modules for name in {names}])")
    assert found.strip() == str([False] * len(names))
