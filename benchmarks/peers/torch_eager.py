"""PyTorch as most of its users run it, with the fastest of its optimizers' implementations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.peers import Calls, Variant, torch_objectives
from benchmarks.workloads import ADAM_EPSILON, BETA1, BETA2, EPSILON, MOMENTUM, Weights, Workload

VERSION = f"torch {torch.__version__.partition('+')[0]}"


def _threads(n: int) -> str:
    return f"{n} thread{'s' * (n > 1)}"


VARIANTS = {
    "training": [
        Variant(f"{implementation}, {_threads(n)}", options={"implementation": implementation, "threads": n})
        for implementation in ("fused", "foreach")
        for n in (1, 2)
    ],
    **{
        task: [Variant(_threads(n), options={"threads": n}) for n in (1, 2)]
        for task in ("prediction", "function", "value_and_grad", "jacobian")
    },
}

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "selu": nn.SELU}


def network(workload: Workload, weights: Weights) -> nn.Sequential:
    """The network, with these weights."""
    layers: list[nn.Module] = []
    for index, (weight, bias) in enumerate(weights):
        dense = nn.Linear(*weight.shape)
        dense.load_state_dict({"weight": torch.from_numpy(weight.T.copy()), "bias": torch.from_numpy(bias.copy())})
        layers.append(dense)
        if index + 1 < len(weights):
            layers.append(ACTIVATIONS[workload.activation]())
            if workload.batch_norm:
                layers.append(nn.BatchNorm1d(weight.shape[1], eps=EPSILON, momentum=1 - MOMENTUM))
            if workload.dropout:
                layers.append(nn.Dropout(workload.dropout))
    return nn.Sequential(*layers)


def loss_function(workload: Workload) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The mean loss of a batch."""
    return nn.functional.cross_entropy if workload.classifies else nn.functional.mse_loss


def optimizer(workload: Workload, net: nn.Module, **implementation: bool) -> torch.optim.Optimizer:
    """The optimizer, with the constants of every peer."""
    if workload.optimizer == "SGD":
        return torch.optim.SGD(net.parameters(), lr=workload.rate, **implementation)
    return torch.optim.Adam(
        net.parameters(), lr=workload.rate, betas=(BETA1, BETA2), eps=ADAM_EPSILON, **implementation
    )


class Training:
    """Epochs of steps on data that are tensors already; the rows of a step are gathered by `index_select`.

    Parameters
    ----------
    step : callable
        ``step(x, y)`` trains on one batch.
    net : nn.Module
        What it trains.
    """

    def __init__(self, workload: Workload, net: nn.Module, step: Callable[..., Any], shuffle: bool) -> None:
        self.batch, self.net, self.step = workload.batch, net, step
        self.x, self.y = map(torch.from_numpy, workload.data())
        self.orders = workload.orders(shuffle)

    def __call__(self, epochs: int) -> None:
        x, y, step = self.x, self.y, self.step
        for _ in range(epochs):
            for rows in torch.from_numpy(next(self.orders)).split(self.batch):
                step(x.index_select(0, rows), y.index_select(0, rows))

    def result(self) -> list[np.ndarray]:
        dense = [layer for layer in self.net if isinstance(layer, nn.Linear)]
        pairs = [(layer.weight.T, layer.bias) for layer in dense]
        return [part.detach().numpy().copy() for pair in pairs for part in pair]


def configure(threads: int) -> None:
    """Threads, and no denormal numbers: they would slow PyTorch down where the other libraries round them to 0."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def training(
    workload: Workload, weights: Weights, shuffle: bool = True, implementation: str = "fused", threads: int = 1
) -> Training:
    """The usual four lines of a training step."""
    configure(threads)
    net, loss = network(workload, weights), loss_function(workload)
    descent = optimizer(workload, net, **{implementation: True})

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        descent.zero_grad()
        loss(net(x), y).backward()
        descent.step()

    return Training(workload, net, step, shuffle)


def prediction(workload: Workload, weights: Weights, x: np.ndarray, threads: int = 1) -> Calls:
    """The forward pass in inference mode, from a NumPy array to a NumPy array (neither is copied)."""
    configure(threads)
    net = network(workload, weights).eval()

    def predict() -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return Calls(predict, lambda y: [y])


def _objective(task: str, name: str, threads: int = 1) -> Calls:
    configure(threads)
    return torch_objectives.prepared(name, task)


function = functools.partial(_objective, "function")
value_and_grad = functools.partial(_objective, "value_and_grad")
jacobian = functools.partial(_objective, "jacobian")
