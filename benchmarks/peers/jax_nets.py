"""What both ways to train with JAX share: the network and the training step as pure functions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers import Variant
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, EPSILON, MOMENTUM, Weights, Workload

VERSION = f"jax {jax.__version__}"

#: The size of its thread pool is read once, from the environment.
THREADS = {"1 thread": {"NPROC": "1"}, "2 threads": {}}
THREAD_VARIANTS = [Variant(label, environment=variables) for label, variables in THREADS.items()]

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "selu": jax.nn.selu}

#: Parameters, statistics, the optimizer's state and a random key: what a step takes and gives.
State = tuple[Any, Any, Any, Any]


def start(workload: Workload, weights: Weights) -> State:
    """The state before the first step."""
    norms = [(jnp.ones(n), jnp.zeros(n)) for n in workload.sizes[1:-1]] if workload.batch_norm else []
    params = {"dense": jax.tree.map(jnp.array, weights), "norm": norms}
    statistics = jax.tree.map(jnp.array, norms)
    moments = (params, params, jnp.zeros(())) if workload.optimizer == "Adam" else ()
    moments = jax.tree.map(jnp.zeros_like, moments)
    # The generator that the processor runs fastest; the default one triples the cost of dropout.
    return params, statistics, moments, jax.random.key(3, impl="rbg")


def _drop(rate: float, h: Any, key: Any) -> Any:
    return jnp.where(jax.random.bernoulli(key, 1 - rate, h.shape), h / (1 - rate), 0)


def _normalise(h: Any, norm: Any, running: Any) -> tuple[Any, Any]:
    (scale, shift), (variance, mean) = norm, running
    batch_mean = jnp.mean(h, axis=0)
    batch_variance = jnp.mean(jnp.square(h - batch_mean), axis=0)
    h = (h - batch_mean) * (scale * jax.lax.rsqrt(batch_variance + EPSILON)) + shift
    moved = [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in ((variance, batch_variance), (mean, batch_mean))]
    return h, tuple(moved)


def forward(workload: Workload, params: Any, statistics: Any, x: Any, key: Any) -> tuple[Any, Any]:
    """The network in training, and its next statistics."""
    activation, moved, h = ACTIVATIONS[workload.activation], [], x
    *hidden, (weight, bias) = params["dense"]
    for index, (w, b) in enumerate(hidden):
        h = activation(h @ w + b)
        if workload.batch_norm:
            h, running = _normalise(h, params["norm"][index], statistics[index])
            moved.append(running)
        if workload.dropout:
            h = _drop(workload.dropout, h, jax.random.fold_in(key, index))
    return h @ weight + bias, moved


def _loss(workload: Workload, prediction: Any, y: Any) -> Any:
    if workload.classifies:
        # A sum over one-hot targets: the gradient of indexing would be a slow scatter.
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, workload.sizes[-1]) * jax.nn.log_softmax(prediction), axis=1))
    return jnp.mean(jnp.square(prediction - y))


def _update(workload: Workload, params: Any, gradient: Any, moments: Any) -> tuple[Any, Any]:
    if workload.optimizer == "SGD":
        return jax.tree.map(lambda p, g: p - workload.rate * g, params, gradient), moments
    first, second, time = moments
    time = time + 1
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    size, root = workload.rate / (1 - BETA1**time), 1 / jnp.sqrt(1 - BETA2**time)
    move = lambda p, m, v: p - size * m / (jnp.sqrt(v) * root + ADAM_EPSILON)  # noqa: E731 - one formula
    return jax.tree.map(move, params, first, second), (first, second, time)


def step(workload: Workload, state: State, x: Any, y: Any) -> State:
    """One step of the training."""
    params, statistics, moments, key = state
    if workload.dropout:
        key, own_key = jax.random.split(key)
    else:
        own_key = key

    def objective(params: Any) -> tuple[Any, Any]:
        prediction, moved = forward(workload, params, statistics, x, own_key)
        return _loss(workload, prediction, y), moved

    gradient, moved = jax.grad(objective, has_aux=True)(params)
    params, moments = _update(workload, params, gradient, moments)
    return params, moved, moments, key


class Training:
    """Epochs on data that are on the device already.

    Parameters
    ----------
    epoch : callable
        ``epoch(state, x, y, order)`` gives the state after an epoch.
    """

    def __init__(self, workload: Workload, weights: Weights, shuffle: bool, epoch: Callable[..., State]) -> None:
        self.state, self.epoch = start(workload, weights), epoch
        self.x, self.y = map(jnp.asarray, workload.data())
        self.orders = workload.orders(shuffle)

    def __call__(self, epochs: int) -> None:
        for _ in range(epochs):
            self.state = self.epoch(self.state, self.x, self.y, next(self.orders).astype(np.int32))
        jax.block_until_ready(self.state)

    def result(self) -> list[np.ndarray]:
        return [np.asarray(part) for layer in self.state[0]["dense"] for part in layer]


def with_workload(workload: Workload) -> Callable[..., State]:
    """The step of this workload, ``(state, x, y) -> state``."""
    return functools.partial(step, workload)
