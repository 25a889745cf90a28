"""Rules of the user's own: what may be an argument, what a rule may leave out, and what it must not miss."""

from __future__ import annotations

import numpy as np
import pytest

import twopass as tp

X = np.array([0.4, -1.3])


def power_vjp(x, n=2):
    return x**n, lambda ct: (ct * n * x ** (n - 1), None)


def power_jvp(primals, tangents):
    x, *n = primals
    n = n[0] if n else 2
    return x**n, n * x ** (n - 1) * tangents[0]


def foreign_sine(x):
    """No NumPy code: it fails on traced arrays."""
    return np.array([float(np.sin(element)) for element in np.asarray(x, dtype=float)])


RULES = [{"vjp": power_vjp}, {"jvp": power_jvp}, {"vjp": power_vjp, "jvp": power_jvp}]


@pytest.mark.parametrize("rule", RULES)
def test_integers_defaults_and_keywords(rule):
    power = tp.custom_rule(lambda x, n=2: x**n, **rule)
    for call, n in (
        (lambda x: power(x), 2),
        (lambda x: power(x, 3), 3),
        (lambda x: power(x, n=3), 3),
        (lambda x: power(n=4, x=x), 4),
    ):
        np.testing.assert_allclose(call(X), X**n)
        tp.check_grads(call, (X,), order=3)


def test_keyword_only_arguments_go_to_the_rule():
    def scaled(x, *, by, name="none"):
        return by * x if name == "scale" else x

    def vjp(x, *, by, name):
        return scaled(x, by=by, name=name), lambda ct: (by * ct,)

    f = tp.custom_rule(scaled, vjp=vjp)
    tp.check_grads(lambda x: f(x, by=3.0, name="scale"), (X,))
    with pytest.raises(tp.errors.ArgumentError, match="by="):
        tp.grad(lambda x: np.sum(f(x, by=x, name="scale")))(X)
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(X, by=1, bye=3)


@pytest.mark.parametrize("rule", ["vjp", "jvp"])
def test_text_functions_and_containers_are_arguments(rule):
    def apply(p, function, kind):
        return {kind: function(p["x"]) * p["n"]}

    def vjp(p, function, kind):
        back = {"x": lambda ct: ct[kind] * np.cos(p["x"]) * p["n"]}
        return apply(p, function, kind), lambda ct: ({"x": back["x"](ct), "n": None, "label": None}, None, None)

    def jvp(primals, tangents):
        p, _, kind = primals
        assert tangents[1:] == (None, None) and tangents[0]["label"] is None and tangents[0]["n"] == 0
        return apply(*primals), {kind: np.cos(p["x"]) * p["n"] * tangents[0]["x"]}

    f = tp.custom_rule(apply, **{rule: locals()[rule]})
    tp.check_grads(lambda x: f({"x": x, "n": 2, "label": "a"}, np.sin, "out"), (X,), order=3)


def test_a_function_that_is_no_numpy_code_to_any_order():
    sine = tp.custom_rule(foreign_sine, jvp=lambda p, t: (sine(*p), t[0] * cosine(*p)))
    cosine = tp.custom_rule(
        lambda x: foreign_sine(x + np.pi / 2), vjp=lambda x: (cosine(x), lambda ct: (-ct * sine(x),))
    )
    tp.check_grads(lambda x: np.sum(sine(x) * cosine(x)), (X,), order=3)


def test_the_value_keeps_the_rule_when_derivatives_nest():
    """The straight-through estimator: x² after rounding has the second derivative 2, by its rule."""
    rounded = tp.custom_rule(np.round, vjp=lambda x: (np.round(x), lambda ct: (ct,)))
    assert tp.grad(tp.grad(lambda x: rounded(x) ** 2))(1.4) == 2.0


def test_a_result_that_the_function_changes_later():
    buffer = np.zeros(2)

    def doubled(x):
        buffer[...] = 2 * np.asarray(x)
        return buffer

    f = tp.custom_rule(doubled, vjp=lambda x: (doubled(x), lambda ct: (2 * ct,)))

    def total(x):
        y = f(x)
        f(x * 3)
        return np.sum(y**2)

    value, gradient = tp.value_and_grad(total)(X)
    assert value == pytest.approx(np.sum(4 * X**2))
    np.testing.assert_allclose(gradient, 8 * X)


def test_compiled():
    f = tp.custom_rule(foreign_sine, vjp=lambda x: (foreign_sine(x), lambda ct: (ct * np.cos(x),)))
    np.testing.assert_allclose(tp.compile(lambda x: f(x) * 2)(X), 2 * np.sin(X))
    power = tp.custom_rule(lambda x, n: x**n, vjp=power_vjp)
    np.testing.assert_allclose(tp.compile(tp.grad(lambda x: np.sum(power(x, n=3))))(X), 3 * X**2)


def test_a_pullback_inside_of_another_derivative():
    power = tp.custom_rule(lambda x, n: x**n, vjp=power_vjp)
    _, pullback = tp.vjp(lambda x: power(x, 3), X)
    np.testing.assert_allclose(tp.jacobian(lambda ct: pullback(ct)[0])(X), np.diag(3 * X**2))


# --- traced arrays that a rule would miss ---------------------------------------------------------------------------


def times(w, rule):
    if rule == "vjp":
        return tp.custom_rule(lambda x: x * w, vjp=lambda x: (x * w, lambda ct: (ct * w,)))
    return tp.custom_rule(lambda x: x * w, jvp=lambda p, t: (p[0] * w, t[0] * w))


@pytest.mark.parametrize("rule", ["vjp", "jvp"])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("of", [lambda w: w * 2, lambda w: X])
def test_closures_over_traced_arrays_raise(rule, mode, of):
    def f(w):
        return np.sum(times(w, rule)(of(w)))

    with pytest.raises(tp.errors.DetachedError, match="Pass the array as an argument"):
        tp.grad(f)(X) if mode == "reverse" else tp.jvp(f, (X,), (X,))


@pytest.mark.parametrize("rule", ["vjp", "jvp"])
def test_closures_over_arrays_of_newer_and_older_traces(rule):
    with pytest.raises(tp.errors.DetachedError):
        tp.grad(lambda x: np.sum(tp.grad(lambda w: np.sum(times(w, rule)(x)))(x)))(X)
    # An older trace sees the operations of the rule itself.
    mixed = tp.jacobian(lambda w: tp.grad(lambda x: np.sum(np.sin(times(w, rule)(x))))(X))(X)
    np.testing.assert_allclose(mixed, np.diag(np.cos(X * X) - X * X * np.sin(X * X)))


def test_closures_of_a_pullback_alone_raise():
    def f(w):
        return np.sum(tp.custom_rule(np.sin, vjp=lambda x: (np.sin(x), lambda ct: (ct * w,)))(w))

    with pytest.raises(tp.errors.DifferentiationError):
        tp.grad(f)(X)

    def g(w):
        return np.sum(tp.custom_rule(np.sin, vjp=lambda x: (np.sin(x), lambda ct: (w,)))(w))

    with pytest.raises(tp.errors.DifferentiationError):
        tp.grad(g)(X)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda ct: ct, "a ndarray|a float64"),
        (lambda ct: (), "returned 0, not a tuple of 2"),
        (lambda ct: (ct, ct, ct), "returned 3"),
        (lambda ct: ([ct], ct), "a list for argument 1"),
        (lambda ct: ({"a": ct}, ct), "a dict for argument 1"),
    ],
)
def test_wrong_pullbacks_raise(returned, message):
    f = tp.custom_rule(np.multiply, vjp=lambda x, y: (x * y, returned))
    with pytest.raises(tp.errors.ArgumentError, match=message):
        tp.grad(lambda x: np.sum(f(x, x)))(X)


def test_a_cotangent_of_another_structure_raises():
    f = tp.custom_rule(lambda p: p["a"], vjp=lambda p: (p["a"], lambda ct: ({"b": ct},)))
    with pytest.raises(tp.errors.ArgumentError, match="differ"):
        tp.grad(lambda p: np.sum(f(p)))({"a": X})
