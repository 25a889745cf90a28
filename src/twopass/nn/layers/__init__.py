"""The layers."""

from twopass.nn.layers.dense import Dense
from twopass.nn.layers.dropout import Dropout
from twopass.nn.layers.elementary import Activation, Flatten
from twopass.nn.layers.embedding import EmbeddedColumns, Embedding
from twopass.nn.layers.ensemble import Ensemble
from twopass.nn.layers.graph import Graph
from twopass.nn.layers.normalization import BatchNorm, LayerNorm
from twopass.nn.layers.residual import Residual
from twopass.nn.layers.sequential import Sequential

__all__ = [
    "Activation",
    "BatchNorm",
    "Dense",
    "Dropout",
    "EmbeddedColumns",
    "Embedding",
    "Ensemble",
    "Flatten",
    "Graph",
    "LayerNorm",
    "Residual",
    "Sequential",
]
