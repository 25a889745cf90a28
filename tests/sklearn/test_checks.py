"""The checks that scikit-learn has for estimators, without an exception."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import twopass as tp
from twopass.sklearn import MLPClassifier, MLPRegressor

ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPClassifier(solver="lbfgs", max_iter=60, class_weight="balanced", n_layers=2, layer_width=10),
    MLPRegressor(
        "huber", solver=tp.optim.SGD(0.01, momentum=0.9), activation=["silu", "tanh"], hidden_layer_sizes=(9, 8)
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the checks train for few epochs
@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)
