"""``twopass train --report``: one page about a model, with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twopass.cli.report import Outcome

__all__ = ["check_page", "write_page"]


def check_page(path: Path) -> None:
    pass


def write_page(path: Path, outcome: Outcome, command: Sequence[str]) -> None:
    pass
