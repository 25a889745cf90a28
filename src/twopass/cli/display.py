"""What the commands print: results on standard output, progress on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.columns import Columns
from rich.console import Console, Group
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from twopass.cli.curve import draw
from twopass.data.download import Progress as OnBytes

__all__ = ["download_progress", "is_rich", "notes", "results", "show_curves", "show_fields", "table"]

_CURVE_HEIGHT = 8
_WIDEST_CURVE = 60
_NARROWEST_CURVE = 24


def results() -> Console:
    """Return the console of standard output."""
    return Console(highlight=False, soft_wrap=False)


def notes() -> Console:
    """Return the console of standard error."""
    return Console(stderr=True, highlight=False)


def is_rich(console: Console) -> bool:
    """Whether a console shows more than plain ASCII text: it is a terminal, in UTF-8, and NO_COLOR is not set."""
    return console.is_terminal and not console.no_color and console.encoding.startswith("utf")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> Table:
    """Return a table without a frame; the columns called `right` are aligned to the right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def show_fields(console: Console, fields: Mapping[str, str]) -> None:
    """Print names and values, one pair a line."""
    width = max(map(len, fields))
    for name, value in fields.items():
        console.print(f"{name:<{width}}  {value}", soft_wrap=True, markup=False)


def show_curves(console: Console, pictures: Sequence[Mapping[str, Sequence[float]]]) -> None:
    """Draw pictures of curves, side by side where they fit."""
    gap = 2
    beside = console.width // len(pictures) - gap
    width = beside if beside >= _NARROWEST_CURVE else console.width - gap
    width = min(width, _WIDEST_CURVE)
    drawn = [Group(*draw(curves, width=width, height=_CURVE_HEIGHT, braille=is_rich(console))) for curves in pictures]
    console.print(Columns(drawn, width=width, padding=(0, gap)))


@contextlib.contextmanager
def download_progress() -> Iterator[OnBytes]:
    """Give a callback that shows the progress of downloads."""
    console = notes()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def on_bytes(name: str, received: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(f"downloading {name}", total=total)
                if not console.is_terminal:
                    console.print(f"downloading {name}")
            progress.update(tasks[name], completed=received)

        yield on_bytes
