"""Values that a model has not seen in its training: predicted, but not in silence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from twopass.data import Encoder, Group, Table, Vocabulary
from twopass.data.targets import Category, Number

__all__ = ["Strangers"]


class Strangers:
    """What is said about values that are new to a model, counted over the rows of a file."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, encoder: Encoder, table: Table) -> None:
        """Look at some rows."""
        for feature in encoder.features:
            if isinstance(feature, Number | Category):
                continue  # which refuse them
            unknown = feature.unknown(table)
            if not unknown.any():
                continue
            if feature.name not in self._first:
                row = int(np.argmax(unknown))
                self._first[feature.name] = self._sentence(feature, table, row)
            self._counts[feature.name] = self._counts.get(feature.name, 0) + int(unknown.sum())

    @staticmethod
    def _sentence(feature: object, table: Table, row: int) -> str:
        name = str(getattr(feature, "name", ""))
        if table.missing(name)[row]:
            is_text = isinstance(feature, Group | Vocabulary)
            taken = "no category" if is_text else "the value in the middle"
            return f"column {name!r} has no value (first at {table.place(row)}), which it always had; taken as {taken}"
        value = table.columns[name][row].item()
        value = value if isinstance(value, str) else f"{value:.15g}"
        taken = "a rare one" if getattr(feature, "rare", False) else "none of the known ones"
        return f"column {name!r} holds {value!r} (first at {table.place(row)}), which is new; taken as {taken}"

    def remarks(self) -> Iterator[str]:
        """One sentence for each column with such values."""
        for name, sentence in self._first.items():
            count = self._counts[name]
            yield f"{sentence}. {count:,} row{'s are' if count > 1 else ' is'} like this."
