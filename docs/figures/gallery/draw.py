"""Draw the pictures of docs/gallery.md: the page is the script.

Its blocks of Python are run one after the other; where a picture is shown, the last figure is what it shows. Run
``python docs/figures/gallery/draw.py`` after a change of the page.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

DOCS = Path(__file__).parents[2]
PAGE = DOCS / "gallery.md"
_PARTS = re.compile(r"^```python\n(?P<code>.*?)^```$|!\[[^]]*\]\((?P<picture>[^)]+)\)", re.MULTILINE | re.DOTALL)


def main(folder: Path = DOCS) -> None:
    """Draw them all, in a folder in the place of docs/."""
    sys.path.insert(0, str(DOCS.parent / "examples"))
    namespace: dict[str, object] = {"__name__": "__main__"}
    for part in _PARTS.finditer(PAGE.read_text()):
        if part["code"]:
            exec(compile(part["code"], str(PAGE), "exec"), namespace)
        else:
            pyplot.savefig(folder / part["picture"], dpi=100)
            pyplot.close("all")


if __name__ == "__main__":
    main()
