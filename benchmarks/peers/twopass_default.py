"""twopass as its users run it: `Trainer.fit`, `Trainer.predict`, `compile`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import twopass as tp
from benchmarks.objectives import ALL, Library, Objective, loop
from benchmarks.peers import Calls, Declined, Variant
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, EPSILON, MOMENTUM, Weights, Workload

VERSION = f"twopass {tp.__version__}"

_LOOPS = [Variant(options={"scan": False}), Variant("tp.scan", options={"scan": True})]
VARIANTS = {"function": _LOOPS, "value_and_grad": _LOOPS}

LOSSES = {"softmax cross entropy": "softmax_cross_entropy", "mean squared error": "mean_squared_error"}


def network(workload: Workload) -> tp.nn.Sequential:
    """The network."""
    layers: list[tp.nn.Layer] = []
    for units in workload.sizes[1:-1]:
        layers.append(tp.nn.Dense(units, activation=workload.activation))
        layers += [tp.nn.BatchNorm(MOMENTUM, EPSILON)] * workload.batch_norm
        layers += [tp.nn.Dropout(workload.dropout)] * (workload.dropout > 0)
    return tp.nn.Sequential(*layers, tp.nn.Dense(workload.sizes[-1]))


def optimizer(workload: Workload) -> tp.optim.Transformation:
    """The optimizer, with the constants of every peer."""
    if workload.optimizer == "SGD":
        return tp.optim.SGD(workload.rate)
    return tp.optim.Adam(workload.rate, BETA1, BETA2, ADAM_EPSILON)


def trainer(workload: Workload, weights: Weights, backend: str) -> tp.Trainer:
    """A trainer of the network, with these weights."""
    made = tp.Trainer(network(workload), LOSSES[workload.loss], optimizer(workload), seed=0, backend=backend)
    made.init((workload.sizes[0],))
    dense = iter(weights)
    made.params = [
        dict(zip(("weight", "bias"), next(dense), strict=True)) if "weight" in layer else layer for layer in made.params
    ]
    return made


class Training:
    """Fits of a number of epochs: all that `fit` does is measured, its checks of the data included."""

    def __init__(self, workload: Workload, weights: Weights, shuffle: bool, backend: str) -> None:
        self.batch, self.shuffle = workload.batch, shuffle
        self.x, self.y = workload.data()
        self.trainer = trainer(workload, weights, backend)

    def __call__(self, epochs: int) -> None:
        self.trainer.fit(self.x, self.y, epochs=epochs, batch_size=self.batch, shuffle=self.shuffle)

    def result(self) -> list[np.ndarray]:
        dense = [layer for layer in self.trainer.params if "weight" in layer]
        return [layer[name] for layer in dense for name in ("weight", "bias")]


def training(workload: Workload, weights: Weights, shuffle: bool = True, backend: str = "auto") -> Training:
    """`Trainer.fit`."""
    return Training(workload, weights, shuffle, backend)


def prediction(workload: Workload, weights: Weights, x: np.ndarray, backend: str = "auto") -> Calls:
    """`Trainer.predict`, with its checks of the data."""
    predict = trainer(workload, weights, backend).predict
    return Calls(lambda: predict(x), lambda y: [y])


def _compiled(name: str, scan: bool, wrap: Callable[[Any], Any]) -> Calls:
    objective = ALL[name]
    if scan and not objective.loops:
        raise Declined("nothing to scan")
    library = Library(np, tp.scan if scan else loop)
    call = tp.compile(wrap(functools.partial(objective.function, library)))
    parameters, data = objective.arguments()
    return Calls(lambda: call(parameters, data), lambda found: list(map(np.asarray, tp.tree.leaves(found))))


def function(name: str, scan: bool = False) -> Calls:
    """The objective, compiled."""
    return _compiled(name, scan, lambda f: f)


def value_and_grad(name: str, scan: bool = False) -> Calls:
    """Value and gradient of the objective, compiled."""
    return _compiled(name, scan, tp.value_and_grad)


def jacobian(name: str) -> Calls:
    """What is not zero of the objective's Jacobian, compiled."""
    return _compiled(name, False, functools.partial(differentiated, ALL[name]))


def differentiated(objective: Objective, f: Any) -> Callable[[Any, Any], Any]:
    """The function of parameters and data that gives what is not zero of the Jacobian: one array a parameter."""
    rows = objective.directions(objective.arguments()[0])
    directions = tp.tree.map(lambda *parts: np.stack(parts), *rows)

    def forward(parameters: Any, data: Any) -> Any:
        def of_parameters(*parameters: Any) -> Any:
            return f(parameters, data)

        return tp.vmap(lambda *tangents: tp.jvp(of_parameters, parameters, tangents)[1])(*directions)

    def reverse(parameters: Any, data: Any) -> Any:
        _, pullback = tp.vjp(lambda *parameters: f(parameters, data), *parameters)
        return tp.vmap(pullback)(directions)

    return forward if objective.mode == "forward" else reverse
