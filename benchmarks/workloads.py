"""The trainings that are measured, as plain descriptions: every peer builds the same network from them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

#: (weight, bias) of each dense layer; a weight has the shape (inputs, outputs).
Weights = list[tuple[np.ndarray, np.ndarray]]

#: Constants of batch normalisation: those of Keras and twopass. PyTorch calls 1 - MOMENTUM its momentum.
MOMENTUM, EPSILON = 0.99, 1e-3
#: Constants of Adam, the same in every library.
BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8


@dataclasses.dataclass(frozen=True)
class Workload:
    """A network of dense layers, float32, and how it is trained.

    Parameters
    ----------
    name : str
        For ``--only``.
    sizes : tuple of int
        Units of the input, of each hidden layer, and of the output, which has no activation.
    batch : int
        Rows of a step.
    rows : int
        Rows of an epoch: a multiple of `batch`, since some peers compile once more for a smaller last batch.
    activation : {"relu", "tanh", "selu"}
        Of the hidden layers.
    loss : {"softmax cross entropy", "mean squared error"}
        Mean over the batch.
    optimizer : {"SGD", "Adam"}
        With `rate`.
    batch_norm : bool
        Whether batch normalisation follows each hidden layer's activation.
    dropout : float
        Share of the hidden numbers that are set to 0.
    """

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int
    activation: str = "relu"
    loss: str = "softmax cross entropy"
    optimizer: str = "SGD"
    rate: float = 0.01
    batch_norm: bool = False
    dropout: float = 0.0

    def __str__(self) -> str:
        inner = self.sizes[1:-1]
        hidden = f"{len(inner)} x {inner[0]}" if len(inner) > 3 else "-".join(map(str, inner))
        parts = [f"{self.sizes[0]}-{hidden}-{self.sizes[-1]}", f"batch {self.batch}", self.optimizer, self.activation]
        parts += ["MSE"] * (not self.classifies) + ["batch norm"] * self.batch_norm
        parts += [f"dropout {self.dropout}"] * (self.dropout > 0)
        return ", ".join(parts)

    @property
    def classifies(self) -> bool:
        """Whether the targets are classes."""
        return self.loss == "softmax cross entropy"

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each dense layer."""
        return list(itertools.pairwise(self.sizes))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.rows // self.batch

    @property
    def operations(self) -> int:
        """Operations of a step in the matrix products: two of each layer and a third of all but the first.

        The gradient with respect to the data is not needed, so no peer is credited for it.
        """
        sizes = [inputs * outputs for inputs, outputs in self.layers]
        return 2 * self.batch * (3 * sum(sizes) - sizes[0])

    def shortened(self) -> Workload:
        """The same with shorter epochs."""
        return dataclasses.replace(self, rows=self.batch * max(20, self.steps // 10))

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of normal numbers, and targets that a network can learn: what a step costs depends on no number."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.rows, self.sizes[0]), np.float32)
        signal = x @ rng.standard_normal((self.sizes[0], self.sizes[-1]), np.float32)
        if self.classifies:
            return x, np.argmax(signal, axis=1)
        return x, np.tanh(signal)

    def weights(self) -> Weights:
        """Initial weights: normal, with the variance 2 / inputs of He for relu, and 1 / inputs otherwise."""
        rng = np.random.default_rng(1)
        gain = 2 if self.activation == "relu" else 1
        return [
            (rng.standard_normal((m, n), np.float32) * np.float32((gain / m) ** 0.5), np.zeros(n, np.float32))
            for m, n in self.layers
        ]

    def orders(self, shuffle: bool = True) -> Iterator[np.ndarray]:
        """The order of the rows in each epoch, without end."""
        rng = np.random.default_rng(2)
        while True:
            yield rng.permutation(self.rows) if shuffle else np.arange(self.rows)


_MNIST = Workload("mnist", (784, 300, 100, 10), batch=32, rows=20_000)
_MIDDLE = Workload("middle", (64, 256, 256, 10), batch=32, rows=16_000)

TRAININGS = (
    _MNIST,
    dataclasses.replace(_MNIST, name="mnist-adam", optimizer="Adam", rate=1e-3),
    Workload("small", (20, 64, 64, 2), batch=32, rows=32_000),
    Workload("large", (784, 1024, 1024, 10), batch=256, rows=10_240),
    Workload("california", (8, 30, 1), batch=32, rows=11_616, loss="mean squared error", rate=1e-3),
    Workload("wide", (64, 2048, 10), batch=32, rows=16_000),
    Workload("deep", (64,) * 21 + (10,), batch=32, rows=16_000),
    dataclasses.replace(_MIDDLE, name="tanh", activation="tanh"),
    dataclasses.replace(_MIDDLE, name="selu", activation="selu"),
    dataclasses.replace(_MNIST, name="batch-norm", batch_norm=True),
    dataclasses.replace(_MNIST, name="dropout", dropout=0.3),
)
