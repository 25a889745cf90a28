"""A trainer in a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from twopass import nn, optim, tree
from twopass.errors import ArgumentError, ModelError, compose
from twopass.io import load_model, pack, save_model, unpack
from twopass.train import history
from twopass.train.parameters import State, read_only

if TYPE_CHECKING:
    from twopass.train.trainer import Trainer

__all__ = ["load", "save"]


def save(trainer: Trainer, folder: str | os.PathLike[str], extra: Mapping[str, Any] | None = None) -> None:
    """Write a trainer; see `Trainer.save`."""
    from twopass import __version__  # here: the package imports this module before it has a version

    config = {
        "version": __version__,
        "net": _described(trainer.net.config),
        "loss": _described(lambda: nn.losses.config(trainer.loss)),
        "optimizer": _described(trainer.optimizer.config),
        "metrics": _described(lambda: [nn.metrics.config(metric) for metric in trainer.metrics]),
        "seed": trainer.seed,
        "dtype": str(trainer.dtype),
        "input_shape": trainer.input_shape,
        "feature_names": trainer.feature_names,
        "epoch": trainer.epoch,
        "history": history.to_json(trainer.history),
        "extra": extra,
    }
    save_model(folder, pack({"params": trainer.params, "optimizer": trainer.state.optimizer}), config)


def _described(config: Callable[[], Any]) -> Any:
    """A configuration; None for code, which a model file does not hold."""
    try:
        return config()
    except ModelError:
        return None


def load(
    cls: type[Trainer], folder: str | os.PathLike[str], given: Mapping[str, Any], options: Mapping[str, Any]
) -> Trainer:
    """Read a trainer; see `Trainer.load`.

    Parameters
    ----------
    cls : type
        What to make.
    folder : path
        Where it was saved.
    given : mapping
        ``net``, ``loss``, ``optimizer`` and ``metrics``; None for the saved ones.
    options : mapping
        Further arguments of the constructor.
    """
    tensors, config = load_model(folder)
    try:
        parts = {name: _part(name, config[name], value) for name, value in given.items()}
        trainer = cls(**parts, seed=config["seed"], dtype=config["dtype"], **options)
        trainer.init(_as_shape(config["input_shape"]))
        trainer.feature_names = _as_names(config.get("feature_names"))  # models of older versions have none
        trainer.epoch = int(config["epoch"])
        trainer.history = history.from_json(config["history"])
    except (ArgumentError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(compose(f"the model in {os.fspath(folder)} is damaged", why=f"{error}.")) from error
    like = {"params": trainer.params, "optimizer": trainer.state.optimizer}
    # Memory of our own: what was read is a view of the file's bytes, at any alignment.
    found = tree.map(lambda tensor: np.array(tensor, order="C"), unpack(tensors, like))
    trainer.state = State(read_only(found["params"]), found["optimizer"])
    return trainer


_READERS: dict[str, Callable[[Any], Any]] = {
    "net": nn.from_config,
    "loss": nn.losses.from_config,
    "optimizer": optim.from_config,
    "metrics": lambda configs: [nn.metrics.from_config(config) for config in configs],
}


def _part(name: str, config: Any, given: Any) -> Any:
    if given is not None:
        return given
    if config is None:
        what = f"the model was saved without its {name}, because it is code"
        raise ModelError(compose(what, instead=f"Give it again: Trainer.load(folder, {name}=...)."))
    return _READERS[name](config)


def _as_names(names: Any) -> list[str] | None:
    """The names of the columns, if there are any."""
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ArgumentError(f"feature_names is {names!r}")
    return names


def _as_shape(shape: Any) -> Any:
    """Tuples, which JSON has written as lists."""
    return tuple(map(_as_shape, shape)) if isinstance(shape, list) else shape
