"""twopass without its compiler: what NumPy and Python cost."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

import twopass as tp
from benchmarks.objectives import ALL, NUMPY
from benchmarks.peers import Calls, twopass_default
from benchmarks.peers.twopass_default import VERSION
from benchmarks.workloads import Weights

__all__ = ["VERSION", "function", "jacobian", "prediction", "training", "value_and_grad"]

training = functools.partial(twopass_default.training, backend="numpy")


def prediction(workload: twopass_default.Workload, weights: Weights, x: np.ndarray) -> Calls:
    """A call of the network itself."""
    net, params = twopass_default.network(workload), twopass_default.trainer(workload, weights, "numpy").params
    return Calls(lambda: net(params, x), lambda y: [y])


def _calls(name: str, wrap: Any) -> Calls:
    call = wrap(functools.partial(ALL[name].function, NUMPY))
    parameters, data = ALL[name].arguments()
    return Calls(lambda: call(parameters, data), lambda found: list(map(np.asarray, tp.tree.leaves(found))))


def function(name: str) -> Calls:
    """The objective as NumPy runs it."""
    return _calls(name, lambda f: f)


def value_and_grad(name: str) -> Calls:
    """Value and gradient in eager reverse mode."""
    return _calls(name, tp.value_and_grad)


def jacobian(name: str) -> Calls:
    """What is not zero of the objective's Jacobian, pass by pass."""
    return _calls(name, functools.partial(twopass_default.differentiated, ALL[name]))
