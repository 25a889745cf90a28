"""What optimizers, other transformations and schedules share: they may hold each other, and are saved with a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from twopass import specification
from twopass.checks import Positive, function

__all__ = ["LearningRate", "Specification", "from_config"]

#: A number, or a function of the step number (see `twopass.optim.schedules`).
LearningRate: TypeAlias = Positive | Annotated[Callable[[Any], Any], function("a schedule")]


class Specification(specification.Specification, abstract=True):
    """Base of the optimizers' and schedules' frozen dataclasses."""

    family = specification.Family(
        "optimizers and schedules",
        "Use one of twopass.optim.schedules, or a frozen dataclass derived from schedules.Schedule.",
    )


def from_config(config: dict[str, Any]) -> Any:
    """Make the optimizer, transformation or schedule that a configuration describes.

    Raises
    ------
    ModelError
        When it is damaged, or names a class that does not exist.

    Examples
    --------
    >>> from_config({"class": "SGD", "learning_rate": 0.1, "momentum": 0.9})
    SGD(0.1, momentum=0.9)
    """
    return Specification.family.from_config(config)
