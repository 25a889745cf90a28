"""Pictures of networks and of their training (needs matplotlib: ``pip install 'twopass[plot]'``).

Every function draws into the ``axes`` that it is given, or into a new figure, and returns the matplotlib Axes; none
shows the figure or changes a setting of matplotlib. Red is above zero and blue below.

>>> import twopass as tp
>>> net = tp.nn.Sequential(tp.nn.Dense(16, activation="relu"), tp.nn.Dense(10))
>>> panels = tp.plot.weights(net.init(0, (64,)), image_shape=(8, 8))
>>> len(panels)
16
"""

from twopass.viz.boundary import decision_boundary
from twopass.viz.curves import learning_curves
from twopass.viz.diagram import network
from twopass.viz.flow import gradient_flow, gradient_norms
from twopass.viz.parameters import weight_histograms, weights
from twopass.viz.passes import Passes, Units, passes

__all__ = [
    "Passes",
    "Units",
    "decision_boundary",
    "gradient_flow",
    "gradient_norms",
    "learning_curves",
    "network",
    "passes",
    "weight_histograms",
    "weights",
]
