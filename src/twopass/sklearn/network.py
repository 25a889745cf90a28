"""The network of an estimator, and how its parameters become the lists that scikit-learn's users know."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from twopass import nn, tree
from twopass.nn.types import Array, Key, Params, Seed, Shape
from twopass.train.parameters import read_only

__all__ = ["Architecture", "Decayed", "activate", "frozen", "mean_of_questions", "mean_outputs"]

#: Vectors of categories start at most so far from 0 on each axis, as those of `nn.Embedding`.
_BOUND = 0.2


@dataclasses.dataclass(frozen=True)
class Decayed(nn.Layer):
    """A network beside the strength of its L2 penalty, which is a number of the parameters but never trained.

    So it is data to the compiled training step: a search over strengths compiles once.
    """

    net: nn.Layer

    def init(self, seed: Seed, input_shape: Shape, dtype: Any = np.float32) -> Params:
        return {"alpha": np.zeros((), dtype), "net": self.net.init(seed, input_shape, dtype)}

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.net.output_shape(input_shape)

    def apply(
        self, params: Params, x: Array, *, training: bool = False, key: Key | None = None
    ) -> tuple[Array, Params]:
        y, own = self.net.apply(params["net"], x, training=training, key=key)
        return y, {"alpha": params["alpha"], "net": own}

    def trainable(self, params: Params) -> Any:
        return {"alpha": False, "net": self.net.trainable(params["net"])}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What the layers are.

    Parameters
    ----------
    units : tuple of int
        Of each layer, the inputs first and the outputs last.
    activations : tuple of str or callable
        One for each hidden layer.
    dropout : tuple of float
        The rate after each hidden layer.
    batch_norm : bool
        Whether to normalise before each activation.
    table : EmbeddedColumns, optional
        What comes before, if there are columns of categories: the inputs in `units` are then what it gives.
    n_members : int
        How many such networks there are, side by side. The arrays of several are stacked along a first axis.
    """

    units: tuple[int, ...]
    activations: tuple[Any, ...]
    dropout: tuple[float, ...]
    batch_norm: bool
    table: nn.EmbeddedColumns | None = None
    n_members: int = 1

    @functools.cached_property
    def member(self) -> nn.Sequential:
        """The layers of one network; what they give has no activation."""
        layers: list[nn.Layer] = [] if self.table is None else [self.table]
        for units, activation, rate in zip(self.units[1:-1], self.activations, self.dropout, strict=True):
            layers.append(nn.Dense(units, activation=None if self.batch_norm else activation))
            if self.batch_norm:
                layers += [nn.BatchNorm(), nn.Activation(activation)]
            if rate:
                layers.append(nn.Dropout(rate))
        return nn.Sequential(*layers, nn.Dense(self.units[-1]))

    @functools.cached_property
    def net(self) -> nn.Layer:
        """The network, or all of them."""
        return self.member if self.n_members == 1 else nn.Ensemble(self.member, self.n_members)

    @functools.cached_property
    def trained(self) -> nn.Layer:
        """The same with the strength of the penalty among the parameters."""
        decayed = Decayed(self.member)
        return decayed if self.n_members == 1 else nn.Ensemble(decayed, self.n_members)

    def with_strength(self, alpha: float, params: Any, dtype: np.dtype[Any]) -> Any:
        """Parameters of the network as those of what is trained."""
        strength = np.array(alpha) if self.n_members == 1 else np.full(self.n_members, alpha)
        return frozen({"alpha": strength, "net": params}, dtype)

    @property
    def is_random(self) -> bool:
        """Whether a step needs random numbers."""
        return any(self.dropout)

    def draw(self, random_state: Any, dtype: np.dtype[Any]) -> tuple[list[Array], list[Array]]:
        """Initial weights and biases: uniform, with the bound of Glorot and Bengio (2010), eq. 16.

        The numbers are taken in scikit-learn's order, and the bound is its: smaller by the root of 3 for the logistic
        function. So the same `random_state` starts from the same network, which is the first of several.
        """
        if self.n_members > 1:
            found: tuple[list[Array], list[Array]] = self._of_members(Architecture.draw, random_state, dtype)
            return found
        coefs, intercepts = [], []
        for index, (inputs, outputs) in enumerate(zip(self.units[:-1], self.units[1:], strict=True)):
            activation = self.activations[min(index, len(self.activations) - 1)] if self.activations else "identity"
            bound = np.sqrt((2.0 if activation in ("logistic", "sigmoid") else 6.0) / (inputs + outputs))
            coefs.append(random_state.uniform(-bound, bound, (inputs, outputs)).astype(dtype, copy=False))
            intercepts.append(random_state.uniform(-bound, bound, outputs).astype(dtype, copy=False))
        return coefs, intercepts

    def draw_vectors(self, random_state: Any, dtype: np.dtype[Any]) -> list[Array]:
        """Initial vectors of the categories; drawn after all else, which is scikit-learn's."""
        if self.table is None:
            return []
        if self.n_members > 1:
            found: list[Array] = self._of_members(Architecture.draw_vectors, random_state, dtype)
            return found
        sizes = [(layer.n_categories, layer.units) for layer in self.table.embeddings]
        return [random_state.uniform(-_BOUND, _BOUND, size).astype(dtype, copy=False) for size in sizes]

    def _of_members(self, draw: Callable[..., Any], random_state: Any, dtype: np.dtype[Any]) -> Any:
        """What is drawn for each member, stacked."""
        one = dataclasses.replace(self, n_members=1)
        members = [draw(one, random_state, dtype)]
        # From numbers of their own, so that what follows is the same for any number of members.
        others = np.random.RandomState(copy.deepcopy(random_state).randint(2**31, size=4))
        members += [draw(one, others, dtype) for _ in range(self.n_members - 1)]
        return tree.map(lambda *leaves: np.stack(leaves), *members)

    def initial_norms(self, dtype: np.dtype[Any]) -> list[dict[str, Array]]:
        """Scale, shift and statistics of the normalisations, which change nothing at first."""
        if not self.batch_norm:
            return []
        norm: nn.Layer = nn.BatchNorm()
        if self.n_members > 1:
            norm = nn.Ensemble(norm, self.n_members)
        return [norm.init(0, (units,), dtype) for units in self.units[1:-1]]

    def params(
        self, coefs: Sequence[Any], intercepts: Sequence[Any], norms: Sequence[Any], vectors: Sequence[Any] = ()
    ) -> list[Any]:
        """The tree of the network's parameters."""
        dense, normalising = iter(zip(coefs, intercepts, strict=True)), iter(norms)
        made: list[Any] = []
        for layer in self.member.layers:
            if isinstance(layer, nn.Dense):
                weight, bias = next(dense)
                made.append({"weight": weight, "bias": bias})
            elif layer is self.table:
                made.append([{"weight": table} for table in vectors])
            else:
                made.append(dict(next(normalising)) if isinstance(layer, nn.BatchNorm) else {})
        return made

    def lists(self, params: list[Any]) -> tuple[list[Array], list[Array], list[dict[str, Array]]]:
        """Weights, biases and normalisations of a tree: copies, which the user may change."""
        layers = list(zip(self.member.layers, tree.map(np.array, params), strict=True))
        dense = [own for layer, own in layers if isinstance(layer, nn.Dense)]
        norms = [own for layer, own in layers if isinstance(layer, nn.BatchNorm)]
        return [own["weight"] for own in dense], [own["bias"] for own in dense], norms

    def vectors(self, params: list[Any]) -> list[Array]:
        """The vectors of the categories of a tree: copies."""
        return [] if self.table is None else [np.array(own["weight"]) for own in params[0]]

    def hidden(self, params: list[Any], x: Array) -> list[Array]:
        """The output of each hidden layer, after its activation, in prediction; of several networks side by side."""
        if isinstance(self.net, nn.Ensemble):
            one = dataclasses.replace(self, n_members=1)
            members = [one.hidden(self.net.member(params, index), x) for index in range(self.n_members)]
            return [np.stack(layer, axis=1) for layer in zip(*members, strict=True)]
        found: list[Array] = []
        for layer, own in zip(self.member.layers[:-1], params[:-1], strict=True):
            x = layer(own, x)
            if isinstance(layer, nn.Dense):
                found.append(x)
            elif found and not isinstance(layer, nn.Dropout):
                found[-1] = x
        return found


def activate(name: str, outputs: Any) -> Any:
    """The activation of the output layer."""
    match name:
        case "softmax":
            return nn.softmax(outputs)
        case "logistic":
            return nn.sigmoid(outputs)
        case "exp":
            return np.exp(outputs)
        case _:
            return outputs


#: For each activation of the output, a loss whose predictions are of that form.
_LOSSES_OF_ACTIVATIONS = {"softmax": "softmax_cross_entropy", "logistic": "binary_cross_entropy", "exp": "poisson"}


def mean_outputs(name: str, is_normal: bool, outputs: Any) -> Any:
    """The outputs of several networks, (n_samples, n_members, n_outputs), as outputs that are the mean of them.

    Activated, they are the mean of the activated outputs; means and log-variances, those of the mixture.
    """
    own = "gaussian_nll" if is_normal else "mean_squared_error"
    return nn.losses.mean_prediction(_LOSSES_OF_ACTIVATIONS.get(name, own), outputs)


def mean_of_questions(outputs: Any) -> Any:
    """The same where each class is a question of its own.

    The probabilities of a member are its answers, divided by their sum; the mean is that of the quotients.
    """
    answers = activate("logistic", outputs)
    limits = np.finfo(outputs.dtype)
    shares = answers / np.maximum(np.sum(answers, axis=-1, keepdims=True), limits.tiny)
    mean = np.clip(np.mean(shares, axis=1), limits.tiny, 1 - limits.epsneg)
    return np.log(mean) - np.log1p(-mean)


def frozen(params: Any, dtype: np.dtype[Any]) -> Any:
    """A copy of parameters, in one dtype, that nobody writes to."""
    return read_only(tree.map(lambda leaf: np.array(leaf, dtype, order="C"), params))
