"""Every operator in the registry obeys the laws of differentiation, in every example of its domain."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp
from rules import laws
from twopass.core.rule import RULES, Rule
from twopass.rules.kinds import Constant, Unsupported
from twopass.rules.linalg import cofactors

#: Operators whose second derivatives lose digits at some samples, and to what: here, near singular matrices.
ILL_CONDITIONED = {cofactors: 1e-7}

OPERATORS = [function for function, examples in laws.examples_by_operator().items() if examples]


@pytest.fixture(scope="module", params=OPERATORS, ids=laws.label)
def samples(request) -> laws.Samples:
    """Random samples of one operator. pytest checks all laws for one operator, then those for the next."""
    return laws.Samples(request.param)


def close(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        scale = max(1.0, float(np.max(np.abs(b), initial=0)))
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


def adjoint(case, sample, tolerance):
    """⟨cotangents, J tangents⟩ is ⟨Jᴴ cotangents, tangents⟩."""
    (_, pushed), (_, pulled) = sample.pushed, sample.pulled
    for x, ct in zip(sample.operands, pulled, strict=True):
        assert np.shape(ct) == x.shape and np.asarray(ct).dtype == x.dtype
    expected = laws.inner(sample.cotangents, pushed)
    assert laws.inner(pulled, sample.tangents) == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_every_differentiable_operator_has_a_domain():
    bare = [laws.name_of(f) for f in laws.differentiable() if f not in OPERATORS]
    assert not bare, f"operators without examples: {bare}"
    vain = [case.name for case in laws.cases() if not laws.Sample(case, 0).plain]
    assert not vain, f"examples without a result that could be differentiated: {vain}"


def test_values_are_numpys(samples):
    def law(case, sample):
        (traced, _), (carried, _) = sample.pulled, sample.pushed
        for a, b, c in zip(sample.plain, traced, carried, strict=True):
            # A rule computes with NumPy's function itself; a composite may round otherwise.
            tolerance = 0 if case.rule is not None else 1e-13
            np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(c, a, rtol=tolerance, atol=tolerance)
            assert np.asarray(a).dtype == np.asarray(b).dtype == np.asarray(c).dtype

    samples.obey(law)


def test_forward_mode_is_the_directional_derivative(samples):
    def law(case, sample):
        _, found = sample.pushed
        close(found, sample.slope, 1e-6)
        if case.rule is not None and case.rule.holomorphic:
            close(found, laws.complex_step(case.run, sample.operands, sample.tangents), 1e-10)

    samples.obey(law)


def test_reverse_mode_is_the_transpose_of_forward_mode(samples):
    samples.obey(lambda case, sample: adjoint(case, sample, 1e-10))


def test_second_order(samples):
    """Reverse over reverse and forward over forward agree with forward over reverse, and that with differences."""

    def law(case, sample):
        operands, tangents, cotangents = sample.operands, sample.tangents, sample.cotangents
        tolerance = dict.fromkeys(("rel", "abs"), ILL_CONDITIONED.get(case.function, 1e-9))

        def gradient(xs):
            return laws.pull(case.run, xs, cotangents)

        def derivative(xs):
            return laws.push(case.run, xs, tangents)[1]

        # Where differences of the function have settled, no kink is near.
        assert sample.slope is not None
        expected = laws.central_difference(gradient, operands, tangents, 2e-5)
        _, forward = laws.push(gradient, operands, tangents)
        close(forward, expected, 1e-5)
        other = laws.direction(operands, sample.generator(3))
        reverse = laws.pull(gradient, operands, tuple(other))
        assert laws.inner(reverse, tangents) == pytest.approx(laws.inner(other, forward), **tolerance)
        _, twice = laws.push(derivative, operands, tangents)
        assert laws.inner(cotangents, twice) == pytest.approx(laws.inner(forward, tangents), **tolerance)

    samples.obey(law)


def test_float32_agrees_with_float64(samples):
    def law(case, sample):
        wide = [x.astype(np.float64) for x in sample.operands]
        results = [np.asarray(leaf) for leaf in case.run(wide)]
        if [leaf.shape for leaf in results] != [np.shape(leaf) for leaf in sample.plain]:
            raise laws.Unsettled  # leading zeros, say, that rounding makes
        cotangents = [ct.astype(y.dtype) for ct, y in zip(sample.cotangents, results, strict=True)]
        _, found = sample.pulled
        assert all(np.asarray(ct).dtype == np.float32 for ct in found)
        close(found, laws.pull(case.run, wide, tuple(cotangents)), 1e-4)

    samples.obey(law, np.float32)


def test_complex_operands(samples):
    """Where NumPy takes complex numbers, so do the rules; the gradient convention is the adjoint."""

    def law(case, sample):
        try:
            out = sample.plain
        except (TypeError, ValueError):
            return  # NumPy itself has no complex version
        found, pushed = sample.pushed
        close(found, out, 1e-15)
        close(pushed, sample.slope, 1e-6)
        adjoint(case, sample, 1e-9)

    samples.obey(law, np.complex128)


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
