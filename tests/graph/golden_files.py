"""Golden files: text that a test makes, beside the text that it made when somebody looked at it."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare a text with the file of a name; ``TWOPASS_GOLDEN=write`` writes the file instead.

    Look at the difference before you commit it.
    """
    path = FOLDER / f"{name}.txt"
    if os.environ.get("TWOPASS_GOLDEN") == "write":
        path.write_text(text + "\n", encoding="utf-8")
    assert path.exists(), f"no golden file {path.name}: run the test once with TWOPASS_GOLDEN=write"
    assert text + "\n" == path.read_text(encoding="utf-8")
