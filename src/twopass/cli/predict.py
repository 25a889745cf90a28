"""``twopass predict``."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from twopass.cli.display import notes, results, table
from twopass.cli.model import Fitted
from twopass.cli.source import open_rows
from twopass.cli.strangers import Strangers
from twopass.data import TableFile
from twopass.data.reading import library
from twopass.errors import DataError, compose
from twopass.files import replacing

__all__ = ["predict"]

_SHOWN_ROWS = 10

Columns = Mapping[str, np.ndarray[Any, np.dtype[Any]]]


def predict(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model, as twopass train has saved it.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, or a data set (its test rows).")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the predictions to this CSV or Parquet file.")
    ] = None,
) -> None:
    """Predict the target of each row: its class and the probability of it, or its value.

    Columns are found by their names, in any order; others are ignored. The file is read and predicted some rows at a
    time. Without --out the predictions are printed: all of them, as CSV, into a pipe; the first ones on a terminal.

    \b
    Examples:
      twopass predict digits-model digits --out predictions.csv
      twopass predict houses-model new.parquet --out predictions.parquet
    """
    fitted, rows, strangers = Fitted.load(folder), open_rows(source), Strangers()
    predictions = _predictions(fitted, rows, strangers)
    if out is not None:
        count = _write(out, predictions)
        notes().print(f"{count:,} predictions in {out}", soft_wrap=True, markup=False)
    elif sys.stdout.isatty():
        _show(predictions)
    else:
        for text in _as_csv(predictions):
            sys.stdout.write(text)
    for remark in strangers.remarks():
        notes().print(f"note: {remark}", soft_wrap=True, markup=False)


def _predictions(fitted: Fitted, rows: TableFile, strangers: Strangers) -> Iterator[Columns]:
    """The predictions for some rows at a time."""
    some = False
    for chunk in rows:
        yield fitted.predict(chunk)
        strangers.add(fitted.encoder, chunk)
        some = True
    if not some:
        raise DataError(compose("the file holds no rows", where=rows.name, instead="Add rows below the header."))


def _as_csv(predictions: Iterator[Columns]) -> Iterator[str]:
    for number, columns in enumerate(predictions):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if number == 0:
            writer.writerow(columns)
        writer.writerows(zip(*map(_spell, columns.values()), strict=True))
        yield text.getvalue()


def _spell(values: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    """Numbers with the digits that float32 has."""
    return [f"{value:.7g}" if isinstance(value, float) else str(value) for value in values.tolist()]


def _write(path: Path, predictions: Iterator[Columns]) -> int:
    """Write a file of predictions, all or nothing, and say how many they are."""
    polars = library("polars", "Parquet files") if path.suffix.lower() == ".parquet" else None
    count, frames = 0, []
    try:
        with replacing(path) as file:
            if polars is None:
                for text in _as_csv(predictions):
                    file.write(text.encode())
                    count += text.count("\n")
                return count - 1
            for columns in predictions:
                frames.append(polars.DataFrame(dict(columns)))
                count += len(frames[-1])
            polars.concat(frames).write_parquet(file)
    except OSError as error:
        raise DataError(compose(f"the predictions cannot be written: {error.strerror}", where=str(path))) from error
    return count


def _show(predictions: Iterator[Columns]) -> None:
    first, count = next(predictions), 0
    count = len(next(iter(first.values()))) + sum(len(next(iter(columns.values()))) for columns in predictions)
    rows = list(zip(*(_spell(values[:_SHOWN_ROWS]) for values in first.values()), strict=True))
    console = results()
    console.print(table(list(first), rows))
    if count > _SHOWN_ROWS:
        more = count - _SHOWN_ROWS
        console.print(f"... and {more:,} more; --out predictions.csv writes them all", soft_wrap=True)
