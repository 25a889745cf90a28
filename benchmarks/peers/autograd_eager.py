"""autograd: reverse mode on its own copy of NumPy, without compilation."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import autograd
import autograd.numpy
import numpy as np

from benchmarks.objectives import ALL, Library
from benchmarks.peers import Calls

VERSION = f"autograd {importlib.metadata.version('autograd')}"


def value_and_grad(name: str) -> Calls:
    """Value and gradient of the objective."""
    objective, library = ALL[name], Library(autograd.numpy)
    parameters, data = objective.arguments()
    differentiate = autograd.value_and_grad(lambda parameters: objective.function(library, parameters, data))

    def finish(found: Any) -> list[np.ndarray]:
        value, gradient = found
        return [np.asarray(value), *map(np.asarray, gradient)]

    return Calls(lambda: differentiate(parameters), finish)
