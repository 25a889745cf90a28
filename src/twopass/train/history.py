"""What the epochs have achieved: one list for each quantity, with one entry an epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["History", "from_json", "record_epoch", "to_json"]

History = dict[str, list[float]]


def record_epoch(history: History, record: Mapping[str, float], epoch: int) -> None:
    """Append one epoch; a quantity that other epochs do not have is NaN there.

    Examples
    --------
    >>> history = {"loss": [2.0]}
    >>> record_epoch(history, {"loss": 1.0, "val_loss": 1.5}, epoch=2)
    >>> history
    {'loss': [2.0, 1.0], 'val_loss': [nan, 1.5]}
    """
    for name in dict.fromkeys([*history, *record]):
        values = history.setdefault(name, [])
        values[epoch - 1 :] = []
        values.extend([math.nan] * (epoch - 1 - len(values)))
        values.append(record.get(name, math.nan))


def to_json(history: History) -> dict[str, list[Any]]:
    """The history with NaN and infinities, which JSON has not, as text."""
    return {
        name: [value if math.isfinite(value) else str(value) for value in values] for name, values in history.items()
    }


def from_json(history: Mapping[str, list[Any]]) -> History:
    """The inverse of `to_json`."""
    return {name: [float(value) for value in values] for name, values in history.items()}
