"""Differentiating functions: what users call."""

from twopass.api.create import zeros
from twopass.api.custom import custom_rule, stop_gradient
from twopass.api.debugging import debug
from twopass.api.derived import hessian, hvp, jacobian
from twopass.api.forward import jvp
from twopass.api.implicit import fixed_point, implicit_root
from twopass.api.numerical import check_grads, finite_difference
from twopass.api.recompute import checkpoint
from twopass.api.reverse import elementwise_grad, grad, value_and_grad, vjp
from twopass.api.scan import scan
from twopass.api.vmap import vmap

__all__ = [
    "check_grads",
    "checkpoint",
    "custom_rule",
    "debug",
    "elementwise_grad",
    "finite_difference",
    "fixed_point",
    "grad",
    "hessian",
    "hvp",
    "implicit_root",
    "jacobian",
    "jvp",
    "scan",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
    "zeros",
]
