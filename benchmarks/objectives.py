"""Functions whose value and gradient are measured, each written once: NumPy code that other libraries run as well.

A function takes a `Library`, the parameters that it is differentiated in, and data. Parameters and data are tuples of
float64 arrays.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np


def loop(step: Callable[[Any, Any], Any], carry: Any, rows: Any) -> Any:
    """``carry = step(carry, row)`` for each row, as a loop of Python."""
    for index in range(len(rows)):
        carry = step(carry, rows[index])
    return carry


@dataclasses.dataclass(frozen=True)
class Library:
    """What a function computes with.

    Parameters
    ----------
    numpy : module
        NumPy, or a module with the same functions.
    scan : callable
        `loop`, or the library's own loop that it does not unroll.
    """

    numpy: Any
    scan: Callable[..., Any] = loop


NUMPY = Library(np)


@dataclasses.dataclass(frozen=True)
class Objective:
    """A function to differentiate, and where.

    Parameters
    ----------
    title : str
        For the table.
    function : callable
        ``function(library, parameters, data)`` gives a number.
    arguments : callable
        Gives parameters and data.
    loops : bool
        Whether it uses the library's `scan`.
    """

    title: str
    function: Callable[[Library, Any, Any], Any]
    arguments: Callable[[], tuple[Any, Any]]
    loops: bool = False


# --- a network ------------------------------------------------------------------------------------------------------


def network(library: Library, parameters: Any, data: Any) -> Any:
    """Mean squared error of a network with one hidden layer of tanh units."""
    np, (w1, b1, w2, b2), (x, y) = library.numpy, parameters, data
    error = np.matmul(np.tanh(np.matmul(x, w1) + b1), w2) + b2 - y
    return np.mean(error * error)


def _network_arguments(batch: int, inputs: int, hidden: int, outputs: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(inputs, hidden)) / inputs**0.5, rng.normal(size=(hidden, outputs)) / hidden**0.5
    parameters = w1, rng.normal(size=hidden), w2, rng.normal(size=outputs)
    return parameters, (rng.normal(size=(batch, inputs)), rng.normal(size=(batch, outputs)))


# --- Gaussian mixture -----------------------------------------------------------------------------------------------


def _logsumexp(np: Any, x: Any, axis: int) -> Any:
    largest = np.max(x, axis=axis, keepdims=True)
    return np.log(np.sum(np.exp(x - largest), axis=axis)) + np.squeeze(largest, axis)


def mixture(library: Library, parameters: Any, data: Any) -> Any:
    """Minus the log-likelihood of a Gaussian mixture with a Wishart prior, as ADBench defines it.

    Each inverse covariance is ``L Lᵀ``, with the exponential of d numbers on the diagonal of L and the d (d - 1) / 2
    other numbers below it.

    References
    ----------
    .. [1] F. Šrajer, Z. Kukelova and A. Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some
       problems in computer vision and machine learning", Optimization Methods and Software 33 (2018).
    """
    np, (alphas, means, factors) = library.numpy, parameters
    x, places, gamma, excess = data
    (n, d), k = x.shape, alphas.shape[0]
    logs = factors[:, :d]
    diagonals = np.exp(logs)
    # Each entry of a matrix L is one of these numbers: on the diagonal, below it, or the 0 at the end.
    entries = np.concatenate([diagonals, factors[:, d:], np.zeros((k, 1))], axis=1)
    triangles = np.reshape(entries[:, places], (k, d, d))
    centred = x - np.reshape(means, (k, 1, d))
    projected = np.matmul(centred, np.swapaxes(triangles, 1, 2))
    sums = np.sum(logs, axis=1)
    inner = np.reshape(alphas + sums, (k, 1)) - 0.5 * np.sum(projected * projected, axis=2)
    fit = np.sum(_logsumexp(np, inner, 0)) - n * _logsumexp(np, alphas, 0)
    below = factors[:, d:]
    squares = np.sum(diagonals * diagonals) + np.sum(below * below)
    return 0.5 * gamma * gamma * squares - excess * np.sum(sums) - fit


def _mixture_arguments(d: int = 10, k: int = 25, n: int = 1000) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    below = d * (d - 1) // 2
    places = np.full((d, d), d + below)
    places[np.arange(d), np.arange(d)] = np.arange(d)
    places[np.tril_indices(d, -1)] = d + np.arange(below)
    parameters = rng.normal(size=k), rng.normal(size=(k, d)), 0.3 * rng.normal(size=(k, d + below))
    return parameters, (rng.normal(size=(n, d)), places.ravel(), np.float64(1.0), np.float64(0.5))


# --- others ---------------------------------------------------------------------------------------------------------


def logistic_regression(library: Library, parameters: Any, data: Any) -> Any:
    """Mean log loss of a linear model with an L2 penalty."""
    np, (w, b), (x, y) = library.numpy, parameters, data
    z = np.matmul(x, w) + b
    return np.mean(np.logaddexp(0, z) - y * z) + 1e-3 * np.sum(w * w)


def _logistic_arguments(rows: int = 10_000, columns: int = 50) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns))
    y = (x @ rng.normal(size=columns) + rng.normal(size=rows) > 0).astype(float)
    return (rng.normal(size=columns), np.float64(0.1)), (x, y)


def rosenbrock(library: Library, parameters: Any, data: Any) -> Any:
    """The sum of 100 (xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)²."""
    np, (x,) = library.numpy, parameters
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _rosenbrock_arguments(n: int = 1000) -> tuple[Any, Any]:
    return (np.random.default_rng(0).normal(size=n),), ()


def lstm(library: Library, parameters: Any, data: Any) -> Any:
    """Mean squared error of what a long short-term memory makes of a batch of sequences.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997); with the forget gate
       of F. Gers, J. Schmidhuber and F. Cummins, "Learning to forget", Neural Computation 12 (2000).
    """
    np, (w, u, b, v), (x, y) = library.numpy, parameters, data
    hidden = u.shape[0]

    def sigmoid(z: Any) -> Any:
        return 0.5 * np.tanh(0.5 * z) + 0.5

    def step(carry: Any, row: Any) -> Any:
        h, c = carry
        z = np.matmul(row, w) + np.matmul(h, u) + b
        enter, forget, leave = (sigmoid(z[:, i * hidden : (i + 1) * hidden]) for i in range(3))
        c = forget * c + enter * np.tanh(z[:, 3 * hidden :])
        return leave * np.tanh(c), c

    zeros = np.zeros((x.shape[1], hidden))
    h, _ = library.scan(step, (zeros, zeros), x)
    error = np.matmul(h, v) - y
    return np.mean(error * error)


def _lstm_arguments(steps: int = 50, batch: int = 16, inputs: int = 16, hidden: int = 32) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    scale = hidden**-0.5
    w, u = rng.normal(size=(inputs, 4 * hidden)) * scale, rng.normal(size=(hidden, 4 * hidden)) * scale
    parameters = w, u, np.zeros(4 * hidden), rng.normal(size=(hidden, 1)) * scale
    return parameters, (rng.normal(size=(steps, batch, inputs)), rng.normal(size=(batch, 1)))


def _normal_distribution(np: Any, x: Any) -> Any:
    """The distribution function of the normal distribution, to 7.5e-8.

    References
    ----------
    .. [1] M. Abramowitz and I. Stegun, Handbook of Mathematical Functions (1964), 26.2.17.
    """
    k = 1 / (1 + 0.2316419 * np.abs(x))
    series = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
    tail = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) * series
    return np.where(x > 0, 1 - tail, tail)


def black_scholes(library: Library, parameters: Any, data: Any) -> Any:
    """The sum of the prices of European calls and puts; the gradient holds their sensitivities.

    References
    ----------
    .. [1] F. Black and M. Scholes, "The pricing of options and corporate liabilities", Journal of Political Economy 81
       (1973).
    """
    np, (spot, time, volatility), (strike, rate) = library.numpy, parameters, data
    spread = volatility * np.sqrt(time)
    upper = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / spread
    paid = strike * np.exp(-rate * time)
    call = spot * _normal_distribution(np, upper) - paid * _normal_distribution(np, upper - spread)
    return np.sum(2 * call + paid - spot)


def _black_scholes_arguments(options: int = 100_000) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    spot, time, volatility = rng.uniform(50, 150, options), rng.uniform(0.1, 2, options), rng.uniform(0.1, 0.5, options)
    return (spot, time, volatility), (rng.uniform(50, 150, options), np.float64(0.03))


NETWORKS = {"network-small": (32, 8, 16, 1), "network-middle": (64, 64, 128, 10), "network-large": (256, 784, 256, 10)}

OBJECTIVES = {
    **{
        name: Objective("network {}, {}, {}, {}".format(*sizes), network, functools.partial(_network_arguments, *sizes))
        for name, sizes in NETWORKS.items()
    },
    "mixture": Objective("Gaussian mixture", mixture, _mixture_arguments),
    "logistic": Objective("logistic regression", logistic_regression, _logistic_arguments),
    "rosenbrock": Objective("Rosenbrock of 1,000", rosenbrock, _rosenbrock_arguments),
    "lstm": Objective("LSTM, 50 steps", lstm, _lstm_arguments, loops=True),
    "black-scholes": Objective("Black-Scholes, 100,000 options", black_scholes, _black_scholes_arguments),
}
