"""Functions whose derivatives are measured, each written once: NumPy code that other libraries run as well.

A function takes a `Library`, the parameters that it is differentiated in, and data. Parameters and data are tuples of
float64 arrays.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from examples.adbench import ba, gmm, hand
from examples.adbench import lstm as lstm_text


def loop(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, rows: Any) -> tuple[Any, None]:
    """``carry, _ = step(carry, row)`` for each row, as a loop of Python."""
    for index in range(len(rows)):
        carry, _ = step(carry, rows[index])
    return carry, None


@dataclasses.dataclass(frozen=True)
class Library:
    """What a function computes with.

    Parameters
    ----------
    numpy : module
        NumPy, or a module with the same functions.
    scan : callable
        `loop`, or the library's own loop that it does not unroll; that one gives the last carry, and outputs stacked.
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
    mode : {"gradient", "forward", "reverse"}
        What its derivative is: value and gradient of a number, or as much of the Jacobian of an array as is not zero,
        by a forward pass for each of some tangents, or by a backward pass for each of some cotangents.
    directions : callable, optional
        Gives these tangents (tuples as the parameters are) or cotangents (arrays) for some parameters.
    """

    title: str
    function: Callable[[Library, Any, Any], Any]
    arguments: Callable[[], tuple[Any, Any]]
    loops: bool = False
    mode: str = "gradient"
    directions: Callable[[Any], list[Any]] | None = None

    @property
    def task(self) -> str:
        """What the peers call it."""
        return "value_and_grad" if self.mode == "gradient" else "jacobian"


# --- a network ------------------------------------------------------------------------------------------------------


def network(library: Library, parameters: Any, data: Any) -> Any:
    """Mean squared error of a network with one hidden layer of tanh units."""
    np, (w1, b1, w2, b2), (x, y) = library.numpy, parameters, data
    error = np.matmul(np.tanh(np.matmul(x, w1) + b1), w2) + b2 - y
    return np.mean(error * error)


def network_arguments(batch: int, inputs: int, hidden: int, outputs: int) -> tuple[Any, Any]:
    """Random parameters and data of a `network`."""
    rng = np.random.default_rng(0)
    w1, w2 = rng.normal(size=(inputs, hidden)) / inputs**0.5, rng.normal(size=(hidden, outputs)) / hidden**0.5
    parameters = w1, rng.normal(size=hidden), w2, rng.normal(size=outputs)
    return parameters, (rng.normal(size=(batch, inputs)), rng.normal(size=(batch, outputs)))


# --- those of ADBench -----------------------------------------------------------------------------------------------


@functools.cache
def example(name: str, numpy: Any) -> Any:
    """A module of examples/adbench whose ``np`` is another one with NumPy's functions."""
    source: Any = importlib.util.find_spec(f"examples.adbench.{name}")
    module: Any = importlib.util.module_from_spec(source)
    source.loader.exec_module(module)
    module.np = numpy
    return module


def mixture(library: Library, parameters: Any, data: Any) -> Any:
    """The logarithm of the posterior density of a Gaussian mixture."""
    return example("gmm", library.numpy).log_posterior(*parameters, *data)


def bundle_adjustment(library: Library, parameters: Any, data: Any) -> Any:
    """Residuals of reprojection; the camera, the point and the weight of each observation are the parameters."""
    return example("ba", library.numpy).reprojection(*parameters, *data)


def _bundle_arguments() -> tuple[Any, Any]:
    (cameras, points, weights), (camera, point, features) = ba.instance()
    return (cameras[camera], points[point], weights), (features,)


def _bundle_cotangents(parameters: Any) -> list[Any]:
    return [np.broadcast_to(unit, (len(parameters[0]), 2)) for unit in np.eye(2)]


def hand_simple(library: Library, parameters: Any, data: Any) -> Any:
    """Residuals of a hand whose vertices are to be at points."""
    return example("hand", library.numpy).simple(*parameters, *data)


def hand_complicated(library: Library, parameters: Any, data: Any) -> Any:
    """Residuals of a hand that is to have points in its triangles."""
    return example("hand", library.numpy).complicated(*parameters, *data)


def _hand_tangents(parameters: Any) -> list[Any]:
    """Unit vectors of the pose; and of the places, if they are parameters, one for all in each coordinate."""
    pose, *places = parameters
    found = [(unit, *map(np.zeros_like, places)) for unit in np.eye(len(pose))]
    for array in places:
        found += [(np.zeros_like(pose), np.broadcast_to(unit, array.shape)) for unit in np.eye(2)]
    return found


def diagonal_lstm(library: Library, parameters: Any, data: Any) -> Any:
    """The loss of a long short-term memory with diagonal gates."""
    module = example("lstm", library.numpy)
    return module.loss(*parameters, *data, scan=module.loop if library.scan is loop else library.scan)


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
        return (leave * np.tanh(c), c), None

    zeros = np.zeros((x.shape[1], hidden))
    (h, _), _ = library.scan(step, (zeros, zeros), x)
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
        name: Objective("network {}, {}, {}, {}".format(*sizes), network, functools.partial(network_arguments, *sizes))
        for name, sizes in NETWORKS.items()
    },
    "mixture": Objective("Gaussian mixture", mixture, gmm.instance),
    "logistic": Objective("logistic regression", logistic_regression, _logistic_arguments),
    "rosenbrock": Objective("Rosenbrock of 1,000", rosenbrock, _rosenbrock_arguments),
    "lstm": Objective("LSTM, 50 steps", lstm, _lstm_arguments, loops=True),
    "black-scholes": Objective("Black-Scholes, 100,000 options", black_scholes, _black_scholes_arguments),
}

#: The objectives of ADBench, whose Jacobians are measured as well.
ADBENCH = {
    "mixture": OBJECTIVES["mixture"],
    "bundle": Objective(
        "bundle adjustment, 4,000 observations",
        bundle_adjustment,
        _bundle_arguments,
        mode="reverse",
        directions=_bundle_cotangents,
    ),
    "hand": Objective("hand, 200 points", hand_simple, hand.simple_instance, mode="forward", directions=_hand_tangents),
    "hand-complicated": Objective(
        "hand, 200 points in triangles",
        hand_complicated,
        hand.complicated_instance,
        mode="forward",
        directions=_hand_tangents,
    ),
    "lstm-diagonal": Objective(
        "diagonal LSTM, 16 steps", diagonal_lstm, functools.partial(lstm_text.instance, characters=17), loops=True
    ),
}

ALL = {**OBJECTIVES, **ADBENCH}
