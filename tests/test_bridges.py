"""SciPy's solvers get exact derivatives, of trees as of vectors."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

import twopass as tp


def rosenbrock(x):
    """100 (y - x²)² + (1 - x)² for each two neighbours; the minimum is 0, at ones."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


START = np.array([-1.2, 1.0])

#: With the iterations that they need at most.
METHODS = {
    "BFGS": 40,
    "L-BFGS-B": 50,
    "CG": 60,
    "TNC": 60,
    "SLSQP": 50,
    "Newton-CG": 100,
    "trust-ncg": 60,
    "trust-krylov": 60,
    "trust-constr": 100,
    "trust-exact": 60,
    "dogleg": 60,
    "Nelder-Mead": 200,
    "Powell": 60,
}
CASES = [(method, False) for method in METHODS] + [(method, True) for method in ("BFGS", "trust-ncg", "dogleg")]


@pytest.mark.parametrize(("method", "compile"), CASES)
def test_all_methods_of_minimize_find_the_minimum(method, compile):
    start = np.array([1.2, 1.0]) if method == "dogleg" else START  # where the Hessian is positive definite
    result = scipy.optimize.minimize(**tp.scipy(rosenbrock, start, method=method, compile=compile))
    np.testing.assert_allclose(result.x, np.ones(2), atol=1e-3)
    assert result.nit <= METHODS[method]


def test_exact_gradients_save_evaluations():
    """SciPy's own differences run the function n + 1 times a gradient."""
    problem = tp.scipy(rosenbrock, START, method="BFGS")
    exact = scipy.optimize.minimize(**problem)
    differences = scipy.optimize.minimize(rosenbrock, START, method="BFGS")
    assert exact.nfev * 2 < differences.nfev
    assert exact.fun < 1e-10
    assert rosenbrock(problem.unravel(exact.x)) == exact.fun


def test_the_default_method_with_the_callers_start():
    result = scipy.optimize.minimize(x0=START, **tp.scipy(rosenbrock))
    assert result.success
    np.testing.assert_allclose(result.x, np.ones(2), atol=1e-5)


@pytest.mark.parametrize("compile", [False, True])
@pytest.mark.parametrize("method", [None, "trust-ncg", "trust-exact"])
def test_parameters_in_containers(method, compile):
    x = np.linspace(-1, 1, 20)
    y = 2 * np.tanh(3 * x) - 0.5

    def error(p, x, y):
        assert p["scale"].shape == () and p["layers"][0].shape == (1, 2)
        model = p["scale"] * np.tanh(x * p["layers"][0][0, 0]) + p["layers"][0][0, 1]
        return np.mean((model - y) ** 2)

    start = {"scale": 1.0, "layers": [np.array([[1, 0]], np.float32)], "none": None}
    problem = tp.scipy(error, start, x, y, method=method, compile=compile)
    result = scipy.optimize.minimize(**problem)
    found = problem.unravel(result.x)
    assert problem["x0"].dtype == result.x.dtype == found["layers"][0].dtype == np.float64
    np.testing.assert_allclose(found["layers"][0], [[3, -0.5]], atol=1e-2)
    assert found["scale"] == pytest.approx(2, abs=1e-2)
    assert found["none"] is None


@pytest.mark.parametrize("compile", [False, True])
def test_least_squares(compile):
    x = np.linspace(0, 2, 15)
    y = 3 * np.exp(-1.5 * x)

    def residuals(p, x, y):
        return {"all": p[0] * np.exp(-p[1] * x) - y}

    problem = tp.scipy(residuals, (1.0, 1.0), x, y, kind="least_squares", compile=compile)
    result = scipy.optimize.least_squares(**problem)
    np.testing.assert_allclose(problem.unravel(result.x), (3, 1.5), rtol=1e-6)
    assert result.njev < 20
    np.testing.assert_allclose(
        problem["jac"](np.array([2.0, 1.0])), tp.jacobian(lambda p: p[0] * np.exp(-p[1] * x))(np.array([2.0, 1.0]))
    )


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_roots(method):
    """x² + y² = 4 and x y = 1."""
    problem = tp.scipy(
        lambda p: (p["x"] ** 2 + p["y"] ** 2 - 4, p["x"] * p["y"] - 1), {"x": 2.0, "y": 0.0}, kind="root"
    )
    result = scipy.optimize.root(method=method, **problem)
    found = problem.unravel(result.x)
    assert result.success and found["x"] * found["y"] == pytest.approx(1)


def test_mistakes():
    with pytest.raises(tp.errors.ArgumentError, match="Did you mean 'minimize'"):
        tp.scipy(rosenbrock, kind="minimise")
    with pytest.raises(tp.errors.ArgumentError, match=r"x0\['a'\] is complex"):
        tp.scipy(rosenbrock, {"a": 1j})
    with pytest.raises(tp.errors.ShapeError, match="one scalar result"):
        scipy.optimize.minimize(**tp.scipy(lambda x: x, START))
    with pytest.raises(tp.errors.ShapeError, match="least_squares"):
        scipy.optimize.minimize(**tp.scipy(lambda x: x, START, method="Powell"))
