"""`torch.compile`: forward pass, backward pass and update in one graph."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.objectives import ALL
from benchmarks.peers import Calls, Declined, Variant, torch_objectives
from benchmarks.peers.torch_eager import VERSION, Training, configure, loss_function, network
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, Weights, Workload

__all__ = ["VARIANTS", "VERSION", "function", "jacobian", "prediction", "training", "value_and_grad"]

#: C++ instead of Python around the kernels. Tuning (`max_autotune`), and compiling the network and the optimizer one by
#: one, were tried as well: never faster on these networks.
_OPTIONS = {"cpp_wrapper": True}

_THREADS = [Variant(f"{n} thread{'s' * (n > 1)}", options={"threads": n}) for n in (1, 2)]
VARIANTS = dict.fromkeys(["training", "prediction", "function", "value_and_grad", "jacobian"], _THREADS)


def _compiled_step(workload: Workload, net: nn.Module) -> Callable[..., Any]:
    """One graph: the network as a function of its parameters, `torch.func.grad` of it, and the update in place."""
    loss = loss_function(workload)
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}
    buffers = dict(net.named_buffers())
    update = {"SGD": _descend, "Adam": _adam}[workload.optimizer]
    moments = {name: (torch.zeros_like(p), torch.zeros_like(p)) for name, p in parameters.items()}
    time = torch.zeros(())

    def objective(parameters: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> Any:
        moved = {name: buffer.clone() for name, buffer in buffers.items()}  # a pure function: batch norm writes to them
        return loss(torch.func.functional_call(net, (parameters, moved), (x,)), y), moved

    @torch.compile(options=_OPTIONS, fullgraph=True)
    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        gradients, moved = torch.func.grad(objective, has_aux=True)(parameters, x, y)
        time.add_(1)
        for name, gradient in gradients.items():
            update(workload.rate, parameters[name], gradient, *moments[name], time)
        for name, buffer in moved.items():
            buffers[name].copy_(buffer)

    return step


def _descend(rate: float, p: torch.Tensor, g: torch.Tensor, *_: torch.Tensor) -> None:
    p.sub_(rate * g)


def _adam(rate: float, p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, t: torch.Tensor) -> None:
    m.mul_(BETA1).add_((1 - BETA1) * g)
    v.mul_(BETA2).add_((1 - BETA2) * g * g)
    p.sub_(rate * (m / (1 - BETA1**t)) / ((v / (1 - BETA2**t)).sqrt() + ADAM_EPSILON))


def training(workload: Workload, weights: Weights, shuffle: bool = True, threads: int = 1) -> Training:
    """The whole step, compiled."""
    configure(threads)
    torch.compiler.reset()
    net = network(workload, weights)
    return Training(workload, net, _compiled_step(workload, net), shuffle)


def prediction(workload: Workload, weights: Weights, x: np.ndarray, threads: int = 1) -> Calls:
    """The forward pass compiled for inference, from a NumPy array to a NumPy array (neither is copied)."""
    configure(threads)
    torch.compiler.reset()
    net = torch.compile(network(workload, weights).eval(), options={**_OPTIONS, "freezing": True})

    def predict() -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return Calls(predict, lambda y: [y])


def _objective(task: str, name: str, threads: int = 1) -> Calls:
    if ALL[name].loops:
        raise Declined("unrolls loops, which takes it minutes")
    configure(threads)
    torch.compiler.reset()
    return torch_objectives.prepared(name, task, torch.compile)


function = functools.partial(_objective, "function")
value_and_grad = functools.partial(_objective, "value_and_grad")
jacobian = functools.partial(_objective, "jacobian")
