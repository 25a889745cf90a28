"""``twopass evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twopass.cli.display import results, show_fields
from twopass.cli.model import Fitted
from twopass.cli.source import encode, open_rows

__all__ = ["evaluate"]


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The model, as twopass train has saved it.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, or a data set (its test rows).")],
) -> None:
    """Compare a model's predictions with the true values.

    \b
    Example:
      twopass evaluate digits-model digits
    """
    fitted, rows = Fitted.load(folder), open_rows(source)
    x, y = encode(fitted.encoder, rows)
    report = fitted.report(x, y)
    show_fields(results(), {"rows": f"{len(y):,}", **{name: f"{value:.4f}" for name, value in report.items()}})
