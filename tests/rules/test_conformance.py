"""Every operator in the registry obeys the laws of differentiation, in every example of its domain."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import twopass as tp
from rules import laws
from twopass.core.rule import RULES, Rule
from twopass.rules.kinds import Constant, Unsupported

CASES = laws.cases()
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def rng_for(case: laws.Case) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(case.name.encode()))


def close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.max(np.abs(b), initial=0)))
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def test_every_differentiable_operator_has_a_domain():
    bare = [laws.name_of(f) for f in laws.differentiable() if not laws.cases_of(f)]
    assert not bare, f"operators without examples: {bare}"


@each
def test_values_are_numpys(case):
    operands = case.draw(rng_for(case))
    plain = case.run(operands)
    traced, _ = tp.vjp(lambda *xs: case.run(list(xs)), *operands)
    carried, _ = laws.push(case.run, operands, [np.zeros_like(x) for x in operands])
    for a, b, c in zip(plain, traced, carried, strict=True):
        # A rule computes with NumPy's function itself; a composite may round otherwise.
        tolerance = 0 if case.rule is not None else 1e-13
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(c, a, rtol=tolerance, atol=tolerance)
        assert np.asarray(a).dtype == np.asarray(b).dtype == np.asarray(c).dtype


@each
def test_forward_mode_is_the_directional_derivative(case):
    rng = rng_for(case)
    operands = case.draw(rng)
    tangents = laws.direction(operands, rng)
    _, found = laws.push(case.run, operands, tangents)
    if case.rule is not None and case.rule.holomorphic:
        close(found, laws.complex_step(case.run, operands, tangents), 1e-10)
    close(found, laws.differences(case.run, operands, tangents), 1e-6)


@each
def test_reverse_mode_is_the_transpose_of_forward_mode(case):
    rng = rng_for(case)
    operands = case.draw(rng)
    tangents = laws.direction(operands, rng)
    out, pushed = laws.push(case.run, operands, tangents)
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in out], rng))
    pulled = laws.pull(case.run, operands, cotangents)
    for x, ct in zip(operands, pulled, strict=True):
        assert np.shape(ct) == x.shape and np.asarray(ct).dtype == x.dtype
    expected = laws.inner(cotangents, pushed)
    assert laws.inner(pulled, tangents) == pytest.approx(expected, rel=1e-10, abs=1e-10)


@each
def test_second_order(case):
    """Forward over reverse and reverse over reverse agree with each other and with differences of the first order."""
    rng = rng_for(case)
    operands = case.draw(rng)
    tangents = laws.direction(operands, rng)
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in case.run(operands)], rng))

    def gradient(xs):
        return laws.pull(case.run, xs, cotangents)

    _, forward = laws.push(gradient, operands, tangents)
    close(forward, laws.differences(gradient, operands, tangents), 1e-6)
    other = laws.direction(operands, rng)
    reverse = laws.pull(gradient, operands, tuple(other))
    assert laws.inner(reverse, tangents) == pytest.approx(laws.inner(other, forward), rel=1e-9, abs=1e-9)

    def derivative(xs):
        return laws.push(case.run, xs, tangents)[1]

    _, twice = laws.push(derivative, operands, tangents)
    close(twice, laws.differences(derivative, operands, tangents), 1e-6)


@each
def test_float32_agrees_with_float64(case):
    rng = rng_for(case)
    single = case.draw(rng, np.float32)
    double = [x.astype(np.float64) for x in single]
    cotangents = laws.direction([np.asarray(leaf) for leaf in case.run(single)], rng)
    widened = [ct.astype(np.asarray(y).dtype) for ct, y in zip(cotangents, case.run(double), strict=True)]
    found = laws.pull(case.run, single, tuple(cotangents))
    expected = laws.pull(case.run, double, tuple(widened))
    assert all(np.asarray(ct).dtype == np.float32 for ct in found)
    close(found, expected, 1e-4)


@each
def test_complex_operands(case):
    """Where NumPy takes complex numbers, so do the rules; the gradient convention is the adjoint."""
    rng = rng_for(case)
    operands = case.draw(rng, np.complex128)
    try:
        out = case.run(operands)
    except (TypeError, ValueError):
        return  # NumPy itself has no complex version
    tangents = laws.direction(operands, rng)
    pushed_out, pushed = laws.push(case.run, operands, tangents)
    close(pushed_out, out, 1e-15)
    close(pushed, laws.differences(case.run, operands, tangents), 1e-6)
    cotangents = tuple(laws.direction([np.asarray(leaf) for leaf in out], rng))
    pulled = laws.pull(case.run, operands, cotangents)
    expected = laws.inner(cotangents, pushed)
    assert laws.inner(pulled, tangents) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_constant_operators_give_plain_values_with_zero_derivative():
    x, y = np.array([0.3, 1.7, -2.4]), np.array([0.3, 1.1, 4.2])
    for function, rule in RULES.items():
        if not isinstance(rule, Constant) or rule.traced or not isinstance(function, np.ufunc):
            continue
        args = (x, y)[: function.nin]
        try:
            expected = function(*args)
        except TypeError:
            continue  # integers or dates only

        def product(a, function=function, rest=args[1:]):
            factor = function(a, *rest)
            return np.sum(a * factor), factor

        gradient, factor = tp.grad(product, has_aux=True)(x)
        np.testing.assert_array_equal(factor, expected)
        np.testing.assert_array_equal(gradient, expected)


def test_unsupported_operators_raise_and_say_what_to_write():
    for rule in RULES.values():
        if isinstance(rule, Unsupported):
            operands = (np.ones(3),) * laws.fewest_arguments(rule.function)
            with pytest.raises(tp.errors.UnsupportedOperatorError, match=rule.name.split(".")[-1]) as caught:
                tp.grad(lambda *xs, rule=rule: np.sum(rule.function(*xs)))(*operands)
            assert rule.instead in str(caught.value)


def test_no_operator_has_two_rules():
    from twopass.rules import kinds

    with pytest.raises(ValueError, match="two rules"):
        kinds.elementwise(np.tanh, 1)
    assert all(isinstance(rule, Rule) or callable(rule) for rule in RULES.values())
