"""Long short-term memory with diagonal gates: the loss of predicting each next character of a text, and its gradient.

Run ``python examples/adbench/lstm.py``. This is the network that the benchmark of F. Šrajer, Z. Kukelova and A.
Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some problems in computer vision and machine
learning", Optimization Methods and Software 33 (2018), got after the paper (github.com/microsoft/ADBench). There is a
unit for each character of the alphabet, and a gate of a unit sees that unit only, so all weights are vectors:

    forget = σ(x w₁ + b₁), enter = σ(h w₂ + b₂), leave = σ(x w₃ + b₃), change = tanh(h w₄ + b₄),
    c' = forget c + enter change,  h' = leave tanh(c').
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import twopass as tp


def sigmoid(z: Any) -> Any:
    """The logistic function, without overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def unit(weights: Any, biases: Any, h: Any, c: Any, x: Any) -> tuple[Any, Any]:
    """One layer's next hidden state and cell, from weights and biases of shape (4, n_units)."""
    forget, leave = sigmoid(x * weights[0] + biases[0]), sigmoid(x * weights[2] + biases[2])
    enter, change = sigmoid(h * weights[1] + biases[1]), np.tanh(h * weights[3] + biases[3])
    c = forget * c + enter * change
    return leave * np.tanh(c), c


def loop(step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, rows: Any) -> tuple[Any, Any]:
    """``carry, out = step(carry, row)`` for each row, as `tp.scan` does."""
    outputs = []
    for k in range(rows.shape[0]):
        carry, out = step(carry, rows[k])
        outputs.append(out)
    return carry, np.stack(outputs)


def loss(main: Any, extra: Any, state: Any, sequence: Any, scan: Any = loop) -> Any:
    """Minus the mean of the logarithms of the probabilities that the network gives to the text.

    Parameters
    ----------
    main : array of shape (n_layers, 2, 4, n_units)
        Weights and biases of the gates.
    extra : array of shape (3, n_units)
        A factor for the input, and a factor and a bias for the output.
    state : array of shape (n_layers, 2, n_units)
        Hidden state and cell of each layer at the beginning.
    sequence : array of shape (n_characters, n_units)
        The text, one character a row: 1 at its place, 0 elsewhere.
    scan : callable
        `loop`, or a loop that a compiler does not unroll, such as `tp.scan`.
    """

    def step(carry: Any, x: Any) -> tuple[Any, Any]:
        x, after = x * extra[0], []
        for layer, (h, c) in enumerate(carry):
            x, c = unit(main[layer, 0], main[layer, 1], h, c, x)
            after.append((x, c))
        return tuple(after), x * extra[1] + extra[2]

    start = tuple((state[layer, 0], state[layer, 1]) for layer in range(state.shape[0]))
    _, predicted = scan(step, start, sequence[:-1])
    logs = predicted - np.log(np.sum(np.exp(predicted), axis=1, keepdims=True) + 2)  # the 2 is the benchmark's
    return -np.mean(sequence[1:] * logs)


def instance(layers: int = 2, characters: int = 1024, units: int = 14, seed: int = 0) -> tuple[Any, Any]:
    """Random parameters and a random text: ``(main, extra), (state, sequence)``."""
    rng = np.random.default_rng(seed)
    sequence = np.eye(units)[rng.integers(units, size=characters)]
    parameters = rng.normal(size=(layers, 2, 4, units)), rng.normal(size=(3, units))
    return parameters, (rng.normal(size=(layers, 2, units)), sequence)


def main() -> None:
    """Value and gradient, by NumPy and compiled."""
    parameters, data = instance(characters=100)

    def objective(parameters: Any, state: Any, sequence: Any) -> Any:
        return loss(*parameters, state, sequence, scan=tp.scan)

    value, gradient = tp.value_and_grad(objective)(parameters, *data)
    compiled, _ = tp.compile(tp.value_and_grad(objective))(parameters, *data)
    print(f"loss {value:.6f}, compiled {float(compiled):.6f}")
    print("norms of its gradient in main, extra:", *(f"{np.sqrt(np.sum(g**2)):.6f}" for g in gradient))


if __name__ == "__main__":
    main()
