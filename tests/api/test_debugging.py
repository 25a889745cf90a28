"""`debug` names the operation, the line and the numbers behind a NaN, in either pass, and raises no false alarm."""

from __future__ import annotations

import inspect
import re
import threading

import numpy as np
import pytest

import twopass as tp

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
X = np.array([4.0, 0.0, 1.0])


def found(f, x=X, derivative=tp.grad, **options):
    """The message, with the place of ``# here`` in the function checked and left out."""
    with pytest.raises(tp.errors.NotFiniteError) as caught, tp.debug(**options):
        derivative(f)(x)
    message = str(caught.value)
    lines, first = inspect.getsourcelines(f)
    marked = [first + number for number, line in enumerate(lines) if "# here" in line]
    places = [int(line) for line in re.findall(r"test_debugging\.py:(\d+)\)", message)]
    assert places == marked
    return re.sub(r" \(at [^)]*\)", "", message)


def along(direction):
    """Forward mode."""
    return lambda f: lambda x: tp.jvp(f, (x,), (np.asarray(direction),))


def logarithm(x):
    y = x - 2.0
    return np.sum(np.log(y) * x)  # here


def root(x):
    y = np.sqrt(x)  # here
    return np.sum(y**2)


def test_the_operation_that_made_the_first_nan():
    expected = "np.log made NaN. It was given -2.0, at index (1,)."
    for derivative in (tp.grad, tp.value_and_grad, tp.hessian, tp.jacobian, along(X)):
        assert found(logarithm, derivative=derivative) == expected


def test_what_follows_is_not_blamed():
    def f(x):
        y = np.log(-1.0 - x)  # here
        return np.max(np.tanh(y) * 2.0 + x)

    assert found(f) == "np.log made NaN. It was given -5.0, at index (0,)."


def test_the_infinities_that_a_nan_was_made_of():
    def f(x):
        y = np.exp(1000.0 * x)  # here
        return np.sum(y - y)

    message = found_two(f, "y - y")
    expected = (
        "np.subtract made NaN. It was given inf and inf, at index (0,). The infinity was made by np.exp, given 4000.0."
    )
    assert message == expected
    assert found(f, inf=True) == "np.exp made an infinity. It was given 4000.0, at index (0,)."


def found_two(f, other):
    """The message of an error that names two lines: the one with `other`, then the marked one."""
    with pytest.raises(tp.errors.NotFiniteError) as caught, tp.debug():
        tp.grad(f)(X)
    lines, first = inspect.getsourcelines(f)
    expected = [first + next(n for n, line in enumerate(lines) if text in line) for text in (other, "# here")]
    assert [int(line) for line in re.findall(r"test_debugging\.py:(\d+)\)", str(caught.value))] == expected
    return re.sub(r" \(at [^)]*\)", "", str(caught.value))


def test_the_pull_back_that_made_the_first_nan():
    expected = (
        "the backward pass of np.sqrt made NaN. The forward pass gave it 0.0, at index (1,). Its cotangent was 0.0."
    )
    assert found(root) == expected
    assert found(root, derivative=lambda f: lambda x: tp.vjp(f, x)[1](1.0)) == expected


def test_an_infinite_slope():
    def f(x):
        return np.sum(np.sqrt(x))  # here

    expected = (
        "the backward pass of np.sqrt made an infinity. "
        "The forward pass gave it 0.0, at index (1,). Its cotangent was 1.0."
    )
    assert found(f, inf=True) == expected
    with tp.debug():
        assert np.isinf(tp.grad(f)(X)[1])


def test_the_derivative_that_made_the_first_nan_of_forward_mode():
    expected = "the derivative of np.sqrt is NaN. It was given 0.0, at index (1,), with the tangent 0.0."
    assert found(root, derivative=along([1.0, 0.0, 0.0])) == expected


def test_what_does_not_reach_the_result_is_no_alarm():
    def f(x):
        np.log(x - 2.0)  # NaN that nobody uses
        masked = np.sqrt(x)[x > 0]
        kept = np.where(x > 2, np.log(x - 2.0), 0.0)
        return np.sum(np.where(x > 0, np.sqrt(x), 0.0)) + np.sum(masked) + np.sum(kept)

    with tp.debug(nan=True, inf=True):
        assert np.isfinite(tp.grad(f)(X)).all()
        assert np.isfinite(tp.jvp(f, (X,), (X,))[1])
        assert np.isfinite(tp.hessian(f)(X)).all()


def test_a_nan_that_comes_in():
    def outside(x):
        return np.sum(x * np.array([1.0, np.nan, 1.0]))  # here

    def given(x):
        return np.sum(x)  # here

    came = "It came with an argument of the function, or from outside."
    assert found(outside) == f"np.multiply was given NaN. {came}"
    assert found(given, np.array([1.0, np.nan])) == f"np.sum was given NaN. {came}"
    with pytest.raises(tp.errors.NotFiniteError, match="the function returns NaN"), tp.debug():
        tp.vjp(lambda x: x, np.array([np.nan]))
    with pytest.raises(tp.errors.NotFiniteError, match=r"a cotangent holds NaN.*passed so"), tp.debug():
        tp.vjp(lambda x: x * 2.0, X)[1](np.array([0.0, np.nan, 0.0]))
    with pytest.raises(tp.errors.NotFiniteError, match="tangent"), tp.debug():
        tp.jvp(lambda x: x * 2.0, (X,), (np.array([0.0, np.nan, 0.0]),))


def test_operations_that_are_not_elementwise():
    def f(x):
        matrix = np.multiply.outer(x, x) * 1e200
        return np.sum(matrix @ (matrix[0] * 1e200))  # here

    message = found_two_of(f)
    given = "an array of shape (3, 3) between 0 and inf and an array of shape (3,) between 0 and inf"
    source = "The infinity was made by np.multiply, given 4e+108 and 1e+200."
    assert message == f"np.matmul made NaN. It was given {given}, at index (1,). {source}"


def found_two_of(f):
    """The message, without its places."""
    with pytest.raises(tp.errors.NotFiniteError) as caught, tp.debug():
        tp.grad(f)(np.array([4.0, 0.0, 1e108]))
    return re.sub(r" \(at [^)]*\)", "", str(caught.value))


def test_in_scan_and_in_compiled_code():
    def looped(x):
        def step(total, value):
            return total + np.log(value - 2.0), None  # here

        return tp.scan(step, 0.0, x)[0]

    expected = "np.log made NaN. It was given -2.0."
    assert found(looped) == expected
    compiled = tp.compile(tp.grad(looped))
    assert np.isfinite(compiled(np.full(3, 3.0))).all()
    assert found(looped, derivative=lambda f: compiled) == expected
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compiled(X), tp.grad(looped)(X))  # outside, it is machine code again


def test_an_exception_of_numbers_that_are_not_finite():
    def strict(v):
        if not np.isfinite(v).all():
            raise ValueError("no finite matrix")
        return v * 1.0

    rule = tp.custom_rule(strict, jvp=lambda primals, tangents: (strict(*primals), tangents[0] * 1.0))

    def f(x):
        return np.sum(rule(np.log(x - 2.0) * x))

    with pytest.raises(tp.errors.NotFiniteError) as caught, tp.debug():
        tp.grad(f)(X)
    message = re.sub(r" \(at [^)]*\)", "", str(caught.value))
    given = "strict was given NaN, and raised ValueError: no finite matrix"
    assert message == f"{given}. It was made by np.log, given -2.0."
    with pytest.raises(np.linalg.LinAlgError), tp.debug():
        tp.grad(lambda x: np.sum(np.linalg.inv(np.multiply.outer(x, x))))(X)


def test_it_is_a_decorator_too():
    with pytest.raises(tp.errors.NotFiniteError, match=r"np\.sqrt"):
        tp.debug()(tp.grad(root))(X)
    with (
        pytest.raises(tp.errors.ArgumentError, match=r"nan must be True or False.*with tp\.debug\(\):"),
        tp.debug(root),
    ):
        pass


def test_custom_rules_are_named():
    def cube(x):
        return x**3

    rule = tp.custom_rule(cube, vjp=lambda x: (cube(x), lambda cotangent: (cotangent * np.nan,)))

    def f(x):
        return np.sum(rule(x))  # here

    assert found(f) == "the backward pass of cube made NaN."


def test_nested_derivatives():
    def outer(x):
        return np.sum(tp.grad(root)(x) * x)

    with pytest.raises(tp.errors.NotFiniteError, match=r"backward pass of np\.sqrt made NaN"), tp.debug():
        tp.grad(outer)(X)


def test_the_context_ends_and_belongs_to_its_thread():
    kept = []
    with tp.debug():
        thread = threading.Thread(target=lambda: kept.append(tp.grad(root)(X)))
        thread.start()
        thread.join()
    assert np.isnan(kept[0][1])
    with pytest.raises(ZeroDivisionError), tp.debug():
        raise ZeroDivisionError
    assert np.isnan(tp.grad(root)(X)[1])


def test_neither():
    with tp.debug(nan=False):
        assert np.isnan(tp.grad(root)(X)[1])


def test_complex_numbers():
    def f(z):
        return np.real(np.sum(np.log(z) * z))  # here

    with np.errstate(all="ignore"), pytest.raises(tp.errors.NotFiniteError, match=r"np\.multiply made NaN"), tp.debug():
        tp.grad(f)(np.array([0j, 1j]))
