"""The model that the commands train, save and use: a network, and how columns become its inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twopass import nn, optim, tree
from twopass.data import Category, Encoder, Table, Vocabulary
from twopass.data.targets import Target
from twopass.errors import ArgumentError, ModelError, compose, unknown_name
from twopass.io import load_model
from twopass.train import Trainer

__all__ = [
    "LOSSES",
    "Fitted",
    "decays",
    "is_unbalanced",
    "make_network",
    "make_optimizer",
    "parse_sizes",
    "quality",
    "without_vectors",
]

Array = np.ndarray[Any, np.dtype[Any]]

#: The losses for each task, the default first: those whose outputs are logits of classes, or the number itself.
LOSSES = {
    "classification": ("softmax_cross_entropy",),
    "regression": ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"),
}
_OPTIMIZERS = {
    name.lower(): made
    for name, made in vars(optim).items()
    if isinstance(made, type) and issubclass(made, optim.Optimizer) and made is not optim.Optimizer
}


def parse_sizes(text: str) -> list[int]:
    """Read the sizes of the hidden layers: ``"64,32"``, or ``"none"``.

    Raises
    ------
    ArgumentError
        When it is neither.

    Examples
    --------
    >>> parse_sizes("64,32"), parse_sizes("none")
    ([64, 32], [])
    """
    parts = [] if text == "none" else text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        instead = "Write the sizes of the layers, such as --hidden 64,32, or --hidden none for a linear model."
        raise ArgumentError(compose(f"--hidden {text!r} is not a list of positive whole numbers", instead=instead))
    return [int(part) for part in parts]


def make_network(
    encoder: Encoder, hidden: Sequence[int], activation: str, dropout: float, members: int = 1
) -> nn.Layer:
    """Return a multilayer perceptron with the outputs that the encoder's target needs, or several side by side."""
    layers: list[nn.Layer] = []
    found = _vocabularies(encoder)
    if found:
        embeddings = tuple(nn.Embedding(column.n_categories, column.units) for column in found.values())
        layers.append(nn.EmbeddedColumns(tuple(found), embeddings))
    for size in hidden:
        layers.append(nn.Dense(size, activation=activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
    net = nn.Sequential(*layers, nn.Dense(encoder.target.size))
    return net if members == 1 else nn.Ensemble(net, members)


def _vocabularies(encoder: Encoder) -> dict[int, Vocabulary]:
    """The columns whose categories are embedded, by the place of their input."""
    starts = np.cumsum([0, *(feature.size for feature in encoder.features)])
    places = zip(starts.tolist(), encoder.features, strict=False)
    return {start: feature for start, feature in places if isinstance(feature, Vocabulary)}


def without_vectors(encoder: Encoder, x: Array) -> Any:
    """Inputs for a linear model, which embeds nothing: each category is an input of its own, in a sparse matrix."""
    found = _vocabularies(encoder)
    if not found:
        return x
    import scipy.sparse

    others = [column for column in range(x.shape[1]) if column not in found]
    parts = [scipy.sparse.csr_array(x[:, others])]
    for start, column in found.items():
        places = (np.arange(len(x)), x[:, start].astype(np.int64))
        shape = (len(x), column.n_categories)
        parts.append(scipy.sparse.csr_array((np.ones(len(x), np.float32), places), shape=shape))
    return scipy.sparse.hstack(parts, format="csr")


def make_optimizer(name: str, learning_rate: Any, weight_decay: float | None = None) -> optim.Optimizer:
    """Return the optimizer with a name such as ``"adam"``, a learning rate or a schedule of it, and a weight decay.

    Raises
    ------
    ArgumentError
        When there is none of this name, or it has no weight decay.
    """
    if name.lower() not in _OPTIMIZERS:
        raise ArgumentError(unknown_name("optimizer", name, _OPTIMIZERS))
    kind: Any = _OPTIMIZERS[name.lower()]
    if weight_decay is not None and not decays(name):
        what = f"{kind.__name__} has no weight decay"
        raise ArgumentError(compose(what, instead="Write --optimizer adamw, or leave --weight-decay out."))
    options = {} if weight_decay is None else {"weight_decay": weight_decay}
    made: optim.Optimizer = kind(learning_rate=learning_rate, **options)
    return made


def decays(name: str) -> bool:
    """Whether the optimizer with a name has a weight decay."""
    return "weight_decay" in getattr(_OPTIMIZERS.get(name.lower()), "__dataclass_fields__", ())


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A trainer, and the encoder of its inputs and outputs."""

    trainer: Trainer
    encoder: Encoder

    def save(self, folder: Path, **extra: Any) -> None:
        """Write both to a model folder, and what else there is to say in JSON."""
        self.trainer.save(folder, extra={"encoder": self.encoder.config(), **extra})

    @classmethod
    def load(cls, folder: Path) -> Fitted:
        """Read both from a model folder.

        Raises
        ------
        ModelError
            When there is no model, or it does not say what its inputs are.
        """
        extra = load_model(folder).config.get("extra") or {}
        if "encoder" not in extra:
            what = "the model does not say which columns it needs"
            instead = "Use it from Python (tp.Trainer.load), or train one with: twopass train"
            raise ModelError(compose(what, where=str(folder), instead=instead))
        return cls(Trainer.load(folder), Encoder.from_config(extra["encoder"]))

    def predict(self, table: Table) -> dict[str, Array]:
        """Return the predictions for a table's rows as columns: the class and its probability, or the number.

        Of several networks also the spread, the standard deviation of what they predict: of that probability, or of the
        number.
        """
        of_all = self.trainer.predict(self.encoder.inputs(table))
        outputs, target = self.together(of_all), self.encoder.target
        predictions = {"prediction": target.decode(outputs)}
        if isinstance(target, Category):
            predictions["probability"] = nn.softmax(outputs).max(axis=1)
        if self.is_ensemble:
            each = np.moveaxis(of_all, 1, 0)
            if isinstance(target, Category):
                told = nn.softmax(each)[:, np.arange(len(outputs)), outputs.argmax(axis=1)]
            else:
                told = np.stack([target.decode(own) for own in each])
            predictions["spread"] = np.std(told, axis=0)
        return predictions

    def fill_vectors(self, x: Array) -> None:
        """Give what none of the rows learned from had, such as a missing value, the mean vector of what they had."""
        found = _vocabularies(self.encoder)
        if not found or not len(x):
            return
        params = tree.map(np.array, self.trainer.params)
        for own, (start, column) in zip(params[0], found.items(), strict=True):
            counts = np.bincount(x[:, start].astype(np.int64), minlength=column.n_categories)
            mean = np.average(own["weight"], axis=-2, weights=counts)  # of each of several networks
            own["weight"][..., counts == 0, :] = mean[..., np.newaxis, :]
        self.trainer.params = params

    @property
    def is_ensemble(self) -> bool:
        """Whether there are several networks."""
        return isinstance(self.trainer.net, nn.Ensemble)

    def together(self, outputs: Array) -> Array:
        """The outputs of the network; of several, outputs that stand for the mean of what they predict."""
        found: Array = nn.losses.mean_prediction(self.trainer.loss, outputs) if self.is_ensemble else outputs
        return found

    def outputs(self, x: Array) -> Array:
        """Return what `together` makes of the outputs for encoded rows."""
        return self.together(self.trainer.predict(x))

    def report(self, x: Array, y: Array) -> dict[str, float]:
        """Return how good the predictions for encoded rows are, errors in the units of the target."""
        return {**quality(self.encoder.target, self.outputs(x), y), "loss": self.trainer.evaluate(x, y)["loss"]}


def quality(target: Target, outputs: Array, y: Array) -> dict[str, float]:
    """How good a network's outputs, or a baseline's, are for encoded targets, in the units of the target.

    The first is the one that decides.
    """
    if isinstance(target, Category):
        found = {"accuracy": _measure("accuracy", outputs, y)}
        if target.size == 2 and len(np.unique(y)) == 2:
            found["AUC"] = _measure("auc", outputs[:, 1] - outputs[:, 0], y)
        if is_unbalanced(np.bincount(y, minlength=target.size)):
            right = outputs.argmax(axis=1) == y
            found["balanced accuracy"] = float(np.mean([right[y == own].mean() for own in np.unique(y)]))
        return found
    predicted, true = target.decode(outputs), target.decode(y)
    names = {"R2": "r2", "mean absolute error": "mae", "root mean squared error": "rmse"}
    return {label: _measure(name, predicted, true) for label, name in names.items()}


def is_unbalanced(counts: Array) -> bool:
    """Whether the rarest class has less than a fifth of what would be its share if all were equal."""
    return bool(counts.min() * len(counts) < 0.2 * counts.sum())


def _measure(name: str, outputs: Array, y: Array) -> float:
    metric = nn.metrics.get(name)
    metric.update(outputs, y)
    return float(metric.result())
