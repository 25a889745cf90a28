"""Promises of the engine: nothing is detached silently, aliasing is safe, chains are long, threads are many."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import threading

import numpy as np
import pytest

import twopass as tp
from twopass.core.array import Array


def test_a_chain_of_a_million_operations():
    def chain(x):
        for _ in range(500_000):
            x = x * 1.000001
            x = x - 1e-9
        return x

    assert sys.getrecursionlimit() <= 10_000
    gradient = tp.grad(chain)(1.0)
    assert gradient == pytest.approx(1.000001**500_000, rel=1e-9)


def test_a_chain_of_many_views():
    """Views of views are looked through at their root: the cost does not grow with the square of the length."""

    def chain(x):
        for _ in range(20_000):
            x = x[::-1]
        return x @ np.array([1.0, 2.0])

    np.testing.assert_array_equal(tp.grad(chain)(np.ones(2)), [1.0, 2.0])


# --- never detach silently ------------------------------------------------------------------------------------------

DETACHING = {
    "float": float,
    "int": int,
    "complex": complex,
    "np.asarray": np.asarray,
    "np.array of one": np.array,
    "np.array of a list": lambda x: np.array([x, x]),
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "tobytes": lambda x: x.tobytes(),
    "view": lambda x: x.view(np.int64),
    "index": lambda x: [1, 2, 3][x],
    "plain buffer": lambda x: np.zeros(3).__setitem__(0, x),
    "out": lambda x: np.add(x, 1, out=np.zeros(())),
    "out of a reduction": lambda x: np.sum(x, out=np.zeros(())),
    "pickle": pickle.dumps,
    "memoryview": memoryview,
    "np.float64": np.float64,
    "integer buffer": lambda x: np.zeros(2, int, like=x).__setitem__(0, x),
}


@pytest.mark.parametrize("how", DETACHING)
def test_detaching_raises_with_the_line_and_the_alternative(how):
    with pytest.raises((TypeError, ValueError)) as caught:
        tp.grad(lambda x: DETACHING[how](x) and x)(1.5)
    if how == "memoryview":
        return  # Python's own refusal
    error = caught.value
    assert isinstance(error, tp.errors.DetachedError)
    assert "test_engine.py" in str(error)
    assert any(advice in str(error) for advice in ("Use", "Leave", "Make"))


def test_unknown_functions_raise():
    with pytest.raises(tp.errors.UnsupportedOperatorError, match=r"histogram.*test_engine.py"):
        tp.grad(lambda x: np.histogram(x)[0].sum())(np.ones(3))
    with pytest.raises(AttributeError):
        tp.grad(lambda x: x.no_such_attribute)(1.0)
    assert tp.grad(lambda x: x if hasattr(x, "shape") else 0 * x)(1.0) == 1.0


def test_a_leaked_array_raises():
    kept = []
    tp.grad(lambda x: (kept.append(x), x * x)[1])(1.0)
    with pytest.raises(tp.errors.LeakedTraceError, match="has_aux"):
        kept[0] * 2
    tp.jvp(lambda x: (kept.append(x), x * x)[1], (1.0,), (1.0,))
    with pytest.raises(tp.errors.LeakedTraceError):
        np.sin(kept[1])
    with pytest.raises(tp.errors.LeakedTraceError):
        tp.grad(lambda y: y * kept[0])(1.0)


def test_an_exception_leaves_nothing_behind():
    def fail(x):
        raise KeyError("mine")

    for _ in range(3):
        with pytest.raises(KeyError):
            tp.grad(lambda x: tp.jvp(fail, (x,), (x,))[1])(1.0)
    assert tp.grad(tp.grad(np.sin))(0.5) == pytest.approx(-np.sin(0.5))


def test_threads_do_not_meet():
    results = {}

    def work(k):
        g = tp.grad(lambda x: tp.grad(lambda y: np.sin(k * y) * x)(x))
        results[k] = [g(0.1 * k) for _ in range(50)]

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, values in results.items():
        x = 0.1 * k
        expected = k * np.cos(k * x) - k * k * x * np.sin(k * x)
        assert values == [pytest.approx(expected)] * 50


def test_nothing_stays_in_memory():
    gc.collect()

    def count():
        gc.collect()
        return sum(type(o) is Array for o in gc.get_objects())

    before = count()
    for _ in range(3):
        tp.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.ones(10))
    assert count() == before


# --- aliasing -------------------------------------------------------------------------------------------------------


def test_mutating_an_input_after_the_forward_pass():
    x = np.array([1.0, 2.0])
    _, pullback = tp.vjp(np.square, x)
    x[:] = 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_mutating_the_output_before_the_backward_pass():
    out, pullback = tp.vjp(np.exp, np.zeros(2))
    out[:] = 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [1.0, 1.0])


def test_mutating_a_plain_operand_between_the_passes():
    def g(x):
        w = np.array([3.0, 4.0])
        index = np.array([0, 1])
        mask = np.array([True, False])
        y = x * w + (w @ x) + x[index] ** 2 + np.where(mask, x, 0.0)
        w[:], index[:], mask[:] = 0, 0, False
        return np.sum(y)

    expected = np.array([3 + 2 * 3 + 2 * 1 + 1, 4 + 2 * 4 + 2 * 2])
    np.testing.assert_array_equal(tp.grad(g)(np.array([1.0, 2.0])), expected)


def test_mutating_an_array_of_the_outer_trace():
    def outer(a):
        def inner(x):
            y = x * a
            a[0] = 0.0
            return np.sum(y * y)

        return np.sum(tp.grad(inner)(np.array([1.0, 2.0])))

    np.testing.assert_array_equal(tp.grad(outer)(np.array([3.0, 4.0])), [12.0, 32.0])


def test_a_view_of_a_read_only_array_is_still_protected():
    base = np.array([1.0, 2.0])
    view = base[:]
    view.flags.writeable = False
    _, pullback = tp.vjp(np.square, view)
    base[:] = 100
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_the_callers_array_is_never_written_to():
    x = np.array([1.0, 2.0])

    def g(a):
        a[0] = 5.0
        a += 1
        return np.sum(a * a)

    np.testing.assert_array_equal(tp.grad(g)(x), [0.0, 6.0])
    np.testing.assert_array_equal(x, [1.0, 2.0])


def test_pullbacks_can_be_called_again():
    _, pullback = tp.vjp(lambda x: x * np.sin(x), 2.0)
    assert pullback(1.0) == pullback(1.0) and pullback(2.0)[0] == 2 * pullback(1.0)[0]


# --- the branch not taken -------------------------------------------------------------------------------------------


def test_untaken_branches_contribute_nothing():
    x = np.array([4.0, 0.0, -1.0])

    def g(x):
        with np.errstate(invalid="ignore"):
            return np.where(x > 0, np.sqrt(x), 0)

    np.testing.assert_array_equal(tp.grad(lambda x: np.sum(g(x)))(x), [0.25, 0, 0])
    np.testing.assert_array_equal(tp.jvp(g, (x,), (np.ones(3),))[1], [0.25, 0, 0])
    second = tp.hessian(lambda x: np.sum(g(x)))(x)
    np.testing.assert_array_equal(second, np.diag([-1 / 32, 0, 0]))


def test_untaken_branches_through_other_operators():
    x = np.array([[4.0, 0.0], [1.0, 0.0]])
    gradient = tp.grad(lambda x: np.sum(np.where(x > 0, 2 * np.sqrt(x.T).T.reshape(2, 2) * 3, 0)))(x)
    np.testing.assert_array_equal(gradient, [[1.5, 0], [3.0, 0]])
    # A scalar that is only used in the untaken branch.
    assert tp.grad(lambda s: np.sum(np.where(np.ones(3, bool), 1.0, np.sqrt(s))))(0.0) == 0.0


def test_a_zero_by_arithmetic_is_not_absence():
    """sqrt(x)**2 at 0 is 0 * inf in every system that follows the chain rule; hiding it would hide real errors."""
    with np.errstate(all="ignore"):
        assert np.isnan(tp.grad(lambda x: np.sqrt(x) ** 2)(0.0))
    assert tp.grad(lambda x: np.sqrt(x))(0.0) == np.inf


# --- what traced arrays look like -----------------------------------------------------------------------------------


def test_looks_like_an_ndarray():
    seen = {}

    def g(x):
        seen.update(shape=x.shape, ndim=x.ndim, size=x.size, dtype=x.dtype, len=len(x), text=f"{x[0, 0]:.1f}")
        seen.update(nbytes=x.nbytes, repr=repr(x), truth=bool(x[0, 0] > 0), member=1.0 in x)
        seen.update(rows=[row.shape for row in x], copied=copy.deepcopy(x).shape, T=x.T.shape, mT=x.mT.shape)
        return np.sum(x)

    tp.grad(g)(np.ones((2, 3)))
    assert seen["shape"] == (2, 3) and seen["size"] == 6 and seen["dtype"] == np.float64 and seen["nbytes"] == 48
    assert seen["text"] == "1.0" and seen["truth"] and seen["member"] and seen["len"] == 2
    assert seen["rows"] == [(3,), (3,)] and seen["T"] == (3, 2) and seen["repr"].startswith("Traced(array")


def test_python_control_flow_follows_the_values():
    def g(x):
        total = x
        while total < 10:
            total = total * 2 if total > 1 else total + 1
        return total

    assert tp.grad(g)(0.5) == 8.0


def test_operators_take_lists_and_scalars_on_both_sides():
    x = np.array([1.0, 2.0])
    g = tp.grad(
        lambda x: np.sum([1, 2] * x + x * [3, 4] + 2 / x + 2**x + 7 // x + x % 3 + divmod(x, 2)[1] - (-x) + abs(x))
    )
    expected = np.array([4, 6]) - 2 / x**2 + 2**x * np.log(2) + 1 + 1 + 1 + 1
    np.testing.assert_allclose(g(x), expected)


@pytest.mark.parametrize("exponent", [2, 2.0, 0.5, 3, -1, 0])
def test_powers_round_as_numpys(exponent):
    x = np.random.default_rng(0).uniform(0.1, 3, 1000)
    value, _ = tp.vjp(lambda x: x**exponent, x)
    np.testing.assert_array_equal(value, x**exponent)
    tp.check_grads(lambda x: x**exponent, (x[:3],))
