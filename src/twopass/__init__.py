"""twopass: backpropagation for plain NumPy code and for neural networks.

One forward pass, one backward pass, then a gradient-descent step.
"""

from twopass import data, errors, nn, optim, train, tree
from twopass.api import (
    check_grads,
    custom_rule,
    elementwise_grad,
    finite_difference,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    scan,
    stop_gradient,
    value_and_grad,
    vjp,
)
from twopass.compiler import compile
from twopass.train import Trainer

__version__ = "0.1.0"

__all__ = [
    "Trainer",
    "check_grads",
    "compile",
    "custom_rule",
    "data",
    "elementwise_grad",
    "errors",
    "finite_difference",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "nn",
    "optim",
    "scan",
    "stop_gradient",
    "train",
    "tree",
    "value_and_grad",
    "vjp",
]
