"""The optimizers' formulas for one number, as the papers print them: what the library is tested against.

Each function is a generator: it receives a gradient and yields the next parameter. Nothing here knows the library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

Walk = Generator[float, float, None]


def sgd(p: float, learning_rate: float, momentum: float, nesterov: bool, weight_decay: float) -> Walk:
    v = 0.0
    while True:
        g = yield p
        g = g + weight_decay * p
        v = momentum * v + g
        p = p - learning_rate * (g + momentum * v if nesterov else v)


def lion(p: float, learning_rate: float, beta1: float, beta2: float, weight_decay: float) -> Walk:
    m = 0.0
    while True:
        g = yield p
        c = beta1 * m + (1 - beta1) * g
        p = p - learning_rate * ((c > 0) - (c < 0) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g


def adagrad(p: float, learning_rate: float, epsilon: float) -> Walk:
    total = 0.0
    while True:
        g = yield p
        total = total + g**2
        p = p - learning_rate * g / (math.sqrt(total) + epsilon)


def rmsprop(p: float, learning_rate: float, decay: float, epsilon: float, momentum: float, centered: bool) -> Walk:
    r = a = v = 0.0
    while True:
        g = yield p
        r = decay * r + (1 - decay) * g**2
        a = decay * a + (1 - decay) * g
        v = momentum * v + g / (math.sqrt(r - a**2 if centered else r) + epsilon)
        p = p - learning_rate * v


def adam(p: float, learning_rate: float, beta1: float, beta2: float, epsilon: float, weight_decay: float = 0.0) -> Walk:
    m = v = 0.0
    t = 0
    while True:
        g = yield p
        t = t + 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p = p - learning_rate * (m_hat / (math.sqrt(v_hat) + epsilon) + weight_decay * p)


def nadam(p: float, learning_rate: float, beta1: float, beta2: float, epsilon: float, momentum_decay: float) -> Walk:
    def mu(t: int) -> float:
        return beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))

    m = n = 0.0
    t = 0
    while True:
        g = yield p
        t = t + 1
        g_hat = g / (1 - math.prod(mu(i) for i in range(1, t + 1)))
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - math.prod(mu(i) for i in range(1, t + 2)))
        n = beta2 * n + (1 - beta2) * g**2
        n_hat = n / (1 - beta2**t)
        m_bar = (1 - mu(t)) * g_hat + mu(t + 1) * m_hat
        p = p - learning_rate * m_bar / (math.sqrt(n_hat) + epsilon)


def radam(p: float, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> Walk:
    m = v = 0.0
    t = 0
    rho_inf = 2 / (1 - beta2) - 1
    while True:
        g = yield p
        t = t + 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho > 5:
            r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            p = p - learning_rate * m_hat * r * math.sqrt(1 - beta2**t) / (math.sqrt(v) + epsilon)
        else:
            p = p - learning_rate * m_hat


#: By class name: the formula, and the hyper-parameters to try it with.
REFERENCES: dict[str, tuple[Callable[..., Walk], list[dict[str, Any]]]] = {
    "SGD": (
        sgd,
        [
            {"learning_rate": 0.05, "momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
            {"learning_rate": 0.05, "momentum": 0.9, "nesterov": False, "weight_decay": 0.01},
            {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0},
        ],
    ),
    "Lion": (lion, [{"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.1}]),
    "Adagrad": (adagrad, [{"learning_rate": 0.1, "epsilon": 1e-10}]),
    "RMSProp": (
        rmsprop,
        [
            {"learning_rate": 0.01, "decay": 0.99, "epsilon": 1e-8, "momentum": 0.0, "centered": False},
            {"learning_rate": 0.01, "decay": 0.9, "epsilon": 1e-6, "momentum": 0.8, "centered": True},
        ],
    ),
    "Adam": (adam, [{"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}]),
    "AdamW": (adam, [{"learning_rate": 0.02, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6, "weight_decay": 0.1}]),
    "NAdam": (
        nadam,
        [{"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "momentum_decay": 0.004}],
    ),
    "RAdam": (
        radam,
        [
            {"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
            {"learning_rate": 0.02, "beta1": 0.9, "beta2": 0.5, "epsilon": 1e-8},
        ],
    ),
}
