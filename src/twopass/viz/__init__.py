"""Pictures: learning curves, and both passes through a small network (needs matplotlib: the extra ``plot``)."""

from twopass.viz.history import plot_history
from twopass.viz.network import plot_network
from twopass.viz.passes import Passes, Units, passes

__all__ = ["Passes", "Units", "passes", "plot_history", "plot_network"]
