"""Training: the step, the trainer, callbacks."""

from twopass.train.callbacks import (
    Callback,
    Checkpoint,
    CheckpointBest,
    CSVLog,
    EarlyStopping,
    MLflowLog,
    NaNStop,
    OptunaPruning,
    Progress,
    TensorBoardLog,
    TimeBudget,
)
from twopass.train.finder import LearningRateFinder, LearningRateSweep
from twopass.train.fitting import Run
from twopass.train.parameters import Partition, State
from twopass.train.step import make_step
from twopass.train.trainer import Trainer

__all__ = [
    "CSVLog",
    "Callback",
    "Checkpoint",
    "CheckpointBest",
    "EarlyStopping",
    "LearningRateFinder",
    "LearningRateSweep",
    "MLflowLog",
    "NaNStop",
    "OptunaPruning",
    "Partition",
    "Progress",
    "Run",
    "State",
    "TensorBoardLog",
    "TimeBudget",
    "Trainer",
    "make_step",
]
