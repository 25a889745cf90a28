"""twopass without its compiler: what NumPy and Python cost."""

from __future__ import annotations

import functools

import numpy as np

import twopass as tp
from benchmarks.objectives import NUMPY, OBJECTIVES
from benchmarks.peers import Calls, twopass_default
from benchmarks.peers.twopass_default import VERSION
from benchmarks.workloads import Weights

__all__ = ["VERSION", "prediction", "training", "value_and_grad"]

training = functools.partial(twopass_default.training, backend="numpy")


def prediction(workload: twopass_default.Workload, weights: Weights, x: np.ndarray) -> Calls:
    """A call of the network itself."""
    net, params = twopass_default.network(workload), twopass_default.trainer(workload, weights, "numpy").params
    return Calls(lambda: net(params, x), lambda y: [y])


def value_and_grad(name: str) -> Calls:
    """Value and gradient in eager reverse mode."""
    objective = OBJECTIVES[name]
    differentiate = tp.value_and_grad(functools.partial(objective.function, NUMPY))
    parameters, data = objective.arguments()
    return Calls(lambda: differentiate(parameters, data), lambda found: list(map(np.asarray, tp.tree.leaves(found))))
