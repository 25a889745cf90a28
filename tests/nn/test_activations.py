"""Every activation against its textbook formula in decimal arithmetic of 400 digits, without any rearrangement."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

import twopass as tp
from twopass import nn
from twopass.errors import ArgumentError

D = Decimal
DIGITS = 400
CONTEXT = Context(prec=DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX)
STEP = D(10) ** -100


def pi() -> Decimal:
    """Machin's formula."""

    def arctan_of_inverse(n: int) -> Decimal:
        total, power, k = D(0), D(1) / n, 0
        while power > D(10) ** -DIGITS:
            total += (-1) ** k * power / (2 * k + 1)
            power, k = power / (n * n), k + 1
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))


with localcontext(CONTEXT):
    PI = pi()


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def tanh(x: Decimal) -> Decimal:
    return ((2 * x).exp() - 1) / ((2 * x).exp() + 1)


def softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln()


def elu(x: Decimal, alpha: str = "1") -> Decimal:
    return x if x > 0 else D(alpha) * (x.exp() - 1)


def erf(x: Decimal) -> Decimal:
    """The Maclaurin series; beyond 28 the difference from 1 is below any float."""
    if abs(x) > 28:
        return D(1).copy_sign(x)
    total, term, n = D(0), x, 0
    with localcontext(prec=2 * DIGITS):  # the terms grow up to exp(28²)
        while abs(term) > D(10) ** -DIGITS:
            total, n = total + term / (2 * n + 1), n + 1
            term *= -x * x / n
    return 2 * total / PI.sqrt()


#: Each activation of one number, by every name that it has.
TEXTBOOK: dict[str, Callable[[Decimal], Decimal]] = {
    "identity": lambda x: x,
    "step": lambda x: D(x >= 0),
    "relu": lambda x: max(x, D(0)),
    "leaky_relu": lambda x: x if x > 0 else D("0.01") * x,
    "elu": elu,
    "selu": lambda x: D("1.0507009873554804934") * elu(x, "1.6732632423543772848"),
    "sigmoid": sigmoid,
    "logistic": sigmoid,
    "tanh": tanh,
    "softplus": softplus,
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "mish": lambda x: x * tanh(softplus(x)),
    "gelu": lambda x: x * (1 + erf(x / D(2).sqrt())) / 2,
    "gelu_tanh": lambda x: x * (1 + tanh((2 / PI).sqrt() * (x + D("0.044715") * x**3))) / 2,
}
OVER_AN_AXIS = {"softmax", "log_softmax"}
POINTS = [
    0.0,
    -23.0,
    -37.0,
    1e-30,
    -1e-30,
    1e-8,
    -1e-8,
    0.5,
    -0.5,
    1.0,
    -1.0,
    3.0,
    -3.0,
    20.0,
    -20.0,
    80.0,
    -80.0,
    1e4,
    -1e4,
]
DTYPES = (np.float32, np.float64)


@functools.cache
def value_and_derivative(name: str, x: float) -> tuple[float, float]:
    """From the formula; the derivative from the left, where that makes a difference."""
    function = TEXTBOOK[name]
    with localcontext(CONTEXT):
        at = D(x)
        y = function(at)
        # The step function is constant wherever it has a derivative.
        slope = D(0) if name == "step" else (y - function(at - STEP)) / STEP
        return float(y), float(slope)


def tolerance(name: str, x: float, y: float, dtype: Any) -> float:
    """A few roundings; in the gelus' tails the exponent is a rounded number of the size of log(y)."""
    info = np.finfo(dtype)
    exponent = 1 + (abs(math.log(abs(y))) if "gelu" in name and y else 0)
    return float(8 * exponent * info.eps * abs(y) + info.tiny)


def test_every_activation_has_a_reference() -> None:
    functions = {name: nn.activations.get(name) for name in nn.activations.names()}
    built_in = {name for name, function in functions.items() if function.__module__ == nn.activations.__name__}
    assert built_in == set(TEXTBOOK) | OVER_AN_AXIS


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TEXTBOOK)
def test_values_are_accurate_over_the_whole_line(name: str, dtype: Any) -> None:
    x = np.array(POINTS, dtype)
    y = nn.activations.get(name)(x)
    assert y.dtype == dtype
    for point, value in zip(x.tolist(), y.tolist(), strict=True):
        expected = value_and_derivative(name, point)[0]
        assert abs(value - expected) <= tolerance(name, point, expected, dtype), (point, value, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TEXTBOOK)
def test_derivatives_are_right_over_the_whole_line(name: str, dtype: Any) -> None:
    x = np.array(POINTS, dtype)
    slopes = tp.grad(lambda x: np.sum(nn.activations.get(name)(x)))(x)
    assert slopes.dtype == dtype
    expected = [value_and_derivative(name, point)[1] for point in x.tolist()]
    np.testing.assert_allclose(slopes, expected, rtol=16 * np.finfo(dtype).eps, atol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", TEXTBOOK)
def test_derivatives_at_zero_are_exact(name: str) -> None:
    exact = {"sigmoid": 0.25, "logistic": 0.25, "softplus": 0.5, "elu": 1.0, "relu": 0.0, "step": 0.0, "tanh": 1.0}
    exact |= {"silu": 0.5, "swish": 0.5, "identity": 1.0, "leaky_relu": 0.01, "gelu_tanh": 0.5}
    for zero in (0.0, -0.0):
        slope = tp.grad(nn.activations.get(name))(np.float64(zero))
        expected = exact.get(name, value_and_derivative(name, 0.0)[1])
        assert slope == (expected if name in exact else pytest.approx(expected, rel=1e-15))


@pytest.mark.parametrize("name", sorted(set(TEXTBOOK) - {"step"}))
@settings(max_examples=25, deadline=None)
@given(st.floats(1e-30, 1e4), st.sampled_from([-1, 1]))
def test_anywhere(name: str, size: float, sign: int) -> None:
    x = sign * size
    value, slope = tp.value_and_grad(nn.activations.get(name))(np.float64(x))
    expected, expected_slope = value_and_derivative(name, x)
    assert abs(value - expected) <= tolerance(name, x, expected, np.float64)
    assert slope == pytest.approx(expected_slope, rel=1e-13, abs=1e-14)


@pytest.mark.parametrize("name", sorted(set(TEXTBOOK) - {"step", "identity", "relu", "leaky_relu"}))
def test_second_derivatives_match_differences_of_the_first(name: str) -> None:
    function, h = nn.activations.get(name), 1e-5
    first = tp.grad(function)
    for x in (-30.0, -2.0, -0.3, 0.7, 2.0, 30.0):
        expected = (first(x + h) - first(x - h)) / (2 * h)
        assert tp.grad(first)(x) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", nn.activations.names())
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 4)])
def test_shape_is_kept(name: str, shape: tuple[int, ...]) -> None:
    if name in OVER_AN_AXIS and not shape:
        return
    assert np.shape(nn.activations.get(name)(np.ones(shape))) == shape


@pytest.mark.parametrize("name", nn.activations.names())
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_is_never_hidden(name: str, dtype: Any) -> None:
    assert np.isnan(nn.activations.get(name)(np.array([np.nan, 1.0], dtype))[0])


class TestSoftmax:
    logits = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [-1e4, -1e4, -1e4], [1.0, 2.0, 3.0], [-80.0, 0.0, 80.0]])

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_values(self, dtype: Any) -> None:
        x = self.logits.astype(dtype)
        for function, reference in (
            (nn.softmax, scipy.special.softmax),
            (nn.log_softmax, scipy.special.log_softmax),
        ):
            assert function(x).dtype == dtype
            np.testing.assert_allclose(
                function(x), reference(self.logits, axis=1), rtol=4 * np.finfo(dtype).eps, atol=1e-38
            )

    def test_other_axis(self) -> None:
        np.testing.assert_allclose(nn.softmax(self.logits, axis=0).sum(axis=0), 1)
        np.testing.assert_array_equal(nn.log_softmax(self.logits.T, axis=0), nn.log_softmax(self.logits).T)

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_derivatives(self, dtype: Any) -> None:
        x, weights = self.logits.astype(dtype), np.array([0.3, -1.0, 2.0], dtype)
        p = scipy.special.softmax(self.logits, axis=1)
        of_softmax = tp.grad(lambda x: np.sum(nn.softmax(x) * weights))(x)
        of_logarithm = tp.grad(lambda x: np.sum(nn.log_softmax(x) * weights))(x)
        assert of_softmax.dtype == of_logarithm.dtype == dtype
        eps = 16 * np.finfo(dtype).eps
        np.testing.assert_allclose(of_softmax, p * (weights - (p @ weights)[:, None]), rtol=0, atol=eps)
        np.testing.assert_allclose(of_logarithm, weights - weights.sum() * p, rtol=0, atol=eps)


class TestNames:
    def test_synonyms(self) -> None:
        assert nn.activations.get("logistic") is nn.activations.get("sigmoid") is nn.logistic
        assert nn.activations.get("swish") is nn.activations.get("silu") is nn.swish

    def test_own_function(self) -> None:
        assert nn.activations.get(np.sin) is np.sin

    def test_parameters(self) -> None:
        leaky = functools.partial(nn.leaky_relu, slope=0.5)
        np.testing.assert_array_equal(nn.activations.get(leaky)(np.array([-2.0, 2.0])), [-1, 2])

    def test_unknown_name(self) -> None:
        with pytest.raises(ArgumentError, match=r"no activation named 'rellu'.*Did you mean 'relu'\?.*gelu"):
            nn.activations.get("rellu")

    def test_no_function(self) -> None:
        with pytest.raises(ArgumentError, match="3 is no activation"):
            nn.activations.get(3)

    def test_a_name_is_taken_once(self) -> None:
        with pytest.raises(ArgumentError, match="the activation name 'relu' is taken"):
            nn.activations.register("relu", np.sin)
        nn.activations.register("relu", nn.relu)
