"""Derivatives of the solution of a differential equation: forward sensitivities and the adjoint, and a fit with them.

Predators v eat prey u (A. Lotka, 1925; V. Volterra, 1926), with four unknown parameters θ = (α, β, δ, γ):

    u' = αu - βuv,    v' = δuv - γv.

SciPy's solver is no NumPy code, and its choice of steps should not be differentiated anyway. What twopass
differentiates is the vector field f(z, θ), in the two directions that make the derivative of the whole solution:

* forward (`twopass.jvp`): the sensitivity s of z to a change dθ follows ``s' = ∂f/∂z s + ∂f/∂θ dθ``, beside z;
* reverse (`twopass.vjp`): the adjoint λ of z follows ``λ' = -(∂f/∂z)ᵀ λ`` back in time, jumps where a measurement is,
  and collects ``∫ (∂f/∂θ)ᵀ λ dt`` (L. Pontryagin et al., 1962; Y. Cao et al., SIAM J. Sci. Comput. 24 (2003), p. 1076).

Together they are a rule for the solver, with which it is a function like any other: the fit calls `twopass.scipy`.

Run ``python examples/ode_sensitivity.py``; it needs SciPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize

import twopass as tp

START = np.array([10.0, 5.0])
TIMES = np.linspace(0.0, 12.0, 25)
TRUE = np.array([1.1, 0.4, 0.1, 0.4])
NAMES = ("α", "β", "δ", "γ")
NOISE = 0.2


def field(z: Any, theta: Any) -> Any:
    """The rate of change of prey and predators."""
    (u, v), (alpha, beta, delta, gamma) = z, theta
    return np.stack([alpha * u - beta * u * v, delta * u * v - gamma * v])


@tp.compile
def field_and_tangent(z: Any, s: Any, theta: Any, direction: Any) -> Any:
    """The field, and how it changes: ``∂f/∂z s + ∂f/∂θ dθ``."""
    return tp.jvp(field, (z, theta), (s, direction))


@tp.compile
def pulled_back(z: Any, adjoint: Any, theta: Any) -> Any:
    """``(∂f/∂z)ᵀ λ`` and ``(∂f/∂θ)ᵀ λ``."""
    return tp.vjp(field, z, theta)[1](adjoint)


def integrate(rate: Any, interval: Any, start: Any, **options: Any) -> Any:
    """Solve to more digits than the comparison needs."""
    return scipy.integrate.solve_ivp(rate, interval, start, method="DOP853", rtol=1e-10, atol=1e-10, **options)


def solve(theta: Any) -> Any:
    """The populations at the times of the measurements, of shape (n_times, 2)."""
    return integrate(lambda _, z: field(z, theta), (0, TIMES[-1]), START, t_eval=TIMES).y.T


def forward_sensitivity(primals: Any, tangents: Any) -> tuple[Any, Any]:
    """Populations, and how they change with θ in one direction: solved together."""
    (theta,), (direction,) = primals, tangents

    def rate(_: float, both: Any) -> Any:
        return np.concatenate(field_and_tangent(both[:2], both[2:], theta, direction))

    found = integrate(rate, (0, TIMES[-1]), np.concatenate([START, np.zeros(2)]), t_eval=TIMES).y.T
    return found[:, :2], found[:, 2:]


def adjoint(theta: Any) -> tuple[Any, Any]:
    """Populations, and the pullback: from cotangents at the times of measurements back to that of θ."""
    forward = integrate(lambda _, z: field(z, theta), (0, TIMES[-1]), START, t_eval=TIMES, dense_output=True)

    def rate(t: float, both: Any) -> Any:
        back = pulled_back(forward.sol(t), both[:2], theta)
        return -np.concatenate(back)

    def pullback(cotangent: Any) -> tuple[Any]:
        both = np.zeros(2 + len(theta))
        for k in range(len(TIMES) - 1, 0, -1):
            both[:2] += cotangent[k]  # the jump at a measurement
            both = integrate(rate, (TIMES[k], TIMES[k - 1]), both).y[:, -1]
        return (both[2:],)

    return forward.y.T, pullback


#: The solver, as a function that twopass differentiates.
solution = tp.custom_rule(solve, jvp=forward_sensitivity, vjp=adjoint)


def residuals(theta: Any, measured: Any) -> Any:
    """How far the populations are from the measured ones, in units of the noise."""
    return (solution(theta) - measured) / NOISE


def error(theta: Any, measured: Any) -> Any:
    """Half the sum of their squares."""
    return 0.5 * np.sum(residuals(theta, measured) ** 2)


def gradients(theta: Any, measured: Any) -> dict[str, Any]:
    """The gradient of the error in three ways."""
    unit = np.eye(len(theta))
    return {
        "differences": tp.finite_difference(error, step=1e-4)(theta, measured),
        "forward": np.array([tp.jvp(lambda t: error(t, measured), (theta,), (e,))[1] for e in unit]),
        "adjoint": tp.grad(error)(theta, measured),
    }


def main() -> Any:
    """Compare the gradients, and fit the parameters to noisy measurements."""
    rng = np.random.default_rng(0)
    measured = solve(TRUE) + NOISE * rng.normal(size=(len(TIMES), 2))
    guess = np.array([1.0, 0.3, 0.15, 0.5])
    print("gradient of the error at the first guess")
    for name, gradient in gradients(guess, measured).items():
        print(f"  {name:<12}" + "".join(f"{g:16.6f}" for g in gradient))

    problem = tp.scipy(residuals, guess, measured, kind="least_squares")
    result = scipy.optimize.least_squares(**problem)
    deviation = np.sqrt(np.diag(np.linalg.inv(result.jac.T @ result.jac)))
    print(f"fit after {result.njev} Jacobians: residual {np.sqrt(np.mean(result.fun**2)):.3f} of the noise")
    for name, found, sigma, true in zip(NAMES, result.x, deviation, TRUE, strict=True):
        print(f"  {name} = {found:.4f} ± {sigma:.4f}   (true: {true})")
    return result.x, deviation


if __name__ == "__main__":
    main()
