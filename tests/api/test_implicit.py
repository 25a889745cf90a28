"""Roots and fixed points have the derivatives of what they are, whatever has found them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg

import twopass as tp

A = np.array([2.0, 5.0])


def cubic(x, a):
    """x³ + x = a: analytic, and its derivatives are 1 / (3x² + 1), ..."""
    return x**3 + x - a


def newton(a):
    x = np.zeros_like(a)
    for _ in range(60):
        x = x - cubic(x, a) / (3 * x**2 + 1)
    return x


def coupled(x, p):
    """Two equations between the leaves of a tree."""
    u, (v, w) = x["u"], x["v"]
    return {
        "first": u * p["a"] + np.sin(v) * w - p["b"][0],
        "second": [v + 0.3 * np.cos(u).sum() * p["a"][0] - p["b"][1], w - np.tanh(u).sum() - p["n"]],
    }


def solve_coupled(p):
    def flat(z):
        r = coupled({"u": z[:2], "v": (z[2], z[3])}, p)
        return np.concatenate([r["first"], [r["second"][0], r["second"][1]]])

    found = scipy.optimize.root(flat, np.ones(4), tol=1e-14).x
    return {"u": found[:2], "v": (found[2], float(found[3]))}


def conjugate_gradients(matvec, b):
    operator = scipy.sparse.linalg.LinearOperator((b.size, b.size), matvec, dtype=b.dtype)
    return scipy.sparse.linalg.bicgstab(operator, b, rtol=1e-14, atol=1e-14)[0]


def dense(matvec, b):
    return np.linalg.solve(np.stack([matvec(e) for e in np.eye(b.size)], axis=1), b)


LINEAR = [None, dense, conjugate_gradients]


@pytest.mark.parametrize("linear_solve", LINEAR)
def test_derivatives_of_a_root_in_both_modes_to_third_order(linear_solve):
    root = tp.implicit_root(cubic, newton, linear_solve=linear_solve)
    x = newton(A)
    slope = 1 / (3 * x**2 + 1)
    np.testing.assert_allclose(tp.jacobian(root, mode="reverse")(A), np.diag(slope), rtol=1e-12)
    np.testing.assert_allclose(tp.jacobian(root, mode="forward")(A), np.diag(slope), rtol=1e-12)
    np.testing.assert_allclose(tp.hessian(lambda a: np.sum(root(a)))(A), np.diag(-6 * x * slope**3), rtol=1e-10)
    tp.check_grads(root, (A,), order=3)


@pytest.mark.parametrize("linear_solve", LINEAR)
def test_trees_and_a_solver_that_is_no_numpy_code(linear_solve):
    root = tp.implicit_root(coupled, solve_coupled, linear_solve=linear_solve)

    def f(a, b):
        x = root({"a": a, "b": [b, 0.7], "n": 1})
        assert isinstance(x["v"], tuple)
        return np.sum(x["u"] ** 2) * x["v"][1] + x["v"][0]

    args = (np.array([1.5, 2.0]), np.array([0.3, 0.8]))
    tp.check_grads(f, args, order=2, rtol=1e-5, atol=1e-5)
    numeric = tp.finite_difference(f, argnums=(0, 1))(*args)
    np.testing.assert_allclose(np.stack(tp.grad(f, argnums=(0, 1))(*args)), np.stack(numeric), rtol=1e-7)


def test_as_a_decorator_by_keyword_and_compiled():
    @tp.implicit_root(cubic)
    def root(a):
        """Solve it."""
        return newton(np.asarray(a))

    assert root.__name__ == "root" and root.__doc__ == "Solve it."
    np.testing.assert_array_equal(root(a=A), newton(A))
    gradient = tp.grad(lambda a: np.sum(np.sin(root(a=a))))
    np.testing.assert_allclose(tp.compile(gradient)(A), gradient(A), rtol=1e-12)
    np.testing.assert_allclose(tp.compile(gradient)(A + 1), gradient(A + 1), rtol=1e-12)
    np.testing.assert_allclose(tp.compile(root)(A), newton(A))


def test_the_solver_runs_once_a_derivative():
    calls = []
    root = tp.implicit_root(cubic, lambda a: calls.append(0) or newton(a))
    tp.jvp(root, (A,), (A,))
    assert len(calls) == 1
    _, pullback = tp.vjp(root, A)
    pullback(A)
    pullback(A)
    assert len(calls) == 2


def test_single_precision():
    root = tp.implicit_root(cubic, newton)
    a = A.astype(np.float32)
    gradient = tp.grad(lambda a: np.sum(root(a)))(a)
    assert root(a).dtype == gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, 1 / (3 * newton(A) ** 2 + 1), rtol=1e-5)


def test_arguments_that_the_residual_does_not_depend_on():
    root = tp.implicit_root(lambda x, a, guess, name: cubic(x, a), lambda a, guess, name: newton(a))
    _, zero = tp.grad(lambda a, guess: np.sum(root(a, guess, "newton")), argnums=(0, 1))(A, np.ones(3))
    np.testing.assert_array_equal(zero, np.zeros(3))


# --- what is no root ------------------------------------------------------------------------------------------------


def test_a_residual_that_is_not_zero_raises_with_its_size():
    root = tp.implicit_root(cubic, lambda a: newton(a) + 1e-3)
    with pytest.raises(tp.errors.ConvergenceError, match=r"largest residual is 0\.00\d"):
        tp.grad(lambda a: np.sum(root(a)))(A)
    with pytest.raises(tp.errors.ConvergenceError):
        root(A)
    loose = tp.implicit_root(cubic, lambda a: newton(a) + 1e-3, tolerance=1e-1)
    assert loose(A).shape == (2,)
    with pytest.raises(tp.errors.ConvergenceError, match="nan"):
        tp.implicit_root(cubic, lambda a: a * np.nan)(A)


def test_a_linear_solver_that_does_not_solve_raises():
    root = tp.implicit_root(cubic, newton, linear_solve=lambda matvec, b: b * 0.1)
    with pytest.raises(tp.errors.ConvergenceError, match="<lambda> has not solved its equation"):
        tp.grad(lambda a: np.sum(root(a)))(A)


@pytest.mark.parametrize("residual", [lambda x, a: (x - a) ** 2, lambda x, a: (x - a).sum() * np.ones(2)])
def test_a_singular_jacobian_raises(residual):
    root = tp.implicit_root(residual, lambda a: a * 1)
    np.testing.assert_array_equal(root(A), A)
    for derive in (lambda: tp.grad(lambda a: np.sum(root(a)))(A), lambda: tp.jvp(root, (A,), (A,))):
        with pytest.raises(tp.errors.DifferentiationError, match="singular"):
            derive()


def test_what_cannot_be_a_solution_raises():
    with pytest.raises(tp.errors.ShapeError, match="1 elements, but the solution has 2"):
        tp.implicit_root(lambda x, a: np.sum(x - a), lambda a: a)(A)
    with pytest.raises(tp.errors.ArgumentError, match="the solution is complex"):
        tp.implicit_root(lambda x, a: x - a, lambda a: a + 0j)(A)
    with pytest.raises(tp.errors.ArgumentError, match=r"the solution\['message'\]"):
        tp.implicit_root(lambda x, a: x - a, lambda a: scipy.optimize.OptimizeResult(x=a, message="done"))(A)
    with pytest.raises(tp.errors.ArgumentError, match="by keyword only"):
        tp.implicit_root(cubic, lambda a, *, tol: newton(a))(A, tol=1)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_closures_over_traced_arrays_raise(mode):
    functions = [
        lambda b: tp.implicit_root(lambda x, a: cubic(x, a * b), lambda a: newton(a))(A),
        lambda b: tp.implicit_root(lambda x, a: cubic(x, a * b), lambda a: newton(a))(b),
        lambda b: tp.implicit_root(cubic, lambda a: newton(a * b))(A),
        lambda b: tp.fixed_point(lambda x: np.cos(x * b), np.ones(2)),
        lambda b: tp.fixed_point(lambda x, a: np.cos(x * b), np.ones(2), b),
    ]
    for f in functions:
        with pytest.raises(tp.errors.DetachedError, match="Pass the array as an argument"):
            tp.jvp(f, (np.ones(2),), (np.ones(2),)) if mode == "forward" else tp.vjp(f, np.ones(2))


# --- fixed points ---------------------------------------------------------------------------------------------------


def contraction(x, p):
    return {"u": np.tanh(p["w"] @ x["u"]) * 0.4 + p["b"], "v": 0.5 * np.cos(x["v"]) + x["u"][0] * p["b"][1]}


def test_fixed_points_of_trees_in_both_modes_to_second_order():
    rng = np.random.default_rng(0)
    p = {"w": rng.normal(size=(3, 3)) * 0.5, "b": rng.normal(size=3)}
    start = {"u": np.zeros(3), "v": 0}

    def f(p):
        x = tp.fixed_point(contraction, start, p)
        return np.sum(np.sin(x["u"])) * x["v"]

    tp.check_grads(f, (p,), order=2)
    unrolled = start
    for _ in range(100):
        unrolled = contraction(unrolled, p)
    found = tp.fixed_point(contraction, start, p)
    np.testing.assert_allclose(found["u"], unrolled["u"], rtol=1e-9)

    def by_steps(p):
        x = start
        for _ in range(100):
            x = contraction(x, p)
        return np.sum(np.sin(x["u"])) * x["v"]

    for ours, steps in zip(tp.tree.leaves(tp.grad(f)(p)), tp.tree.leaves(tp.grad(by_steps)(p)), strict=True):
        np.testing.assert_allclose(ours, steps, rtol=1e-8, atol=1e-12)


def test_the_square_root_by_newtons_method_to_third_order():
    def root(a):
        return tp.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)

    assert root(9.0) == 3.0
    assert tp.grad(tp.grad(tp.grad(root)))(9.0) == pytest.approx(3 / 8 * 9**-2.5, rel=1e-9)
    tp.check_grads(root, (2.0,), order=3)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_fixed_points_and_cotangents_of_any_size(scale):
    def f(a):
        return tp.fixed_point(lambda x, a: a + x / 2, 0.0, a)

    out, pullback = tp.vjp(f, scale)
    assert out == pytest.approx(2 * scale, rel=1e-9)
    assert pullback(scale)[0] == pytest.approx(2 * scale, rel=1e-9)


def test_no_derivative_in_the_start():
    zero, slope = tp.grad(lambda x0, a: tp.fixed_point(lambda x, a: np.cos(a * x), x0, a), argnums=(0, 1))(0.5, 0.9)
    x = tp.fixed_point(lambda x: np.cos(0.9 * x), 0.5)
    assert zero == 0
    assert slope == pytest.approx(-x * np.sin(0.9 * x) / (1 + 0.9 * np.sin(0.9 * x)), rel=1e-9)


def test_fixed_points_compiled():
    gradient = tp.grad(lambda a: tp.fixed_point(lambda x, a: np.cos(a * x), 0.5, a))
    assert tp.compile(gradient)(0.9) == pytest.approx(gradient(0.9), rel=1e-12)


def test_what_does_not_converge_raises():
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(tp.errors.ConvergenceError, match="infinite"):
        tp.fixed_point(lambda x: x**2 + 1, 2.0)
    with pytest.raises(tp.errors.ConvergenceError, match="After 7 steps an element still changes by 1"):
        tp.fixed_point(lambda x: 1 - x, 0.0, max_steps=7)
    with pytest.raises(tp.errors.ConvergenceError, match="the derivatives of the fixed point"):
        tp.grad(lambda a: tp.fixed_point(lambda x, a: a * x, 0.0, a))(2.0)  # 0 is one, but it repels
    with pytest.raises(tp.errors.ArgumentError, match="containers"):
        tp.fixed_point(lambda x: [x], 0.0)
    with pytest.raises(tp.errors.ArgumentError, match="max_steps"):
        tp.fixed_point(np.cos, 0.0, max_steps=0)
