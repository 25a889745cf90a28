"""Hand-written NumPy: what a programmer who knows the library well writes, without automatic differentiation."""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.objectives import NUMPY, OBJECTIVES
from benchmarks.peers import Calls, Declined, Variant
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, Weights, Workload

VERSION = f"NumPy {np.__version__}"

_THREADS = [Variant(f"{n} thread{'s' * (n > 1)}", options={"threads": n}) for n in (1, 2)]
VARIANTS = dict.fromkeys(("training", "prediction", "function", "value_and_grad"), _THREADS)

_ALPHA, _SCALE = 1.6732632423543772, 1.0507009873554805


def _relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0, out=z)


def _tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z, out=z)


def _selu(z: np.ndarray) -> np.ndarray:
    negative = np.expm1(np.minimum(z, 0))
    negative *= _ALPHA * _SCALE
    np.maximum(z, 0, out=z)
    z *= _SCALE
    z += negative
    return z


#: The activation, which may overwrite its input, and its slope as a function of the output.
ACTIVATIONS = {
    "relu": (_relu, lambda y: y > 0),
    "tanh": (_tanh, lambda y: 1 - y * y),
    "selu": (_selu, lambda y: np.where(y > 0, np.float32(_SCALE), y + np.float32(_ALPHA * _SCALE))),
}


class Training:
    """Both passes and the update, on one flat array of parameters with one view for each weight and bias."""

    def __init__(self, workload: Workload, weights: Weights, shuffle: bool, threads: int) -> None:
        if workload.batch_norm:
            raise Declined("hand-written NumPy has no batch normalisation here")
        threadpool_limits(threads, user_api="blas")
        self.workload = workload
        self.x, y = workload.data()
        self.y = np.eye(workload.sizes[-1], dtype=np.float32)[y] if workload.classifies else y
        self.orders = workload.orders(shuffle)
        self.flat = np.concatenate([part.ravel() for layer in weights for part in layer])
        self.gradient = np.zeros_like(self.flat)
        self.parameters, self.gradients = self._views(self.flat), self._views(self.gradient)
        self.moments = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.work = np.zeros_like(self.flat), np.zeros_like(self.flat)
        self.time = 0
        self.random = np.random.default_rng(3)
        self.activate, self.slope = ACTIVATIONS[workload.activation]
        self.outputs = [np.empty((workload.batch, n), np.float32) for n in workload.sizes]
        self.targets = np.empty((workload.batch, workload.sizes[-1]), np.float32)

    def _views(self, flat: np.ndarray) -> Weights:
        views, start = [], 0
        for m, n in self.workload.layers:
            middle, end = start + m * n, start + m * n + n
            views.append((flat[start:middle].reshape(m, n), flat[middle:end]))
            start = end
        return views

    def __call__(self, epochs: int) -> None:
        update = {"SGD": self._descend, "Adam": self._adam}[self.workload.optimizer]
        for _ in range(epochs):
            for rows in np.split(next(self.orders), self.workload.steps):
                np.take(self.x, rows, axis=0, out=self.outputs[0], mode="clip")  # "raise" would buffer
                np.take(self.y, rows, axis=0, out=self.targets, mode="clip")
                self._differentiate()
                update()

    def _differentiate(self) -> None:
        outputs, masks = self.outputs, self._forward()
        delta = self._loss_gradient(outputs[-1])
        for i in reversed(range(len(self.parameters))):
            np.matmul(outputs[i].T, delta, out=self.gradients[i][0])
            np.sum(delta, axis=0, out=self.gradients[i][1])
            if i > 0:
                delta = delta @ self.parameters[i][0].T
                if masks:
                    delta *= masks[i - 1]
                delta *= self.slope(outputs[i])

    def _forward(self) -> list[np.ndarray]:
        """Fill `outputs`; the dropout masks."""
        masks, last = [], len(self.parameters) - 1
        for i, (weight, bias) in enumerate(self.parameters):
            z = np.matmul(self.outputs[i], weight, out=self.outputs[i + 1])
            z += bias
            if i < last:
                self.activate(z)
                if self.workload.dropout:
                    masks.append(self._drop(z))
        return masks

    def _drop(self, h: np.ndarray) -> np.ndarray:
        mask = self.random.random(h.shape, np.float32) >= self.workload.dropout
        mask = mask * np.float32(1 / (1 - self.workload.dropout))
        h *= mask
        return mask

    def _loss_gradient(self, z: np.ndarray) -> np.ndarray:
        if self.workload.classifies:
            z -= z.max(axis=1, keepdims=True)
            np.exp(z, out=z)
            z /= z.sum(axis=1, keepdims=True)
            z -= self.targets
            z *= 1 / len(z)
        else:
            z -= self.targets
            z *= 2 / z.size
        return z

    def _descend(self) -> None:
        self.gradient *= self.workload.rate
        self.flat -= self.gradient

    def _adam(self) -> None:
        """Algorithm 1 of the paper with the corrections folded into two numbers, in place."""
        self.time += 1
        (m, v), (a, b), g = self.moments, self.work, self.gradient
        np.multiply(g, 1 - BETA1, out=a)
        m *= BETA1
        m += a
        np.multiply(g, g, out=b)
        b *= 1 - BETA2
        v *= BETA2
        v += b
        np.sqrt(v, out=b)
        b *= (1 - BETA2**self.time) ** -0.5
        b += ADAM_EPSILON
        np.divide(m, b, out=a)
        a *= self.workload.rate / (1 - BETA1**self.time)
        self.flat -= a

    def result(self) -> list[np.ndarray]:
        return [part.copy() for layer in self.parameters for part in layer]


def training(workload: Workload, weights: Weights, shuffle: bool = True, threads: int = 1) -> Training:
    """Mini-batch training with preallocated arrays."""
    return Training(workload, weights, shuffle, threads)


def prediction(workload: Workload, weights: Weights, x: np.ndarray, threads: int = 1) -> Calls:
    """The forward pass."""
    threadpool_limits(threads, user_api="blas")
    activate, _ = ACTIVATIONS[workload.activation]

    def predict() -> np.ndarray:
        h = x
        for weight, bias in weights[:-1]:
            h = h @ weight
            h += bias
            activate(h)
        weight, bias = weights[-1]
        return h @ weight + bias

    return Calls(predict, lambda y: [y])


def function(name: str, threads: int = 1) -> Calls:
    """The objective itself, in NumPy."""
    threadpool_limits(threads, user_api="blas")
    objective = OBJECTIVES[name]
    parameters, data = objective.arguments()
    return Calls(lambda: objective.function(NUMPY, parameters, data), lambda value: [np.asarray(value)])


def value_and_grad(name: str, threads: int = 1) -> Calls:
    """Value and gradient of the two-layer network, as they are written by hand."""
    if not name.startswith("network"):
        raise Declined("hand-written gradients only for the networks")
    threadpool_limits(threads, user_api="blas")
    (w1, b1, w2, b2), (x, y) = OBJECTIVES[name].arguments()

    def differentiate() -> tuple[Any, tuple[np.ndarray, ...]]:
        h = np.matmul(x, w1)
        h += b1
        np.tanh(h, out=h)
        error = np.matmul(h, w2)
        error += b2
        error -= y
        flat = error.ravel()
        value = np.dot(flat, flat) / error.size
        error *= 2 / error.size
        slope = np.multiply(h, h)
        np.subtract(1, slope, out=slope)
        slope *= error @ w2.T
        return value, (x.T @ slope, slope.sum(axis=0), h.T @ error, error.sum(axis=0))

    return Calls(differentiate, lambda pair: [np.asarray(pair[0]), *pair[1]])
