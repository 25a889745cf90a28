"""What the specifications of a network share: they may hold each other, and named functions."""

from __future__ import annotations

from typing import Any

from twopass import specification
from twopass.nn.registry import REGISTRIES
from twopass.nn.types import Config

__all__ = ["FAMILY", "Specification", "from_config"]

#: The losses are written and read with it too.
FAMILY = specification.Family(
    "layers",
    "Name it with tp.nn.activations.register(name, function) (losses and initializers have the same), use "
    "functools.partial with keywords on a named function, or give the network again when loading: "
    "tp.Trainer.load(folder, net=...).",
    REGISTRIES,
)


class Specification(specification.Specification, abstract=True):
    """Base of the layers, initializers, penalties and constraints."""

    family = FAMILY


def from_config(config: Config) -> Any:
    """Make a layer (or an initializer, a penalty, a constraint) from what its ``config()`` gave.

    Parameters
    ----------
    config : dict
        Plain data; only registered classes are made, so it cannot run code.

    Raises
    ------
    ModelError
        When it is damaged, or names a class that does not exist.

    Examples
    --------
    >>> from twopass import nn
    >>> nn.from_config(nn.Dense(3, activation="tanh").config())
    Dense(3, activation='tanh')
    """
    return FAMILY.from_config(config)
