"""matplotlib, imported when the first picture is drawn, and the colours of all pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twopass.errors import MissingLibraryError, compose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "INK", "RED", "new_figure"]

#: Told apart by people who see no difference between red and green, and in print.
RED, BLUE, INK = "#c8500a", "#1f6fb4", "#222222"


def new_figure(width: float, height: float) -> Figure:
    """A figure of a size in inches, one that ``matplotlib.pyplot.show()`` shows.

    Raises
    ------
    MissingLibraryError
        When matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        what = "twopass.viz draws with matplotlib, which is not installed"
        raise MissingLibraryError(compose(what, instead="Type pip install 'twopass[plot]'.")) from error
    return pyplot.figure(figsize=(width, height), layout="constrained")
