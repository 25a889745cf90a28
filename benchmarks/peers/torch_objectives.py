"""The objectives of ADBench in PyTorch: the same formulas as in examples/adbench, with PyTorch's functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from examples.adbench import gmm, hand

from benchmarks.objectives import ALL
from benchmarks.peers import Calls, Declined

Tensor = torch.Tensor


def mixture(parameters: Any, data: Any) -> Tensor:
    """See `examples.adbench.gmm.log_posterior`."""
    (alphas, means, factors), (x,) = parameters, data
    (n, d), k = x.shape, len(alphas)
    logs, below = factors[:, :d], factors[:, d:]
    row, column = torch.arange(d)[:, None], torch.arange(d)
    place = torch.where(row > column, d + row * (row - 1) // 2 + column, torch.where(row == column, row, -1))
    q = torch.cat([torch.exp(logs), below, torch.zeros((k, 1), dtype=x.dtype)], dim=1)[:, place]
    squares = torch.sum(torch.matmul(x - means[:, None], q.transpose(1, 2)) ** 2, dim=2)
    log_determinants = torch.sum(logs, dim=1)
    inner = (alphas + log_determinants)[:, None] - 0.5 * squares
    likelihood = torch.sum(torch.logsumexp(inner, 0)) - n * torch.logsumexp(alphas, 0)
    norms = torch.sum(torch.exp(logs) ** 2) + torch.sum(below**2)
    prior = gmm.FLAT
    penalty = 0.5 * prior.gamma**2 * norms - prior.excess * torch.sum(log_determinants)
    return likelihood - penalty - 0.5 * n * d * math.log(2 * math.pi) + k * gmm.log_normaliser(d, prior)


def bundle(parameters: Any, data: Any) -> Tensor:
    """See `examples.adbench.ba.reprojection`; no camera has the rotation 0."""
    (cameras, points, weights), (features,) = parameters, data
    rotation, x = cameras[:, :3], points - cameras[:, 3:6]
    angle = torch.sqrt(torch.sum(rotation**2, dim=1, keepdim=True))
    axis = rotation / angle
    along = torch.sum(axis * x, dim=1, keepdim=True) * (1 - torch.cos(angle))
    seen = x * torch.cos(angle) + torch.linalg.cross(axis, x) * torch.sin(angle) + axis * along
    image = seen[:, :2] / seen[:, 2:]
    squared = torch.sum(image**2, dim=1, keepdim=True)
    distortion = 1 + cameras[:, 9:10] * squared + cameras[:, 10:11] * squared**2
    projected = image * distortion * cameras[:, 6:7] + cameras[:, 7:9]
    return weights[:, None] * (projected - features)


def _turn(angle: Tensor, first: int, second: int) -> Tensor:
    """Matrices, of shape (n, 4, 4), that turn in the plane of two axes."""
    zero, one, cos, sin = torch.zeros_like(angle), torch.ones_like(angle), torch.cos(angle), torch.sin(angle)
    rows = [[one if i == j else zero for j in range(4)] for i in range(4)]
    rows[first][first] = rows[second][second] = cos
    rows[first][second], rows[second][first] = -sin, sin
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _skin(pose: Tensor, model: Any) -> Tensor:
    """See `examples.adbench.hand.skin`."""
    angles = pose[6:].reshape(hand.FINGERS, 1 + hand.JOINTS)
    chain = [model.offsets[:, 0] @ _turn(angles[:, 0], 0, 1) @ _turn(angles[:, 1], 1, 2)]
    for joint in range(1, hand.JOINTS):
        chain.append(chain[-1] @ model.offsets[:, joint] @ _turn(angles[:, 1 + joint], 1, 2))
    fingers = torch.stack(chain, dim=1) @ model.inverses
    palm = torch.eye(4, dtype=pose.dtype)[None]
    moves = torch.cat([palm, fingers.reshape(hand.FINGERS * hand.JOINTS, 4, 4)])[:, :3]
    posed = torch.sum(torch.tensordot(model.weights, moves, 1) * model.vertices[:, None], dim=2)
    angle = torch.sqrt(torch.sum(pose[:3] ** 2))
    (x, y, z), zero = pose[:3].unbind(), torch.zeros_like(angle)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    turned = torch.eye(3, dtype=pose.dtype) + torch.sin(angle) / angle * cross
    turned = turned + (1 - torch.cos(angle)) / angle**2 * (cross @ cross)
    return posed @ turned.T + pose[3:6]


def hand_simple(parameters: Any, data: Any) -> Tensor:
    """See `examples.adbench.hand.simple`."""
    (pose,), (model, points, vertex) = parameters, data
    return points - _skin(pose, model)[vertex]


def hand_complicated(parameters: Any, data: Any) -> Tensor:
    """See `examples.adbench.hand.complicated`."""
    (pose, places), (model, points, triangle) = parameters, data
    corners = _skin(pose, model)[model.triangles[triangle]]
    u, v = places[:, :1], places[:, 1:]
    return points - (u * corners[:, 0] + v * corners[:, 1] + (1 - u - v) * corners[:, 2])


def diagonal_lstm(parameters: Any, data: Any) -> Tensor:
    """See `examples.adbench.lstm.loss`."""
    (main, extra), (state, sequence) = parameters, data
    carry = [(h, c) for h, c in state]
    predicted = []
    for x in sequence[:-1]:
        x = x * extra[0]
        for layer, (h, c) in enumerate(carry):
            weights, biases = main[layer]
            forget, leave = torch.sigmoid(x * weights[0] + biases[0]), torch.sigmoid(x * weights[2] + biases[2])
            enter, change = torch.sigmoid(h * weights[1] + biases[1]), torch.tanh(h * weights[3] + biases[3])
            c = forget * c + enter * change
            x = leave * torch.tanh(c)
            carry[layer] = x, c
        predicted.append(x * extra[1] + extra[2])
    outputs = torch.stack(predicted)
    logs = outputs - torch.log(torch.sum(torch.exp(outputs), dim=1, keepdim=True) + 2)
    return -torch.mean(sequence[1:] * logs)


FUNCTIONS = {
    "mixture": mixture,
    "bundle": bundle,
    "hand": hand_simple,
    "hand-complicated": hand_complicated,
    "lstm-diagonal": diagonal_lstm,
}


def prepared(name: str, task: str, compiler: Callable[[Any], Any] = lambda f: f) -> Calls:
    """A task of `benchmarks.contest`: the function, its value and gradient, or what is not zero of its Jacobian."""
    if name not in FUNCTIONS:
        raise Declined("has no version of it")
    f, objective = FUNCTIONS[name], ALL[name]
    parameters, data = torch.utils._pytree.tree_map(torch.as_tensor, objective.arguments())
    if task == "function":
        call = torch.no_grad()(compiler(f))
    else:
        call = compiler(_value_and_grad(f) if task == "value_and_grad" else _jacobian(f, objective))
    return Calls(
        lambda: call(parameters, data),
        lambda found: [leaf.detach().numpy() for leaf in torch.utils._pytree.tree_leaves(found)],
    )


def _value_and_grad(f: Callable[[Any, Any], Tensor]) -> Callable[[Any, Any], Any]:
    differentiate = torch.func.grad_and_value(f)

    def call(parameters: Any, data: Any) -> Any:
        gradient, value = differentiate(parameters, data)
        return value, gradient

    return call


def _jacobian(f: Callable[[Any, Any], Tensor], objective: Any) -> Callable[[Any, Any], Any]:
    given = objective.directions(objective.arguments()[0])
    stack = functools.partial(torch.utils._pytree.tree_map, lambda *rows: torch.stack([torch.tensor(r) for r in rows]))
    directions = stack(*given)

    def forward(parameters: Any, data: Any) -> Any:
        def push(tangent: Any) -> Tensor:
            return torch.func.jvp(lambda p: f(p, data), (parameters,), (tangent,))[1]

        return torch.func.vmap(push)(directions)

    def reverse(parameters: Any, data: Any) -> Any:
        _, pullback = torch.func.vjp(lambda p: f(p, data), parameters)
        return torch.func.vmap(lambda cotangent: pullback(cotangent)[0])(directions)

    return forward if objective.mode == "forward" else reverse
