"""The differentiating functions, on one function whose derivatives can be done by hand, and on containers."""

from __future__ import annotations

import dataclasses
from collections import namedtuple

import numpy as np
import pytest

import twopass as tp


def f(x, y):
    return x**2 * y + y + 2


EVERY_GRADIENT = {
    "by hand": lambda x, y: (2 * x * y, x**2 + 1),
    "reverse mode": tp.grad(f, argnums=(0, 1)),
    "forward mode": lambda x, y: (tp.jvp(f, (x, y), (1.0, 0.0))[1], tp.jvp(f, (x, y), (0.0, 1.0))[1]),
    "pullback": lambda x, y: tp.vjp(f, x, y)[1](1.0),
    "jacobian, reverse": tp.jacobian(f, argnums=(0, 1), mode="reverse"),
    "jacobian, forward": tp.jacobian(f, argnums=(0, 1), mode="forward"),
    "elementwise": tp.elementwise_grad(f, argnums=(0, 1)),
    "complex step": tp.finite_difference(f, argnums=(0, 1), method="complex-step"),
    "central differences": tp.finite_difference(f, argnums=(0, 1), method="central"),
    "forward differences": tp.finite_difference(f, argnums=(0, 1), method="forward"),
}
TOLERANCE = {"central differences": 1e-9, "forward differences": 1e-6}


@pytest.mark.parametrize("technique", EVERY_GRADIENT)
def test_gradient_by_every_technique(technique):
    found = EVERY_GRADIENT[technique](3.0, 4.0)
    tolerance = TOLERANCE.get(technique, 0)
    np.testing.assert_allclose(found, (24.0, 10.0), rtol=tolerance, atol=0)


def unpack(v):
    return f(v[0], v[1])


EVERY_HESSIAN = {
    "hessian": tp.hessian(unpack),
    "forward over reverse": tp.jacobian(tp.grad(unpack), mode="forward"),
    "reverse over reverse": tp.jacobian(tp.grad(unpack), mode="reverse"),
    "forward over forward": tp.jacobian(tp.jacobian(unpack, mode="forward"), mode="forward"),
    "reverse over forward": tp.jacobian(tp.jacobian(unpack, mode="forward"), mode="reverse"),
    "products": lambda v: np.stack([tp.hvp(unpack, (v,), (unit,))[0] for unit in np.eye(2)]),
    "complex step over reverse": tp.finite_difference(lambda v: 0 * v + tp.grad(unpack)(v), method="central"),
}


@pytest.mark.parametrize("technique", EVERY_HESSIAN)
def test_hessian_by_every_technique(technique):
    found = EVERY_HESSIAN[technique](np.array([3.0, 4.0]))
    np.testing.assert_allclose(found, [[8, 6], [6, 0]], atol=1e-8 if "step" in technique else 0)


def test_value_is_the_functions():
    value, gradient = tp.value_and_grad(f)(3.0, 4.0)
    assert value == 42.0 and gradient == 24.0
    assert tp.hessian(f, argnums=(0, 1))(3.0, 4.0) == ((8.0, 6.0), (6.0, 0.0))


Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Parameters:
    weight: np.ndarray
    bias: float


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda w, b: {"w": w, "b": b}, lambda p: (p["w"], p["b"])),
        (lambda w, b: [w, (b,)], lambda p: (p[0], p[1][0])),
        (lambda w, b: Point(w, {"b": b}), lambda p: (p.x, p.y["b"])),
        (lambda w, b: Parameters(w, b), lambda p: (p.weight, p.bias)),
        (lambda w, b: (None, w, b), lambda p: p[1:]),
    ],
)
def test_containers(make, parts):
    def loss(p):
        w, b = parts(p)
        return np.sum(w**2) * b

    w = np.array([1.0, -2.0])
    gradient = tp.grad(loss)(make(w, 3.0))
    assert type(gradient) is type(make(w, 3.0))
    np.testing.assert_array_equal(parts(gradient)[0], 6 * w)
    assert parts(gradient)[1] == 5.0
    out, tangent = tp.jvp(lambda p: {"a": loss(p)}, (make(w, 3.0),), (make(np.ones(2), 0.0),))
    assert out == {"a": 15.0} and tangent == {"a": -6.0}


def test_jacobian_of_containers():
    def g(p):
        return {"sum": p["a"] + p["b"], "product": np.sum(p["a"]) * p["b"][0]}

    p = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    for mode in ("forward", "reverse", "auto"):
        j = tp.jacobian(g, mode=mode)(p)
        np.testing.assert_array_equal(j["sum"]["a"], np.eye(2))
        np.testing.assert_array_equal(j["product"]["b"], [3.0, 0.0])
        assert j["sum"]["b"].shape == (2, 2)


def test_aux_and_keywords():
    def g(x, *, scale):
        y = x * scale
        return np.sum(y * y), {"y": y}

    x = np.array([1.0, 2.0])
    (value, aux), gradient = tp.value_and_grad(g, has_aux=True)(x, scale=2.0)
    assert value == 20.0
    assert type(aux["y"]) is np.ndarray
    np.testing.assert_array_equal(gradient, 8 * x)
    gradient, aux = tp.grad(g, has_aux=True)(x, scale=2.0)
    np.testing.assert_array_equal(aux["y"], 2 * x)


def test_independent_arguments_have_zero_gradients():
    gradient = tp.grad(lambda x, y: np.sum(x), argnums=(0, 1))(np.ones(2), np.ones(3))
    np.testing.assert_array_equal(gradient[1], np.zeros(3))
    assert tp.grad(lambda x: 3.0)(1.0) == 0.0


def test_gradients_belong_to_their_receiver():
    """Nobody else's memory: the caller may write into them."""
    x, y = np.ones(3), np.ones(3)
    a, b = tp.grad(lambda x, y: np.sum(x + y), argnums=(0, 1))(x, y)
    assert a.flags.writeable and b.flags.writeable and not np.may_share_memory(a, b)
    a[:] = 7
    np.testing.assert_array_equal(b, np.ones(3))


def test_complex_gradient_is_the_direction_of_steepest_ascent():
    z = np.array([1.0 + 2.0j, -0.5j])
    gradient = tp.grad(lambda z: np.sum(np.abs(z) ** 2))(z)
    np.testing.assert_allclose(gradient, 2 * z)
    step = tp.grad(lambda z: np.sum(np.real(z * (2 - 3j))))(z)
    np.testing.assert_allclose(step, np.full(2, 2 + 3j))  # df/dx + i df/dy


def test_float32_stays_float32():
    x = np.ones(3, np.float32)
    value, gradient = tp.value_and_grad(lambda x: np.sum(np.tanh(x) * 2.0))(x)
    assert value.dtype == gradient.dtype == np.float32
    assert tp.jvp(np.tanh, (x,), (x,))[1].dtype == np.float32


# --- derivatives of derivatives -------------------------------------------------------------------------------------


def test_perturbations_are_not_confused():
    """d/dx [x * d/dy (x + y)] = 1; Siskind and Pearlmutter (2005)."""
    for inner in (lambda g: tp.grad(g)(2.0), lambda g: tp.jvp(g, (2.0,), (1.0,))[1]):
        assert tp.grad(lambda x, d=inner: x * d(lambda y: x + y))(1.0) == 1.0
        assert tp.jvp(lambda x, d=inner: x * d(lambda y: x + y), (1.0,), (1.0,))[1] == 1.0


def derivative(mode, g):
    return tp.grad(g) if mode == "reverse" else lambda x: tp.jvp(g, (x,), (1.0,))[1]


@pytest.mark.parametrize("a", ["forward", "reverse"])
@pytest.mark.parametrize("b", ["forward", "reverse"])
@pytest.mark.parametrize("c", ["forward", "reverse"])
def test_any_nesting_of_modes(a, b, c):
    third = derivative(a, derivative(b, derivative(c, lambda x: np.sin(x) * x**2)))
    x = 0.7
    expected = 6 * np.cos(x) - 6 * x * np.sin(x) - x**2 * np.cos(x)
    assert third(x) == pytest.approx(expected, rel=1e-13)


def test_mixed_levels_in_one_container():
    """An outer variable used inside an inner derivative, through indexing and assignment."""

    def outer(x):
        def inner(y):
            buffer = np.zeros_like(y)
            buffer[0] = x[1] * y[0]
            buffer[1] = x[0] * y[1] ** 2
            return np.sum(buffer * x)

        return np.sum(tp.grad(inner)(x * 2) ** 2)

    tp.check_grads(outer, (np.array([0.5, -1.5]),), order=2)


def test_hvp_matches_hessian():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 4))

    def g(x, y):
        return np.sum(np.tanh(a @ x) * y**3)

    x, y, u, v = rng.normal(size=(4, 4))
    (xx, xy), (yx, yy) = tp.hessian(g, argnums=(0, 1))(x, y)
    hu, hv = tp.hvp(g, (x, y), (u, v))
    np.testing.assert_allclose(hu, xx @ u + xy @ v)
    np.testing.assert_allclose(hv, yx @ u + yy @ v)


# --- check_grads ----------------------------------------------------------------------------------------------------


def test_check_grads_finds_wrong_rules():
    wrong = tp.custom_rule(np.sin, vjp=lambda x: (np.sin(x), lambda ct: (ct * np.cos(x) * 1.001,)))
    with pytest.raises(tp.errors.GradientCheckError, match="reverse derivative"):
        tp.check_grads(wrong, (np.array([0.3]),), modes=("reverse",))
    with pytest.raises(AssertionError):
        tp.check_grads(wrong, (np.array([0.3]),), modes=("forward",))
    second = tp.custom_rule(np.sin, vjp=lambda x: (np.sin(x), lambda ct: (ct * tp.stop_gradient(np.cos(x)),)))
    tp.check_grads(second, (np.array([0.3]),), order=1)
    with pytest.raises(tp.errors.GradientCheckError, match="over"):
        tp.check_grads(second, (np.array([0.3]),), order=2)


def test_check_grads_in_float32_and_complex():
    tp.check_grads(lambda x: np.sum(np.exp(x) * x), (np.linspace(0.1, 1, 3, dtype=np.float32),), order=1)
    tp.check_grads(lambda z: np.abs(z) ** 2 + np.real(z * z), (np.array([0.3 + 0.4j]),), order=2)


# --- custom_rule, stop_gradient ------------------------------------------------------------------------------------


def cube_vjp(x):
    return x**3, lambda ct: (3 * x**2 * ct,)


def cube_jvp(primals, tangents):
    return primals[0] ** 3, 3 * primals[0] ** 2 * tangents[0]


@pytest.mark.parametrize("given", [{"vjp": cube_vjp}, {"jvp": cube_jvp}, {"vjp": cube_vjp, "jvp": cube_jvp}])
def test_custom_rule_works_in_both_modes_from_either(given):
    cube = tp.custom_rule(lambda x: x**3, **given)
    assert cube(2.0) == 8.0
    tp.check_grads(cube, (np.array([2.0, -1.0]),), order=3)
    assert tp.grad(tp.grad(cube))(2.0) == pytest.approx(12.0)


def test_custom_rule_with_containers():
    def product(p, q):
        return {"out": p["a"] * q[0]}

    def rule(p, q):
        return product(p, q), lambda ct: ({"a": ct["out"] * q[0]}, [ct["out"] * p["a"]])

    g = tp.custom_rule(product, vjp=rule)
    args = ({"a": np.array([1.0, 2.0])}, [np.array([3.0, 4.0])])
    tp.check_grads(g, args)
    half = tp.grad(lambda p: np.sum(g(p, [np.array([3.0, 4.0])])["out"]))(args[0])
    np.testing.assert_array_equal(half["a"], [3.0, 4.0])


def test_custom_rule_errors():
    with pytest.raises(tp.errors.ArgumentError, match="jvp or a vjp"):
        tp.custom_rule(np.sin)
    bad = tp.custom_rule(np.sin, vjp=lambda x: np.sin(x))
    with pytest.raises(tp.errors.ArgumentError, match="output, pullback"):
        tp.grad(bad)(1.0)
    bad = tp.custom_rule(np.sin, vjp=lambda x: (np.sin(x), lambda ct: ct))
    with pytest.raises((tp.errors.ArgumentError, TypeError)):
        tp.grad(bad)(1.0)


def test_stop_gradient():
    assert tp.grad(lambda x: x * tp.stop_gradient(x) ** 2)(3.0) == 9.0
    assert tp.jvp(lambda x: x * tp.stop_gradient({"a": x})["a"], (3.0,), (1.0,))[1] == 3.0
    assert tp.grad(tp.grad(lambda x: tp.stop_gradient(x) * x**2))(3.0) == 6.0


# --- arguments that cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tp.grad(f)(3, 4), tp.errors.ArgumentError, "Pass 3.0"),
        (lambda: tp.grad(f)(True, 4.0), tp.errors.ArgumentError, "bool|integer"),
        (lambda: tp.grad(np.sum)(np.arange(3)), tp.errors.ArgumentError, "int64"),
        (lambda: tp.grad(np.sum)({"w": ["text"]}), tp.errors.ArgumentError, r"\['w'\]\[0\]"),
        (lambda: tp.grad(np.sum)(np.ma.array([1.0])), tp.errors.ArgumentError, "MaskedArray"),
        (lambda: tp.grad(np.sin)(np.ones(3)), tp.errors.ShapeError, r"\(3,\).*tp.jacobian"),
        (lambda: tp.grad(np.exp)(1j), tp.errors.ArgumentError, "np.real"),
        (lambda: tp.grad(np.sin, argnums=1)(1.0), tp.errors.ArgumentError, "argument 1"),
        (lambda: tp.grad(np.sin, argnums="x")(1.0), tp.errors.ArgumentError, "argnums=0"),
        (lambda: tp.grad(f, argnums=(0, -2))(1.0, 2.0), tp.errors.ArgumentError, "twice"),
        (lambda: tp.grad(np.sin, has_aux=True)(1.0), tp.errors.ArgumentError, "pair"),
        (lambda: tp.jvp(np.sin, 1.0, 1.0), tp.errors.ArgumentError, r"\(x,\)"),
        (lambda: tp.jvp(np.sin, (1.0,), ()), tp.errors.ArgumentError, "1 primals, but 0"),
        (lambda: tp.jvp(np.sin, (np.ones(3),), (np.ones(2),)), tp.errors.ShapeError, "not broadcast"),
        (lambda: tp.jvp(np.sin, ([1.0],), (1.0,)), tp.errors.ArgumentError, "structure"),
        (lambda: tp.vjp(np.sin, np.ones(3))[1](np.ones(1)), tp.errors.ShapeError, "cotangent"),
        (lambda: tp.vjp(np.sin, 1.0)[1](1j), tp.errors.ArgumentError, "complex"),
        (lambda: tp.jacobian(np.sin, mode="backward"), tp.errors.ArgumentError, '"reverse"'),
        (lambda: tp.finite_difference(np.sin, method="magic"), tp.errors.ArgumentError, "central"),
        (lambda: tp.finite_difference(np.sin, step=0.0), tp.errors.ArgumentError, "step"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, tp.errors.TwopassError)
    assert "test_derivatives.py" in str(caught.value)  # the user's own line
