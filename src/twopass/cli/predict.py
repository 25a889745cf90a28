"""``twopass predict``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twopass.cli.display import notes, results, table
from twopass.cli.model import Fitted
from twopass.cli.source import read_rows
from twopass.errors import DataError, compose
from twopass.files import write_atomically

__all__ = ["predict"]

_SHOWN_ROWS = 10

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


def predict(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model, as twopass train has saved it.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, or a data set (its test rows).")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the predictions to this CSV file.")] = None,
) -> None:
    """Predict the target of each row: its class and the probability of it, or its value.

    Columns are found by their names. Without --out the predictions are printed: all of them, as CSV, into a pipe; the
    first ones on a terminal.

    \b
    Example:
      twopass predict digits-model digits --out predictions.csv
    """
    predictions = Fitted.load(folder).predict(read_rows(source))
    if out is not None:
        _write(out, predictions)
        notes().print(f"{_count(predictions)} predictions in {out}", soft_wrap=True, markup=False)
    elif sys.stdout.isatty():
        _show(predictions)
    else:
        sys.stdout.write(_to_csv(predictions))


def _count(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _to_csv(columns: Columns) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*map(_spell, columns.values()), strict=True))
    return text.getvalue()


def _spell(values: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    """Numbers with the digits that float32 has."""
    return [f"{value:.7g}" if isinstance(value, float) else str(value) for value in values.tolist()]


def _write(path: Path, columns: Columns) -> None:
    try:
        write_atomically(path, _to_csv(columns).encode())
    except OSError as error:
        raise DataError(compose(f"the predictions cannot be written: {error.strerror}", where=str(path))) from error


def _show(columns: Columns) -> None:
    rows = list(zip(*(_spell(values[:_SHOWN_ROWS]) for values in columns.values()), strict=True))
    console = results()
    console.print(table(list(columns), rows))
    if _count(columns) > _SHOWN_ROWS:
        more = _count(columns) - _SHOWN_ROWS
        console.print(f"... and {more:,} more; --out predictions.csv writes them all", soft_wrap=True)
