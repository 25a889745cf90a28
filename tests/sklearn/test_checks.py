"""The checks that scikit-learn has for estimators, without an exception."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from twopass.sklearn import MLPClassifier, MLPMultiTask, MLPRegressor

ESTIMATORS = [
    MLPClassifier(),
    MLPRegressor(),
    MLPMultiTask(),
    MLPClassifier(solver="lbfgs", max_iter=40, class_weight="balanced", n_layers=2, layer_width=10),
    MLPClassifier(n_members=3, hidden_layer_sizes=20),
    MLPRegressor(n_members=3, hidden_layer_sizes=50),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # the checks train for few epochs
@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)
