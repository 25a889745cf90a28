"""Gaussian mixture: the logarithm of the posterior density of its parameters, and the gradient.

Run ``python examples/adbench/gmm.py``. The objective is that of F. Šrajer, Z. Kukelova and A. Fitzgibbon, "A benchmark
of selected algorithmic differentiation tools on some problems in computer vision and machine learning", Optimization
Methods and Software 33 (2018): the weights are the softmax of the alphas, and the inverse covariance of a component is
``Qᵀ Q``, where Q is lower triangular with the exponentials of d numbers on its diagonal, so that every choice of the
parameters is a mixture. A Wishart prior keeps the covariances away from singular ones.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import twopass as tp


class Wishart(NamedTuple):
    """The prior of the inverse covariances: scale ``gamma⁻² I``, with ``d + 1 + excess`` degrees of freedom."""

    gamma: float = 1.0
    excess: int = 0


FLAT = Wishart()


def log_sum_exp(x: Any, axis: int) -> Any:
    """``log(sum(exp(x)))`` along an axis, without overflow."""
    largest = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - largest), axis=axis)) + np.squeeze(largest, axis)


def triangular(logs: Any, below: Any) -> Any:
    """Lower triangular matrices, of the logarithms of their diagonals and of what is below, row by row."""
    k, d = logs.shape
    row, column = np.arange(d)[:, None], np.arange(d)
    # Where each element is among the diagonal, what is below it, and a 0 at the end for what is above.
    place = np.where(row > column, d + row * (row - 1) // 2 + column, np.where(row == column, row, -1))
    return np.concatenate([np.exp(logs), below, np.zeros((k, 1))], axis=1)[:, place]


def log_posterior(alphas: Any, means: Any, factors: Any, x: Any, prior: Wishart = FLAT) -> Any:
    """The logarithm of likelihood times prior.

    ``Σᵢ log Σₖ exp(αₖ + Σqₖ - ½ |Qₖ (xᵢ - μₖ)|²) - n log Σₖ exp(αₖ) + Σₖ (m Σqₖ - ½ γ² |Qₖ|²)``, and what does not
    depend on the parameters.

    Parameters
    ----------
    alphas : array of shape (n_components,)
        Logarithms of the weights, up to a constant.
    means : array of shape (n_components, n_features)
        Their means.
    factors : array of shape (n_components, n_features (n_features + 1) / 2)
        Of each matrix Q the logarithms q of the diagonal, then what is below it.
    x : array of shape (n_samples, n_features)
        The data.
    prior : Wishart
        Its γ, and its m.
    """
    (n, d), k = x.shape, alphas.shape[0]
    logs, below = factors[:, :d], factors[:, d:]
    q = triangular(logs, below)
    centred = x - means[:, None]
    squares = np.sum(np.matmul(centred, np.swapaxes(q, 1, 2)) ** 2, axis=2)
    log_determinants = np.sum(logs, axis=1)
    inner = (alphas + log_determinants)[:, None] - 0.5 * squares
    likelihood = np.sum(log_sum_exp(inner, 0)) - n * log_sum_exp(alphas, 0)
    norms = np.sum(np.exp(logs) ** 2) + np.sum(below**2)
    penalty = 0.5 * prior.gamma**2 * norms - prior.excess * np.sum(log_determinants)
    return likelihood - penalty - 0.5 * n * d * math.log(2 * math.pi) + k * log_normaliser(d, prior)


def log_normaliser(d: int, prior: Wishart) -> float:
    """The logarithm of what the prior's density is divided by, negative."""
    freedom = d + 1 + prior.excess
    log_gamma = d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma((freedom - j) / 2) for j in range(d))
    return freedom * d * (math.log(prior.gamma) - 0.5 * math.log(2)) - log_gamma


def instance(d: int = 10, k: int = 25, n: int = 1000, seed: int = 0) -> tuple[Any, Any]:
    """Random parameters and data: ``(alphas, means, factors), (x,)``."""
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=k), rng.normal(size=(k, d)), 0.3 * rng.normal(size=(k, d * (d + 1) // 2))
    return parameters, (rng.normal(size=(n, d)),)


def main() -> None:
    """Value and gradient, by NumPy and compiled."""
    parameters, (x,) = instance()

    def objective(parameters: Any, x: Any) -> Any:
        return log_posterior(*parameters, x)

    value, gradient = tp.value_and_grad(objective)(parameters, x)
    compiled, _ = tp.compile(tp.value_and_grad(objective))(parameters, x)
    print(f"log posterior {value:.6f}, compiled {float(compiled):.6f}")
    print("norms of its gradient in alphas, means, factors:", *(f"{np.sqrt(np.sum(g**2)):.4f}" for g in gradient))


if __name__ == "__main__":
    main()
