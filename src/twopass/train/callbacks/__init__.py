"""Callbacks: what happens beside training."""

from twopass.train.callbacks.base import Callback
from twopass.train.callbacks.logs import CSVLog
from twopass.train.callbacks.mlflow import MLflowLog
from twopass.train.callbacks.optuna import OptunaPruning
from twopass.train.callbacks.progress import Progress
from twopass.train.callbacks.saving import Checkpoint, CheckpointBest
from twopass.train.callbacks.stopping import EarlyStopping, NaNStop, TimeBudget
from twopass.train.callbacks.tensorboard import TensorBoardLog

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointBest",
    "EarlyStopping",
    "MLflowLog",
    "NaNStop",
    "OptunaPruning",
    "Progress",
    "TensorBoardLog",
    "TimeBudget",
]
