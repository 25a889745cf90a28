"""How a network is trained when nobody says so: chosen by the size of the data."""

from __future__ import annotations

import dataclasses
from typing import Literal

from twopass.data.deciding import FEW_ROWS

__all__ = ["Settings", "for_dataset", "for_table"]

Schedule = Literal["one-cycle", "constant"]


@dataclasses.dataclass(frozen=True)
class Settings:
    """A network and its training.

    Parameters
    ----------
    hidden : str
        Sizes of the hidden layers.
    activation : str
    dropout : float
        After each hidden layer.
    optimizer : str
    learning_rate : float
        The peak of the schedule.
    schedule : {"one-cycle", "constant"}
    epochs, batch_size : int
    early_stopping : int or None
        Epochs without a better validation loss that are tolerated.
    members : int
        Networks that are trained side by side.
    weight_decay : float or None
        Of AdamW; None for the optimizer's own.
    """

    hidden: str
    activation: str
    dropout: float
    optimizer: str
    learning_rate: float
    schedule: Schedule
    epochs: int
    batch_size: int
    early_stopping: int | None
    members: int = 1
    weight_decay: float | None = None


def for_dataset() -> Settings:
    """For the data sets that come by name."""
    return Settings("128,128", "relu", 0.0, "adam", 0.001, "constant", 30, 32, None)


def for_table(n_rows: int) -> Settings:
    """For a table with so many rows to train on.

    The larger the table, the wider the network and the batches, and the fewer the epochs. Early stopping waits for a
    third of the epochs, because the loss falls most when the learning rate does, at the end of the cycle. Few rows
    leave much to chance: there the mean of several networks is better than one, and decaying weights keep them near a
    linear model.

    Examples
    --------
    >>> for_table(500).hidden, for_table(500).epochs, for_table(500).members
    ('64,64', 100, 5)
    >>> for_table(1_000_000).batch_size
    1024
    """
    sizes: list[tuple[float, str, float, int, int]] = [
        # rows below, hidden layers, dropout, epochs, batch size
        (FEW_ROWS, "64,64", 0.3, 100, 32),
        (10_000, "128,128", 0.1, 80, 64),
        (30_000, "256,256,256", 0.15, 60, 256),
        (100_000, "256,256,256", 0.1, 30, 256),
        (500_000, "256,256", 0.0, 12, 512),
        (float("inf"), "256,256", 0.0, 6, 1024),
    ]
    _, hidden, dropout, epochs, batch_size = next(row for row in sizes if n_rows < row[0])
    patience = max(3, epochs // 3)
    found = Settings(hidden, "gelu", dropout, "adamw", 0.003, "one-cycle", epochs, batch_size, patience)
    return dataclasses.replace(found, members=5, weight_decay=1.0) if n_rows < FEW_ROWS else found
