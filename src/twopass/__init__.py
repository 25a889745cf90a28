"""twopass: backpropagation for plain NumPy code and for neural networks.

One forward pass, one backward pass, then a gradient-descent step.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twopass import data, errors, io, nn, optim, plot, special, stats, train, tree
    from twopass.api import (
        check_grads,
        checkpoint,
        custom_rule,
        debug,
        elementwise_grad,
        finite_difference,
        fixed_point,
        grad,
        hessian,
        hvp,
        implicit_root,
        jacobian,
        jvp,
        stop_gradient,
        value_and_grad,
        vjp,
        zeros,
    )
    from twopass.api.comparison import techniques
    from twopass.api.scan import scan
    from twopass.api.vmap import vmap
    from twopass.bridges import scipy
    from twopass.compiler import compile
    from twopass.train import Trainer

__version__ = "0.1.0"

__all__ = [
    "Trainer",
    "check_grads",
    "checkpoint",
    "compile",
    "custom_rule",
    "data",
    "debug",
    "elementwise_grad",
    "errors",
    "finite_difference",
    "fixed_point",
    "grad",
    "hessian",
    "hvp",
    "implicit_root",
    "io",
    "jacobian",
    "jvp",
    "nn",
    "optim",
    "plot",
    "scan",
    "scipy",
    "special",
    "stats",
    "stop_gradient",
    "techniques",
    "train",
    "tree",
    "value_and_grad",
    "vjp",
    "vmap",
    "zeros",
]

#: Where the public names are. Each is imported when it is asked for: who differentiates a function does not wait for
#: the networks, and ``import twopass`` for neither.
_ROOMS = {
    "compile": "twopass.compiler",
    "scipy": "twopass.bridges",
    "techniques": "twopass.api.comparison",
    "Trainer": "twopass.train",
}
_MODULES = frozenset({"data", "errors", "io", "nn", "optim", "plot", "special", "stats", "train", "tree"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'twopass' has no attribute {name!r}")
    if name in _MODULES:
        return importlib.import_module(f"twopass.{name}")
    found = getattr(importlib.import_module(_ROOMS.get(name, "twopass.api")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
