"""Metrics: what is reported of a network, exact over all samples of an epoch.

===========================  =================================================================================
name                         what
===========================  =================================================================================
``accuracy``                 `Accuracy`
``top_5_accuracy``           `TopKAccuracy`: the class is among the 5 largest logits; also ``top_k_accuracy``, and
                             ``top_3_accuracy`` for 3
``f1``                       `F1`; ``f1_macro``, ``f1_micro`` and ``f1_weighted`` for more than two classes
``auc``                      `AUC`: the area under the ROC curve
``r2``                       `R2`
``mean_absolute_error``      `MeanAbsoluteError`, also ``mae``
``mean_squared_error``       `MeanSquaredError`, also ``mse``
``root_mean_squared_error``  `RootMeanSquaredError`, also ``rmse``
===========================  =================================================================================
"""

from twopass.nn.metrics.base import FromFunction, Metric, config, from_config, get, names
from twopass.nn.metrics.classification import AUC, F1, Accuracy, TopKAccuracy
from twopass.nn.metrics.regression import R2, MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError

__all__ = [
    "AUC",
    "F1",
    "R2",
    "Accuracy",
    "FromFunction",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "config",
    "from_config",
    "get",
    "names",
]
